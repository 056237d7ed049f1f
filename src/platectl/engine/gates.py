"""Quality gates: a plate is judged as soon as it is read; a bad one holds those that have not begun.

A step can say by itself that there is a doubt, such as a weighing of what a dispenser gave.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step
from platectl.engine.journal import Journal
from platectl.engine.ports import Judge
from platectl.engine.remedy import Remedies
from platectl.engine.resources import ResourceQueues
from platectl.engine.timetable import Span, Timetable

log = structlog.get_logger()
#: kinds of steps that bring the readings of a plate
MEASURING: Final = frozenset({"read", "count"})
LAST: Final[Span] = (float("inf"), float("inf"))


@dataclass(slots=True)
class QualityGates:
    """Holds plates of an assay that have not begun while a bad plate of it is asked about.

    A plate that has begun goes on: its windows are open. One that is held lets all others pass.
    """

    run: CompiledRun
    journal: Journal
    remedies: Remedies
    queues: ResourceQueues
    timetable: Timetable
    judge: Judge | None
    _found: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    _held: set[str] = field(default_factory=set)
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    def ended(self, step: Step) -> None:
        """Look at a step that is over."""
        if self.judge is None or step.kind not in MEASURING or not self._waiting(step.plate):
            return
        done = self.journal.state.steps
        mine = [s.id for s in self.run.steps if s.plate == step.plate and s.kind in MEASURING]
        if all(name in done and done[name].over for name in mine):
            self._found.put_nowait((step.plate, ""))

    def doubt(self, plate: str, why: str) -> None:
        """Take in what a step says against a plate and those that come after it."""
        self._found.put_nowait((plate, why))

    async def keep(self) -> None:
        """Judge plates as they are read or doubted, until cancelled."""
        while True:
            plate, bad = await self._found.get()
            if plate in self.journal.state.dropped_plates:
                continue
            if not bad and self.judge is not None:
                bad = await self.judge(plate)
            if bad:
                await self._hold(plate, bad)

    async def pass_step(self, step: Step) -> None:
        """Return when the plate of a step is not held."""
        while step.plate in self._held:
            await self._opened.wait()

    @property
    def held(self) -> tuple[str, ...]:
        """Plates that wait for an answer about one before them."""
        return tuple(sorted(self._held))

    def _waiting(self, plate: str) -> list[str]:
        """Plates of the same assay that have not begun."""
        assays = {p.name: p.assay for p in self.run.plates}
        begun = {name.split(".")[0] for name in self.journal.state.steps}
        lost = self.journal.state.dropped_plates
        return [
            p.name
            for p in self.run.plates
            if p.assay == assays.get(plate) and p.name not in begun and p.name not in lost
        ]

    async def _hold(self, plate: str, bad: str) -> None:
        waiting = self._waiting(plate)
        if not waiting:
            return
        self._held.update(waiting)
        self._opened.clear()
        held_steps = {s.id for s in self.run.steps if s.plate in self._held}
        await self.queues.reorder(lambda name: LAST if name in held_steps else self.timetable[name])
        step = next(s for s in reversed(self.run.steps) if s.plate == plate)
        text = f"{plate} is no good: {bad}; {', '.join(waiting)} are held"
        log.warning("plate.quality.failed", plate=plate, reason=bad)
        answer = await self.remedies.quality(step, text)
        if answer.option == "drop_plate":
            for name in waiting:
                self.journal.drop_plate(name, f"{text}; {answer.by}: {answer.reason}")
        self._held.difference_update(waiting)
        await self.queues.reorder(lambda name: self.timetable[name])
        self._opened.set()
