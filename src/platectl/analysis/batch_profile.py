"""Profile-likelihood intervals of many curves at once.

Each side of each curve is a root of `sqrt((SS(held) - SSmin)/s^2) = t`, SS(held) with all other
parameters refitted: widened until bracketed, then closed in by secant steps (Illinois), all curves
in step. A side that is not bracketed, or whose refit fails, goes through `profile_interval`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from platectl.analysis.batch import (
    batch_problem,
    inverse_normal,
    one_scalar_fit,
)
from platectl.analysis.batch_problem import BatchProblem
from platectl.analysis.batch_result import CurveFits, check_curves
from platectl.analysis.batch_solver import solve_curves
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import t_quantile
from platectl.analysis.model import FloatArray
from platectl.analysis.points import as_points
from platectl.analysis.profile import profile_interval
from platectl.domain.codes import Code

_BLOCK = 4096
_ROUNDS = 40
_CLOSE = 1e-5
_REFIT = 1e-5
_SUSPICIOUS = 1.5
_FURTHEST = 12.0
_EXACT = 1e-24


@dataclass(frozen=True, slots=True, eq=False)
class CurveIntervals:
    """Intervals of one parameter of many curves; an open side is infinite.

    Attributes:
        name: The parameter.
        lower: Lower ends, shape (curves,); not a number where the curve has no fit.
        upper: Upper ends.
        confidence: Level.
        scalar: How many curves were left to the scalar path.
    """

    name: str
    lower: FloatArray
    upper: FloatArray
    confidence: float
    scalar: int


def profile_curves(
    fits: CurveFits, y: ArrayLike, names: tuple[str, ...] | None = None
) -> dict[str, CurveIntervals]:
    """Intervals by profile likelihood, weights held at the optimum, at the level of the fits.

    Args:
        fits: From `fit_curves` over the same y.
        y: Shape (curves, points).
        names: Parameters; all free ones if None.

    Raises:
        AnalysisError: y is not that of the fits, or a parameter is unknown or fixed.
    """
    y = as_points(y, "y", missing=True)
    check_curves(fits.x, y)
    if len(y) != len(fits):
        message = f"There are {len(fits)} fits and {len(y)} curves."
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    free = tuple(n for n in fits.model.parameters if n not in fits.options.fixed)
    chosen = free if names is None else names
    for name in chosen:
        if name not in free:
            message = f"'{name}' is not a free parameter of this fit."
            raise AnalysisError(message, Code.NAME_UNKNOWN)
    found = {name: np.full((2, len(y)), np.nan) for name in chosen}
    left: list[tuple[str, NDArray[np.intp]]] = []
    good = np.flatnonzero(fits.converged & (fits.df > 0))
    with np.errstate(all="ignore"):
        for at in range(0, good.size, _BLOCK):
            rows = good[at : at + _BLOCK]
            problem = batch_problem(fits, y, rows)
            inverse = inverse_normal(fits, problem, rows)
            for name in chosen:
                ends, failed = _both_sides(fits, problem, inverse, rows, name)
                found[name][:, rows] = ends
                left.append((name, rows[failed]))
    other = np.flatnonzero((~fits.converged | (fits.df < 1)) & np.isfinite(fits.ss))
    left.extend((name, other) for name in chosen)
    return {
        name: CurveIntervals(
            name,
            found[name][0],
            found[name][1],
            fits.options.confidence,
            _by_scalar(fits, y, name, found[name], left),
        )
        for name in chosen
    }


def _by_scalar(
    fits: CurveFits,
    y: FloatArray,
    name: str,
    ends: FloatArray,
    left: list[tuple[str, NDArray[np.intp]]],
) -> int:
    count = 0
    for other, rows in left:
        for row in rows if other == name else ():
            count += 1
            fitted = one_scalar_fit(fits, y[row], int(row))
            if fitted is not None:
                interval = profile_interval(fitted, name)
                ends[:, row] = interval.lower, interval.upper
    return count


@dataclass(slots=True)
class _Side:
    """One side of one parameter of some curves, on the way to its end."""

    problem: BatchProblem
    position: int
    sign: float
    place: NDArray[np.intp]
    value: FloatArray
    shape: FloatArray
    follow: FloatArray
    ss: FloatArray
    variance: FloatArray
    target: FloatArray
    low: FloatArray
    low_gap: FloatArray
    high: FloatArray
    high_gap: FloatArray
    reach: FloatArray
    warm: FloatArray
    far: FloatArray

    def keep(self, chosen: NDArray[np.bool_]) -> _Side:
        """The same side of fewer curves."""
        return replace(
            self,
            problem=self.problem.take(chosen),
            **{
                name: getattr(self, name)[..., chosen]
                for name in (
                    "place", "value", "shape", "follow", "ss", "variance", "target",
                    "low", "low_gap", "high", "high_gap", "reach", "warm", "far",
                )
            },
        )  # fmt: skip


def _both_sides(
    fits: CurveFits,
    problem: BatchProblem,
    inverse: FloatArray,
    rows: NDArray[np.intp],
    name: str,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    ends = np.empty((2, rows.size))
    failed = fits.ss[rows] <= _EXACT * problem.levels.square
    for k, sign in enumerate((-1.0, 1.0)):
        side = _begin(fits, problem, inverse, rows, name, sign)
        ends[k], open_side = _search(side, rows.size)
        failed |= open_side
    return ends, failed


def _begin(
    fits: CurveFits,
    problem: BatchProblem,
    inverse: FloatArray,
    rows: NDArray[np.intp],
    name: str,
    sign: float,
) -> _Side:
    position = fits.model.position(name)
    theta = fits.estimates[rows].T
    others = [j + 2 for j in problem.free_shape if j + 2 != position]
    free = list(problem.free)
    column = inverse[free.index(position)]
    follow = np.array([column[free.index(i)] for i in others]).reshape(len(others), rows.size)
    follow = follow / column[free.index(position)]
    target = np.array([t_quantile(int(df), fits.options.confidence) for df in fits.df[rows]])
    error = fits.standard_errors[rows, position]
    zero = np.zeros(rows.size)
    shape = theta[others]
    reach = np.minimum(target * error, 0.1 * _FURTHEST if name.startswith("Log") else np.inf)
    return _Side(
        problem,
        position,
        sign,
        np.arange(rows.size),
        theta[position],
        shape,
        follow,
        fits.ss[rows],
        fits.ss[rows] / fits.df[rows],
        target,
        zero,
        -target,
        np.full(rows.size, np.inf),
        np.full(rows.size, np.inf),
        reach,
        shape + follow * (sign * reach),
        _SUSPICIOUS * target * error,
    )


def _search(side: _Side, curves: int) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Ends of the side, and which of them could not be had."""
    ends, open_side = np.full(curves, np.nan), np.ones(curves, dtype=np.bool_)
    for _ in range(_ROUNDS):
        root, warm = _roots(side)
        gap = root - side.target
        done = np.abs(gap) <= _CLOSE * side.target
        place = side.place[done]
        ends[place] = (side.value + side.sign * side.reach)[done]
        open_side[place] = False
        usable = np.isfinite(root)
        _narrow(side, gap, warm)
        still = usable & ~done
        if not still.any():
            break
        side = side.keep(still)
        _aim(side)
    return ends, open_side


def _roots(side: _Side) -> tuple[FloatArray, FloatArray]:
    held = side.value + side.sign * side.reach
    problem = side.problem.holding(side.position, held)
    found = solve_curves(problem, side.warm, tolerance=_REFIT, damping=1e-8)
    ss, searched = found.ss, found.searched
    root = _rise(side, ss)
    doubt = np.flatnonzero(
        (root > _SUSPICIOUS * side.target) | (side.reach > side.far) | ~found.converged
    )
    if doubt.size and len(side.shape):
        part = problem.take(doubt)
        tangent = side.shape + side.follow * (side.sign * side.reach)
        for start in (side.shape[:, doubt], tangent[:, doubt]):
            again = solve_curves(part, start, tolerance=_REFIT)
            lower = ~(again.ss >= ss[doubt])
            ss[doubt[lower]] = again.ss[lower]
            searched[:, doubt[lower]] = again.searched[:, lower]
        root = _rise(side, ss)
    return root, searched


def _rise(side: _Side, ss: FloatArray) -> FloatArray:
    whole = ss + side.problem.levels.scatter.sum(axis=0)
    rise: FloatArray = np.sqrt(np.maximum(whole - side.ss, 0.0) / side.variance)
    return rise


def _narrow(side: _Side, gap: FloatArray, warm: FloatArray) -> None:
    """Put the new point into the bracket; the end that stays is halved (Illinois)."""
    below = gap < 0.0
    bracketed = np.isfinite(side.high)
    side.high_gap = np.where(below & bracketed, 0.5 * side.high_gap, side.high_gap)
    side.low_gap = np.where(below, side.low_gap, 0.5 * side.low_gap)
    side.low = np.where(below, side.reach, side.low)
    side.low_gap = np.where(below, gap, side.low_gap)
    side.high = np.where(below, side.high, side.reach)
    side.high_gap = np.where(below, side.high_gap, gap)
    side.warm = np.where(below, warm, side.warm) if len(side.shape) else side.warm


def _aim(side: _Side) -> None:
    """Next point: by proportion a little past the target, or between the ends of the bracket."""
    bracketed = np.isfinite(side.high)
    with np.errstate(all="ignore"):
        root = side.low_gap + side.target
        aim = np.where(root > 0.0, side.low * side.target / root, 2.0 * side.low)
        wide = np.clip(aim + 0.02 * (aim - side.low), 1.0001 * side.low, 4.0 * side.low)
        secant = (side.low * side.high_gap - side.high * side.low_gap) / (
            side.high_gap - side.low_gap
        )
    inside = (secant > side.low) & (secant < side.high)
    between = np.where(inside, secant, 0.5 * (side.low + side.high))
    side.reach = np.where(bracketed, between, wide)
