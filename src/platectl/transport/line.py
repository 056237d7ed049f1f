"""Framing for instruments that speak in lines: one question at a time, any chunking."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

from platectl.domain.errors import (
    DisconnectedError,
    LinkError,
    MalformedReplyError,
    OutcomeUnknownError,
    ReplyTimeoutError,
)
from platectl.hal.stream import ByteStream, Connector

T = TypeVar("T")


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

    async def read_line_by(self, due_s: float) -> bytes:
        """Return the next line that comes before `due_s` on the clock of the event loop.

        Raises:
            ReplyTimeoutError: The time is over, whatever has been said meanwhile; also as `read_line`.
        """
        left_s = due_s - asyncio.get_running_loop().time()
        if left_s <= 0:  # it may talk without end and never say what is waited for
            raise ReplyTimeoutError("it talks, but not of what it was asked")
        return await self.read_line(timeout_s=left_s)

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


class InstrumentLine:
    """The line to one instrument: opened when it is needed, opened anew when it is gone.

    `out_of_step` says that an answer to an earlier question may still come. A driver passes over it
    before it asks again, in the way of its instrument (see `turn`); a new line is in step.
    """

    def __init__(
        self,
        open_stream: Connector,
        instrument: str,
        *,
        tx_end: bytes,
        rx_end: bytes,
        longest: int = 65536,
    ) -> None:
        self._open_stream = open_stream
        self._instrument = instrument
        self._ends = (tx_end, rx_end, longest)
        self._link: LineLink | None = None
        self._one_at_a_time = asyncio.Lock()
        self.out_of_step = False

    @property
    def link(self) -> LineLink:
        """The conversation of the moment.

        Raises:
            DisconnectedError: There is none.
        """
        if self._link is None:
            raise DisconnectedError(f"{self._instrument} is not connected")
        return self._link

    async def open(self) -> LineLink:
        """Open it if it is not open.

        Raises:
            DisconnectedError: The other side cannot be reached.
        """
        if self._link is None:
            tx_end, rx_end, longest = self._ends
            stream = await self._open_stream()
            self._link = LineLink(stream, tx_end=tx_end, rx_end=rx_end, longest=longest)
            self.out_of_step = False
        return self._link

    async def look(
        self, again: Callable[[], Awaitable[T]], anew: Callable[[], Awaitable[T]] | None = None
    ) -> T:
        """Return what `again` finds out; on a new line, if there is none or it is gone, what `anew` does.

        Without `anew` a new line is asked as the old one is.
        """
        if self._link is not None:
            try:
                return await again()
            except DisconnectedError:
                await self.aclose()
        await self.open()
        return await (anew or again)()

    @contextlib.contextmanager
    def exchange(self) -> Iterator[None]:
        """A question and its answer; out of step when it breaks."""
        try:
            yield
        except OutcomeUnknownError:
            raise  # it was answered
        except LinkError:
            self.out_of_step = True
            raise

    @contextlib.asynccontextmanager
    async def turn(
        self, fall_in_step: Callable[[LineLink], Awaitable[None]]
    ) -> AsyncIterator[LineLink]:
        """One exchange at a time; when out of step, `fall_in_step` passes over what still comes.

        Raises:
            DisconnectedError: It is not open.
        """
        async with self._one_at_a_time:
            link = self.link
            with self.exchange():
                while self.out_of_step:
                    self.out_of_step = False
                    try:
                        await fall_in_step(link)
                    except BaseException:  # also when the caller is cancelled
                        self.out_of_step = True
                        raise
                yield link

    async def shout(self, line: bytes) -> None:
        """Send without waiting for a turn or an answer, if it is open; never raises LinkError."""
        if self._link is not None:
            with contextlib.suppress(LinkError):
                await self._link.send_line(line)

    async def aclose(self) -> None:
        """Close it; harmless when repeated."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()
