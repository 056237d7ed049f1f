"""What the engine needs from above: a ledger, and someone who watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step


class EventSink(Protocol):
    """Keeps events; a synced append returns only when the entry survives a power cut."""

    def append(self, event: Event, *, sync: bool = True) -> int:
        """Add an entry and return its number.

        Raises:
            StoreError: The entry may be lost; nothing that depends on it may be sent.
        """
        ...

    def settle(self) -> None:
        """Make durable what was appended without sync.

        Raises:
            StoreError: It may be lost; nothing that depends on it may be sent.
        """
        ...


class Watcher(Protocol):
    """Is told of every event, after the ledger has it; must not block or raise."""

    def __call__(self, event: Event) -> Any:
        """Look at one event."""
        ...


class Gate(Protocol):
    """Holds steps and actions back while the run is paused, stopping or suspended."""

    async def pass_action(self, step: Step) -> None:
        """Return when the next action of a step may be sent."""
        ...


class Suspension(Protocol):
    """Conditions of the lab that hold what consumes."""

    def holding(self) -> tuple[str, ...]:
        """Reasons why nothing may be used up now."""
        ...

    async def wait_clear(self) -> None:
        """Return when no condition holds."""
        ...


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a run stands, with all plates that it has by now; times are seconds since its start.

    `begun` gives start and, if it is over, end of every step that has begun; `planned` the times
    that were to be; `seats` what plates use by now in place of what the run says. Steps that are `parked`
    are not planned.
    """

    run: CompiledRun
    now_s: float
    begun: Mapping[str, tuple[float, float | None]]
    dropped: frozenset[str]
    planned: Mapping[str, tuple[float, float]]
    seats: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Proposal:
    """New times for what has not begun; `broken` names (plate, window) that cannot be kept."""

    times: Mapping[str, tuple[float, float]]
    broken: tuple[tuple[str, str], ...]
    method: str


class Judge(Protocol):
    """Judges a plate that has been read."""

    async def __call__(self, plate: str) -> str:
        """Say why a plate is no good; empty when it is good, or cannot be judged."""
        ...


class Replanner(Protocol):
    """Plans what is left of a run anew."""

    async def __call__(self, situation: Situation) -> Proposal | None:
        """Return new times; None when there is nothing better than what is planned."""
        ...

    def shifted(self, situation: Situation) -> Proposal:
        """Return times in the planned order, at once; `broken` has terms of plates as window `end`.

        Raises:
            NoPlanError: The planned order contradicts itself.
        """
        ...
