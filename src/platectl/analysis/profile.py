"""Profile-likelihood intervals: `SS(theta) = SSmin (1 + F(0.95; 1, df)/df)`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from platectl.analysis.bounded import solve_within
from platectl.analysis.fit import Fit, Problem, rounding_ss, t_quantile
from platectl.analysis.model import FloatArray
from platectl.analysis.parameters import ParameterLayout
from platectl.analysis.points import check_confidence

_WIDENINGS = 24
_REFINEMENTS = 60
_LOG_SPAN = 12.0
_WIDEST_IN_SE = 4096.0
_SUSPICIOUS = 1.5
_ROUNDINGS = 100.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; a side without bound is -inf or +inf.

    A side that reaches a bound of the fit ends there; `at_bound` names it ("lower", "upper"), since
    the points leave it open.
    """

    name: str
    value: float
    lower: float
    upper: float
    confidence: float
    kind: str = "profile"
    at_bound: tuple[str, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether both sides are finite and owe that to the points, not to a bound of the fit."""
        return bool(np.isfinite(self.lower) and np.isfinite(self.upper)) and not self.at_bound

    @property
    def width(self) -> float:
        """Upper minus lower."""
        return self.upper - self.lower


class _Profile:
    """Signed root of the rise of SS when one parameter is held: linear for a linear model."""

    def __init__(self, fitted: Fit, name: str, target: float) -> None:
        _, self._place = fitted.layout.fixing(name)
        self._full_index = fitted.layout.names.index(name)
        self._fit = fitted
        self._layout = _movable(fitted, self._full_index)
        self.value = fitted[name].value
        self.error = fitted[name].standard_error
        self.bounds = fitted.options.bounds.get(name, (-np.inf, np.inf))
        self._variance = fitted.residual_variance
        self._others = fitted.layout.full(fitted.free_values)[self._layout.free]
        self._follow = self._tangent()
        self._target = target
        far = _SUSPICIOUS * target * self.error
        self._far = far if np.isfinite(far) else 0.0

    def _tangent(self) -> FloatArray:
        column = np.delete(self._fit.covariance[:, self._place], self._place)
        variance = self._fit.covariance[self._place, self._place]
        follow: FloatArray = np.zeros_like(self._others)
        if np.isfinite(variance) and variance > 0.0 and np.isfinite(column).all():
            follow[np.isin(self._layout.free, self._fit.layout.free)] = column / variance
        return follow

    def root(self, held: float, near: FloatArray | None) -> tuple[float, FloatArray]:
        """Root of the rise of SS in residual SD, never negative, and the other parameters.

        Far out or high up, the refit also starts from the optimum and from its tangent, since a
        refit stuck elsewhere would look like a bound.
        """
        values = self._layout.values.copy()
        values[self._full_index] = held
        layout = replace(self._layout, values=values)
        problem = Problem(self._fit.model, self._fit.x, self._fit.y, layout, self._fit.options)
        tangent = self._others + self._follow * (held - self.value)
        first = tangent if near is None else near
        found = solve_within(problem, first, self._fit.weights, tolerance=1e-5, damping=0.0)
        root = self._rise(found.ss)
        if root > _SUSPICIOUS * self._target or abs(held - self.value) > self._far:
            for start in (self._others, tangent):
                again = solve_within(problem, start, self._fit.weights, tolerance=1e-5)
                if again.ss < found.ss or not np.isfinite(found.ss):
                    found, root = again, self._rise(again.ss)
        return root, found.theta

    def _rise(self, ss: float) -> float:
        if not np.isfinite(ss):
            return np.inf
        return float(np.sqrt(max((ss - self._fit.ss) / self._variance, 0.0)))


def _movable(fitted: Fit, but: int) -> ParameterLayout:
    """Layout of what the profile refits: the free parameters and those that stand at a bound."""
    layout = fitted.layout
    held = [layout.names.index(name) for name in fitted.held]
    free = np.union1d(layout.free, np.array(held, dtype=np.intp))
    return replace(layout, free=free[free != but])


def only_rounding(fitted: Fit) -> bool:
    """Whether what the fit leaves is nothing but rounding of the responses."""
    return fitted.ss <= _ROUNDINGS * rounding_ss(fitted.y, fitted.weights)


def profile_interval(fitted: Fit, name: str, confidence: float | None = None) -> Interval:
    """Interval of one parameter with all others refitted, weights held at the optimum.

    The refits keep the bounds of the fit; parameters that the fit holds at a bound may leave it
    for the inside. A side that the points leave open ends at the parameter's own bound, if it has
    one, and `Interval.at_bound` says so.

    Raises:
        AnalysisError: The parameter is not free in this fit, or the level is not between 0 and 1.
    """
    level = fitted.options.confidence if confidence is None else confidence
    check_confidence(level)
    fitted.layout.fixing(name)
    value = fitted[name].value
    if fitted.df <= 0 or only_rounding(fitted):
        known = fitted.df > 0 and np.isfinite(fitted[name].standard_error)
        wide = 0.0 if known else np.inf
        return _ended(Interval(name, value, value - wide, value + wide, level), fitted)
    target = t_quantile(fitted.df, level)
    profile = _Profile(fitted, name, target)
    lower = _side(profile, target, -1.0)
    upper = _side(profile, target, +1.0)
    return _ended(Interval(name, value, lower, upper, level), fitted)


def _ended(interval: Interval, fitted: Fit) -> Interval:
    """The interval with open sides ended at the parameter's own bounds."""
    low, high = fitted.options.bounds.get(interval.name, (-np.inf, np.inf))
    at_low = interval.lower == -np.inf and np.isfinite(low)
    at_high = interval.upper == np.inf and np.isfinite(high)
    sides = (*(("lower",) if at_low else ()), *(("upper",) if at_high else ()))
    lower, upper = max(interval.lower, low), min(interval.upper, high)
    return replace(interval, lower=lower, upper=upper, at_bound=sides)


def _limits(profile: _Profile, target: float, name_is_log: bool) -> tuple[float, float]:  # noqa: FBT001
    """First step and furthest step to look at."""
    step = target * profile.error
    widest = _LOG_SPAN if name_is_log else np.inf
    if not np.isfinite(step) or step <= 0.0:
        step = 0.1 * (abs(profile.value) + 1e-300)
        return min(step, widest), widest if name_is_log else 1e6 * step
    return min(step, 0.1 * widest), min(_WIDEST_IN_SE * step, widest)


def _side(profile: _Profile, target: float, sign: float) -> float:
    name = profile._layout.names[profile._full_index]  # noqa: SLF001 one concept, two shapes
    step, furthest = _limits(profile, target, name.startswith("Log"))
    room = abs(profile.bounds[0 if sign < 0.0 else 1] - profile.value)
    if not room > 0.0:
        return float(sign * np.inf)
    step, furthest = min(step, room), min(furthest, room)
    inside, inside_root, others = 0.0, 0.0, None
    reach, reach_root = step, 0.0
    for _ in range(_WIDENINGS):
        reach_root, found = profile.root(profile.value + sign * reach, others)
        if reach_root >= target:
            break
        inside, inside_root, others = reach, reach_root, found
        if reach >= furthest:
            return float(sign * np.inf)
        reach = min(_next_reach(reach, reach_root, target), furthest)
    else:
        return float(sign * np.inf)
    return profile.value + sign * _close_in(
        profile, target, sign, (inside, inside_root, reach, reach_root, others)
    )


def _next_reach(reach: float, root: float, target: float) -> float:
    """Aim a little past the target by proportion, at least doubling the gap when far off."""
    aim = reach * target / root if root > 0.0 else 2.0 * reach
    return min(max(aim + 0.02 * (aim - reach), 1.0001 * reach), 4.0 * reach)


def _close_in(
    profile: _Profile,
    target: float,
    sign: float,
    bracket: tuple[float, float, float, float, FloatArray | None],
) -> float:
    """Secant steps kept inside the bracket (Illinois), to 1e-5 of the step in root units."""
    low, low_root, high, high_root, others = bracket
    low_gap, high_gap = low_root - target, high_root - target
    for _ in range(_REFINEMENTS):
        if abs(high_gap) <= 1e-5 * target:
            return high
        if low > 0.0 and abs(low_root - target) <= 1e-5 * target:
            return low
        if not np.isfinite(high_gap) or high_gap == low_gap:
            middle = 0.5 * (low + high)
        else:
            middle = (low * high_gap - high * low_gap) / (high_gap - low_gap)
        root, found = profile.root(profile.value + sign * middle, others)
        if abs(root - target) <= 1e-5 * target or high - low <= 1e-12 * abs(high):
            return middle
        if root < target:
            low, low_root, low_gap, others = middle, root, root - target, found
            high_gap *= 0.5 if np.isfinite(high_gap) else 1.0
        else:
            high, high_root, high_gap = middle, root, root - target
            low_gap *= 0.5
    return 0.5 * (low + high)
