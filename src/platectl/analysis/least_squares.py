"""Levenberg-Marquardt with scaled columns, by singular values of the Jacobian.

Scaling and damping follow Moré 1978 and Nielsen 1999; convergence is the relative offset of
Bates and Watts 1981, so a tolerance means a step in units of the standard errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from platectl.analysis.model import FloatArray

Residuals: TypeAlias = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

_FIRST_DAMPING = 1e-3
_LAST_DAMPING = 1e16
_ROUNDING_OF_SS = 1e-13
_NEAR_OFFSET = 1e-3
_GOOD_GAIN = 0.9
_NULL_DIRECTION = 1e-8
_STALLED_OFFSET = 1e-5


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the minimiser stopped.

    Attributes:
        theta: Parameters, shape (parameters,).
        residuals: Weighted residuals there, shape (points,).
        jacobian: Weighted derivatives of the curve there, shape (points, parameters).
        ss: Weighted sum of squares.
        offset: Relative offset: length of the remaining step in standard errors.
        converged: Whether the offset met the tolerance or rounding allows no more.
        iterations: Accepted steps.
    """

    theta: FloatArray
    residuals: FloatArray
    jacobian: FloatArray
    ss: float
    offset: float
    converged: bool
    iterations: int


@dataclass(slots=True)
class _State:
    theta: FloatArray
    residuals: FloatArray
    jacobian: FloatArray
    ss: float
    scale: FloatArray
    damping: float
    growth: float = 2.0


def minimise(
    evaluate: Residuals,
    start: FloatArray,
    *,
    tolerance: float = 1e-9,
    max_steps: int = 200,
    damping: float = _FIRST_DAMPING,
    exact_ss: float = 0.0,
) -> Optimum:
    """Minimise the sum of squared weighted residuals.

    Args:
        evaluate: Gives weighted residuals y - f and the weighted Jacobian of f.
        start: First parameters, shape (parameters,); may be empty.
        tolerance: Relative offset at which to stop.
        max_steps: Accepted steps at most.
        exact_ss: Sum of squares that is nothing but rounding of the data: reached, it is the end.
        damping: First damping; zero tries the full Gauss-Newton step first.
    """
    residuals, jacobian = evaluate(start)
    with np.errstate(over="ignore", invalid="ignore"):
        ss = float(residuals @ residuals)
    state = _State(start, residuals, jacobian, ss, np.zeros(start.size), damping)
    offset = float(np.inf)
    for step in range(max_steps):
        with np.errstate(over="ignore", invalid="ignore"):
            offset, stalled = _advance(evaluate, state, tolerance, exact_ss)
        if stalled:
            return _stopped(state, offset, step, met=offset <= max(tolerance, _STALLED_OFFSET))
        if offset <= tolerance or state.ss <= exact_ss:
            return _stopped(state, offset, step, met=True)
    return _stopped(state, offset, max_steps, met=False)


def _stopped(state: _State, offset: float, step: int, *, met: bool) -> Optimum:
    return Optimum(state.theta, state.residuals, state.jacobian, state.ss, offset, met, step)


def _advance(
    evaluate: Residuals, state: _State, tolerance: float, floor: float
) -> tuple[float, bool]:
    """Take one step unless converged; return the offset and whether no step helps."""
    if not state.theta.size:
        return 0.0, False
    lengths = np.sqrt(np.einsum("ij,ij->j", state.jacobian, state.jacobian))
    if not np.isfinite(lengths).all() or not np.isfinite(state.ss):
        return np.inf, True
    state.scale = np.maximum(state.scale, lengths)
    scale = np.where(state.scale > 0.0, state.scale, 1.0)
    left, singular, right = np.linalg.svd(state.jacobian / scale, full_matrices=False)
    along = left.T @ state.residuals
    offset = _relative_offset(along, singular, state)
    if offset <= tolerance or state.ss <= floor:
        return offset, False
    accepted = _search(evaluate, state, (singular, along, right / scale), offset)
    return offset, not accepted


def _relative_offset(along: FloatArray, singular: FloatArray, state: _State) -> float:
    along = along[singular > 1e-12 * singular.max(initial=1e-300)]
    inside = float(along @ along)
    free = max(state.residuals.size - state.theta.size, 1)
    outside = max(state.ss - inside, 0.0) / free
    if inside == 0.0:
        return 0.0
    return float(np.sqrt(inside / max(along.size, 1) / outside)) if outside > 0.0 else float(np.inf)


def _search(
    evaluate: Residuals,
    state: _State,
    parts: tuple[FloatArray, FloatArray, FloatArray],
    offset: float,
) -> bool:
    """Raise the damping until a step lowers the sum of squares, rounding allowed for at the end."""
    singular, along, right = parts
    slack = _ROUNDING_OF_SS * state.ss if offset < _NEAR_OFFSET else 0.0
    keep = singular > 1e-14 * singular.max()
    while state.damping < _LAST_DAMPING:
        bent = np.where(keep, singular / np.where(keep, singular**2 + state.damping, 1.0), 0.0)
        move = bent * along
        theta = state.theta + move @ right
        if (theta == state.theta).all():
            return False
        residuals, jacobian = evaluate(theta)
        ss = float(residuals @ residuals)
        foreseen = float(2.0 * (move * singular) @ along - ((move * singular) ** 2).sum())
        if np.isfinite(ss) and ss < state.ss + slack and np.isfinite(jacobian).all():
            gain = (state.ss - ss) / foreseen if foreseen > 0.0 else 1.0
            shrink = 1.0 - (2.0 * min(gain, 1.0) - 1.0) ** 3
            state.damping *= max(0.05, shrink) if gain < _GOOD_GAIN else 0.05
            state.theta, state.residuals, state.jacobian, state.ss = theta, residuals, jacobian, ss
            state.growth = 2.0
            return True
        state.damping = max(state.damping, 1e-8) * state.growth
        state.growth *= 2.0
    return False


def inverse_information(jacobian: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(J'J)^-1 and the dependency 1 - 1/((J'J)_ii (J'J)^-1_ii); infinite where undetermined."""
    count = jacobian.shape[1]
    if not count:
        return np.empty((0, 0)), np.empty(0)
    lengths = np.sqrt(np.einsum("ij,ij->j", jacobian, jacobian))
    scale = np.where(lengths > 0.0, lengths, 1.0)
    _, singular, right = np.linalg.svd(jacobian / scale, full_matrices=False)
    solid = singular > 1e-13 * singular.max(initial=1e-300)
    half = right[solid] / singular[solid, None]
    inverse = half.T @ half
    loose = (np.abs(right[~solid]) > _NULL_DIRECTION).any(axis=0) | (lengths == 0.0)
    dependency = np.where(loose, 1.0, 1.0 - 1.0 / np.where(loose, 1.0, np.diag(inverse)))
    with np.errstate(over="ignore", under="ignore"):
        inverse = inverse / np.outer(scale, scale)
    inverse[loose, loose] = np.inf
    return inverse, dependency
