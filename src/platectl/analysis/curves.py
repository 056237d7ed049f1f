"""Fit one curve from plain arrays: the scalar fit behind few arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.model import Model
from platectl.analysis.models import model_named
from platectl.analysis.weighting import UNWEIGHTED, Kind, Weighting


def fit_curve(
    model: Model | str,
    x: ArrayLike,
    y: ArrayLike,
    *,
    weighting: Weighting | Kind = UNWEIGHTED,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    start: Mapping[str, float] | None = None,
    groups: Sequence[str] | None = None,
    shared: Sequence[str] = (),
    confidence: float = 0.95,
) -> Fit:
    """Least squares with multistart, weights at their fixed point, and an honest status.

    Args:
        model: A model, or its short name in `MODELS`.
        x: Shape (points,) or (regressors, points); log10 of the dose for sigmoids.
        y: Shape (points,).
        weighting: A kind such as "Y2", or a `Weighting` with its values.
        fixed: Parameters held at a value.
        bounds: Lowest and highest value; a parameter that would leave them is held there.
        start: First values by name instead of the model's own guesses.
        groups: Label of each point for a global fit; `shared` names what all groups have in
            common, all else is written `LogIC50[label]`.
        shared: Parameters common to all groups.
        confidence: Level of the intervals.

    Raises:
        AnalysisError: An unknown model or parameter, values that are not finite, too few points.
    """
    options = FitOptions(
        weighting=as_weighting(weighting),
        fixed=dict(fixed or {}),
        bounds=dict(bounds or {}),
        shared=tuple(shared),
        confidence=confidence,
    )
    points = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return fit(model_named(model), *points, start=start, groups=groups, options=options)


def as_weighting(weighting: Weighting | Kind) -> Weighting:
    """The weighting itself, or the one of that kind."""
    return weighting if isinstance(weighting, Weighting) else Weighting(weighting)
