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
from platectl.domain.clock import Clock
from platectl.domain.errors import InstrumentError, LinkError
from platectl.domain.lab import InstrumentEntry, Lab
from platectl.domain.labware import LabwareKind
from platectl.hal.instrument import DriverSetup, Identity
from platectl.hal.stream import ByteStream, Connector, DropFolder
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import Simulator, SimulatorSetup
from platectl.simkit.world import Truth, World
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


def build_world(
    lab: Lab, truth: Truth, clock: Clock, *, seed: int, catalogue: Mapping[str, LabwareKind]
) -> World:
    """Make the world of a simulated lab, with its positions and nothing on them."""
    world = World(truth, clock, seed=seed, catalogue=catalogue, faults=truth.fault_plans())
    for name, position in lab.positions.items():
        world.add_position(name, temperature_c=position.temperature, dark=position.dark)
    return world


@asynccontextmanager
async def connect_lab(
    lab: Lab,
    names: tuple[str, ...],
    *,
    clock: Clock,
    folder: Path,
    recorder: WireRecorder,
    world: World | None = None,
) -> AsyncIterator[LabConnection]:
    """Connect the named instruments; closes all of them at the end, whatever happened.

    Raises:
        LinkError: One or more instruments did not answer; the message lists all of them.
    """
    connection = LabConnection(world=world)
    background: set[asyncio.Task[None]] = set()
    try:
        for name in names:
            connection.instruments[name] = _driver(
                name, lab, clock, folder, recorder, world, background
            )
        await _connect_all(connection)
        yield connection
    finally:
        for instrument in connection.instruments.values():
            await instrument.aclose()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)


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


def _driver(
    name: str, lab: Lab, clock: Clock, folder: Path, recorder: WireRecorder, world: World | None,
    background: set[asyncio.Task[None]],
) -> Any:  # fmt: skip
    entry = lab.instruments[name]
    driver_class = registry.load(registry.DRIVERS, entry.driver)
    drop: DropFolder | None = None
    path: Path | None = None
    if entry.address.startswith("drop:"):
        path = (folder / entry.address.removeprefix("drop:")).resolve()
        path.mkdir(parents=True, exist_ok=True)
        drop = DropDirectory(path, in_thread=world is None)
    connect: Connector
    if world is not None:
        connect = _simulated(name, entry, lab, clock, world, background, drop_path=path)
    else:
        connect = open_connector(entry.address) if drop is None else _no_wire
    settings = driver_class.Settings.model_validate(entry.settings)
    return driver_class(
        DriverSetup(name, clock, _recorded(connect, recorder.writer(name)), settings, drop)
    )


async def _no_wire() -> ByteStream:
    raise LinkError("this instrument has no wire; it drops files")


def _recorded(connect: Connector, write: Callable[..., None]) -> Connector:
    async def open_recorded() -> ByteStream:
        return RecordingStream(await connect(), write)

    return open_recorded


def _simulated(
    name: str, entry: InstrumentEntry, lab: Lab, clock: Clock, world: World,
    background: set[asyncio.Task[None]], *, drop_path: Path | None,
) -> Connector:  # fmt: skip
    simulator_class = registry.load(registry.SIMULATORS, entry.driver)
    slots = {p.slot: n for n, p in lab.positions.items() if p.handler == name and p.slot}
    people = {"person": lab.people[0]} if lab.people and "Operator" in _interfaces(entry) else {}
    settings = {
        **entry.settings,
        **({"slots": slots} if slots else {}),
        **people,
        **entry.simulator,
    }
    simulator: Simulator = simulator_class(SimulatorSetup(
        name, world, clock, entry.position, settings, world.faults(name), drop_path))  # fmt: skip
    if hasattr(simulator, "run"):
        background.add(asyncio.create_task(_guarded(name, simulator.run()), name=f"{name}.run"))

    async def connect() -> ByteStream:
        ours, theirs = pipe()

        async def serve() -> None:
            try:
                await _guarded(name, simulator.serve(theirs))
            finally:
                await theirs.aclose()  # a dead simulator is a closed line, not a silent one

        background.add(asyncio.create_task(serve(), name=f"{name}.serve"))
        return ours

    return connect


async def _guarded(name: str, work: Coroutine[Any, Any, None]) -> None:
    """Log what kills a simulator; the run then sees a closed conversation."""
    try:
        await work
    except Exception as error:  # a defect of a simulator must not hang the run
        log.exception("simulator.serve.failed", simulator=name, error=repr(error))


def _interfaces(entry: InstrumentEntry) -> tuple[str, ...]:
    found: tuple[str, ...] = registry.load(registry.DRIVERS, entry.driver).info.interfaces
    return found
