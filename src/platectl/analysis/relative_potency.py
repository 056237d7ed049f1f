"""Do curves differ only in potency, and by how much: parallelism and relative potency.

Parallelism by difference: the extra-sum-of-squares F test of common plateaus and slope against
separate ones. By equivalence: the 90 % interval of the ratio of Hill slopes lies within limits, the
two one-sided tests of USP <1034>. Relative potency after Finney 1978, by the delta method on logs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from platectl.analysis.compare import NestedTest, extra_sum_of_squares
from platectl.analysis.dose_response import FOUR_PARAMETER
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, FitOptions, fit, t_quantile
from platectl.analysis.points import as_points, check_groups
from platectl.analysis.weighting import given_weights
from platectl.domain.codes import Code

EQUIVALENCE = (0.8, 1.25)
_EQUIVALENCE_CONFIDENCE = 0.90
_TWO = 2
_PARALLEL = ("Top", "Bottom", "HillSlope")


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio with its interval, from the log scale."""

    value: float
    lower: float
    upper: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Parallelism:
    """Two curves compared.

    Attributes:
        test: F test of common Top, Bottom and HillSlope; a small p speaks against parallel curves.
        hill_ratio: Slope of the other over that of the reference, 90 % interval.
        equivalent: Whether that interval lies within the limits.
        potency: EC50 or IC50 of the reference over that of the other, from the parallel fit: above
            one when the other is more potent.
        parallel: The fit with common plateaus and slope.
        separate: The fit without.
    """

    test: NestedTest
    hill_ratio: Ratio
    equivalent: bool
    potency: Ratio
    parallel: Fit
    separate: Fit


def compare_potency(
    x: ArrayLike,
    y: ArrayLike,
    groups: Sequence[str],
    *,
    reference: str,
    options: FitOptions = FitOptions(),  # noqa: B008 frozen
    limits: tuple[float, float] = EQUIVALENCE,
) -> Parallelism:
    """Fit two four-parameter curves together and apart.

    Args:
        x: Log10 of the dose, shape (points,).
        y: Responses, shape (points,).
        groups: Label of each point; two different ones.
        reference: Label of the reference.
        options: Weighting and confidence; weights of both fits are those of the separate one.
        limits: Of the equivalence of slopes.

    Raises:
        AnalysisError: Not two groups, an unknown reference, or slopes of different sign.
    """
    labels = tuple(dict.fromkeys(groups))
    if len(labels) != _TWO or reference not in labels:
        message = (
            f"Relative potency needs two groups, one of them '{reference}'; there are {labels}."
        )
        raise AnalysisError(message, Code.NAME_UNKNOWN)
    other = next(label for label in labels if label != reference)
    points = as_points(x, "x"), as_points(y, "y")
    check_groups(groups, points[1].size)
    separate = fit(FOUR_PARAMETER, *points, groups=groups, options=options)
    held = FitOptions(weighting=given_weights(separate.weights), confidence=options.confidence)
    apart = fit(FOUR_PARAMETER, *points, groups=groups, options=held)
    together = fit(
        FOUR_PARAMETER,
        *points,
        groups=groups,
        options=FitOptions(
            weighting=held.weighting, confidence=options.confidence, shared=_PARALLEL
        ),
    )
    hill = _hill_ratio(apart, reference, other)
    potency = _log_difference(
        together, f"LogIC50[{reference}]", f"LogIC50[{other}]", options.confidence
    )
    return Parallelism(
        test=extra_sum_of_squares(together, apart),
        hill_ratio=hill,
        equivalent=limits[0] < hill.lower and hill.upper < limits[1],
        potency=potency,
        parallel=together,
        separate=apart,
    )


def _hill_ratio(fitted: Fit, reference: str, other: str) -> Ratio:
    first, second = fitted[f"HillSlope[{reference}]"].value, fitted[f"HillSlope[{other}]"].value
    if not first * second > 0.0:
        message = "The slopes of the two curves have different signs; no ratio describes them."
        raise AnalysisError(message)
    gradient = np.zeros(fitted.layout.free.size)
    gradient[_place(fitted, f"HillSlope[{reference}]")] = -1.0 / first
    gradient[_place(fitted, f"HillSlope[{other}]")] = 1.0 / second
    error = math.sqrt(float(gradient @ fitted.covariance @ gradient))
    half = t_quantile(fitted.df, _EQUIVALENCE_CONFIDENCE) * error
    ratio = second / first
    return Ratio(ratio, ratio * math.exp(-half), ratio * math.exp(half), _EQUIVALENCE_CONFIDENCE)


def _log_difference(fitted: Fit, first: str, second: str, confidence: float) -> Ratio:
    gradient = np.zeros(fitted.layout.free.size)
    gradient[_place(fitted, first)], gradient[_place(fitted, second)] = 1.0, -1.0
    error = math.sqrt(float(gradient @ fitted.covariance @ gradient))
    half = t_quantile(fitted.df, confidence) * error
    log_ratio = fitted[first].value - fitted[second].value
    value, lower, upper = (10.0 ** (log_ratio + shift) for shift in (0.0, -half, half))
    return Ratio(value, lower, upper, confidence)


def _place(fitted: Fit, name: str) -> int:
    return int(np.flatnonzero(fitted.layout.free == fitted.layout.names.index(name))[0])
