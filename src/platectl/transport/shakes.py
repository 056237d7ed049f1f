"""What a driver of a shaker knows by itself of shaking in doubt: since when, and whether it was ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from platectl.domain.clock import Clock
from platectl.hal.recovery import ACTION_ID, Action, Verdict
from platectl.transport.abort import Abort
from platectl.transport.handed import Handed


class Shakes:
    """Remembers when shaking began and that it was told to end; lifetime as of `Handed`.

    A shaking that goes on, or was ended and whose plate is held still, is `not_done` and remembered:
    `shake` under the same action finishes it.
    """

    def __init__(self, clock: Clock, handed: Handed, abort: Abort) -> None:
        self._clock, self._handed, self._abort = clock, handed, abort
        self._begun: dict[str, datetime] = {}
        self._ended: set[str] = set()
        self._to_finish: dict[str, datetime] = {}

    def left_s(self, duration_s: float) -> float | None:
        """A verb starts: what is left of a shaking that is to be finished; None for one to begin."""
        self._abort.clear()
        self._handed.begin()
        begun = self._to_finish.pop(ACTION_ID.get(), None)
        return None if begun is None else duration_s - (self._clock.now() - begun).total_seconds()

    def begin(self) -> None:
        """The bytes that make it shake are about to be sent."""
        self._handed.hand()
        self._ended.discard(ACTION_ID.get())
        self._begun[ACTION_ID.get()] = self._clock.now()

    def end(self) -> None:
        """The time is over: it is about to be told to stop."""
        self._ended.add(ACTION_ID.get())

    def goes_on(self, action: Action, evidence: Mapping[str, Any]) -> Verdict:
        """The verdict on a nest that shakes."""
        return self._unfinished(action, {**evidence, "shakes": True})

    def stands(
        self, action: Action, evidence: Mapping[str, Any], *, released: bool,
        at_home: bool = True, sound: bool = True,
    ) -> Verdict:  # fmt: skip
        """The verdict on a nest that does not shake, by what this life sent; `released` is its plate."""
        ours = self._handed.did(action)
        sure = ours and sound and not self._abort.called
        if sure and action.id in self._ended:
            if released:
                return Verdict("done", evidence)
            return self._unfinished(action, {**evidence, "time_is_over": True})
        if sure and at_home:  # nobody stopped it, so it never began
            return Verdict("not_done", evidence)
        return Verdict("unknown", {**evidence, "sent_in_this_life": ours})

    def _unfinished(self, action: Action, evidence: Mapping[str, Any]) -> Verdict:
        self._to_finish[action.id] = self._begun.get(action.id, action.sent_at)
        return Verdict("not_done", evidence, remembered=True)
