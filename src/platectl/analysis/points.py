"""What may enter a fit: plain real numbers that belong together, vary, and have squares."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray, Model
from platectl.analysis.parameters import ParameterLayout
from platectl.domain.codes import Code

LARGEST, SMALLEST = 1e100, 1e-100
"""Sizes whose squares, and products with weights, neither overflow nor vanish."""


def as_points(
    values: ArrayLike, what: str, *, missing: bool = False, infinite: bool = False
) -> FloatArray:
    """Real numbers as an array of floats; a masked entry or None is not a number.

    Args:
        values: Numbers, in whatever holds them; text is refused even where it looks like a number.
        what: How errors call them.
        missing: Whether not-a-number is allowed, as a point that was not measured.
        infinite: Whether infinity is allowed, as a dose that displaces everything.

    Raises:
        AnalysisError: Ragged, no real numbers, not finite, or beyond what can be squared.
    """
    try:
        whole: np.ma.MaskedArray[Any, Any] = np.ma.asarray(values)
    except ValueError as error:
        message = f"{what} is ragged: give rows of one length."
        raise AnalysisError(message, Code.ARRAY_SHAPE) from error
    mask, array = np.ma.getmask(whole), _plain(np.ma.getdata(whole), what)
    if array.dtype.kind not in "iuf" and array.size:
        message = f"{what} must be real numbers, not {array.dtype}."
        raise AnalysisError(message, Code.NOT_A_NUMBER)
    found: FloatArray = np.array(array, dtype=np.float64)
    if mask is not np.ma.nomask:
        found[mask] = np.nan
    finite = np.isfinite(found)
    usable = finite.all() or finite | (missing & np.isnan(found)) | (infinite & np.isinf(found))
    if not np.all(usable):
        place = ", ".join(str(int(i)) for i in np.argwhere(~usable)[0])
        kind = "infinite" if np.isinf(found[~usable][0]) else "not a number"
        message = f"{what} is {kind} at index {place}: leave the point out."
        raise AnalysisError(message, Code.NOT_FINITE)
    largest = float(np.abs(found).max(where=finite, initial=0.0))
    if largest > LARGEST or 0.0 < largest < SMALLEST:
        message = f"{what} reaches {largest:.3g}, whose square is no number: use another unit."
        raise AnalysisError(message, Code.OUT_OF_SCALE)
    return found


def _plain(array: NDArray[Any], what: str) -> NDArray[Any]:
    """The array itself, or floats where it holds numbers as objects."""
    if array.dtype.kind != "O":
        return array
    found = np.full(array.shape, np.nan)
    for place, value in np.ndenumerate(array):
        if value is None:
            continue
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
            message = f"{what} must be real numbers, not {value!r}."
            raise AnalysisError(message, Code.NOT_A_NUMBER)
        found[place] = float(value)
    return found


def check_fit(
    model: Model,
    x: FloatArray,
    y: FloatArray,
    layout: ParameterLayout,
    bounds: Mapping[str, tuple[float, float]],
) -> None:
    """Refuse points that cannot be fitted.

    Raises:
        AnalysisError: Shapes that do not match, values that are not finite, too few points, or
            bounds of no parameter.
    """
    if y.ndim != 1 or x.shape[-1:] != y.shape:
        message = f"x and y of a fit must have one value for each point, not {x.shape}, {y.shape}."
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    if not np.isfinite(y).all() or np.isnan(x).any():
        message = "A fit needs finite responses and known x."
        raise AnalysisError(message, Code.NOT_FINITE)
    if y.size < layout.free.size:
        message = (
            f"'{model.name}' has {layout.free.size} free parameters and needs at least as many "
            f"points, not {y.size}."
        )
        raise AnalysisError(message, Code.POINTS_FEW)
    for name, (low, high) in bounds.items():
        if name not in layout.names:
            message = (
                f"There is no parameter '{name}' to bound; there are {', '.join(layout.names)}."
            )
            raise AnalysisError(message, Code.NAME_UNKNOWN)
        if not low < high:
            message = f"The bounds of '{name}' leave no room: {low!r} to {high!r}."
            raise AnalysisError(message, Code.VALUE_OUT_OF_RANGE)


def check_design(x: FloatArray, what: str = "x") -> None:
    """Refuse points that all have the same dose or time.

    Raises:
        AnalysisError: x does not vary.
    """
    columns = x.reshape(-1, x.shape[-1]) if x.size else np.empty((1, 0))
    if columns.shape[1] and not (columns != columns[:, :1]).any():
        message = f"{what} does not vary: a curve needs several doses or times."
        raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)


def constant(y: FloatArray) -> NDArray[np.bool_]:
    """Which rows are the same number wherever they were measured, shape (rows,)."""
    if not y.shape[-1]:
        return np.zeros(y.shape[:-1], dtype=np.bool_)
    ends = np.abs(y[..., 0] - y[..., -1])
    same: NDArray[np.bool_] = np.asarray(~(ends > 0.0))  # most rows are told by their ends
    left = y[same]
    same[same] = np.fmin.reduce(left, axis=-1) == np.fmax.reduce(left, axis=-1)
    return same


def check_groups(groups: Sequence[str] | None, points: int) -> None:
    """Refuse labels that are not one for each point.

    Raises:
        AnalysisError: Another number of labels than of points.
    """
    if groups is not None and len(groups) != points:
        message = f"There are {len(groups)} group labels for {points} points."
        raise AnalysisError(message, Code.ARRAY_SHAPE)


def check_confidence(confidence: float) -> None:
    """Refuse a level that is none.

    Raises:
        AnalysisError: Not between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        message = f"The confidence level must be between 0 and 1, not {confidence!r}."
        raise AnalysisError(message, Code.VALUE_OUT_OF_RANGE)
