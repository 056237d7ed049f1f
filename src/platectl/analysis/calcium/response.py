"""Dose-response of one compound: monotone or bell-shaped, or no response at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import fdtrc, ndtri

from platectl.analysis.calcium.bell import BELL_SHAPED
from platectl.analysis.calcium.features import WellFeatures
from platectl.analysis.calcium.results import BandPoint, DosePoint, ResponseResult
from platectl.analysis.calcium.traces import WellTrace
from platectl.analysis.compare import aicc
from platectl.analysis.dose_response import FOUR_PARAMETER
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.model import FloatArray
from platectl.analysis.preparation import (
    PreparationErrors,
    concentration_covariance,
    estimate_sensitivity,
    preparation_variance,
)
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.qualifiers import Flag
from platectl.analysis.report import report
from platectl.analysis.weighting import Weighting, given_weights
from platectl.domain.result_rules import NoResponse, ResponseRules

CONTROL_DECADES = 12.0
CURVE_POINTS = 80


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """Choices of the fits.

    Attributes:
        well_cv: Relative standard deviation of responses between wells; it sets the relative
            weight of points, their common scale is estimated.
        preparation: Errors of the dilution series.
        quantity: EC50 for rising curves, IC50 for falling ones.
        may_be_bell: Whether a bell-shaped curve may be the answer; where it may not, one that fits
            better is flagged.
        rules: When a response gives a number.
    """

    well_cv: float
    preparation: PreparationErrors
    quantity: str
    may_be_bell: bool
    rules: ResponseRules = ResponseRules()  # noqa: RUF009 frozen


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    wells: tuple[WellTrace, ...]
    own: int
    log10_molar: FloatArray
    amplitude: FloatArray


def analyse_response(
    compound: str,
    wells: Sequence[tuple[WellTrace, WellFeatures]],
    controls: Sequence[tuple[WellTrace, WellFeatures]],
    full_response: float,
    options: ResponseOptions,
) -> ResponseResult:
    """Fit one compound; `controls` stand at dose zero, `full_response` is the positive control's.

    Raises nothing: what cannot be fitted is said in the flags.
    """
    used = [(w, f) for w, f in wells if w.used and math.isfinite(f.amplitude)]
    role = wells[0][0].role
    empty = ResponseResult(
        compound, role, options.quantity, None, None, None, "~", "no result", (),
        series=len({w.series for w, _ in used}),
    )  # fmt: skip
    doses = {round(math.log10(w.concentration_molar or 1.0), 6) for w, _ in used}
    zero = [(w, f) for w, f in controls if w.used and math.isfinite(f.amplitude)]
    fewest = options.rules.too_few_points.fewest
    if len(doses) < fewest or len(zero) < 2:  # noqa: PLR2004  # a spread needs two
        sentence = f"{compound} has {len(doses)} usable concentrations; {fewest} are needed."
        flag = Flag("too_few_points", sentence)
        return replace(empty, flags=(flag,), points=_shown(wells, None, {}))
    points = _points(used, zero)
    spread = float(np.std([f.amplitude for _, f in zero], ddof=1))
    known = [f.amplitude_sd for _, f in (*used, *zero) if math.isfinite(f.amplitude_sd)]
    floor = float(np.median(known)) if known else spread
    try:
        return _fitted(empty, points, wells, (floor, spread), full_response, options)
    except AnalysisError as error:
        flag = Flag("fit_failed", str(error))
        return replace(empty, flags=(flag,), points=_shown(wells, None, {}))


def _points(
    used: Sequence[tuple[WellTrace, WellFeatures]], zero: Sequence[tuple[WellTrace, WellFeatures]]
) -> _Points:
    logs = np.array([math.log10(w.concentration_molar or 1.0) for w, _ in used])
    far = np.full(len(zero), logs.min() - CONTROL_DECADES)
    return _Points(
        tuple(w for w, _ in (*used, *zero)),
        len(used),
        np.concatenate((logs, far)),
        np.array([f.amplitude for _, f in (*used, *zero)]),
    )


def _fitted(
    empty: ResponseResult, points: _Points, wells: Sequence[tuple[WellTrace, WellFeatures]],
    noise: tuple[float, float], full_response: float, options: ResponseOptions,
) -> ResponseResult:  # fmt: skip
    floor, spread = noise
    weighting = Weighting("relative", cv=options.well_cv, floor=max(floor, 1e-6))
    monotone = _monotone(points, weighting)
    held = FitOptions(weighting=given_weights(monotone.weights))
    same = fit(FOUR_PARAMETER, points.log10_molar, points.amplitude,
               start=monotone.free_values, options=held)  # fmt: skip
    if _no_response(points, same, spread, options.rules.no_response):
        sentence = f"{empty.compound} does not change the response at any concentration."
        flag = Flag("no_response", sentence)
        return replace(
            empty, qualifier="none", status="no response", flags=(flag,), model="none",
            points=_shown(wells, None, {}), effect_percent=0.0,
        )  # fmt: skip
    margin = options.rules.bell.aicc_margin
    bell, evidence = _bell(points, same, margin) if options.quantity == "EC50" else (None, None)
    shape = _shape_flag(bell, may_be_bell=options.may_be_bell)
    bell = bell if options.may_be_bell else None
    chosen, name = (bell, "LogEC50") if bell is not None else (monotone, "LogIC50")
    interval = profile_interval(chosen, name)
    made = _graded(empty, points, chosen, interval, options)
    span = float(chosen.predict(_grid(points)).max() - chosen.predict(points.log10_molar[-1:])[0])
    hill = None
    if bell is None:
        slope = profile_interval(monotone, "HillSlope")
        hill = (slope.value, slope.lower, slope.upper)
    fitted = {w.well: float(v) for w, v in zip(points.wells, chosen.fitted, strict=True)}
    return replace(
        made,
        flags=(*made.flags, *shape),
        model=chosen.model.name,
        hill=hill,
        falling_molar=None if bell is None else 10.0 ** bell["LogIC50"].value,
        bell_evidence=evidence,
        effect_percent=100.0 * span / full_response if full_response else None,
        points=_shown(wells, points, fitted),
        curve=_band(chosen, points),
        fits={"chosen": report(chosen, profiles=(interval,)), "monotone": report(monotone)},
    )


def _shape_flag(bell: Fit | None, *, may_be_bell: bool) -> tuple[Flag, ...]:
    """What the value rests on when the responses fall again."""
    if bell is None:
        return ()
    if may_be_bell:
        sentence = "The rising side is taken to have slope 1; with another slope EC50 is shifted by up to 0.4 decades."
        return (Flag("slope_assumed", sentence),)
    sentence = "The response falls again at high doses; a monotone curve shifts EC50 there."
    return (Flag("falls_again", sentence),)


def _monotone(points: _Points, weighting: Weighting) -> Fit:
    return fit(
        FOUR_PARAMETER,
        points.log10_molar,
        points.amplitude,
        options=FitOptions(weighting=weighting),
    )


def _no_response(points: _Points, same: Fit, spread: float, rule: NoResponse) -> bool:
    """Doses and controls do not differ (F test of their means, whatever the shape), or hardly."""
    dose = np.round(points.log10_molar, 6)
    levels, label = np.unique(dose, return_inverse=True)
    w, y = same.weights, points.amplitude
    means = np.bincount(label, w * y) / np.bincount(label, w)
    within = float(w @ (y - means[label]) ** 2)
    flat = float(w @ (y - np.average(y, weights=w)) ** 2)
    extra, left = levels.size - 1, y.size - levels.size
    f = (flat - within) / extra / (within / left)
    furthest = float(np.abs(means - means[0]).max())  # the controls come first
    return float(fdtrc(extra, left, f)) > rule.p or furthest < rule.sds * spread


def _bell(points: _Points, monotone: Fit, margin: float) -> tuple[Fit | None, float | None]:
    """The bell-shaped curve on the same weights, if AICc speaks clearly for it."""
    held = FitOptions(weighting=given_weights(monotone.weights))
    try:
        best = fit(BELL_SHAPED, points.log10_molar, points.amplitude, options=held)
    except AnalysisError:
        return None, None
    evidence = aicc(monotone) - aicc(best)
    inside = best["LogIC50"].value < float(points.log10_molar[: points.own].max())
    order = best["LogEC50"].value < best["LogIC50"].value
    good = evidence > margin and inside and order and best["Span"].value > 0
    return (best if good else None), evidence


def _graded(
    empty: ResponseResult, points: _Points, chosen: Fit, interval: Interval,
    options: ResponseOptions,
) -> ResponseResult:  # fmt: skip
    own = points.log10_molar[: points.own]
    if interval.value > own.max():
        return _bound(empty, ">", 10.0 ** float(own.max()))
    if interval.value < own.min() and interval.lower < own.min() - 1.0:
        return _bound(empty, "<", 10.0 ** float(own.min()))
    sd = _preparation_sd(points, chosen, interval.name, options.preparation)
    extra = float(ndtri(0.975)) * sd
    lower = interval.value - math.hypot(interval.value - interval.lower, extra)
    upper = interval.value + math.hypot(interval.upper - interval.value, extra)
    width, flags = upper - lower, []
    qualifier = "="
    useless, imprecise = options.rules.undetermined.log_units, options.rules.imprecise
    if not width <= useless:
        qualifier = "~"
        sentence = f"The interval spans more than {useless:g} log units."
        flags.append(Flag("undetermined", sentence))
    elif imprecise.apply and width > imprecise.log_units:
        sentence = f"The interval spans more than {imprecise.log_units:g} log units."
        flags.append(Flag("imprecise", sentence))
    return replace(
        empty,
        value_molar=10.0**interval.value,
        lower_molar=10.0**lower if math.isfinite(lower) else None,
        upper_molar=10.0**upper if math.isfinite(upper) else None,
        qualifier=qualifier,
        status="not for use" if qualifier == "~" else "ok",
        flags=tuple(flags),
    )


def _bound(empty: ResponseResult, qualifier: str, molar: float) -> ResponseResult:
    words = "above the highest" if qualifier == ">" else "below the lowest"
    flag = Flag("out_of_range", f"{empty.quantity} lies {words} concentration.")
    return replace(
        empty, value_molar=molar, lower_molar=molar if qualifier == ">" else None,
        upper_molar=molar if qualifier == "<" else None, qualifier=qualifier, status="bound",
        flags=(flag,),
    )  # fmt: skip


def _preparation_sd(points: _Points, chosen: Fit, name: str, errors: PreparationErrors) -> float:
    step = 1e-4
    slope = chosen.predict(points.log10_molar + step) - chosen.predict(points.log10_molar - step)
    place = list(chosen.model.parameters).index(name)
    answer = estimate_sensitivity(chosen.jacobian, chosen.weights, place, slope / (2 * step))
    own = points.wells[: points.own]
    covariance = concentration_covariance(
        [w.series for w in own], [w.dilution_steps for w in own], errors
    )
    return math.sqrt(max(preparation_variance(answer[: points.own], covariance), 0.0))


def _grid(points: _Points) -> FloatArray:
    own = points.log10_molar[: points.own]
    return np.linspace(float(own.min()) - 0.5, float(own.max()) + 0.3, CURVE_POINTS)


def _band(chosen: Fit, points: _Points) -> tuple[BandPoint, ...]:
    grid = _grid(points)
    lower, upper = chosen.band(grid)
    rows = zip(grid, chosen.predict(grid), lower, upper, strict=True)
    return tuple(BandPoint(*(float(v) for v in row)) for row in rows)


def _shown(
    wells: Sequence[tuple[WellTrace, WellFeatures]], points: _Points | None,
    fitted: dict[str, float],
) -> tuple[DosePoint, ...]:  # fmt: skip
    shown = [
        DosePoint(w.well, w.concentration_molar or 0.0, f.amplitude, fitted.get(w.well), w.excluded)
        for w, f in wells
    ]
    controls = points.wells[points.own :] if points else ()
    amplitudes = points.amplitude[points.own :] if points else ()
    shown += [
        DosePoint(w.well, 0.0, float(a), fitted.get(w.well))
        for w, a in zip(controls, amplitudes, strict=True)
    ]
    return tuple(shown)
