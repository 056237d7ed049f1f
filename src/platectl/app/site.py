"""Where a run takes place: a real lab, a lab simulated in this process, or one in another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from platectl.app.replay import read_wires, rebuild
from platectl.app.simulated_lab import SimulatedLab
from platectl.app.wire import Behind
from platectl.domain.clock import Clock
from platectl.domain.night import SIMULATED_START
from platectl.domain.run import CompiledRun
from platectl.engine.state import RunState
from platectl.simkit.lab_client import LabClient, run_with_lab
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl.simkit.world import Truth, World
from platectl.transport.wall_clock import WallClock

T = TypeVar("T")


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

    @property
    def outlives_power(self) -> bool:
        """Whether what stands there is still there after the power of this computer was cut."""
        ...

    @property
    def beats_every_s(self) -> float | None:
        """How often the engine says that it lives; None where nobody could listen."""
        ...


class RealSite:
    """Real instruments in real time."""

    beats_every_s: float | None = 5.0
    outlives_power: bool = True

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

    With `left_at_s` the lab is brought first to where a cut-off run left it at that time of its
    clock, by saying again what the instruments were told.
    """

    beats_every_s: float | None = None
    outlives_power: bool = False

    def __init__(
        self, run: CompiledRun, truth: Truth, *, seed: int, folder: Path,
        left_at_s: float | None = None,
    ) -> None:  # fmt: skip
        self.clock: Clock = VirtualClock(run.starts or SIMULATED_START)
        self.world: World | None = None
        self._made = (run, truth, seed, folder)
        self._left_at_s = left_at_s
        self._told = {} if left_at_s is None else read_wires(folder / "wire")

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run in virtual time."""
        return run_virtual(main)

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[Behind | None]:
        """Make the lab, and bring it to where it was left."""
        run, truth, seed, folder = self._made
        if self._left_at_s is not None:
            _forget_drops(run, folder)
        lab = SimulatedLab(run.lab, truth, self.clock, seed=seed, folder=folder)
        self.world = lab.world
        try:
            if self._left_at_s is not None:
                await rebuild(lab, self._told, until_s=self._left_at_s)
            yield lab
        finally:
            await lab.aclose()

    def began_s(self, state: RunState) -> float:
        """Virtual time begins with the lab."""
        return state.clock_s


def _forget_drops(run: CompiledRun, folder: Path) -> None:
    """Remove what the simulated instruments have dropped; the rebuilt ones drop it again."""
    for entry in run.lab.instruments.values():
        if entry.drop_folder is not None and (folder / entry.drop_folder).is_dir():
            for path in (folder / entry.drop_folder).iterdir():
                path.unlink()


class RemoteSite:
    """A lab simulated in another process, which goes on whatever happens to this one."""

    beats_every_s: float | None = None
    outlives_power: bool = False

    def __init__(self, run: CompiledRun, socket: Path) -> None:
        self.clock: Clock = VirtualClock(run.starts or SIMULATED_START)
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
