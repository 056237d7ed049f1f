"""Bootstrap intervals: the fit repeated on data drawn from itself, for those who trust no formula.

Residuals are divided by `sqrt(1 - leverage)`, centred, and drawn with replacement; the ends are
bias-corrected and accelerated (BCa), the acceleration from the influence of each point. Sources:
Davison and Hinkley, Bootstrap Methods and their Application (1997), sections 6.2 and 7.3; DiCiccio
and Efron, Statistical Science 11, 189 (1996).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, Problem
from platectl.analysis.model import FloatArray
from platectl.analysis.parameters import ParameterLayout
from platectl.analysis.points import check_confidence
from platectl.analysis.profile import Interval
from platectl.domain.codes import Code

How = Literal["residuals", "wild", "points"]

DRAWS: Final = 999
FEWEST: Final = 99
_TOLERANCE: Final = 1e-6
_FULL: Final = 1.0 - 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """Repeated fits.

    Attributes:
        fitted: The fit that was repeated.
        values: Free parameters of each draw that converged, shape (draws, free).
        failed: Draws whose fit did not converge.
        acceleration: Of each free parameter, shape (free,).
    """

    fitted: Fit
    values: FloatArray
    failed: int
    acceleration: FloatArray

    def interval(self, name: str, confidence: float | None = None) -> Interval:
        """BCa interval of a parameter; open on both sides when too many draws failed.

        Raises:
            AnalysisError: No such free parameter, or a level that is none.
        """
        level = self.fitted.options.confidence if confidence is None else confidence
        check_confidence(level)
        estimate = self.fitted[name]
        names = [self.fitted.layout.names[i] for i in self.fitted.layout.free]
        if name not in names:
            message = f"'{name}' is fixed: it has no interval."
            raise AnalysisError(message, Code.NAME_UNKNOWN)
        tail = 0.5 * (1.0 - level)
        if self.failed > tail * (len(self.values) + self.failed):
            return Interval(name, estimate.value, -np.inf, np.inf, level, "bootstrap")
        place = names.index(name)
        drawn, acceleration = self.values[:, place], float(self.acceleration[place])
        below = (
            np.sum(drawn < estimate.value) + 0.5 * np.sum(drawn == estimate.value)
        ) / drawn.size
        shift = float(ndtri(np.clip(below, 1.0 / (drawn.size + 1), drawn.size / (drawn.size + 1))))
        wanted = shift + ndtri(np.array((tail, 1.0 - tail)))
        shares = ndtr(shift + wanted / (1.0 - acceleration * wanted))
        lower, upper = np.quantile(drawn, shares)
        return Interval(name, estimate.value, float(lower), float(upper), level, "bootstrap")


def bootstrap(
    fitted: Fit, *, draws: int = DRAWS, how: How = "residuals", seed: int = 1
) -> Bootstrap:
    """Fit again and again; the same seed gives the same draws.

    Args:
        fitted: A fit with degrees of freedom.
        draws: How many, 99 at least.
        how: "residuals" draws scatter for every point from all of them, "wild" gives each point its own
            with a random sign (where the scatter differs between points), "points" draws points
            within their groups (where the curve itself is in doubt).
        seed: Of the draws.

    Raises:
        AnalysisError: No degrees of freedom, too few draws, or a fit that has not converged.
    """
    if fitted.df < 1 or fitted.status == "not converged" or not np.isfinite(fitted.residuals).all():
        message = "A bootstrap needs a fit that has converged, and more points than parameters."
        raise AnalysisError(message, Code.POINTS_FEW)
    if draws < FEWEST:
        raise AnalysisError(f"A bootstrap needs {FEWEST} draws at least, not {draws}.", Code.VALUE_OUT_OF_RANGE)  # fmt: skip
    if how not in {"residuals", "wild", "points"}:
        raise AnalysisError(f"A bootstrap draws residuals, wild or points, not {how!r}.", Code.NAME_UNKNOWN)  # fmt: skip
    rng = np.random.default_rng(seed)
    scatter, influence = _scatter(fitted)
    values = []
    for _ in range(draws):
        problem, weights = _drawn(fitted, scatter, how, rng)
        found = problem.solve(fitted.free_values, weights, tolerance=_TOLERANCE)
        if found.converged and np.isfinite(found.theta).all():
            values.append(found.theta)
    table = np.array(values).reshape(-1, fitted.free_values.size)
    return Bootstrap(fitted, table, draws - len(values), _acceleration(influence))


def _scatter(fitted: Fit) -> tuple[FloatArray, FloatArray]:
    """Modified residuals in units of the weights, shape (points,), and influences (points, free)."""
    root = np.sqrt(fitted.weights)
    slopes = root[:, None] * fitted.jacobian
    inverse = np.linalg.pinv(slopes.T @ slopes)
    leverage = np.einsum("ij,jk,ik->i", slopes, inverse, slopes)
    modified = root * fitted.residuals / np.sqrt(1.0 - np.minimum(leverage, _FULL))
    used = fitted.weights > 0.0
    return modified - np.where(used, modified[used].mean(), 0.0), modified[:, None] * (
        slopes @ inverse
    )


def _acceleration(influence: FloatArray) -> FloatArray:
    cubes, squares = (influence**3).sum(axis=0), (influence**2).sum(axis=0)
    found: FloatArray = cubes / (6.0 * np.maximum(squares, 1e-300) ** 1.5)
    return found


def _drawn(
    fitted: Fit, scatter: FloatArray, how: How, rng: np.random.Generator
) -> tuple[Problem, FloatArray]:
    """A problem with drawn data, and its weights."""
    layout, options = fitted.layout, fitted.options
    if how == "points":
        picked = _picked(layout, fitted.points, rng)
        index = layout.index if layout.index.ndim == 1 else layout.index[:, picked]
        own = ParameterLayout(layout.names, index, layout.free, layout.values)
        problem = Problem(fitted.model, fitted.x[..., picked], fitted.y[picked], own, options)
        return problem, fitted.weights[picked]
    used = fitted.weights > 0.0
    noise = np.zeros_like(scatter)
    if how == "wild":
        noise[used] = scatter[used] * rng.choice((-1.0, 1.0), int(used.sum()))
    else:
        noise[used] = rng.choice(scatter[used], int(used.sum()))
    y = fitted.fitted + noise / np.sqrt(np.where(used, fitted.weights, 1.0))
    return Problem(fitted.model, fitted.x, y, layout, options), fitted.weights


def _picked(layout: ParameterLayout, points: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Points drawn with replacement, as many of each group as it has."""
    if layout.index.ndim == 1:
        return rng.integers(points, size=points)
    _, groups = np.unique(layout.index, axis=1, return_inverse=True)
    picked = np.empty(points, dtype=np.intp)
    for group in np.unique(groups):
        inside = np.flatnonzero(groups == group)
        picked[inside] = rng.choice(inside, inside.size)
    return picked
