"""An instrument that answers by files, its simulator, and the folder between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from platectl import registry
from platectl.conformance.journal import Journal
from platectl.domain.errors import DisconnectedError
from platectl.domain.transcript import Turn
from platectl.hal.instrument import DriverSetup
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.drop_folder import DropDirectory

#: how long before and after the time of a piece a file is looked at
AROUND_S = 0.01
#: how long a whole file has to stay as it is
AFTERWARDS_S = 300.0


class Even:
    """Chance that never plays: a draw is what is expected of it, and counts are whole numbers."""

    def poisson(self, expected: Any) -> Any:
        return np.rint(expected)

    def standard_normal(self, size: Any = None) -> Any:
        return 0.0 if size is None else np.zeros(size)

    def uniform(self, low: float, high: float, size: int) -> Any:
        return np.linspace(low, high, size)

    def multinomial(self, number: int, shares: Any) -> Any:
        return self.binomial(np.full(len(shares), number), shares)

    def binomial(self, number: Any, share: Any) -> Any:
        """What is lost by rounding one is found again with the next."""
        if not np.ndim(number):
            return round(number * share)
        return np.diff(np.rint(np.cumsum(number * share)), prepend=0).astype(int)


class Evenly:
    """Makes a world one in which nothing scatters."""

    def rng(self, instrument: str) -> Any:
        del instrument
        return Even()


class EvenJournal(Evenly, Journal):
    """Made-up counts that never change, on a plate at `spot`, counted without scatter."""

    def __init__(self) -> None:
        super().__init__()
        self.place("P1", "filter_plate_96_gfb", "spot")

    def efficiency(self, position: str, wells: Sequence[str]) -> Any:
        """The same for all wells."""
        del position
        return np.full(len(wells), 0.45)


async def arrive(path: Path, turns: Sequence[Turn]) -> None:
    """Let a file grow as it was recorded."""
    begun_s = asyncio.get_running_loop().time()
    for turn in turns:
        await _until(begun_s + (turn.at_s or 0.0))
        with path.open("ab") as file:
            file.write(turn.data)


async def grows(path: Path, turns: Sequence[Turn]) -> None:
    """Watch that a file grows by what was recorded, when it was recorded, from now on, and then no more."""
    begun_s = asyncio.get_running_loop().time()
    for number, turn in enumerate(turns):
        await _until(begun_s + (turn.at_s or 0.0) - AROUND_S)
        before = _content(path)
        await _until(begun_s + (turn.at_s or 0.0) + AROUND_S)

        assert before == b"".join(earlier.data for earlier in turns[:number])
        assert _content(path) == before + turn.data
    await asyncio.sleep(AFTERWARDS_S)

    assert _content(path) == b"".join(turn.data for turn in turns)


async def _until(due_s: float) -> None:
    left_s = due_s - asyncio.get_running_loop().time()
    if left_s > 0:
        await asyncio.sleep(left_s)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


async def no_wire() -> ByteStream:
    raise DisconnectedError("there is no wire")


def collector(name: str, folder: Path | None, connect: Any = no_wire, **settings: Any) -> Any:
    """The driver of a name, on a folder."""
    kind = registry.load(registry.DRIVERS, name)
    drop = None if folder is None else DropDirectory(folder, in_thread=False)
    return kind(DriverSetup("it", VirtualClock(), connect, kind.Settings(**settings), drop))


@asynccontextmanager
async def started(
    name: str, folder: Path, note: Mapping[str, Any], *faults: Fault, world: Journal | None = None,
    simulated: Mapping[str, Any] | None = None, **settings: Any,
) -> AsyncIterator[Any]:  # fmt: skip
    """A driver whose instrument a person has started."""
    if world is None:
        world = Journal()
        world.place("P1", "filter_plate_96_gfb", "spot")
    world.notices["it.start"] = [note]
    kind = registry.load(registry.SIMULATORS, name)
    setup = SimulatorSetup(
        "it", world, VirtualClock(), "spot", {**settings, **(simulated or {})}, FaultPlan(faults), folder
    )  # fmt: skip
    running = asyncio.create_task(kind(setup).run())
    try:
        yield collector(name, folder, **settings)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
