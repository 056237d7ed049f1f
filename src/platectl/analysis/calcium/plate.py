"""Analyse a calcium plate: from counts over time to EC50 with honest intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from platectl.analysis.calcium.calibration import calibrate
from platectl.analysis.calcium.features import WellFeatures, features_of, template_of
from platectl.analysis.calcium.quality import (
    control_metrics,
    dye_metrics,
    excluded_metric,
    plate_metrics,
)
from platectl.analysis.calcium.response import ResponseOptions, analyse_response
from platectl.analysis.calcium.results import CalciumPlateResult, ResponseResult, StimulusCheck
from platectl.analysis.calcium.signal import background_of, ratio_trace
from platectl.analysis.calcium.traces import (
    CalciumConditions,
    WellTrace,
    check_conditions,
    check_traces,
)
from platectl.analysis.limits import QcMetric, judged, worst
from platectl.analysis.preparation import PreparationErrors
from platectl.analysis.qualifiers import Flag
from platectl.domain.result_rules import CalciumLimits, ResponseRules

Pair = tuple[WellTrace, WellFeatures]
#: mode -> role at dose zero of test compounds, and role of the high control
CONTROLS = {"agonist": "vehicle", "modulator": "stimulus", "antagonist": "stimulus"}


@dataclass(frozen=True, slots=True)
class CalciumOptions:
    """Choices of the analysis.

    Attributes:
        well_cv: Expected relative standard deviation of responses between wells.
        dilution_step_sd_log10: Standard deviation of one serial dilution step.
        series_top_sd_log10: Of the top concentration of each series.
        rules: When a response gives a number.
    """

    well_cv: float = 0.08
    dilution_step_sd_log10: float = 0.012
    series_top_sd_log10: float = 0.012
    rules: ResponseRules = ResponseRules()  # noqa: RUF009 frozen


@np.errstate(divide="ignore", invalid="ignore")  # a dark plate has ratios that are no numbers
def analyse_calcium_plate(
    wells: Sequence[WellTrace],
    conditions: CalciumConditions,
    options: CalciumOptions = CalciumOptions(),
    limits: CalciumLimits = CalciumLimits(),  # noqa: B008 frozen
) -> CalciumPlateResult:
    """Analyse one plate.

    Order: background, ratio, baseline and amplitude at the true times of each well, curves on the
    amplitudes with the zero-dose wells as points. Percent of control is for display alone.

    Raises:
        AnalysisError: No usable result can come of these wells; one sentence.
    """
    given = tuple(wells)
    check_traces(given)
    check_conditions(conditions)
    background = background_of(given)
    traces = tuple(ratio_trace(w, background) for w in given)
    calibration = calibrate(traces, background, conditions.kd_molar)
    template = template_of(traces)
    features = tuple(features_of(t, template, calibration) for t in traces)
    pairs = list(zip(given, features, strict=True))
    compounds, stimulus = analyse_responses(pairs, conditions, options)
    dead = _dead_time(pairs)
    found = (
        *judge_controls(pairs, conditions.mode, limits),
        *dye_metrics(traces, background, limits),
        *plate_metrics(calibration, conditions, limits, stimulus, dead),
        excluded_metric(traces),
    )
    qc = judged(found, limits)
    state = worst(tuple(metric.state for metric in qc))
    if state == "fail":
        compounds = tuple(_withdrawn(result, qc) for result in compounds)
    return CalciumPlateResult(
        state, qc, compounds, conditions, background, calibration, features, traces, stimulus, dead
    )


def analyse_responses(
    pairs: Sequence[Pair], conditions: CalciumConditions, options: CalciumOptions
) -> tuple[tuple[ResponseResult, ...], StimulusCheck | None]:
    """Curves of all compounds of a plate on the amplitudes of its wells, and the stimulus there.

    Raises nothing: what cannot be fitted is said in the flags.
    """
    preparation = PreparationErrors(options.dilution_step_sd_log10, options.series_top_sd_log10)
    agonist = ResponseOptions(
        options.well_cv, preparation, "EC50", may_be_bell=False, rules=options.rules
    )
    tests = ResponseOptions(
        options.well_cv,
        preparation,
        "IC50" if conditions.mode == "antagonist" else "EC50",
        may_be_bell=conditions.mode == "modulator",
        rules=options.rules,
    )
    full = _mean(pairs, "stimulus" if conditions.mode == "antagonist" else "positive")
    groups: dict[str, list[Pair]] = {}
    for well, feature in pairs:
        if well.role in {"test", "reference"} and well.compound is not None:
            groups.setdefault(f"{well.role}:{well.compound}", []).append((well, feature))
    vehicle = [p for p in pairs if p[0].role == "vehicle"]
    zero = [p for p in pairs if p[0].role == CONTROLS[conditions.mode]]
    results = []
    for group in groups.values():
        is_test = group[0][0].role == "test"
        controls = zero if is_test else vehicle
        chosen = tests if is_test else agonist
        name = group[0][0].compound or ""
        results.append(analyse_response(name, group, controls, full, chosen))
    return tuple(results), _stimulus(pairs, results, conditions)


def _stimulus(
    pairs: Sequence[Pair], results: Sequence[ResponseResult], conditions: CalciumConditions
) -> StimulusCheck | None:
    """EC20 (EC80) of the agonist from this plate's curve, and what the stimulus wells reached."""
    found = next((r for r in results if r.role == "reference" and r.qualifier == "="), None)
    if conditions.stimulus_molar is None or found is None or found.hill is None or not found.curve:
        return None
    assert found.value_molar is not None  # noqa: S101  # the qualifier is "="
    share = 0.8 if conditions.mode == "antagonist" else 0.2
    factor = (share / (1.0 - share)) ** (1.0 / found.hill[0])
    fit = found.fits["monotone"] if found.fits else None
    span = next((p.value for p in fit.parameters if p.name == "Top"), math.nan) if fit else math.nan
    bottom = next((p.value for p in fit.parameters if p.name == "Bottom"), 0.0) if fit else 0.0
    reached = _mean(pairs, "stimulus")
    return StimulusCheck(
        ec20_molar=found.value_molar * factor,
        lower_molar=(found.lower_molar or math.nan) * factor,
        upper_molar=(found.upper_molar or math.nan) * factor,
        share=(reached - bottom) / (span - bottom) if span != bottom else math.nan,
    )


def _mean(pairs: Sequence[Pair], role: str) -> float:
    found = [f.amplitude for w, f in pairs
             if w.role == role and w.used and math.isfinite(f.amplitude)]  # fmt: skip
    return float(np.mean(found)) if found else math.nan


def judge_controls(pairs: Sequence[Pair], mode: str, limits: CalciumLimits) -> list[QcMetric]:
    """Z' (or SSMD) of the controls of a plate, and their spread, against the limits."""
    roles = ("stimulus", "positive") if mode == "antagonist" else ("positive", CONTROLS[mode])
    high, low = (
        [f.amplitude for w, f in pairs if w.role == role and w.used and math.isfinite(f.amplitude)]
        for role in roles
    )
    return control_metrics(high, low, limits, mode)


def _dead_time(pairs: Sequence[Pair]) -> tuple[float, float] | None:
    times = [
        float(w.t340_s[w.t340_s >= w.addition_s][0] - w.addition_s)
        for w, _ in pairs
        if w.addition_s is not None and (w.t340_s >= w.addition_s).any()
    ]
    return (min(times), max(times)) if times else None


def _withdrawn(result: ResponseResult, qc: Sequence[QcMetric]) -> ResponseResult:
    """No result from a failed plate; what was fitted stays visible."""
    failed = ", ".join(metric.name for metric in qc if metric.state == "fail")
    flag = Flag("plate_failed", f"The plate failed ({failed}), so no value is reported.")
    return replace(
        result, value_molar=None, lower_molar=None, upper_molar=None, qualifier="~",
        status="no result", flags=(*result.flags, flag),
    )  # fmt: skip
