"""Profile intervals of bounded fits: against SciPy's bounded least squares, and at the bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq, least_squares
from scipy.stats import t as student

from platectl.analysis import fit_curve, profile_interval
from platectl.analysis.dose_response import FOUR_PARAMETER
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit

X = np.repeat(np.linspace(-10.0, -6.5, 10), 2)
NAMES = FOUR_PARAMETER.parameters
Bounds = dict[str, tuple[float, float]]


def noisy(seed: int, bottom: float = 20.0, sd: float = 40.0) -> np.ndarray:
    clean = FOUR_PARAMETER.curve(X, np.array((1000.0, bottom, -7.4, -1.0)))
    return clean + sd * np.random.default_rng(seed).normal(size=X.size)


def bounded_ss(y: np.ndarray, bounds: Bounds, name: str, held: float, start: np.ndarray) -> float:
    place = NAMES.index(name)
    rest = [i for i in range(len(NAMES)) if i != place]
    low, high = np.array([bounds.get(NAMES[i], (-np.inf, np.inf)) for i in rest]).T

    def gap(free: np.ndarray) -> np.ndarray:
        return FOUR_PARAMETER.curve(X, np.insert(free, place, held)) - y

    first = np.clip(start[rest], low + 1e-3, high - 1e-3)
    tight = {"xtol": 1e-14, "ftol": 1e-14, "gtol": 1e-14}
    found = least_squares(gap, first, bounds=(low, high), x_scale="jac", **tight)
    return 2.0 * float(found.cost)


def scipy_side(found: Fit, y: np.ndarray, bounds: Bounds, name: str, sign: float) -> float:
    target = found.residual_variance * student.ppf(0.975, found.df) ** 2
    start = np.array([found[n].value for n in NAMES])
    value, error = found[name].value, found[name].standard_error

    def above(held: float) -> float:
        return bounded_ss(y, bounds, name, held, start) - found.ss - target

    own = bounds.get(name, (-np.inf, np.inf))[0 if sign < 0.0 else 1]
    reach = value + sign * min(8.0 * error, abs(own - value))
    return brentq(above, value, reach, xtol=1e-9) if above(reach) > 0.0 else reach


@pytest.mark.parametrize(
    ("seed", "bounds"),
    [
        (1, {"Bottom": (0.0, 100.0)}),
        (3, {"Bottom": (0.0, 100.0)}),
        (4, {"Bottom": (0.0, 30.0), "HillSlope": (-1.1, -0.9)}),
        (5, {"Bottom": (0.0, 100.0), "Top": (0.0, 1010.0)}),
        (6, {"HillSlope": (-1.02, -0.98)}),
    ],
)
def test_a_bounded_profile_is_that_of_bounded_least_squares(seed: int, bounds: Bounds) -> None:
    y = noisy(seed)
    found = fit_curve("4PL", X, y, bounds=bounds)

    interval = profile_interval(found, "LogIC50")

    error = found["LogIC50"].standard_error
    assert interval.lower == pytest.approx(
        scipy_side(found, y, bounds, "LogIC50", -1.0), abs=1e-3 * error
    )
    assert interval.upper == pytest.approx(
        scipy_side(found, y, bounds, "LogIC50", +1.0), abs=1e-3 * error
    )
    free = profile_interval(fit_curve("4PL", X, y), "LogIC50")
    assert interval.width < free.width


def test_a_parameter_held_at_its_bound_may_leave_it_in_the_profile_of_another() -> None:
    y, bounds = noisy(2, bottom=-30.0), {"Bottom": (0.0, 100.0)}
    found = fit_curve("4PL", X, y, bounds=bounds)
    fixed = fit_curve("4PL", X, y, fixed={"Bottom": 0.0})

    interval = profile_interval(found, "LogIC50")

    assert found.held == ("Bottom",)
    error = found["LogIC50"].standard_error
    for side, sign in ((interval.lower, -1.0), (interval.upper, 1.0)):
        wanted = scipy_side(found, y, bounds, "LogIC50", sign)
        assert side == pytest.approx(wanted, abs=1e-3 * error)
    assert interval.width > 1.01 * profile_interval(fixed, "LogIC50").width


def test_a_side_ends_at_the_own_bound_of_the_parameter_and_says_so() -> None:
    y = noisy(3, bottom=30.0)
    found = fit_curve("4PL", X, y, bounds={"Bottom": (0.0, 400.0)})

    interval = profile_interval(found, "Bottom")

    assert found.status == "converged"
    assert interval.lower == 0.0
    assert interval.at_bound == ("lower",)
    assert not interval.bounded
    unbound = profile_interval(fit_curve("4PL", X, y), "Bottom")
    assert unbound.lower < 0.0
    assert interval.upper == pytest.approx(unbound.upper)


def test_bounds_that_nothing_touches_change_no_interval() -> None:
    y = noisy(1)
    wide = {"Bottom": (-1e4, 1e4), "LogIC50": (-20.0, 0.0)}

    bounded = profile_interval(fit_curve("4PL", X, y, bounds=wide), "LogIC50")

    free = profile_interval(fit_curve("4PL", X, y), "LogIC50")
    assert (bounded.lower, bounded.upper) == (free.lower, free.upper)
    assert bounded.bounded


@pytest.mark.parametrize("level", [95.0, 1.0, 0.0, -0.5, math.nan])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    found = fit_curve("4PL", X, noisy(1))

    with pytest.raises(AnalysisError, match="between 0 and 1"):
        profile_interval(found, "LogIC50", level)
