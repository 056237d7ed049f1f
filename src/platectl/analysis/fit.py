"""Fit a model to points: multistart, weights iterated to a fixed point, honest status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from platectl.analysis.errors import AnalysisError
from platectl.analysis.least_squares import Optimum, inverse_information, minimise
from platectl.analysis.model import FloatArray, Model
from platectl.analysis.parameters import ParameterLayout, parameter_layout
from platectl.analysis.points import check_fit
from platectl.analysis.weighting import UNWEIGHTED, Weighting
from platectl.domain.codes import Code

Status = Literal["converged", "ambiguous", "hit constraint", "interrupted", "not converged"]

AMBIGUOUS_DEPENDENCY = 0.9999
_WEIGHT_ROUNDS = 200
_EXACT_FIT = 1e-26
NO_INFLUENCE = 1e-9
"""A parameter whose whole size moves the curve by less than this of the data is not known."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit.

    Attributes:
        weighting: Variance of the points.
        fixed: Parameters held at a value.
        shared: Parameters common to all groups.
        bounds: Lowest and highest allowed value; a parameter that would leave them is held there
            and the fit reports "hit constraint".
        confidence: Level of all intervals.
        starts: How many of the model's candidate starts are tried.
        tolerance: Relative offset (step in standard errors) at which to stop.
        max_steps: Steps of the minimiser; reached means status "interrupted".
    """

    weighting: Weighting = UNWEIGHTED
    fixed: Mapping[str, float] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    confidence: float = 0.95
    starts: int = 4
    tolerance: float = 1e-9
    max_steps: int = 200


@dataclass(frozen=True, slots=True)
class ParameterEstimate:
    """One parameter: estimate, standard error, Wald interval, dependency (Prism's)."""

    name: str
    value: float
    standard_error: float
    wald_lower: float
    wald_upper: float
    dependency: float
    fixed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted curve with everything needed to judge and reuse it.

    Attributes:
        model: What was fitted.
        x: Shape (points,) or (regressors, points).
        y: Shape (points,), like `weights`, `fitted` and `residuals` (y - fitted, unweighted).
        weights: Weights at the fixed point.
        jacobian: Unweighted derivatives by the free parameters, shape (points, free).
        covariance: Of the free parameters, scaled by the residual variance.
        ss: Weighted sum of squares.
        df: Points minus free parameters.
        parameters: All, fixed ones included, in the order of `layout.names`.
        status: See Status; "ambiguous" means a dependency above 0.9999 or a singular fit.
        held: Names of the parameters that stand at a bound and would leave it.
    """

    model: Model
    options: FitOptions
    layout: ParameterLayout
    x: FloatArray
    y: FloatArray
    weights: FloatArray
    fitted: FloatArray
    residuals: FloatArray
    jacobian: FloatArray
    free_values: FloatArray
    covariance: FloatArray
    ss: float
    df: int
    parameters: tuple[ParameterEstimate, ...]
    status: Status
    iterations: int
    held: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """Number of fitted points."""
        return self.y.size

    @property
    def residual_variance(self) -> float:
        """SS/df; not a number without degrees of freedom."""
        return self.ss / self.df if self.df > 0 else float("nan")

    def __getitem__(self, name: str) -> ParameterEstimate:
        """The estimate of a parameter by its name.

        Raises:
            AnalysisError: No such parameter.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        message = f"The fit of '{self.model.name}' has no parameter '{name}'."
        raise AnalysisError(message, Code.NAME_UNKNOWN)

    def predict(self, x: FloatArray) -> FloatArray:
        """The curve at other x; only for a fit of one group."""
        if self.layout.index.ndim > 1:
            message = "A fit of several groups has no single curve to predict."
            raise AnalysisError(message)
        return self.model.curve(x, self.layout.theta(self.free_values))

    def band(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Confidence band of the curve at other x (delta method), lower and upper."""
        curve = self.predict(x)
        theta = self.layout.theta(self.free_values)
        slopes = self.layout.free_jacobian(self.model.jacobian(x, theta))
        sd = np.sqrt(np.einsum("ij,jk,ik->i", slopes, self.covariance, slopes))
        half = t_quantile(self.df, self.options.confidence) * sd
        return curve - half, curve + half


def rounding_ss(y: FloatArray, weights: FloatArray) -> float:
    """Sum of squares below which residuals are nothing but rounding of y."""
    return _EXACT_FIT * float(weights @ np.square(y))


def t_quantile(df: int, confidence: float) -> float:
    """Two-sided Student quantile; infinite without degrees of freedom."""
    return float(stdtrit(df, 0.5 * (1.0 + confidence))) if df > 0 else float("inf")


def fit(
    model: Model,
    x: FloatArray,
    y: FloatArray,
    *,
    start: FloatArray | Mapping[str, float] | None = None,
    groups: Sequence[str] | None = None,
    options: FitOptions = FitOptions(),
) -> Fit:
    """Least-squares fit.

    The first pass is unweighted from the best of several starts; then weights are taken from the
    curve and the fit repeated until neither moves (Prism >= 5).

    Args:
        model: The curve.
        x: Shape (points,) or (regressors, points).
        y: Shape (points,).
        start: First values by name, or in the order of the layout; else the model's guesses.
        groups: Group of each point, for a global fit with `options.shared`.
        options: See FitOptions.

    Raises:
        AnalysisError: Fewer points than parameters, values that are not finite, no start.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    layout = parameter_layout(model, groups, options.shared, options.fixed)
    check_fit(model, x, y, layout, options.bounds)
    problem = Problem(model, x, y, layout, options)
    starts = _starts(problem, start, groups)
    optimum, weights = _best(problem, starts)
    held = _violated(problem, optimum.theta)
    if not held:
        return _assemble(problem, optimum, weights)
    fixed = replace(options, fixed={**options.fixed, **held})
    again = fit(model, x, y, start=_named(layout, optimum.theta), groups=groups, options=fixed)
    return replace(again, status="hit constraint", held=(*held, *again.held))


@dataclass(frozen=True, slots=True)
class Problem:
    """Points, curve and free parameters, ready for the minimiser."""

    model: Model
    x: FloatArray
    y: FloatArray
    layout: ParameterLayout
    options: FitOptions

    def curve(self, free: FloatArray) -> FloatArray:
        """Curve values, shape (points,)."""
        with np.errstate(all="ignore"):
            return self.model.curve(self.x, self.layout.theta(free))

    def solve(
        self, start: FloatArray, weights: FloatArray, *, tolerance: float, damping: float = 1e-3
    ) -> Optimum:
        """Minimise with weights held."""
        root = np.sqrt(weights)

        def evaluate(free: FloatArray) -> tuple[FloatArray, FloatArray]:
            theta = self.layout.theta(free)
            with np.errstate(all="ignore"):
                gap = root * (self.y - self.model.curve(self.x, theta))
                slopes = self.layout.free_jacobian(self.model.jacobian(self.x, theta))
            return gap, root[:, None] * slopes

        return minimise(
            evaluate,
            start,
            tolerance=tolerance,
            max_steps=self.options.max_steps,
            damping=damping,
            exact_ss=rounding_ss(self.y, weights),
        )


def _starts(
    problem: Problem,
    start: FloatArray | Mapping[str, float] | None,
    groups: Sequence[str] | None,
) -> list[FloatArray]:
    layout = problem.layout
    if isinstance(start, Mapping):
        missing = [layout.names[i] for i in layout.free if layout.names[i] not in start]
        if missing:
            message = f"No start is given for {', '.join(missing)}."
            raise AnalysisError(message, Code.NAME_UNKNOWN)
        return [np.array([float(start[layout.names[i]]) for i in layout.free])]
    if start is not None:
        given = np.asarray(start, dtype=np.float64)
        return [given[layout.free] if given.size == len(layout.names) else given]
    if problem.model.guess is None:
        message = f"'{problem.model.name}' cannot guess a start; give one."
        raise AnalysisError(message)
    with np.errstate(all="ignore"):
        full = _guesses(problem, groups)
    usable = [row[layout.free] for row in full if np.isfinite(row[layout.free]).all()]
    if not usable:
        message = f"No start of '{problem.model.name}' fits these points: x hardly varies."
        raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)
    return usable


def _guesses(problem: Problem, groups: Sequence[str] | None) -> list[FloatArray]:
    guess = problem.model.guess
    assert guess is not None  # noqa: S101 narrowed by the caller
    if groups is None:
        return list(guess(problem.x, problem.y))
    full = np.zeros(len(problem.layout.names))
    count = np.zeros_like(full)
    for label in dict.fromkeys(groups):
        inside = np.array([group == label for group in groups])
        own = guess(problem.x[..., inside], problem.y[inside])[0]
        place = problem.layout.index[:, inside][:, 0]
        full[place] += own
        count[place] += 1.0
    return [full / count]


def _best(problem: Problem, starts: list[FloatArray]) -> tuple[Optimum, FloatArray]:
    """Try the starts loosely, unweighted; polish the lowest with its weights."""
    flat = np.ones_like(problem.y)
    weighting = problem.options.weighting
    first = flat if weighting.depends_on_curve else weighting.weights(flat)
    if len(starts) == 1:
        trials = [problem.solve(starts[0], first, tolerance=problem.options.tolerance)]
    else:
        near = sorted(starts, key=lambda free: _ss(problem, free, first))
        trials = [
            problem.solve(free, first, tolerance=1e-3) for free in near[: problem.options.starts]
        ]
    best = min(trials, key=lambda trial: trial.ss if np.isfinite(trial.ss) else np.inf)
    if not np.isfinite(best.ss):
        message = f"'{problem.model.name}' has no finite value near its start."
        raise AnalysisError(message)
    return _polish(problem, best, first)


def _ss(problem: Problem, free: FloatArray, weights: FloatArray) -> float:
    with np.errstate(all="ignore"):
        ss = float(np.sum(weights * (problem.y - problem.curve(free)) ** 2))
    return ss if np.isfinite(ss) else np.inf


def _polish(problem: Problem, best: Optimum, weights: FloatArray) -> tuple[Optimum, FloatArray]:
    options = problem.options
    if not options.weighting.depends_on_curve:
        if best.offset > options.tolerance:
            best = problem.solve(best.theta, weights, tolerance=options.tolerance)
        return best, weights
    for _ in range(_WEIGHT_ROUNDS):
        weights = options.weighting.weights(problem.curve(best.theta))
        best = problem.solve(best.theta, weights, tolerance=options.tolerance, damping=0.0)
        if best.iterations == 0 or not best.converged:
            return best, weights
    return replace(best, converged=False), weights


def _violated(problem: Problem, free: FloatArray) -> dict[str, float]:
    held = {}
    for name, value in _named(problem.layout, free).items():
        low, high = problem.options.bounds.get(name, (-np.inf, np.inf))
        if not low <= value <= high:
            held[name] = low if value < low else high
    return held


def _named(layout: ParameterLayout, free: FloatArray) -> dict[str, float]:
    return {layout.names[i]: float(value) for i, value in zip(layout.free, free, strict=True)}


def _assemble(problem: Problem, optimum: Optimum, weights: FloatArray) -> Fit:
    df = problem.y.size - problem.layout.free.size
    variance = optimum.ss / df if df > 0 else float("nan")
    inverse, dependency = inverse_information(optimum.jacobian)
    unseen = _unseen(problem, optimum, weights)
    inverse[unseen, unseen], dependency[unseen] = np.inf, 1.0
    covariance = np.where(np.isinf(inverse), np.inf, variance * np.nan_to_num(inverse, posinf=0.0))
    parameters = _estimates(problem, optimum, covariance, dependency, df)
    root = np.sqrt(weights)
    return Fit(
        model=problem.model,
        options=problem.options,
        layout=problem.layout,
        x=problem.x,
        y=problem.y,
        weights=weights,
        fitted=problem.y - optimum.residuals / root,
        residuals=optimum.residuals / root,
        jacobian=optimum.jacobian / root[:, None],
        free_values=optimum.theta,
        covariance=covariance,
        ss=optimum.ss,
        df=df,
        parameters=parameters,
        status=_status(problem, optimum, dependency),
        iterations=optimum.iterations,
    )


def _unseen(problem: Problem, optimum: Optimum, weights: FloatArray) -> NDArray[np.bool_]:
    """Parameters that the points say nothing of, as the middle of a step between two doses."""
    size = np.maximum(np.abs(optimum.theta), 1.0)
    moved = np.sqrt(np.einsum("ij,ij->j", optimum.jacobian, optimum.jacobian)) * size
    seen = float(np.sqrt(weights @ np.square(problem.y)))
    unseen: NDArray[np.bool_] = moved < NO_INFLUENCE * seen
    return unseen


def _estimates(
    problem: Problem,
    optimum: Optimum,
    covariance: FloatArray,
    dependency: FloatArray,
    df: int,
) -> tuple[ParameterEstimate, ...]:
    layout = problem.layout
    full = layout.full(optimum.theta)
    errors = dict(zip(layout.free.tolist(), np.sqrt(np.diag(covariance)), strict=True))
    depends = dict(zip(layout.free.tolist(), dependency, strict=True))
    t = t_quantile(df, problem.options.confidence)
    estimates = []
    for i, name in enumerate(layout.names):
        value, error = float(full[i]), float(errors.get(i, 0.0))
        fixed = i not in errors
        half = 0.0 if fixed else t * error
        estimates.append(
            ParameterEstimate(
                name, value, error, value - half, value + half, float(depends.get(i, 0.0)), fixed
            )
        )
    return tuple(estimates)


def _status(problem: Problem, optimum: Optimum, dependency: FloatArray) -> Status:
    if not optimum.converged:
        limit = problem.options.max_steps
        return "interrupted" if optimum.iterations >= limit else "not converged"
    if (dependency > AMBIGUOUS_DEPENDENCY).any():
        return "ambiguous"
    return "converged"
