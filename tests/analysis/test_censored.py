"""Means with bounds among the values: closed forms, symmetry, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from platectl.analysis.censored import WIDEST, Side, censored_mean
from platectl.analysis.errors import AnalysisError
from platectl.domain.codes import Code


def test_without_bounds_it_is_students_interval() -> None:
    y = [8.1, 8.4, 8.0, 8.6]

    found = censored_mean(y, ["="] * 4)

    half = student.ppf(0.975, 3) * np.std(y, ddof=1) / 2.0
    assert (found.mean, found.lower, found.upper) == pytest.approx(
        (np.mean(y), np.mean(y) - half, np.mean(y) + half)
    )


def test_a_bound_that_is_certain_leaves_mean_and_interval_of_the_measured() -> None:
    y = [8.1, 8.4, 8.0, 8.6]

    found = censored_mean([*y, 40.0], [*["="] * 4, "<"])

    plain = censored_mean(y, ["="] * 4)
    assert found.mean == pytest.approx(plain.mean, abs=1e-6)
    assert (found.lower, found.upper) == pytest.approx((plain.lower, plain.upper), abs=1e-4)
    assert found.censored == 1


def test_the_estimate_solves_cohens_equations_for_one_limit() -> None:
    """Derivatives of the likelihood by mean and spread vanish (Cohen, Technometrics 1, 217, 1959)."""
    y, limit, below = np.array([5.2, 5.6, 5.9, 6.4]), 5.0, 2

    found = censored_mean([*y, limit, limit], [*["="] * 4, "<", "<"])

    assert found.mean is not None
    assert found.sd is not None
    at = (limit - found.mean) / found.sd
    hazard = norm.pdf(at) / norm.cdf(at)
    z = (y - found.mean) / found.sd
    assert z.sum() - below * hazard == pytest.approx(0.0, abs=1e-5)
    assert (z @ z) - y.size - below * hazard * at == pytest.approx(0.0, abs=1e-5)


def test_bounds_above_mirror_bounds_below() -> None:
    below = censored_mean([5.2, 5.6, 5.9, 5.0], ["=", "=", "=", "<"])
    above = censored_mean([-5.2, -5.6, -5.9, -5.0], ["=", "=", "=", ">"])

    assert below.mean is not None
    assert above.mean == pytest.approx(-below.mean, abs=1e-6)
    assert above.lower == pytest.approx(-(below.upper or math.nan), abs=1e-5)


@pytest.mark.parametrize(
    ("values", "sides", "told"),
    [
        ([5.0, 5.3], "<<", ("<", 5.3)), ([5.0, 5.3], ">>", (">", 5.0)), ([5.0, 4.8], "<=", ("<", 5.0)),
        ([5.0, 5.3], "<>", ("=", None)),
    ],
)  # fmt: skip
def test_without_a_spread_only_a_bound_is_given(
    values: list[float], sides: str, told: tuple[Side, float | None]
) -> None:
    found = censored_mean(values, list(sides))  # type: ignore[arg-type]

    assert (found.qualifier, found.mean) == told
    assert found.lower is None


def test_one_value_has_no_interval_and_none_is_refused() -> None:
    assert censored_mean([7.0], ["="]).lower is None
    with pytest.raises(AnalysisError, match="needs values"):
        censored_mean([], [])


@pytest.mark.parametrize(
    ("values", "sides", "code"),
    [
        ([5.0, 5.1], ["=", "≤"], Code.NAME_UNKNOWN),
        ([5.0, 5.1], ["=", "below"], Code.NAME_UNKNOWN),
        ([5.0, 5.1], ["="], Code.ARRAY_SHAPE),
        ([5.0], ["=", "<"], Code.ARRAY_SHAPE),
        ([5.0, math.nan], ["=", "="], Code.NOT_FINITE),
        ([], [], Code.POINTS_FEW),
    ],
)
def test_values_without_their_sides_are_refused(
    values: list[float], sides: list[Side], code: Code
) -> None:
    with pytest.raises(AnalysisError) as caught:
        censored_mean(values, sides)

    assert caught.value.code is code


@pytest.mark.parametrize(
    ("values", "sides", "told"),
    [
        ([5.0, 5.05, *[5.0] * 12], [*"==", *"<" * 12], ("<", 5.05)),
        ([5.0, 4.95, *[5.0] * 12], [*"==", *">" * 12], (">", 4.95)),
        ([5.0, 8.0, 5.0], ["=", "=", "<"], ("<", 8.0)),
    ],
)
def test_a_mean_that_the_likelihood_makes_up_is_only_a_bound(
    values: list[float], sides: list[Side], told: tuple[Side, float]
) -> None:
    found = censored_mean(values, sides)

    assert (found.qualifier, found.mean) == told
    assert (found.lower, found.upper, found.sd) == (None, None, None)
    assert (found.count, found.censored) == (len(values), len(values) - 2)


@pytest.mark.parametrize("seed", range(6))
def test_a_mean_lies_among_its_values_and_its_interval_says_something(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(6.0, 0.8, 5)
    sides: list[Side] = ["<" if v < 6.0 else "=" for v in y]

    found = censored_mean(np.maximum(y, 6.0).tolist(), sides)

    assert found.mean is not None
    assert 6.0 <= found.mean <= y.max() or found.mean == pytest.approx(6.0)
    if found.lower is not None and found.upper is not None:
        assert found.upper - found.lower <= WIDEST or not found.censored


def test_intervals_cover_and_the_mean_is_not_that_of_substitutes() -> None:
    rng, hits, means = np.random.default_rng(4), 0, []
    for _ in range(120):
        y = rng.normal(6.0, 0.4, 8)
        sides: list[Side] = ["<" if v < 5.8 else "=" for v in y]
        found = censored_mean(np.maximum(y, 5.8).tolist(), sides)
        if found.mean is None or found.lower is None or found.upper is None:
            continue
        means.append(found.mean)
        hits += found.lower <= 6.0 <= found.upper

    assert hits / len(means) > 0.9
    assert np.mean(means) == pytest.approx(6.0, abs=0.05)
