"""One question at a time over a connection that is made anew after anything went wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from platectl.domain.errors import DisconnectedError, LinkError
from platectl.hal.stream import Connector
from platectl.transport.codec import text
from platectl.transport.line import LineLink

T = TypeVar("T")


class Conversation:
    """Asks and hears; an answer never stands for another question than its own.

    Answers do not say what they answer. After a lost or damaged one, and after `shout`, the
    connection is closed and the next question opens another.
    """

    def __init__(self, open_stream: Connector) -> None:
        self._open_stream = open_stream
        self._link: LineLink | None = None
        self._one_at_a_time = asyncio.Lock()
        self._begun = False
        self._stale = False

    async def begin(self) -> None:
        """Open a connection.

        Raises:
            DisconnectedError: The other side cannot be reached.
        """
        await self.aclose()
        self._begun = True
        await self._call()

    async def ask(self, command: str, parse: Callable[[str], T], *, timeout_s: float) -> T:
        """Send a command and return its answer, parsed.

        Raises:
            InstrumentFaultError: `parse` says so; the conversation is in order.
            LinkError: No usable answer, or there is no connection.
        """
        if not self._begun:
            raise DisconnectedError("FLIPR is not connected")
        async with self._one_at_a_time:
            link = self._link
            if link is None or self._stale:
                link = await self._call()
            try:
                answer = await link.ask(command.encode("ascii"), timeout_s=timeout_s)
                return parse("\t".join(text(field) for field in answer.split(b"\t")))
            except LinkError:
                self._stale = True
                raise

    async def shout(self, command: str) -> None:
        """Send a command without waiting for a turn or an answer; never raises LinkError."""
        if not self._begun:
            return
        with contextlib.suppress(LinkError):
            link = self._link
            if link is None or self._stale:
                link = await self._call()
            self._stale = True
            await link.send_line(command.encode("ascii"))

    async def aclose(self) -> None:
        """Close; harmless when repeated."""
        self._begun = False
        await self._hang_up()

    async def _call(self) -> LineLink:
        await self._hang_up()
        self._link = LineLink(await self._open_stream(), tx_end=b"\r", rx_end=b"\r")
        self._stale = False
        return self._link

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()
