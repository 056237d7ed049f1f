"""Competitive antagonism: whole curves by the Gaddum/Schild equation, and Schild's regression.

An antagonist at `B` molar moves the EC50 of an agonist by the dose ratio `1 + (B/10^-pA2)^S`; a
simple competitive one has S = 1, and then pA2 is pKB. The global fit (Lew and Angus 1995) uses all
points and any shift; the regression of log10(DR - 1) on log10 B (Arunlakshana and Schild 1959) is
the classic picture of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, fdtrc

from platectl.analysis.compare import NestedTest, extra_sum_of_squares
from platectl.analysis.curves import fit_curve
from platectl.analysis.dose_response import FOUR_PARAMETER, GADDUM_SCHILD_NAME, LN10
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, FitOptions, fit, t_quantile
from platectl.analysis.model import FloatArray, Model
from platectl.analysis.points import as_points, check_confidence, check_groups
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.weighting import UNWEIGHTED, Kind, Weighting, given_weights
from platectl.domain.codes import Code

_FEWEST = 3
_NO_SCATTER = 1e-20
_SHAPE = ("Top", "Bottom", "HillSlope")


def _moved(x: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Theta of the four-parameter curve at each point, the share blocked, and log10(B/10^-pA2)."""
    top, bottom, log_ec50, hill, pa2, slope = theta
    there = x[1] > 0.0
    reach = np.log10(np.where(there, x[1], 1.0)) + pa2
    blocked = np.where(there, expit(LN10 * slope * reach), 0.0)
    shift = np.where(there, np.logaddexp(0.0, LN10 * slope * reach) / LN10, 0.0)
    four = np.stack(np.broadcast_arrays(top, bottom, log_ec50 + shift, hill))
    return four, blocked, reach


def _curve(x: FloatArray, theta: FloatArray) -> FloatArray:
    return FOUR_PARAMETER.curve(x[0], _moved(x, theta)[0])


def _derivatives(x: FloatArray, theta: FloatArray) -> FloatArray:
    four, blocked, reach = _moved(x, theta)
    own = FOUR_PARAMETER.jacobian(x[0], four)
    by_shift = own[:, 2] * blocked
    return np.column_stack((own, by_shift * theta[5], by_shift * reach))


GADDUM_SCHILD = Model(
    name=GADDUM_SCHILD_NAME,
    equation="LogEC = LogEC50 + log10(1+(B/10^-pA2)^SchildSlope); "
    "Y = Bottom + (Top-Bottom)/(1+10^((LogEC-X)*HillSlope))",
    source="Arunlakshana and Schild 1959, Br J Pharmacol 14:48; Lew and Angus 1995, Trends Pharmacol Sci 16:328; "
    "Motulsky and Christopoulos 2004, Fitting Models to Biological Data",
    parameters=("Top", "Bottom", "LogEC50", "HillSlope", "pA2", "SchildSlope"),
    curve=_curve,
    derivatives=_derivatives,
)


@dataclass(frozen=True, slots=True)
class SchildFit:
    """Curves of an agonist at several concentrations of an antagonist, fitted together.

    Attributes:
        pa2: -log10 of the molar antagonist that doubles the EC50, profile interval.
        slope: Schild slope, profile interval.
        pkb: pA2 with the slope held at 1: -log10 of KB in molar, if `slope_test` allows it.
        slope_test: F test of slope 1; a small p speaks against simple competition.
        parallel_test: F test of common Top, Bottom and HillSlope; a small p speaks against curves
            that only move, as an insurmountable antagonist gives.
        shift_test: F test of the equation against an EC50 of its own for every curve; None with
            fewer than three concentrations of antagonist.
        antagonist_molar: Concentrations, rising; the first is 0.
        ec50_molar: EC50 of each from the parallel curves.
        free: The fit with the slope free.
        competitive: The fit with slope 1.
    """

    pa2: Interval
    slope: Interval
    pkb: Interval
    slope_test: NestedTest
    parallel_test: NestedTest
    shift_test: NestedTest | None
    antagonist_molar: FloatArray
    ec50_molar: FloatArray
    free: Fit
    competitive: Fit


def fit_schild(
    log10_agonist: ArrayLike,
    antagonist_molar: ArrayLike,
    response: ArrayLike,
    *,
    weighting: Weighting | Kind = UNWEIGHTED,
    confidence: float = 0.95,
) -> SchildFit:
    """Fit all curves of an agonist with one pA2, Schild slope, Top, Bottom and Hill slope.

    Args:
        log10_agonist: Log10 of the agonist in molar, shape (points,).
        antagonist_molar: Antagonist of each point in molar, 0 for the curve without.
        response: Shape (points,), in any unit.
        weighting: A kind, or a `Weighting`; weights of all fits are those of separate curves.
        confidence: Level of the intervals.

    Raises:
        AnalysisError: No curve without antagonist, fewer than two with, a concentration below
            zero, points that no curve can be fitted to, or no curve that is moved to the right.
    """
    check_confidence(confidence)
    x, y = as_points(log10_agonist, "log10_agonist"), as_points(response, "response")
    blocker = _concentrations(antagonist_molar)
    for points in (x, blocker):
        if points.shape != y.shape:
            message = f"Agonist, antagonist and response must have one value for each point, not {points.shape}, {y.shape}."
            raise AnalysisError(message, Code.ARRAY_SHAPE)
    levels = np.unique(blocker)
    _check_levels(levels)
    groups = [repr(float(molar)) for molar in blocker]
    apart = fit_curve("4PL", x, y, groups=groups, weighting=weighting, confidence=confidence)
    weights = given_weights(apart.weights)
    held = FitOptions(weighting=weights, confidence=confidence)
    separate = fit(FOUR_PARAMETER, x, y, groups=groups, options=held)
    shared = FitOptions(weighting=weights, confidence=confidence, shared=_SHAPE)
    parallel = fit(FOUR_PARAMETER, x, y, groups=groups, options=shared)
    log_ec50 = np.array([parallel[f"LogIC50[{float(molar)!r}]"].value for molar in levels])
    start = _start(parallel, levels, log_ec50)
    both = np.stack((x, blocker))
    free = fit(GADDUM_SCHILD, both, y, start=start, options=held)
    one = FitOptions(weighting=weights, confidence=confidence, fixed={"SchildSlope": 1.0})
    competitive = fit(GADDUM_SCHILD, both, y, start=start, options=one)
    return SchildFit(
        pa2=profile_interval(free, "pA2"),
        slope=profile_interval(free, "SchildSlope"),
        pkb=profile_interval(competitive, "pA2"),
        slope_test=extra_sum_of_squares(competitive, free),
        parallel_test=extra_sum_of_squares(parallel, separate),
        shift_test=extra_sum_of_squares(free, parallel) if levels.size > _FEWEST else None,
        antagonist_molar=levels,
        ec50_molar=10.0**log_ec50,
        free=free,
        competitive=competitive,
    )


def _concentrations(antagonist_molar: ArrayLike) -> FloatArray:
    found = as_points(antagonist_molar, "antagonist_molar")
    if (found < 0.0).any():
        message = "A concentration of antagonist is below zero: give molar, 0 for none."
        raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)
    return found


def _check_levels(levels: FloatArray) -> None:
    if levels.size < _FEWEST or levels[0] != 0.0:
        message = (
            "Schild's analysis needs a curve without antagonist (0 M) and two or more concentrations of it, "
            f"not {', '.join(f'{molar:g}' for molar in levels)} M."
        )
        raise AnalysisError(message, Code.POINTS_FEW)


def _start(parallel: Fit, levels: FloatArray, log_ec50: FloatArray) -> FloatArray:
    """Plateaus of the parallel curves, and the pA2 of the farthest shift at slope 1."""
    shift = float(log_ec50.max() - log_ec50[0])
    if not shift > 0.0:
        message = "No concentration of antagonist moves the curve to the right: every dose ratio is at or below 1."
        raise AnalysisError(message)
    place = int(log_ec50.argmax())
    pa2 = math.log10(math.expm1(LN10 * shift)) - math.log10(levels[place])
    top, bottom, hill = (parallel[name].value for name in _SHAPE)
    return np.array((top, bottom, log_ec50[0], hill, pa2, 1.0))


@dataclass(frozen=True, slots=True)
class SchildRegression:
    """Straight line of log10(DR - 1) on log10 of the antagonist.

    Attributes:
        slope: With its t interval.
        pa2: Where the line meets zero, Fieller's interval; open where the slope may be zero.
        pkb: Mean of log10(DR - 1) - log10 B, the line of slope 1: -log10 of KB in molar.
        slope_test: F test of slope 1; None for points exactly on a line.
        log10_antagonist: Log10 molar, shape (points,).
        log10_ratio: log10(DR - 1), shape (points,).
    """

    slope: Interval
    pa2: Interval
    pkb: Interval
    slope_test: NestedTest | None
    log10_antagonist: FloatArray
    log10_ratio: FloatArray


def schild_regression(
    agonist_ec50_molar: ArrayLike,
    antagonist_molar: ArrayLike,
    *,
    experiments: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> SchildRegression:
    """Regress log10(DR - 1) on log10 of the antagonist, unweighted.

    Intervals come from the scatter about the line: the error of a control that all dose ratios
    share moves them alike and is not in them. `fit_schild` has it.

    Args:
        agonist_ec50_molar: EC50 of the agonist in molar, one for each curve.
        antagonist_molar: Antagonist of each curve in molar, 0 for those without; of several curves
            without, the mean of log10 EC50 counts.
        experiments: Label of each curve; each experiment then has curves without antagonist of
            its own, as tissues and days differ.
        confidence: Level of the intervals.

    Raises:
        AnalysisError: An EC50 at or below zero, no curve without antagonist, fewer than three
            dose ratios or two concentrations, or a dose ratio at or below 1, whose logarithm
            does not exist.
    """
    check_confidence(confidence)
    ec50, blocker = (
        as_points(agonist_ec50_molar, "agonist_ec50_molar"),
        _concentrations(antagonist_molar),
    )
    if ec50.ndim != 1 or ec50.shape != blocker.shape:
        message = f"Every EC50 needs its antagonist: there are {ec50.shape} and {blocker.shape}."
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    if not (ec50 > 0.0).all():
        message = "An EC50 must be above zero: give molar, not its logarithm."
        raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)
    check_groups(experiments, ec50.size)
    shift = _shifts(np.log10(ec50), blocker, experiments)
    there = blocker > 0.0
    x, shift = np.log10(blocker[there]), shift[there]
    if not (shift > 0.0).all():
        place = int(shift.argmin())
        message = (
            f"The dose ratio at {10.0 ** x[place]:g} M is {10.0 ** shift[place]:.3g}: at or below 1, log(DR - 1) "
            "does not exist. Fit the curves together (`fit_schild`), which needs no dose ratio."
        )
        raise AnalysisError(message)
    if x.size < _FEWEST or np.unique(x).size < _FEWEST - 1:
        message = f"A line needs three dose ratios at two or more concentrations, not {x.size}."
        raise AnalysisError(message, Code.POINTS_FEW)
    return _line(x, np.log10(np.expm1(LN10 * shift)), confidence)


def _shifts(
    log_ec50: FloatArray, blocker: FloatArray, experiments: Sequence[str] | None
) -> FloatArray:
    """Log10 of the dose ratio of each curve."""
    labels = np.array(experiments if experiments is not None else [""] * log_ec50.size)
    shift = np.zeros_like(log_ec50)
    for label in np.unique(labels):
        inside = labels == label
        control = inside & (blocker == 0.0)
        if not control.any():
            of = f" of experiment '{label}'" if experiments is not None else ""
            message = f"There is no curve{of} without antagonist (0 M) to take dose ratios to."
            raise AnalysisError(message, Code.POINTS_FEW)
        shift[inside] = log_ec50[inside] - log_ec50[control].mean()
    return shift


def _line(x: FloatArray, y: FloatArray, confidence: float) -> SchildRegression:
    n, middle, height = x.size, float(x.mean()), float(y.mean())
    spread = float(((x - middle) ** 2).sum())
    slope = float((x - middle) @ (y - height)) / spread
    ss = float(((y - height - slope * (x - middle)) ** 2).sum())
    variance, t = ss / (n - 2), t_quantile(n - 2, confidence)
    half = t * math.sqrt(variance / spread)
    gaps = y - x
    pkb, around = float(gaps.mean()), float(((gaps - gaps.mean()) ** 2).sum())
    pkb_half = t_quantile(n - 1, confidence) * math.sqrt(around / (n - 1) / n)
    exact = ss <= _NO_SCATTER * max(1.0, float(y @ y))
    f = 0.0 if exact else max(around - ss, 0.0) / variance
    test = None if exact else NestedTest(f, 1, n - 2, float(fdtrc(1, n - 2, f)))
    return SchildRegression(
        slope=Interval("slope", slope, slope - half, slope + half, confidence, "t"),
        pa2=_fieller(height, slope, middle, (variance / n, variance / spread, t), confidence),
        pkb=Interval("pKB", pkb, pkb - pkb_half, pkb + pkb_half, confidence, "t"),
        slope_test=test,
        log10_antagonist=x,
        log10_ratio=y,
    )


def _fieller(
    height: float,
    slope: float,
    middle: float,
    errors: tuple[float, float, float],
    confidence: float,
) -> Interval:
    """Of pA2 = height/slope - middle; `errors` are the variances of both and Student's t."""
    of_height, of_slope, t = errors
    if slope == 0.0:
        message = (
            "The line is level: log(DR - 1) does not rise with the antagonist, and there is no pA2."
        )
        raise AnalysisError(message)
    ratio, g = height / slope, t * t * of_slope / slope**2
    low, high = -math.inf, math.inf
    if g < 1.0:
        half = t / abs(slope) * math.sqrt((1.0 - g) * of_height + ratio**2 * of_slope)
        low, high = ((ratio + sign * half) / (1.0 - g) - middle for sign in (-1.0, 1.0))
    return Interval("pA2", ratio - middle, low, high, confidence, "Fieller")
