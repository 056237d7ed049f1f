"""Fit one curve from plain arrays: the scalar fit behind few arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.model import Model
from platectl.analysis.models import MODELS, model_named
from platectl.analysis.parameters import parameter_layout
from platectl.analysis.points import (
    as_points,
    check_confidence,
    check_design,
    check_fit,
    check_groups,
    constant,
)
from platectl.analysis.weighting import UNWEIGHTED, Kind, Weighting
from platectl.domain.codes import Code


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
        AnalysisError: An unknown model or parameter, values that are no finite numbers, too few
            points, one dose alone, or a response that is the same everywhere. `code` names it.
    """
    model = model_named(model)
    check_confidence(confidence)
    options = FitOptions(
        weighting=as_weighting(weighting),
        fixed=dict(fixed or {}),
        bounds=dict(bounds or {}),
        shared=tuple(shared),
        confidence=confidence,
    )
    own = model not in MODELS.values()
    points = as_points(x, "x", infinite=own), as_points(y, "y")
    check_groups(groups, points[1].size)
    layout = parameter_layout(model, groups, options.shared, options.fixed)
    check_fit(model, *points, layout, options.bounds)
    check_design(points[0])
    if not own and constant(points[1]):
        message = f"All responses are {points[1][0]:g}, so nothing is known of a curve."
        raise AnalysisError(message, Code.RESPONSE_CONSTANT)
    try:
        return fit(model, *points, start=start, groups=groups, options=options)
    except np.linalg.LinAlgError as error:
        message = f"These points do not determine a start of '{model.name}': give one."
        raise AnalysisError(message) from error


def as_weighting(weighting: Weighting | Kind) -> Weighting:
    """The weighting itself, or the one of that kind.

    Raises:
        AnalysisError: No such kind, or values that no weight can come of.
    """
    chosen = weighting if isinstance(weighting, Weighting) else Weighting(weighting)
    if chosen.kind not in get_args(Kind):
        message = f"No weighting is called '{chosen.kind}'; there are {', '.join(get_args(Kind))}."
        raise AnalysisError(message, Code.NAME_UNKNOWN)
    if chosen.values is not None:
        chosen = replace(chosen, values=as_points(chosen.values, "weighting"))
    if not (as_points(chosen.count_min, "count_min") > 0.0).all():
        message = "Counting times must be above zero."
        raise AnalysisError(message, Code.WEIGHTS_IMPOSSIBLE)
    return chosen
