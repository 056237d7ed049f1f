"""Writes down what a stream carries, as it happens."""

from __future__ import annotations

from collections.abc import Callable

from platectl.domain.errors import DisconnectedError
from platectl.domain.transcript import Side
from platectl.hal.stream import ByteStream


class RecordingStream:
    """A stream that reports every piece to `write(side, data)`; satisfies `ByteStream`.

    The report of a sent piece comes before the wire, so that nothing reaches an instrument
    unrecorded.
    """

    def __init__(
        self,
        stream: ByteStream,
        write: Callable[[Side, bytes], None],
        *,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream = stream
        self._write = write
        self._guard = guard

    async def send(self, data: bytes) -> None:
        """Record, then send; not if `guard` raises."""
        self._guard()
        self._write(">", data)
        await self._stream.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Receive, then record."""
        data = await self._stream.receive(timeout_s=timeout_s)
        if not data:
            raise DisconnectedError("the stream ended")
        self._write("<", data)
        return data

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()
