"""Acceptance of a calcium plate (limits of the Assay Guidance Manual where it has any)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from platectl.analysis.calcium.calibration import Calibration
from platectl.analysis.calcium.results import StimulusCheck
from platectl.analysis.calcium.signal import Background, RatioTrace
from platectl.analysis.calcium.traces import CalciumConditions
from platectl.analysis.errors import AnalysisError
from platectl.analysis.limits import QcMetric, State
from platectl.analysis.model import FloatArray
from platectl.analysis.quality import ControlStatistics, control_statistics
from platectl.domain.result_rules import CalciumLimits

BLEACH_POINTS = 5


def _metric(
    name: str, value: float | None, limit: str, text: str, *, state: State,
    wells: tuple[str, ...] = (),
) -> QcMetric:  # fmt: skip
    known = None if value is None or not math.isfinite(value) else float(value)
    return QcMetric(name, known, limit, state, text, wells)


def control_metrics(
    high: Sequence[float], low: Sequence[float], limits: CalciumLimits, mode: str
) -> list[QcMetric]:
    """Z', the low control as a share of the high one, and the spread of the high one."""
    try:
        found = control_statistics(high, low)
    except AnalysisError as error:
        return [_metric("z_prime", None, "controls", str(error), state="fail")]
    metrics = [_separation(found, limits, mode)]
    if mode == "agonist":
        share = found.mean_low / found.mean_high
        metrics.append(
            _metric("vehicle_response", share, f"<= {limits.low_of_high:g}",
                    f"Vehicle reaches {100 * share:.1f} % of the positive control.",
                    state="pass" if share <= limits.low_of_high else "flag")
        )  # fmt: skip
    metrics.append(
        _metric("positive_cv", found.cv_high, f"<= {limits.high_cv:g}",
                f"The positive control varies by {100 * found.cv_high:.1f} %.",
                state="pass" if found.cv_high <= limits.high_cv else "flag")
    )  # fmt: skip
    return metrics


def _separation(found: ControlStatistics, limits: CalciumLimits, mode: str) -> QcMetric:
    """Z', or SSMD where the window is a fraction of the response and Z' cannot be high."""
    if mode == "modulator":
        ssmd = abs(found.ssmd)
        judged: State = (
            "pass" if ssmd >= limits.ssmd_pass else "flag" if ssmd >= limits.ssmd_fail else "fail"
        )
        limit = f">= {limits.ssmd_pass:g}, fail below {limits.ssmd_fail:g}"
        text = f"SSMD of the controls is {ssmd:.1f} (Z' {found.z_prime:.2f})."
        return _metric("ssmd", ssmd, limit, text, state=judged)
    z = found.z_prime
    state: State = (
        "pass" if z >= limits.z_prime_pass else "flag" if z >= limits.z_prime_fail else "fail"
    )
    limit = f">= {limits.z_prime_pass:g}, fail below {limits.z_prime_fail:g}"
    return _metric("z_prime", z, limit, f"Z' of the controls is {z:.2f}.", state=state)


def dye_metrics(
    traces: Sequence[RatioTrace], background: Background, limits: CalciumLimits
) -> list[QcMetric]:  # fmt: skip
    """Loading, leak, bleaching, and wells that shine by themselves."""
    loaded = [
        t for t in traces if t.trace.role not in {"unloaded", "rmax", "rmin"} and t.trace.used
    ]
    rest = np.array([_first(t.f380) for t in loaded])
    rest = rest[np.isfinite(rest)]
    if not rest.size:
        text = "No well has enough readings to see how it was loaded."
        return [_metric("loading", None, "readings", text, state="fail")]
    level = float(np.nanmean(rest)) / background.at_380 if background.at_380 > 0 else math.inf
    mean = float(rest.mean())
    cv = float(rest.std(ddof=1)) / mean if rest.size > 1 and mean > 0.0 else math.nan
    metrics = [
        _metric("loading", level, f">= {limits.loading_over_background:g}",
                f"F380 at rest is {level:.1f} times the background.",
                state="pass" if level >= limits.loading_over_background else "flag"),
        _metric("loading_cv", cv, f"< {limits.loading_cv:g}",
                f"F380 at rest varies by {100 * cv:.1f} % between wells.",
                state="pass" if cv < limits.loading_cv else "flag"),
    ]  # fmt: skip
    quiet = [t for t in loaded if t.trace.role == "vehicle"]
    if quiet:
        metrics += _drift(quiet, limits)
    return [*metrics, _glowing(loaded, limits)]


def _drift(quiet: Sequence[RatioTrace], limits: CalciumLimits) -> list[QcMetric]:
    slopes, losses = [], []
    for trace in quiet:
        good = np.isfinite(trace.ratio)
        if good.sum() > BLEACH_POINTS:
            slope = np.polyfit(trace.since_s[good] / 60.0, trace.ratio[good], 1)[0]
            slopes.append(slope / trace.baseline)
        after = trace.f380[trace.since_s > 0]
        after = after[np.isfinite(after)]
        if after.size > 2 * BLEACH_POINTS:
            first = float(after[:BLEACH_POINTS].mean())
            if first > 0.0:
                losses.append(1.0 - float(after[-BLEACH_POINTS:].mean()) / first)
    leak = float(np.mean(slopes)) if slopes else math.nan
    error = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes))) if len(slopes) > 1 else 0.0
    loss = float(np.mean(losses)) if losses else math.nan
    return [
        _metric("leak", leak, f"< {limits.leak_per_min:g} /min",
                f"The ratio of vehicle wells drifts by {100 * leak:.2f} % per minute.",
                state="pass" if abs(leak) - 2.0 * error < limits.leak_per_min else "flag"),
        _metric("bleaching", loss, f"< {limits.bleaching:g}",
                f"F380 of vehicle wells falls by {100 * loss:.1f} % over the read."
                if losses else "There are too few readings to see bleaching.",
                state="flag" if losses and loss >= limits.bleaching else "pass"),
    ]  # fmt: skip


def _glowing(loaded: Sequence[RatioTrace], limits: CalciumLimits) -> QcMetric:
    """Wells whose F340 and F380 both jump at the addition: the compound shines."""
    found = []
    for trace in loaded:
        before, after = trace.since_s < 0, trace.since_s > 0
        rise = [
            np.nanmedian(f[after]) / np.nanmedian(f[before])
            for f in (trace.f340, trace.f380)
            if np.isfinite(f[before]).any() and np.isfinite(f[after]).any()
        ]
        if rise and min(rise) > limits.glow:
            found.append(trace.trace.well)
    text = f"{', '.join(found)} shine by themselves." if found else "No compound shines by itself."
    return _metric("autofluorescence", float(len(found)), f"F x {limits.glow:g} in both channels",
                   text, state="flag" if found else "pass", wells=tuple(found))  # fmt: skip


def excluded_metric(traces: Sequence[RatioTrace]) -> QcMetric:
    """Wells that take no part, each with its reason."""
    out = [t.trace for t in traces if not t.trace.used]
    reasons = "; ".join(f"{w.well}: {w.excluded}" for w in out)
    text = f"Excluded wells: {reasons}." if out else "No well is excluded."
    return _metric("excluded_wells", float(len(out)), "none", text,
                   state="flag" if out else "pass", wells=tuple(w.well for w in out))  # fmt: skip


def _first(values: FloatArray) -> float:
    good = values[np.isfinite(values)]
    return float(good[:BLEACH_POINTS].mean()) if good.size else math.nan


def plate_metrics(
    calibration: Calibration, conditions: CalciumConditions, limits: CalciumLimits,
    stimulus: StimulusCheck | None, dead: tuple[float, float] | None,
) -> list[QcMetric]:  # fmt: skip
    """Calibration, temperature, dead time and the stimulus."""
    text = calibration.problem or (
        f"Rmin {calibration.rmin:.2f}, Rmax {calibration.rmax:.2f}, beta {calibration.beta:.1f}."
    )
    metrics = [
        _metric("calibration", calibration.rmax / calibration.rmin, "Rmax/Rmin >= 5, beta 2 to 15",
                text, state="pass" if calibration.usable else "flag")
    ]  # fmt: skip
    actual = conditions.actual_temperature_c
    if actual is not None:
        good = limits.temperature_low_c <= actual <= limits.temperature_high_c
        metrics.append(
            _metric("temperature", actual,
                    f"{limits.temperature_low_c:g} to {limits.temperature_high_c:g} C",
                    f"The reader was at {actual:.1f} C.", state="pass" if good else "flag")
        )  # fmt: skip
    if dead is not None:
        metrics.append(
            _metric("dead_time", dead[1], "known",
                    f"The first reading came {dead[0]:.1f} to {dead[1]:.1f} s after the addition.",
                    state="pass")
        )  # fmt: skip
    if stimulus is not None and conditions.mode == "modulator":
        good = limits.stimulus_low <= stimulus.share <= limits.stimulus_high
        metrics.append(
            _metric("stimulus", stimulus.share,
                    f"{limits.stimulus_low:g} to {limits.stimulus_high:g} of the full response",
                    f"The stimulus reaches {100 * stimulus.share:.0f} % of the agonist's maximum.",
                    state="pass" if good else "flag")
        )  # fmt: skip
    return metrics
