"""Where a run takes place: a real lab, a lab simulated in this process, or one in another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from platectl.app.replay import read_wires, rebuild
from platectl.app.simulated_lab import SimulatedLab
from platectl.app.wire import Behind
from platectl.domain.clock import Clock
from platectl.domain.run import CompiledRun
from platectl.engine.state import RunState
from platectl.simkit.lab_client import LabClient, run_with_lab
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl.simkit.world import Truth, World
from platectl.transport.wall_clock import WallClock

T = TypeVar("T")
#: A simulated night starts here unless told otherwise, so that it is the same every time.
SIMULATED_START = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)


class Site(Protocol):
    """Time and place of a run."""

    @property
    def clock(self) -> Clock:
        """Time of the site."""
        ...

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end in the site's time."""
        ...

    def behind(self) -> Any:
        """Async context of what stands behind the wires; None for real instruments."""
        ...

    def began_s(self, state: RunState) -> float:
        """When a run that was cut off began, on the site's clock."""
        ...


class RealSite:
    """Real instruments in real time."""

    def __init__(self) -> None:
        self.clock: Clock = WallClock()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run in real time."""
        return asyncio.run(main)

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[Behind | None]:
        """Nothing stands behind real wires."""
        yield None

    def began_s(self, state: RunState) -> float:
        """By the wall clock, which goes on while the computer is off; it never runs backwards."""
        passed_s = (self.clock.now() - datetime.fromisoformat(state.began_wall)).total_seconds()
        return self.clock.monotonic_s() - max(passed_s, state.last_s)


class SimulatedSite:
    """A lab simulated in this process, in virtual time.

    With `wires` the lab is brought first to where a cut-off run left it, by saying again what the
    instruments were told.
    """

    def __init__(
        self, run: CompiledRun, truth: Truth, *, seed: int, folder: Path, wires: Path | None = None
    ) -> None:
        self.clock: Clock = VirtualClock(SIMULATED_START)
        self.world: World | None = None
        self._made = (run, truth, seed, folder)
        self._told = read_wires(wires) if wires is not None else {}

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run in virtual time."""
        return run_virtual(main)

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[Behind | None]:
        """Make the lab, and bring it to where it was left."""
        run, truth, seed, folder = self._made
        lab = SimulatedLab(run.lab, truth, self.clock, seed=seed, folder=folder)
        self.world = lab.world
        try:
            await rebuild(lab, self._told)
            yield lab
        finally:
            await lab.aclose()

    def began_s(self, state: RunState) -> float:
        """Virtual time begins with the lab."""
        return state.clock_s


class RemoteSite:
    """A lab simulated in another process, which goes on whatever happens to this one."""

    def __init__(self, socket: Path) -> None:
        self.clock: Clock = VirtualClock(SIMULATED_START)
        self._client = LabClient(socket)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run in the lab's time."""
        return run_with_lab(main, self._client)

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[Behind | None]:
        """The lab is there already."""
        try:
            yield self._client
        finally:
            self._client.close()

    def began_s(self, state: RunState) -> float:
        """The lab's time went on."""
        return state.clock_s
