"""A driver of a small instrument and its simulator above a world, joined by a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platectl import registry
from platectl.conformance.journal import Journal
from platectl.conformance.replay import TimedReplay, answered
from platectl.domain.transcript import Turn, parse_transcript
from platectl.hal.instrument import DriverSetup
from platectl.hal.recovery import ACTION_ID, Action
from platectl.hal.stream import ByteStream, Connector
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.record import RecordingStream
from platectl.transport.replay import ReplayStream


def driver_on(name: str, connect: Any, **settings: Any) -> Any:
    """The driver of a name, on what `connect` opens."""
    kind = registry.load(registry.DRIVERS, name)
    return kind(DriverSetup("it", VirtualClock(), connect, kind.Settings(**settings)))


def recording(turns: Iterable[Turn]) -> Connector:
    """Opens a recording, of which every byte must be said."""

    async def connect() -> ByteStream:
        return ReplayStream(turns)

    return connect


def replaying(name: str, turns: Iterable[Turn], **settings: Any) -> Any:
    """The driver of a name on a recording, of which it must say every byte."""
    return driver_on(name, recording(turns), **settings)


def played(name: str, turns: Sequence[Turn], **settings: Any) -> tuple[Any, TimedReplay]:
    """The driver of a name on a recording that goes on through several conversations."""
    recording = TimedReplay(turns)

    async def connect() -> ByteStream:
        return recording.conversation()

    return driver_on(name, connect, **settings), recording


def recorded(transcripts: Path, name: str) -> tuple[Turn, ...]:
    """The turns of a transcript."""
    return parse_transcript((transcripts / f"{name}.txt").read_text("ascii"))


def chopped(turns: Sequence[Turn], size: int) -> list[Turn]:
    """The same with what the instrument says in pieces."""
    return [
        Turn(turn.side, turn.data[at : at + (size if turn.side == "<" else 1000)])
        for turn in turns
        for at in range(0, len(turn.data), size if turn.side == "<" else 1000)
    ]


def action(verb: str, **arguments: Any) -> Action:
    """An action that the ledger knows as `a1`."""
    return Action("a1", "it", verb, arguments, datetime(2026, 1, 1, tzinfo=UTC))


class Chunked:
    """Delivers what comes in pieces of a few bytes; 0 leaves it as it comes."""

    def __init__(self, inner: ByteStream, size: int) -> None:
        self.inner, self.size, self.rest = inner, size, b""

    async def send(self, data: bytes) -> None:
        await self.inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        if not self.rest:
            self.rest = await self.inner.receive(timeout_s=timeout_s)
        size = self.size or len(self.rest)
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece

    async def aclose(self) -> None:
        await self.inner.aclose()


@asynccontextmanager
async def opened(made: Any, *, connected: bool = True) -> AsyncIterator[Any]:
    """A bench whose `subject` is connected, and closed twice; its `tasks` serve it."""
    try:
        if connected:
            await made.subject.connect()
        yield made
    finally:
        await made.subject.aclose()
        await made.subject.aclose()
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


async def paced(simulator: Any, turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Say every `>` turn at its time, and hear as many bytes as were recorded before the next."""
    ours, theirs = pipe()
    serving = asyncio.create_task(simulator.serve(theirs))
    loop, heard, buffer = asyncio.get_running_loop(), [], b""
    for turn in turns:
        if turn.side == ">":
            await asyncio.sleep(max(0.0, (turn.at_s or 0.0) - loop.time()))
            await ours.send(turn.data)
            heard.append(turn)
            continue
        while len(buffer) < len(turn.data):
            buffer += await ours.receive(timeout_s=100)
        heard.append(Turn("<", buffer[: len(turn.data)], turn.at_s))
        buffer = buffer[len(turn.data) :]
    await ours.aclose()
    await serving
    return tuple(heard)


class LineLab:
    """A driver and its simulator; `said` is what drivers said, `world` notes what was done."""

    def __init__(
        self, name: str, *faults: Fault, simulated: Mapping[str, Any] | None = None, world: Any = None,
        **settings: Any,
    ) -> None:  # fmt: skip
        self.world: Any = world or Journal()
        if world is None:
            self.world.place("P1", "assay_plate_96", "spot")
        self.clock = VirtualClock()
        self._name, self._settings = name, settings
        kind = registry.load(registry.SIMULATORS, name)
        self.plan = FaultPlan(faults)
        setup = SimulatorSetup("it", self.world, self.clock, "spot", simulated or {}, self.plan)
        self.simulator = kind(setup)
        self.tasks: list[asyncio.Task[None]] = []
        self.said: list[bytes] = []
        self.stream: PipeEnd
        self.theirs: list[PipeEnd] = []
        self.drivers: list[Any] = []
        self.driver = self.heir()

    def heir(self) -> Any:
        """The driver of a process that was started anew."""
        self.drivers.append(driver_on(self._name, self.connect, **self._settings))
        return self.drivers[-1]

    def from_now(self, *faults: Fault) -> None:
        """Let these faults strike, counted from now on."""
        self.plan._faults, self.plan._seen = faults, {}

    async def connect(self) -> ByteStream:
        self.stream, theirs = pipe()
        self.theirs.append(theirs)
        self.tasks.append(asyncio.create_task(self.simulator.serve(theirs)))
        return RecordingStream(self.stream, self._note)

    def _note(self, side: str, data: bytes) -> None:
        if side == ">":
            self.said.append(data)

    async def as_action(self, verb: str, **arguments: Any) -> Any:
        """Do a verb under the identity of `action`."""
        token = ACTION_ID.set("a1")
        try:
            return await getattr(self.driver, verb)(**arguments)
        finally:
            ACTION_ID.reset(token)

    async def hears(self, turns: Sequence[Turn]) -> list[bytes]:
        """Say a recording to the simulator; what it answers."""
        heard = await answered(self.simulator.serve, turns)
        return [turn.data for turn in heard if turn.side == "<"]

    async def close(self) -> None:
        """Close all drivers, twice."""
        for driver in self.drivers * 2:
            await driver.aclose()
        await asyncio.gather(*self.tasks)
