"""What a FLIPR can say about a read whose end nobody saw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from platectl.domain.clock import Clock
from platectl.domain.errors import DisconnectedError
from platectl.hal.recovery import Action, Verdict
from platectl_drivers.flipr.settings import Settings
from platectl_drivers.flipr.watch import ExportWatch
from platectl_drivers.flipr.wire import Status

#: verbs that may be repeated at any time
HARMLESS: Final = frozenset({"open_drawer", "close_drawer", "set_temperature"})


@dataclass(frozen=True, slots=True)
class Order:
    """The read that this driver was asked for last, and when it sent the start; None before that."""

    title: str
    begun_s: float | None = None


@dataclass(frozen=True, slots=True)
class Inquest:
    """Looks at status and exports until they say what became of a read, or say no more.

    Without a place that the start needs, FLIPR refuses it (c16, c68). That proves `not_done` only
    while no run of any declared protocol can have ended since the action was sent: later the
    plate may have been read, and taken out by a person.
    """

    action: Action
    settings: Settings
    clock: Clock
    watch: ExportWatch
    status: Callable[[], Awaitable[Status]]

    async def verdict(self) -> Verdict:
        """Say what became of the read.

        Raises:
            LinkError: No usable status, or the folder of the exports cannot be read.
        """
        passed_s = (self.clock.now() - self.action.sent_at).total_seconds()
        asked_s = self.clock.monotonic_s()
        while True:
            status = await self.status()
            found = await self.watch.take()
            evidence = self._evidence(status, passed_s, found.name if found else None)
            if status.running:
                return Verdict("running" if self._is_its_plate(status) else "unknown", evidence)
            if self.watch.unreadable:
                raise DisconnectedError(f"exports cannot be read: {self.watch.unreadable}")
            if found is not None:
                return Verdict("done", evidence)
            if self._cannot_have_begun(status, passed_s) and not self.watch.ours:
                return Verdict("not_done", evidence)
            waited_s = self.clock.monotonic_s() - asked_s
            busy = status.state == "busy"
            if waited_s >= (self.settings.handler_s if busy else self.settings.export_s):
                return Verdict("unknown", evidence)
            await asyncio.sleep(self.settings.poll_s)

    def _evidence(self, status: Status, passed_s: float, whole: str | None) -> Mapping[str, Any]:
        return {
            "exp_running": status.running, "inst_status": status.state, "trouble": status.trouble,
            "inside": dict(status.plates), "whole_export": whole, "exports": self.watch.ours,
            "sent_s_ago": round(passed_s, 1),
        }  # fmt: skip

    def _is_its_plate(self, status: Status) -> bool:
        """Whether the plate under the optics may be that of the read; not all have a barcode."""
        return status.plates["re"] in {"", self.action.arguments.get("labware", "")}

    def _cannot_have_begun(self, status: Status, passed_s: float) -> bool:
        needed = ("re", "s1", "ti") if self.action.arguments.get("injects", True) else ("re",)
        absent = any(status.plates[place] is None for place in needed)
        shortest_s = min(
            (p.preparation_s + p.baseline_s + p.record_s for p in self.settings.protocols.values()),
            default=0.0,
        )
        in_order = status.state == "idle" and not status.trouble
        return in_order and absent and 0.0 <= passed_s < shortest_s
