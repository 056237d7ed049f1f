"""Fit many curves at once: the optimum of the scalar multistart fit, at the speed of arrays.

Replicates are collapsed (`batch_levels`), plateaus solved (`batch_problem`), shapes searched by
Levenberg-Marquardt in step (`batch_solver`) from the best of a grid. Curves that are noisy, hardly
determined or slow are tried again from the best of every row of a finer grid, and those that still
do not settle go through `fit`, the scalar path; the lower sum of squares stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from platectl.analysis.batch_levels import levels_of
from platectl.analysis.batch_models import BATCH_MODELS, PlateauModel
from platectl.analysis.batch_problem import BatchProblem
from platectl.analysis.batch_result import (
    CurveFits,
    check_curves,
    check_weighting,
    empty_fits,
    put_scalar,
    withdraw_unknown,
)
from platectl.analysis.batch_solver import (
    Solutions,
    inverse_diagonal,
    solve_curves,
    solve_positive,
)
from platectl.analysis.batch_start import grid_starts, hard_curves
from platectl.analysis.curves import as_weighting
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import (
    AMBIGUOUS_DEPENDENCY,
    NO_INFLUENCE,
    Fit,
    FitOptions,
    fit,
    t_quantile,
)
from platectl.analysis.model import FloatArray, Model
from platectl.analysis.models import model_named
from platectl.analysis.parameters import single_layout
from platectl.analysis.points import as_points, check_confidence
from platectl.analysis.weighting import UNWEIGHTED, Kind, Weighting, given_weights
from platectl.domain.codes import Code

TOLERANCE = 1e-8
BLOCK = 8192
_HARD_BLOCK = 1024
_FIRST_STEPS = 8
_STEPS = 200
_ALL_ROWS = 16
_WEIGHT_ROUNDS = 200
_SAME_WEIGHT = 1e-10
_SAME_SS = 1e-9


def fit_curves(
    model: Model | str,
    x: ArrayLike,
    y: ArrayLike,
    *,
    weighting: Weighting | Kind = UNWEIGHTED,
    fixed: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    thorough: bool = True,
) -> CurveFits:
    """Fit each row of y, with standard errors and Wald intervals.

    Args:
        model: FOUR_PARAMETER, ONE_SITE or DISSOCIATION, or "4PL", "one-site", "dissociation".
        x: Common to all curves, shape (points,).
        y: Shape (curves, points); not a number where a point is missing.
        weighting: A kind such as "Y2", or a `Weighting`; values of `sd` and `given` have shape (points,) or that of y.
        fixed: Parameters held at a value in all curves.
        confidence: Level of the intervals.
        thorough: Leave no curve that has not settled without the scalar path.

    Raises:
        AnalysisError: A model without a batch form, arrays that do not match, unknown parameters,
            or a weighting that needs a counting time for each point.
    """
    model, weighting = model_named(model), as_weighting(weighting)
    options = FitOptions(weighting=weighting, fixed=dict(fixed or {}), confidence=confidence)
    check_confidence(confidence)
    x, y = as_points(x, "x"), as_points(y, "y", missing=True)
    check_curves(x, y)
    _family(model)
    single_layout(model, options.fixed)
    check_weighting(weighting, y.shape)
    fits = empty_fits(model, options, x, len(y))
    if np.ptp(x) == 0.0:
        withdraw_unknown(fits, y)
        return fits
    with np.errstate(all="ignore"):
        unsettled = _fit_blocks(fits, y)
    for row in unsettled if thorough else ():
        _by_scalar(fits, y[row], int(row))
    withdraw_unknown(fits, y)
    return replace(fits, scalar=unsettled.size) if thorough else fits


def _fit_blocks(fits: CurveFits, y: FloatArray) -> NDArray[np.intp]:
    """Both passes of the batch, in blocks; gives the rows that have not settled."""
    family = _family(fits.model)
    held = {fits.model.position(name): value for name, value in fits.options.fixed.items()}
    none = np.empty(0, dtype=np.intp)
    waiting = [
        _first_pass(family, held, fits, y, np.arange(at, min(at + BLOCK, len(y))))
        for at in range(0, len(y), BLOCK)
    ]
    hard = np.concatenate([none, *waiting])
    left = [
        _second_pass(family, held, fits, y, hard[at : at + _HARD_BLOCK])
        for at in range(0, hard.size, _HARD_BLOCK)
    ]
    return np.concatenate([none, *left])


def fit_curve_stream(
    model: Model | str,
    x: ArrayLike,
    blocks: Iterable[ArrayLike],
    *,
    weighting: Weighting | Kind = UNWEIGHTED,
    fixed: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    thorough: bool = True,
) -> Iterator[CurveFits]:
    """Fit blocks of curves as they come, with room for one block only.

    Arguments and errors are those of `fit_curves`; each block is a `y`.
    """
    for block in blocks:
        yield fit_curves(
            model,
            x,
            block,
            weighting=weighting,
            fixed=fixed,
            confidence=confidence,
            thorough=thorough,
        )


def _family(model: Model) -> PlateauModel:
    if model.name not in BATCH_MODELS:
        known = ", ".join(BATCH_MODELS)
        message = f"'{model.name}' has no batch form; these have: {known}. Use fit for one curve."
        raise AnalysisError(message, Code.NAME_UNKNOWN)
    return BATCH_MODELS[model.name]


def _hold(held: Mapping[int, float], curves: int) -> dict[int, FloatArray]:
    return {i: np.full(curves, value) for i, value in held.items()}


def _first_pass(
    family: PlateauModel,
    held: Mapping[int, float],
    fits: CurveFits,
    y: FloatArray,
    rows: NDArray[np.intp],
) -> NDArray[np.intp]:
    """One start for each curve; gives the rows that need more."""
    levels = levels_of(fits.options.weighting, fits.x, y, rows)
    problem = BatchProblem(family, levels, _hold(held, rows.size))
    start = grid_starts(problem, 1)[0]
    found = solve_curves(problem, start, tolerance=TOLERANCE, max_steps=_FIRST_STEPS)
    if fits.options.weighting.depends_on_curve:
        theta = _theta(problem, found)
        error, dependency = _errors(problem, theta, found.ss)
        hard = ~found.converged | _hard(problem, theta, found.ss, error, dependency)
        _write(fits, rows[~hard], *reweighted(problem.take(~hard), _some(found, ~hard), fits))
        unsettled: NDArray[np.intp] = rows[hard | (fits.status[rows] != "converged")]
        return unsettled
    theta, error, dependency = _write(fits, rows, problem, found)
    hard = ~found.converged | _hard(problem, theta, found.ss, error, dependency)
    waiting: NDArray[np.intp] = rows[hard]
    return waiting


def _hard(
    problem: BatchProblem,
    theta: FloatArray,
    ss: FloatArray,
    error: FloatArray,
    dependency: FloatArray,
) -> NDArray[np.bool_]:
    span = float(np.ptp(problem.levels.x))
    loose = np.stack([error[i] for i in problem.free if i > 1] or [np.zeros_like(ss)])
    size = np.stack([np.abs(theta[i]) for i in problem.free if i > 1] or [np.ones_like(ss)])
    return hard_curves(problem, ss, loose / np.minimum(size, max(span, 1.0)), dependency)


def _second_pass(
    family: PlateauModel,
    held: Mapping[int, float],
    fits: CurveFits,
    y: FloatArray,
    rows: NDArray[np.intp],
) -> NDArray[np.intp]:
    """The best of every row of the grid; gives the rows that the scalar path must see."""
    levels = levels_of(fits.options.weighting, fits.x, y, rows)
    problem = BatchProblem(family, levels, _hold(held, rows.size))
    starts = grid_starts(problem, _ALL_ROWS)
    copies = np.tile(np.arange(rows.size), len(starts))
    tried = solve_curves(
        problem.take(copies),
        np.concatenate(starts, axis=1),
        tolerance=TOLERANCE,
        max_steps=_STEPS,
    )
    best = _lowest(tried, len(starts))
    if fits.options.weighting.depends_on_curve:
        problem, best = reweighted(problem, best, fits)
    higher = fits.ss[rows] < (best.ss + problem.levels.scatter.sum(axis=0)) * (1.0 - _SAME_SS)
    _write(fits, rows[~higher], problem.take(~higher), _some(best, ~higher))
    unsettled = (fits.status[rows] != "converged") & (levels.points >= len(problem.free))
    left: NDArray[np.intp] = rows[unsettled]
    return left


def _lowest(tried: Solutions, starts: int) -> Solutions:
    """The lowest of several solutions of each curve; a converged one where they are equal."""
    table = tried.ss.reshape(starts, -1)
    ss = np.where(np.isfinite(table), table, np.inf)
    equal = ss <= ss.min(axis=0) * (1.0 + 1e-12)
    best = (equal * (1 + tried.converged.reshape(starts, -1))).argmax(axis=0)
    return _some(tried, best * table.shape[1] + np.arange(table.shape[1]))


def _some(found: Solutions, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Solutions:
    return Solutions(
        found.searched[:, chosen],
        found.first[chosen],
        found.second[chosen],
        found.ss[chosen],
        found.converged[chosen],
    )


def _theta(problem: BatchProblem, found: Solutions) -> FloatArray:
    """All parameters; of two ways to write the same curve, the one with the first plateau higher."""
    theta = np.stack((found.first, found.second, *problem.shape_from(found.searched)))
    sign = problem.model.mirrored
    if sign is None or not {0, 1, sign}.isdisjoint(problem.held):
        return theta
    swap = theta[0] < theta[1]
    theta[:2, swap] = theta[1::-1, swap]
    theta[sign, swap] *= -1.0
    return theta


def reweighted(
    problem: BatchProblem, found: Solutions, fits: CurveFits
) -> tuple[BatchProblem, Solutions]:
    """Weights from the curve and fits by turns until neither moves; the problem at the end."""
    weighting, levels = fits.options.weighting, problem.levels
    active = np.arange(problem.curves)
    factor = np.ones_like(levels.mean)
    settled = np.zeros(problem.curves, dtype=np.bool_)
    for _ in range(_WEIGHT_ROUNDS):
        part = problem.take(active)
        now = _some(found, active)
        fresh = curve_weights(part, _theta(part, now), weighting)
        change = np.abs(fresh / factor[:, active] - 1.0).max(axis=0)
        factor[:, active] = fresh
        still = ~(change <= _SAME_WEIGHT) & np.isfinite(fresh).all(axis=0)
        settled[active[change <= _SAME_WEIGHT]] = True
        active = active[still]
        if not active.size:
            break
        turn = _weighing(problem.take(active), factor[:, active])
        start = found.searched[:, active]
        again = solve_curves(turn, start, tolerance=TOLERANCE, damping=1e-8, max_steps=_STEPS)
        found.put(active, again)
    final = _weighing(problem, np.where(np.isfinite(factor), factor, 1.0))
    found.converged[:] &= settled
    return final, found


def curve_weights(problem: BatchProblem, theta: FloatArray, weighting: Weighting) -> FloatArray:
    """Weights of the levels from the curve, shape (levels, curves); infinite or nan if unusable."""
    u = problem.model.fraction(problem.levels.x, list(theta[2:]))
    curve = theta[1] + (theta[0] - theta[1]) * u
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = weighting.variance(curve)
        return np.where(variance > 0.0, 1.0 / variance, np.nan)


def _weighing(problem: BatchProblem, factor: FloatArray) -> BatchProblem:
    levels = problem.levels
    heavier = replace(levels, weight=levels.weight * factor, scatter=levels.scatter * factor)
    return BatchProblem(problem.model, heavier, problem.held)


def _errors(
    problem: BatchProblem, theta: FloatArray, ss: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Standard errors and dependency of all parameters, shape (parameters, curves)."""
    free = list(problem.free)
    error, dependency = np.zeros_like(theta), np.zeros_like(theta)
    df = problem.levels.points - len(free)
    with np.errstate(all="ignore"):
        normal = problem.normal_matrix(theta)
        inverse, tied = inverse_diagonal(normal)
        whole = ss + problem.levels.scatter.sum(axis=0)
        error[free] = np.sqrt(np.where(df > 0, whole / df, np.nan) * inverse)
        size = np.maximum(np.abs(theta[free]), 1.0)
        moved = np.sqrt(np.einsum("iij->ij", normal)) * size
        levels = problem.levels
        square = (levels.weight * np.square(levels.mean)).sum(axis=0)
        unseen = moved < NO_INFLUENCE * np.sqrt(square)
        dependency[free] = np.where(np.isfinite(tied) & ~unseen, tied, 1.0)
        error[free] = np.where(unseen, np.inf, error[free])
    return error, dependency


def _write(
    fits: CurveFits, rows: NDArray[np.intp], problem: BatchProblem, found: Solutions
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Put solutions into the table; gives estimates, errors and dependency."""
    theta = _theta(problem, found)
    error, dependency = _errors(problem, theta, found.ss)
    df = problem.levels.points - len(problem.free)
    with np.errstate(invalid="ignore"):
        half = _quantiles(df, fits.options.confidence) * error
        half[list(problem.held)] = 0.0
        enough = (df >= 0) & np.isfinite(theta).all(axis=0)
        tied = (dependency > AMBIGUOUS_DEPENDENCY).any(axis=0)
    for table, values in (
        (fits.estimates, theta),
        (fits.standard_errors, error),
        (fits.wald_lower, theta - half),
        (fits.wald_upper, theta + half),
        (fits.dependency, dependency),
    ):
        table[rows] = np.where(enough, values, np.nan).T
    fits.ss[rows] = found.ss + problem.levels.scatter.sum(axis=0)
    fits.df[rows] = df
    status = np.where(tied, "ambiguous", "converged")
    fits.status[rows] = np.where(found.converged & enough, status, "not converged")
    return theta, error, dependency


def _quantiles(df: NDArray[np.intp], confidence: float) -> FloatArray:
    """Two-sided Student quantiles; infinite without degrees of freedom."""
    distinct, place = np.unique(df, return_inverse=True)
    return np.array([t_quantile(int(each), confidence) for each in distinct])[place]


def batch_problem(fits: CurveFits, y: FloatArray, rows: NDArray[np.intp]) -> BatchProblem:
    """The problem of some fitted curves, weights at their optimum."""
    family = _family(fits.model)
    held = {fits.model.position(name): value for name, value in fits.options.fixed.items()}
    levels = levels_of(fits.options.weighting, fits.x, y, rows)
    problem = BatchProblem(family, levels, _hold(held, rows.size))
    if not fits.options.weighting.depends_on_curve:
        return problem
    theta = fits.estimates[rows].T
    return _weighing(problem, curve_weights(problem, theta, fits.options.weighting))


def inverse_normal(fits: CurveFits, problem: BatchProblem, rows: NDArray[np.intp]) -> FloatArray:
    """(J'J)^-1 of the free parameters at the optimum, shape (free, free, curves)."""
    normal = problem.normal_matrix(fits.estimates[rows].T)
    size = len(normal)
    inverse = np.empty_like(normal)
    for i in range(size):
        unit = np.zeros((size, rows.size))
        unit[i] = 1.0
        inverse[i] = solve_positive(normal, unit)
    return inverse


def one_scalar_fit(fits: CurveFits, y: FloatArray, row: int) -> Fit | None:
    """Fit one curve by the scalar path; None if it cannot be fitted."""
    known = ~np.isnan(y)
    options = fits.options
    if options.weighting.values is not None:
        values = options.weighting.values
        own = (values if values.ndim == 1 else values[row])[known]
        weights = own if options.weighting.kind == "given" else own**-2.0
        options = replace(options, weighting=given_weights(weights))
    try:
        return fit(fits.model, fits.x[known], y[known], options=options)
    except AnalysisError:
        return None


def _by_scalar(fits: CurveFits, y: FloatArray, row: int) -> None:
    fitted = one_scalar_fit(fits, y, row)
    if fitted is not None and not fits.ss[row] < fitted.ss * (1.0 - _SAME_SS):
        put_scalar(fits, row, fitted)
