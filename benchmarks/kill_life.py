"""One life of an engine: a child process that is killed at a point of its ledger or its wire."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from benchmarks.kill_lab import Lab
from platectl.app import drive, night
from platectl.domain.events import Event
from platectl.domain.night import SIMULATED_START
from platectl.domain.policy import Remedy
from platectl.engine.questions import Answer, Question
from platectl.simkit.frames import Frame, Kind
from platectl.simkit.lab_client import LabClient
from platectl.store.ledger import Ledger


@dataclass(frozen=True)
class Point:
    """Where a life ends: at its n-th entry or the first unknown one after it, or in mid-word."""

    kind: str
    number: int
    known: frozenset[str] = field(default=frozenset(), repr=False)


def live(
    prepared: night.Night, lab: Lab, point: Point | None, *, first: bool, truthful: bool
) -> int:
    """Run one life in a child; its exit code, negative when it was killed."""
    pid = os.fork()
    if pid == 0:
        _live(prepared, lab, point, first=first, truthful=truthful)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _live(
    prepared: night.Night, lab: Lab, point: Point | None, *, first: bool, truthful: bool
) -> None:
    code = 1
    try:
        if point is not None:
            _arm(point)
        drive.evaluate_run = lambda *_: []  # type: ignore[assignment]  # the analysis is not what dies here
        persons = (Looker(lab),) if truthful else ()
        if first:
            ended = night.execute(
                prepared, lab.folder, lab_socket=lab.socket, record_wire=False, persons=persons
            )
        else:
            ended = night.resume(
                lab.folder, lab_socket=lab.socket, record_wire=False, persons=persons
            )
        code = {"done": 0, "held": 5}.get(ended.outcome.status, 3)
        if code:
            lab.errors.write_text(f"{ended.outcome.status}: {ended.outcome.error}")
    except BaseException:  # noqa: BLE001  # said to the parent, whatever it was
        lab.errors.write_text(traceback.format_exc())
    finally:
        sys.stdout.flush()
        os._exit(code)


def key_of(kind: str, step: str, data: Mapping[str, Any]) -> str:
    """What makes one transition of a night: kind, step, and action or piece."""
    piece = [str(data.get(name, "")) for name in ("action", "well", "index", "channel", "window")]
    return " ".join((kind, step, *piece))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(point: Point) -> None:
    """Lay the mine."""
    left = point.number
    if point.kind == "byte":
        send = LabClient.send

        def counted(self: LabClient, frame: Frame) -> None:
            nonlocal left
            if frame.kind is Kind.DATA and left <= len(frame.data):
                send(self, Frame(frame.kind, frame.stream, frame.at_s, frame.data[:left]))
                _die()
            left -= len(frame.data) if frame.kind is Kind.DATA else 0
            send(self, frame)

        LabClient.send = counted  # type: ignore[method-assign]  # this process is about to die
        return
    append = Ledger.append

    def dying(self: Ledger, *args: Any, **kwargs: Any) -> int:
        nonlocal left
        left -= 1
        over = left <= 0 and key_of(args[0].kind, args[0].step, args[0].data) not in point.known
        if over and point.kind == "before entry":
            _die()
        number = append(self, *args, **kwargs)
        if over:
            _die()
        return number

    Ledger.append = dying  # type: ignore[method-assign]  # as above


class Looker:
    """A person who goes and looks: whether a deed of that instrument happened since it was sent."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def __call__(self, question: Question) -> Answer | None:
        if "done" not in question.options:
            return None
        if question.text.startswith("Take all"):
            return None
        sent = self._sent(question.text.partition(" took place (")[2].partition(",")[0])
        since_s = (datetime.fromisoformat(sent.wall) - SIMULATED_START).total_seconds()
        deeds = [d for at_s, d in self._lab.dated_deeds() if at_s >= since_s - 1e-6]
        told = sent.data["arguments"]
        if sent.data["verb"] == "move_plate":
            if any(d == f"lift ['{told['source']}'] []" for d in deeds):
                placed = f"set_down ['{told['labware']}', '{told['target']}'] []" in deeds
                return Answer("done" if placed else "drop_plate", "Looker", "looked at both places")
            return Answer("not_done", "Looker", "it stands where it stood")
        happened = any(f"'{sent.data['instrument']}" in d for d in deeds)
        if sent.data["verb"] == "seal":
            happened = any(d.startswith("seal ") for d in deeds)
        option: Remedy = "done" if happened else "not_done"
        return Answer(option, "Looker", "looked at the plate")

    def _sent(self, action: str) -> Event:
        """The last entry that says that an action was sent."""
        with Ledger.reading(self._lab.folder / "ledger.db") as ledger:
            return [
                e for e in ledger.events()
                if e.kind == "action.sent" and e.data["action"] == action
            ][-1]  # fmt: skip
