"""Nights that measure the radioligand itself: saturation and kinetics, at both sites."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import pytest
import structlog

from platectl.app.night import execute
from platectl.app.prepare import Night, Options, prepare
from platectl.app.replay import replay_run
from platectl.app.runs import keep
from platectl.domain.findings import InputRefusedError
from platectl.domain.layout import Randomise
from platectl.steps.transfer import Transfer

SIGMA1 = {"Kd": 5e-9, "Kd (kinetic)": 5e-9, "kon": 2.009e6, "koff": 0.010045}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def summary(
    tmp_path: Path, protocol: str, randomise: Randomise | None = None
) -> tuple[Night, dict[str, object]]:
    prepared = prepare(Options(protocol, run="night", randomise=randomise))
    finished = execute(prepared, tmp_path / "night")
    return prepared, keep(tmp_path, "night", prepared.compiled, finished)


@pytest.mark.parametrize(
    ("protocol", "randomise", "wanted"),
    [
        ("sigma1-saturation", Randomise(seed=7), {"Kd", "Bmax"}),
        ("sigma1-kinetics", None, {"Kd (kinetic)", "kon", "koff"}),
        ("sigma1-kinetics", Randomise(seed=2, scatter="wells"), {"Kd (kinetic)", "kon", "koff"}),
    ],
)
def test_a_night_gives_the_constants_back(
    tmp_path: Path, protocol: str, randomise: Randomise | None, wanted: set[str]
) -> None:
    _, kept = summary(tmp_path, protocol, randomise)
    rows = kept["results"]
    assert isinstance(rows, list)
    assert {row["quantity"] for row in rows} == wanted
    for row in rows:
        assert row["lower"] < row["value"] < row["upper"]
        assert (row["value_molar"] is None) == (row["unit"] != "M")
        if row["quantity"] in SIGMA1:
            error = math.log10(row["value"] / SIGMA1[row["quantity"]])
            assert abs(error) < 0.06, row["quantity"]
    page = (tmp_path / "night" / "report.html").read_text()
    assert page.count("<svg") >= 3
    assert "Constants" in page
    assert ("randomised by" in page) == (randomise is not None)
    assert json.loads((tmp_path / "night" / "results.json").read_text())["results"]
    replay_run(tmp_path / "night")


def test_a_weakly_masked_site_has_its_own_kd(tmp_path: Path) -> None:
    _, kept = summary(tmp_path, "sigma2-saturation")
    kd = next(row for row in kept["results"] if row["quantity"] == "Kd")  # type: ignore[attr-defined]
    apparent = 18e-9 * (1 + 200e-9 / 1.4e-6)
    assert abs(math.log10(kd["value"] / apparent)) < 0.06


@pytest.mark.parametrize("randomise", [None, Randomise(seed=7)])
def test_rows_of_the_kinetics_plate_are_added_at_their_times_and_stirred(
    randomise: Randomise | None,
) -> None:
    run = prepare(Options("sigma1-kinetics", randomise=randomise)).compiled
    rows = [s for s in run.steps if s.id.startswith("P1.B6.")]
    harvest = next(s for s in run.steps if s.id == "P1.B9")
    ages = {w.well[0]: w.time_s for w in run.plates[0].wells}
    assert len(rows) == 8
    for step in rows:
        use = Transfer.model_validate(step.params, context={"frozen": True}).uses[0]
        assert use.moves[0].stir_cycles > 0
        planned = harvest.planned_start_s - (step.planned_start_s + step.duration_s / 2)
        assert planned == pytest.approx(ages[use.moves[0].target.well[0]], abs=1.0)


def test_a_time_point_too_close_to_the_next_is_refused() -> None:
    times = {"time_points": "180 min, 120 min, 80 min, 50 min, 30 min, 30.2 min, 9 min, 4 min"}
    with pytest.raises(InputRefusedError, match="12 s apart cannot be pipetted"):
        prepare(Options("sigma1-kinetics", overrides=times))


def test_a_level_without_concentration_is_refused() -> None:
    with pytest.raises(InputRefusedError, match="no radioligand level"):
        prepare(Options("sigma1-saturation", overrides={"levels": "1 nM, 2 nM, 5 nM"}))
