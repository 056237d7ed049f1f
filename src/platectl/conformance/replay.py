"""A recording, played to a driver and to a simulator at its own times."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence

from platectl.domain.errors import DisconnectedError, LinkError, ReplyTimeoutError
from platectl.domain.transcript import Turn
from platectl.hal.stream import ByteStream
from platectl.simkit.pipe import pipe

Serve = Callable[[ByteStream], Awaitable[None]]


class TimedReplay:
    """The instrument's side of a recording, over all conversations that a driver opens.

    What the driver says must be what was recorded; an answer comes when it came, or at once if
    the recording has no times. Time is that of the running loop.
    """

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._turns = list(turns)
        self._begun = bytearray()
        self._changed = asyncio.Event()
        self._origin_s = asyncio.get_running_loop().time()
        self.wrong: list[str] = []

    def conversation(self) -> ByteStream:
        """A stream that carries on with the recording."""
        return _Conversation(self)

    def left(self) -> list[bytes]:
        """What the driver never said."""
        return [turn.data for turn in self._turns if turn.side == ">"]

    def hear(self, data: bytes) -> None:
        """Compare what is said with the recording."""
        self._begun += data
        while self._begun:
            wanted = self._turns[0] if self._turns else Turn(">", b"")
            said = bytes(self._begun[: len(wanted.data)])
            if wanted.side != ">" or not said or not wanted.data.startswith(said):
                self.wrong.append(f"said {bytes(self._begun)!r}, recorded is {wanted.data!r}")
                raise DisconnectedError(self.wrong[-1])
            if len(said) < len(wanted.data):
                return
            del self._begun[: len(said)]
            self._turns.pop(0)
            self._changed.set()

    async def answer(self, timeout_s: float | None) -> bytes:
        """Wait for the next answer."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._turns or self._turns[0].side == ">":
                    self._changed.clear()
                    await self._changed.wait()
                due_s = self._origin_s + (self._turns[0].at_s or 0.0)
                await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
        except TimeoutError:
            raise ReplyTimeoutError(f"nothing came within {timeout_s} s") from None
        return self._turns.pop(0).data


class _Conversation:
    def __init__(self, recording: TimedReplay) -> None:
        self._recording = recording
        self._closed = False

    async def send(self, data: bytes) -> None:
        if self._closed:
            raise DisconnectedError("closed")
        self._recording.hear(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        if self._closed:
            raise DisconnectedError("closed")
        return await self._recording.answer(timeout_s)

    async def aclose(self) -> None:
        self._closed = True


async def answered(
    serve: Serve, turns: Sequence[Turn], *, patience_s: float = 3600.0
) -> list[Turn]:
    """Say every `>` turn to a simulator at its time, and hear as many bytes as were recorded.

    Without times the next turn is said when the answer before it is whole. Returns the turns as
    this simulator has them; an answer that stays short after `patience_s` is returned short.
    """
    ours, theirs = pipe()
    serving = asyncio.create_task(_serve(serve, theirs))
    loop, heard, buffer = asyncio.get_running_loop(), list[Turn](), b""
    origin_s = loop.time()
    for turn in turns:
        if turn.side == ">":
            await asyncio.sleep(max(0.0, origin_s + (turn.at_s or 0.0) - loop.time()))
            await ours.send(turn.data)
            heard.append(turn)
            continue
        with contextlib.suppress(LinkError):
            while len(buffer) < len(turn.data):
                buffer += await ours.receive(timeout_s=patience_s)
        heard.append(Turn("<", buffer[: len(turn.data)], turn.at_s))
        buffer = buffer[len(turn.data) :]
    await ours.aclose()
    await serving
    return heard


async def _serve(serve: Serve, stream: ByteStream) -> None:
    await serve(stream)
