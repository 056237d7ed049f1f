"""What a step sees while it runs: instruments by name, the ledger, the clock, and people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from platectl.domain.clock import Clock
from platectl.domain.events import EventKind
from platectl.domain.steps import Anchor, Effect


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished step knows: evidence for the ledger, and readings for the analysis.

    `doubt` says why plates that have not begun should wait for a decision; empty: no reason.
    """

    evidence: Mapping[str, Any] = field(default_factory=dict)
    readings: tuple[Mapping[str, Any], ...] = ()
    doubt: str = ""


class Bench(Protocol):
    """The hands of a running step.

    A step may be entered again, after an error or in a new process: it must then ask for the same
    actions in the same order. Those that are over are not done again.

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

    async def act(
        self, instrument: str, verb: str, do: Callable[[], Awaitable[Any]], *,
        effect: Effect | None = None, follow: Callable[[], Awaitable[Any]] | None = None,
        **arguments: Any,
    ) -> Any:  # fmt: skip
        """Record durably that an action is about to be sent, and do it; every change goes through here.

        `verb` is the method of the interface and `arguments` what the ledger and a later question
        to the instrument need, as JSON. `effect` is the action's own class where it differs from
        the step's: `set` and `query` are done again when the step is entered again, all others
        at most once. `follow` is awaited instead of `do` when the instrument says that it runs or
        is over and what it measured can be fetched. Returns what `do` returns, as JSON if it comes
        from the ledger.

        Raises:
            InstrumentError, RefusedError: As from `do`.
            OutcomeUnknownError: It was sent before, and nobody can say what became of it.
        """
        ...

    def told(self, step: str, verb: str) -> Any:
        """Return what the last action of a verb gave in an earlier step; None if it gave nothing."""
        ...

    def seen(self, piece: tuple[int, int, str]) -> float | None:
        """Time of the first well of a frame (index, channel, first well) that is in the ledger already."""
        ...

    def added(self, well: str) -> bool:
        """Whether the addition to a well is in the ledger already."""
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

    def due(self) -> str:
        """Return when the step must be over so that no open window breaks, as ISO 8601 text."""
        ...

    async def wait_until(self, due_s: float) -> None:
        """Sleep to a deadline on the run's clock."""
        ...
