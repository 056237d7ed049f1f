"""A plate is looked at before it goes on: barcode, mass, seal; also a cold block, a gripper, a pump and a liquid class."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from tests.nights.lives import TWO_PLATES

from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Night, Options, prepare
from platectl.app.run_report import build_report
from platectl.app.truth import default_truth_path
from platectl.domain.findings import InputRefusedError
from platectl.files.protocol import bundled
from platectl.report.html import write_html

STATIONS = {"gate": 41, "balance": 42, "peeler": 43, "pump": 44}
GRIPPER = {
    "driver": "opentrons_gripper", "address": "sim:", "uses": {"handler": "flex"},
    "settings": {"stations": {"flex.C2": "C2", "flex.A4": "A4"}},
}  # fmt: skip
MORE = {
    "gate": {"driver": "line_scanner", "address": "sim:", "position": "gate"},
    "balance": {"driver": "mt_sics", "address": "sim:", "position": "balance"},
    "block": {"driver": "opentrons_temperature", "address": "sim:", "position": "flex.A4"},
    "pump": {
        "driver": "cavro",
        "address": "sim:",
        "position": "pump",
        "liquids": ["wash_buffer"],
        "settings": {"syringe_ul": 5000.0},
    },
    "peeler": {"driver": "xpeel", "address": "sim:", "position": "peeler"},
}
VISCOUS = {
    "aspirate_ul_per_s": 20, "dispense_ul_per_s": 40, "settle": "1 s", "blow_out": True, "touch_tip": True,
}  # fmt: skip
#: a step of the bundled protocol, and what is written in its place
EDITS = {
    "  B2: {do": "  K0: {do: preheat, title: Cold block, temperature: 4 C, where: block, after: [B0]}\n  B2: {do",
    "  B5a: {do": "  K1: {do: place, title: Keep it cold, labware: tenx, to: block, after: [B4, K0]}\n  B5a: {do",
    "{do: stamp, title: Compounds": "{do: stamp, handling: viscous, title: Compounds",
    "  B3b: {do": "  R1: {do: refill, title: Wash buffer, liquid: wash_buffer, into: wash_a, volume: 12 mL}\n  B3b: {do",
    "  B5: {do": "  S1: {do: scan, title: Is it the plate, labware: assay, after: [B4, B5b]}\n"
    "  W0: {do: weigh, title: Empty, labware: assay}\n  B5: {do",
    "after: [B4, B5b]}\n  B6": "after: [W0]}\n  B6",
    "after: [B5, B1]}": "after: [B5, B1]}\n"
    "  W1: {do: weigh, title: Full, labware: assay, since: W0, tolerance: 4 %, outside: hold}",
    "\nwindows:": "\n  Z1: {do: peel, title: Open the standards, labware: standards, adhere: 5 s}\n\nwindows:",
}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def files(tmp_path: Path, edits: dict[str, str] = EDITS, **left_out: Any) -> dict[str, Any]:
    """Lab and protocol with the checks in them."""
    lab = yaml.safe_load(bundled("simulated-lab.yaml").read_text())
    lab["instruments"] |= {name: how for name, how in MORE.items() if name not in left_out}
    lab["instruments"]["arm"]["settings"]["stations"] |= STATIONS
    lab["instruments"]["gripper"] = GRIPPER
    lab["instruments"]["shaker1"]["driver"] = "opentrons_deck_shaker"
    lab["liquid_classes"] = {"viscous": VISCOUS}
    lab["positions"] |= {name: {} for name in STATIONS}
    lab["positions"]["flex.A4"] = {"handler": "flex", "slot": "A4", "use": "deck"}
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump(lab, sort_keys=False))
    text = bundled("binding-common.yaml").read_text()
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tmp_path / "binding-common.yaml").write_text(text)
    protocol = tmp_path / "sigma1-binding.yaml"
    protocol.write_text(bundled("sigma1-binding.yaml").read_text())
    return {"subject": str(protocol), "lab": tmp_path / "lab.yaml"}


def with_faults(
    tmp_path: Path, *faults: dict[str, Any], edits: dict[str, str] = EDITS, **options: Any
) -> Night:
    truth = yaml.safe_load(default_truth_path().read_text())
    (tmp_path / "truth.yaml").write_text(yaml.safe_dump(truth | {"faults": list(faults)}))
    given = files(tmp_path, edits)
    truth_file = tmp_path / "truth.yaml"
    return prepare(Options(given["subject"], lab=given["lab"], truth=truth_file, **options))


def run(night: Night, tmp_path: Path) -> Finished:
    return execute(night, tmp_path / "run", record_wire=False, ledger_path=":memory:")


def evidence(finished: Finished, step: str) -> dict[str, Any]:
    done = [e.data["evidence"] for e in finished.events if e.kind == "step.done" and e.step == step]
    return dict(done[-1])


def test_the_checks_are_planned_done_and_told_in_ledger_and_report(tmp_path: Path) -> None:
    given = files(tmp_path)
    night = prepare(Options(given["subject"], lab=given["lab"]))

    finished = run(night, tmp_path)

    assert finished.outcome.status == "done"
    assert evidence(finished, "P1.S1") == {"barcode": night.compiled.plates[0].barcode}
    weighed = evidence(finished, "P1.W1")
    assert weighed["verdict"] == "pass"
    assert weighed["expected_ul"] == 96 * 225.0
    assert abs(weighed["error_percent"]) < 4
    assert weighed["poured_by"] == ["combi_hot", "combi_membranes"]
    assert evidence(finished, "P1.Z1") == {"warnings": []}
    assert evidence(finished, "P1.K0")["temperature_c"] == pytest.approx(4.0, abs=0.5)
    assert evidence(finished, "P1.R1") == {"volume_ul": 12000.0, "strokes": 3}
    bottles = next(s for s in night.compiled.steps if s.kind == "load").params["bottles"]
    assert ("pump", "wash_buffer") in {(b["instrument"], b["liquid"]) for b in bottles}
    kept = next(s for s in night.compiled.steps if s.id == "P1.K1.1")
    assert (kept.params["mover"], kept.params["target"], kept.params["notes"]) == (
        "gripper",
        "flex.A4",
        [],
    )
    assert {"gripper", "flex"} <= set(kept.resources)
    stamp = next(s for s in night.compiled.steps if s.id == "P1.B4")
    assert stamp.params["handling"] == {
        "aspirate_ul_per_s": 20.0, "dispense_ul_per_s": 40.0, "settle_s": 1.0,
        "blow_out": True, "touch_tip": True,
    }  # fmt: skip
    report = build_report("checked", night.compiled, finished.events, finished.plates)
    told = dict(report.checks)
    assert told["P1: Is it the plate"].endswith("as it should be")
    assert told["P1: Full"].startswith("pass: 21.")
    assert not [text for text in report.warnings if "weigh" in text or "Full" in text]
    write_html(tmp_path / "report.html", replace(report, plates=(), steps=()))
    assert "P1: Full" in (tmp_path / "report.html").read_text()
    windows = [e for e in finished.events if e.kind == "window.broken" and e.data["hard"]]
    assert not windows


LOW = {"instrument": "peeler", "kind": "low_tape"}
WORN = {"instrument": "combi_membranes", "kind": "worn_tubing", "data": {"share": 0.9}}


def test_a_dispenser_that_gives_too_little_holds_the_plates_that_have_not_begun(
    tmp_path: Path,
) -> None:
    (tmp_path / "two.csv").write_text(TWO_PLATES)
    night = with_faults(tmp_path, WORN, LOW, samples=tmp_path / "two.csv")

    finished = run(night, tmp_path)

    assert evidence(finished, "P1.W1")["verdict"] == "fail"
    questions = [str(e.data["text"]) for e in finished.events if e.kind == "question.asked"]
    assert questions[0].startswith("P1 is no good: P1.assay gained")
    assert set(finished.outcome.dropped) == {"P2"}
    report = build_report("worn", night.compiled, finished.events, finished.plates)
    assert any(text.startswith("P1: Full: fail: 19.") for text in report.warnings)
    assert "P1: Open the standards: fewer than 30 seals left" in report.warnings


@pytest.mark.long
def test_what_was_poured_may_decide_about_the_plate_itself(tmp_path: Path) -> None:
    strict = {old: new.replace("outside: hold", "outside: fault") for old, new in EDITS.items()}

    finished = run(with_faults(tmp_path, WORN, edits=strict), tmp_path)

    notes = [e.data for e in finished.events if e.kind == "step.note" and e.step == "P1.W1"]
    questions = [e.data for e in finished.events if e.kind == "question.asked"]
    assert next(note["verdict"] for note in notes if "verdict" in note) == "fail"
    assert questions[0]["options"] == ["skip", "drop_plate", "hold", "abort"]
    assert "P1.assay gained" in finished.outcome.error


def test_another_plate_than_that_of_the_run_is_not_poured_into(tmp_path: Path) -> None:
    other = {"instrument": "gate", "kind": "misread", "times": 2}

    finished = run(with_faults(tmp_path, other), tmp_path)

    assert "should be" in finished.outcome.error
    assert not [e for e in finished.events if e.kind == "step.claimed" and e.step == "P1.B5"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("since: W0,", "since: B5,", "'B5' does not weigh 'assay'"),
     ("title: Full, labware: assay, since: W0", "title: Full, labware: assay, since: W9", "is no earlier step"),
     ("into: wash_a", "into: tenx", "no reservoir of one well"), ("12 mL", "12001 uL", "multiple of 5 uL"),
     ("labware: assay, since: W0, tolerance: 4 %", "labware: assay, since: W0, tolerance: 0 %", "tolerance")],
)  # fmt: skip
def test_a_check_or_refill_that_cannot_be_done_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    edits = {key: text.replace(old, new) for key, text in EDITS.items()}
    given = files(tmp_path, edits)

    with pytest.raises(InputRefusedError, match=message):
        prepare(Options(given["subject"], lab=given["lab"]))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("pump", "no syringe pump"),
        ("gate", "no BarcodeReader"),
        ("block", "no ThermalNest"),
        ("balance", "no Balance"),
        ("peeler", "no Peeler"),
    ],
)
def test_a_lab_without_the_instrument_is_refused(
    tmp_path: Path, missing: str, message: str
) -> None:
    given = files(tmp_path, EDITS, **{missing: True})

    with pytest.raises(InputRefusedError, match=message):
        prepare(Options(given["subject"], lab=given["lab"]))


def test_a_nest_that_cannot_hold_the_temperature_is_refused(tmp_path: Path) -> None:
    given = files(tmp_path)
    cool = {"temperature": "25 C"}

    with pytest.raises(InputRefusedError, match="shaker1 cannot hold 25 C"):
        prepare(Options(given["subject"], lab=given["lab"], overrides=cool))


def test_modules_may_share_the_address_of_the_robot_that_they_use(tmp_path: Path) -> None:
    given = files(tmp_path)
    lab = yaml.safe_load(given["lab"].read_text())
    robot = {"address": "tcp:flex.lab:31950", "allow_paper": True}
    lab["instruments"]["flex"] |= robot
    lab["instruments"]["shaker1"] |= robot | {"uses": {"robot": "flex"}}
    lab["instruments"]["shaker2"] |= robot | lab["instruments"]["shaker1"]
    lab["instruments"]["shaker2"]["position"] = "shaker2"
    lab["instruments"]["gripper"]["address"] = "none:"
    given["lab"].write_text(yaml.safe_dump(lab, sort_keys=False))

    night = prepare(Options(given["subject"], lab=given["lab"]))

    assert night.compiled.lab.instruments["shaker1"].uses == {"robot": "flex"}
