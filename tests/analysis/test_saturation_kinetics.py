"""Saturation, kinetics, equilibrium: truth recovered, tables reproduced, nonsense refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from platectl.analysis import (
    AnalysisError,
    BindingConditions,
    WellCount,
    analyse_dissociation,
    analyse_kinetics_plate,
    analyse_saturation_plate,
    check_equilibrium,
)
from platectl.analysis.equilibrium import FAST_COMPETITOR, SLOW_COMPETITOR, apparent_ki_ratio
from platectl.analysis.model import FloatArray
from platectl.analysis.weighting import Weighting
from platectl.domain.layout import Randomise
from platectl.files.protocol import load_protocol
from platectl.planning.plates import plan_plates

BMAX_MOLAR = 115e-15 / 250e-6
TIMES = (2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0)
LIGANDS = (0.3e-9, 0.6e-9, 1.2e-9, 2.5e-9, 5e-9, 10e-9, 20e-9, 40e-9)


def counted(rng: np.random.Generator, rate: float) -> float:
    return rng.poisson(rate * 2.0) / 2.0


def saturation_wells(c: BindingConditions, seed: int) -> list[WellCount]:
    rng = np.random.default_rng(seed)
    kd = c.kd_molar * 1.005
    wells = []
    for row, ligand in zip("ABCDEFGH", LIGANDS, strict=True):
        for column in range(1, 7):
            receptor = BMAX_MOLAR * (1.0 + 0.02 * rng.normal()) if column <= 3 else 0.0
            b = kd + ligand - receptor
            free = 0.5 * (-b + np.sqrt(b * b + 4.0 * kd * receptor)) if receptor else 0.0
            held = free / c.kd_molar + 0.005
            rate = c.background_cpm + c.cpm_per_molar * ligand * held / (1.0 + held)
            role = "total" if column <= 3 else "nsb"
            wells.append(
                WellCount(
                    f"{row}{column}",
                    role,
                    None,
                    None,
                    None,
                    0,
                    counted(rng, rate),
                    2.0,
                    120.0,
                    ligand,
                )
            )
    return wells


@cache
def bound_after(ligand: float, time_min: float) -> float:
    """Mass action with both partners conserved, integrated."""

    def slope(_t: float, bound: FloatArray) -> FloatArray:
        free = (ligand * 1e9 - bound) * (BMAX_MOLAR * 1e9 - bound)
        change: FloatArray = 6e-3 * free - 0.03 * bound
        return change

    path = solve_ivp(slope, (0.0, time_min), [0.0], rtol=1e-9, atol=1e-12)
    return 1e-9 * float(path.y[0, -1])


def kinetics_wells(c: BindingConditions, seed: int) -> list[WellCount]:
    rng = np.random.default_rng(seed)
    wells = []
    for row, time_min in zip("ABCDEFGH", TIMES, strict=True):
        for column in range(1, 13):
            ligand = 1.5e-9 if column <= 6 else 6e-9
            total = column % 6 in {1, 2, 3}
            bound = bound_after(ligand, time_min) * (1.0 + 0.02 * rng.normal()) * total
            rate = c.background_cpm + c.cpm_per_molar * (bound + 0.005 * ligand)
            wells.append(
                WellCount(
                    f"{row}{column}",
                    "total" if total else "nsb",
                    None,
                    None,
                    None,
                    0,
                    counted(rng, rate),
                    2.0,
                    None,
                    ligand,
                    time_min,
                )
            )
    return wells


def on_a_gradient(wells: list[WellCount], randomise: Randomise | None) -> list[WellCount]:
    """Wells of a kinetics plate on a layout, with 15 % less than in the middle left and more right."""
    protocol, _ = load_protocol("sigma1-kinetics")
    layout = protocol.layouts["K"]
    (plate,), _ = plan_plates(protocol, layout, (), sheet="", run="r", randomise=randomise)
    rank = {time_s: TIMES[i] for i, time_s in enumerate(sorted(protocol.of_binding.times))}
    levels = sorted({w.radioligand_molar or 0.0 for w in wells})
    pool: dict[tuple[object, ...], list[WellCount]] = defaultdict(list)
    for well in wells:
        pool[well.role, well.radioligand_molar, well.time_min].append(well)
    found = []
    for plan in plate.wells:
        well = pool[plan.role, levels[plan.level], rank[plan.time_s or 0.0]].pop()
        slope = 1.0 + 0.15 * (int(plan.well[1:]) - 6.5) / 5.5
        found.append(replace(well, well=plan.well, gross_cpm=well.gross_cpm * slope))
    return found


def test_a_gradient_hides_in_an_ordered_plate_and_shows_on_a_drawn_one(
    conditions: BindingConditions,
) -> None:
    wells = kinetics_wells(conditions, 1)

    ordered, by_columns, by_wells = (
        analyse_kinetics_plate(on_a_gradient(wells, randomise), conditions)
        for randomise in (None, Randomise(seed=1), Randomise(seed=2, scatter="wells"))
    )

    assert ordered.kd_molar.value > 2.0 * 5e-9
    assert "totals_left_right" not in {f.name for f in ordered.flags}
    for drawn in (by_columns, by_wells):
        assert abs(np.log10(drawn.kd_molar.value / 5e-9)) < 0.2
        assert "totals_left_right" in {f.name for f in drawn.flags}


def test_saturation_recovers_the_truth_and_naive_does_not(conditions: BindingConditions) -> None:
    results = [
        analyse_saturation_plate(saturation_wells(conditions, seed), conditions)
        for seed in range(30)
    ]

    logs = np.log10([r.kd_molar / 5e-9 for r in results])
    covered = sum(r.kd_lower_molar <= 5e-9 <= r.kd_upper_molar for r in results)
    assert abs(logs.mean()) < 0.01
    assert covered >= 25
    assert np.mean([r.bmax_pmol_per_mg for r in results]) == pytest.approx(1.15, rel=0.02)
    assert np.mean([r.kd_naive_molar for r in results]) > 5.3e-9
    assert results[0].kd_sd_log10 == pytest.approx(0.015, abs=0.01)


def test_saturation_scales_with_the_measured_radioligand(conditions: BindingConditions) -> None:
    wells = saturation_wells(conditions, 1)
    measured = replace(conditions, radioligand_molar=3.3e-9)

    plain = analyse_saturation_plate(wells, conditions)
    scaled = analyse_saturation_plate(wells, measured)

    # Ten per cent more ligand with the same bound counts raises Kd by a little over ten per cent.
    assert scaled.kd_molar / plain.kd_molar == pytest.approx(1.1, abs=0.03)


def test_saturation_shows_excluded_wells(conditions: BindingConditions) -> None:
    wells = saturation_wells(conditions, 2)
    wells[0] = replace(wells[0], excluded="torn filter")

    result = analyse_saturation_plate(wells, conditions)

    assert result.points[0].excluded == "torn filter"
    assert result.fits["depletion"].points == 47


def test_unusable_saturation_plates_are_refused(conditions: BindingConditions) -> None:
    wells = saturation_wells(conditions, 3)
    constant = [replace(w, gross_cpm=100.0) for w in wells]

    for broken in (
        wells[:12],
        [w for w in wells if w.role == "total"],
        [w for w in wells if w.role == "nsb"],
        [replace(w, radioligand_molar=None) for w in wells],
        constant,
    ):
        with pytest.raises(AnalysisError):
            analyse_saturation_plate(broken, conditions)


def test_kinetics_recover_the_truth(conditions: BindingConditions) -> None:
    results = [
        analyse_kinetics_plate(kinetics_wells(conditions, seed), conditions) for seed in range(20)
    ]

    kon = np.array([r.kon_per_molar_min.value for r in results])
    covered = sum(r.koff_per_min.lower <= 0.03 <= r.koff_per_min.upper for r in results)
    assert np.median(kon) == pytest.approx(6e6, rel=0.035)
    assert np.median([r.kd_molar.value for r in results]) == pytest.approx(5e-9, rel=0.03)
    assert covered >= 16
    assert results[0].bmax_fmol_per_well == pytest.approx(115.0, rel=0.05)
    assert results[0].kon_per_molar_min.value * results[0].kd_molar.value == pytest.approx(
        results[0].koff_per_min.value, rel=1e-5
    )


def test_unusable_kinetics_plates_are_refused(conditions: BindingConditions) -> None:
    wells = kinetics_wells(conditions, 1)

    for broken in (
        [w for w in wells if w.radioligand_molar < 2e-9],
        [w for w in wells if w.role == "total"],
        wells[:24],
        [replace(w, time_min=None) for w in wells],
        [replace(w, radioligand_molar=-1.0) for w in wells],
        [],
    ):
        with pytest.raises(AnalysisError):
            analyse_kinetics_plate(broken, conditions)


def test_constant_kinetics_fail_without_a_traceback(conditions: BindingConditions) -> None:
    wells = [replace(w, gross_cpm=100.0) for w in kinetics_wells(conditions, 1)]

    try:
        result = analyse_kinetics_plate(wells, conditions)
    except AnalysisError:
        return
    assert result.state == "fail"


@pytest.mark.parametrize(("share", "significant"), [(1.0, False), (0.5, True)])
def test_a_second_phase_is_found_when_there_is_one(share: float, significant: bool) -> None:
    time_min = np.repeat([0.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 240.0], 3)
    rng = np.random.default_rng(1)
    curve = share * np.exp(-0.03 * time_min) + (1.0 - share) * np.exp(-0.3 * time_min)
    cpm = 1000.0 * curve + 100.0 + 8.0 * rng.normal(size=time_min.size)

    result = analyse_dissociation(time_min, cpm, weighting=Weighting(), nonspecific_cpm=None)

    assert (result.test is not None and result.test.p < 0.001) == significant
    if not significant:
        assert result.koff_per_min.lower < 0.03 < result.koff_per_min.upper


@pytest.mark.parametrize(
    ("kon", "fast", "slow", "fraction"),
    [(6e6, 0.98, 2.18, 0.997), (2.5e6, 0.87, 2.35, 0.909), (1e6, 0.74, 2.46, 0.617)],
)
def test_the_published_table_of_apparent_ki_is_reproduced(
    conditions: BindingConditions, kon: float, fast: float, slow: float, fraction: float
) -> None:
    rates = replace(conditions, kon_per_molar_min=kon, koff_per_min=kon * 5e-9)
    wells = [WellCount("A1", "total", None, None, None, 0, 100.0, 2.0, 120.0)]

    check = check_equilibrium(wells, rates)

    assert check.fast_ki_ratio == pytest.approx(fast, abs=0.005)
    assert check.slow_ki_ratio == pytest.approx(slow, abs=0.005)
    assert check.fraction_of_plateau == pytest.approx(fraction, abs=0.0005)
    assert check.state == ("pass" if fraction > 0.97 else "flag")
    assert ("not reached" in check.message) == (fraction < 0.97)


def test_competitors_read_true_at_infinite_age() -> None:
    for competitor in (FAST_COMPETITOR, SLOW_COMPETITOR):
        ratio = apparent_ki_ratio(
            kon_per_molar_min=6e6,
            koff_per_min=0.03,
            radioligand_molar=3e-9,
            age_min=1e5,
            competitor=competitor,
        )
        assert ratio == pytest.approx(1.0, abs=1e-4)


def test_unknown_rates_are_said_to_be_unknown(conditions: BindingConditions) -> None:
    check = check_equilibrium([], replace(conditions, kon_per_molar_min=None))

    assert check.state == "unknown"
    assert check.shortest_age_min == 120.0
    assert "layout K" in check.message


def test_every_age_is_reported(bench: Callable) -> None:
    subject = bench()
    wells = [replace(w, age_min=110.0 + w.column) for w in subject.plate()]

    check = check_equilibrium(wells, subject.conditions)

    assert (check.shortest_age_min, check.longest_age_min) == (111.0, 122.0)
    assert len(check.ages) == len(wells)
