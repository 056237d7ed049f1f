"""How a run ends: what is written last, and what the caller is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import structlog

from platectl.domain.errors import (
    FencedError,
    InstrumentError,
    PlatectlError,
    RunAbortedError,
    RunHeldError,
    StoreError,
)
from platectl.domain.events import EventKind
from platectl.engine.journal import Journal

log = structlog.get_logger()
Status = Literal["done", "stopped", "held", "failed", "aborted"]
ABORT_S: Final = 5.0


class StoppedError(Exception):
    """A stop was asked for and nothing is under way."""


@dataclass(slots=True)
class RunOutcome:
    """How a run ended. `error` is the first error, in plain words; `in_doubt` names steps.

    `dropped` holds the plates that were given up, with the reason.
    """

    status: Status
    error: str = ""
    in_doubt: tuple[str, ...] = ()
    readings: list[dict[str, Any]] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Ending:
    """Ends a run: instruments are safe first, then the last entry is written."""

    journal: Journal
    instruments: Mapping[str, Any]

    def done(self) -> RunOutcome:
        """Every step is over."""
        self.write("run.finished", {"readings": len(self.journal.state.readings)})
        return self._outcome("done")

    def aborted(self, why: str) -> RunOutcome:
        """Somebody stopped every instrument; that has been done."""
        self.write("run.aborted", {"error": why, "in_doubt": list(self.journal.state.in_doubt)})
        return self._outcome("aborted", why)

    async def cancelled(self) -> None:
        """The process is told to end."""
        await self.abort_all()
        self.write("run.aborted", {"in_doubt": list(self.journal.state.in_doubt)})

    async def failed(self, errors: Exception, held: str) -> RunOutcome:
        """Sort what ended a run; `held` is why it is held for a person, if it is.

        Raises:
            FencedError: Instruments and ledger belong to another engine.
            StoreError: Nothing more is sent; instruments finish what they were told.
        """
        first, doubts = _first(errors), list(self.journal.state.in_doubt)
        if isinstance(first, (FencedError, StoreError)):
            raise first
        if isinstance(first, RunHeldError) or (isinstance(first, StoppedError) and held):
            reason = held or str(first)
            self.write("run.held", {"reasons": [reason]})
            return self._outcome("held", reason)
        if isinstance(first, StoppedError):
            self.write("run.stopped", {"in_doubt": doubts})
            return self._outcome("stopped", "stopped by the operator")
        await self.abort_all()
        if not isinstance(first, (PlatectlError, OSError)):
            self.write("run.failed", {"error": repr(first), "in_doubt": doubts})
            raise first
        status: Status = "aborted" if isinstance(first, RunAbortedError) else "failed"
        data = {"error": str(first), "type": type(first).__name__, "in_doubt": doubts}
        self.write("run.aborted" if status == "aborted" else "run.failed", data)
        return self._outcome(status, str(first))

    def write(self, kind: EventKind, data: Mapping[str, Any]) -> None:
        """Write the last entry; instruments are safe by now, so a full disk changes nothing."""
        with contextlib.suppress(StoreError):
            self.journal.record(kind, "", data)

    async def abort_all(self) -> None:
        """Stop every instrument at once."""

        async def abort(instrument: Any) -> None:
            try:
                async with asyncio.timeout(ABORT_S):
                    await instrument.abort()
            except (InstrumentError, TimeoutError) as error:
                log.warning("instrument.abort.failed", error=str(error))

        await asyncio.gather(*(abort(i) for i in self.instruments.values()))

    def _outcome(self, status: Status, error: str = "") -> RunOutcome:
        state = self.journal.state
        return RunOutcome(status, error, state.in_doubt, state.readings, dict(state.dropped_plates))


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
