"""A night that is slow from a moment of its virtual time on, so that other threads can speak to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from heapq import heappop
from pathlib import Path
from typing import Any, Self

from platectl.app import site
from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Night
from platectl.domain.events import Event
from platectl.simkit.virtual_time import VirtualTimeLoop

#: from then on virtual time goes so much faster than the clock on the wall
SPEED, TICK_S = 10.0, 0.01


class Slow:
    """A night in a thread of its own: from `at_s` on it is slow, until told to go on."""

    def __init__(
        self, night: Night, folder: Path, at_s: float, *, watch: Callable[[Event], None] | None = None
    ) -> None:  # fmt: skip
        self.folder = folder
        self.finished: Finished | None = None
        self.error: BaseException | None = None
        self._at_s, self._slow, self._goes = at_s, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(night, watch), daemon=True)

    def __enter__(self) -> Self:
        self._before = site.run_virtual
        site.run_virtual = self._in_its_time
        self._thread.start()
        assert self._slow.wait(60), self.error
        return self

    def __exit__(self, *_: object) -> None:
        self._goes.set()
        self._thread.join(60)
        site.run_virtual = self._before

    def end(self) -> Finished:
        """Let it go on, to its end."""
        self._goes.set()
        self._thread.join(60)
        assert self.finished is not None, self.error
        return self.finished

    def _run(self, night: Night, watch: Callable[[Event], None] | None) -> None:
        try:
            self.finished = execute(night, self.folder, watch=watch)
        except BaseException as error:  # noqa: BLE001  # handed to the test
            self.error = error
        finally:
            self._slow.set()

    def _in_its_time(self, main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=lambda: _Loop(self._at_s, self._slow, self._goes)) as r:
            return r.run(main)


class _Loop(VirtualTimeLoop):
    """Virtual time that leaves other threads time to speak, from a moment on."""

    def __init__(self, at_s: float, slow: threading.Event, goes: threading.Event) -> None:
        self._at_s, self._slow, self._goes = at_s, slow, goes
        super().__init__()

    def _jump(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heappop(self._timers)
        held = self._timers and self._timers[0][0] > self._at_s
        if held and not self._goes.is_set():
            self._slow.set()
            with suppress(InterruptedError):
                self._process_events(self._selector.select(TICK_S))
            self._now_s = min(self._now_s + SPEED * TICK_S, self._timers[0][0])
            return
        super()._jump()
