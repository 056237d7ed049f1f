"""Statistics of controls: Z', SSMD, signal window, CV and their kin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray

MAD_TO_SD = 1.4826
FEWEST_WELLS = 2


@dataclass(frozen=True, slots=True)
class ControlStatistics:
    """Totals (high) against nonspecific binding (low).

    Attributes:
        z_prime: 1 - 3(s+ + s-)/|m+ - m-|.
        robust_z_prime: The same with medians and 1.4826 MAD.
        signal_window: (m+ - m- - 3(s+ + s-))/s+.
        assay_variability_ratio: 1 - Z'.
        ssmd: (m+ - m-)/sqrt(s+^2 + s-^2).
        signal_to_background: m+/m-.
        signal_to_noise: (m+ - m-)/s-.
        cv_high: s+/m+; `cv_low` likewise.
    """

    mean_high: float
    mean_low: float
    sd_high: float
    sd_low: float
    z_prime: float
    robust_z_prime: float
    signal_window: float
    assay_variability_ratio: float
    ssmd: float
    signal_to_background: float
    signal_to_noise: float
    cv_high: float
    cv_low: float


def _ratio(numerator: float, denominator: float) -> float:
    if denominator != 0.0:
        return numerator / denominator
    return math.nan if numerator == 0.0 else math.copysign(math.inf, numerator)


def control_statistics(high: Sequence[float], low: Sequence[float]) -> ControlStatistics:
    """Statistics of two groups of controls; standard deviations with n - 1.

    Raises:
        AnalysisError: Fewer than two values in a group, values not finite, or equal means.
    """
    a, b = np.asarray(high, dtype=np.float64), np.asarray(low, dtype=np.float64)
    for name, values in (("total binding", a), ("nonspecific binding", b)):
        if values.size < FEWEST_WELLS or not np.isfinite(values).all():
            message = f"Plate statistics need at least two finite counts of {name}."
            raise AnalysisError(message)
    mean_a, mean_b = float(a.mean()), float(b.mean())
    sd_a, sd_b = float(a.std(ddof=1)), float(b.std(ddof=1))
    gap = mean_a - mean_b
    if gap == 0.0:
        message = "Total and nonspecific binding are equal, so the plate has no window."
        raise AnalysisError(message)
    z_prime = 1.0 - 3.0 * (sd_a + sd_b) / abs(gap)
    return ControlStatistics(
        mean_high=mean_a,
        mean_low=mean_b,
        sd_high=sd_a,
        sd_low=sd_b,
        z_prime=z_prime,
        robust_z_prime=_robust_z_prime(a, b),
        signal_window=_ratio(gap - 3.0 * (sd_a + sd_b), sd_a),
        assay_variability_ratio=1.0 - z_prime,
        ssmd=_ratio(gap, math.hypot(sd_a, sd_b)),
        signal_to_background=_ratio(mean_a, mean_b),
        signal_to_noise=_ratio(gap, sd_b),
        cv_high=_ratio(sd_a, mean_a),
        cv_low=_ratio(sd_b, mean_b),
    )


def mad_sd(values: FloatArray) -> float:
    """Standard deviation estimated as 1.4826 times the median absolute deviation."""
    return MAD_TO_SD * float(np.median(np.abs(values - np.median(values))))


def _robust_z_prime(a: FloatArray, b: FloatArray) -> float:
    gap = abs(float(np.median(a)) - float(np.median(b)))
    return 1.0 - 3.0 * _ratio(mad_sd(a) + mad_sd(b), gap) if gap else -math.inf


def halves_difference(
    values: Sequence[float], in_first: Sequence[bool], window: float
) -> float | None:
    """Difference of the means of two halves of a plate as a share of `window`.

    None when one half is empty or the window is not positive.
    """
    first = [v for v, inside in zip(values, in_first, strict=True) if inside]
    second = [v for v, inside in zip(values, in_first, strict=True) if not inside]
    if not first or not second or not window > 0.0:
        return None
    return (float(np.mean(first)) - float(np.mean(second))) / window
