"""Quality gates: a plate is judged as soon as it is read; after a bad one nothing more is spent unasked.

A step can say by itself that there is a doubt, such as a weighing of what a dispenser gave.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from platectl.domain.errors import RunHeldError
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step
from platectl.engine.journal import Journal
from platectl.engine.keeper import PlanKeeper
from platectl.engine.ports import Judge
from platectl.engine.questions import Answer
from platectl.engine.remedy import Remedies
from platectl.engine.resources import ResourceQueues
from platectl.engine.slack import Slack
from platectl.engine.timetable import Timetable
from platectl.engine.waiting import Waiting, assays_of, who_waits
from platectl.steps import consumes

log = structlog.get_logger()
#: kinds of steps that bring the readings of a plate
MEASURING: Final = frozenset({"read", "count"})


@dataclass(slots=True)
class _Gate:
    """What is known of one assay since its gate was closed: bad plates with the reason, and good ones."""

    bad: dict[str, str] = field(default_factory=dict)
    good: list[str] = field(default_factory=list)
    found: asyncio.Queue[tuple[str, bool]] = field(default_factory=asyncio.Queue)
    news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class QualityGates:
    """Holds what would be spent on plates of an assay while a bad plate of it is asked about.

    Plates that have not begun wait, and begun ones where waiting costs them nothing; those with open
    windows go on. What waits keeps no instrument, and lets all others pass. The ledger has the
    verdicts, so that a restart holds the same again before it begins any step.

    Concurrency: `keep` judges and asks beside the steps, for each assay by itself. There is one question
    for an assay; a plate that is read meanwhile has it put again, with what is known by then.
    """

    run: CompiledRun
    journal: Journal
    remedies: Remedies
    queues: ResourceQueues
    timetable: Timetable
    keeper: PlanKeeper
    slack: Slack
    judge: Judge | None
    _found: asyncio.Queue[tuple[str, bool]] = field(default_factory=asyncio.Queue)
    _judging: Counter[str] = field(default_factory=Counter)
    _gates: dict[str, _Gate] = field(default_factory=dict)
    _closed: set[str] = field(default_factory=set)
    _waiting: Waiting = field(default_factory=Waiting)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _nothing_else: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def held(self) -> tuple[str, ...]:
        """Plates that wait for an answer about one before them."""
        return self._waiting.plates

    async def take_up(self) -> None:
        """Hold again what was held, and have judged what was read, when a run is resumed."""
        state = self.journal.state
        for plate in self.run.plates:
            if plate.name in state.bad:
                self._look_at(plate.name)
            if self._is_read(plate.name):
                self._look_at(plate.name, read=True)
        self._closed.update(plate for plate in state.bad if self._others(plate))
        await self.sort()

    async def ended(self, step: Step) -> None:
        """Look at a step that is over."""
        if step.kind in MEASURING and self._is_read(step.plate):
            self._look_at(step.plate, read=True)
        if self._closed:
            await self.sort()

    def doubt(self, plate: str, why: str) -> None:
        """Take in what a step says against a plate and those that come after it."""
        self.journal.record("plate.judged", "", {"plate": plate, "reason": why, "read": False})
        self._look_at(plate)

    def holds(self, step: Step) -> bool:
        """Whether a step has to wait for a verdict, or for a person's word."""
        state = self.journal.state
        if step.plate in state.dropped_plates:
            return False
        if step.id in self._waiting.steps:
            return True
        judging = self._judging.total() and self._judging[self._assay(step.plate)]
        return bool(judging) and not self._begun(step.plate)

    async def pass_step(self, step: Step) -> None:
        """Return when nothing holds a step."""
        while self.holds(step):
            await self._changed.wait()

    async def keep(self) -> None:
        """Judge plates as they are read or doubted, until cancelled.

        Raises:
            ExceptionGroup: A `RunHeldError`: nothing can go on without a word about those that wait; or
                a `RunAbortedError`: a person or the night orders said so.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                plate, read = await self._found.get()
                assay = self._assay(plate)
                if assay not in self._gates:
                    self._gates[assay] = _Gate()
                    group.create_task(self._judge(self._gates[assay]))
                    group.create_task(self._ask(self._gates[assay]))
                self._gates[assay].found.put_nowait((plate, read))

    async def _judge(self, gate: _Gate) -> None:
        """Judge the plates of an assay."""
        while True:
            plate, read = await gate.found.get()
            if read:
                await self._verdict(plate)
            state = self.journal.state
            if plate in state.bad and plate not in state.dropped_plates and self._others(plate):
                await self._close(plate, state.bad[plate], gate)
            elif gate.bad and plate in state.judged:
                gate.good.append(plate)
                gate.news.set()
            self._judging[self._assay(plate)] -= 1
            self._tell()

    async def _verdict(self, plate: str) -> None:
        """Have a plate judged that was read, if that matters to any other."""
        dropped = plate in self.journal.state.dropped_plates
        if self.judge is not None and not dropped and self._others(plate):
            bad = await self.judge(plate)
            self.journal.record("plate.judged", "", {"plate": plate, "reason": bad, "read": True})

    async def _close(self, plate: str, bad: str, gate: _Gate) -> None:
        """Hold what would be spent on the other plates."""
        found = self._about({*gate.bad, plate})
        if not found.plates and not found.going:
            return
        data = {
            "plate": plate, "reason": bad, "waiting": list(found.plates),
            "behind": list(found.behind), "going": dict(found.going),
        }  # fmt: skip
        self.journal.record("gate.closed", "", data)
        log.warning("plate.quality.failed", plate=plate, reason=bad, waiting=found.plates)
        gate.bad[plate] = bad
        gate.news.set()
        self._closed.add(plate)
        await self.sort()
        if found.plates:
            self.keeper.ask(f"{plate} is no good; {', '.join(found.plates)} wait")

    async def _ask(self, gate: _Gate) -> None:
        """Ask about the plates that wait, again with each further verdict, and do what the answer says.

        Raises:
            RunHeldError: They stay held, and nothing else can go on.
            RunAbortedError: A person or the night orders said so.
        """
        while True:
            await gate.news.wait()
            gate.news.clear()
            bad, plates = dict(gate.bad), self._about(gate.bad)
            if not plates.plates:
                continue
            text = self._text(gate, plates)
            question = asyncio.create_task(self._question(gate, plates, text))
            news = asyncio.create_task(gate.news.wait())
            try:
                await asyncio.wait({question, news}, return_when=asyncio.FIRST_COMPLETED)
                if not question.done():
                    continue
            finally:
                news.cancel()
                question.cancel()
            answer = question.result()
            if answer.option == "hold":
                await self._nothing_else.wait()
                raise RunHeldError(text)
            if answer.option == "drop_plate":
                for name in plates.plates:
                    reason = f"{_sentences(bad)}; {answer.by}: {answer.reason}"
                    self.journal.drop_plate(name, reason)
            await self._open(gate, list(bad), answer)

    async def _question(self, gate: _Gate, plates: Waiting, text: str) -> Answer:
        last = list(gate.bad)[-1]
        step = next(s for s in reversed(self.run.steps) if s.plate == last)
        spare_s = self._spare_s(plates)
        due = self.journal.clock.now() + timedelta(seconds=round(spare_s))
        return await self.remedies.quality(
            step, text, due=due.isoformat(timespec="seconds"), spare_s=spare_s,
            nothing_else=self._nothing_else.wait,
        )  # fmt: skip

    async def _open(self, gate: _Gate, after: list[str], answer: Answer) -> None:
        """Plan again what waited, then let it go on."""
        still = who_waits(self.run, self.journal.state, self.slack, self._closed.difference(after))
        lost = self.journal.state.dropped_plates
        free = self._waiting.steps - still.steps
        steps = {s.id for s in self.run.steps if s.id in free and s.plate not in lost}
        put_off = await self.keeper.put_back(steps, f"{', '.join(after)}: {answer.option}")
        plates = dict.fromkeys(s.plate for s in self.run.steps if s.id in steps)
        data = {
            "after": after, "plates": list(plates), "put_off_s": put_off,
            "option": answer.option, "by": answer.by, "why": answer.reason,
        }  # fmt: skip
        self.journal.record("gate.opened", "", data)
        for plate in after:
            del gate.bad[plate]
        gate.good.clear()
        self._closed.difference_update(after)
        await self.sort()

    async def sort(self) -> None:
        """Work out anew who waits; if those are others than before, it is asked again."""
        before, self._waiting = set(self._waiting.plates), Waiting()
        if self._closed:
            self._waiting = who_waits(self.run, self.journal.state, self.slack, self._closed)
        if self.timetable.parked != self._waiting.steps:
            self.timetable.parked = self._waiting.steps
            await self.queues.reorder(self.timetable.rank)
        for gate in self._gates.values() if before != set(self._waiting.plates) else ():
            gate.news.set()
        self._tell()

    def _tell(self) -> None:
        """Wake those who wait for a change."""
        state = self.journal.state
        left = {step.id for step in self.run.steps if not state.is_over(step.id)}
        if self._closed and left <= self._waiting.steps:
            self._nothing_else.set()
        else:
            self._nothing_else.clear()
        self._changed.set()
        self._changed = asyncio.Event()

    def _look_at(self, plate: str, *, read: bool = False) -> None:
        if self._others(plate):
            self._judging[self._assay(plate)] += 1
            self._found.put_nowait((plate, read))

    def _others(self, plate: str) -> bool:
        """Whether any other plate of the assay has something to spend yet."""
        state, assays = self.journal.state, assays_of(self.run)
        mine = {name for name, assay in assays.items() if assay == assays[plate] and name != plate}
        mine -= state.dropped_plates.keys()
        return any(s.plate in mine and s.id not in state.steps and consumes(s)
                   for s in reversed(self.run.steps))  # fmt: skip

    def _about(self, bad: Collection[str]) -> Waiting:
        return who_waits(self.run, self.journal.state, self.slack, bad)

    def _is_read(self, plate: str) -> bool:
        """Whether all readings of a plate are there and are to be judged yet."""
        state = self.journal.state
        if self.judge is None or plate in state.judged:
            return False
        mine = [s.id for s in self.run.steps if s.plate == plate and s.kind in MEASURING]
        return bool(mine) and all(map(state.is_over, mine))

    def _begun(self, plate: str) -> bool:
        state = self.journal.state
        return any(s.id in state.steps for s in self.run.steps if s.plate == plate)

    def _assay(self, plate: str) -> str:
        return assays_of(self.run).get(plate, "")

    def _spare_s(self, gate: Waiting) -> float:
        """How long nothing is lost by waiting: until the first of what waits would begin."""
        first_s = min(self.timetable[name][0] for name in gate.steps)
        return max(first_s - self.journal.now_s, 0.0)

    def _text(self, gate: _Gate, found: Waiting) -> str:
        """What failed, with its figures, who waits and who goes on."""
        said = [_sentences(gate.bad), f"Nothing more is spent on {', '.join(found.plates)}"]
        said += [f"{', '.join(gate.good)} is good"] if gate.good else []
        said += [f"{', '.join(found.behind)} cannot come before that"] if found.behind else []
        said += [f"{name} goes on: {why}" for name, why in found.going.items()]
        spare_s = self._spare_s(found)
        if spare_s > 0:
            return ". ".join([*said, f"Waiting costs nothing for {spare_s / 60:.0f} min"])
        return ". ".join([*said, "Waiting puts them off from now on"])


def _sentences(bad: Mapping[str, str]) -> str:
    return ". ".join(f"{plate} is no good: {why.rstrip('.')}" for plate, why in bad.items())
