"""Death, full disks, power cuts and rivals: nothing is done twice, nothing is lost."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
import structlog
from benchmarks.kill import Course, repeated
from tests.nights.lives import child, entries, rows, signalled, starved, two_plates

from platectl.app.drive import open_run
from platectl.app.night import execute, resume
from platectl.app.prepare import Night, Options, prepare
from platectl.app.run_report import deviations
from platectl.app.site import RealSite
from platectl.domain.errors import FencedError, StoreError
from platectl.domain.events import Event
from platectl.engine.journal import Journal
from platectl.engine.questions import Answer, Question
from platectl.engine.state import REPEATABLE, ActionState, RunState
from platectl.store.ledger import Ledger

ASSAYS = ("sigma1-binding", "fura2-calcium")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(scope="module")
def nights() -> dict[str, Night]:
    return {name: prepare(Options(name)) for name in ASSAYS}


def sent_twice(events: list[Event]) -> list[str]:
    """Actions that were sent again although nobody had said that they might be."""
    state: dict[str, str] = {}
    wrong = []
    for event in events:
        data = event.data
        if event.kind == "action.sent" and data["effect"] not in REPEATABLE:
            if state.get(data["action"]) not in {None, "allowed"}:
                wrong.append(data["action"])
            state[data["action"]] = "sent"
        elif event.kind == "action.resolved":
            again = data["fate"] == "not_done" or data["remembered"]
            followed = data["fate"] in {"done", "running"} and "export" in str(data["evidence"])
            state[data["action"]] = "allowed" if again or followed else "over"
    return wrong


def test_the_state_is_the_fold_of_the_ledger(
    tmp_path: Path, nights: dict[str, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    journals: list[Journal] = []
    made = Journal.__init__

    def kept(self: Journal, *args: object, **kwargs: object) -> None:
        made(self, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        journals.append(self)

    monkeypatch.setattr(Journal, "__init__", kept)
    finished = execute(nights["sigma1-binding"], tmp_path / "run")
    assert journals[0].state == RunState.of(finished.events)
    assert journals[0].state.status == "done"
    assert not journals[0].state.open_actions


@pytest.mark.parametrize("assay", ASSAYS)
@pytest.mark.parametrize("share", [0.001, 0.05, 0.2, 0.4, 0.6, 0.8, 0.93, 0.99])
def test_a_killed_night_is_resumed_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, nights: dict[str, Night], assay: str, share: float
) -> None:
    total = {"sigma1-binding": 598, "fura2-calcium": 670}[assay]
    folder = tmp_path / "run"
    signalled(nights[assay], folder, 1 + int(share * total))
    before = entries(folder)

    finished = resume(folder)

    assert entries(folder)[: len(before)] == before
    assert not sent_twice(finished.events)
    if finished.outcome.status == "held":  # an arm cannot tell where the plate is
        assert "nobody knows whether move_plate of arm took place" in finished.outcome.error
        assert before[-1][0] in {"action.sent", "step.note"}
        return
    assert finished.outcome.status == "done", finished.outcome.error
    assert [e.kind for e in finished.events].count("run.resumed") == 1
    assert all(plate.result is not None for plate in finished.plates)
    assert any("cut off" in text for text in deviations(nights[assay].compiled, finished.events))


async def _it_was_done(question: Question) -> Answer | None:
    return (
        Answer("done", "Ada", "it stands where it should") if "done" in question.options else None
    )


def test_a_run_that_is_over_is_not_resumed(tmp_path: Path, nights: dict[str, Night]) -> None:
    execute(nights["sigma1-binding"], tmp_path / "run")
    with pytest.raises(StoreError, match="is over"):
        resume(tmp_path / "run")


def test_a_broken_ledger_is_not_resumed(tmp_path: Path, nights: dict[str, Night]) -> None:
    signalled(nights["sigma1-binding"], tmp_path / "run", 100)
    ledger = Ledger(tmp_path / "run" / "ledger.db")
    ledger._db.execute("UPDATE events SET data = '{}' WHERE number = 41")
    ledger.close()
    with pytest.raises(StoreError, match="broken at entry 41"):
        resume(tmp_path / "run")


@pytest.mark.parametrize(
    "number",
    [2, 9, 77, 180, 333, 520, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 560))],
)
def test_a_full_disk_stops_the_night_and_a_freed_one_goes_on(
    tmp_path: Path, nights: dict[str, Night], number: int
) -> None:
    folder = tmp_path / "run"
    said = starved(nights["sigma1-binding"], folder, number)
    assert said.startswith("StoreError")
    assert "full" in said
    assert "`platectl resume run` goes on" in said
    before = entries(folder)

    finished = resume(folder)
    if "nobody knows whether move_plate of arm" in finished.outcome.error:
        assert finished.outcome.status == "held"  # a person has to see where the plate is
        return
    if finished.outcome.status == "held":  # dispenser and sealer cannot tell what they did
        assert "nobody knows whether" in finished.outcome.error
        assert " of combi" in finished.outcome.error or " of sealer" in finished.outcome.error
        finished = resume(folder, persons=(_it_was_done,))
        said = [e.data for e in finished.events if e.kind == "action.resolved" and e.data["reason"]]
        assert {(d["by"], d["fate"]) for d in said} == {("Ada", "done")}

    assert finished.outcome.status == "done", finished.outcome.error
    assert entries(folder)[: len(before)] == before
    assert not sent_twice(finished.events)


@pytest.mark.parametrize("seed", range(8))
def test_a_power_cut_takes_only_what_was_not_synced(
    tmp_path: Path, nights: dict[str, Night], seed: int
) -> None:
    """What was not synced is lost, and the last record is torn, as the disk pleases."""
    rng = random.Random(seed)
    folder = tmp_path / "run"
    synced = tmp_path / "synced"
    append, settle = Ledger.append, Ledger.settle

    def note(ledger: Ledger) -> None:
        wal = folder / "ledger.db-wal"
        synced.write_text(f"{ledger.seal().entries} {wal.stat().st_size}")

    def noted(self: Ledger, event: Event, *, sync: bool = True) -> int:
        number = append(self, event, sync=sync)
        if sync:
            note(self)
        return number

    def settled(self: Ledger) -> None:
        settle(self)
        note(self)

    Ledger.append, Ledger.settle = noted, settled  # type: ignore[method-assign]  # undone below
    try:
        signalled(nights["sigma1-binding"], folder, rng.randrange(20, 590))
    finally:
        Ledger.append, Ledger.settle = append, settle  # type: ignore[method-assign]  # as it was
    number, size = map(int, synced.read_text().split())
    _cut_power(folder, size, rng)
    assert rows(folder / "ledger.db") >= number

    finished = resume(folder)

    assert finished.outcome.status == "done", finished.outcome.error
    assert not sent_twice(finished.events)
    entries(folder)


def _cut_power(folder: Path, synced: int, rng: random.Random) -> None:
    wal = folder / "ledger.db-wal"
    data = wal.read_bytes()
    end = rng.randint(synced, len(data))
    torn = bytearray(data[:end])
    for place in range(max(synced, end - 64), end):
        torn[place] = rng.randrange(256)
    wal.write_bytes(bytes(torn))
    (folder / "ledger.db-shm").unlink(missing_ok=True)


def test_a_second_engine_is_refused_by_name(tmp_path: Path) -> None:
    with (
        open_run(tmp_path, RealSite()),
        pytest.raises(StoreError, match=rf"driven by platectl of .* \(process {os.getpid()} on"),
        open_run(tmp_path, RealSite()),
    ):
        pass
    with open_run(tmp_path, RealSite()):
        pass  # who has left is not in the way


@pytest.mark.parametrize("number", [61, 150, 333])
def test_an_engine_that_was_stopped_and_goes_on_sends_and_writes_nothing_more(
    tmp_path: Path, nights: dict[str, Night], number: int
) -> None:
    folder = tmp_path / "run"
    pid = signalled(nights["sigma1-binding"], folder, number, signal.SIGSTOP)
    with pytest.raises(StoreError, match="is driven by"):
        resume(folder)
    said = {p.name: p.read_bytes() for p in (folder / "wire").iterdir()}

    finished = resume(folder, force=True)
    entries_then = rows(folder / "ledger.db")
    os.kill(pid, signal.SIGCONT)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 7
    assert finished.outcome.status == "done"
    assert rows(folder / "ledger.db") == entries_then
    assert {name: (folder / "wire" / name).read_bytes() for name in said} == said
    entries(folder)


def test_a_late_writer_is_fenced(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path / "ledger.db"), Ledger(tmp_path / "ledger.db")
    first.claim("first", "now")
    first.append(Event("run.started"))
    second.claim("second", "later")
    with pytest.raises(FencedError, match="belongs to second"):
        first.append(Event("step.note"))
    assert second.append(Event("run.resumed")) == 2
    assert second.verify() is None


def test_the_kill_test_sees_what_it_looks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that forgets what it did is found out."""
    course = Course("sigma1-binding", tmp_path)
    monkeypatch.setattr(ActionState, "over", property(lambda _: False))
    monkeypatch.setattr(ActionState, "open", property(lambda _: False))
    told = course.killed(tmp_path / "night", 5, 12)
    assert told.kills
    assert told.repeated or not told.finished
    assert repeated(Counter({"a": 2}), Counter({"a": 1})) == ["a x2 instead of 1"]


def test_two_plates_are_killed_and_both_come_out(tmp_path: Path) -> None:
    night = two_plates(tmp_path)
    signalled(night, tmp_path / "run", 500)
    finished = resume(tmp_path / "run")
    assert finished.outcome.status == "done"
    assert [plate.result is not None for plate in finished.plates] == [True, True]


def test_a_killed_resume_is_resumed(tmp_path: Path, nights: dict[str, Night]) -> None:
    folder = tmp_path / "run"
    signalled(nights["sigma1-binding"], folder, 200)
    seen = 0

    def watch(_: Event) -> None:
        nonlocal seen
        seen += 1
        if seen == 60:
            os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(child(lambda: resume(folder, watch=watch)), 0)
    finished = resume(folder)
    assert finished.outcome.status == "done"
    assert not sent_twice(finished.events)
    assert [e.data["epoch"] for e in finished.events if e.kind == "run.resumed"] == [2, 3]
    shutil.rmtree(folder)
