"""Questions that have no answer are refused by name instead of answered with nonsense."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from platectl.analysis import fit_curve
from platectl.analysis.compare import extra_sum_of_squares, paired_t
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit
from platectl.analysis.ki import cheng_prusoff, goldstein_barrett, ic50_from_ki, munson_rodbard
from platectl.analysis.model import Model
from platectl.domain.codes import Code


def goldstein(zero: float, half: float) -> float:
    return goldstein_barrett(1e-8, free_zero_molar=zero, free_half_molar=half, kd_molar=1e-9)


def munson(bound_over_free: float) -> float:
    return munson_rodbard(
        1e-8, radioligand_molar=1e-9, kd_molar=1e-9, bound_over_free=bound_over_free
    )


def back(bound_over_free: float) -> float:
    return ic50_from_ki(
        1e-8, radioligand_molar=1e-9, kd_molar=1e-9, bound_over_free=bound_over_free
    )


def cheng(ic50: object) -> float:
    return cheng_prusoff(ic50, radioligand_molar=1e-9, kd_molar=1e-9)  # type: ignore[arg-type]


REFUSED: dict[str, tuple[Code, Callable[[], object]]] = {
    "radioligand that a competitor binds": (
        Code.CONDITIONS_IMPOSSIBLE,
        lambda: goldstein(1e-9, 1e-10),
    ),
    "no free radioligand": (Code.CONDITIONS_IMPOSSIBLE, lambda: goldstein(0.0, 1e-10)),
    "bound/free that is no number": (Code.CONDITIONS_IMPOSSIBLE, lambda: munson(math.nan)),
    "bound/free below zero": (Code.CONDITIONS_IMPOSSIBLE, lambda: munson(-1.0)),
    "infinite bound/free": (Code.CONDITIONS_IMPOSSIBLE, lambda: back(math.inf)),
    "an IC50 of not-a-number": (Code.CONDITIONS_IMPOSSIBLE, lambda: cheng(math.nan)),
    "an array of IC50": (Code.ARRAY_SHAPE, lambda: cheng(np.array([1e-8, 1e-7]))),
    "a list of IC50": (Code.ARRAY_SHAPE, lambda: cheng([1e-8, 1e-7])),
    "an IC50 as text": (Code.NOT_A_NUMBER, lambda: cheng("1e-8")),
    "one pair": (Code.POINTS_FEW, lambda: paired_t([1.0], [2.0])),
    "pairs without a partner": (Code.ARRAY_SHAPE, lambda: paired_t([1, 2, 3], [1, 2])),
    "a pair that is not a number": (
        Code.NOT_FINITE,
        lambda: paired_t([1.0, math.nan, 3.0], [1.0, 2.0, 4.0]),
    ),
    "equal differences": (Code.RESPONSE_CONSTANT, lambda: paired_t([1, 2, 3], [2, 3, 4])),
    "differences that are equal but for rounding": (
        Code.RESPONSE_CONSTANT,
        lambda: paired_t([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]),
    ),
    "a level in percent": (
        Code.VALUE_OUT_OF_RANGE,
        lambda: paired_t([1, 2, 3], [1, 2, 4], 95.0),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_answer_is_refused_by_name(case: str) -> None:
    code, ask = REFUSED[case]

    with pytest.raises(AnalysisError) as caught:
        ask()

    assert caught.value.code is code


def test_numbers_of_numpy_are_numbers() -> None:
    assert cheng(np.float64(1e-8)) == cheng(1e-8) == pytest.approx(5e-9)
    assert goldstein(1e-9, 1e-9) == pytest.approx(cheng(1e-8))
    assert munson(0.0) == pytest.approx(cheng(1e-8))


def test_pairs_may_be_lists() -> None:
    found = paired_t([1, 2, 3], [1, 2, 4])

    assert found == paired_t(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    assert (found.difference, found.df) == (pytest.approx(-1 / 3), 2)


X = np.repeat(np.linspace(-10.0, -6.0, 10), 2)
GROUPS = ["a", "b"] * 10


def binding(sd: float = 20.0) -> np.ndarray:
    clean = 100.0 + 900.0 / (1.0 + 10.0 ** (X + 8.0))
    return clean + sd * np.random.default_rng(1).normal(size=X.size)


def fitted(model: str, **how: object) -> Fit:
    return fit_curve(model, X, binding(), **how)  # type: ignore[arg-type]


NESTED: dict[str, Callable[[], tuple[Fit, Fit]]] = {
    "a slope held": lambda: (fitted("one-site"), fitted("4PL")),
    "two steps down": lambda: (fitted("one-site"), fitted("5PL")),
    "one site of two": lambda: (fitted("one-site"), fitted("two-site")),
    "a parameter fixed": lambda: (fitted("4PL", fixed={"Bottom": 90.0}), fitted("4PL")),
    "plateaus in common": lambda: (
        fitted("4PL", groups=GROUPS, shared=("Top", "Bottom")),
        fitted("4PL", groups=GROUPS),
    ),
    "one curve for all groups": lambda: (fitted("4PL"), fitted("4PL", groups=GROUPS)),
    "a slope held and all else by group": lambda: (
        fitted("one-site", groups=GROUPS),
        fitted("4PL", groups=GROUPS),
    ),
    "one value held in both": lambda: (
        fitted("one-site", fixed={"Bottom": 90.0}),
        fitted("4PL", fixed={"Bottom": 90.0}),
    ),
}


@pytest.mark.parametrize("case", NESTED)
def test_nested_models_have_an_f_test(case: str) -> None:
    simple, full = NESTED[case]()

    test = extra_sum_of_squares(simple, full)

    assert test.df_extra == simple.df - full.df
    assert 0.0 <= test.p <= 1.0


APART: dict[str, Callable[[], tuple[Fit, Fit]]] = {
    "a two-phase decay does not contain a sigmoid": lambda: (
        fit_curve("one-site", X + 10.0, binding()),
        fit_curve("two-phase dissociation", X + 10.0, binding()),
    ),
    "another value held": lambda: (
        fitted("one-site", fixed={"Bottom": 90.0}),
        fitted("4PL", fixed={"Bottom": 95.0}),
    ),
    "held in the fuller alone": lambda: (
        fitted("one-site"),
        fitted("two-site", fixed={"Bottom": 90.0}),
    ),
    "other parameters shared": lambda: (
        fitted("4PL", groups=GROUPS, shared=("Top", "Bottom", "LogIC50")),
        fitted("4PL", groups=GROUPS, shared=("HillSlope",)),
    ),
    "other x": lambda: (
        fit_curve("one-site", X + 1.0, binding()),
        fit_curve("4PL", X, binding()),
    ),
    "rounding alone": lambda: (
        fit_curve("4PL", X, binding(0.0), fixed={"HillSlope": -2.0}),
        fit_curve("4PL", X, binding(0.0)),
    ),
}


@pytest.mark.parametrize("case", APART)
def test_what_is_not_nested_or_leaves_nothing_has_no_f_test(case: str) -> None:
    simple, full = APART[case]()

    with pytest.raises(AnalysisError, match=r"nested|rounding"):
        extra_sum_of_squares(simple, full)


def test_rounding_speaks_for_no_fuller_model() -> None:
    exact = binding(0.0)

    test = extra_sum_of_squares(fit_curve("one-site", X, exact), fit_curve("4PL", X, exact))

    assert (test.f, test.p) == (0.0, 1.0)


def test_a_model_of_ones_own_declares_what_it_contains() -> None:
    def line(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
        return theta[0] + theta[1] * x

    def bend(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
        return theta[0] + theta[1] * x + theta[2] * x**2

    straight = Model("line", "a + b x", ("a", "b"), line)
    curved = Model("bend", "a + b x + c x^2", ("a", "b", "c"), bend)
    start = {"a": 1.0, "b": 1.0, "c": 1.0}
    simple = fit_curve(straight, X, binding(), start=start)

    test = extra_sum_of_squares(
        simple, fit_curve(replace(curved, contains=("line",)), X, binding(), start=start)
    )

    assert test.df_extra == 1
    with pytest.raises(AnalysisError, match="contains"):
        extra_sum_of_squares(simple, fit_curve(curved, X, binding(), start=start))
