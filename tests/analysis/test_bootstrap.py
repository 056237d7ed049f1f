"""Bootstrap intervals against exact and profile intervals, and what they say when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from platectl.analysis import AnalysisError, Fit, bootstrap, fit_curve, profile_interval
from platectl.analysis.bootstrap import How

X = np.repeat(np.linspace(-10.0, -6.0, 9), 4)


def responses(rng: np.random.Generator, middle: float = -8.0) -> np.ndarray:
    clean = 100.0 / (1.0 + 10.0 ** (X - middle))
    return np.asarray(clean + rng.normal(0.0, 4.0, X.size))


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit_curve("4PL", X, responses(np.random.default_rng(3)))


@pytest.mark.parametrize("how", ["residuals", "wild", "points"])
def test_a_well_determined_curve_has_the_interval_of_the_profile(fitted: Fit, how: How) -> None:
    found = bootstrap(fitted, draws=399, how=how)

    for name in ("Top", "LogIC50"):
        drawn, usual = found.interval(name), profile_interval(fitted, name)
        assert drawn.kind == "bootstrap"
        assert drawn.lower < fitted[name].value < drawn.upper
        assert drawn.width == pytest.approx(usual.width, rel=0.35)
        assert abs(drawn.lower - usual.lower) < 0.25 * usual.width


def test_the_same_seed_gives_the_same_draws(fitted: Fit) -> None:
    first, again = (bootstrap(fitted, draws=99, seed=5) for _ in range(2))

    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.values, bootstrap(fitted, draws=99, seed=6).values)


@pytest.mark.long
def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(11)

    held = 0
    for seed in range(60):
        found = bootstrap(fit_curve("4PL", X, responses(rng)), draws=199, seed=seed)
        interval = found.interval("LogIC50", 0.9)
        held += interval.lower <= -8.0 <= interval.upper

    assert 47 <= held <= 60


def test_curves_of_a_global_fit_keep_their_points() -> None:
    rng = np.random.default_rng(2)
    y = np.concatenate([responses(rng), responses(rng, -7.0)])
    fitted = fit_curve(
        "4PL", np.tile(X, 2), y, groups=["a"] * X.size + ["b"] * X.size,
        shared=("Top", "Bottom", "HillSlope"),
    )  # fmt: skip

    found = bootstrap(fitted, draws=99, how="points")

    for group, truth in (("a", -8.0), ("b", -7.0)):
        interval = found.interval(f"LogIC50[{group}]", 0.99)
        assert interval.lower - 0.1 < truth < interval.upper + 0.1


def test_a_curve_without_a_middle_has_open_sides_or_a_long_interval() -> None:
    rng = np.random.default_rng(4)
    incomplete = fit_curve("4PL", X, responses(rng, -5.2))

    interval = bootstrap(incomplete, draws=99).interval("LogIC50")

    assert not interval.bounded or interval.width > 0.5


def test_what_cannot_be_drawn_is_refused(fitted: Fit) -> None:
    held = fit_curve("4PL", X, fitted.y, fixed={"HillSlope": -1.0})
    found = bootstrap(held, draws=99)

    with pytest.raises(AnalysisError, match="is fixed"):
        found.interval("HillSlope")
    with pytest.raises(AnalysisError, match="99 draws"):
        bootstrap(fitted, draws=10)
    with pytest.raises(AnalysisError, match="more points than"):
        bootstrap(fit_curve("4PL", X[::9], fitted.y[::9]), draws=99)
