"""Analyse a kinetics plate: kon, koff and the kinetic Kd of the radioligand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from platectl.analysis.compare import NestedTest, extra_sum_of_squares
from platectl.analysis.counting_quality import counting_metrics
from platectl.analysis.equilibrium import HALF_LIVES_TO_EQUILIBRIUM
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.kinetic_models import (
    DISSOCIATION,
    DISSOCIATION_TWO_PHASE,
    association_plate,
    association_rates,
)
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
from platectl.analysis.weighting import Kind, Weighting
from platectl.domain.codes import Code
from platectl.domain.result_rules import QcLimits

NANO = 1e9
FEWEST_CONCENTRATIONS = 2
FEWEST_TIMES = 4
KD_FOLD = 2.0


@dataclass(frozen=True, slots=True)
class KineticsOptions:
    """Choices: kind of weighting, and the CV of net counts for `counting`."""

    weighting: Kind = "counting"
    cv: float = 0.03


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % profile interval; open sides are 0 or infinite."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class KineticsPoint:
    """One well over time, the curve there, and why it was left out."""

    well: str
    role: str
    radioligand_molar: float
    time_min: float
    gross_cpm: float
    fitted_cpm: float | None
    residual_cpm: float | None
    excluded: str | None = None


@dataclass(frozen=True, slots=True)
class KineticsResult:
    """Rate constants of the radioligand and what they mean for incubation times.

    Attributes:
        kon_per_molar_min: Association rate constant.
        koff_per_min: Dissociation rate constant.
        kd_molar: Kinetic Kd, koff/kon, from the same global fit.
        bmax_fmol_per_well: Receptors in the well.
        nonspecific_fraction: Nonspecific bound over added radioligand.
        required_min: Five half-lives of the approach at the lowest concentration used.
        fraction_of_plateau: Reached at the planned incubation, at the concentration of the
            conditions.
    """

    state: State
    qc: tuple[QcMetric, ...]
    kon_per_molar_min: Estimate
    koff_per_min: Estimate
    kd_molar: Estimate
    bmax_fmol_per_well: float
    nonspecific_fraction: float
    required_min: float
    fraction_of_plateau: float
    flags: tuple[Flag, ...]
    fits: dict[str, FitReport]
    points: tuple[KineticsPoint, ...]
    conditions: BindingConditions


@dataclass(frozen=True, slots=True)
class DissociationResult:
    """koff from dissociation, and the F test of two phases against one."""

    koff_per_min: Estimate
    one_phase: FitReport
    two_phases: FitReport | None
    test: NestedTest | None


def analyse_kinetics_plate(
    wells: Sequence[WellCount],
    conditions: BindingConditions,
    options: KineticsOptions = KineticsOptions(),
    limits: QcLimits = QcLimits(),  # noqa: B008 frozen
) -> KineticsResult:
    """Fit association at all concentrations and times globally (layout K).

    Parameters are log Kd, log koff, Bmax and a linear nonspecific binding; kon = koff/Kd gets its
    own interval from the same fit written in kon and koff.

    Raises:
        AnalysisError: Fewer than two radioligand concentrations or four times, or no
            nonspecific wells.
    """
    check_conditions(conditions)
    check_wells(wells)
    used = [w for w in wells if w.used and w.role in {"total", "nsb"}]
    x = _design(used, conditions)
    cpm = np.array([w.gross_cpm for w in used])
    fitter = _options(used, conditions, options)
    scale = (conditions.background_cpm, conditions.cpm_per_molar / NANO)
    by_kd = fit(association_plate(*scale), x, cpm, options=fitter)
    log_kd, log_koff, bmax, ns = by_kd.free_values
    start = np.array((log_koff - log_kd, log_koff, bmax, ns))
    by_kon = fit(association_rates(*scale), x, cpm, start=start, options=fitter)
    found = _result(wells, used, x, (by_kd, by_kon), conditions)
    gradients = residual_gradients(used, by_kd, limits)
    counting = counting_metrics(used, conditions)
    return _by_rules(replace(found, qc=(*found.qc, *gradients, *counting)), limits)


def analyse_dissociation(
    time_min: FloatArray, cpm: FloatArray, *, weighting: Weighting, nonspecific_cpm: float | None
) -> DissociationResult:
    """One-phase dissociation, with a two-phase alternative on the same weights.

    Args:
        time_min: Since displacement began, shape (points,).
        cpm: Counts, shape (points,).
        weighting: Variance of the counts.
        nonspecific_cpm: Plateau to hold; fitted if None.
    """
    fixed = {} if nonspecific_cpm is None else {"Plateau": nonspecific_cpm}
    options = FitOptions(weighting=weighting, fixed=fixed)
    one = fit(DISSOCIATION, time_min, cpm, options=options)
    rate = profile_interval(one, "K")
    held = FitOptions(weighting=Weighting("given", values=one.weights), fixed=fixed)
    estimate = Estimate(rate.value, max(rate.lower, 0.0), rate.upper)
    try:
        two = fit(DISSOCIATION_TWO_PHASE, time_min, cpm, options=held)
        test = extra_sum_of_squares(fit(DISSOCIATION, time_min, cpm, options=held), two)
    except AnalysisError:
        return DissociationResult(estimate, report(one), None, None)
    return DissociationResult(estimate, report(one), report(two, profiles=()), test)


def _design(used: Sequence[WellCount], conditions: BindingConditions) -> FloatArray:
    nominal = conditions.nominal_radioligand_molar
    scale = conditions.radioligand_molar / nominal if nominal is not None else 1.0
    rows = []
    for well in used:
        ligand, time_min = well.radioligand_molar, well.time_min
        if ligand is None or not is_number(ligand) or ligand <= 0.0:
            message = f"Well {well.well} has no usable radioligand concentration ({ligand!r} M)."
            raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)
        if time_min is None or not is_number(time_min) or time_min < 0.0:
            message = f"Well {well.well} has no usable time ({time_min!r} min)."
            raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)
        rows.append((ligand * scale * NANO, time_min, float(well.role == "total")))
    _check_design(rows)
    return np.array(rows, dtype=np.float64).T


def _check_design(rows: Sequence[tuple[float, float, float]]) -> None:
    ligands = {round(math.log10(row[0]), 6) for row in rows if row[2]}
    times = {row[1] for row in rows if row[2]}
    if len(ligands) < FEWEST_CONCENTRATIONS or len(times) < FEWEST_TIMES:
        message = (
            f"Association needs total binding at two or more radioligand concentrations and "
            f"{FEWEST_TIMES} or more times, not {len(ligands)} and {len(times)}."
        )
        raise AnalysisError(message, Code.POINTS_FEW)
    if all(row[2] for row in rows):
        message = "Association needs nonspecific binding wells."
        raise AnalysisError(message, Code.CONTROLS_FEW)


def _options(
    used: Sequence[WellCount], conditions: BindingConditions, options: KineticsOptions
) -> FitOptions:
    weighting = Weighting(
        options.weighting,
        count_min=np.array([w.count_min for w in used]),
        cv=options.cv,
        background_cpm=conditions.background_cpm,
    )
    return FitOptions(weighting=weighting)


def _power(interval: Interval, factor: float = 1.0) -> Estimate:
    """From log10 to a value; an open side becomes 0 or infinity."""
    ends = (interval.value, interval.lower, interval.upper)
    with np.errstate(over="ignore"):
        value, lower, upper = (factor * float(np.power(10.0, end)) for end in ends)
    return Estimate(value, lower, upper)


def _by_rules(found: KineticsResult, limits: QcLimits) -> KineticsResult:
    qc = judged(found.qc, limits)
    flags = tuple(Flag(m.name, m.explanation) for m in qc if m.state != "pass")
    return replace(found, qc=qc, state=worst(tuple(m.state for m in qc)), flags=flags)


def _result(
    wells: Sequence[WellCount],
    used: Sequence[WellCount],
    x: FloatArray,
    fits: tuple[Fit, Fit],
    conditions: BindingConditions,
) -> KineticsResult:
    by_kd, by_kon = fits
    kd = _power(profile_interval(by_kd, "LogKd_nM"), 1.0 / NANO)
    koff = _power(profile_interval(by_kd, "LogKoff"))
    kon = _power(profile_interval(by_kon, "LogKon_per_nM_min"), NANO)
    lowest = float(x[0].min()) / NANO
    required = HALF_LIVES_TO_EQUILIBRIUM * math.log(2.0) / (kon.value * lowest + koff.value)
    rate = kon.value * conditions.radioligand_molar + koff.value
    reached = -math.expm1(-rate * conditions.incubation_min)
    qc = _metrics(kd, koff, by_kd, required, conditions)
    per_nanomolar = conditions.cpm_per_molar / NANO
    return KineticsResult(
        state="pass",
        qc=qc,
        kon_per_molar_min=kon,
        koff_per_min=koff,
        kd_molar=kd,
        bmax_fmol_per_well=by_kd["Bmax"].value
        / (conditions.cpm_per_fmol * conditions.harvested_share),
        nonspecific_fraction=by_kd["NS"].value / per_nanomolar,
        required_min=required,
        fraction_of_plateau=reached,
        flags=(),
        fits={"association": report(by_kd), "rates": report(by_kon, profiles=())},
        points=_points(wells, used, x, by_kd),
        conditions=conditions,
    )


def _metrics(
    kd: Estimate, koff: Estimate, fitted: Fit, required: float, conditions: BindingConditions
) -> tuple[QcMetric, ...]:
    fold = kd.value / conditions.kd_molar
    agree: State = "pass" if 1.0 / KD_FOLD <= fold <= KD_FOLD else "flag"
    long_enough: State = "pass" if conditions.incubation_min >= required else "flag"
    open_side = koff.lower <= 0.0 or not math.isfinite(koff.upper)
    solid: State = "fail" if open_side or fitted.status != "converged" else "pass"
    return (
        QcMetric(
            "kd_kinetic_over_saturation",
            fold,
            "0.5 to 2",
            agree,
            f"Kinetic Kd is {kd.value * NANO:.2g} nM, {fold:.2f} times the Kd of the conditions.",
        ),
        QcMetric(
            "incubation",
            conditions.incubation_min,
            f">= {required:.0f} min",
            long_enough,
            f"Five half-lives at the lowest radioligand concentration are {required:.0f} min; "
            f"{conditions.incubation_min:.0f} min are planned.",
        ),
        QcMetric("fit", None, "converged, koff bounded", solid, f"The fit is {fitted.status}."),
    )


def _points(
    wells: Sequence[WellCount], used: Sequence[WellCount], x: FloatArray, fitted: Fit
) -> tuple[KineticsPoint, ...]:
    place = {w.well: i for i, w in enumerate(used)}
    points = []
    for well in wells:
        i = place.get(well.well)
        ligand = math.nan if well.radioligand_molar is None else well.radioligand_molar
        time_min = math.nan if well.time_min is None else well.time_min
        curve = residual = reason = None
        if i is None:
            reason = well.excluded or f"role {well.role} is not part of this fit"
        else:
            ligand = float(x[0, i]) / NANO
            curve, residual = float(fitted.fitted[i]), float(fitted.residuals[i])
        points.append(
            KineticsPoint(
                well.well, well.role, ligand, time_min, well.gross_cpm, curve, residual, reason
            )
        )
    return tuple(points)
