"""Choose between two fits of the same points: extra sum of squares and AICc."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc, stdtr

from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, t_quantile
from platectl.analysis.model import FloatArray
from platectl.analysis.points import as_points, check_confidence
from platectl.analysis.profile import only_rounding
from platectl.domain.codes import Code

FEWEST_PAIRS = 2
_ROUNDING = 1e-15


@dataclass(frozen=True, slots=True)
class NestedTest:
    """Extra-sum-of-squares F test; a small p speaks for the fuller model."""

    f: float
    df_extra: int
    df_full: int
    p: float


@dataclass(frozen=True, slots=True)
class AiccComparison:
    """AICc of the first minus the second fit.

    `evidence_ratio` is exp(|difference|/2): how much likelier the better model is.
    `first_probability` is that of the first model, given that one of the two is right.
    """

    difference: float
    evidence_ratio: float
    first_probability: float


def aicc(fitted: Fit) -> float:
    """N ln(SS/N) + 2k + 2k(k+1)/(N-k-1), k = free parameters + 1; infinite when N <= k + 1."""
    n, k = fitted.points, fitted.layout.free.size + 1
    if n <= k + 1:
        return math.inf
    fit_term = n * math.log(fitted.ss / n) if fitted.ss > 0.0 else -math.inf
    return fit_term + 2.0 * k + 2.0 * k * (k + 1) / (n - k - 1)


def log_likelihood(fitted: Fit) -> float:
    """Of normal residuals at the variance SS/N that is likeliest, `-N/2 (ln(2 pi SS/N) + 1)`."""
    if fitted.ss <= 0.0:
        return math.inf
    variance = fitted.ss / fitted.points
    return -0.5 * fitted.points * (math.log(2.0 * math.pi * variance) + 1.0)


def aic(fitted: Fit) -> float:
    """2k - 2 ln L with k = free parameters + 1, as R's `AIC`."""
    return 2.0 * (fitted.layout.free.size + 1) - 2.0 * log_likelihood(fitted)


def extra_sum_of_squares(simple: Fit, full: Fit) -> NestedTest:
    """F test of nested models on the same points with the same weights.

    `F = ((SS1-SS2)/(df1-df2))/(SS2/df2)`. Models are nested where they are one and the same with
    fewer parameters free or more of them shared, or where the fuller one declares it
    (`Model.contains`). Where the simpler one leaves nothing but rounding, F is 0: nothing speaks
    for the fuller.

    Raises:
        AnalysisError: Different points or weights, models that are not nested, equal degrees of
            freedom, none left, a fuller model that alone leaves nothing but rounding, or one that
            fits worse.
    """
    _same_points(simple, full)
    _check_same_x(simple, full)
    extra = simple.df - full.df
    if extra < 1:
        message = "The F test needs a fuller model with more parameters; use AICc instead."
        raise AnalysisError(message)
    _check_nested(simple, full)
    if full.df > 0 and only_rounding(simple):
        return NestedTest(0.0, extra, full.df, 1.0)
    if full.df < 1 or only_rounding(full):
        message = "The fuller model leaves no residual, or rounding alone, to test against."
        raise AnalysisError(message)
    gain = simple.ss - full.ss
    if gain < -1e-9 * full.ss:
        message = "The fuller model fits worse: the models are not nested or one fit failed."
        raise AnalysisError(message)
    f = max(gain, 0.0) / extra / (full.ss / full.df)
    return NestedTest(f, extra, full.df, float(fdtrc(extra, full.df, f)))


def _check_same_x(simple: Fit, full: Fit) -> None:
    """Refuse other x; a regressor of the simpler fit may be what groups the curves of the fuller."""
    few, many = np.atleast_2d(full.x), np.atleast_2d(simple.x)
    further = many[len(few) :]
    own = [name for name in full.model.parameters if name not in simple.model.parameters]
    grouped = not further.size or any(_tells(_places(full, name), further) for name in own)
    if not (grouped and np.array_equal(many[: len(few)], few)):
        message = "The F test needs fits of the same x; models of another x are not nested."
        raise AnalysisError(message)


def _tells(places: NDArray[np.intp], rows: FloatArray) -> bool:
    """Whether points that share a place have one value in each of these rows."""
    return all(not np.ptp(rows[:, places == place], axis=1).any() for place in np.unique(places))


def _check_nested(simple: Fit, full: Fit) -> None:
    """Refuse a simpler fit that the fuller one's free parameters cannot give."""
    one, other = simple.model, full.model
    related = one.name == other.name or one.name in other.contains
    if not related or not all(_gives(simple, full, name) for name in other.parameters):
        message = (
            f"The models are not nested: nothing says that '{other.name}' with these parameters "
            f"free contains '{one.name}'; use AICc instead."
        )
        raise AnalysisError(message)


def _gives(simple: Fit, full: Fit, name: str) -> bool:
    """Whether this parameter of the fuller fit can take all values it has in the simpler one."""
    places = _places(full, name)
    free = np.isin(places, full.layout.free)
    if name not in simple.model.parameters:
        return bool(free.all())
    there = _places(simple, name)
    alone = all(np.unique(there[places == place]).size == 1 for place in np.unique(places[free]))
    values = (f.layout.full(f.free_values)[p] for f, p in ((simple, there), (full, places)))
    equal = np.equal(*values) & ~np.isin(there, simple.layout.free)
    return alone and bool((free | equal).all())


def _places(fitted: Fit, name: str) -> NDArray[np.intp]:
    """Where each point finds a parameter in the names of the layout, shape (points,)."""
    return np.broadcast_to(fitted.layout.index[fitted.model.position(name)], fitted.y.shape)


def compare_aicc(first: Fit, second: Fit) -> AiccComparison:
    """Compare any two models of the same points and weights.

    Raises:
        AnalysisError: Different points or weights.
    """
    _same_points(first, second)
    difference = aicc(first) - aicc(second)
    ratio = math.exp(min(0.5 * abs(difference), 700.0))
    better = ratio / (1.0 + ratio)
    return AiccComparison(difference, ratio, better if difference < 0.0 else 1.0 - better)


def _same_points(a: Fit, b: Fit) -> None:
    if a.y.shape != b.y.shape or not np.array_equal(a.y, b.y):
        message = "Only fits of the same points can be compared."
        raise AnalysisError(message)
    if not np.allclose(a.weights, b.weights, rtol=1e-9, atol=0.0):
        message = "Only fits with the same weights can be compared; give both the same weights."
        raise AnalysisError(message)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Paired t test of a mean difference with its confidence interval."""

    difference: float
    lower: float
    upper: float
    t: float
    df: int
    p: float


def paired_t(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> PairedTest:
    """Mean of first minus second over paired experiments, such as Bmax before and after.

    Raises:
        AnalysisError: Fewer than two pairs, unequal lengths, values that are no finite numbers,
            differences that do not vary beyond rounding, or a level that is not between 0 and 1.
    """
    check_confidence(confidence)
    before, after = as_points(first, "first"), as_points(second, "second")
    if before.ndim != 1 or before.shape != after.shape:
        message = (
            f"A paired test needs two or more pairs: one value of second for each of first, "
            f"not {before.shape}, {after.shape}."
        )
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    if before.size < FEWEST_PAIRS:
        message = f"A paired test needs two or more pairs, not {before.size}."
        raise AnalysisError(message, Code.POINTS_FEW)
    gap = before - after
    size = max(float(np.abs(before).max()), float(np.abs(after).max()))
    if float(np.ptp(gap)) <= _ROUNDING * size:
        message = "All differences are equal, so their scatter cannot be judged."
        raise AnalysisError(message, Code.RESPONSE_CONSTANT)
    df = gap.size - 1
    error = float(gap.std(ddof=1)) / math.sqrt(gap.size)
    mean = float(gap.mean())
    half = t_quantile(df, confidence) * error
    p = 2.0 * float(stdtr(df, -abs(mean / error)))
    return PairedTest(mean, mean - half, mean + half, mean / error, df, p)
