"""Control charts: robust limits and the rules of Westgard as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.analysis.control_chart import (
    ControlPoint,
    broken_rules,
    control_chart,
    robust_mean_sd,
)
from platectl.analysis.errors import AnalysisError
from platectl.domain.control_rules import ControlRule, ControlRules
from platectl.files.control_rules import load_control_rules

RULES = load_control_rules(None)
STEADY = (0.3, -0.8, 1.1, -0.2, 0.6, -1.2, 0.9, -0.4, 0.2, -0.7)


def names(z: Sequence[float]) -> list[str]:
    return [rule.name for rule in broken_rules(z, RULES.rules)]


def history(logs: Sequence[float]) -> list[ControlPoint]:
    return [ControlPoint(f"r{i}", "P1", f"day {i}", 10.0**v) for i, v in enumerate(logs)]


@pytest.mark.parametrize(
    ("tail", "broken"),
    [
        ((1.9,), []),
        ((2.0,), []),
        ((2.1,), ["1-2s"]),
        ((-3.1,), ["1-2s", "1-3s"]),
        ((2.1, 2.2), ["1-2s", "2-2s"]),
        ((2.1, 0.5, 2.2), ["1-2s"]),
        ((2.1, -2.2), ["1-2s", "R-4s"]),
        ((1.1, 1.2, 1.3, 1.4), ["4-1s"]),
        ((-1.1, -1.2, -1.3, -1.4), ["4-1s"]),
        ((1.1, 1.2, -1.3, 1.4), []),
        ((0.1,) * 10, ["10-x"]),
        ((-0.1,) * 10, ["10-x"]),
        ((0.1,) * 9, []),
    ],
)
def test_the_bundled_rules_are_those_of_westgard(
    tail: tuple[float, ...], broken: list[str]
) -> None:
    assert names((*STEADY, -0.01, *tail) if tail[0] > 0 else (*STEADY, 0.01, *tail)) == broken


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=15))
def test_rules_see_no_difference_between_up_and_down(z: list[float]) -> None:
    assert names(z) == names([-v for v in z])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=10), st.floats(1.0, 3.0))
def test_a_point_that_lies_further_out_on_its_side_breaks_no_fewer_rules(
    z: list[float], factor: float
) -> None:
    assert set(names(z)) <= set(names([*z[:-1], z[-1] * factor]))


def test_two_of_three_can_be_asked_for() -> None:
    rule = ControlRule(name="2of3", count=2, of=3, beyond=2, side="same")

    assert broken_rules((2.5, 0.0, 2.5), (rule,)) == (rule,)
    assert not broken_rules((2.5, 0.0, -2.5), (rule,))
    assert not broken_rules((2.5, 2.5, 0.0), (rule,)), "it was broken one point earlier"


@pytest.mark.parametrize(
    ("side", "z", "broken"),
    [
        ("same", (2.5, 2.6), True),
        ("same", (2.5, -2.6), False),
        ("same", (2.5,), False),
        ("opposite", (2.5, -2.6), True),
        ("any", (-2.5, 2.6), True),
        ("any", (), False),
    ],
)
def test_a_pattern_that_is_complete_needs_no_more_points(
    side: Literal["any", "same", "opposite"], z: tuple[float, ...], *, broken: bool
) -> None:
    rule = ControlRule(name="2of3", count=2, of=3, beyond=2, side=side)

    assert bool(broken_rules(z, (rule,))) is broken


def test_limits_are_those_of_the_first_points_on_the_log_scale() -> None:
    rng = np.random.default_rng(7)
    logs = [-8.8 + 0.05 * float(v) for v in rng.standard_normal(60)]

    chart = control_chart(history(logs), RULES)

    assert chart.limits.learned_from == 20
    assert [p.learned for p in chart.points] == [True] * 20 + [False] * 40
    assert chart.limits.centre == pytest.approx(-8.8, abs=0.03)
    assert chart.limits.sd == pytest.approx(0.05, rel=0.35)
    assert chart.limits.at(3) == pytest.approx(10 ** (chart.limits.centre + 3 * chart.limits.sd))
    assert chart.limits.msr == pytest.approx(10 ** (2 * math.sqrt(2) * chart.limits.sd))


def test_a_shift_of_the_assay_is_named_and_a_steady_one_is_not() -> None:
    rng = np.random.default_rng(1)
    steady = [-8.8 + 0.05 * float(v) for v in rng.standard_normal(20)]

    quiet = control_chart(history(steady), RULES)
    shifted = control_chart(history([*steady, *(-8.5 for _ in range(3))]), RULES)

    assert not any(p.rejected for p in quiet.points)
    assert [p.point.run for p in shifted.points if p.rejected] == ["r20", "r21", "r22"]
    assert "2-2s" in [rule.name for rule in shifted.points[-1].broken]


@given(st.integers(0, 2**16), st.floats(1.0, 30.0))
@settings(max_examples=40, deadline=None)
def test_one_wild_result_hardly_moves_the_limits(seed: int, wild: float) -> None:
    x = np.random.default_rng(seed).standard_normal(20)
    mean, sd = robust_mean_sd([float(v) for v in x])

    with_wild, sd_with = robust_mean_sd([*(float(v) for v in x), wild])

    assert abs(with_wild - mean) < 0.25 * sd
    assert sd_with < 1.6 * sd


def test_algorithm_a_is_unbiased_for_normal_values() -> None:
    x = np.random.default_rng(3).standard_normal(40_000)

    mean, sd = robust_mean_sd([float(v) for v in 5.0 + 2.0 * x])

    assert mean == pytest.approx(5.0, abs=0.04)
    assert sd == pytest.approx(2.0, rel=0.02)


@given(st.floats(-20, 20), st.floats(0.1, 10))
def test_limits_move_and_stretch_with_the_values(shift: float, stretch: float) -> None:
    mean, sd = robust_mean_sd(STEADY)

    moved = robust_mean_sd([shift + stretch * v for v in STEADY])

    assert moved == pytest.approx((shift + stretch * mean, stretch * sd), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (history([-8.8] * 7), "7 results; limits are learned from at least 8"),
        (history([-8.8] * 9), "equal"),
        ([*history(STEADY), ControlPoint("odd", "P1", "", 0.0)], "odd has the value 0.0"),
    ],
)
def test_a_history_without_limits_is_refused(points: list[ControlPoint], told: str) -> None:
    with pytest.raises(AnalysisError, match=told):
        control_chart(points, RULES)


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "a", "count": 3, "of": 2, "beyond": 1},
        {"name": "a", "count": 1, "of": 2, "beyond": 1, "side": "opposite"},
        {"name": "a", "count": 1, "of": 1, "beyond": -1},
    ],
)
def test_rules_that_cannot_be_broken_are_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"lower count|two points|greater"):
        ControlRules.model_validate({"platectl": 1, "rules": [rule]})
