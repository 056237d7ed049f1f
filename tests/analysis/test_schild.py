"""Antagonists: curves fitted together, Schild's regression, and what neither can answer."""

from __future__ import annotations

import numpy as np
import pytest

from platectl.analysis import AnalysisError, Weighting, fit_schild, schild_regression
from platectl.analysis.model import central_differences
from platectl.analysis.schild import GADDUM_SCHILD
from platectl.report.schild_plot import schild
from platectl.report.svg import to_svg

DOSES = np.linspace(-9.5, -3.0, 14)
ANTAGONIST = np.array((0.0, 1e-8, 1e-7, 1e-6))
X, B = np.tile(DOSES, 4), np.repeat(ANTAGONIST, DOSES.size)


def responses(pa2: float, slope: float, *, seed: int = 1, sd: float = 1.5) -> np.ndarray:
    theta = np.array((100.0, 5.0, -7.0, 1.2, pa2, slope))
    noise = sd * np.random.default_rng(seed).normal(size=X.size)
    return GADDUM_SCHILD.curve(np.stack((X, B)), theta) + noise


def test_derivatives_are_those_of_the_curve() -> None:
    theta = np.array((100.0, 5.0, -7.0, 1.2, 8.2, 0.9))
    points = np.stack((X, B))

    exact = GADDUM_SCHILD.jacobian(points, theta)

    assert exact == pytest.approx(central_differences(GADDUM_SCHILD.curve, points, theta), abs=1e-6)


def test_a_competitive_antagonist_is_found_with_its_pkb() -> None:
    found = fit_schild(X, B, responses(8.2, 1.0))

    assert found.pa2.lower < 8.2 < found.pa2.upper
    assert found.slope.lower < 1.0 < found.slope.upper
    assert found.pkb.lower < 8.2 < found.pkb.upper
    assert found.pkb.width < found.pa2.width
    assert found.slope_test.p > 0.05
    assert found.parallel_test.p > 0.05
    assert found.shift_test.p > 0.05
    assert found.ec50_molar[0] == pytest.approx(1e-7, rel=0.1)


def test_intervals_of_the_fit_cover_the_truth_as_often_as_they_say() -> None:
    fits = [fit_schild(X, B, responses(8.2, 1.0, seed=seed)) for seed in range(60)]

    covered = np.mean([f.pkb.lower < 8.2 < f.pkb.upper for f in fits])
    refused = np.mean([f.slope_test.p < 0.05 for f in fits])

    assert 0.87 <= covered <= 1.0
    assert refused <= 0.13


def test_a_slope_that_is_not_one_is_told_by_the_test() -> None:
    found = fit_schild(X, B, responses(8.2, 0.7))

    assert found.slope_test.p < 1e-6
    assert found.slope.lower < 0.7 < found.slope.upper
    assert found.pa2.lower < 8.2 < found.pa2.upper


def test_an_insurmountable_antagonist_is_told_by_the_parallel_test() -> None:
    lowered = responses(8.2, 1.0) * np.where(B == 1e-6, 0.6, 1.0)

    assert fit_schild(X, B, lowered).parallel_test.p < 1e-6


def test_order_and_weights_of_the_points_do_not_matter() -> None:
    y = responses(8.2, 1.0)
    sd = np.where(X > -6.0, 3.0, 1.0)
    order = np.random.default_rng(3).permutation(X.size)

    one = fit_schild(X, B, y, weighting=Weighting("sd", values=sd))
    two = fit_schild(X[order], B[order], y[order], weighting=Weighting("sd", values=sd[order]))

    assert two.pa2.value == pytest.approx(one.pa2.value, abs=1e-6)
    assert two.pa2.upper == pytest.approx(one.pa2.upper, abs=1e-4)


def test_an_agonist_that_lowers_the_signal_is_moved_alike() -> None:
    found = fit_schild(X, B, 100.0 - responses(8.2, 1.0))

    assert found.pkb.lower < 8.2 < found.pkb.upper


def test_exact_dose_ratios_give_the_line_exactly() -> None:
    ec50 = 1e-7 * (1.0 + (ANTAGONIST / 10.0**-8.2) ** 0.8)

    found = schild_regression(ec50, ANTAGONIST)

    assert found.slope.value == pytest.approx(0.8)
    assert found.pa2.value == pytest.approx(8.2)
    assert found.slope_test is None


def test_the_regression_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    blocker = np.tile((0.0, 0.0, 1e-8, 3e-8, 1e-7, 3e-7, 1e-6), 2)
    there = blocker > 0.0
    hits = np.zeros(3)
    for _ in range(400):
        ratio = blocker[there] / 10.0**-8.2 * 10.0 ** (0.05 * rng.normal(size=there.sum()))
        ec50 = np.full(blocker.size, 1e-7)
        ec50[there] *= 1.0 + ratio
        found = schild_regression(ec50, blocker)
        hits += (
            found.slope.lower < 1.0 < found.slope.upper,
            found.pa2.lower < 8.2 < found.pa2.upper,
            found.slope_test.p > 0.05,
        )

    assert (hits / 400 > 0.92).all()
    assert (hits / 400 < 0.98).all()


def test_the_test_of_slope_one_agrees_with_the_interval_of_the_slope() -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        ratio = (ANTAGONIST[1:] / 10.0**-8.2) ** 0.9 * 10.0 ** (0.05 * rng.normal(size=3))
        found = schild_regression(1e-7 * np.append(1.0, 1.0 + ratio), ANTAGONIST)

        assert (found.slope_test.p > 0.05) == (found.slope.lower < 1.0 < found.slope.upper)


def test_each_experiment_has_a_control_of_its_own() -> None:
    blocker, days = np.tile(ANTAGONIST, 2), ["one"] * 4 + ["two"] * 4
    ec50 = np.repeat((1e-7, 3e-7), 4) * (1.0 + blocker / 10.0**-8.2)

    found = schild_regression(ec50, blocker, experiments=days)

    assert found.pkb.value == pytest.approx(8.2)
    with pytest.raises(AnalysisError, match="experiment 'two'"):
        schild_regression(ec50[:5], blocker[1:6], experiments=["one", "one", "one", "one", "two"])


def test_points_without_a_direction_leave_pa2_open() -> None:
    ec50 = 1e-7 * (1.0 + np.array((0.0, 3.0, 40.0, 5.0)))

    found = schild_regression(ec50, ANTAGONIST)

    assert (found.pa2.lower, found.pa2.upper) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("ec50", "blocker", "said"),
    [
        ((1e-7, 9e-8, 1e-6, 1e-5), ANTAGONIST, "dose ratio at 1e-08 M is 0.9: at or below 1"),
        ((1e-7, 1e-7, 1e-6, 1e-5), ANTAGONIST, "at or below 1"),
        ((1e-7, 1e-6, 1e-5), (1e-8, 1e-7, 1e-6), "no curve without antagonist"),
        ((1e-7, 1e-6, 1e-5), (0.0, 1e-7, 1e-6), "three dose ratios"),
        ((1e-7, 1e-6, 1e-6, 1e-6), (0.0, 1e-7, 1e-7, 1e-7), "three dose ratios"),
        ((-7.0, -6.0, -5.0, -4.0), ANTAGONIST, "not its logarithm"),
        ((1e-7, 1e-6, 1e-5, 1e-4), (0.0, -8.0, -7.0, -6.0), "below zero"),
        ((1e-7, 1e-6), ANTAGONIST, "Every EC50"),
    ],
)
def test_what_gives_no_line_is_refused(ec50: tuple, blocker: tuple, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        schild_regression(ec50, blocker)


def test_curves_that_do_not_move_to_the_right_are_refused() -> None:
    y = responses(8.2, 1.0)
    mirrored = np.where(B > 0.0, 0.0, 1e-6)

    with pytest.raises(AnalysisError, match="every dose ratio is at or below 1"):
        fit_schild(
            X[B < 1e-6],
            np.where(B == 0.0, 1e-7, np.where(B == 1e-8, 3e-8, 0.0))[B < 1e-6],
            y[B < 1e-6],
        )
    with pytest.raises(AnalysisError, match="two or more concentrations"):
        fit_schild(X, mirrored, y)
    with pytest.raises(AnalysisError, match="one value for each point"):
        fit_schild(X[:-1], B, y)


def test_the_plot_names_both_lines() -> None:
    found = schild_regression((1e-7, 3e-7, 2.1e-6, 1.5e-5), ANTAGONIST)

    picture = schild(found)

    assert f"pA2 {found.pa2.value:.2f}" in picture.label
    assert to_svg(picture, salt="schild").startswith("<svg")
