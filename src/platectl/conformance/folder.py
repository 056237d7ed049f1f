"""The folder of an instrument that answers by files, with the faults that such a folder has.

A fault of a line has its counterpart: a file that never comes (`drop`, `lose_reply`), comes later (`delay`,
`answer_late`), twice under two names (`duplicate`), with other bits (`garble`), with its first half only
(`truncate`), stops growing (`stall`), or lies in a folder that cannot be read for a while (`disconnect`).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import DropFolder
from platectl.simkit.line_faults import LineFault, LineFaultKind

if TYPE_CHECKING:
    from platectl.conformance.stage import Stage

NEVER: Final = ("drop", "lose_reply")
LATER: Final = ("delay", "answer_late")
COPY: Final = "Copy of "
FLIPPED_SHARE: Final = 0.02
UNREADABLE_S: Final = 600.0
MOST_LOOKS: Final = 7


def folder_places(kind: LineFaultKind, late_s: float) -> dict[str, LineFault]:
    """A fault of this kind strikes every file that comes."""
    return {"file": LineFault(kind, delay_s=late_s)}


class FaultyFolder:
    """A folder as a driver sees it; satisfies `DropFolder`.

    With `piece` of the stage a file is seen growing, in at most a few looks.
    """

    def __init__(self, inner: DropFolder, stage: Stage) -> None:
        self._inner = inner
        self._stage = stage
        self._first_s: dict[str, float] = {}
        self._at_first: dict[str, bytes] = {}
        self._looks: dict[str, int] = {}

    @property
    def _fault(self) -> LineFault | None:
        faults = self._stage.faults.faults
        return faults[0] if faults else None

    async def names(self) -> list[str]:
        """The names that can be seen now.

        Raises:
            DisconnectedError: The folder cannot be read, by a fault or in truth.
        """
        now_s, fault = self._stage.clock.monotonic_s(), self._fault
        seen = []
        for name in await self._inner.names():
            since_s = now_s - self._first_s.setdefault(name, now_s)
            if fault is not None and fault.kind == "disconnect" and since_s < UNREADABLE_S:
                raise DisconnectedError("the share is gone for a while")
            hidden = fault is not None and (
                fault.kind in NEVER or (fault.kind in LATER and since_s < fault.delay_s)
            )
            seen += [] if hidden else [name]
        if fault is not None and fault.kind == "duplicate":
            seen += [f"{COPY}{name}" for name in seen]
        return seen

    async def read(self, name: str, *, longest: int = -1) -> bytes:
        """What can be seen of a file, or of its head."""
        seen = await self._seen(name)
        return seen if longest < 0 else seen[:longest]

    async def _seen(self, name: str) -> bytes:
        data = await self._inner.read(name.removeprefix(COPY))
        self._stage.dropped[name] = data
        fault = self._fault
        if fault is not None and fault.kind == "truncate":
            data = data[: len(data) // 2]
        elif fault is not None and fault.kind == "stall":
            data = self._at_first.setdefault(name, data[: len(data) // 3])
        elif fault is not None and fault.kind == "garble":
            data = _flipped(data, fault.flip)
        if self._stage.piece is not None:
            looks = self._looks[name] = self._looks.get(name, 0) + 1
            data = data[: len(data) * looks // min(self._stage.piece + 1, MOST_LOOKS)]
        return data if self._stage.alter is None else self._stage.alter(0, data)


def _flipped(data: bytes, flip: int) -> bytes:
    """The same bytes are flipped at each look, however far the file has grown."""
    chance = random.Random(0)
    return bytes(byte ^ flip if chance.random() < FLIPPED_SHARE else byte for byte in data)
