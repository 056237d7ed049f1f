"""Calcium nights: the three modes, readers of four kinds, and what goes wrong in the middle."""

from __future__ import annotations

import csv
import itertools
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from platectl.analysis.calcium import CalciumPlateResult
from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.replay import replay_run
from platectl.app.run_report import deviations
from platectl.app.runs import keep
from platectl.app.truth import default_truth_path
from platectl.domain.findings import InputRefusedError
from platectl.files.protocol import bundled

EC50 = {"oxotremorine-M": 800e-9, "bradykinin": 30e-9, "carbachol": 1.7e-6}
SLOW = {"interval": "40 s", "baseline": "160 s", "record": "320 s"}
READERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "clariostar": ({"driver": "clariostar", "address": "sim:", "position": "reader"}, {"overrides": SLOW}),
    "spectramax": (
        {"driver": "spectramax", "address": "sim:", "position": "reader"},
        {"overrides": {"interval": "15 s", "baseline": "75 s", "record": "180 s"}},
    ),
    "flexstation": (
        {
            "driver": "softmax_file", "address": "drop:reads", "position": "reader",
            "nests": {"source": "reader.source", "tips": "reader.tips"},
            "settings": {"set_temperature_c": 37.0, "channel_s": 0.5, "transfer_lag_s": 0.7},
        },
        {"layout": "F96-columns"},
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def night(tmp_path: Path, protocol: str = "fura2-calcium", **options: Any) -> Finished:
    return execute(prepare(Options(protocol, **options)), tmp_path / "run")


def result_of(finished: Finished) -> CalciumPlateResult:
    assert finished.outcome.status == "done", finished.outcome.error
    result = finished.plates[0].result
    assert isinstance(result, CalciumPlateResult), finished.plates[0].problem
    return result


def truth_with(tmp_path: Path, *faults: dict[str, Any]) -> Path:
    data = yaml.safe_load(default_truth_path().read_text())
    data["faults"] = list(faults)
    path = tmp_path / "truth.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def lab_with(tmp_path: Path, reader: dict[str, Any]) -> Path:
    data = yaml.safe_load(bundled("simulated-lab.yaml").read_text())
    data["instruments"]["reader"] = reader
    data["positions"]["reader"]["temperature"] = "37 C"
    path = tmp_path / "lab.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Path]:
    """One undisturbed night, shared by the tests that only look."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    store = tmp_path_factory.mktemp("cells")
    prepared = prepare(Options("fura2-calcium", run="night"))
    finished = execute(prepared, store / "night")
    keep(store, "night", prepared.compiled, finished)
    return finished, store / "night"


def test_a_night_of_cells_gives_the_truth_back(good: tuple[Finished, Path]) -> None:
    result = result_of(good[0])
    for compound in result.compounds:
        assert compound.value_molar is not None
        assert abs(math.log10(compound.value_molar / EC50[compound.compound])) < 0.15
        assert compound.lower_molar is not None
        assert compound.lower_molar < compound.value_molar < (compound.upper_molar or 0)
    assert result.state == "pass"
    assert result.calibration.usable
    world = good[0].world
    assert world is not None
    true = world.true_features("P1.cells")
    for feature, trace in zip(result.features, result.traces, strict=True):
        if trace.trace.role == "positive":
            ratio = feature.calcium_peak_molar / true[feature.well]["calcium_peak"]
            assert ratio == pytest.approx(1.0, abs=0.15)
    rest = [f.calcium_baseline_molar for f, t in zip(result.features, result.traces, strict=True)
            if t.trace.role == "vehicle"]  # fmt: skip
    assert sum(rest) / len(rest) == pytest.approx(true["A1"]["calcium_baseline"], rel=0.1)


def test_the_report_shows_traces_curves_and_calibration(good: tuple[Finished, Path]) -> None:
    page = (good[1] / "report.html").read_text()
    assert page.count("<svg") >= 5
    for words in (
        "Calcium response",
        "Traces of each dose",
        "Ratio of every well",
        "Rmin",
        "after the addition",
    ):
        assert words in page
    assert "src=" not in page
    rows = json.loads((good[1] / "results.json").read_text())["results"]
    assert {row["quantity"] for row in rows} == {"EC50"}


def test_every_well_states_how_old_its_dye_was_when_the_compound_came(
    good: tuple[Finished, Path],
) -> None:
    events, plate = good[0].events, good[0].plates[0]
    rows = list(csv.DictReader((good[1] / "counts.csv").read_text().splitlines()))

    dyed = {r["well"]: float(r["age_min"]) for r in rows if r["age_min"]}

    bare = {w.well for w in plate.plan.wells if w.role == "unloaded"}
    assert set(dyed) == {w.well for w in plate.plan.wells} - bare
    clock_s = next(float(e.data["clock_s"]) for e in events if e.kind == "run.started")
    added = [at for e in events if e.kind == "addition.seen" for at in e.data["at_s"].values()]
    filled = [e.monotonic_s + clock_s for e in events if e.step == "P1.F2a"]
    assert (min(added) - max(filled)) / 60 < min(dyed.values()) < max(dyed.values())
    assert max(dyed.values()) < (max(added) - min(filled)) / 60
    assert dyed["A2"] > dyed["A10"]
    assert not any(r["preincubation_min"] for r in rows)
    assert "dye age, min" in (good[1] / "report.html").read_text()


def test_every_byte_replays_and_nothing_was_added_twice(good: tuple[Finished, Path]) -> None:
    assert all(c.first_difference is None for c in replay_run(good[1]))
    additions = [e for e in good[0].events if e.kind == "addition.seen"]
    wells = [well for e in additions for well in e.data["at_s"]]
    assert len(wells) == len(set(wells)) == 96
    frames = [e for e in good[0].events if e.kind == "frame.taken"]
    assert len(frames) == 2 * (76 + 5)


def test_a_modulator_has_a_bell_and_does_nothing_alone(tmp_path: Path) -> None:
    finished = night(tmp_path, "fura2-modulator")
    result = result_of(finished)
    ages = [row["preincubation_min"] for row in finished.plates[0].counts.values()]
    assert len(ages) == 96
    assert all(age == pytest.approx(10.0, abs=2.0) for age in ages)
    tests = [c for c in result.compounds if c.role == "test"]
    assert [c.model for c in tests] == ["Bell-shaped", "Bell-shaped"]
    for compound, ec50 in zip(tests, (6e-9, 3e-9), strict=True):
        assert compound.value_molar is not None
        assert abs(math.log10(compound.value_molar / ec50)) < 0.6
    assert result.stimulus is not None
    assert 0.12 < result.stimulus.share < 0.3
    (tmp_path / "alone").mkdir()
    alone = night(tmp_path / "alone", samples=bundled("modulator-samples.csv"))
    found = [c for c in result_of(alone).compounds if c.role == "test"]
    assert [c.qualifier for c in found] == ["none", "none"]
    assert all(c.value_molar is None for c in found)


def test_antagonists_give_their_ic50(tmp_path: Path) -> None:
    result = result_of(night(tmp_path, "fura2-antagonist"))
    shift = 1 + 6.8 / 1.7
    for name, kb in (("atropine", 1e-9), ("pirenzepine", 100e-9)):
        found = next(c for c in result.compounds if c.compound == name)
        assert found.quantity == "IC50"
        assert abs(math.log10((found.value_molar or 1) / (kb * shift))) < 0.15


@pytest.mark.parametrize("name", sorted(READERS))
def test_other_readers_agree_within_their_intervals(
    tmp_path: Path, good: tuple[Finished, Path], name: str
) -> None:
    reader, options = READERS[name]
    result = result_of(night(tmp_path, lab=lab_with(tmp_path, reader), **options))
    for mine, theirs in zip(result_of(good[0]).compounds, result.compounds, strict=True):
        assert mine.compound == theirs.compound
        assert (theirs.lower_molar or 0) < (mine.upper_molar or math.inf)
        assert (mine.lower_molar or 0) < (theirs.upper_molar or math.inf)
    assert result.dead_time_s is not None
    assert (result.dead_time_s[1] > 20) == (name != "flexstation")
    assert any(m.name == "dead_time" for m in result.qc)


def test_a_cable_pulled_in_the_middle_keeps_the_frames(tmp_path: Path) -> None:
    reader, options = READERS["spectramax"]
    truth = truth_with(
        tmp_path, {"instrument": "reader", "kind": "unplugged", "times": None, "data": {"point": 3}}
    )
    prepared = prepare(
        Options("fura2-calcium", lab=lab_with(tmp_path, reader), truth=truth, **options)
    )
    finished = execute(prepared, tmp_path / "run")

    assert finished.outcome.status == "done"
    doubtful = [e.step for e in finished.events if e.kind == "step.in_doubt"]
    kept = [e.step for e in finished.events if e.kind == "frame.taken"]
    sent = [e.step for e in finished.events if e.kind == "action.sent"]
    assert doubtful == ["P1.F7.1", "P1.F7"]
    assert kept.count("P1.F7.1") == 6
    assert [sent.count(step) for step in doubtful] == [1, 1]
    assert any("left out" in text for text in deviations(prepared.compiled, finished.events))


def test_an_empty_wash_bottle_stops_the_night_before_the_read(tmp_path: Path) -> None:
    truth = truth_with(tmp_path, {"instrument": "washer", "kind": "empty_buffer"})
    finished = night(tmp_path, truth=truth)
    assert finished.outcome.status == "failed"
    assert "1500" in finished.outcome.error
    assert not any(e.kind == "frame.taken" for e in finished.events)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overrides": {"interval": "1 s"}}, "cannot read|no declared protocol"),
        ({"overrides": {"loading": "90 min"}}, "loading.*cannot be kept"),
        ({"overrides": {"addition": "100 uL"}}, "pipettor of reader cannot"),
        ({"overrides": {"temperature": "20 C"}}, "temperature|cannot"),
        ({"layout": "B10"}, "no layout"),
        ({"overrides": {"reference": "nonsense"}}, "knows no"),
    ],
)
def test_calcium_nights_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputRefusedError, match=message):
        prepare(Options("fura2-calcium", **options))


def test_columns_that_are_read_in_turn_are_exposed_for_the_same_time(tmp_path: Path) -> None:
    """Compounds go onto column after column at the pace of the reader that adds the agonist."""
    lab = lab_with(tmp_path, READERS["flexstation"][0])
    overrides = {"baseline": "16 s", "record": "60 s", "deesterification": "12 min"}
    prepared = prepare(Options("fura2-modulator", lab=lab, overrides=overrides))
    finished = execute(prepared, tmp_path / "run")
    result = result_of(finished)
    steps = prepared.compiled.steps
    columns = {s.id for s in steps if "onto the cells: column" in s.title}
    begun = {e.step: e.monotonic_s for e in reversed(finished.events) if e.kind == "action.sent"}
    started = sorted(at_s for step, at_s in begun.items() if step in columns)
    pace = [b - a for a, b in itertools.pairwise(started)]
    assert len(started) == 12
    assert max(pace) - min(pace) < 2.0
    ages = [row["preincubation_min"] for row in finished.plates[0].counts.values()]
    assert max(ages) - min(ages) < 1.0
    read = next(s for s in steps if s.id == "P1.F7")
    assert math.isclose(pace[0], read.duration_s / 12, abs_tol=2.0)
    assert [c.model for c in result.compounds if c.role == "test"] == ["Bell-shaped"] * 2
