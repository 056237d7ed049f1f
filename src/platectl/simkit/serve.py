"""Simulators on real ports, in real time: a TCP port, or the far end of a serial line."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.simkit.simulator import Simulator

PIECE: Final = 65536
FULL_S: Final = 0.001
FAREWELL_S: Final = 0.5


@asynccontextmanager
async def serve_tcp(
    simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve every connection on a TCP port until the context ends; gives the address.

    With `port` 0 the system chooses one. The address has the form `tcp:127.0.0.1:43211`.
    """
    conversations: dict[asyncio.Task[None], _TcpEnd] = {}

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a callback of the server runs in a task
        conversations[task] = stream = _TcpEnd(reader, writer)
        try:
            await simulator.serve(stream)
        except asyncio.CancelledError:
            return  # the server ends; asyncio would report a cancelled callback as an error
        finally:
            del conversations[task]
            await stream.aclose()

    server = await asyncio.start_server(converse, host, port)
    chosen = server.sockets[0].getsockname()[1]
    try:
        yield f"tcp:{host}:{chosen}"
    finally:
        server.close()
        for stream in conversations.values():
            stream.hang_up()
        await _end(*conversations)
        await server.wait_closed()


@asynccontextmanager
async def serve_pty(simulator: Simulator) -> AsyncIterator[str]:
    """Serve one endless conversation on a pseudo terminal; gives the path of the device.

    As on a serial line, nobody can tell whether anyone listens at the other end. The device
    vanishes when the context ends.
    """
    import pty  # there is none on Windows
    import tty  # likewise

    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)  # the call has no keyword
    stream = _PtyEnd(ours)
    task = asyncio.create_task(simulator.serve(stream))
    try:
        yield os.ttyname(theirs)
    finally:
        await stream.aclose()
        await _end(task)
        os.close(theirs)


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Wait until the simulators have seen their streams close; cancel those that will not."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=FAREWELL_S)
        for task in late:
            task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _take(reader: asyncio.StreamReader, timeout_s: float | None) -> bytes:
    try:
        async with asyncio.timeout(timeout_s):
            data = await reader.read(PIECE)
    except TimeoutError:
        raise ReplyTimeoutError(f"nothing came within {timeout_s:g} s") from None
    except OSError as error:
        raise DisconnectedError(str(error)) from error
    if not data:
        raise DisconnectedError("the other side closed the conversation")
    return data


class _TcpEnd:
    """The instrument's end of a connection; satisfies `ByteStream`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise DisconnectedError("the other side closed the conversation")
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise DisconnectedError(str(error)) from error

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        return await _take(self._reader, timeout_s)

    def hang_up(self) -> None:
        """Close; a simulator that receives sees the end."""
        self._writer.close()

    async def aclose(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class _PtyEnd:
    """The instrument's end of a pseudo terminal; satisfies `ByteStream`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader()
        self._open = True
        self._loop.add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        try:
            self._reader.feed_data(os.read(self._descriptor, PIECE))
        except BlockingIOError:
            return
        except OSError:
            self._loop.remove_reader(self._descriptor)
            self._reader.feed_eof()

    async def send(self, data: bytes) -> None:
        while data:
            if not self._open:
                raise DisconnectedError("closed")
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                await asyncio.sleep(FULL_S)  # nobody reads: the line is full
            except OSError as error:
                raise DisconnectedError(str(error)) from error

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        return await _take(self._reader, timeout_s)

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._descriptor)
            self._reader.feed_eof()
            os.close(self._descriptor)
