"""Replicate and uniformity studies: known answers, properties, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.analysis.errors import AnalysisError
from platectl.analysis.replicate_study import (
    Pair,
    ReplicateStudy,
    least_discriminatory_ratio,
    replicate_study,
)
from platectl.analysis.uniformity import (
    Level,
    PlateUniformity,
    SignalWell,
    plate_uniformity,
    trends_of,
    uniformity_study,
)
from platectl.domain.result_rules import ReplicateLimits


def study_of(logs: list[float], **options: object) -> ReplicateStudy:
    """A study of compounds whose log10 ratios are given."""
    pairs = [Pair(f"c{i}", 10.0 ** (-8.0 + d), 1e-8) for i, d in enumerate(logs)]
    return replicate_study(pairs, **options)  # type: ignore[arg-type]


def test_the_numbers_are_those_of_the_assay_guidance_manual() -> None:
    found = study_of([0.1, -0.1, 0.2, 0.0])

    s = math.sqrt(0.05 / 3)  # mean 0.05, squares about it 0.05
    assert found.spread == pytest.approx(s)
    assert found.mean == pytest.approx(10**0.05)
    assert found.least_significant == pytest.approx(10 ** (2 * s))
    assert found.mean_limits == pytest.approx((10 ** (0.05 - s), 10 ** (0.05 + s)))
    assert found.agreement == pytest.approx((10 ** (0.05 - 2 * s), 10 ** (0.05 + 2 * s)))


def test_two_runs_that_agree_pass_and_few_compounds_are_flagged() -> None:
    rng = np.random.default_rng(1)

    many = study_of([float(v) for v in 0.1 * rng.standard_normal(24)])
    few = study_of([0.05, -0.05, 0.0])

    assert many.passes
    assert {c.state for c in many.checks} == {"pass"}
    assert few.passes
    assert {c.name: c.state for c in few.checks}["compounds"] == "flag"


def test_an_msr_of_three_or_more_fails() -> None:
    wide = study_of([0.3, -0.3, 0.3, -0.3, 0.0])

    assert wide.least_significant > 3.0
    assert not wide.passes
    assert {c.name for c in wide.checks if c.state == "fail"} == {"msr", "limits_of_agreement"}


def test_a_run_that_gives_higher_values_throughout_is_flagged_by_its_ratio_limits() -> None:
    shifted = study_of([0.2 + d for d in (0.02, -0.02, 0.01, -0.01, 0.0)])

    assert {c.name: c.state for c in shifted.checks}["mean_ratio"] == "flag"
    assert shifted.mean_limits[0] > 1.0


def test_efficacies_are_compared_by_differences() -> None:
    pairs = [Pair("a", 90.0, 80.0), Pair("b", 50.0, 52.0), Pair("c", 10.0, 6.0)]

    found = replicate_study(pairs, scale="difference")

    d = np.array([10.0, -2.0, 4.0])
    assert found.mean == pytest.approx(4.0)
    assert found.least_significant == pytest.approx(2 * d.std(ddof=1))
    assert found.agreement == pytest.approx((4 - 2 * d.std(ddof=1), 4 + 2 * d.std(ddof=1)))
    assert [c.name for c in found.checks] == ["compounds", "mean_difference", "msd"]


LOGS = st.lists(st.floats(-1, 1), min_size=3, max_size=30)


@given(LOGS)
def test_exchanging_the_runs_turns_every_ratio_over(logs: list[float]) -> None:
    there, back = study_of(logs), study_of([-d for d in logs])

    assert there.mean * back.mean == pytest.approx(1.0)
    assert there.least_significant == pytest.approx(back.least_significant)
    assert there.agreement[0] * back.agreement[1] == pytest.approx(1.0)


@given(LOGS, st.floats(-2, 2))
def test_a_common_shift_moves_the_mean_ratio_and_not_the_msr(
    logs: list[float], shift: float
) -> None:
    plain, moved = study_of(logs), study_of([d + shift for d in logs])

    assert moved.mean == pytest.approx(plain.mean * 10**shift)
    assert moved.least_significant == pytest.approx(plain.least_significant, rel=1e-6)


@given(LOGS)
def test_limits_of_the_mean_lie_within_those_of_agreement(logs: list[float]) -> None:
    found = study_of(logs)

    (low, high), (bottom, top) = found.mean_limits, found.agreement
    assert bottom <= low * (1 + 1e-12)
    assert high <= top * (1 + 1e-12)


def test_results_of_one_spread_exceed_the_msr_in_one_of_twenty_cases() -> None:
    rng = np.random.default_rng(5)
    found = study_of([float(v) for v in 0.15 * rng.standard_normal(2000)])

    beyond = np.abs(0.15 * rng.standard_normal(20_000)) > math.log10(found.least_significant)

    assert beyond.mean() == pytest.approx(0.0455, abs=0.006)


def test_more_tests_discriminate_smaller_ratios() -> None:
    assert least_discriminatory_ratio(3.0, 1) == pytest.approx(3.0)
    assert least_discriminatory_ratio(4.0, 4) == pytest.approx(2.0)
    with pytest.raises(AnalysisError):
        least_discriminatory_ratio(3.0, 0)


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([Pair("a", 1.0, 1.0), Pair("b", 1.0, 1.0)], "2 compounds have a value in both runs"),
        ([Pair("a", 1.0, 1.0)] * 3, "a is given twice"),
        ([Pair("a", 1.0, 0.0), Pair("b", 1.0, 1.0), Pair("c", 1.0, 1.0)], "a has a value that"),
    ],
)
def test_what_cannot_be_compared_is_refused(pairs: list[Pair], told: str) -> None:
    with pytest.raises(AnalysisError, match=told):
        replicate_study(pairs)


def test_a_lab_sets_its_own_limits() -> None:
    assert not study_of([0.1, -0.1, 0.05], limits=ReplicateLimits(msr=1.2)).passes


def interleaved(row: int, column: int) -> Level:
    del row
    return "min" if column % 3 == 1 else "max"


def wells_of(
    factor: Callable[[int, int], float] = lambda _row, _column: 1.0, *, noise: float = 0.02,
    seed: int = 1, level: Callable[[int, int], Level] = interleaved,
) -> list[SignalWell]:  # fmt: skip
    """A whole plate: Max 1000, Mid 550, Min 100, times a factor of place."""
    rng = np.random.default_rng(seed)
    means = {"max": 1000.0, "mid": 550.0, "min": 100.0}
    return [
        SignalWell(r, c, level(r, c), means[level(r, c)] * factor(r, c)
                   * (1 + noise * float(rng.standard_normal())))
        for r in range(8)
        for c in range(12)
    ]  # fmt: skip


def plate_of(day: str = "d1", **options: object) -> PlateUniformity:
    return plate_uniformity("P1", day, wells_of(**options))  # type: ignore[arg-type]


def test_window_and_z_prime_are_those_of_the_formulas() -> None:
    wells = [SignalWell(0, i, "max", v) for i, v in enumerate((90.0, 100.0, 110.0, 100.0))]
    wells += [SignalWell(1, i, "min", v) for i, v in enumerate((9.0, 10.0, 11.0, 10.0))]

    found = plate_uniformity("P1", "d1", wells).statistics

    high, low = math.sqrt(200 / 3), math.sqrt(2 / 3)
    assert found.signal_window == pytest.approx((90 - 3 * (high + low)) / high)
    assert found.z_prime == pytest.approx(1 - 3 * (high + low) / 90)


def test_a_drift_along_columns_is_measured_and_not_taken_for_another() -> None:
    found = trends_of(
        [w for w in wells_of(lambda _r, c: 1 + 0.3 * (c / 11 - 0.5), noise=0.0) if w.level == "max"]
    )

    assert found["columns"] is not None
    assert found["columns"].share == pytest.approx(0.3, rel=0.02)
    assert found["rows"] is not None
    assert found["edge"] is not None
    assert abs(found["rows"].share) < 1e-9
    assert abs(found["edge"].share) < 1e-9


@given(st.floats(-0.15, 0.15), st.floats(-0.15, 0.15), st.floats(-0.15, 0.15))
@settings(max_examples=25, deadline=None)
def test_drift_and_edge_are_told_apart(columns: float, rows: float, edge: float) -> None:
    def factor(r: int, c: int) -> float:
        outer = r in {0, 7} or c in {0, 11}
        return 1 + columns * (c / 11 - 0.5) + rows * (r / 7 - 0.5) + edge * outer

    wells = [w for w in wells_of(factor, noise=0.0) if w.level == "max"]
    level = float(np.mean([factor(w.row, w.column) for w in wells]))

    found = trends_of(wells)

    for name, true in (("columns", columns), ("rows", rows), ("edge", edge)):
        trend = found[name]
        assert trend is not None
        assert trend.share == pytest.approx(true / level, abs=1e-9)


def test_an_effect_that_the_wells_cannot_show_is_flagged_and_not_passed() -> None:
    def at_the_sides(row: int, column: int) -> Level:
        return "max" if (column == 0) == (row < 4) else "min"

    wells = [w for w in wells_of(level=at_the_sides) if w.column in {0, 11}]
    plates = [plate_uniformity("P1", day, wells) for day in ("d1", "d2")]

    study = uniformity_study(plates)

    assert plates[0].trends["edge"] is None
    states = {c.name: c.state for c in study.checks}
    assert states["edge[d1 P1]"] == "flag"


def test_uniform_plates_of_three_days_pass() -> None:
    study = uniformity_study([plate_of(f"d{n}", seed=n) for n in (1, 2, 3)])

    assert study.state == "pass"
    assert study.trends["edge"] is not None


def test_a_strong_drift_on_every_plate_fails() -> None:
    def drift(_row: int, column: int) -> float:
        return 1 + 0.35 * (column / 11 - 0.5)

    study = uniformity_study([plate_of(f"d{n}", seed=n, factor=drift) for n in (1, 2, 3)])

    failed = {c.name for c in study.checks if c.state == "fail"}
    assert {"columns[d1 P1]", "mean_columns"} <= failed
    assert not any(name.startswith(("mean_rows", "mean_edge")) for name in failed)


def test_a_small_effect_is_flagged_and_noise_is_not() -> None:
    def edge(row: int, column: int) -> float:
        return 0.9 if row in {0, 7} or column in {0, 11} else 1.0

    states = {
        c.name: c.state for c in uniformity_study([plate_of("d1", factor=edge), plate_of("d2")]).checks
    }  # fmt: skip

    assert states["edge[d1 P1]"] == "flag"
    assert states["edge[d2 P1]"] == "pass"


def test_mid_wells_are_judged_in_percent_of_the_window() -> None:
    def thirds(row: int, column: int) -> Level:
        levels: tuple[Level, Level, Level] = ("max", "mid", "min")
        return levels[(row + column) % 3]

    study = uniformity_study([plate_of(f"d{n}", seed=n, level=thirds) for n in (1, 2, 3)])

    assert study.plates[0].mid_percent == pytest.approx(50.0, abs=1.0)
    assert {c.name for c in study.checks} >= {"sd_mid[d1 P1]", "mid_between_plates"}
    assert study.state == "pass"


def test_noisy_plates_fail_their_window() -> None:
    study = uniformity_study([plate_of(f"d{n}", seed=n, noise=0.3) for n in (1, 2)])

    failed = {c.name for c in study.checks if c.state == "fail"}
    assert {"z_prime[d1 P1]", "signal_window[d1 P1]", "cv_max[d1 P1]"} <= failed


def test_too_little_to_study_is_refused() -> None:
    few = [w for w in wells_of() if w.level == "max"] + [SignalWell(0, 1, "min", 1.0)]

    with pytest.raises(AnalysisError, match="P1 of d1 has 1 Min wells; 4 are needed"):
        plate_uniformity("P1", "d1", few)
    with pytest.raises(AnalysisError, match="at least 2 plates, not 1"):
        uniformity_study([plate_of()])
    upside_down = [
        SignalWell(w.row, w.column, "min" if w.level == "max" else "max", w.value)
        for w in wells_of()
    ]
    with pytest.raises(AnalysisError, match="no window"):
        plate_uniformity("P1", "d1", upside_down)
