"""A TCP connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError


class TcpStream:
    """One connection; satisfies `ByteStream`."""

    def __init__(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._name = name
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int, *, timeout_s: float = 10.0) -> TcpStream:
        """Connect.

        Raises:
            DisconnectedError: Nobody listens there, or nobody answers in time.
        """
        name = f"{host}:{port}"
        with _socket_errors(name):
            try:
                async with asyncio.timeout(timeout_s):
                    reader, writer = await asyncio.open_connection(host, port)
            except TimeoutError as error:
                raise DisconnectedError(f"{name}: no answer within {timeout_s:g} s") from error
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return cls(name, reader, writer)

    async def send(self, data: bytes) -> None:
        """Hand all bytes to the system.

        Raises:
            DisconnectedError: The connection is gone or closed.
        """
        if self._writer.is_closing():
            raise DisconnectedError(f"{self._name}: closed")
        with _socket_errors(self._name):
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Return what has come, waiting for the first byte.

        Raises:
            ReplyTimeoutError: Nothing came in time; the stream stays usable.
            DisconnectedError: The other side closed, or this one.
        """
        with _socket_errors(self._name):
            try:
                async with asyncio.timeout(timeout_s):
                    data = await self._reader.read(65536)
            except TimeoutError:
                raise ReplyTimeoutError(
                    f"{self._name}: nothing came within {timeout_s:g} s"
                ) from None
        if not data:
            raise DisconnectedError(f"{self._name}: the other side closed the connection")
        return data

    async def aclose(self) -> None:
        """Close the connection."""
        self._writer.close()
        with contextlib.suppress(OSError):  # what it was closed for does not matter any more
            await self._writer.wait_closed()


@contextlib.contextmanager
def _socket_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DisconnectedError(f"{name}: {error.strerror or error}") from error
