"""Intervals of log10 Ki: the fit, preparation, measured radioligand, and Kd."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from platectl.analysis.binding_models import competition_dose_slope
from platectl.analysis.compound import CurveData, competition_setting
from platectl.analysis.fit import Fit
from platectl.analysis.plate import BindingConditions
from platectl.analysis.preparation import (
    PreparationErrors,
    concentration_covariance,
    estimate_sensitivity,
    preparation_variance,
    radioligand_share,
)
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.results import ErrorBudget, LogInterval


@dataclass(frozen=True, slots=True)
class KiIntervals:
    """Estimate and 95 % intervals of log10 Ki, each wider than the one before."""

    log10_ki: float
    profile: Interval
    fit: LogInterval
    combined: LogInterval
    with_kd: LogInterval
    errors: ErrorBudget


def ki_intervals(
    exact: Fit, data: CurveData, conditions: BindingConditions, preparation: PreparationErrors
) -> KiIntervals:
    """Widen the profile interval on each side in quadrature on the log scale.

    `combined` adds errors of the dilution series and of the measured radioligand,
    `(r/(1+r))^2 var(log L)` with r = L/Kd. `with_kd` adds the same share of var(log Kd).
    """
    profile = profile_interval(exact, "LogKi")
    share = radioligand_share(conditions.radioligand_molar, conditions.apparent_kd_molar)
    errors = ErrorBudget(
        fit=exact["LogKi"].standard_error,
        preparation=_preparation_sd(exact, data, conditions, preparation),
        radioligand=share * conditions.radioligand_sd_log10,
        kd=share * conditions.kd_sd_log10,
    )
    own = LogInterval(profile.lower, profile.upper)
    quantile = float(ndtri(0.5 * (1.0 + exact.options.confidence)))
    extra = quantile * math.hypot(errors.preparation, errors.radioligand)
    combined = widen(own, profile.value, extra)
    with_kd = widen(combined, profile.value, quantile * errors.kd)
    return KiIntervals(profile.value, profile, own, combined, with_kd, errors)


def widen(interval: LogInterval, value: float, half_width: float) -> LogInterval:
    """Add a symmetric half-width to each side in quadrature."""
    return LogInterval(
        value - math.hypot(value - interval.lower, half_width),
        value + math.hypot(interval.upper - value, half_width),
    )


def _preparation_sd(
    exact: Fit, data: CurveData, conditions: BindingConditions, errors: PreparationErrors
) -> float:
    slope = competition_dose_slope(competition_setting(conditions), data.molar, exact.free_values)
    answer = estimate_sensitivity(exact.jacobian, exact.weights, 0, slope)[data.own]
    own = [well for well, mine in zip(data.wells, data.own, strict=True) if mine]
    covariance = concentration_covariance(
        [well.series for well in own], [well.dilution_steps for well in own], errors
    )
    return float(np.sqrt(preparation_variance(answer, covariance)))
