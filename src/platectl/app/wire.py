"""Joins a frozen run to its instruments: real streams, or simulators on one world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from platectl import registry
from platectl.app.recorder import WireRecorder
from platectl.app.simulation import build_simulator
from platectl.domain.clock import Clock
from platectl.domain.errors import InstrumentError, LinkError
from platectl.domain.lab import Lab
from platectl.hal.instrument import DriverSetup, Identity
from platectl.hal.stream import ByteStream, Connector, DropFolder
from platectl.simkit.line_faults import LineFaults
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import Simulator
from platectl.simkit.world import World
from platectl.transport.address import open_connector
from platectl.transport.drop_folder import DropDirectory
from platectl.transport.record import RecordingStream

log = structlog.get_logger()


@dataclass(slots=True)
class LabConnection:
    """The connected drivers of a run, who answered, and the world behind simulators."""

    instruments: dict[str, Any] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    world: World | None = None


@asynccontextmanager
async def connect_lab(
    lab: Lab,
    names: tuple[str, ...],
    *,
    clock: Clock,
    folder: Path,
    recorder: WireRecorder,
    world: World | None = None,
    line_faults: Mapping[str, LineFaults] | None = None,
) -> AsyncIterator[LabConnection]:
    """Connect the named instruments; closes all of them at the end, whatever happened.

    `line_faults` are faults by wire: `shaker`, `vacuum.relay`. What is recorded is what the
    instrument's end of the line carried, so that a night with faults replays like any other.

    Raises:
        LinkError: One or more instruments did not answer; the message lists all of them.
    """
    connection = LabConnection(world=world)
    wiring = _Wiring(lab, clock, folder, recorder, world, line_faults or {})
    try:
        for name in names:
            wiring.build(name, connection.instruments)
        await _connect_all(connection)
        yield connection
    finally:
        for instrument in connection.instruments.values():
            await instrument.aclose()
        await wiring.aclose()


async def _connect_all(connection: LabConnection) -> None:
    async def one(name: str, instrument: Any) -> str | None:
        try:
            connection.identities[name] = await instrument.connect()
        except InstrumentError as error:
            return f"{name}: {error}"
        return None

    problems = await asyncio.gather(*(one(n, i) for n, i in connection.instruments.items()))
    if found := [p for p in problems if p]:
        raise LinkError("instruments that do not answer as they should:\n  " + "\n  ".join(found))


@dataclass(slots=True)
class _Wiring:
    """Builds drivers with their wires; a simulator serves each wire of its instrument."""

    lab: Lab
    clock: Clock
    folder: Path
    recorder: WireRecorder
    world: World | None
    line_faults: Mapping[str, LineFaults]
    background: set[asyncio.Task[None]] = field(default_factory=set)

    def build(self, name: str, built: dict[str, Any]) -> Any:
        """Build one driver, and first those that it uses."""
        if name in built:
            return built[name]
        entry = self.lab.instruments[name]
        extras = {role: self.build(other, built) for role, other in entry.uses.items()}
        driver_class = registry.load(registry.DRIVERS, entry.driver)
        drop, path = self._drop_folder(name)
        simulator = None
        if self.world is not None:
            simulator = build_simulator(name, self.lab, self.world, self.clock, folder=path)
            if hasattr(simulator, "run"):
                self._start(f"{name}.run", simulator.run())
        for wire, address in entry.wires.items():
            extras[wire] = self._recorded(f"{name}.{wire}", self._open(address, simulator, wire))
        settings = driver_class.Settings.model_validate(entry.settings)
        connect = self._recorded(name, self._open(entry.address, simulator, ""))
        built[name] = driver_class(DriverSetup(name, self.clock, connect, settings, drop, extras))
        return built[name]

    def _drop_folder(self, name: str) -> tuple[DropFolder | None, Path | None]:
        folder = self.lab.instruments[name].drop_folder
        if folder is None:
            return None, None
        path = (self.folder / folder).resolve()
        path.mkdir(parents=True, exist_ok=True)
        return DropDirectory(path, in_thread=self.world is None), path

    def _open(self, address: str, simulator: Simulator | None, wire: str) -> Connector:
        if simulator is None:
            return _no_wire if address.startswith("drop:") else open_connector(address)
        serve = getattr(simulator, f"serve_{wire}") if wire else simulator.serve

        async def connect() -> ByteStream:
            ours, theirs = pipe()
            self._start(f"{wire or 'wire'}.serve", _serve(serve, theirs))
            return ours

        return connect

    def _recorded(self, wire: str, connect: Connector) -> Connector:
        write = self.recorder.writer(wire)

        async def open_recorded() -> ByteStream:
            return RecordingStream(await connect(), write)

        faults = self.line_faults.get(wire)
        return open_recorded if faults is None else faults.on(open_recorded)

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self.background.add(asyncio.create_task(_guarded(name, work), name=name))

    async def aclose(self) -> None:
        """Stop the simulators."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)


async def _serve(
    serve: Callable[[ByteStream], Coroutine[Any, Any, None]], theirs: ByteStream
) -> None:
    """A dead simulator is a closed line, not a silent one."""
    try:
        await serve(theirs)
    finally:
        await theirs.aclose()


async def _guarded(name: str, work: Coroutine[Any, Any, None]) -> None:
    """Log what kills a simulator; the run then sees a closed conversation."""
    try:
        await work
    except Exception as error:  # a defect of a simulator must not hang the run
        log.exception("simulator.failed", simulator=name, error=repr(error))


async def _no_wire() -> ByteStream:
    raise LinkError("this instrument has no wire; it drops files")
