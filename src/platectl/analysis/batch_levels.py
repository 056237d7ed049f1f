"""Replicates of many curves collapsed to means and weights, without losing their scatter.

With weights p at one x, `sum p (y-f)^2 = P (mean-f)^2 + sum p (y-mean)^2`, P = sum p: the second
term does not depend on the curve, so the means with weights P have the same optimum and the same
information, and the term is added back to the sum of squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.model import FloatArray
from platectl.analysis.weighting import Weighting


@dataclass(frozen=True, slots=True)
class Levels:
    """Means of many curves at the distinct x they share.

    Attributes:
        x: Distinct x, rising, shape (levels, 1).
        mean: Weighted means, shape (levels, curves); zero where a curve has no point.
        weight: Sum of the weights, shape (levels, 1) if common to all curves, else as `mean`.
        scatter: Weighted squares of replicates about their mean, shape (levels, curves).
        square: Weighted sum of y^2, shape (curves,): the scale of rounding.
        points: Points of each curve, shape (curves,).
    """

    x: FloatArray
    mean: FloatArray
    weight: FloatArray
    scatter: FloatArray
    square: FloatArray
    points: NDArray[np.intp]

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Levels:
        """The same levels for some of the curves."""
        common = self.weight.shape[1] == 1
        return Levels(
            self.x,
            self.mean[:, chosen],
            self.weight if common else self.weight[:, chosen],
            self.scatter[:, chosen],
            self.square[chosen],
            self.points[chosen],
        )


def collapse(x: FloatArray, y: FloatArray, weights: FloatArray | None) -> Levels:
    """Collapse curves over a common x.

    Args:
        x: Shape (points,).
        y: Shape (curves, points); not a number where a point is missing.
        weights: Shape (points,) or (curves, points); one everywhere if None.
    """
    distinct, labels = np.unique(x, return_inverse=True)
    member = np.zeros((distinct.size, x.size))
    member[labels, np.arange(x.size)] = 1.0
    value = np.ascontiguousarray(y.T)
    missing = np.isnan(value)
    if weights is None and not missing.any():
        return _collapse_plainly(distinct, labels, member, value)
    point = np.ones((x.size, 1)) if weights is None else np.atleast_2d(weights).T
    point = np.where(missing, 0.0, point)
    value = np.where(missing, 0.0, value)
    total = member @ point
    mean = member @ (point * value) / np.where(total > 0.0, total, 1.0)
    gap = value - mean[labels]
    scatter = member @ (point * gap * gap)
    square = np.einsum("ij,ij,ij->j", point, value, value)
    points = (~missing & (point > 0.0)).sum(axis=0)
    return Levels(distinct[:, None], mean, total, scatter, square, points)


def _collapse_plainly(
    distinct: FloatArray, labels: NDArray[np.intp], member: FloatArray, value: FloatArray
) -> Levels:
    count = member.sum(axis=1, keepdims=True)
    square = np.einsum("ij,ij->j", value, value)
    points = np.full(value.shape[1], value.shape[0], dtype=np.intp)
    if distinct.size == labels.size:
        mean = value[np.argsort(labels)]
        return Levels(distinct[:, None], mean, count, np.zeros_like(mean), square, points)
    mean = (member / count) @ value
    gap = value - mean[labels]
    gap *= gap
    return Levels(distinct[:, None], mean, count, member @ gap, square, points)


def levels_of(weighting: Weighting, x: FloatArray, y: FloatArray, rows: NDArray[np.intp]) -> Levels:
    """Means and fixed weights of some curves."""
    values = weighting.values
    if weighting.kind not in {"sd", "given"} or values is None:
        return collapse(x, y[rows], None)
    own = values if values.ndim == 1 else values[rows]
    return collapse(x, y[rows], own if weighting.kind == "given" else own**-2.0)
