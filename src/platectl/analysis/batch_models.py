"""Curves between two plateaus, in the form that many of them can be fitted at once.

`Y = second + (first - second) u(x; shape)`: both plateaus are linear, only the shape is not.
Parameters are the two plateaus, then the shape, in the order of the scalar model of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from platectl.analysis.dose_response import FOUR_PARAMETER, LN10, ONE_SITE, ONE_SITE_HILL
from platectl.analysis.kinetic_models import DISSOCIATION
from platectl.analysis.model import FloatArray, Model

Fraction: TypeAlias = Callable[[FloatArray, Any], FloatArray]
Slopes: TypeAlias = Callable[[FloatArray, Any, FloatArray], tuple[FloatArray, ...]]
Grid: TypeAlias = Callable[[FloatArray, Mapping[str, float]], FloatArray]

_HILLS = (-1.0, -0.5, -2.0, -5.0, -0.75, -1.5, -3.0, -10.0)
_MIDDLES = 31


@dataclass(frozen=True, slots=True)
class PlateauModel:
    """A model whose first two parameters are plateaus and whose others shape the way between.

    Attributes:
        model: The scalar model: same parameters, same curve.
        fraction: u from x of shape (levels, 1) and shape parameters of shape (curves,) each.
        slopes: Derivatives of u by each shape parameter, given u.
        grid: Candidate shapes from the levels and the fixed parameters, (starts, rows, shape):
            the best of each start is a candidate of its own.
        mirrored: Position of the parameter that changes sign when the plateaus change places and
            the curve stays the same; the first plateau is then written as the higher one.
    """

    model: Model
    fraction: Fraction
    slopes: Slopes
    grid: Grid
    mirrored: int | None = None


def _sigmoid(x: FloatArray, middle: Any, hill: Any) -> FloatArray:
    """1/(1+10^((middle-x)*hill)); overflow of the power means zero and is meant."""
    power = (x - middle) * (-LN10 * hill)
    np.exp(power, out=power)
    power += 1.0
    fraction: FloatArray = np.divide(1.0, power, out=power)
    return fraction


def _four_fraction(x: FloatArray, shape: Any) -> FloatArray:
    return _sigmoid(x, shape[0], shape[1])


def _four_slopes(x: FloatArray, shape: Any, u: FloatArray) -> tuple[FloatArray, ...]:
    bend = 1.0 - u
    bend *= u
    bend *= LN10
    away = x - shape[0]
    return bend * -shape[1], away * bend


def _middles(levels: FloatArray, held: Mapping[str, float]) -> FloatArray:
    if "LogIC50" in held:
        return np.array([held["LogIC50"]])
    low, high = (float(np.quantile(levels, q)) for q in (0.02, 0.98))
    return np.linspace(low, high, _MIDDLES)


def _four_grid(levels: FloatArray, held: Mapping[str, float]) -> FloatArray:
    hills = np.array([held["HillSlope"]] if "HillSlope" in held else _HILLS)
    if "Top" in held or "Bottom" in held:
        hills = np.unique(np.concatenate((hills, -hills)) if "HillSlope" not in held else hills)
    middles = _middles(levels, held)
    grid = np.empty((hills.size, middles.size, 2))
    grid[..., 0] = middles
    grid[..., 1] = hills[:, None]
    return grid


def _three_fraction(x: FloatArray, shape: Any) -> FloatArray:
    return _sigmoid(x, shape[0], ONE_SITE_HILL)


def _three_slopes(x: FloatArray, shape: Any, u: FloatArray) -> tuple[FloatArray, ...]:
    del x, shape
    return (LN10 * u * (1.0 - u),)


def _three_grid(levels: FloatArray, held: Mapping[str, float]) -> FloatArray:
    """Rows are stretches of the axis, those within the range of doses first."""
    if "LogIC50" in held:
        return np.array([[[held["LogIC50"]]]])
    low, high = float(levels.min()), float(levels.max())
    beyond = 0.5 * (high - low)
    stretches = np.linspace(low - beyond, high + beyond, 60).reshape(6, 10)
    return stretches[[1, 2, 3, 4, 0, 5], :, None]


def _decay_fraction(x: FloatArray, shape: Any) -> FloatArray:
    fraction: FloatArray = np.exp(-shape[0] * x)
    return fraction


def _decay_slopes(x: FloatArray, shape: Any, u: FloatArray) -> tuple[FloatArray, ...]:
    del shape
    return (-x * u,)


def _decay_grid(levels: FloatArray, held: Mapping[str, float]) -> FloatArray:
    if "K" in held:
        return np.array([[[held["K"]]]])
    span = max(float(np.ptp(levels)), float(np.finfo(np.float64).tiny))
    return (np.geomspace(0.1, 100.0, 32) / span).reshape(4, 8, 1)


BATCH_MODELS: dict[str, PlateauModel] = {
    FOUR_PARAMETER.name: PlateauModel(
        FOUR_PARAMETER, _four_fraction, _four_slopes, _four_grid, mirrored=3
    ),
    ONE_SITE.name: PlateauModel(ONE_SITE, _three_fraction, _three_slopes, _three_grid),
    DISSOCIATION.name: PlateauModel(DISSOCIATION, _decay_fraction, _decay_slopes, _decay_grid),
}
