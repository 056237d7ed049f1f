"""Holds what consumes while the lab is not as it should be; releases with hysteresis."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from platectl.domain.clock import Clock
from platectl.domain.suspenders import Suspender

#: how often a held step looks whether a value has become stale or has settled
LOOK_S: Final = 1.0


@dataclass(slots=True)
class _Signal:
    """`read_s` is when a value came, `seen_s` when one came or could not be expected."""

    seen_s: float
    read_s: float
    value: float | None = None
    held: bool = False
    good_since_s: float | None = None
    back_since_s: float | None = None


class Suspenders:
    """Is fed values and says what holds; satisfies `platectl.engine.ports.Suspension`.

    It changes at most once for each crossing of a band, and never releases before a value has been
    good for `settle`. What was missing holds until it has been seen again for `settle`. What was
    never seen does not hold before `stale` has passed since the start.
    """

    def __init__(self, suspenders: Mapping[str, Suspender], clock: Clock, began_s: float) -> None:
        self._suspenders = suspenders
        self._clock = clock
        self._signals = {name: _Signal(began_s, began_s) for name in suspenders}

    def update(self, name: str, value: float | None, at_s: float) -> None:
        """Take a value; None says that it could not be had."""
        if value is None:
            return
        suspender, signal = self._suspenders[name], self._signals[name]
        if at_s - signal.seen_s > suspender.stale:
            signal.back_since_s = at_s
        if at_s - signal.read_s > suspender.stale:
            signal.good_since_s = None
        signal.value, signal.seen_s, signal.read_s = value, at_s, at_s
        if suspender.bad(value):
            signal.held, signal.good_since_s = True, None
        elif not suspender.good(value):
            signal.good_since_s = None
        elif signal.good_since_s is None:
            signal.good_since_s = at_s
        if signal.held and signal.good_since_s is not None:
            signal.held = at_s - signal.good_since_s < suspender.settle

    def excuse(self, name: str, at_s: float) -> None:
        """Say that a value could not be asked for, because its instrument works; it does not age."""
        signal = self._signals[name]
        if at_s - signal.seen_s <= self._suspenders[name].stale:
            signal.seen_s = at_s

    def holding(self) -> tuple[str, ...]:
        """Reasons why nothing may be used up now."""
        now_s = self._clock.monotonic_s()
        reasons = []
        for name, suspender in self._suspenders.items():
            signal = self._signals[name]
            if now_s - signal.seen_s > suspender.stale:
                reasons.append(f"{name}: {suspender.signal} has not been seen for a while")
            elif signal.held and signal.value is not None:
                why = f"; {suspender.reason}" if suspender.reason else ""
                reasons.append(f"{name}: {suspender.signal} is {signal.value:g}{why}")
            elif (
                signal.back_since_s is not None
                and signal.read_s - signal.back_since_s < suspender.settle
            ):
                reasons.append(f"{name}: {suspender.signal} was missing and is only just back")
        return tuple(reasons)

    async def wait_clear(self) -> None:
        """Return when nothing holds."""
        while self.holding():  # noqa: ASYNC110  # a value becomes stale by time alone
            await asyncio.sleep(LOOK_S)
