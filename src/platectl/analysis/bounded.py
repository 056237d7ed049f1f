"""Least squares within bounds: an active set over the unbounded minimiser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.fit import Problem
from platectl.analysis.least_squares import Optimum
from platectl.analysis.model import FloatArray

_ROUNDS = 12
_NO_GAIN = 1e-10
"""Share of the sum of squares that a parameter must promise to be let off its bound."""


def limits_of(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest value of each free parameter, infinite where there is none."""
    bounds, layout = problem.options.bounds, problem.layout
    pairs = [bounds.get(layout.names[i], (-np.inf, np.inf)) for i in layout.free]
    low, high = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return low, high


def solve_within(
    problem: Problem,
    start: FloatArray,
    weights: FloatArray,
    *,
    tolerance: float,
    damping: float = 1e-3,
) -> Optimum:
    """Minimise with weights held and no free parameter beyond its bounds.

    What leaves its bounds is held there, and let off again where the sum of squares would fall
    towards the inside. `theta` of the result has all free parameters of the problem; its residuals
    and Jacobian are weighted and belong to it.
    """
    low, high = limits_of(problem)
    if not (np.isfinite(low).any() or np.isfinite(high).any()):
        return problem.solve(start, weights, tolerance=tolerance, damping=damping)
    free = np.clip(start, low, high)
    held: NDArray[np.bool_] = np.zeros(free.size, dtype=np.bool_)
    best: Optimum | None = None
    for _ in range(_ROUNDS + 2 * free.size):
        layout = problem.layout
        inner = replace(layout, free=layout.free[~held], values=layout.full(free))
        found = replace(problem, layout=inner).solve(
            free[~held], weights, tolerance=tolerance, damping=damping
        )
        free = free.copy()
        free[~held] = found.theta
        beyond = (free < low) | (free > high)
        if beyond.any():
            free, held = np.clip(free, low, high), held | beyond
            continue
        jacobian = _jacobian(problem, free, weights)
        whole = replace(found, theta=free, jacobian=jacobian)
        if best is None or whole.ss < best.ss or not np.isfinite(best.ss):
            best = whole
        inward = _gains(whole, held, np.where(free == low, 1.0, -1.0))
        if not (inward > _NO_GAIN * whole.ss).any():
            return best
        held = held & (np.arange(free.size) != int(np.argmax(inward)))
    if best is not None:
        return best
    gap = np.sqrt(weights) * (problem.y - problem.curve(free))
    return Optimum(
        theta=free,
        residuals=gap,
        jacobian=_jacobian(problem, free, weights),
        ss=float(gap @ gap),
        offset=np.inf,
        converged=False,
        iterations=_ROUNDS,
    )


def _gains(found: Optimum, held: NDArray[np.bool_], inside: FloatArray) -> FloatArray:
    """By how much SS falls, to first order, if a held parameter alone moves to the inside."""
    slope = inside * (found.jacobian.T @ found.residuals)
    length = np.einsum("ij,ij->j", found.jacobian, found.jacobian)
    usable = held & (slope > 0.0) & (length > 0.0)
    gains: FloatArray = np.where(usable, slope**2 / np.where(usable, length, 1.0), 0.0)
    return gains


def _jacobian(problem: Problem, free: FloatArray, weights: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        slopes = problem.model.jacobian(problem.x, problem.layout.theta(free))
    jacobian: FloatArray = np.sqrt(weights)[:, None] * problem.layout.free_jacobian(slopes)
    return jacobian
