"""A transcript as a stream: the driver must say exactly what was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.domain.transcript import Turn, parse_transcript


class ReplayError(AssertionError):
    """The driver said something else than the recording, or left part of it unsaid."""


class ReplayStream:
    """Plays the instrument's side of a recording; satisfies `ByteStream`.

    What the driver sends is compared byte by byte; what was recorded as an answer is delivered
    only after everything before it has been said. `aclose` fails while turns are left.
    """

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._turns = list(turns)
        self._sent = b""

    @classmethod
    def from_file(cls, path: Path) -> ReplayStream:
        """Read a transcript file."""
        return cls(parse_transcript(path.read_text(encoding="ascii")))

    async def send(self, data: bytes) -> None:
        """Compare with the recording."""
        self._sent += data
        while self._sent:
            if not self._turns or self._turns[0].side != ">":
                raise ReplayError(f"said {self._sent!r}, but the recording has nothing to say now")
            expected = self._turns[0].data
            if not expected.startswith(self._sent[: len(expected)]):
                raise ReplayError(f"said {self._sent!r}, the recording says {expected!r}")
            if len(self._sent) < len(expected):
                return
            self._sent = self._sent[len(expected) :]
            self._turns.pop(0)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Deliver the next recorded answer."""
        if self._sent or (self._turns and self._turns[0].side == ">"):
            raise ReplyTimeoutError(f"the recording is silent here (waited {timeout_s} s)")
        if not self._turns:
            raise DisconnectedError("the recording is over")
        return self._turns.pop(0).data

    async def aclose(self) -> None:
        """Fail if part of the recording was never said."""
        left = [turn for turn in self._turns if turn.side == ">"]
        self._turns.clear()
        if left:
            raise ReplayError(f"never said: {left[0].data!r} and {len(left) - 1} more")
