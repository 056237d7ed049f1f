"""The engine's side of a lab that is simulated in another process: its streams and its time."""

from __future__ import annotations

import asyncio
import math
import selectors
import socket
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.hal.stream import ByteStream, Connector
from platectl.simkit.frames import Frame, FrameSocket, Kind

T = TypeVar("T")


class LabClient:
    """One connection to a lab's process.

    Lifetime: connected on creation; the lab refuses a second one while the first lives. All
    streams end with it, also when the process is killed.
    """

    def __init__(self, path: Path) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
        except OSError as error:
            raise DisconnectedError(f"no simulated lab answers at {path}: {error}") from error
        self.frames = FrameSocket(connection)
        first = self.frames.take()
        if not first:
            raise DisconnectedError(f"the simulated lab at {path} is in use by another engine")
        self.now_s = first[0].at_s
        self._streams: dict[int, _LabStream] = {}
        self._numbers = count(1)

    def connector(self, wire: str) -> Connector:
        """Return what opens conversations on a wire, `flex` or `manifold.relay`."""

        async def connect() -> ByteStream:
            number = next(self._numbers)
            self._streams[number] = stream = _LabStream(self, number)
            self.send(Frame(Kind.OPEN, number, data=wire.encode()))
            return stream

        return connect

    def send(self, frame: Frame) -> None:
        """Send to the lab.

        Raises:
            DisconnectedError: The lab's process is gone.
        """
        try:
            self.frames.send(frame)
        except OSError as error:
            raise DisconnectedError("the simulated lab is gone") from error

    def take(self) -> bool:
        """Take in what the lab sent; whether it only said what time it is."""
        arrived = self.frames.take()
        if arrived is None:
            for stream in self._streams.values():
                stream.end()
            return False
        for frame in arrived:
            self.now_s = max(self.now_s, frame.at_s)
            if frame.kind is Kind.DATA and frame.stream in self._streams:
                self._streams[frame.stream].feed(frame.data)
            elif frame.kind is Kind.CLOSE and frame.stream in self._streams:
                self._streams[frame.stream].end()
        return bool(arrived)

    def forget(self, number: int) -> None:
        """Drop a stream that was closed."""
        self._streams.pop(number, None)

    def close(self) -> None:
        """Leave the lab."""
        self.frames.socket.close()


class _LabStream:
    """One conversation; satisfies `ByteStream`."""

    def __init__(self, client: LabClient, number: int) -> None:
        self._client = client
        self._number = number
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._ended = False

    def feed(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()

    def end(self) -> None:
        self._ended = True
        self._arrived.set()

    async def send(self, data: bytes) -> None:
        if self._ended:
            raise DisconnectedError("the other side closed the conversation")
        self._client.send(Frame(Kind.DATA, self._number, data=data))

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        if not self._buffer and not self._ended:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                raise ReplyTimeoutError(f"nothing came within {timeout_s:g} s") from None
        if not self._buffer:
            raise DisconnectedError("the other side closed the conversation")
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def aclose(self) -> None:
        if not self._ended:
            self._ended = True
            self._arrived.set()
            self._client.send(Frame(Kind.CLOSE, self._number))
        self._client.forget(self._number)


class _SharedTime(selectors.DefaultSelector):
    """Instead of waiting for a timer it tells the lab when that is, and waits for the lab's time."""

    def __init__(self, client: LabClient) -> None:
        super().__init__()
        self._client = client
        self._lab = self.register(client.frames, selectors.EVENT_READ)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return self._others(ready)  # what came from the lab may have made tasks ready
        due_s = math.inf if timeout is None else self._client.now_s + timeout
        self._client.send(Frame(Kind.IDLE, self._client.frames.received, due_s))
        return self._others(super().select(None))

    def _others(
        self, ready: list[tuple[selectors.SelectorKey, int]]
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Take in what came from the lab; what is left belongs to the loop."""
        if any(key is self._lab or key.fileobj is self._client.frames for key, _ in ready):
            self._client.take()
        return [pair for pair in ready if pair[0].fileobj is not self._client.frames]


class SharedTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that lives in the time of a lab in another process."""

    def __init__(self, client: LabClient) -> None:
        self._client = client
        super().__init__(_SharedTime(client))
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds of the lab's time."""
        return self._client.now_s


def run_with_lab(main: Coroutine[Any, Any, T], client: LabClient) -> T:
    """Run a coroutine to its end in the time of the lab."""
    factory: Callable[[], asyncio.AbstractEventLoop] = lambda: SharedTimeLoop(client)  # noqa: E731  # one line of glue
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
