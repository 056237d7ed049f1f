"""A world with one bridged device, and drivers of as many processes as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import Any, Self

from platectl import registry
from platectl.conformance import bridge_scenes
from platectl.conformance.journal import Journal
from platectl.domain import frames
from platectl.hal.instrument import DriverSetup
from platectl.hal.liquids import DeckItem
from platectl.hal.recovery import ACTION_ID, Action
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock

STROKE = {"volume_ul": 50.0, "flow_ul_per_s": 50.0, "height_mm": 1.0}
SHAKER = {"backend": "pylabrobot.heating_shaking.HeaterShakerChatterboxBackend"}


class Liar:
    """A line on which results are others."""

    def __init__(self, inner: ByteStream, bench: Bench) -> None:
        self._inner = inner
        self._bench = bench

    async def send(self, data: bytes) -> None:
        await self._inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        data = await self._inner.receive(timeout_s=timeout_s)
        told = [frames.decode(line) for line in data.splitlines()]
        return b"".join(frames.encode(self._bench.alter(message)) for message in told)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Bench:
    """One device behind a simulated bridge; `driver` is that of a new process each time."""

    def __init__(
        self, name: str, *faults: Fault, position: str | None = None,
        simulated: Mapping[str, Any] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.world = Journal()
        self.clock = VirtualClock()
        self.name = name
        self.settings = settings
        plan = FaultPlan(faults)
        setup = SimulatorSetup("it", self.world, self.clock, position, simulated or {}, plan)
        self.simulator = registry.load(registry.SIMULATORS, name)(setup)
        self.lines: list[PipeEnd] = []
        self.children: list[asyncio.Task[None]] = []
        self.drivers: list[Any] = []
        #: what becomes of an answer
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda message: message

    async def connect(self) -> ByteStream:
        """Start a child."""
        ours, theirs = pipe()
        self.lines.append(ours)
        self.children.append(asyncio.create_task(self.simulator.serve(theirs)))
        return Liar(ours, self)

    def driver(self, **changed: Any) -> Any:
        """A driver as a new process builds it."""
        kind = registry.load(registry.DRIVERS, self.name)
        settings = kind.Settings.model_validate({**self.settings, **changed})
        built = kind(DriverSetup("it", self.clock, self.connect, settings))
        self.drivers.append(built)
        return built

    async def connected(self, **changed: Any) -> Any:
        """A driver that has control."""
        built = self.driver(**changed)
        await built.connect()
        return built

    async def cut(self) -> None:
        """The process that drives dies."""
        for line in self.lines:
            await line.aclose()

    async def kill(self) -> None:
        """The children die."""
        for child in self.children:
            child.cancel()
        await asyncio.gather(*self.children, return_exceptions=True)
        await self.cut()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *ended: object) -> None:
        for driver in self.drivers:
            await driver.aclose()
        await asyncio.gather(*self.children, return_exceptions=True)

    def action(self, name: str, verb: str, **arguments: Any) -> Action:
        """An action that is sent now."""
        return Action(name, "it", verb, arguments, self.clock.now().astimezone(UTC))


def handler_bench(*faults: Fault, **settings: Any) -> Bench:
    """A handler with tips, a full and an empty plate."""
    sites = bridge_scenes.BENCH["sites"]
    bench = Bench(
        "pylabrobot_handler", *faults, simulated={"sites": sites}, **bridge_scenes.BENCH, **settings
    )
    bench.world.place("tips", "tips_1000", "it.A1")
    bench.world.place("S1", "assay_plate_96", "it.C1", volume_ul=150)
    bench.world.place("P1", "assay_plate_96", "it.C2")
    bench.world.acts.clear()
    return bench


async def describe(driver: Any) -> None:
    """Tell a handler what stands on the deck, and take single tips from now on."""
    await driver.load_deck([
        DeckItem("tips", "tips_24", "A1"), DeckItem("S1", "plate_6", "C1"), DeckItem("P1", "plate_6", "C2"),
    ])  # fmt: skip
    await driver.use_channels("single")


@contextmanager
def acting(name: str) -> Any:
    """Verbs belong to this action."""
    token = ACTION_ID.set(name)
    try:
        yield
    finally:
        ACTION_ID.reset(token)
