"""An instrument that answers by files, its simulator, and the folder between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from platectl import registry
from platectl.conformance.journal import Journal
from platectl.domain.errors import DisconnectedError
from platectl.hal.instrument import DriverSetup
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.drop_folder import DropDirectory


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
