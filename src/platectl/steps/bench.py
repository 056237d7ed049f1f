"""What a step sees while it runs: instruments by name, the ledger, the clock, and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from platectl.domain.clock import Clock
from platectl.domain.events import EventKind
from platectl.domain.steps import Anchor


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished step knows: evidence for the ledger, and readings for the analysis."""

    evidence: Mapping[str, Any] = field(default_factory=dict)
    readings: tuple[Mapping[str, Any], ...] = ()


class Bench(Protocol):
    """The hands of a running step.

    Concurrency: one bench belongs to one step; instruments are locked for it by the engine.
    """

    @property
    def clock(self) -> Clock:
        """Time of the run."""
        ...

    @property
    def step_id(self) -> str:
        """Identity of the running step, unique in the run."""
        ...

    def instrument(self, name: str) -> Any:
        """Return the connected driver of an instrument of the lab file."""
        ...

    async def act(self, label: str, **detail: Any) -> None:
        """Record durably that an action is about to be sent; call before every consuming action."""
        ...

    def note(self, **detail: Any) -> None:
        """Record something that was observed while the step runs; synced with the next action."""
        ...

    def observe(self, kind: EventKind, data: Mapping[str, Any]) -> None:
        """Record a piece of a result as it comes; durable with the next action or result."""
        ...

    def moment_s(self, anchor: Anchor) -> float:
        """Return when an anchor was or is due, from ledger times, in clock seconds."""
        ...

    async def wait_until(self, due_s: float) -> None:
        """Sleep to a deadline on the run's clock."""
        ...
