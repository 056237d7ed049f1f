"""Keeps the plan true: when reality leaves it, what is left is planned anew before windows break."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from platectl.domain.errors import RunAbortedError, RunHeldError
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step
from platectl.engine.journal import Journal
from platectl.engine.ports import Proposal, Replanner, Situation
from platectl.engine.remedy import Remedies
from platectl.engine.resources import ResourceQueues
from platectl.engine.timetable import Span, Timetable

log = structlog.get_logger()
#: a step that is so much later than planned has the rest planned anew, and again when it is twice that
LATE_S: Final = 60.0
#: how often what is under way is looked at
LOOK_S: Final = 60.0
#: how long a person may think about a window that is going to break
PATIENCE_S: Final = 300.0


@dataclass(slots=True)
class PlanKeeper:
    """Watches what begins and ends, and has the rest planned anew when it no longer fits.

    What has begun is never moved. Windows that no plan can keep are decided by the night orders
    while there is still time: the plate is given up, or goes on and is flagged.
    """

    run: CompiledRun
    journal: Journal
    timetable: Timetable
    queues: ResourceQueues
    remedies: Remedies
    replanner: Replanner | None
    _reasons: list[str] = field(default_factory=list)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _dropped: int = 0
    _under_way: dict[str, float] = field(default_factory=dict)
    _decided: set[tuple[str, str]] = field(default_factory=set)
    _planning: asyncio.Lock = field(default_factory=asyncio.Lock)

    def began(self, step: Step) -> None:
        """Watch a step that is under way."""
        if step.kind != "wait":
            self._under_way[step.id] = LATE_S

    def ended(self, step: Step) -> None:
        """Look at a step that is over."""
        self._under_way.pop(step.id, None)
        late_s = self.journal.now_s - self.timetable[step.id][1]
        if late_s > LATE_S and step.kind != "wait":
            self.ask(f"{step.title} of {step.plate} ended {late_s / 60:.1f} min late")
        if len(self.journal.state.dropped_plates) != self._dropped:
            self._dropped = len(self.journal.state.dropped_plates)
            self.ask("a plate was given up")

    def ask(self, reason: str) -> None:
        """Have the rest planned anew soon."""
        if self.replanner is not None:
            self._reasons.append(reason)
            self._wanted.set()

    async def keep(self) -> None:
        """Plan anew whenever asked to, until cancelled."""
        if self.replanner is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                reasons, self._reasons = self._reasons, []
                async with self._planning:
                    situation = self.situation()
                    proposal = await self.replanner(situation)
                    if situation.run is not self.run:
                        self.ask(reasons[0])  # plates joined meanwhile; their plan is newer
                        continue
                    if proposal is not None:
                        await self._adopt(proposal, reasons)
                if proposal is not None:
                    for plate, window in proposal.broken:
                        group.create_task(self._decide(plate, window))

    async def _look(self) -> None:
        """See steps that take too long while they still run."""
        while True:
            await asyncio.sleep(LOOK_S)
            for name, allowed_s in self._under_way.items():
                late_s = self.journal.now_s - self.timetable[name][1]
                if late_s > allowed_s:
                    self._under_way[name] = 2 * late_s
                    step = next(s for s in self.run.steps if s.id == name)
                    text = f"{step.title} of {step.plate} is {late_s / 60:.1f} min late"
                    self.ask(f"{text} and not over")

    def situation(self) -> Situation:
        """Where the run stands now."""
        state = self.journal.state
        begun = {
            name: (step.started_s, step.ended_s if step.over else None)
            for name, step in state.steps.items()
        }
        return Situation(
            self.run, self.journal.now_s, begun, frozenset(state.dropped_plates),
            self.timetable.times, state.seats, self.timetable.parked,
        )  # fmt: skip

    async def put_back(self, steps: Collection[str], reason: str) -> dict[str, float]:
        """Plan parked steps again; returns plate -> seconds by which it is put off.

        They stay parked until the caller says otherwise.
        """
        if not steps:
            return {}
        async with self._planning:
            before = {name: self.timetable[name] for name in steps}
            now = self.situation()
            later = self._later(before)
            planned, parked = {**now.planned, **later}, now.parked.difference(steps)
            now = replace(now, planned=planned, parked=parked)
            proposal = None if self.replanner is None else await self.replanner(now)
            proposal = proposal or Proposal(later, (), "put off")
            await self._adopt(proposal, [reason])
        if proposal.broken:
            self.ask(reason)
        put_off = {
            plate: round(self.timetable[names[0]][0] - before[names[0]][0], 3)
            for plate, names in self._by_plate(before).items()
        }
        return {plate: late_s for plate, late_s in put_off.items() if late_s > 0}

    def _later(self, times: Mapping[str, Span]) -> dict[str, Span]:
        """Times from now on: all plates by the same time, so that none comes before another that it followed.

        Those that come after a gap in which all of it is made up for keep their times.
        """
        later: dict[str, Span] = {}
        late_s = max(self.journal.now_s - min(a for a, _ in times.values()), 0.0)
        reached_s = float("inf")
        for names in self._by_plate(times).values():
            if times[names[0]][0] >= reached_s:
                break
            later |= {n: (times[n][0] + late_s, times[n][1] + late_s) for n in names}
            reached_s = max(end for _, end in later.values())
        return later

    def _by_plate(self, times: Mapping[str, Span]) -> dict[str, list[str]]:
        """Steps of each plate, and plates, in the order of their times."""
        plates = {step.id: step.plate for step in self.run.steps}
        found: dict[str, list[str]] = {}
        for name in sorted(times, key=times.__getitem__):
            found.setdefault(plates[name], []).append(name)
        return found

    async def _adopt(self, proposal: Proposal, reasons: list[str]) -> None:
        """Follow a new plan, except for what has begun meanwhile."""
        begun = self.journal.state.steps
        moved = {
            name: span
            for name, span in proposal.times.items()
            if name not in begun and span != self.timetable[name]
        }
        if moved:
            self.timetable.move(moved)
            await self.queues.reorder(self.timetable.rank)
            self.journal.record("plan.changed", "", {
                "reasons": reasons, "moved": len(moved), "method": proposal.method,
                "end_s": round(self.timetable.end_s, 3), "broken": [list(b) for b in proposal.broken],
            }, sync=False)  # fmt: skip

    async def _decide(self, plate: str, window: str) -> None:
        """Have the night orders say what becomes of a plate whose window is going to break.

        Raises:
            RunHeldError, RunAbortedError: They, or a person, said so.
        """
        key = (plate, window)
        if key in self._decided or plate in self.journal.state.dropped_plates:
            return
        self._decided.add(key)
        found = next(w for w in self.run.windows if (w.plate, w.name) == key)
        step = next(s for s in self.run.steps if s.id == found.end.step)
        text = f"window {window!r} of {plate} is going to break; no plan keeps it"
        answer = await self.remedies.window(step, text, patience_s=PATIENCE_S)
        log.warning("window.threatened", plate=plate, window=window, answer=answer.option)
        if answer.option == "abort":
            raise RunAbortedError(f"{answer.by} aborted the run: {text}")
        if answer.option == "hold":
            raise RunHeldError(text)
        lost = {*self.journal.state.dropped_plates, plate}
        others = [p.name for p in self.run.plates if p.name not in lost]
        if answer.option == "drop_plate" and others:
            self.journal.drop_plate(plate, f"{text}; {answer.by}: {answer.reason}")
            self.ask(f"{plate} was given up")
