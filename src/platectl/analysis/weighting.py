"""Weights of points in a fit, taken from the curve and never from the noisy data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray
from platectl.domain.codes import Code

Kind = Literal["none", "Y", "Y2", "sd", "poisson", "counting", "relative", "given"]


@dataclass(frozen=True, slots=True)
class Weighting:
    """How the variance of a point depends on the curve there.

    | kind | variance, up to a factor that the fit estimates |
    |---|---|
    | none | 1 |
    | Y, Y2 | abs(curve), curve^2 (Prism) |
    | sd | sd^2, measured |
    | poisson | curve/t: gross cpm counted for t min |
    | counting | curve/t + (cv (curve - background))^2 |
    | relative | floor^2 + (cv curve)^2 |
    | given | 1/given |

    Attributes:
        kind: One of the names above.
        values: Standard deviations for `sd`, weights for `given`, shape (points,).
        count_min: Counting time of each point in min for `poisson` and `counting`.
        cv: Relative standard deviation of the net counts by pipetting and membranes.
        background_cpm: Counter background, which pipetting does not touch.
        floor: Standard deviation of a point where nothing happens, for `relative`.
    """

    kind: Kind = "none"
    values: FloatArray | None = field(default=None, compare=False)
    count_min: FloatArray | float = 1.0
    cv: float = 0.03
    background_cpm: float = 0.0
    floor: float = 0.0

    @property
    def depends_on_curve(self) -> bool:
        """Whether weights change as the fit moves, so that they are iterated."""
        return self.kind in {"Y", "Y2", "poisson", "counting", "relative"}

    def weights(self, curve: FloatArray) -> FloatArray:
        """Weights for points whose curve values are given, shape (points,).

        Raises:
            AnalysisError: A weight would not be finite and positive.
        """
        variance = self.variance(curve)
        if not np.isfinite(variance).all() or (variance <= 0.0).any():
            message = (
                f"Weighting '{self.kind}' needs a curve (or values) away from zero everywhere."
            )
            raise AnalysisError(message, Code.WEIGHTS_IMPOSSIBLE)
        return 1.0 / variance

    def variance(self, curve: FloatArray) -> FloatArray:
        """Variance of points by the curve there, up to a factor; may be zero or not finite.

        Raises:
            AnalysisError: The kind needs values and they do not have the shape of the curve.
        """
        if self.kind == "none":
            return np.ones_like(curve)
        if self.kind == "Y":
            return np.abs(curve)
        if self.kind == "Y2":
            return np.square(curve)
        if self.kind == "relative":
            return np.asarray(self.floor**2 + np.square(self.cv * curve))
        if self.kind in {"poisson", "counting"}:
            cv = self.cv if self.kind == "counting" else 0.0
            noise: FloatArray = np.abs(curve) / self.count_min
            return noise + np.square(cv * (curve - self.background_cpm))
        if self.values is None or self.values.shape != curve.shape:
            message = f"Weighting '{self.kind}' needs one value for each point."
            raise AnalysisError(message, Code.ARRAY_SHAPE)
        return np.square(self.values) if self.kind == "sd" else _inverse(self.values)


def _inverse(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        inverse: FloatArray = 1.0 / values
    return inverse


UNWEIGHTED = Weighting()


def given_weights(weights: FloatArray) -> Weighting:
    """Fixed weights, for example those of another fit to compare with."""
    return Weighting("given", values=weights)
