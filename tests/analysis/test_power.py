"""Planning by analysis: what simulated plates say about a layout before it is run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.analysis.errors import AnalysisError
from platectl.analysis.power import (
    Z95,
    DrawnPlate,
    Estimate,
    Known,
    draw_plates,
    needs,
    predict,
    wilson,
)

TRUE = {"x": Known("Ki", 1e-8)}


def plate(rng: np.random.Generator, sd: float = 0.05) -> DrawnPlate:
    """A plate whose estimate is normal around the truth with an honest interval."""
    value = -8.0 + sd * float(rng.standard_normal())
    return DrawnPlate("pass", 0.8, {"x": Estimate(value, value - Z95 * sd, value + Z95 * sd)})


def test_intervals_of_plates_shrink_with_the_root_of_their_number() -> None:
    drawn = draw_plates(plate, 200, seed=1)

    one, four = (predict(drawn, TRUE, plates=n) for n in (1, 4))

    assert one.compounds[0].width is not None
    assert four.compounds[0].width is not None
    assert one.compounds[0].width.median == pytest.approx(2 * Z95 * 0.05)
    assert four.compounds[0].width.median == pytest.approx(Z95 * 0.05)


def test_an_honest_interval_holds_the_truth_in_95_of_100_experiments_without_bias() -> None:
    found = predict(draw_plates(plate, 2000, seed=3), TRUE).compounds[0]

    assert found.coverage == pytest.approx(0.95, abs=0.02)
    assert found.bias is not None
    assert found.bias_se is not None
    assert abs(found.bias) < 3 * found.bias_se
    assert found.sd == pytest.approx(0.05, rel=0.06)


def test_an_estimate_that_lies_above_shows_as_a_lower_p_value() -> None:
    def strong(rng: np.random.Generator) -> DrawnPlate:
        e = plate(rng).estimates["x"]
        assert e is not None
        return DrawnPlate("pass", 0.8, {"x": Estimate(e.log10_molar + 0.3, e.lower, e.upper)})

    found = predict(draw_plates(strong, 100, seed=1), TRUE).compounds[0]

    assert found.bias == pytest.approx(-0.3, abs=0.02)


def test_plates_that_fail_are_counted_and_their_experiments_report_nothing() -> None:
    def often_failed(rng: np.random.Generator) -> DrawnPlate:
        return plate(rng) if rng.random() < 0.5 else DrawnPlate("fail", 0.1, {"x": None})

    drawn = draw_plates(often_failed, 400, seed=1)
    one, three = (predict(drawn, TRUE, plates=n) for n in (1, 3))

    share, low, high = one.passes
    assert low < 0.5 < high
    assert one.compounds[0].reported == share
    assert three.compounds[0].reported == pytest.approx(1 - 0.5**3, abs=0.06)


def test_no_number_at_all_is_said_so() -> None:
    drawn = [DrawnPlate("fail", None, {"x": None})] * 30

    found = predict(drawn, TRUE)

    assert found.z_prime is None
    assert found.compounds[0].fold is None
    assert found.compounds[0].reported == 0.0
    assert needs({1: drawn}, "x", fold=2.0) == ()


def test_the_number_of_plates_for_a_fold_is_that_of_the_formula() -> None:
    drawn = draw_plates(plate, 50, seed=1)
    fold = 10 ** (2 * Z95 * 0.05 / math.sqrt(5)) * 1.0001

    assert [n.plates for n in needs({1: drawn}, "x", fold=fold)] == [5]


def test_a_fold_out_of_reach_needs_nothing_that_exists() -> None:
    assert needs({1: draw_plates(plate, 50, seed=1)}, "x", fold=1.001) == ()


@given(st.floats(1.05, 3.0), st.floats(1.05, 3.0))
@settings(max_examples=30, deadline=None)
def test_a_narrower_interval_never_needs_fewer_plates(first: float, second: float) -> None:
    drawn = {1: draw_plates(plate, 40, seed=2)}
    wide, narrow = max(first, second), min(first, second)

    easy, hard = (needs(drawn, "x", fold=f, most_plates=400) for f in (wide, narrow))

    assert easy[0].plates <= hard[0].plates


def test_plates_of_a_seed_are_the_same_however_many_are_drawn() -> None:
    assert draw_plates(plate, 40, seed=5)[:20] == draw_plates(plate, 20, seed=5)


def test_too_few_plates_and_impossible_questions_are_refused() -> None:
    with pytest.raises(AnalysisError, match="at least 20"):
        draw_plates(plate, 3, seed=1)
    with pytest.raises(AnalysisError, match="above 1"):
        needs({1: [plate(np.random.default_rng(1))]}, "x", fold=1.0)
    with pytest.raises(AnalysisError, match="at least one plate"):
        predict([], TRUE)


def test_the_interval_of_a_share_is_that_of_wilson() -> None:
    low, high = wilson(8, 10)

    assert low == pytest.approx(0.4901625)
    assert high == pytest.approx(0.9433178)
    assert wilson(10, 10)[1] == pytest.approx(1.0)
