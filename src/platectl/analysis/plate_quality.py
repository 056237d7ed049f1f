"""The acceptance table of a competition plate: controls, gradients, reference, patterns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platectl.analysis.counting import poisson_cv
from platectl.analysis.counting_quality import below_background, counting_metrics
from platectl.analysis.fit import Fit
from platectl.analysis.limits import QcMetric, State
from platectl.analysis.plate import BindingConditions, WellCount
from platectl.analysis.quality import ControlStatistics, control_statistics, halves_difference
from platectl.analysis.results import CompoundResult
from platectl.domain.result_rules import QcLimits

_DEAD_SIGMAS = 4.0
_LAST_LEVELS = 2


@dataclass(frozen=True, slots=True)
class PlateView:
    """Wells of a plate with its usable controls picked out."""

    wells: tuple[WellCount, ...]
    totals: tuple[WellCount, ...]
    nonspecific: tuple[WellCount, ...]
    conditions: BindingConditions


def _ok(*, met: bool, otherwise: State = "flag") -> State:
    return "pass" if met else otherwise


def control_metrics(view: PlateView, limits: QcLimits) -> tuple[QcMetric, ...]:
    """Metrics that need only controls, conditions and the plate map."""
    counts = [[w.gross_cpm for w in group] for group in (view.totals, view.nonspecific)]
    statistics = control_statistics(*counts)
    return (
        _z_prime(statistics, limits),
        _robust_z_prime(statistics, limits),
        _signal_to_background(statistics, limits),
        _specific(statistics, view, limits),
        _signal_window(statistics, limits),
        _ssmd(statistics, limits),
        _cv("cv_total", statistics.cv_high, view.totals, limits.cv_total, limits),
        _cv("cv_nsb", statistics.cv_low, view.nonspecific, limits.cv_nsb, limits),
        *_gradients(view, statistics, limits),
        _bound_of_added(view, statistics, limits),
        _radioligand(view, limits),
        _age_spread(view, limits),
        _dead(view, limits),
        _excluded(view),
        *counting_metrics(view.wells, view.conditions),
    )


def _z_prime(s: ControlStatistics, limits: QcLimits) -> QcMetric:
    state = _ok(
        met=s.z_prime >= limits.z_prime_pass,
        otherwise="flag" if s.z_prime >= limits.z_prime_fail else "fail",
    )
    text = f"Z' of totals against nonspecific binding is {s.z_prime:.2f}."
    limit = f">= {limits.z_prime_pass:g}, fail below {limits.z_prime_fail:g}"
    return QcMetric("z_prime", s.z_prime, limit, state, text)


def _robust_z_prime(s: ControlStatistics, limits: QcLimits) -> QcMetric:
    text = f"Z' from medians and MAD is {s.robust_z_prime:.2f}."
    state = _ok(met=s.robust_z_prime >= limits.z_prime_fail)
    return QcMetric("robust_z_prime", s.robust_z_prime, f">= {limits.z_prime_fail:g}", state, text)


def _signal_to_background(s: ControlStatistics, limits: QcLimits) -> QcMetric:
    value = s.signal_to_background
    text = f"Totals are {value:.1f} times nonspecific binding."
    state = _ok(met=value >= limits.signal_to_background)
    limit = f">= {limits.signal_to_background:g}"
    return QcMetric("signal_to_background", value, limit, state, text)


def _specific(s: ControlStatistics, view: PlateView, limits: QcLimits) -> QcMetric:
    net = s.mean_high - view.conditions.background_cpm
    share = (s.mean_high - s.mean_low) / net if net > 0.0 else math.nan
    text = f"{100.0 * share:.0f} % of total binding is specific."
    state = _ok(met=share > limits.specific_binding)
    if not net > 0.0 or below_background(view.nonspecific, view.conditions.background_cpm):
        text = (
            "More than all of total binding seems specific, which cannot be: check that counts are "
            "gross cpm, not cps or already without background."
        )
        state = "fail"
    return QcMetric("specific_binding", share, f"> {limits.specific_binding:g}", state, text)


def _signal_window(s: ControlStatistics, limits: QcLimits) -> QcMetric:
    text = f"The signal window is {s.signal_window:.1f} standard deviations of totals."
    state = _ok(met=s.signal_window > limits.signal_window)
    return QcMetric("signal_window", s.signal_window, f"> {limits.signal_window:g}", state, text)


def _ssmd(s: ControlStatistics, limits: QcLimits) -> QcMetric:
    text = f"The strictly standardised mean difference of the controls is {s.ssmd:.1f}."
    limit = f">= {limits.ssmd:g}"
    return QcMetric("ssmd", s.ssmd, limit, _ok(met=s.ssmd >= limits.ssmd), text)


def _cv(
    name: str, cv: float, wells: Sequence[WellCount], highest: float, limits: QcLimits
) -> QcMetric:
    mean_cpm = float(np.mean([w.gross_cpm for w in wells]))
    mean_min = float(np.mean([w.count_min for w in wells]))
    counting = poisson_cv(mean_cpm, count_min=mean_min)
    allowed = max(highest, limits.poisson_allowance * counting)
    text = f"CV is {100.0 * cv:.1f} %; counting alone gives {100.0 * counting:.1f} %."
    limit = f"<= {100.0 * highest:g} % or {limits.poisson_allowance:g} x counting"
    return QcMetric(name, cv, limit, _ok(met=cv <= allowed), text)


def residual_gradients(
    wells: Sequence[WellCount], fitted: Fit, limits: QcLimits
) -> tuple[QcMetric, QcMetric]:
    """Differences of totals across a plate of several levels or times, against the fit of each well.

    A layout that follows the rows hides some of a gradient in its curve; a drawn one does not.

    Args:
        wells: Those that were fitted, in the order of the points.
        fitted: The curve.
        limits: Of the same metrics of any plate.
    """
    totals = np.array([w.role == "total" for w in wells])
    weights = (fitted.weights * fitted.fitted**2)[totals]
    shares = (fitted.residuals / fitted.fitted)[totals]
    left, top = _sides(wells, [w for w in wells if w.role == "total"])

    def difference(inside: Sequence[bool]) -> float | None:
        first = np.array(inside)
        if first.all() or not first.any():
            return None
        means = [np.average(shares[s], weights=weights[s]) for s in (first, ~first)]
        return float(means[0] - means[1])

    return (
        _gradient("totals_left_right", difference(left), limits, of="what the curve gives"),
        _gradient("totals_top_bottom", difference(top), limits, of="what the curve gives"),
    )


def _gradients(
    view: PlateView, s: ControlStatistics, limits: QcLimits
) -> tuple[QcMetric, QcMetric]:
    counts = [w.gross_cpm for w in view.totals]
    left, top = _sides(view.wells, view.totals)
    return (
        _gradient("totals_left_right", halves_difference(counts, left, s.mean_high), limits),
        _gradient("totals_top_bottom", halves_difference(counts, top, s.mean_high), limits),
    )


def _sides(
    wells: Sequence[WellCount], totals: Sequence[WellCount]
) -> tuple[list[bool], list[bool]]:
    """Whether each total is left, and whether it is at the top, of the rows and columns in use."""
    rows = sorted({w.row for w in wells}, key=lambda row: (len(row), row))
    place = {row: i for i, row in enumerate(rows)}
    last = max(w.column for w in wells)
    left = [2 * w.column <= last for w in totals]
    return left, [2 * place[w.row] < len(rows) for w in totals]


def _gradient(
    name: str, value: float | None, limits: QcLimits, *, of: str = "their mean"
) -> QcMetric:
    limit = f"|difference| < {100.0 * limits.gradient:g} %"
    sides = "left and right" if name.endswith("right") else "top and bottom"
    if value is None:
        text = f"Totals stand on one side only, so {sides} cannot be compared."
        return QcMetric(name, None, limit, "pass", text)
    text = f"Totals {sides} differ by {100.0 * value:.1f} % of {of}."
    return QcMetric(name, value, limit, _ok(met=abs(value) < limits.gradient), text)


def _bound_of_added(view: PlateView, s: ControlStatistics, limits: QcLimits) -> QcMetric:
    conditions = view.conditions
    share = (s.mean_high - conditions.background_cpm) / conditions.added_cpm
    text = f"{100.0 * share:.1f} % of the radioligand is bound in total wells."
    if share >= limits.bound_of_added:
        text += " Depletion is strong: only the exact fit and Munson-Rodbard hold."
    state = _ok(met=share < limits.bound_of_added)
    limit = f"< {100.0 * limits.bound_of_added:g} %"
    return QcMetric("bound_of_added", share, limit, state, text)


def _radioligand(view: PlateView, limits: QcLimits) -> QcMetric:
    nominal = view.conditions.nominal_radioligand_molar
    limit = f"within {100.0 * limits.radioligand_tolerance:g} % of nominal"
    if nominal is None:
        text = "No nominal radioligand concentration is given to compare with."
        return QcMetric("added_radioligand", None, limit, "pass", text)
    deviation = view.conditions.radioligand_molar / nominal - 1.0
    text = f"Measured radioligand differs from nominal by {100.0 * deviation:+.1f} %."
    state = _ok(met=abs(deviation) <= limits.radioligand_tolerance)
    return QcMetric("added_radioligand", deviation, limit, state, text)


def _age_spread(view: PlateView, limits: QcLimits) -> QcMetric:
    ages = [w.age_min for w in view.wells if w.used and w.age_min is not None]
    limit = f"<= {limits.age_spread_min:g} min"
    if not ages:
        text = "No incubation ages were recorded."
        return QcMetric("age_spread", None, limit, "flag", text)
    spread = max(ages) - min(ages)
    text = f"Wells were filtered at ages {min(ages):.1f} to {max(ages):.1f} min."
    return QcMetric("age_spread", spread, limit, _ok(met=spread <= limits.age_spread_min), text)


def _dead(view: PlateView, limits: QcLimits) -> QcMetric:
    """Wells near the counter background, far below nonspecific binding: detector or filter."""
    background = view.conditions.background_cpm
    level = float(np.quantile([w.gross_cpm for w in view.nonspecific], 0.75))
    threshold = background + limits.dead_margin * (level - background)
    silent = tuple(
        w.well
        for w in view.wells
        if w.used
        and w.role in {"test", "reference", "total", "nsb"}
        and w.gross_cpm < threshold
        and w.gross_cpm < level - _DEAD_SIGMAS * math.sqrt(level / w.count_min)
    )
    limit = f"< {limits.dead_group} wells at background"
    if not silent:
        text = "No well counts at background level."
        return QcMetric("background_level_wells", 0.0, limit, "pass", text)
    text = (
        f"{len(silent)} wells count near background ({background:.0f} cpm), far below nonspecific "
        f"binding ({level:.0f} cpm): {', '.join(silent)}. Look for a dead detector, a torn filter "
        "or an empty well."
    )
    state: State = "fail" if len(silent) >= limits.dead_group else "flag"
    return QcMetric("background_level_wells", float(len(silent)), limit, state, text, silent)


def _excluded(view: PlateView) -> QcMetric:
    out = tuple(w for w in view.wells if not w.used)
    reasons = "; ".join(f"{w.well}: {w.excluded or 'excluded'}" for w in out)
    text = f"Excluded wells: {reasons}." if out else "No well is excluded."
    names = tuple(w.well for w in out)
    return QcMetric("excluded_wells", float(len(out)), "none", _ok(met=not out), text, names)


def curve_metrics(
    view: PlateView, compounds: Sequence[CompoundResult], limits: QcLimits
) -> tuple[QcMetric, ...]:
    """Metrics of the reference curves and of plateaus against controls."""
    high = float(np.mean([w.gross_cpm for w in view.totals]))
    low = float(np.mean([w.gross_cpm for w in view.nonspecific]))
    metrics: list[QcMetric] = []
    for result in compounds:
        if result.role == "reference":
            metrics.extend((_reference_ki(result, limits), _reference_hill(result, limits)))
        metrics.extend(_plateaus(result, high, low, limits))
        metrics.extend(_rise(result, limits.rise_sds))
    return tuple(metrics)


def _reference_ki(result: CompoundResult, limits: QcLimits) -> QcMetric:
    name = f"reference_ki[{result.compound}]"
    window = limits.reference_windows.get(result.compound)
    if window is None:
        text = f"No window is set for {result.compound}."
        return QcMetric(name, result.value_molar, "none set", "pass", text)
    limit = f"{window.lower_molar * 1e9:g} to {window.upper_molar * 1e9:g} nM"
    value = result.value_molar
    if value is None or result.qualifier != "=":
        text = f"The reference {result.compound} gave no usable Ki."
        return QcMetric(name, value, limit, "fail", text)
    met = window.lower_molar <= value <= window.upper_molar
    text = f"Ki of the reference {result.compound} is {value * 1e9:.3g} nM."
    return QcMetric(name, value, limit, _ok(met=met, otherwise="fail"), text)


def _reference_hill(result: CompoundResult, limits: QcLimits) -> QcMetric:
    name = f"reference_hill[{result.compound}]"
    low, high = limits.reference_hill
    limit = f"{low:g} to {high:g}"
    if result.hill is None:
        text = f"The reference {result.compound} has no Hill slope."
        return QcMetric(name, None, limit, "flag", text)
    slope = result.hill.slope
    text = f"The Hill slope of the reference {result.compound} is {slope:.2f}."
    return QcMetric(name, slope, limit, _ok(met=low <= slope <= high), text)


def _rise(result: CompoundResult, most: float) -> tuple[QcMetric, ...]:
    """Mean scaled residual of the last two concentrations; a masked hook counts as a rise."""
    name, limit = f"rise_at_top[{result.compound}]", f"<= {most:g} SD"
    if any(flag.name == "hook" for flag in result.flags):
        text = f"{result.compound} rises again at its highest concentrations, which are masked."
        return (QcMetric(name, None, limit, "flag", text),)
    levels: dict[float, list[float]] = {}
    for point in result.points:
        if point.scaled_residual is not None and 0.0 < point.concentration_molar < math.inf:
            levels.setdefault(point.concentration_molar, []).append(point.scaled_residual)
    if len(levels) <= _LAST_LEVELS:
        return ()
    lowest = min(float(np.mean(levels[dose])) for dose in sorted(levels)[-_LAST_LEVELS:])
    text = (
        f"The last two concentrations of {result.compound} lie at least {lowest:+.1f} SD from "
        "the curve."
    )
    return (QcMetric(name, lowest, limit, _ok(met=lowest <= most), text),)


def _plateaus(
    result: CompoundResult, high: float, low: float, limits: QcLimits
) -> tuple[QcMetric, ...]:
    """Plateaus of the compound's own curve against the control means, share of the window."""
    if result.own_top_cpm is None or result.own_bottom_cpm is None:
        return ()
    limit = f"|difference| < {100.0 * limits.plateau_difference:g} % of window"
    metrics = []
    for end, curve, control in (
        ("top", result.own_top_cpm, high),
        ("bottom", result.own_bottom_cpm, low),
    ):
        value = (curve - control) / (high - low)
        controls = "totals" if end == "top" else "nonspecific binding"
        text = (
            f"The {end} of the curve of {result.compound} differs from {controls} by "
            f"{100.0 * value:+.1f} % of the window."
        )
        state = _ok(met=abs(value) < limits.plateau_difference)
        metrics.append(QcMetric(f"{end}_vs_control[{result.compound}]", value, limit, state, text))
    return tuple(metrics)
