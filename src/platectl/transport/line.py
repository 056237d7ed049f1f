"""Framing for instruments that speak in lines: one question at a time, any chunking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from platectl.domain.errors import MalformedReplyError, ReplyTimeoutError
from platectl.hal.stream import ByteStream


class LineLink:
    """Sends and receives lines over a byte stream.

    Unasked lines are never thrown away by the link: `read_line` returns every line in order, so
    a driver decides what is an answer. Stale input is dropped only by `drain`, on purpose.
    """

    def __init__(
        self, stream: ByteStream, *, tx_end: bytes, rx_end: bytes, longest: int = 65536
    ) -> None:
        self._stream = stream
        self._tx_end = tx_end
        self._rx_end = rx_end
        self._longest = longest
        self._buffer = bytearray()

    async def send_line(self, line: bytes) -> None:
        """Send one line with its end.

        Raises:
            DisconnectedError: The other side is gone; how much arrived is unknown.
        """
        await self._stream.send(line + self._tx_end)

    async def read_line(self, *, timeout_s: float) -> bytes:
        """Return the next line without its end; all its pieces must come within `timeout_s`.

        With 0 s it takes what has come already.

        Raises:
            ReplyTimeoutError: No whole line in time; a begun line stays in the buffer.
            MalformedReplyError: More bytes than any line may have, without an end.
            DisconnectedError: The other side closed.
        """
        deadline_s, looked = asyncio.get_running_loop().time() + timeout_s, False
        while (cut := self._buffer.find(self._rx_end)) < 0:
            if len(self._buffer) > self._longest:
                self._buffer.clear()
                raise MalformedReplyError(f"more than {self._longest} bytes without a line end")
            left_s = deadline_s - asyncio.get_running_loop().time()
            if left_s <= 0 and looked:
                raise ReplyTimeoutError(f"no whole line within {timeout_s:g} s{self._rest()}")
            looked = True
            try:
                self._buffer += await self._stream.receive(timeout_s=max(left_s, 0.0))
            except ReplyTimeoutError:
                raise ReplyTimeoutError(
                    f"no whole line within {timeout_s:g} s{self._rest()}"
                ) from None
        line = bytes(self._buffer[:cut])
        del self._buffer[: cut + len(self._rx_end)]
        return line

    async def ask(self, line: bytes, *, timeout_s: float) -> bytes:
        """Send one line and return the next line that comes."""
        await self.send_line(line)
        return await self.read_line(timeout_s=timeout_s)

    async def drain(
        self, *, quiet_s: float, on_line: Callable[[bytes], None] | None = None
    ) -> None:
        """Read until the line has been quiet for `quiet_s`; what comes is dropped."""
        while True:
            try:
                line = await self.read_line(timeout_s=quiet_s)
            except ReplyTimeoutError:
                self._buffer.clear()
                return
            if on_line is not None:
                on_line(line)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def _rest(self) -> str:
        return f"; only {bytes(self._buffer[:60])!r} came" if self._buffer else ""
