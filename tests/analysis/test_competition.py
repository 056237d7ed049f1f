"""Whole competition plates: truth recovered, intervals honest, nothing hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from platectl.analysis import (
    AnalysisError,
    BindingConditions,
    QcLimits,
    ReferenceWindow,
    WellCount,
    analyse_competition_plate,
)

NAMES = ("cmpd 1", "haloperidol", "cmpd 2")


def test_intervals_cover_the_truth_as_often_as_they_say(bench: Callable) -> None:
    plates = 150
    subject = bench(seed=20)
    covered = np.zeros(3)
    errors = np.zeros((plates, 3))

    for i in range(plates):
        wells = subject.plate()
        measured = 3e-9 * 10.0 ** (0.01 * subject.rng.normal())
        conditions = replace(subject.conditions, radioligand_molar=measured)
        result = analyse_competition_plate(wells, conditions)
        assert result.state == "pass" or {m.name for m in result.qc if m.state != "pass"}
        for j, (name, truth) in enumerate(zip(NAMES, subject.ki, strict=True)):
            found = result.compound(name)
            errors[i, j] = found.log10_ki - np.log10(truth)
            log = np.log10(truth)
            inside = found.combined_interval
            covered[j] += inside.lower <= log <= inside.upper

    assert (covered / plates >= 0.90).all(), covered
    assert (covered / plates <= 0.99).all(), covered
    assert (np.abs(errors.mean(axis=0)) < 0.01).all(), errors.mean(axis=0)


def test_a_plate_without_noise_gives_the_truth_exactly(bench: Callable) -> None:
    subject = bench(noise=False)
    limits = QcLimits(verdicts={"scatter_of_counting": "note"})

    result = analyse_competition_plate(subject.plate(), subject.conditions, limits=limits)

    for name, truth in zip(NAMES, subject.ki, strict=True):
        found = result.compound(name)
        assert found.value_molar == pytest.approx(truth, rel=1e-6)
        assert found.ki.exact == pytest.approx(truth, rel=1e-6)
        assert found.ki.munson_rodbard == pytest.approx(truth, rel=0.05)
        assert found.ki.cheng_prusoff > found.ki.munson_rodbard


@pytest.mark.parametrize("bmax_fmol", [20.0, 115.0, 400.0])
def test_depletion_does_not_bias_the_exact_fit(bench: Callable, bmax_fmol: float) -> None:
    subject = bench(noise=False, bmax_molar=bmax_fmol * 1e-15 / 250e-6)

    result = analyse_competition_plate(subject.plate(), subject.conditions)

    found = result.compound("cmpd 1")
    assert found.log10_ki == pytest.approx(np.log10(4.6e-9), abs=1e-6)


def test_everything_travels_together(bench: Callable) -> None:
    subject = bench(seed=2)

    result = analyse_competition_plate(subject.plate(), subject.conditions)
    found = result.compound("cmpd 1")

    assert found.conditions is subject.conditions
    assert found.quantity == "Ki"
    assert found.qualifier == "="
    assert found.lower_molar < found.value_molar < found.upper_molar
    assert found.fit_interval.lower > found.combined_interval.lower > found.interval_with_kd.lower
    assert found.ic50_lower_molar < found.ic50_molar < found.ic50_upper_molar
    assert found.hill.lower < found.hill.slope < found.hill.upper
    assert found.hill.test.df_extra == 1
    assert {"mass action", "one site", "four parameters"} <= set(found.fits)
    assert found.fits["mass action"].profiles[0].name == "LogKi"
    assert len(found.points) == 46
    assert found.series == 3


def test_excluded_wells_are_shown_and_not_fitted(bench: Callable) -> None:
    subject = bench(seed=3)
    wells = [
        replace(w, gross_cpm=9e5, excluded="bubble seen") if w.well == "B5" else w
        for w in subject.plate()
    ]

    result = analyse_competition_plate(wells, subject.conditions)
    found = result.compound("cmpd 1")

    (shown,) = [p for p in found.points if p.well == "B5"]
    assert shown.excluded == "bubble seen"
    assert shown.fitted_cpm is None
    assert found.fits["mass action"].points == 45
    assert any("B5: bubble seen" in m.explanation for m in result.qc)


def test_an_outlier_is_flagged_kept_and_refitted(bench: Callable) -> None:
    subject = bench(seed=4)
    wells = [replace(w, gross_cpm=3000.0) if w.well == "B8" else w for w in subject.plate()]

    found = analyse_competition_plate(wells, subject.conditions).compound("cmpd 1")

    assert "B8" in found.outliers
    assert found.fits["mass action"].points == 46
    (shown,) = [p for p in found.points if p.well == "B8"]
    assert "outlier" in shown.flags
    assert shown.excluded is None
    assert abs(np.log10(found.ki_without_outliers_molar / 4.6e-9)) < 0.1


@pytest.mark.parametrize(
    ("ki", "qualifier", "flag"),
    [(1e-3, ">", "inactive"), (2e-5, ">", "out_of_range"), (1e-13, "<", "out_of_range")],
)
def test_values_outside_the_range_are_bounds(
    bench: Callable, ki: float, qualifier: str, flag: str
) -> None:
    subject = bench(seed=5, ki=(ki, 1.5e-9, 19.1e-9))

    found = analyse_competition_plate(subject.plate(), subject.conditions).compound("cmpd 1")

    assert found.qualifier == qualifier
    assert flag in {f.name for f in found.flags}
    assert found.log10_ki is None
    assert (found.value_molar < ki) == (qualifier == ">")


def test_a_bound_under_strong_depletion_stays_positive(bench: Callable) -> None:
    subject = bench(seed=18, bmax_molar=20e-9, ki=(1e-15, 1.5e-9, 19.1e-9))
    wells = [replace(w, gross_cpm=100.0) if w.compound == "cmpd 1" else w for w in subject.plate()]

    found = analyse_competition_plate(wells, subject.conditions).compound("cmpd 1")

    assert found.value_molar is None or found.value_molar > 0.0


def test_partial_inhibition_has_a_plateau_of_its_own(bench: Callable) -> None:
    subject = bench(seed=6)
    wells = [
        replace(w, gross_cpm=400.0 + w.gross_cpm * 0.66) if w.compound == "cmpd 1" else w
        for w in subject.plate()
    ]

    found = analyse_competition_plate(wells, subject.conditions).compound("cmpd 1")

    assert found.qualifier == "="
    assert "partial" in {f.name for f in found.flags}
    assert found.value_molar == pytest.approx(4.6e-9, rel=0.25)
    left_out = {p.well for p in found.points if p.excluded}
    assert {"H1", "A12"} <= left_out


def test_a_hook_is_masked_and_named(bench: Callable) -> None:
    subject = bench(seed=7)
    wells = [
        replace(w, gross_cpm=550.0)
        if w.compound == "cmpd 1" and w.concentration_molar > 2e-6
        else w
        for w in subject.plate()
    ]

    result = analyse_competition_plate(wells, subject.conditions)
    found = result.compound("cmpd 1")

    assert "hook" in {f.name for f in found.flags}
    assert found.value_molar == pytest.approx(4.6e-9, rel=0.2)
    assert len([p for p in found.points if p.excluded]) == 6
    assert any(m.name.startswith("rise_at_top") and m.state == "flag" for m in result.qc)


def test_a_reference_out_of_its_window_fails_the_plate(bench: Callable) -> None:
    subject = bench(seed=8)
    limits = QcLimits(
        reference_windows={"haloperidol": ReferenceWindow(lower_molar=3e-9, upper_molar=5e-9)}
    )

    result = analyse_competition_plate(subject.plate(), subject.conditions, limits=limits)

    assert result.state == "fail"
    for found in result.compounds:
        assert found.value_molar is None
        assert found.status == "no result"
        assert found.log10_ki is not None
        assert "plate_failed" in {f.name for f in found.flags}


def test_a_dead_detector_is_named_with_its_wells(bench: Callable) -> None:
    subject = bench(seed=9)
    silent = {f"{row}{column}" for row in "ABCD" for column in (5, 6)}
    wells = [
        replace(w, gross_cpm=17.0 + len(w.well)) if w.well in silent else w for w in subject.plate()
    ]

    result = analyse_competition_plate(wells, subject.conditions)

    (metric,) = [m for m in result.qc if m.name == "background_level_wells"]
    assert metric.state == "fail"
    assert set(metric.wells) == silent


def test_a_gradient_is_flagged(bench: Callable) -> None:
    subject = bench(seed=10)
    wells = [
        replace(w, gross_cpm=w.gross_cpm * 0.75) if w.column > 6 else w for w in subject.plate()
    ]

    result = analyse_competition_plate(wells, subject.conditions)

    states = {m.name: m.state for m in result.qc}
    assert states["totals_left_right"] == "flag"


def test_a_wrong_amount_of_radioligand_is_flagged(bench: Callable) -> None:
    subject = bench(seed=11)
    conditions = replace(subject.conditions, nominal_radioligand_molar=2.4e-9)

    result = analyse_competition_plate(subject.plate(), conditions)

    assert {m.name: m.state for m in result.qc}["added_radioligand"] == "flag"


def test_too_few_concentrations_give_no_result(bench: Callable) -> None:
    subject = bench(seed=12)
    wells = [w for w in subject.plate() if w.compound != "cmpd 1" or w.column < 6]

    found = analyse_competition_plate(wells, subject.conditions).compound("cmpd 1")

    assert found.status == "no result"
    assert found.value_molar is None


def only(role: str, wells: list[WellCount]) -> list[WellCount]:
    return [w for w in wells if w.role == role]


BROKEN: dict[str, Callable[[list[WellCount]], list[WellCount]]] = {
    "no wells": lambda wells: [],
    "one well": lambda wells: wells[:1],
    "no totals": lambda wells: [w for w in wells if w.role != "total"],
    "no nsb": lambda wells: [w for w in wells if w.role != "nsb"],
    "no compounds": lambda wells: [w for w in wells if w.compound is None],
    "negative": lambda wells: [replace(wells[0], gross_cpm=-1.0), *wells[1:]],
    "nan": lambda wells: [replace(wells[0], gross_cpm=float("nan")), *wells[1:]],
    "infinite": lambda wells: [*wells[:-1], replace(wells[-1], gross_cpm=float("inf"))],
    "no time": lambda wells: [replace(wells[0], count_min=0.0), *wells[1:]],
    "no dose": lambda wells: [*wells[:-1], replace(wells[-1], concentration_molar=None)],
    "zero dose": lambda wells: [*wells[:-1], replace(wells[-1], concentration_molar=0.0)],
    "no compound": lambda wells: [*wells[:-1], replace(wells[-1], compound=None)],
    "twice": lambda wells: [*wells, wells[0]],
    "constant": lambda wells: [replace(w, gross_cpm=500.0) for w in wells],
    "all zero": lambda wells: [replace(w, gross_cpm=0.0) for w in wells],
    "too hot": lambda wells: [replace(w, gross_cpm=w.gross_cpm * 50.0) for w in wells],
    "upside down": lambda wells: [
        replace(w, role={"total": "nsb", "nsb": "total"}.get(w.role, w.role)) for w in wells
    ],
    "age": lambda wells: [replace(wells[0], age_min=-3.0), *wells[1:]],
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_unusable_wells_are_refused_in_one_sentence(bench: Callable, name: str) -> None:
    subject = bench(seed=13)

    with pytest.raises(AnalysisError) as refusal:
        analyse_competition_plate(BROKEN[name](subject.plate()), subject.conditions)

    assert str(refusal.value).endswith(".")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("radioligand_molar", 0.0),
        ("kd_molar", float("nan")),
        ("efficiency", 1.2),
        ("volume_ul", -1.0),
        ("specific_activity_ci_per_mmol", 0.0),
        ("background_cpm", -1.0),
        ("koff_per_min", 0.0),
    ],
)
def test_impossible_conditions_are_refused(
    bench: Callable, conditions: BindingConditions, field: str, value: float
) -> None:
    broken = replace(conditions, **{field: value})

    with pytest.raises(AnalysisError):
        analyse_competition_plate(bench().plate(), broken)


@pytest.mark.parametrize("level", [0.0, 20.0, 100.0, 640.0, 1200.0, 1e5])
def test_a_compound_with_constant_counts_never_breaks_the_plate(
    bench: Callable, level: float
) -> None:
    subject = bench(seed=14)
    wells = [replace(w, gross_cpm=level) if w.compound == "cmpd 1" else w for w in subject.plate()]

    result = analyse_competition_plate(wells, subject.conditions)

    assert result.compound("cmpd 1").qualifier in {">", "<", "~"}
    assert result.compound("cmpd 2").log10_ki is not None


@pytest.mark.parametrize("seed", range(30))
def test_random_counts_never_break_the_plate(bench: Callable, seed: int) -> None:
    subject = bench(seed=seed)
    wells = [
        replace(w, gross_cpm=float(subject.rng.uniform(0.0, 3000.0)))
        if w.compound == "cmpd 1"
        else w
        for w in subject.plate()
    ]

    found = analyse_competition_plate(wells, subject.conditions).compound("cmpd 1")

    assert found.value_molar is None or found.value_molar > 0.0 or found.qualifier == "~"


def test_all_wells_of_a_compound_excluded(bench: Callable) -> None:
    subject = bench(seed=15)
    wells = [
        replace(w, excluded="spilled") if w.compound == "cmpd 1" else w for w in subject.plate()
    ]

    found = analyse_competition_plate(wells, subject.conditions).compound("cmpd 1")

    assert found.status == "no result"
    assert {p.excluded for p in found.points} == {"spilled"}


@pytest.mark.parametrize("weighting", ["none", "Y", "Y2", "poisson", "counting"])
def test_every_weighting_finds_the_truth(bench: Callable, weighting: str) -> None:
    from platectl.analysis import CompetitionOptions

    subject = bench(seed=16)
    options = CompetitionOptions(weighting=weighting)

    result = analyse_competition_plate(subject.plate(), subject.conditions, options)

    assert abs(result.compound("cmpd 1").log10_ki - np.log10(4.6e-9)) < 0.1


def test_wells_may_come_in_any_order(bench: Callable) -> None:
    subject = bench(seed=17)
    wells = subject.plate()
    shuffled = [wells[i] for i in np.random.default_rng(0).permutation(len(wells))]

    one = analyse_competition_plate(wells, subject.conditions)
    other = analyse_competition_plate(shuffled, subject.conditions)

    for name in NAMES:
        a, b = one.compound(name), other.compound(name)
        assert a.log10_ki == pytest.approx(b.log10_ki, abs=1e-7)
        assert a.lower_molar == pytest.approx(b.lower_molar, rel=1e-5)


def with_slope(subject: object, curve: Callable[[float], float]) -> list[WellCount]:
    """A plate whose first compound displaces the share `curve(molar)` of the specific binding."""
    top, bottom = subject.cpm(0.0, 1e-9), subject.cpm(np.inf, 1e-9)

    def counted(well: WellCount) -> float:
        mean = top - (top - bottom) * curve(well.concentration_molar)
        return subject.rng.poisson(mean * well.count_min) / well.count_min

    return [
        replace(w, gross_cpm=counted(w)) if w.compound == "cmpd 1" else w for w in subject.plate()
    ]


def test_a_shallow_curve_comes_with_two_sites_and_a_word_on_its_ki(bench: Callable) -> None:
    subject = bench(seed=31, dispense_cv=0.01)
    wells = with_slope(subject, lambda m: 0.4 / (1 + 2e-9 / m) + 0.6 / (1 + 4e-7 / m))

    found = analyse_competition_plate(wells, subject.conditions).compound("cmpd 1")

    two = found.other_slope.two_sites
    assert found.other_slope.side == "shallow"
    assert two.log_ic50_high.value == pytest.approx(np.log10(2e-9), abs=0.25)
    assert two.log_ic50_low.value == pytest.approx(np.log10(4e-7), abs=0.25)
    assert two.fraction_high.value == pytest.approx(0.4, abs=0.1)
    assert two.preferred
    assert two.test.p < 1e-6
    assert two.aicc.difference > 10.0
    (said,) = [f.sentence for f in found.flags if f.name == "shallow"]
    assert "a single Ki has no clear meaning" in said
    assert "Two sites fit better than one" in said
    assert found.value_molar == 10.0**found.log10_ki


def test_a_steep_curve_comes_with_the_ic50_of_its_own_slope(bench: Callable) -> None:
    subject = bench(seed=32, dispense_cv=0.01)
    wells = with_slope(subject, lambda m: 1.0 / (1.0 + (3e-8 / m) ** 1.7))

    found = analyse_competition_plate(wells, subject.conditions).compound("cmpd 1")

    assert found.other_slope.side == "steep"
    assert found.other_slope.two_sites is None
    assert found.other_slope.log_ic50.lower < np.log10(3e-8) < found.other_slope.log_ic50.upper
    (said,) = [f.sentence for f in found.flags if f.name == "steep"]
    assert "biased; with the slope free it is" in said


def test_a_curve_of_one_site_has_no_other_slope(bench: Callable) -> None:
    subject = bench(seed=2)

    found = analyse_competition_plate(subject.plate(), subject.conditions).compound("cmpd 1")

    assert found.hill.lower <= -1.0 <= found.hill.upper
    assert found.other_slope is None
