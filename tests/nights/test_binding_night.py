"""Whole nights in virtual time: what is done wrong shows in data and quality control."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.replay import replay_run
from platectl.app.truth import default_truth_path
from platectl.files.protocol import bundled
from platectl.store.ledger import Ledger

TRUTH = {"(+)-igmesine": 19.1e-9, "SA4503": 4.6e-9, "haloperidol": 1.5e-9}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def edited_truth(tmp_path: Path, **changes: Any) -> Path:
    """The bundled truth with top-level parts replaced or merged."""
    data = yaml.safe_load(default_truth_path().read_text())
    for key, value in changes.items():
        data[key] = {**data[key], **value} if isinstance(value, dict) else value
    path = tmp_path / "truth.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def night(tmp_path: Path, **options: Any) -> Finished:
    """Run one night in a folder of its own."""
    prepared = prepare(Options(options.pop("protocol", "sigma1-binding"), **options))
    return execute(prepared, tmp_path / "run")


def metric(finished: Finished, name: str) -> Any:
    """One QC metric of the first plate."""
    result = finished.plates[0].result
    assert result is not None
    return next(m for m in result.qc if m.name == name)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Path]:
    """One undisturbed night, shared by the tests that only look."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    folder = tmp_path_factory.mktemp("good")
    return night(folder), folder / "run"


def test_a_night_gives_the_truth_back(good: tuple[Finished, Path]) -> None:
    finished, _ = good

    assert finished.outcome.status == "done"
    result = finished.plates[0].result
    assert result is not None
    assert result.state == "pass"
    for compound in result.compounds:
        assert compound.quantity == "Ki"
        assert compound.value_molar is not None
        assert abs(math.log10(compound.value_molar / TRUTH[compound.compound])) < 0.1
        assert compound.lower_molar is not None
        assert compound.upper_molar is not None
        assert compound.lower_molar < compound.value_molar < compound.upper_molar


def test_every_reading_names_the_file_and_line_it_came_from(good: tuple[Finished, Path]) -> None:
    finished, folder = good

    for reading in finished.plates[0].counts.values():
        name, _, line = reading["source"].rpartition(":")
        rows = (folder / "counts" / name).read_text().splitlines()
        block = rows[int(line) - 1 : int(line) + 20]
        assert any(
            row.startswith("CPM;") and float(row[4:]) == pytest.approx(reading["cpm"])
            for row in block
        )


def test_the_ledger_is_whole_and_each_consuming_step_was_sent_once(
    good: tuple[Finished, Path],
) -> None:
    finished, folder = good
    ledger = Ledger(folder / "ledger.db")
    broken = ledger.verify()
    ledger.close()

    assert broken is None
    sent = [e.data["action"] for e in finished.events if e.kind == "action.sent"]
    assert len(sent) == len(set(sent))
    order = {(e.kind, e.data.get("action", e.step)): i for i, e in enumerate(finished.events)}
    for action in sent:
        done = order["step.done", action.split(":")[0]]
        assert order["action.sent", action] < order["action.acked", action] < done


def test_the_bytes_of_the_night_replay_exactly(good: tuple[Finished, Path]) -> None:
    _, folder = good

    compared = replay_run(folder)

    assert {c.instrument for c in compared} >= {
        "flex",
        "arm",
        "combi_hot",
        "shaker1",
        "sealer",
        "person",
        "manifold",
    }
    assert all(c.answered > 0 for c in compared)
    assert {
        c.instrument: c.first_difference for c in compared if c.first_difference is not None
    } == {}


def test_the_same_seed_gives_the_same_night(good: tuple[Finished, Path], tmp_path: Path) -> None:
    finished, _ = good

    again = night(tmp_path)

    assert {w: r["cpm"] for w, r in again.plates[0].counts.items()} == {
        w: r["cpm"] for w, r in finished.plates[0].counts.items()
    }


def test_instruments_that_do_not_depend_on_one_another_work_at_once(
    good: tuple[Finished, Path],
) -> None:
    finished, _ = good
    start = {e.step: e.monotonic_s for e in finished.events if e.kind == "step.claimed"}
    end = {e.step: e.monotonic_s for e in finished.events if e.kind == "step.done"}

    assert start["P1.B2"] < end["P1.B3"]
    assert start["P1.B3"] < end["P1.B1"]


def test_a_missing_wash_shows_in_nonspecific_binding(tmp_path: Path) -> None:
    finished = night(tmp_path, overrides={"washes": "0"})

    assert metric(finished, "signal_to_background").state != "pass"
    result = finished.plates[0].result
    assert result is not None
    assert result.state == "fail"


def test_a_late_harvest_breaks_its_window_and_marks_the_plate(tmp_path: Path) -> None:
    fault = [
        {
            "instrument": "arm",
            "kind": "late_reply",
            "after": 20,
            "times": 1,
            "data": {"delay_s": 4.0},
        }
    ]
    truth = edited_truth(tmp_path, faults=fault)
    prepared = prepare(Options("sigma1-binding", truth=truth))
    late = [s.model_copy(update={"not_before": s.not_before.model_copy(update={"offset_s": 9000.0})}) if s.not_before and s.kind == "filter" else s
            for s in prepared.compiled.steps]  # fmt: skip
    prepared.compiled = prepared.compiled.model_copy(update={"steps": tuple(late)})

    finished = execute(prepared, tmp_path / "run")

    broken = [e.data for e in finished.events if e.kind == "window.broken"]
    assert [b["window"] for b in broken] == ["incubation"]
    assert broken[0]["elapsed_s"] == pytest.approx(9000.0, abs=30.0)
    assert "150" in finished.plates[0].broken_windows[0]
    result = finished.plates[0].result
    assert result is not None
    assert result.equilibrium.shortest_age_min == pytest.approx(150.0, abs=1.0)


def test_a_dead_detector_is_found_and_named(tmp_path: Path) -> None:
    lab = yaml.safe_load(bundled("simulated-lab.yaml").read_text())
    lab["instruments"]["counter"] = {
        "driver": "hidex_sense",
        "address": "sim:",
        "settings": {
            "columns": {
                "plate": "Plate",
                "well": "Well",
                "count_s": "Time",
                "cpm": "CPM",
                "counts": "Counts",
                "ended_at": "EndTime",
            }
        },
        "position": "counter",
    }
    path = tmp_path / "lab.yaml"
    path.write_text(yaml.safe_dump(lab))
    fault = [
        {"instrument": "counter", "kind": "dead_detector", "times": None, "data": {"detector": 2}}
    ]

    finished = night(tmp_path, lab=path, truth=edited_truth(tmp_path, faults=fault))

    found = metric(finished, "background_level_wells")
    assert found.state == "fail"
    assert len(found.wells) == 16


def test_a_blocked_tip_shows_on_its_well(tmp_path: Path) -> None:
    stamp = 22  # the pick-up that serves the whole-plate stamp, after the tips of the dilution and the buffer
    fault = [{"instrument": "flex", "kind": "blocked_tip", "after": stamp, "data": {"channel": 29}}]

    finished = night(tmp_path, truth=edited_truth(tmp_path, faults=fault))
    clean = finished.plates[0].result
    assert clean is not None
    blocked = {w for c in clean.compounds for w in c.outliers}
    assert "C6" in blocked


def test_slow_kinetics_are_reported_with_the_error_of_ki(tmp_path: Path) -> None:
    slow = {"kon_25": "1e6 /M/min", "kon_37": "1e6 /M/min"}
    ligands = yaml.safe_load(default_truth_path().read_text())["ligands"]
    ligands["[3H](+)-pentazocine"].update(slow)
    truth = edited_truth(tmp_path, ligands=ligands)

    finished = night(tmp_path, truth=truth, overrides={"kon": "1e6 /M/min", "koff": "0.005 /min"})

    result = finished.plates[0].result
    assert result is not None
    assert result.equilibrium.state != "pass"
    assert result.equilibrium.fraction_of_plateau == pytest.approx(0.617, abs=0.01)
    assert "Ki" in result.equilibrium.message


def test_more_compounds_take_more_plates_and_keep_their_windows(tmp_path: Path) -> None:
    sheet = tmp_path / "samples.csv"
    sheet.write_text("compound,stock_concentration,top_concentration,plate,slot,barcode\n"
                     "(+)-igmesine,10 mM,10 uM,1,,\nSA4503,10 mM,10 uM,2,,\n")  # fmt: skip

    finished = night(tmp_path, samples=sheet)

    assert finished.outcome.status == "done", finished.outcome.error
    assert len(finished.plates) == 2
    assert not [e.data for e in finished.events if e.kind == "window.broken" and e.data["hard"]]
    for plate in finished.plates:
        assert plate.result is not None
        assert plate.result.compounds


def test_a_lost_reply_to_a_dispense_is_in_doubt_and_never_repeated(tmp_path: Path) -> None:
    fault = [{"instrument": "combi_membranes", "kind": "reply_lost", "after": 8, "data": {}}]

    finished = night(tmp_path, truth=edited_truth(tmp_path, faults=fault))

    assert finished.outcome.status == "failed"
    assert finished.outcome.in_doubt == ("P1.B6",)
    assert [e.step for e in finished.events if e.kind == "action.sent"].count("P1.B6") == 1
    asked = [e for e in finished.events if e.kind == "question.asked"]
    assert [e.step for e in asked] == ["P1.B6"]
    answered = next(e for e in finished.events if e.kind == "question.answered")
    assert (answered.data["option"], answered.data["by"]) == ("drop_plate", "policy")


def test_user_layouts_run_too(tmp_path: Path) -> None:
    finished = night(tmp_path, layout="A12", samples=_one_compound(tmp_path))

    assert finished.outcome.status == "done", finished.outcome.error
    result = finished.plates[0].result
    assert result is not None
    assert {c.compound for c in result.compounds} == {"SA4503", "haloperidol"}


def _one_compound(tmp_path: Path) -> Path:
    sheet = tmp_path / "one.csv"
    sheet.write_text("compound,stock_concentration,top_concentration\nSA4503,10 mM,10 uM\n")
    return sheet
