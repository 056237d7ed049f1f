"""Virtual time: an event loop whose clock jumps to the next timer when nothing is ready."""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, TypeVar

T = TypeVar("T")
#: timers this close are of the same moment
RESOLUTION_S = 1e-6


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time; `asyncio.sleep` and `asyncio.timeout` follow it.

    What is ready runs in the order in which it became ready, and timers in the order of their
    times. Nights pass as fast as this loop turns, so that it does nothing else: ports are looked
    after when nothing is ready, signals at every 64th jump.
    """

    _ready: deque[asyncio.Handle]
    _selector: selectors.BaseSelector
    _check_closed: Callable[[], None]
    _process_events: Callable[[list[tuple[selectors.SelectorKey, int]]], None]

    def __init__(self) -> None:
        self._now_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._jumps = 0
        super().__init__()

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def call_at(  # type: ignore[override]  # typeshed's variadic types; the same arguments
        self, when: float, callback: Callable[..., object], *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Call back at a virtual time; timers of the same time in the order in which they were set."""
        self._check_closed()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        heappush(self._timers, (when, self._timers_made, timer))
        return timer

    def _run_once(self) -> None:
        """One turn: let time jump if nothing is ready, then run what is ready now."""
        ready, timers = self._ready, self._timers
        if not ready:
            self._jump()
        while timers and timers[0][0] <= self._now_s + RESOLUTION_S:
            ready.append(heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001  # the loop is the other half of its handles
                handle._run()  # noqa: SLF001

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:  # noqa: SLF001
            heappop(timers)
        self._jumps += 1
        if not timers:
            self._process_events(self._selector.select(None))  # another thread or a signal
        elif self._jumps % 64 == 0 or len(self._selector.get_map()) > 1:
            self._process_events(self._selector.select(0))
        if timers and not self._ready:
            self._now_s = max(self._now_s, timers[0][0])


class VirtualClock:
    """The `Clock` of a virtual-time loop; the wall starts at `start`."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 5, 18, 0, tzinfo=UTC)
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> datetime:
        """Return the virtual wall time, aware UTC."""
        return self._start + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        """Return the time of the running loop."""
        if self._loop is None or not self._loop.is_running():
            self._loop = asyncio.get_running_loop()
        return self._loop.time()


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
