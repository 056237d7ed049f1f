"""The engine's pen: every event goes to the ledger first, then into the state, then to watchers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from platectl.domain.clock import Clock
from platectl.domain.errors import StoreError
from platectl.domain.events import Event, EventKind
from platectl.engine.ports import EventSink, Watcher
from platectl.engine.state import ActionState, RunState
from platectl.hal.recovery import Verdict


class Journal:
    """Records events of one run; `state` is at every moment the fold of what was recorded.

    `began_s` is the start of the run on this process's clock, so that run times continue after a
    restart.
    """

    def __init__(
        self,
        ledger: EventSink,
        *,
        clock: Clock,
        state: RunState,
        began_s: float,
        watch: Watcher | None = None,
    ) -> None:
        self._ledger = ledger
        self._watch = watch
        self.clock = clock
        self.state = state
        self.began_s = began_s
        self._untold: list[Event] = []
        self._settling = False
        self._refused: StoreError | None = None

    @property
    def now_s(self) -> float:
        """Seconds since the start of the run."""
        return round(self.clock.monotonic_s() - self.began_s, 6)

    def record(
        self, kind: EventKind, step: str, data: Mapping[str, Any], *, sync: bool = True
    ) -> None:
        """Write one event.

        Raises:
            StoreError: The ledger did not take it; nothing that depends on it may be sent.
        """
        if self._refused is not None:
            raise self._refused
        event = Event(kind, step, self.clock.now().isoformat(), self.now_s, data)
        self._ledger.append(event, sync=sync)
        self.state.apply(event)
        self._untold.append(event)
        self._settling = self._settling and not sync
        if not self._settling:
            self._tell()

    def record_soon(self, kind: EventKind, step: str, data: Mapping[str, Any]) -> None:
        """Write one event that is durable before anything is waited for, and before it is watched.

        What the caller records without waiting shares one sync with it. When the disk refuses
        that, the next event is refused.

        Raises:
            StoreError: As `record`.
        """
        self._settling = True
        self.record(kind, step, data, sync=False)
        asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        if not self._settling:
            return
        try:
            self._ledger.settle()
        except StoreError as error:
            self._refused = error
            return
        self._settling = False
        self._tell()

    def _tell(self) -> None:
        told, self._untold = self._untold, []
        if self._watch is not None:
            for event in told:
                self._watch(event)

    def resolve(self, action: ActionState, verdict: Verdict, *, by: str, reason: str = "") -> None:
        """Write what an instrument or a person says about an action in doubt."""
        data = {
            "action": action.id, "fate": verdict.fate, "wells": list(verdict.wells), "by": by,
            "reason": reason, "evidence": dict(verdict.evidence), "remembered": verdict.remembered,
        }  # fmt: skip
        self.record("action.resolved", action.step, data)

    def drop_plate(self, plate: str, reason: str, *, cleared: bool = False) -> None:
        """Write that a plate is given up; `cleared`: a person took its labware out of the lab."""
        if plate not in self.state.dropped_plates or cleared:
            data = {"plate": plate, "reason": reason, "cleared": cleared}
            self.record("plate.dropped", "", data)
