"""A reader's driver and simulator over a plate of the made-up cells, joined by a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
from tests.fura_bench import PLATE, FuraBench
from tests.line_bench import Chunked

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.domain.transcript import Turn
from platectl.hal.instrument import DriverSetup
from platectl.hal.reading import Channel, Frame, KineticRead
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.replay import ReplayStream

FURA2 = (Channel(340.0, 510.0), Channel(380.0, 510.0))


class Cells(FuraBench):
    """Remembers when each well was read in truth, by excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.times_s: dict[tuple[str, float], list[float]] = {}

    def fluorescence(self, position: str, wells: Sequence[str], **kw: Any) -> np.ndarray:
        for well, at_s in zip(wells, kw["at_s"], strict=True):
            self.times_s.setdefault((well, kw["excitation_nm"]), []).append(float(at_s))
        return super().fluorescence(position, wells, **kw)


class ReaderLab:
    """One reader of a kind, in front of the cells."""

    def __init__(
        self, driver: Any, simulator: Any, *faults: Fault, chunk: int = 0,
        world: FuraBench | None = None, on_wire: dict[str, Any] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.clock = VirtualClock()
        self.world: Any = world or Cells()
        self.simulator = simulator(
            SimulatorSetup(
                "reader", self.world, self.clock, "read", on_wire or {}, FaultPlan(faults)
            )
        )
        self.chunk = chunk
        self.ends: list[PipeEnd] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.driver = driver(
            DriverSetup("reader", self.clock, self.connect, driver.Settings(**settings))
        )

    async def connect(self) -> ByteStream:
        ours, theirs = pipe()
        self.ends.append(ours)
        self.tasks.append(asyncio.create_task(self.simulator.serve(theirs)))
        return Chunked(ours, self.chunk) if self.chunk else ours

    async def read(self, read: KineticRead, into: list[Frame] | None = None) -> list[Frame]:
        found: list[Frame] = [] if into is None else into
        async with aclosing(self.driver.read_kinetic(read)) as pieces:
            async for piece in pieces:
                assert isinstance(piece, Frame)
                found.append(piece)
        return found

    def lateness_s(self, frames: Sequence[Frame], read: KineticRead) -> np.ndarray:
        """By how much the stated time of every reading is later than the true one."""
        return np.array([
            at_s - self.world.times_s[well, read.channels[frame.channel].excitation_nm][frame.index]
            for frame in frames
            for well, at_s in zip(frame.wells, frame.at_s, strict=True)
        ])  # fmt: skip


@asynccontextmanager
async def connected(*args: Any, **kw: Any) -> AsyncIterator[ReaderLab]:
    """A lab whose driver is connected; closed twice at the end, and nothing is left running."""
    lab = ReaderLab(*args, **kw)
    try:
        await lab.driver.connect()
        yield lab
    finally:
        await lab.driver.aclose()
        await lab.driver.aclose()
        await asyncio.gather(*lab.tasks)


def kinetic(**changes: Any) -> KineticRead:
    """Two columns, both excitations, five passes every 12 s."""
    given: dict[str, Any] = {
        "title": "P1-5", "plate": "P1", "wells": (*PLATE.column(2), *PLATE.column(3)),
        "channels": FURA2, "interval_s": 12.0, "baseline_s": 0.0, "record_s": 48.0,
    }  # fmt: skip
    return KineticRead(**{**given, **changes})


class Silent:
    """A line that is open, and on which nothing goes either way any more."""

    async def send(self, data: bytes) -> None:
        """Nobody hears it."""

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        await asyncio.sleep(timeout_s or 0.0)
        raise ReplyTimeoutError("nothing comes")

    async def aclose(self) -> None:
        """There is nobody to tell."""


# Recordings -------------------------------------------------------------------------------------
class Patient:
    """A recording that falls silent instead of closing when it is over."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.inner = ReplayStream(turns)

    async def send(self, data: bytes) -> None:
        await self.inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        try:
            return await self.inner.receive(timeout_s=timeout_s)
        except (DisconnectedError, ReplyTimeoutError):
            await asyncio.sleep(timeout_s or 0.0)
            raise ReplyTimeoutError("the recording is silent here") from None

    async def aclose(self) -> None:
        await self.inner.aclose()


def replaying(driver: Any, turns: Sequence[Turn], *, size: int = 100_000, **settings: Any) -> Any:
    """A driver on a recording whose answers come in pieces of `size` bytes."""
    pieces = [
        Turn(turn.side, turn.data[start : start + step])
        for turn in turns
        for step in [size if turn.side == "<" else len(turn.data)]
        for start in range(0, len(turn.data), step)
    ]

    async def connect() -> ByteStream:
        return Patient(pieces)

    return driver(DriverSetup("reader", VirtualClock(), connect, driver.Settings(**settings)))
