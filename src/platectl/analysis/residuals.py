"""Do the residuals look like noise: runs, lack of fit against replicates, normality."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc, gammaln

from platectl.analysis.fit import Fit
from platectl.analysis.model import FloatArray

_FEWEST_FOR_NORMALITY = 8


@dataclass(frozen=True, slots=True)
class RunsTest:
    """Wald-Wolfowitz runs of the mean residual sign along x; p is for too few runs."""

    above: int
    below: int
    runs: int
    p: float


@dataclass(frozen=True, slots=True)
class LackOfFit:
    """Replicate test: what the curve misses against the scatter of replicates."""

    f: float
    df_lack: int
    df_pure: int
    p: float


def runs_test(fitted: Fit) -> RunsTest:
    """Runs test on the weighted mean residual at each distinct x, in the order of x."""
    labels, count = _levels(fitted.x)
    means = np.bincount(labels, fitted.weights * fitted.residuals, minlength=count)
    signs = np.sign(means)
    signs = signs[signs != 0.0]
    above, below = int((signs > 0.0).sum()), int((signs < 0.0).sum())
    runs = int(1 + (signs[1:] != signs[:-1]).sum()) if signs.size else 0
    return RunsTest(above, below, runs, few_runs_probability(above, below, runs))


def few_runs_probability(above: int, below: int, runs: int) -> float:
    """Exact probability of so few runs or fewer, given the number of signs."""
    if above == 0 or below == 0:
        return 1.0
    total = 0.0
    for r in range(2, runs + 1):
        k = r // 2
        if r % 2 == 0:
            total += 2.0 * _choose(above - 1, k - 1) * _choose(below - 1, k - 1)
        else:
            total += _choose(above - 1, k) * _choose(below - 1, k - 1)
            total += _choose(above - 1, k - 1) * _choose(below - 1, k)
    return min(1.0, total / _choose(above + below, above))


def _choose(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return 0.0
    return float(math.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)))


def _levels(x: FloatArray) -> tuple[NDArray[np.intp], int]:
    """Label of the distinct x of each point, in rising order."""
    if x.ndim == 1:
        values, labels = np.unique(x, return_inverse=True)
        return labels, values.size
    values, labels = np.unique(x, axis=1, return_inverse=True)
    return labels.reshape(-1), values.shape[1]


def lack_of_fit(fitted: Fit) -> LackOfFit | None:
    """Replicate F test; None without replicates or without levels to spare."""
    labels, count = _levels(fitted.x)
    weight = np.bincount(labels, fitted.weights, minlength=count)
    means = np.bincount(labels, fitted.weights * fitted.y, minlength=count) / weight
    pure = float(np.sum(fitted.weights * (fitted.y - means[labels]) ** 2))
    df_pure = fitted.points - count
    df_lack = fitted.df - df_pure
    if df_pure < 1 or df_lack < 1 or pure <= 0.0:
        return None
    ratio = max(fitted.ss - pure, 0.0) / df_lack / (pure / df_pure)
    return LackOfFit(ratio, df_lack, df_pure, float(fdtrc(df_lack, df_pure, ratio)))


def normality_p(values: FloatArray) -> float | None:
    """D'Agostino-Pearson omnibus test of normality; None below eight values."""
    n = values.size
    centred = values - values.mean() if n else values
    second = float(np.mean(centred**2)) if n else 0.0
    if n < _FEWEST_FOR_NORMALITY or second <= 0.0:
        return None
    skew = float(np.mean(centred**3)) / second**1.5
    kurtosis = float(np.mean(centred**4)) / second**2
    return float(chdtrc(2.0, _skew_score(skew, n) ** 2 + _kurtosis_score(kurtosis, n) ** 2))


def _skew_score(skew: float, n: int) -> float:
    """D'Agostino 1970."""
    y = skew * math.sqrt((n + 1) * (n + 3) / (6.0 * (n - 2)))
    beta = 3.0 * (n * n + 27 * n - 70) * (n + 1) * (n + 3)
    beta /= (n - 2.0) * (n + 5) * (n + 7) * (n + 9)
    w2 = math.sqrt(2.0 * (beta - 1.0)) - 1.0
    return math.asinh(y / math.sqrt(2.0 / (w2 - 1.0))) / math.sqrt(0.5 * math.log(w2))


def _kurtosis_score(kurtosis: float, n: int) -> float:
    """Anscombe and Glynn 1983."""
    mean = 3.0 * (n - 1) / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1.0) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis - mean) / math.sqrt(variance)
    root = 6.0 * (n * n - 5 * n + 2) / ((n + 7.0) * (n + 9))
    root *= math.sqrt(6.0 * (n + 3.0) * (n + 5) / (n * (n - 2.0) * (n - 3)))
    a = 6.0 + 8.0 / root * (2.0 / root + math.sqrt(1.0 + 4.0 / root**2))
    inner = (1.0 - 2.0 / a) / (1.0 + x * math.sqrt(2.0 / (a - 4.0)))
    return (1.0 - 2.0 / (9.0 * a) - math.copysign(abs(inner) ** (1 / 3), inner)) / math.sqrt(
        2.0 / (9.0 * a)
    )
