"""Starts of many curves over a grid of shapes, with the plateaus solved at each grid point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.batch_levels import Levels
from platectl.analysis.batch_models import PlateauModel
from platectl.analysis.batch_problem import BatchProblem
from platectl.analysis.model import FloatArray

HARD_SHARE = 0.15
HARD_ERROR = 0.2
HARD_DEPENDENCY = 0.98
_FEW_ROWS = 4


def grid_starts(problem: BatchProblem, rows: int) -> FloatArray:
    """Best shapes of the grid, best first, shape (rows, free, curves).

    The grid has rows, such as one for each Hill slope; each gives its own best. At most as many
    rows as the grid has come back.
    """
    held = {
        name: float(np.ravel(problem.held[i])[0])
        for i, name in enumerate(problem.model.model.parameters)
        if i in problem.held
    }
    grid = problem.model.grid(problem.levels.x[:, 0], held)
    if rows == 1:
        grid = grid[:_FEW_ROWS, ::2]
    gain = _gains(problem, grid)
    return _best(grid[..., list(problem.free_shape)], gain, rows)


def _best(grid: FloatArray, gain: FloatArray, rows: int) -> FloatArray:
    count, places, _ = grid.shape
    if rows == 1:
        flat = gain.argmax(axis=1)
        chosen: FloatArray = np.ascontiguousarray(grid.reshape(count * places, -1)[flat].T)[None]
        return chosen
    table = gain.reshape(-1, count, places)
    inner = table.argmax(axis=2)
    height = np.take_along_axis(table, inner[:, :, None], axis=2)[:, :, 0]
    order = np.argsort(-height, axis=1, kind="stable")[:, : min(rows, count)]
    place = np.take_along_axis(inner, order, axis=1)
    return np.ascontiguousarray(np.moveaxis(grid[order, place], 0, 2))


def _gains(problem: BatchProblem, grid: FloatArray) -> FloatArray:
    """How much each grid point lowers the sum of squares, shape (curves, grid points)."""
    levels = problem.levels
    u = _fractions(problem.model, levels, grid)
    first, second = problem.held.get(0), problem.held.get(1)
    mean, weight = levels.mean.T, levels.weight.T
    if first is None and second is None:
        return _free_gains(u, mean - problem.centre[:, None], weight, problem.total[:, None])
    if first is not None and second is not None:
        gap = (first - second)[:, None]
        rise = (weight * (mean - second[:, None])) @ u.T
        both: FloatArray = 2.0 * gap * rise - gap * gap * (weight @ (u * u).T)
        return both
    known = second if first is None else first
    assert known is not None  # noqa: S101 one of the two is held here
    part = u if first is None else 1.0 - u
    rise = (weight * (mean - known[:, None])) @ part.T
    length = weight @ (part * part).T
    return np.where(length > 0.0, rise * rise / np.where(length > 0.0, length, 1.0), 0.0)


def _free_gains(
    u: FloatArray, centred: FloatArray, weight: FloatArray, total: FloatArray
) -> FloatArray:
    if len(weight) == 1:
        middle = (u @ weight.T) / total
        spread = (u - middle) ** 2 @ weight.T
        usable = spread > 1e-12 * total
        column = (u - middle) * weight / np.sqrt(np.where(usable, spread, np.inf))
        rise = centred @ column.T
        return np.multiply(rise, rise, out=rise)
    rise = (weight * centred) @ u.T
    spread = weight @ (u * u).T - (weight @ u.T) ** 2 / total
    usable = spread > 1e-12 * total
    return np.where(usable, rise * rise / np.where(usable, spread, 1.0), 0.0)


def _fractions(model: PlateauModel, levels: Levels, grid: FloatArray) -> FloatArray:
    """Fractions at the levels, shape (grid points, levels)."""
    shape = grid.reshape(-1, grid.shape[-1]).T
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(model.fraction(levels.x, shape).T)


def hard_curves(
    problem: BatchProblem, ss: FloatArray, relative_error: FloatArray, dependency: FloatArray
) -> NDArray[np.bool_]:
    """Curves whose sum of squares may have other minima: noise, or a shape hardly determined."""
    levels = problem.levels
    about = levels.weight * (levels.mean - problem.centre) ** 2
    whole = about.sum(axis=0) + levels.scatter.sum(axis=0)
    with np.errstate(all="ignore"):
        poor = ~(ss + levels.scatter.sum(axis=0) < HARD_SHARE * whole)
        loose = ~(relative_error.max(axis=0, initial=0.0) < HARD_ERROR)
        tied = ~(dependency.max(axis=0, initial=0.0) < HARD_DEPENDENCY)
    hard: NDArray[np.bool_] = poor | loose | tied
    return hard
