"""The bench of one running step: its instruments, its ledger entries, its deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from platectl.domain.clock import Clock
from platectl.domain.events import EventKind
from platectl.domain.steps import Anchor
from platectl.engine.times import StepTimes


class StepBench:
    """Satisfies `platectl.steps.bench.Bench` for one step."""

    def __init__(
        self,
        step_id: str,
        *,
        clock: Clock,
        instruments: Mapping[str, Any],
        times: StepTimes,
        record: Callable[..., None],
    ) -> None:
        self._step_id = step_id
        self._clock = clock
        self._instruments = instruments
        self._times = times
        self._record = record
        self._sent = False
        self.instrument_in_use = ""

    @property
    def clock(self) -> Clock:
        """Time of the run."""
        return self._clock

    @property
    def step_id(self) -> str:
        """Identity of the running step."""
        return self._step_id

    @property
    def sent(self) -> bool:
        """Whether an action of the step may have reached an instrument."""
        return self._sent

    def instrument(self, name: str) -> Any:
        """Return a connected driver."""
        self.instrument_in_use = name
        return self._instruments[name]

    async def act(self, label: str, **detail: Any) -> None:
        """Record durably, before the wire, that an action is about to be sent."""
        kind: EventKind = "step.progress" if self._sent else "step.sent"
        self._record(kind, self._step_id, {"action": label, **detail}, sync=True)
        self._sent = True

    def note(self, **detail: Any) -> None:
        """Record an observation; durable with the next action."""
        self._record("step.progress", self._step_id, {"note": detail}, sync=False)

    def observe(self, kind: EventKind, data: Mapping[str, Any]) -> None:
        """Record a piece of a result as it comes; what changed the plate is durable at once."""
        self._record(kind, self._step_id, data, sync=kind == "addition.seen")

    def moment_s(self, anchor: Anchor) -> float:
        """Return an anchor's time on the clock."""
        return self._times.moment_s(anchor)

    async def wait_until(self, due_s: float) -> None:
        """Sleep to a deadline."""
        left_s = due_s - self._clock.monotonic_s()
        if left_s > 0:
            await asyncio.sleep(left_s)
