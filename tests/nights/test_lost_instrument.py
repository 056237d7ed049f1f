"""A counter is lost during the night: later plates are counted on the other one."""

from __future__ import annotations

import logging

import pytest
import structlog
import yaml
from tests.planning.labs import files, lab_of

from platectl.app.audit import audit
from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Night, prepare
from platectl.app.run_report import deviations
from platectl.app.truth import default_truth_path
from platectl.domain.events import Event
from platectl.domain.steps import Step
from platectl.engine.stand_ins import seated
from platectl.engine.state import RunState

COLUMNS = {"plate": "Plate", "well": "Well", "count_s": "Time", "cpm": "CPM", "counts": "Counts", "ended_at": "EndTime"}  # fmt: skip
BROKEN = {"instrument": "counter", "kind": "error_until_next_success", "times": None, "data": {}}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Night, Finished]:
    """Three plates on two counters; the first counter fails whatever it is asked."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    folder, lab = tmp_path_factory.mktemp("night"), lab_of(hotels=8, counter=2)
    for name in ("counter", "counter2"):
        lab["instruments"][name] |= {
            "driver": "hidex_sense",
            "address": "sim:",
            "settings": {"columns": COLUMNS},
        }
    truth = yaml.safe_load(default_truth_path().read_text())
    (folder / "truth.yaml").write_text(yaml.safe_dump({**truth, "faults": [BROKEN]}))
    plates = "{protocol: sigma1-binding, copies: 3}"
    night = prepare(files(folder, lab, plates, more="truth: truth.yaml\n"))
    return night, execute(night, folder / "run", record_wire=False, ledger_path=":memory:")


def counters(finished: Finished) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for event in finished.events:
        if event.kind == "action.sent" and event.data["verb"] == "count":
            found.setdefault(event.step.split(".")[0], set()).add(event.data["instrument"])
    return found


def test_plates_that_have_not_come_to_it_go_to_the_other_one(
    ended: tuple[Night, Finished],
) -> None:
    _, finished = ended

    assert finished.outcome.status == "done", finished.outcome.error
    assert set(finished.outcome.dropped) == {"P1"}
    assert counters(finished) == {"P1": {"counter"}, "P2": {"counter2"}, "P3": {"counter2"}}
    assert [bool(plate.result) for plate in finished.plates] == [False, True, True]


def test_the_ledger_says_why_and_holds_what_always_holds(ended: tuple[Night, Finished]) -> None:
    night, finished = ended

    lost = [event.data for event in finished.events if event.kind == "instrument.lost"]

    assert [data["instrument"] for data in lost] == ["counter"]
    assert lost[0]["seats"] == {"P3": {"counter": "counter2"}}
    assert audit(night.compiled, finished.events) == []
    assert any(
        "counter was given up" in line and "instead P3 to counter2" in line
        for line in deviations(night.compiled, finished.events)
    )


def test_a_restart_knows_where_plates_go(ended: tuple[Night, Finished]) -> None:
    night, finished = ended

    state = RunState.of(finished.events)

    count = next(step for step in night.compiled.steps if step.id == "P3.B13")
    assert count.params["counter"] == "counter"
    assert seated(count, state).params["counter"] == "counter2"
    assert "counter" not in seated(count, state).resources


def test_what_belongs_to_an_instrument_goes_with_it() -> None:
    params = {
        "place": [{"labware": "P1.cells", "position": "washer2"}],
        "bottles": [{"instrument": "washer2.A", "liquid": "hbss"}],
    }
    load = Step(
        id="P1.F0", kind="load", plate="P1", title="", effect="place", params=params, duration_s=1.0
    )

    moved = load.with_names({"washer2": "washer"})

    assert load.mentions("washer2")
    assert not moved.mentions("washer2")
    assert moved.params["bottles"][0]["instrument"] == "washer.A"
    assert moved.params["place"][0] == {"labware": "P1.cells", "position": "washer"}


def test_a_plate_that_goes_twice_ends_where_it_was_sent_last() -> None:
    state = RunState()
    for old, new in (("c1", "c2"), ("c2", "c3")):
        data = {"instrument": old, "reason": "", "seats": {"P1": {old: new}}}
        state.apply(Event("instrument.lost", data=data))

    assert state.seats["P1"]["c1"] == "c3"
    assert set(state.lost) == {"c1", "c2"}
