"""One thread for one port whose library blocks, as a byte stream."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol

from platectl.domain.errors import DisconnectedError, InstrumentError, ReplyTimeoutError


class BlockingPort(Protocol):
    """What a library offers. Every method raises DisconnectedError when the port is gone."""

    def read(self) -> bytes:
        """Wait for bytes for a moment; nothing when none came or `interrupt` was called."""
        ...

    def interrupt(self) -> None:
        """End a `read` that waits in another thread, or the next one, if the library can."""
        ...

    def write_now(self, data: bytes) -> int:
        """Write from the event loop what goes without waiting; 0 when the library cannot tell."""
        ...

    def write(self, data: bytes) -> int:
        """Wait for a moment until something can be written; say how many bytes were."""
        ...

    def close(self) -> None:
        """Close the port."""
        ...


class _Job:
    """Something for the thread to do between two reads."""

    def __init__(self, data: bytes | None, done: asyncio.Future[None]) -> None:
        self.data = data  # None closes
        self.done = done


class PortThread:
    """A blocking port behind one thread of its own; satisfies `ByteStream`.

    The thread opens, reads, writes and closes the port; it reads from a `send` or a `receive` on
    until something came, and rests otherwise. What it has read waits here until somebody
    receives it, also when the receiver was cancelled.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._error: InstrumentError | None = None
        self._wanted = False
        self._arriving = False
        self._ordered: asyncio.Future[None] | None = None
        self._closing: asyncio.Future[None] | None = None
        self._port: BlockingPort

    @classmethod
    async def open(cls, name: str, open_port: Callable[[], BlockingPort]) -> PortThread:
        """Open the port in its thread.

        Raises:
            DisconnectedError: It cannot be opened.
        """
        stream = cls(name)
        opened: asyncio.Future[None] = stream._loop.create_future()  # the object under construction
        thread = threading.Thread(
            target=stream._run, args=(open_port, opened), name=name, daemon=True
        )  # likewise
        thread.start()
        try:
            await asyncio.shield(opened)
        except asyncio.CancelledError:
            opened.add_done_callback(_notice)
            stream._jobs.put(_Job(None, stream._loop.create_future()))  # likewise
            raise
        return stream

    async def send(self, data: bytes) -> None:
        """Hand all bytes to the port.

        Raises:
            DisconnectedError: The port is gone or closed.
        """
        if self._error is not None:
            raise DisconnectedError(str(self._error)) from self._error
        # What a cancelled send has left to the thread must go out before this.
        idle = self._ordered is None or self._ordered.done()
        written = self._port.write_now(data) if idle else 0
        if written < len(data):
            await self._order(data[written:])
        else:
            self._wanted = True
            self._jobs.put(None)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Return what has come, waiting for the first byte.

        Raises:
            ReplyTimeoutError: Nothing came in time; the stream stays usable.
            DisconnectedError: The port is gone or closed.
        """
        if not self._buffer:
            await self._wait(timeout_s)
        if not self._buffer:
            raise DisconnectedError(str(self._error)) from self._error
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def aclose(self) -> None:
        """Close the port and end the thread."""
        if self._closing is None and self._error is None:
            self._closing = self._loop.create_future()
            self._jobs.put(_Job(None, self._closing))
            self._port.interrupt()
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def _wait(self, timeout_s: float | None) -> None:
        if self._error is not None:
            return
        self._arrived.clear()
        if not self._wanted and not self._arriving:
            self._wanted = True
            self._jobs.put(None)
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            self._wanted = False
            raise ReplyTimeoutError(f"{self._name}: nothing came within {timeout_s:g} s") from None

    async def _order(self, data: bytes) -> None:
        done: asyncio.Future[None] = self._loop.create_future()
        done.add_done_callback(_notice)
        self._ordered = done
        self._jobs.put(_Job(data, done))
        self._port.interrupt()
        await asyncio.shield(done)

    # The thread ---------------------------------------------------------------------------

    def _run(self, open_port: Callable[[], BlockingPort], opened: asyncio.Future[None]) -> None:
        try:
            self._port = open_port()
        except InstrumentError as error:
            self._post(_refuse, opened, error)
            return
        except Exception as error:  # noqa: BLE001  # a dead thread must leave nobody waiting
            self._post(_refuse, opened, DisconnectedError(f"{self._name}: {error!r}"))
            return
        self._post(_fulfil, opened)
        ended = self._ended()
        self._port.close()
        self._post(self._fail, ended)

    def _ended(self) -> InstrumentError:
        """Work until the port is closed or gone; say which."""
        try:
            self._work()
        except InstrumentError as error:
            return error
        except Exception as error:  # noqa: BLE001  # a dead thread must leave nobody waiting
            return DisconnectedError(f"{self._name}: {error!r}")
        return DisconnectedError(f"{self._name}: closed")

    def _work(self) -> None:
        """Carry out orders and read in between, until told to close."""
        while True:
            job = self._next_job()
            if job is not None:
                if job.data is None:
                    return
                self._write(job.data, job.done)
            elif self._wanted and (data := self._port.read()):
                self._arriving = True
                self._wanted = False
                self._post(self._feed, data)

    def _write(self, data: bytes, done: asyncio.Future[None]) -> None:
        while data and self._closing is None:
            data = data[self._port.write(data) :]
        if not data:
            self._wanted = True
            self._post(_fulfil, done)

    def _next_job(self) -> _Job | None:
        """Take an order; rest when there is none and nobody wants to read."""
        try:
            return self._jobs.get(block=not self._wanted)
        except Empty:
            return None

    def _post(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return

    def _feed(self, data: bytes) -> None:
        self._arriving = False
        self._buffer += data
        self._arrived.set()

    def _fail(self, error: InstrumentError) -> None:
        """Learn that the thread has ended; whoever waits for it is told."""
        self._error = error
        self._arrived.set()
        if self._ordered is not None:
            _refuse(self._ordered, DisconnectedError(f"{error}; not everything was sent"))
        if self._closing is not None:
            _fulfil(self._closing)


def _fulfil(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _notice(future: asyncio.Future[None]) -> None:
    """Look at the outcome, so that one whose sender was cancelled is not complained about."""
    if not future.cancelled():
        future.exception()


def _refuse(future: asyncio.Future[None], error: InstrumentError) -> None:
    if not future.done():
        future.set_exception(error)
