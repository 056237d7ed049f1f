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
_EXACT_FIT = 1e-28


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
) -> Optimum:
    """Minimise the sum of squared weighted residuals.

    Args:
        evaluate: Gives weighted residuals y - f and the weighted Jacobian of f.
        start: First parameters, shape (parameters,); may be empty.
        tolerance: Relative offset at which to stop.
        max_steps: Accepted steps at most.
        damping: First damping; zero tries the full Gauss-Newton step first.
    """
    residuals, jacobian = evaluate(start)
    state = _State(
        start, residuals, jacobian, float(residuals @ residuals), np.zeros(start.size), damping
    )
    floor = _EXACT_FIT * state.ss if start.size else 0.0
    for step in range(max_steps):
        offset, stalled = _advance(evaluate, state, tolerance, floor)
        if stalled:
            return _stopped(state, offset, step, met=offset <= max(tolerance, 1e-5))
        if offset <= tolerance or state.ss <= floor:
            return _stopped(state, offset, step, met=True)
    return _stopped(state, offset if max_steps else np.inf, max_steps, met=False)


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
    """Raise the damping until a step lowers the sum of squares; near the optimum rounding passes."""
    singular, along, right = parts
    slack = _ROUNDING_OF_SS * state.ss if offset < 1e-3 else 0.0
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
            state.damping *= max(0.05, shrink) if gain < 0.9 else 0.05
            state.theta, state.residuals, state.jacobian, state.ss = theta, residuals, jacobian, ss
            state.growth = 2.0
            return True
        state.damping = max(state.damping, 1e-8) * state.growth
        state.growth *= 2.0
    return False
