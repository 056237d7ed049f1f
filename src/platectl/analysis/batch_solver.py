"""Levenberg-Marquardt for many curves in step, each with its own damping and its own end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.batch_problem import BatchProblem, Evaluation
from platectl.analysis.model import FloatArray

FIRST_DAMPING = 1e-3
_LAST_DAMPING = 1e16
_HARDLY = 0.01
_LEARN_OFFSET = 0.3
_SOLID = 1e-8
_BEST_RATE = 0.05
_ROUNDING_OF_SS = 1e-13
_NEAR_OFFSET = 1e-3
_STALLED_OFFSET = 1e-5
_EXACT_FIT = 1e-26
_SHRINK = 0.05
_GOOD_GAIN = 0.7
_WORTH_PACKING = 0.3


@dataclass(frozen=True, slots=True)
class Solutions:
    """Where each curve stopped.

    Attributes:
        searched: Free shape parameters, shape (free, curves).
        first: First plateau, shape (curves,), as all below.
        second: Second plateau.
        ss: Weighted sum of squares about the means; add the scatter for that of the points.
        converged: Whether the error left is below the tolerance or rounding allows no more.
    """

    searched: FloatArray
    first: FloatArray
    second: FloatArray
    ss: FloatArray
    converged: NDArray[np.bool_]

    def put(self, where: NDArray[np.intp], other: Solutions) -> None:
        """Replace the solutions of some curves."""
        self.searched[:, where] = other.searched
        self.first[where] = other.first
        self.second[where] = other.second
        self.ss[where] = other.ss
        self.converged[where] = other.converged


@dataclass(slots=True)
class _State:
    """Curves still on their way; `place` is where they stand among all."""

    problem: BatchProblem
    place: NDArray[np.intp]
    searched: FloatArray
    now: Evaluation
    damping: FloatArray
    growth: FloatArray
    scale: FloatArray
    curvature: FloatArray
    offset: FloatArray
    spread: FloatArray
    df: FloatArray
    exact: FloatArray

    def keep(self, chosen: NDArray[np.bool_]) -> _State:
        now = self.now
        return _State(
            self.problem.take(chosen),
            self.place[chosen],
            self.searched[:, chosen],
            Evaluation(
                now.first[chosen],
                now.second[chosen],
                now.ss[chosen],
                now.gradient[:, chosen],
                now.information[:, :, chosen],
            ),
            self.damping[chosen],
            self.growth[chosen],
            self.scale[:, chosen],
            self.curvature[:, :, chosen],
            self.offset[chosen],
            self.spread[chosen],
            self.df[chosen],
            self.exact[chosen],
        )


def solve_curves(
    problem: BatchProblem,
    start: FloatArray,
    *,
    tolerance: float,
    damping: float = FIRST_DAMPING,
    max_steps: int = 100,
) -> Solutions:
    """Minimise the sum of squares of each curve.

    Args:
        problem: Curves and what is held.
        start: Free shape parameters, shape (free, curves).
        tolerance: Error left in standard errors at which a curve is done. The error after a step
            is judged from the step and from how fast the steps shrink.
        damping: First damping of all.
        max_steps: Steps at most.
    """
    with np.errstate(all="ignore"):
        now = problem.evaluate(start)
        done = _ends(start.copy(), now, np.zeros(problem.curves, dtype=np.bool_))
        if not len(start):
            done.converged[:] = np.isfinite(now.ss)
            return done
        state = _begin(problem, start, now, damping)
        finished = ~np.isfinite(now.ss)
        for _ in range(max_steps):
            if finished.all():
                break
            if finished.mean() > _WORTH_PACKING:
                state, finished = state.keep(~finished), finished[~finished]
            ended, good = _advance(state, tolerance)
            fresh = ended & ~finished
            if fresh.any():
                _record(done, state, fresh, good)
            finished |= fresh
        if not finished.all():
            _record(done, state, ~finished, np.zeros_like(finished))
    return done


def _begin(problem: BatchProblem, start: FloatArray, now: Evaluation, damping: float) -> _State:
    curves = problem.curves
    levels = problem.levels
    return _State(
        problem,
        np.arange(curves, dtype=np.intp),
        start,
        now,
        np.full(curves, damping),
        np.full(curves, 2.0),
        np.zeros_like(start),
        np.zeros_like(now.information),
        np.zeros(curves),
        levels.scatter.sum(axis=0),
        np.maximum(levels.points - len(problem.free), 1).astype(np.float64),
        _EXACT_FIT * levels.square,
    )


def _ends(searched: FloatArray, now: Evaluation, converged: NDArray[np.bool_]) -> Solutions:
    return Solutions(searched, now.first.copy(), now.second.copy(), now.ss.copy(), converged)


def _record(
    done: Solutions, state: _State, which: NDArray[np.bool_], good: NDArray[np.bool_]
) -> None:
    now = state.now
    done.put(
        state.place[which],
        Solutions(
            state.searched[:, which],
            now.first[which],
            now.second[which],
            now.ss[which],
            good[which],
        ),
    )


def _advance(state: _State, tolerance: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """One trial step of all; gives who has ended, and who of them well."""
    now = state.now
    np.maximum(state.scale, np.einsum("iij->ij", now.information), out=state.scale)
    scale = np.where(state.scale > 0.0, state.scale, 1.0)
    bent = now.information + state.curvature
    for j in range(len(scale)):
        bent[j, j] += state.damping * scale[j]
    move = solve_positive(bent, now.gradient)
    inside = np.einsum("ij,ij->j", now.gradient, solve_positive(now.information, now.gradient))
    variance = np.maximum(now.ss + state.spread - inside, 0.0) / state.df
    offset = np.sqrt(np.maximum(inside, 0.0) / len(state.problem.free) / variance)
    damped = state.damping * np.einsum("ij,ij,ij->j", move, move, scale)
    foreseen = np.einsum("ij,ij->j", now.gradient, move) + damped
    trial = state.searched + move
    then = state.problem.evaluate(trial)
    slack = np.where(offset < _NEAR_OFFSET, _ROUNDING_OF_SS * (now.ss + state.spread), 0.0)
    accepted = (then.ss < now.ss + slack) & np.isfinite(then.information).all(axis=(0, 1))
    gain = np.where(foreseen > 0.0, (now.ss - then.ss) / foreseen, 1.0)
    exact = now.ss + state.spread <= state.exact
    free = accepted & (damped <= _HARDLY * foreseen)
    rate = np.clip(offset / state.offset, _BEST_RATE, 1.0)
    close = (offset <= tolerance) | (free & (rate * offset <= tolerance))
    stuck = ~accepted & ((state.damping > _LAST_DAMPING) | (trial == state.searched).all(axis=0))
    _learn(state, move, then, accepted & (offset < _LEARN_OFFSET), scale)
    _move(state, trial, then, accepted, gain, offset)
    return close | exact | stuck, close | exact | (offset <= _STALLED_OFFSET)


def _learn(
    state: _State,
    move: FloatArray,
    then: Evaluation,
    usable: NDArray[np.bool_],
    scale: FloatArray,
) -> None:
    """Symmetric rank-one update of what J'J misses of the second derivatives.

    The step `s` has shown that `(J'J + C) s = gradient before - gradient after`.
    """
    shown = state.now.gradient - then.gradient
    missed = shown - np.einsum("ijn,jn->in", then.information + state.curvature, move)
    along = np.einsum("ij,ij->j", missed, move)
    size = np.einsum("ij,ij,ij->j", move, move, scale) * np.einsum(
        "ij,ij,ij->j", missed, missed, 1.0 / scale
    )
    solid = usable & (along * along > _SOLID * size)
    change = missed[:, None] * missed[None, :] / np.where(solid, along, 1.0)
    state.curvature = np.where(usable, state.curvature + np.where(solid, change, 0.0), 0.0)


def _move(
    state: _State,
    trial: FloatArray,
    then: Evaluation,
    accepted: NDArray[np.bool_],
    gain: FloatArray,
    offset: FloatArray,
) -> None:
    shrink = np.maximum(_SHRINK, 1.0 - (2.0 * np.minimum(gain, 1.0) - 1.0) ** 3)
    shrink = np.where((gain > _GOOD_GAIN) | (offset < _NEAR_OFFSET), _SHRINK, shrink)
    raised = np.maximum(state.damping, 1e-8) * state.growth
    state.damping = np.where(accepted, state.damping * shrink, raised)
    state.growth = np.where(accepted, 2.0, state.growth * 2.0)
    state.offset = np.where(accepted, offset, state.offset)
    if accepted.all():
        state.searched, state.now = trial, then
        return
    now = state.now
    state.searched = np.where(accepted, trial, state.searched)
    state.now = Evaluation(
        np.where(accepted, then.first, now.first),
        np.where(accepted, then.second, now.second),
        np.where(accepted, then.ss, now.ss),
        np.where(accepted, then.gradient, now.gradient),
        np.where(accepted, then.information, now.information),
    )


def solve_positive(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve small positive definite systems, matrix (n, n, curves), right (n, curves)."""
    size = len(right)
    work, answer = matrix.copy(), right.copy()
    for i in range(size):
        for j in range(i + 1, size):
            factor = work[j, i] / work[i, i]
            for k in range(i + 1, size):
                work[j, k] -= factor * work[i, k]
            answer[j] -= factor * answer[i]
    for i in reversed(range(size)):
        for k in range(i + 1, size):
            answer[i] -= work[i, k] * answer[k]
        answer[i] /= work[i, i]
    return answer


def inverse_diagonal(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Diagonal of the inverse of J'J, and the dependency of each parameter, both (n, curves).

    With `L L'` the scaled matrix, the diagonal of its inverse is the squares of the columns of
    the inverse of L.
    """
    size = len(matrix)
    length = np.sqrt(np.einsum("iij->ij", matrix))
    lower = matrix / (length[:, None] * length[None, :])
    for i in range(size):
        for k in range(i):
            lower[i, i] -= lower[i, k] ** 2
        lower[i, i] = np.sqrt(lower[i, i])
        for j in range(i + 1, size):
            for k in range(i):
                lower[j, i] -= lower[j, k] * lower[i, k]
            lower[j, i] /= lower[i, i]
    inverse = np.zeros_like(matrix)
    for i in range(size):
        inverse[i, i] = 1.0 / lower[i, i]
        for j in range(i + 1, size):
            for k in range(i, j):
                inverse[j, i] -= lower[j, k] * inverse[k, i]
            inverse[j, i] /= lower[j, j]
    diagonal = np.einsum("jin,jin->in", inverse, inverse)
    return diagonal / (length * length), 1.0 - 1.0 / diagonal
