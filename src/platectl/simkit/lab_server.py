"""A lab simulated in a process of its own, so that it goes on when the engine dies."""

from __future__ import annotations

import asyncio
import math
import selectors
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.frames import Frame, FrameSocket, Kind
from platectl.simkit.pipe import PipeEnd, pipe

log = structlog.get_logger()
#: opens a conversation with a wire's simulator
Serve = Callable[[str, ByteStream], Coroutine[Any, Any, None]]


class LabTime(selectors.DefaultSelector):
    """Virtual time of lab and engine: it moves on only when both have nothing to do.

    While no engine is connected the lab goes on for `outage_s` and then waits for the next one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.outage_s = 0.0
        self.engine: FrameSocket | None = None
        self.on_frames: Callable[[list[Frame] | None], None] = lambda _: None
        self._alone_since_s = 0.0
        self._engine_due_s: float | None = None

    def attach(self, engine: FrameSocket) -> None:
        """Live in one time with an engine from now on."""
        self.engine, self._engine_due_s = engine, None
        self.register(engine, selectors.EVENT_READ)
        self.tell(Frame(Kind.TIME))

    def detach(self) -> None:
        """Go on alone."""
        if self.engine is not None:
            self.unregister(self.engine)
            self.engine.socket.close()
        self.engine, self._alone_since_s = None, self.now_s

    def tell(self, frame: Frame) -> None:
        """Send to the engine; a dead one is noticed by its end."""
        if self.engine is not None:
            self._engine_due_s = None  # it will have something to do
            stamped = Frame(frame.kind, frame.stream, self.now_s, frame.data)
            try:
                self.engine.send(stamped)
            except OSError:
                return

    def idle(self, frame: Frame) -> None:
        """Note that the engine waits; not if it has not seen all that was sent."""
        if self.engine is not None and frame.stream == self.engine.sent:
            self._engine_due_s = frame.at_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Give what is ready; instead of waiting for a timer, move the time."""
        ready = super().select(0)
        if ready or timeout == 0:
            return self._others(ready)  # what came from the engine may have made tasks ready
        due_s = math.inf if timeout is None else self.now_s + max(timeout, 1e-9)
        if self.engine is None:
            return self._alone(due_s)
        if self._engine_due_s is None:
            return self._others(super().select(None))
        return self._together(due_s, self._engine_due_s)

    def _together(self, due_s: float, engine_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        if engine_s == due_s == math.inf:
            return self._others(super().select(None))
        if engine_s <= due_s:
            self.now_s, self._engine_due_s = max(self.now_s, engine_s), None
            self.tell(Frame(Kind.TIME))
        else:
            self.now_s = due_s
        return []

    def _alone(self, due_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        until_s = self._alone_since_s + self.outage_s
        if due_s <= until_s:
            self.now_s = due_s
            return []
        self.now_s = max(self.now_s, until_s)
        return self._others(super().select(None))

    def _others(
        self, ready: list[tuple[selectors.SelectorKey, int]]
    ) -> list[tuple[selectors.SelectorKey, int]]:
        if self.engine is not None and any(key.fileobj is self.engine for key, _ in ready):
            engine = self.engine
            self.on_frames(engine.take())
            return [pair for pair in ready if pair[0].fileobj is not engine]
        return ready


class LabLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in the lab's time."""

    def __init__(self, time: LabTime) -> None:
        self._lab_time = time
        super().__init__(time)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds since the lab was made."""
        return self._lab_time.now_s


class LabServer:
    """Serves the wires of a simulated lab to one engine after another on a Unix socket.

    Lifetime: `run` listens until it is cancelled. A second engine is turned away while one is
    connected. State of the simulators survives all engines.
    """

    def __init__(self, time: LabTime, path: Path, serve: Serve) -> None:
        self._time = time
        self._serve = serve
        self._streams: dict[int, PipeEnd] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        self._listener.listen(4)
        time.on_frames = self._arrived
        self.engines = 0

    async def run(self) -> None:
        """Take engines until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listener, self._accept)
        try:
            await asyncio.Event().wait()
        finally:
            loop.remove_reader(self._listener)
            self._listener.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if self._time.engine is not None:
            connection.close()
            return
        self.engines += 1
        self._time.attach(FrameSocket(connection))

    def _arrived(self, frames: list[Frame] | None) -> None:
        if frames is None:
            self._gone()
            return
        for frame in frames:
            if frame.kind is Kind.OPEN:
                self._open(frame.stream, frame.data.decode())
            elif frame.kind is Kind.IDLE:
                self._time.idle(frame)
            elif (stream := self._streams.get(frame.stream)) is not None:
                self._pass_on(stream, frame)

    def _pass_on(self, stream: PipeEnd, frame: Frame) -> None:
        if frame.kind is Kind.DATA:
            self._start(stream.send(frame.data))
        elif frame.kind is Kind.CLOSE:
            del self._streams[frame.stream]
            self._start(stream.aclose())

    def _open(self, number: int, wire: str) -> None:
        ours, theirs = pipe()
        self._streams[number] = ours
        self._start(self._converse(wire, theirs))
        self._start(self._listen(number, ours))

    async def _converse(self, wire: str, theirs: PipeEnd) -> None:
        try:
            await self._serve(wire, theirs)
        finally:
            await theirs.aclose()

    async def _listen(self, number: int, ours: PipeEnd) -> None:
        """Hand on what the simulator says; its end is the end of the conversation."""
        engine = self._time.engine
        try:
            while True:
                data = await ours.receive()
                if self._time.engine is engine:
                    self._time.tell(Frame(Kind.DATA, number, data=data))
        except DisconnectedError:
            if self._time.engine is engine and self._streams.get(number) is ours:
                self._time.tell(Frame(Kind.CLOSE, number))

    def _gone(self) -> None:
        """The engine is dead: its lines are cut, the instruments go on."""
        for stream in self._streams.values():
            self._start(stream.aclose())
        self._streams.clear()
        self._time.detach()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_quiet(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quiet(work: Coroutine[Any, Any, None]) -> None:
    """A simulator's end must not end the lab."""
    try:
        await work
    except Exception as error:  # noqa: BLE001  # said in the log; the engine sees a closed line
        log.warning("lab.simulator.failed", error=repr(error))
