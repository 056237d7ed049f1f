"""Calcium analysis: reference numbers, honest EC50, no number without a response, named problems."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.calcium_plates import Plate, agonist_plate, conditions, modulator_plate

from platectl.analysis import AnalysisError
from platectl.analysis.calcium import CalciumLimits, Calibration, analyse_calcium_plate
from platectl.analysis.calcium.features import Template, features_of
from platectl.analysis.calcium.signal import Background, ratio_trace
from platectl.analysis.calcium.traces import WellTrace
from platectl.analysis.dose_response import FOUR_PARAMETER
from platectl.analysis.fit import fit
from platectl.domain.result_rules import calcium_limits

SHARED = Path(__file__).parents[3] / "shared" / "reference"
NO_CALIBRATION = Calibration(math.nan, math.nan, math.nan, 224e-9, "none", ())
NO_TEMPLATE = Template(np.zeros(0), np.zeros(0))


def rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        pytest.skip("the shared reference data are not here")
    with path.open() as handle:
        return list(csv.DictReader(handle))


def trace(t: Any, ratio: Any, addition_s: float) -> WellTrace:
    nothing = np.zeros(0)
    return WellTrace("A1", "test", "x", 1e-6, "s", 0, t, ratio * 1000.0, t, np.full(t.shape, 1000.0),
                     addition_s, nothing, nothing)  # fmt: skip


# Reference numbers ------------------------------------------------------------------------------
def test_calibration_gives_the_closed_forms() -> None:
    for row in rows(SHARED / "closed-form" / "fura2_calibration.csv"):
        value = {k: float(v) for k, v in row.items()}
        beta = value["Sf2"] / value["Sb2"]
        made = Calibration(value["Rmin"], value["Rmax"], beta, value["Kd_nM"] * 1e-9, "", ())
        f340, f380 = value["F340_raw"] - value["bg340"], value["F380_raw"] - value["bg380"]
        assert f340 / f380 == pytest.approx(value["ratio_bg_subtracted"], rel=1e-9)
        calcium = float(made.calcium_molar(value["ratio_bg_subtracted"])) * 1e9
        if value["Ca_nM_expected"] > 0:
            assert calcium == pytest.approx(value["Ca_nM_expected"], rel=1e-9)
        else:
            assert math.isnan(calcium)  # at Rmin it is not calculable, not zero


def test_features_of_the_sampled_trace() -> None:
    points = rows(SHARED / "closed-form" / "traces.csv")
    for wanted in rows(SHARED / "closed-form" / "traces_features.csv"):
        mine = [p for p in points if p["trace"] == wanted["trace"]]
        t = np.array([float(p["t_s"]) for p in mine])
        ratio = np.array([float(p["ratio"]) for p in mine])
        zero = float(wanted["t_injection_s"])
        made = ratio_trace(trace(t, ratio, zero), Background(0.0, 0.0, 1))
        found = features_of(made, NO_TEMPLATE, NO_CALIBRATION)
        assert found.baseline == pytest.approx(float(wanted["baseline_ratio"]), rel=1e-9)
        assert found.delta_max == pytest.approx(float(wanted["delta_peak_sampled"]), rel=1e-9)
        assert found.time_to_peak_s == pytest.approx(float(wanted["time_to_peak_sampled_s"]))
        assert found.area == pytest.approx(float(wanted["auc_trapezoid_sampled"]), rel=1e-9)


def test_the_agonist_curve_of_the_reference() -> None:
    points = rows(SHARED / "agonist_delta_ratio.csv")
    x = np.array([float(p["log10_M"]) for p in points])
    y = np.array([float(p["delta_ratio"]) for p in points])
    fitted = fit(FOUR_PARAMETER, x, y)
    wanted = [
        r for r in rows(SHARED / "expected_fits.csv") if "agonist" in " ".join(r.values()).lower()
    ]
    assert wanted
    assert fitted["LogIC50"].value == pytest.approx(-6.8, abs=0.1)
    assert fitted["HillSlope"].value == pytest.approx(1.0, abs=0.2)


def test_real_transients_give_the_published_calcium() -> None:
    folder = SHARED / "fura2-real"
    meta = {(r["experiment"], r["stim"]): {k: float(v) for k, v in r.items()}
            for r in rows(folder / "cockroach_fura2_meta.csv")}  # fmt: skip
    for row in rows(folder / "cockroach_fura2_traces.csv"):
        m = meta[row["experiment"], row["stim"]]
        per_340 = m["exposure340_s"] * m["pixels"]
        per_380 = m["exposure380_s"] * m["pixels"]
        b340 = m["adu340_background"] / m["pixels_background"] * m["pixels"]
        b380 = m["adu380_background"] / m["pixels_background"] * m["pixels"]
        ratio = ((float(row["adu340"]) - b340) / per_340) / (
            (float(row["adu380"]) - b380) / per_380
        )
        made = Calibration(m["R_min"], m["R_max"], 1.0, m["K_eff_uM"] * 1e-6, "", ())
        calcium = float(made.calcium_molar(ratio)) * 1e6
        assert calcium == pytest.approx(float(row["Ca_uM_expected"]), rel=1e-6)


@given(st.floats(0.36, 7.4), st.floats(0.1, 20.0), st.floats(1e-8, 1e-6))
def test_calibration_inverts(ratio: float, beta: float, kd: float) -> None:
    made = Calibration(0.35, 7.6, beta, kd, "", ())
    calcium = float(made.calcium_molar(ratio))
    back = (0.35 * kd * beta + 7.6 * calcium) / (kd * beta + calcium)
    assert back == pytest.approx(ratio, rel=1e-9)
    assert np.isnan(made.calcium_molar(np.array([0.35, 7.6, 0.1, 9.0]))).all()


# Plates -----------------------------------------------------------------------------------------
def test_ec50_of_seeded_plates_is_right_on_average_and_an_inert_compound_has_none() -> None:
    errors, covered = [], 0
    for seed in range(12):
        result = analyse_calcium_plate(agonist_plate(seed).wells, conditions())
        by_name = {c.compound: c for c in result.compounds}
        assert by_name["inert"].qualifier == "none"
        assert by_name["inert"].value_molar is None
        for name, truth in (("oxo", 0.8e-6), ("carbachol", 1.7e-6)):
            found = by_name[name]
            assert found.value_molar is not None
            errors.append(math.log10(found.value_molar / truth))
            covered += (found.lower_molar or 0) <= truth <= (found.upper_molar or math.inf)
        assert result.calibration.beta == pytest.approx(5.71, rel=0.08)
    assert abs(np.mean(errors)) < 0.05
    assert covered >= 20


def test_a_dead_time_of_half_a_minute_leaves_the_ec50() -> None:
    errors = []
    for seed in range(6):
        result = analyse_calcium_plate(agonist_plate(seed, dead_s=35.0).wells, conditions())
        errors.append(math.log10((result.compounds[0].value_molar or 1) / 0.8e-6))
        assert result.dead_time_s is not None
        assert result.dead_time_s[0] > 35.0
    assert abs(np.mean(errors)) < 0.06


def test_a_bell_is_found_and_noise_is_not_called_one() -> None:
    for seed in range(6):
        result = analyse_calcium_plate(
            modulator_plate(seed).wells, conditions("modulator", 0.425e-6)
        )
        by_name = {c.compound: c for c in result.compounds}
        assert by_name["bell"].model == "Bell-shaped"
        assert abs(math.log10((by_name["bell"].falling_molar or 1) / 1e-6)) < 0.5
        assert by_name["inert"].qualifier == "none"
    assert result.stimulus is not None
    assert result.stimulus.share == pytest.approx(0.2, abs=0.04)


def changed(seed: int, change: Any) -> list[WellTrace]:
    return [change(w) for w in agonist_plate(seed).wells]


def test_missing_and_saturated_readings_are_left_out_and_listed() -> None:
    def holes(w: WellTrace) -> WellTrace:
        f340 = w.f340.copy()
        f340[20:23] = np.nan
        return replace(w, f340=f340)

    result = analyse_calcium_plate(changed(1, holes), conditions())
    assert all(t.left_out.get(20) == "no reading" for t in result.traces)
    assert result.compounds[0].value_molar is not None


def test_an_artefact_is_left_out_and_listed() -> None:
    def jolt(w: WellTrace) -> WellTrace:
        if w.well != "A5":
            return w
        f340, f380 = w.f340.copy(), w.f380.copy()
        first = int(np.searchsorted(w.t340_s, 1000.0))
        f340[first], f380[first] = 0.7 * f340[first], 0.7 * f380[first]
        return replace(w, f340=f340, f380=f380)

    result = analyse_calcium_plate(changed(2, jolt), conditions())
    found = next(t for t in result.traces if t.trace.well == "A5")
    assert "injection artefact" in found.left_out.values()
    others = [t for t in result.traces if t.trace.role == "vehicle"]
    assert sum("injection artefact" in t.left_out.values() for t in others) == 0


def test_a_shining_compound_is_named() -> None:
    def shine(w: WellTrace) -> WellTrace:
        if w.well != "B6":
            return w
        extra = np.where(w.t340_s >= 1000.0, 9000.0, 0.0)
        return replace(w, f340=w.f340 + extra, f380=w.f380 + extra)

    result = analyse_calcium_plate(changed(3, shine), conditions())
    metric = next(m for m in result.qc if m.name == "autofluorescence")
    assert metric.wells == ("B6",)
    assert metric.state == "flag"


def test_a_read_that_was_cut_off_shines_nowhere() -> None:
    """A well without a value after the addition says nothing about its compound."""

    def cut(w: WellTrace) -> WellTrace:
        late = w.t340_s >= 1000.0
        return replace(
            w, f340=np.where(late, np.nan, w.f340), f380=np.where(late, np.nan, w.f380)
        ) if w.well == "B6" else w  # fmt: skip

    result = analyse_calcium_plate(changed(3, cut), conditions())

    assert next(m for m in result.qc if m.name == "autofluorescence").state == "pass"


@pytest.mark.parametrize("role", ["rmax", "rmin"])
def test_without_calibrators_calcium_is_not_calculated_and_ec50_is(role: str) -> None:
    wells = [w for w in agonist_plate(4).wells if w.role != role]
    result = analyse_calcium_plate(wells, conditions())
    assert role in result.calibration.problem
    assert all(math.isnan(f.calcium_peak_molar) for f in result.features)
    assert result.compounds[0].value_molar is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ws: [], "no wells"),
        (lambda ws: [*ws, ws[0]], "twice"),
        (lambda ws: [w for w in ws if w.role != "unloaded"], "unloaded"),
        (lambda ws: [replace(w, f340=w.f340[:-1]) for w in ws], "numbers of times"),
        (lambda ws: [replace(w, t340_s=w.t340_s[::-1]) for w in ws], "do not rise"),
        (lambda ws: [replace(w, concentration_molar=0.0) for w in ws], "no usable concentration"),
    ],
)
def test_plates_that_cannot_be_are_refused(change: Any, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        analyse_calcium_plate(change(agonist_plate(5).wells), conditions())


def test_too_few_doses_and_failed_plates_give_no_number() -> None:
    few = [w for w in agonist_plate(6).wells if w.compound != "oxo" or w.well[0] in "AB"]
    result = analyse_calcium_plate(few, conditions())
    found = next(c for c in result.compounds if c.compound == "oxo")
    assert found.value_molar is None
    assert found.flags[0].name == "too_few_points"
    failed = analyse_calcium_plate(
        agonist_plate(6).wells,
        conditions(),
        limits=CalciumLimits(z_prime_pass=0.99, z_prime_fail=0.98),
    )
    assert failed.state == "fail"
    assert all(c.value_molar is None for c in failed.compounds)


def test_an_excluded_well_is_shown_and_not_fitted() -> None:
    plate = agonist_plate(7).wells
    victim = next(w.well for w in plate if w.role == "test")
    wells = [replace(w, excluded="debris") if w.well == victim else w for w in plate]

    before, after = (analyse_calcium_plate(each, conditions()) for each in (plate, wells))

    point = next(p for c in after.compounds for p in c.points if p.well == victim)
    metric = next(m for m in after.qc if m.name == "excluded_wells")
    assert (point.excluded, point.fitted) == ("debris", None)
    assert (metric.state, metric.wells) == ("flag", (victim,))
    assert after.compounds[0].value_molar != before.compounds[0].value_molar


def test_limits_have_names() -> None:
    assert calcium_limits(CalciumLimits(), {"z_prime_pass": 0.5}).z_prime_pass == 0.5
    with pytest.raises(ValueError, match="nonsense"):
        calcium_limits(CalciumLimits(), {"nonsense": 1.0})


def test_a_plate_without_any_reading_fails_by_name() -> None:
    def blind(w: WellTrace) -> WellTrace:
        nothing = np.full(w.f340.shape, np.nan)
        return w if w.role == "unloaded" else replace(w, f340=nothing, f380=nothing)

    result = analyse_calcium_plate(changed(7, blind), conditions())
    assert result.state == "fail"
    assert all(c.value_molar is None for c in result.compounds)


def test_the_plate_of_the_bench_is_the_layout() -> None:
    assert len(Plate(0).wells) == 0
    assert len({w.well for w in agonist_plate(0).wells}) == 96
