"""Rehearses a night in virtual time, with faults of the lines, through the real engine and drivers."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from platectl.app.drive import Finished, used_instruments
from platectl.app.night import execute
from platectl.app.prepare import Night
from platectl.app.runs import deviations
from platectl.domain.errors import UserInputError
from platectl.simkit.line_faults import random_line_fault
from platectl.simkit.world.truth import LINE, FaultEntry

#: sends of a wire among which a fault strikes
SENDS = 120


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How one rehearsed night went. `struck` are its faults, `asked` the questions to people."""

    seed: int
    struck: tuple[str, ...]
    status: str
    error: str
    end_s: float
    asked: tuple[str, ...]
    dropped: tuple[str, ...]
    lost_wells: int
    broken_windows: int
    plates_with_result: int
    deviations: tuple[str, ...]


def rehearse(night: Night, *, nights: int, faults: int, seed: int) -> Iterator[Rehearsed]:
    """Run seeded nights one after another, each with so many random faults on random wires.

    Raises:
        UserInputError: The lab is not simulated.
    """
    if night.truth is None:
        raise UserInputError("only a simulated lab can be rehearsed; set `simulated: true` in it")
    for number in range(seed, seed + nights):
        struck = _faults(night, faults, random.Random(number))
        truth = night.truth.model_copy(update={"faults": (*night.truth.faults, *struck)})
        with tempfile.TemporaryDirectory(prefix="platectl-rehearsal-") as folder:
            finished = execute(
                replace(night, truth=truth, seed=number), Path(folder) / "night",
                record_wire=False, ledger_path=":memory:",
            )  # fmt: skip
        yield _rehearsed(night, number, struck, finished)


def _faults(night: Night, number: int, rng: random.Random) -> tuple[FaultEntry, ...]:
    lab = night.compiled.lab
    wired = [
        n
        for n in used_instruments(night.compiled)
        if not lab.instruments[n].address.startswith("drop:")
    ]
    entries = []
    for _ in range(number):
        fault = asdict(random_line_fault(rng, sends=SENDS))
        kind, after, times = f"{LINE}{fault.pop('kind')}", fault.pop("after"), fault.pop("times")
        entries.append(
            FaultEntry(
                instrument=rng.choice(wired), kind=kind, after=after, times=times, data=fault
            )
        )
    return tuple(entries)


def _rehearsed(
    night: Night, seed: int, struck: tuple[FaultEntry, ...], finished: Finished
) -> Rehearsed:
    events = finished.events
    return Rehearsed(
        seed=seed,
        struck=tuple(
            f"{f.instrument} {f.kind.removeprefix(LINE)} at send {f.after}" for f in struck
        ),
        status=finished.outcome.status,
        error=finished.outcome.error,
        end_s=events[-1].monotonic_s,
        asked=tuple(str(e.data["text"]) for e in events if e.kind == "question.asked"),
        dropped=tuple(finished.outcome.dropped),
        lost_wells=sum(len(e.data["wells"]) for e in events if e.kind == "wells.dropped"),
        broken_windows=sum(e.kind == "window.broken" and bool(e.data["hard"]) for e in events),
        plates_with_result=sum(plate.result is not None for plate in finished.plates),
        deviations=tuple(deviations(night.compiled, events)),
    )
