"""Exchanges of frames: one question at a time, any chunking, nothing stale taken for an answer."""

from __future__ import annotations

import asyncio
from typing import Final

from platectl.domain.clock import Clock
from platectl.domain.errors import (
    DisconnectedError,
    LinkError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.hal.stream import ByteStream
from platectl_drivers.clariostar.frame import HEAD, decode, encode, size_of

#: unanswered requests were captured for up to two seconds
REPLY_S: Final = 2.5
#: a begun frame goes on without a pause; the maker's own traffic takes 0.2 ms for a byte
PAUSE_S, BYTE_S = 0.3, 0.0002
QUIET_S, BABBLE_S = 0.3, 10.0
TRIES: Final = 4


class FrameLink:
    """Asks and answers over one stream.

    Answers do not say what they answer. After a broken exchange, and after `leave_step`, the link
    waits until the line is quiet before it asks again. `at_s` is the middle of the last exchange on
    the clock, which is when the answer was true; None when it may answer an earlier question.
    """

    def __init__(self, stream: ByteStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._buffer = bytearray()
        self._out_of_step = True
        self.at_s: float | None = None

    def leave_step(self) -> None:
        """Something is on its way that answers no question."""
        self._out_of_step = True

    async def tell(self, payload: bytes) -> None:
        """Send a command whose answer nobody waits for.

        Raises:
            DisconnectedError: The other side is gone.
        """
        self.leave_step()
        await self._stream.send(encode(payload))

    async def once(self, payload: bytes, *types: int) -> bytes:
        """Ask once and return the payload of the answer, which is of one of `types`.

        Raises:
            ReplyTimeoutError: No answer, or one that stopped before its end.
            MalformedReplyError: A damaged answer, or one of another type.
            DisconnectedError: The other side is gone.
        """
        try:
            fresh = not self._out_of_step
            await self._fall_in_step()
            asked_s = self._clock.monotonic_s()
            await self._stream.send(encode(payload))
            answer = decode(await self._frame())
            self.at_s = (asked_s + self._clock.monotonic_s()) / 2 if fresh else None
            if answer[0] not in types:
                raise MalformedReplyError(
                    f"an answer of type {answer[0]:02X} to {payload.hex(' ')}"
                )
        except LinkError:
            self.leave_step()
            raise
        return answer

    async def query(self, payload: bytes, *types: int) -> bytes:
        """Ask something that changes nothing; a lost or damaged answer is asked for again.

        Raises:
            LinkError: As for `once`, after several tries.
        """
        for _ in range(TRIES - 1):
            try:
                return await self.once(payload, *types)
            except DisconnectedError:
                raise
            except LinkError:
                continue
        return await self.once(payload, *types)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    async def _fall_in_step(self) -> None:
        """Drop what came too late; out of step, also what still comes."""
        self._buffer.clear()
        quiet_s = QUIET_S if self._out_of_step else 0.0
        self._out_of_step = False
        due_s = asyncio.get_running_loop().time() + BABBLE_S
        try:
            while asyncio.get_running_loop().time() < due_s:
                await self._stream.receive(timeout_s=quiet_s)
        except ReplyTimeoutError:
            return
        raise MalformedReplyError(f"the line is not quiet after {BABBLE_S:g} s")

    async def _frame(self) -> bytes:
        """The next frame, by its size; an `0D` inside does not end it."""
        await self._until(HEAD, REPLY_S)
        size = size_of(bytes(self._buffer))
        await self._until(size, PAUSE_S + size * BYTE_S)
        frame = bytes(self._buffer[:size])
        if len(self._buffer) > size:
            raise MalformedReplyError(f"{len(self._buffer) - size} bytes after the frame")
        self._buffer.clear()
        return frame

    async def _until(self, size: int, within_s: float) -> None:
        due_s = asyncio.get_running_loop().time() + within_s
        while len(self._buffer) < size:
            left_s = due_s - asyncio.get_running_loop().time()
            try:
                self._buffer += await self._stream.receive(timeout_s=max(left_s, 0.0))
            except ReplyTimeoutError:
                come = len(self._buffer)
                raise ReplyTimeoutError(
                    f"a frame stopped after {come} of {size} bytes" if come else
                    f"no answer within {within_s:g} s"
                ) from None  # fmt: skip
