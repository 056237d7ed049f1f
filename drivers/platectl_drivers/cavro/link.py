"""One question and its answer, in either protocol of a Cavro pump."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, Literal

from platectl.domain.errors import LinkError, MalformedReplyError, ReplyTimeoutError
from platectl.hal.stream import ByteStream
from platectl_drivers.cavro.frame import (
    LAST_SEQUENCE,
    Answer,
    dt_block,
    oem_block,
    parse_dt,
    parse_oem,
    take_dt,
    take_oem,
)

#: the maker repeats after 0.1 s; a computer with a USB adapter is slower than its line
ANSWER_S: Final = 0.5
ATTEMPTS: Final = 4
QUIET_S: Final = 0.02
LONGEST: Final = 4096


class PumpLink:
    """Asks one pump on a stream.

    In the OEM protocol a question without a good answer is repeated under its number, which the
    pump carries out once. Answers have no number: after repeats the line is heard until it is quiet.
    """

    def __init__(self, stream: ByteStream, framing: Literal["oem", "dt"], switch: int) -> None:
        self._stream = stream
        self._oem = framing == "oem"
        self._switch = switch
        self._sequence = 0
        self._buffer = bytearray()
        self._out_of_step = False

    async def ask(self, data: str) -> Answer:
        """Send a command and return the answer.

        Raises:
            ReplyTimeoutError: No whole answer in time.
            MalformedReplyError: No answer of this pump.
            DisconnectedError: The other side is gone.
        """
        await self._drain(ANSWER_S if self._out_of_step else QUIET_S)
        self._out_of_step = True
        return await (self._ask_oem(data) if self._oem else self._ask_dt(data))

    async def send(self, data: str) -> None:
        """Send a command and do not wait; its answer is passed over later."""
        self._out_of_step = True
        await self._stream.send(self._next(data) if self._oem else dt_block(self._switch, data))

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    async def _ask_dt(self, data: str) -> Answer:
        await self._stream.send(dt_block(self._switch, data))
        answer = await self._answer()
        self._out_of_step = False
        return answer

    async def _ask_oem(self, data: str) -> Answer:
        block = self._next(data)
        sequence = self._sequence
        failed: LinkError = ReplyTimeoutError("the pump does not answer")
        for attempt in range(ATTEMPTS):
            if self._sequence != sequence:
                break  # an abort was said meanwhile; a repeat would be carried out after it
            if attempt:
                block = oem_block(self._switch, sequence, data, repeat=True)
            await self._stream.send(block)
            try:
                answer = await self._answer()
            except (ReplyTimeoutError, MalformedReplyError) as error:
                failed = error
                continue
            self._out_of_step = attempt > 0
            return answer
        raise failed

    def _next(self, data: str) -> bytes:
        self._sequence = self._sequence % LAST_SEQUENCE + 1
        return oem_block(self._switch, self._sequence, data)

    async def _answer(self) -> Answer:
        take, parse = (take_oem, parse_oem) if self._oem else (take_dt, parse_dt)
        due_s = asyncio.get_running_loop().time() + ANSWER_S
        while (block := take(self._buffer)) is None:
            left_s = due_s - asyncio.get_running_loop().time()
            if left_s <= 0 or len(self._buffer) > LONGEST:
                heard = bytes(self._buffer[:40])
                self._buffer.clear()
                raise ReplyTimeoutError(f"no whole answer within {ANSWER_S:g} s; {heard!r} came")
            with contextlib.suppress(ReplyTimeoutError):
                self._buffer += await self._stream.receive(timeout_s=left_s)
        return parse(block)

    async def _drain(self, quiet_s: float) -> None:
        """Pass over what still comes from before."""
        with contextlib.suppress(ReplyTimeoutError):
            while True:
                await self._stream.receive(timeout_s=quiet_s)
        self._buffer.clear()
