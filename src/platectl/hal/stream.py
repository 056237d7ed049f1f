"""The one seam: a byte stream. Ports, sockets, simulators and recordings all look like this."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class ByteStream(Protocol):
    """A conversation in bytes, in either direction.

    Lifetime: open from creation to `aclose`, which may be called more than once.
    Concurrency: one task sends and one task receives at a time.
    """

    async def send(self, data: bytes) -> None:
        """Hand all bytes to the wire.

        Raises:
            DisconnectedError: The other side is gone; how many bytes arrived is unknown.
        """
        ...

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Return the next bytes, at least one, in whatever pieces the wire delivers.

        Raises:
            ReplyTimeoutError: Nothing came within `timeout_s`; the stream stays usable.
            DisconnectedError: The other side closed the conversation.
        """
        ...

    async def aclose(self) -> None:
        """Close the conversation; harmless when it is closed already."""
        ...


class Connector(Protocol):
    """Opens conversations with one instrument; a driver may hold more than one at a time."""

    async def __call__(self) -> ByteStream:
        """Open a conversation.

        Raises:
            DisconnectedError: The port, host or simulator cannot be reached.
        """
        ...


class DropFolder(Protocol):
    """A folder into which an instrument's own software drops result files."""

    async def names(self) -> list[str]:
        """Return the names of the files that are there now, sorted."""
        ...

    async def read(self, name: str, *, longest: int = -1) -> bytes:
        """Return the present content of one file, which may still be growing.

        With `longest` no more than its first bytes.

        Raises:
            DisconnectedError: The folder or the file cannot be read.
        """
        ...
