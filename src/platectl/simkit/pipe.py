"""Two connected byte streams in memory: what one sends, the other receives."""

# ruff: noqa: SLF001  # the two ends are one object in two halves

from __future__ import annotations

import asyncio

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError


class PipeEnd:
    """One end of an in-memory conversation; satisfies `ByteStream`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[bool] | None = None
        self._closed = False
        self._peer: PipeEnd = self

    async def send(self, data: bytes) -> None:
        """Hand the bytes to the other end."""
        if self._closed or self._peer._closed:
            raise DisconnectedError("the other side closed the conversation")
        self._peer._buffer += data
        self._peer._wake()

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Return all bytes that have arrived, waiting for the first."""
        if not self._buffer:
            await self._wait(timeout_s)
        if not self._buffer:
            raise DisconnectedError("the other side closed the conversation")
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def _wait(self, timeout_s: float | None) -> None:
        if self._closed or self._peer._closed:
            return
        if timeout_s is not None and timeout_s <= 0:
            raise ReplyTimeoutError("nothing has come")
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = None if timeout_s is None else loop.call_later(timeout_s, _expire, waiter)
        try:
            if not await waiter:
                raise ReplyTimeoutError(f"nothing came within {timeout_s:g} s")
        finally:
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    async def aclose(self) -> None:
        """Close; a waiting other end wakes up and sees the end."""
        self._closed = True
        self._wake()
        self._peer._wake()


def _expire(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)


def pipe() -> tuple[PipeEnd, PipeEnd]:
    """Return two connected ends: the driver's and the simulator's."""
    driver, simulator = PipeEnd(), PipeEnd()
    driver._peer, simulator._peer = simulator, driver
    return driver, simulator
