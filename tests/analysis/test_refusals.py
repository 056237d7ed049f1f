"""Questions that have no answer are refused by name instead of answered with nonsense."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from platectl.analysis.compare import paired_t
from platectl.analysis.errors import AnalysisError
from platectl.analysis.ki import cheng_prusoff, goldstein_barrett, ic50_from_ki, munson_rodbard
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
