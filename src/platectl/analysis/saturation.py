"""Analyse a saturation plate: Kd and Bmax of the radioligand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from platectl.analysis.binding_models import saturation_naive, saturation_with_depletion
from platectl.analysis.compare import AiccComparison, compare_aicc
from platectl.analysis.counting import pmol_per_mg
from platectl.analysis.counting_quality import counting_metrics
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.limits import QcMetric, State, judged, worst
from platectl.analysis.model import FloatArray
from platectl.analysis.plate import (
    BindingConditions,
    WellCount,
    check_conditions,
    check_wells,
    is_number,
)
from platectl.analysis.plate_quality import residual_gradients
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.qualifiers import Flag
from platectl.analysis.report import FitReport, report
from platectl.analysis.weighting import Kind, Weighting, given_weights
from platectl.domain.codes import Code
from platectl.domain.result_rules import QcLimits

FEWEST_CONCENTRATIONS = 4
NANO = 1e9
HIGHEST_OVER_KD = 3.0
LOWEST_OVER_KD = 0.5


@dataclass(frozen=True, slots=True)
class SaturationOptions:
    """Choices: kind of weighting, and the CV of net counts for `counting`."""

    weighting: Kind = "counting"
    cv: float = 0.03


@dataclass(frozen=True, slots=True)
class SaturationPoint:
    """One well: radioligand added in molar, counts, the curve there, and why it was left out."""

    well: str
    role: str
    radioligand_molar: float
    gross_cpm: float
    fitted_cpm: float | None
    residual_cpm: float | None
    excluded: str | None = None


@dataclass(frozen=True, slots=True)
class SaturationResult:
    """Kd and Bmax with 95 % profile intervals; `conditions` say what for.

    Attributes:
        kd_molar: From the fit with ligand depletion.
        kd_sd_log10: Half-width of its interval in log10 over the normal quantile, for use as
            `BindingConditions.kd_sd_log10`; includes the measured radioligand.
        bmax_pmol_per_mg: Per protein.
        bmax_fmol_per_well: The same in the well.
        nonspecific_fraction: NS, nonspecific bound over free radioligand.
        kd_naive_molar: From the fit that takes added ligand as free.
        depletion: AICc of the depletion fit minus the naive one, on the weights of the former.
        largest_bound_of_added: Highest share of added radioligand bound in a total well.
    """

    state: State
    qc: tuple[QcMetric, ...]
    kd_molar: float
    kd_lower_molar: float
    kd_upper_molar: float
    kd_sd_log10: float
    bmax_pmol_per_mg: float
    bmax_lower_pmol_per_mg: float
    bmax_upper_pmol_per_mg: float
    bmax_fmol_per_well: float
    nonspecific_fraction: float
    kd_naive_molar: float | None
    depletion: AiccComparison | None
    largest_bound_of_added: float
    flags: tuple[Flag, ...]
    fits: dict[str, FitReport]
    points: tuple[SaturationPoint, ...]
    conditions: BindingConditions


def analyse_saturation_plate(
    wells: Sequence[WellCount],
    conditions: BindingConditions,
    options: SaturationOptions = SaturationOptions(),
    limits: QcLimits = QcLimits(),  # noqa: B008 frozen
) -> SaturationResult:
    """Fit total and nonspecific wells of all concentrations together, with ligand depletion.

    Wells carry nominal `radioligand_molar`; when the conditions give a measured and a nominal
    concentration, all are multiplied by their ratio. Gross cpm are fitted, with the counter
    background as a constant.

    Raises:
        AnalysisError: Too few concentrations, no totals or no nonspecific wells.
    """
    check_conditions(conditions)
    check_wells(wells)
    used = [w for w in wells if w.used and w.role in {"total", "nsb"}]
    molar = _added_molar(used, conditions)
    _check_design(used, molar)
    cpm = np.array([w.gross_cpm for w in used])
    fitter = _options(used, conditions, options)
    is_total = np.array([w.role == "total" for w in used], dtype=np.float64)
    x = np.stack((molar * conditions.cpm_per_molar, is_total))
    depleted = fit(saturation_with_depletion(conditions.background_cpm), x, cpm, options=fitter)
    naive, comparison = _naive(np.stack((molar * NANO, is_total)), depleted, conditions)
    fits = _Fits(tuple(used), molar, is_total, depleted, naive, comparison)
    return _result(wells, fits, conditions, limits)


@dataclass(frozen=True, slots=True)
class _Fits:
    """Fitted wells with radioligand added, and the two fits with their AICc comparison."""

    wells: tuple[WellCount, ...]
    molar: FloatArray
    is_total: FloatArray
    depleted: Fit
    naive: Fit | None
    comparison: AiccComparison | None


def _added_molar(used: Sequence[WellCount], conditions: BindingConditions) -> FloatArray:
    nominal = conditions.nominal_radioligand_molar
    scale = conditions.radioligand_molar / nominal if nominal is not None else 1.0
    values = []
    for well in used:
        given = well.radioligand_molar
        if given is None or not is_number(given) or given <= 0.0:
            message = f"Well {well.well} has no usable radioligand concentration ({given!r} M)."
            raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)
        values.append(given * scale)
    return np.array(values, dtype=np.float64)


def _check_design(used: Sequence[WellCount], molar: FloatArray) -> None:
    for role, name in (("total", "total"), ("nsb", "nonspecific")):
        doses = {
            round(math.log10(m), 6) for w, m in zip(used, molar, strict=True) if w.role == role
        }
        least = FEWEST_CONCENTRATIONS if role == "total" else 1
        if len(doses) < least:
            message = (
                f"Saturation needs {name} binding at {least} or more radioligand concentrations, "
                f"not {len(doses)}."
            )
            raise AnalysisError(message, Code.POINTS_FEW)


def _options(
    used: Sequence[WellCount], conditions: BindingConditions, options: SaturationOptions
) -> FitOptions:
    weighting = Weighting(
        options.weighting,
        count_min=np.array([w.count_min for w in used]),
        cv=options.cv,
        background_cpm=conditions.background_cpm,
    )
    return FitOptions(weighting=weighting)


def _naive(
    x: FloatArray, depleted: Fit, conditions: BindingConditions
) -> tuple[Fit | None, AiccComparison | None]:
    """Fit without depletion, and its comparison on the weights of the fit with depletion."""
    model = saturation_naive(conditions.background_cpm)
    held = FitOptions(weighting=given_weights(depleted.weights))
    try:
        alone = fit(model, x, depleted.y, options=replace(depleted.options, fixed={}))
        return alone, compare_aicc(depleted, fit(model, x, depleted.y, options=held))
    except AnalysisError:
        return None, None


def _result(
    wells: Sequence[WellCount], fits: _Fits, conditions: BindingConditions, limits: QcLimits
) -> SaturationResult:
    depleted, naive = fits.depleted, fits.naive
    kd, bmax = (profile_interval(depleted, name) for name in ("KdCPM", "Bmax"))
    if kd.value <= 0.0 or bmax.value <= 0.0:
        message = (
            "Binding does not saturate in this range: Kd and Bmax have no positive estimate; "
            "measure higher radioligand concentrations."
        )
        raise AnalysisError(message)
    bound = _largest_bound(fits, conditions)
    qc = judged(
        (
            *_metrics(kd, fits.molar, depleted, conditions),
            _depletion_metric(bound, limits),
            *residual_gradients(fits.wells, depleted, limits),
            *counting_metrics(fits.wells, conditions),
        ),
        limits,
    )
    cpm_per_fmol = conditions.cpm_per_fmol * conditions.harvested_share
    per_mg = [
        pmol_per_mg(value / cpm_per_fmol, protein_ug=conditions.protein_ug)
        for value in (bmax.value, bmax.lower, bmax.upper)
    ]
    reports = {"depletion": report(depleted, profiles=(kd, bmax))}
    if naive is not None:
        reports["naive"] = report(naive, profiles=())
    return SaturationResult(
        state=worst(tuple(metric.state for metric in qc)),
        qc=qc,
        kd_molar=kd.value / conditions.cpm_per_molar,
        kd_lower_molar=kd.lower / conditions.cpm_per_molar,
        kd_upper_molar=kd.upper / conditions.cpm_per_molar,
        kd_sd_log10=_sd_log10(kd, conditions),
        bmax_pmol_per_mg=per_mg[0],
        bmax_lower_pmol_per_mg=per_mg[1],
        bmax_upper_pmol_per_mg=per_mg[2],
        bmax_fmol_per_well=bmax.value / cpm_per_fmol,
        nonspecific_fraction=depleted["NS"].value,
        kd_naive_molar=None if naive is None else naive["Kd"].value / NANO,
        depletion=fits.comparison,
        largest_bound_of_added=bound,
        flags=tuple(Flag(m.name, m.explanation) for m in qc if m.state != "pass"),
        fits=reports,
        points=_points(wells, fits.wells, fits.molar, depleted),
        conditions=conditions,
    )


def _sd_log10(kd: Interval, conditions: BindingConditions) -> float:
    """Half-width of the log interval over the normal quantile, with the radioligand's share 1."""
    if kd.lower <= 0.0 or not math.isfinite(kd.upper):
        return math.inf
    half = 0.5 * math.log10(kd.upper / kd.lower) / 1.959964
    return math.hypot(half, conditions.radioligand_sd_log10)


def _largest_bound(fits: _Fits, conditions: BindingConditions) -> float:
    net = fits.depleted.y - conditions.background_cpm
    share = net / (fits.molar * conditions.cpm_per_molar)
    return float(share[fits.is_total > 0.0].max())


def _metrics(
    kd: Interval, molar: FloatArray, depleted: Fit, conditions: BindingConditions
) -> tuple[QcMetric, ...]:
    ratio = float(molar.max()) * conditions.cpm_per_molar / kd.value
    reach = QcMetric(
        "range_over_kd",
        ratio,
        f">= {HIGHEST_OVER_KD:g}",
        "pass" if ratio >= HIGHEST_OVER_KD else "flag",
        f"The highest radioligand concentration is {ratio:.1f} times Kd.",
    )
    low = float(molar.min()) * conditions.cpm_per_molar / kd.value
    start = QcMetric(
        "lowest_over_kd",
        low,
        f"<= {LOWEST_OVER_KD:g}",
        "pass" if low <= LOWEST_OVER_KD else "flag",
        f"The lowest radioligand concentration is {low:.2f} times Kd.",
    )
    bounded: State = "pass" if kd.bounded and kd.lower > 0.0 else "fail"
    interval = QcMetric(
        "kd_interval",
        kd.value / conditions.cpm_per_molar,
        "bounded",
        bounded,
        "The interval of Kd is bounded." if bounded == "pass" else "Kd is not determined.",
    )
    good: State = "pass" if depleted.status == "converged" else "fail"
    status = QcMetric("fit", None, "converged", good, f"The fit is {depleted.status}.")
    return reach, start, interval, status


def _depletion_metric(bound: float, limits: QcLimits) -> QcMetric:
    state: Literal["pass", "flag"] = "pass" if bound < limits.bound_of_added else "flag"
    text = f"At most {100.0 * bound:.1f} % of the added radioligand was bound."
    if state == "flag":
        text += " Only the fit with depletion holds."
    limit = f"< {100.0 * limits.bound_of_added:g} %"
    return QcMetric("bound_of_added", bound, limit, state, text)


def _points(
    wells: Sequence[WellCount], used: Sequence[WellCount], molar: FloatArray, depleted: Fit
) -> tuple[SaturationPoint, ...]:
    place = {w.well: i for i, w in enumerate(used)}
    points = []
    for well in wells:
        i = place.get(well.well)
        if i is None:
            dose = math.nan if well.radioligand_molar is None else well.radioligand_molar
            reason = well.excluded or f"role {well.role} is not part of this fit"
            points.append(
                SaturationPoint(well.well, well.role, dose, well.gross_cpm, None, None, reason)
            )
            continue
        points.append(
            SaturationPoint(
                well.well,
                well.role,
                float(molar[i]),
                well.gross_cpm,
                float(depleted.fitted[i]),
                float(depleted.residuals[i]),
            )
        )
    return tuple(points)
