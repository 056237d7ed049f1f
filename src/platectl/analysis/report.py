"""Everything a fit must state, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from platectl.analysis.compare import aicc
from platectl.analysis.fit import Fit, ParameterEstimate, Status
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.residuals import LackOfFit, RunsTest, lack_of_fit, normality_p, runs_test


@dataclass(frozen=True, slots=True)
class FitReport:
    """Full report of one fit.

    Attributes:
        model: Name of the model.
        equation: Its equation.
        weighting: Kind of weighting.
        constraints: Fixed parameters and bounds as text.
        points: Fitted points.
        df: Degrees of freedom.
        excluded: Points shown but not fitted, with reasons.
        parameters: Estimates with standard errors, Wald intervals and dependencies.
        profiles: Profile-likelihood intervals of the parameters asked for.
        covariance: Of the free parameters.
        ss: Weighted sum of squares; `sy_x` is sqrt(ss/df), in y units without weights.
        r2: Weighted coefficient of determination.
        aicc: Corrected Akaike criterion with the number of parameters plus one.
        status: Status of the fit.
    """

    model: str
    equation: str
    weighting: str
    constraints: tuple[str, ...]
    points: int
    df: int
    excluded: tuple[tuple[str, str], ...]
    parameters: tuple[ParameterEstimate, ...]
    profiles: tuple[Interval, ...]
    covariance: tuple[tuple[float, ...], ...]
    ss: float
    sy_x: float
    r2: float
    aicc: float
    runs: RunsTest
    lack_of_fit: LackOfFit | None
    normality_p: float | None
    status: Status


def report(
    fitted: Fit,
    *,
    profiles: tuple[Interval, ...] | None = None,
    excluded: tuple[tuple[str, str], ...] = (),
) -> FitReport:
    """Report a fit with these profile intervals; those of all free parameters if None."""
    if profiles is None:
        free = [p.name for p in fitted.parameters if not p.fixed]
        profiles = tuple(profile_interval(fitted, name) for name in free)
    options = fitted.options
    held = tuple(f"{name} = {value:g}" for name, value in options.fixed.items())
    bounds = tuple(f"{low:g} <= {name} <= {high:g}" for name, (low, high) in options.bounds.items())
    shared = tuple(f"{name} shared" for name in options.shared)
    return FitReport(
        model=fitted.model.name,
        equation=fitted.model.equation,
        weighting=options.weighting.kind,
        constraints=held + bounds + shared,
        points=fitted.points,
        df=fitted.df,
        excluded=excluded,
        parameters=fitted.parameters,
        profiles=profiles,
        covariance=tuple(tuple(row) for row in fitted.covariance.tolist()),
        ss=fitted.ss,
        sy_x=math.sqrt(fitted.residual_variance) if fitted.df > 0 else math.nan,
        r2=r_squared(fitted),
        aicc=aicc(fitted),
        runs=runs_test(fitted),
        lack_of_fit=lack_of_fit(fitted),
        normality_p=normality_p(np.sqrt(fitted.weights) * fitted.residuals),
        status=fitted.status,
    )


def r_squared(fitted: Fit) -> float:
    """1 - SS/SS about the weighted mean; not a number for a constant response."""
    mean = float(np.average(fitted.y, weights=fitted.weights))
    total = float(np.sum(fitted.weights * (fitted.y - mean) ** 2))
    return 1.0 - fitted.ss / total if total > 0.0 else math.nan
