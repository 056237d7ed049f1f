"""An instrument is lost during the night: plates that have not come to it go to an equal one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step
from platectl.engine.journal import Journal
from platectl.engine.resources import ResourceQueues
from platectl.engine.state import RunState
from platectl.engine.timetable import Timetable

log = structlog.get_logger()


def seated(step: Step, state: RunState) -> Step:
    """A step with the instruments and positions that its plate uses by now."""
    names = state.seats.get(step.plate)
    return step.with_names(names) if names else step


def as_it_was(run: CompiledRun, events: Iterable[Event]) -> CompiledRun:
    """The run with the instruments to which plates went when theirs were lost."""
    lost = [event for event in events if event.kind == "instrument.lost"]
    if not lost:
        return run
    state = RunState.of(lost)
    return run.model_copy(update={"steps": tuple(seated(step, state) for step in run.steps)})


@dataclass(slots=True)
class StandIns:
    """Gives plates other members of a pool of equal instruments (`CompiledRun.equals`)."""

    run: CompiledRun
    journal: Journal
    queues: ResourceQueues
    timetable: Timetable
    instruments: Mapping[str, Any]

    async def lose(self, instrument: str, step: Step, reason: str) -> tuple[str, ...]:
        """Give an instrument up; returns the plates that go elsewhere, after the ledger has it.

        A plate that was carried to it, or was loaded for it, stays: nothing of it can be undone.
        """
        pool = next((p for p in self.run.equals if any(m[0] == instrument for m in p)), ())
        mine = next((member for member in pool if member[0] == instrument), ())
        gone = {*self.journal.state.lost, instrument}
        left = [m for m in pool if m[0] not in gone and m[0] in self.instruments]
        seats = {
            plate: dict(zip(mine, left[number % len(left)], strict=True))
            for number, plate in enumerate(self._waiting(mine) if left else ())
        }
        if not seats:
            return ()
        data = {"instrument": instrument, "reason": reason, "seats": seats}
        self.journal.record("instrument.lost", step.id, data)
        log.warning("instrument.lost", instrument=instrument, reason=reason, moved=list(seats))
        state = self.journal.state
        await self.queues.reseat(
            {s.id: seated(s, state).resources for s in self.run.steps if s.plate in seats},
            self.timetable.rank,
        )
        return tuple(seats)

    def _waiting(self, member: Collection[str]) -> list[str]:
        """Plates that will use a member of a pool and have not begun to, in planned order."""
        state = self.journal.state
        uses: dict[str, float] = {}
        begun: set[str] = set(state.dropped_plates)
        for step in self.run.steps:
            if any(seated(step, state).mentions(name) for name in member):
                uses.setdefault(step.plate, self.timetable[step.id][0])
                if step.id in state.steps or self.queues.has_turn(step.id):
                    begun.add(step.plate)
        return sorted(uses.keys() - begun, key=uses.__getitem__)
