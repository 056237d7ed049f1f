"""Qualifiers in their order, selectivity, control statistics, preparation errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from platectl.analysis import AnalysisError, BindingConditions, CompoundResult, selectivity
from platectl.analysis.limits import QcMetric, judged
from platectl.analysis.preparation import (
    PreparationErrors,
    concentration_covariance,
    preparation_variance,
    radioligand_share,
)
from platectl.analysis.qualifiers import CurveEvidence, Levels, grade, screen
from platectl.analysis.quality import control_statistics, halves_difference
from platectl.analysis.results import LogInterval
from platectl.domain.result_rules import HillRange, QcLimits, QualifierRules, Width

DOSES = 10.0 ** np.arange(-9.5, -4.9, 0.5)


def levels(percent: np.ndarray) -> Levels:
    return Levels(DOSES[: len(percent)], np.asarray(percent, dtype=float), 4.0)


def sigmoid(ic50: float) -> np.ndarray:
    return 100.0 / (1.0 + DOSES / ic50)


EVIDENCE = CurveEvidence(-7.0, -7.1, -6.9, 1.0, -3.0, -1.0, -1.1, -0.9)


def names(flags: tuple) -> set[str]:
    return {flag.name for flag in flags}


def test_a_good_curve_passes_every_rule() -> None:
    screening = screen(levels(sigmoid(1e-7)))

    qualifier, flags = grade(EVIDENCE, levels(sigmoid(1e-7)))

    assert screening.enough
    assert screening.qualifier is None
    assert screening.hook_above_molar is None
    assert (qualifier, flags) == ("=", ())


def test_four_concentrations_are_too_few() -> None:
    assert not screen(levels([100.0, 90.0, 50.0, 10.0])).enough


def test_half_left_at_the_top_is_a_bound_and_inactive_when_flat() -> None:
    weak, flat = screen(levels(sigmoid(2e-5))), screen(levels(np.full(10, 97.0)))

    assert weak.qualifier == flat.qualifier == ">"
    assert names(weak.flags) == set()
    assert names(flat.flags) == {"inactive"}


def test_the_same_half_response_everywhere_is_neither_a_value_nor_a_bound() -> None:
    for percent in (49.0, 51.0):
        screening = screen(levels(np.full(10, percent)))

        assert not screening.enough
        assert names(screening.flags) == {"flat"}


def test_less_than_half_at_the_lowest_is_an_upper_bound() -> None:
    assert screen(levels(sigmoid(1e-11))).qualifier == "<"


def test_a_rise_of_the_last_two_points_is_a_hook() -> None:
    percent = sigmoid(1e-8)
    percent[-2:] = (30.0, 45.0)

    screening = screen(levels(percent))

    assert screening.hook_above_molar == pytest.approx(DOSES[-3])
    assert names(screening.flags) == {"hook"}


def test_one_high_last_point_is_not_a_hook() -> None:
    percent = sigmoid(1e-8)
    percent[-1] = 45.0

    assert screen(levels(percent)).hook_above_molar is None


@pytest.mark.parametrize(
    ("changes", "qualifier", "flag"),
    [
        ({"bottom_percent": 30.0, "bottom_lower_percent": 25.0}, "=", "partial"),
        ({"log_ic50": -5.3, "log_lower": -5.4, "log_upper": -5.2}, "=", "incomplete"),
        ({"log_ic50": -9.2, "log_lower": -9.3, "log_upper": -9.1}, "=", "incomplete"),
        ({"hill": -0.4, "hill_lower": -0.5, "hill_upper": -0.3}, "=", "hill_out_of_range"),
        ({"log_lower": -7.8, "log_upper": -6.5}, "=", "imprecise"),
        ({"log_lower": -9.0, "log_upper": -6.5}, "~", "not_for_use"),
        ({"log_upper": math.inf}, "~", "not_for_use"),
        ({"usable": False}, "~", "not_for_use"),
    ],
)
def test_each_rule_has_its_flag(changes: dict[str, float], qualifier: str, flag: str) -> None:
    found, flags = grade(replace(EVIDENCE, **changes), levels(sigmoid(1e-7)))

    assert found == qualifier
    assert names(flags) == {flag}


@pytest.mark.parametrize(
    "changes",
    [
        {"bottom_percent": 30.0, "bottom_lower_percent": 15.0},
        {"hill": -0.7, "hill_lower": -0.8, "hill_upper": -0.6},
        {"hill": -0.4, "hill_lower": -1.2, "hill_upper": -0.1},
    ],
)
def test_rules_do_not_fire_early(changes: dict[str, float]) -> None:
    assert grade(replace(EVIDENCE, **changes), levels(sigmoid(1e-7))) == ("=", ())


@pytest.fixture
def result(conditions: BindingConditions) -> CompoundResult:
    log = math.log10(4.6e-9)
    return CompoundResult(
        compound="SA4503",
        role="test",
        site="sigma-1",
        quantity="Ki",
        value_molar=4.6e-9,
        lower_molar=10.0 ** (log - 0.05),
        upper_molar=10.0 ** (log + 0.05),
        qualifier="=",
        status="ok",
        flags=(),
        conditions=conditions,
        combined_interval=LogInterval(log - 0.05, log + 0.05),
        interval_with_kd=LogInterval(log - 0.08, log + 0.08),
    )


def at_sigma_2(result: CompoundResult) -> CompoundResult:
    log = math.log10(63.1e-9)
    return replace(
        result,
        site="sigma-2",
        value_molar=63.1e-9,
        combined_interval=LogInterval(log - 0.06, log + 0.06),
        interval_with_kd=LogInterval(log - 0.1, log + 0.1),
        conditions=replace(result.conditions, site="sigma-2", kd_molar=18e-9),
    )


def test_selectivity_adds_errors_on_the_log_scale(result: CompoundResult) -> None:
    found = selectivity(result, at_sigma_2(result))

    half = math.hypot(0.08, 0.1)
    assert found.ratio == pytest.approx(13.717, rel=1e-3)
    assert found.qualifier == "="
    assert math.log10(found.upper / found.ratio) == pytest.approx(half)
    assert math.log10(found.ratio / found.lower) == pytest.approx(half)


def test_selectivity_at_one_site_leaves_kd_out(result: CompoundResult) -> None:
    found = selectivity(result, replace(result, compound="other"))

    assert math.log10(found.upper) == pytest.approx(math.hypot(0.05, 0.05))


def test_ki_and_ic50_are_never_mixed(result: CompoundResult) -> None:
    with pytest.raises(AnalysisError, match="no meaning"):
        selectivity(result, replace(result, quantity="IC50"))


def test_a_bound_makes_a_bound(result: CompoundResult) -> None:
    above = replace(
        at_sigma_2(result),
        qualifier=">",
        value_molar=1e-6,
        combined_interval=None,
        interval_with_kd=None,
    )
    below = replace(above, qualifier="<", value_molar=1e-8)

    high, low = selectivity(result, above), selectivity(above, result)
    open_ended = selectivity(above, above)

    assert high.qualifier == ">"
    assert high.ratio == pytest.approx(1e-6 / (4.6e-9 * 10.0**0.08))
    assert high.upper == math.inf
    assert low.qualifier == "<"
    assert low.ratio == pytest.approx(1.0 / high.ratio)
    assert open_ended.ratio is None
    assert selectivity(result, below).qualifier == "<"
    assert selectivity(below, above).qualifier == ">"


def test_values_not_for_use_give_no_ratio(result: CompoundResult) -> None:
    for useless in (
        replace(result, qualifier="~"),
        replace(result, value_molar=None, qualifier="~"),
    ):
        assert selectivity(result, useless).ratio is None


def test_control_statistics_without_tables() -> None:
    s = control_statistics([1000.0, 1100.0, 900.0], [100.0, 110.0, 90.0])

    assert s.z_prime == pytest.approx(1.0 - 330.0 / 900.0)
    assert s.assay_variability_ratio == pytest.approx(330.0 / 900.0)
    assert s.signal_window == pytest.approx(5.7)
    assert s.ssmd == pytest.approx(900.0 / math.hypot(100.0, 10.0))
    assert s.signal_to_noise == pytest.approx(90.0)


@pytest.mark.parametrize(
    ("high", "low"),
    [([1.0], [1.0, 2.0]), ([1.0, math.nan], [1.0, 2.0]), ([1.0, 3.0], [2.0, 2.0])],
)
def test_useless_controls_are_refused(high: list[float], low: list[float]) -> None:
    with pytest.raises(AnalysisError):
        control_statistics(high, low)


def test_halves_that_cannot_be_compared_give_none() -> None:
    assert halves_difference([1.0, 2.0], [True, True], 1.0) is None
    assert halves_difference([1.0, 2.0], [True, False], 2.0) == pytest.approx(-0.5)


def test_dilution_errors_are_shared_along_a_series() -> None:
    errors = PreparationErrors(0.01, 0.02, 0.03)

    covariance = concentration_covariance(["A", "A", "B", None, None], [0, 3, 3, 1, 1], errors)

    stock = 9e-4
    assert covariance[0, 0] == pytest.approx(4e-4 + stock)
    assert covariance[1, 1] == pytest.approx(3e-4 + 4e-4 + stock)
    assert covariance[0, 1] == pytest.approx(4e-4 + stock)
    assert covariance[0, 2] == pytest.approx(stock)
    assert covariance[3, 4] == pytest.approx(stock)
    assert (np.linalg.eigvalsh(covariance) > 0.0).all()
    assert preparation_variance(np.array([1.0, 0, 0, 0, 0]), covariance) == pytest.approx(
        covariance[0, 0]
    )


def test_the_share_of_the_radioligand() -> None:
    assert radioligand_share(3e-9, 5e-9) == pytest.approx(0.375)


def test_a_rule_that_is_switched_off_raises_no_flag() -> None:
    shallow = replace(EVIDENCE, hill=-0.4, hill_lower=-0.45, hill_upper=-0.35)
    wide = replace(shallow, log_lower=-7.8, log_upper=-6.2)
    rules = QualifierRules(hill_out_of_range=HillRange(apply=False), imprecise=Width(apply=False))

    assert names(grade(wide, levels(sigmoid(1e-7)))[1]) == {"hill_out_of_range", "imprecise"}
    assert grade(wide, levels(sigmoid(1e-7)), rules) == ("=", ())


def test_the_verdict_of_a_lab_replaces_the_usual_one() -> None:
    broken = QcMetric("reference_hill[haloperidol]", -0.5, "-1.3 to -0.7", "flag", "Too shallow.")
    kept = QcMetric("ssmd", 5.0, ">= 3", "pass", "Good.")

    fails = judged([broken, kept], QcLimits(verdicts={"reference_hill": "fail", "ssmd": "fail"}))
    noted = judged([broken, kept], QcLimits(verdicts={"reference_hill": "note"}))

    assert [m.state for m in fails] == ["fail", "pass"]
    assert [m.state for m in noted] == ["pass", "pass"]
    assert "only note" in noted[0].explanation
