"""The stage on which a driver is tried: a small world, the simulator, and a line that is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from platectl import registry
from platectl.conformance.folder import FaultyFolder
from platectl.conformance.journal import Journal
from platectl.conformance.replay import TimedReplay
from platectl.domain.transcript import Side, Turn
from platectl.hal.handling import Prompt
from platectl.hal.instrument import DriverSetup
from platectl.hal.reading import KineticRead
from platectl.hal.stream import ByteStream, DropFolder
from platectl.simkit.line_faults import LineFaults
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.drop_folder import DropDirectory
from platectl.transport.record import RecordingStream


async def _nothing(driver: Any) -> None:
    del driver


def _idle() -> None:
    """Nobody has to start it."""


@dataclass
class Stage:
    """Where a scene is played: its world, the faults of its wire, and who is at work behind it."""

    faults: LineFaults
    folder: Path
    world: Journal = field(default_factory=Journal)
    clock: VirtualClock = field(default_factory=VirtualClock)
    #: what went by between driver and faults: side, number of bytes, acts of the world by then
    said: list[tuple[str, int, int]] = field(default_factory=list)
    #: the same with its bytes and times
    turns: list[Turn] = field(default_factory=list)
    #: largest number of bytes that come at a time
    piece: int | None = None
    #: what becomes of the n-th piece that comes
    alter: Callable[[int, bytes], bytes] | None = None
    #: a recording that is played to the driver instead of a simulator
    recording: TimedReplay | None = None
    simulator: Any = None
    lines: list[ByteStream] = field(default_factory=list)
    #: by name, the last content of files that a driver has read
    dropped: dict[str, bytes] = field(default_factory=dict)
    #: what the instrument has besides its wire: files, other wires
    beside: tuple[str, ...] = ()
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def setup(self, position: str | None, settings: Mapping[str, Any]) -> SimulatorSetup:
        """What the simulator is built with."""
        return SimulatorSetup("it", self.world, self.clock, position, settings, folder=self.folder)

    def connector(self, serve: Callable[[ByteStream], Any], *, main: bool = True) -> Any:
        """Opens conversations with a simulator; those of the main wire have the faults."""

        async def connect() -> ByteStream:
            ours, theirs = pipe()
            self.lines.append(ours)
            self.tasks.append(asyncio.create_task(_serve(serve, theirs)))
            return ours

        async def open_main() -> ByteStream:
            if self.recording is not None:
                return self.recording.conversation()
            stream = Altered(await self.faults.on(connect)(), self)
            return Chopped(RecordingStream(stream, self._note), self.piece)

        return open_main if main else connect

    def _note(self, side: Side, data: bytes) -> None:
        self.said.append((side, len(data), len(self.world.acts)))
        self.turns.append(Turn(side, data, self.clock.monotonic_s()))

    def play(
        self, name: str, verb: str, arguments: Mapping[str, Any], *,
        position: str | None = None, simulated: Mapping[str, Any] | None = None,
        files: bool = False, wires: Sequence[str] = (), acts: Sequence[str] = (),
        prepare: Callable[[Any], Awaitable[None]] = _nothing, started: Mapping[str, Any] | None = None,
        again: tuple[str, Mapping[str, Any]] | None = None, repeatable: bool = True, **settings: Any,
    ) -> Scene:  # fmt: skip
        """Build simulator and driver of one name.

        `simulated` are settings of the simulator, `settings` those of the driver. `acts` names
        methods of the simulator whose calls count as done, besides those of the world. With
        `started` a person presses start before the verb, and tells the instrument this.
        """
        simulator = registry.load(registry.SIMULATORS, name)(self.setup(position, simulated or {}))
        self.simulator = simulator
        self.beside = (*wires, *(("files",) if files else ()))
        self.world.note(simulator, acts)
        if hasattr(simulator, "run"):
            self.tasks.append(asyncio.create_task(simulator.run()))
        driver_class = registry.load(registry.DRIVERS, name)
        extras = {
            wire: self.connector(getattr(simulator, f"serve_{wire}"), main=False) for wire in wires
        }
        drop: DropFolder | None = DropDirectory(self.folder, in_thread=False) if files else None
        if drop is not None and driver_class.info.wire == "files":
            drop = FaultyFolder(drop, self)
        setup = DriverSetup(
            "it", self.clock, self.connector(simulator.serve),
            driver_class.Settings.model_validate(settings), drop, extras,
        )  # fmt: skip
        scene = Scene(
            self, lambda: (driver_class(setup),), verb, arguments, prepare, again, repeatable
        )
        if started is not None:
            scene.press = partial(self._press, started)
            scene.prepare = scene.pressed
        return scene

    def _press(self, note: Mapping[str, Any]) -> None:
        self.world.notices.setdefault("it.start", []).append(note)

    async def cut(self) -> None:
        """Break all conversations off, as the death of a process does."""
        for line in self.lines:
            await line.aclose()

    async def aclose(self) -> None:
        """Send everybody behind the wire home."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Altered:
    """A stream whose answers are what the stage makes of them."""

    def __init__(self, inner: ByteStream, stage: Stage) -> None:
        self._inner = inner
        self._stage = stage

    async def send(self, data: bytes) -> None:
        """Send."""
        await self._inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Receive, and alter."""
        data = await self._inner.receive(timeout_s=timeout_s)
        if self._stage.alter is None:
            return data
        return self._stage.alter(sum(side == "<" for side, *_ in self._stage.said), data)

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._inner.aclose()


class Chopped:
    """A stream on which little comes at a time."""

    def __init__(self, inner: ByteStream, size: int | None) -> None:
        self._inner = inner
        self._size = size
        self._rest = b""

    async def send(self, data: bytes) -> None:
        """Send."""
        await self._inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Receive at most so many bytes."""
        data = self._rest or await self._inner.receive(timeout_s=timeout_s)
        size = self._size or len(data)
        self._rest = data[size:]
        return data[:size]

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._inner.aclose()


async def _serve(serve: Callable[[ByteStream], Any], theirs: ByteStream) -> None:
    try:
        await serve(theirs)
    finally:
        await theirs.aclose()


@dataclass(frozen=True)
class Telling:
    """A transcript that names its source, and what a driver is asked so that it says the same.

    `play` builds another scene for it, if world or settings differ from those of the faults.
    """

    transcript: Path
    ask: Callable[[Any], Awaitable[None]]
    play: Callable[[Stage], Scene] | None = None


@dataclass
class Scene:
    """A driver before its simulator, and the verb that the faults strike; `prepare` comes before.

    `again` is a second verb on the same line, the same one unless told; with `repeatable` its
    effect does not depend on what became of the first. `build` makes drivers as a new process
    would, the one in question first.
    """

    stage: Stage
    build: Callable[[], tuple[Any, ...]]
    verb: str
    arguments: Mapping[str, Any]
    prepare: Callable[[Any], Awaitable[None]] = _nothing
    again: tuple[str, Mapping[str, Any]] | None = None
    repeatable: bool = True
    built: list[Any] = field(default_factory=list)
    #: verbs that set a state, and may be said twice
    states: Sequence[tuple[str, Mapping[str, Any]]] = ()
    tellings: Sequence[Telling] = ()
    #: what a person does who starts the instrument
    press: Callable[[], None] = _idle

    def __post_init__(self) -> None:
        self.built += self.build()
        self.driver = self.built[0]
        self.at_once = len(self.built)

    async def pressed(self, driver: Any) -> None:
        """Have a person start the instrument."""
        del driver
        self.press()

    async def act(self) -> Any:
        """Do the verb; what a read yields is collected."""
        return await self._do(self.verb, self.arguments)

    async def act_again(self) -> Any:
        """Do the second verb."""
        return await self._do(*(self.again or (self.verb, self.arguments)))

    async def _do(self, verb: str, arguments: Mapping[str, Any]) -> Any:
        doing = getattr(self.driver, verb)(**arguments)
        if hasattr(doing, "__aiter__"):
            return [item async for item in doing]
        return await doing

    async def observer(self) -> Any:
        """A driver of a new process, which only looks."""
        fresh = self.build()
        self.built += fresh
        for driver in reversed(fresh):
            await driver.observe()
        return fresh[0]

    async def take_over(self) -> None:
        """Let the newest process have control; it acts from now on."""
        newest = self.built[-self.at_once :]
        for driver in reversed(newest):
            await driver.take_over()
        self.driver = newest[0]

    def as_json(self) -> dict[str, Any]:
        """The arguments as the steps write them into the ledger."""
        told: dict[str, Any] = {}
        for key, value in self.arguments.items():
            if isinstance(value, KineticRead):
                injects = value.injection is not None
                wells = list(value.wells)
                told |= {"labware": value.plate, "title": value.title}
                told |= {"injects": injects, "wells": wells}
            elif isinstance(value, Prompt):
                told |= {"kind": value.kind, "text": value.text}
            else:
                told[key] = value
        return told

    async def aclose(self) -> None:
        """Close the drivers, twice."""
        for driver in self.built * 2:
            await driver.aclose()
