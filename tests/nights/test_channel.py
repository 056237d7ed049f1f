"""Words to a running engine from another terminal, questions to people, and night orders."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from platectl.app.channel import control_path, tell
from platectl.app.desk import Desk
from platectl.app.drive import Finished
from platectl.app.night import execute, resume
from platectl.app.prepare import Options, prepare
from platectl.app.rehearse import Conditions, rehearse
from platectl.app.truth import default_truth_path
from platectl.domain.errors import DisconnectedError, RefusedError, StoreError, UserInputError
from platectl.domain.findings import InputRefusedError
from platectl.engine.questions import Answer, Question
from platectl.files.policy import load_policy
from platectl.hal.handling import Prompt
from platectl.hal.instrument import DriverSetup
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl_drivers.operator import OperatorConsole

LOST_REPLY = {"instrument": "combi_membranes", "kind": "reply_lost", "after": 8, "data": {}}
PATIENT = """platectl: 1
rules:
  - {when: {error: [link], attempts_below: 3}, then: retry, wait: 5 s}
  - {when: {error: [window]}, then: go_on}
  - {when: {}, then: ask, options: [done, not_done, retry, drop_plate, abort]}
"""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    data = yaml.safe_load(default_truth_path().read_text())
    path = tmp_path / "truth.yaml"
    path.write_text(yaml.safe_dump({**data, "faults": [LOST_REPLY]}))
    return path


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(PATIENT)
    return path


class Running:
    """A night in a thread of its own, whose questions wait for ever."""

    def __init__(self, folder: Path, options: Options, **more: Any) -> None:
        self.folder = folder
        self.finished: Finished | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(options, more), daemon=True)
        self._thread.start()

    def _run(self, options: Options, more: dict[str, Any]) -> None:
        try:
            self.finished = execute(prepare(options), self.folder, **more)
        except BaseException as error:  # noqa: BLE001  # handed to the test
            self.error = error

    def question(self) -> dict[str, Any]:
        """Wait until the engine asks; the engine's own time stands still meanwhile."""
        return until(lambda: next(iter(tell(self.folder, "status")["questions"]), None))

    def end(self) -> Finished:
        self._thread.join(30)
        assert self.finished is not None, self.error
        return self.finished


def until(look: Callable[[], Any]) -> Any:
    """Ask a live engine again and again; it is another thread, in real time."""
    for _ in range(3000):
        try:
            found = look()
        except DisconnectedError:
            found = None
        if found:
            return found
        threading.Event().wait(0.01)
    raise AssertionError("the engine never came so far")


def test_a_question_is_answered_from_another_terminal(
    tmp_path: Path, truth: Path, policy: Path
) -> None:
    night = Running(tmp_path / "run", Options("sigma1-binding", truth=truth, policy=policy))
    asked = night.question()
    assert "nobody knows whether dispense_columns of combi_membranes took place" in asked["text"]
    assert asked["default"] is None
    for wrong, why in (
        ({"id": "q9", "option": "done", "by": "Ada"}, "no question 'q9' is open"),
        ({"id": asked["id"], "option": "perhaps", "by": "Ada"}, "no option"),
        ({"id": asked["id"], "option": "skip", "by": "Ada"}, "no option; choose done"),
        ({"id": asked["id"], "option": "done", "by": ""}, "carries a name"),
    ):
        with pytest.raises(UserInputError, match=why):
            tell(night.folder, "answer", **wrong)

    tell(night.folder, "answer", id=asked["id"], option="done", by="Ada", reason="wells are full")

    finished = night.end()
    assert finished.outcome.status == "done"
    said = next(e.data for e in finished.events if e.kind == "question.answered")
    assert (said["option"], said["by"], said["reason"]) == ("done", "Ada", "wells are full")
    judged = [e.data for e in finished.events if e.kind == "action.resolved" and e.data["reason"]]
    assert [(d["fate"], d["by"]) for d in judged] == [("done", "Ada")]
    with pytest.raises(DisconnectedError):
        tell(night.folder, "status")
    assert not control_path(night.folder).exists()


@pytest.mark.parametrize("word", ["stop", "abort"])
def test_a_run_that_waits_is_stopped_or_aborted(
    tmp_path: Path, truth: Path, policy: Path, word: str
) -> None:
    night = Running(tmp_path / "run", Options("sigma1-binding", truth=truth, policy=policy))
    asked = night.question()
    began = time.monotonic()
    tell(night.folder, word, by="Ada", reason="fire drill")
    if word == "stop":
        assert tell(night.folder, "status")["mode"] == "stopping"
        tell(night.folder, "answer", id=asked["id"], option="done", by="Ada")
    finished = night.end()
    assert time.monotonic() - began < 5.0
    assert finished.outcome.status == {"stop": "stopped", "abort": "aborted"}[word]
    assert finished.events[-1].kind == {"stop": "run.stopped", "abort": "run.aborted"}[word]
    if word == "abort":
        assert "fire drill" in finished.outcome.error
    else:
        resumed = resume(night.folder)
        assert resumed.outcome.status == "done", resumed.outcome.error


def test_a_paused_run_begins_nothing_until_it_goes_on(
    tmp_path: Path, truth: Path, policy: Path
) -> None:
    night = Running(tmp_path / "run", Options("sigma1-binding", truth=truth, policy=policy))
    asked = night.question()
    tell(night.folder, "pause", by="Ada")
    tell(night.folder, "answer", id=asked["id"], option="done", by="Ada")
    settled = until(lambda: _still(night.folder))
    assert settled["status"] == "paused"
    tell(night.folder, "continue", by="Ada")
    finished = night.end()
    assert finished.outcome.status == "done"
    kinds = [e.kind for e in finished.events]
    paused, went_on = kinds.index("run.paused"), kinds.index("run.continued")
    begun = [e for e in finished.events[paused:went_on] if e.kind == "step.claimed"]
    assert not begun


def _still(folder: Path) -> dict[str, Any] | None:
    """The status once no step is under way any more."""
    found = tell(folder, "status")
    return found if not found["questions"] and not found["running"] else None


def test_nobody_answers_and_the_default_is_taken(tmp_path: Path, truth: Path) -> None:
    async def nobody(question: Question) -> Answer | None:
        assert question.patience_s == 1800.0
        return None

    options = Options("sigma1-binding", truth=truth)
    finished = execute(prepare(options), tmp_path / "run", persons=(nobody,))
    said = next(e.data for e in finished.events if e.kind == "question.answered")
    assert said["by"] == "policy"
    assert said["reason"] == "no answer within 30 min"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("platectl: 1\nrules:\n  - {then: explode}\n", r"policy.yaml.*3.*then"),
        ("platectl: 1\nrules:\n  - {then: ask}\n", "needs options"),
        ("platectl: 1\nrules:\n  - {then: retry, wait: 5}\n", "no unit"),
        ("platectl: 1\nrules:\n  - {then: skip, options: [skip]}\n", "belong to a rule that asks"),
        ("platectl: 1\nrules:\n  - {when: {error: [bad luck]}, then: skip}\n", "error"),
    ],
)
def test_night_orders_that_make_no_sense_are_refused_with_their_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(InputRefusedError, match=f"(?s){message}"):
        load_policy(path)


def test_the_bundled_night_orders_never_send_what_is_in_doubt_again() -> None:
    orders = load_policy(None)
    for effect in ("place", "consume", "shot"):
        for attempt in range(1, 9):
            rule = orders.rule_for(
                error="in_doubt", effect=effect, kind="", code="", attempt=attempt
            )
            assert rule.then in {"ask", "skip"}
            assert rule.default in {None, "drop_plate"}


def test_prompts_of_the_person_lie_on_the_desk() -> None:
    async def scene() -> None:
        desk = Desk()
        console = OperatorConsole(
            DriverSetup("person", VirtualClock(), desk.connect, OperatorConsole.Settings())
        )
        await console.connect()
        asking = asyncio.create_task(
            console.ask(Prompt("P1.B0:1", "confirm", "Take the seal off", ("done", "cannot")))
        )
        await asyncio.sleep(1.0)
        assert desk.prompts["P1.B0:1"]["text"] == "Take the seal off"
        with pytest.raises(RefusedError, match="no option"):
            await desk.answer("P1.B0:1", option="maybe", person="Ada", note="")
        await desk.answer("P1.B0:1", option="done", person="Ada", note="easy")
        answer = await asking
        assert (answer.option, answer.person, answer.note) == ("done", "Ada", "easy")
        assert not desk.prompts

        data = {"labware": "P1.filter", "barcode": "0042-filter"}
        scan = Prompt("P1.B1:1", "confirm", "Seal it", ("done", "cannot"), data)
        asking = asyncio.create_task(console.ask(scan))
        await asyncio.sleep(1.0)
        await desk.answer("P1.B1:1", option="done", person="Ada", note="", barcode="0043-filter")
        await asyncio.sleep(1.0)
        assert (
            "scan the barcode 0042-filter; 0043-filter was scanned"
            in desk.prompts["P1.B1:1"]["text"]
        )
        await desk.answer("P1.B1:1", option="done", person="Ada", note="", barcode="0042-filter")
        assert (await asking).barcode == "0042-filter"
        await console.aclose()

    run_virtual(scene())


def test_rehearsed_nights_with_faults_end_or_say_why(tmp_path: Path) -> None:
    night = prepare(Options("sigma1-binding"))
    found = list(rehearse(night, nights=3, conditions=Conditions(faults=2), seed=8))
    assert [len(n.struck) for n in found] == [2, 2, 2]
    for one in found:
        assert one.status == "done" or one.error
        assert one.status != "done" or one.plates_with_result + len(one.dropped) == 1


def test_an_engine_in_another_thread_is_found_by_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DisconnectedError, match="does not answer"):
        tell(tmp_path, "status")
    with pytest.raises(StoreError, match="no ledger"):
        resume(tmp_path)
