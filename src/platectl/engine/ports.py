"""What the engine needs from above: a ledger, and someone who watches."""

from __future__ import annotations

from typing import Any, Protocol

from platectl.domain.events import Event
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
