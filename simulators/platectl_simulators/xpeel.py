"""A simulated XPeel at a position of the world.

Source: shared/instruments-handlers.md 6.3, which cites the user manual 440140. Assumed where no source
speaks: `*stat` is answered at once, also while it moves; `*reset` ends a peel where it is; a peel takes 20 s
beside the time to adhere and pulls in its middle; a command in the middle of a motion is illegal (05) and
answers a ready line alone; a plate without a seal peels without an error.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

TRAY_S: Final = 10.0
CHECK_S: Final = 4.0
ADHERE_S: Final = {"1": 2.5, "2": 5.0, "3": 7.5, "4": 10.0}
PLACES: Final = "123456789"
GOOD: Final = "00"
STALLED, NOT_REMOVED, ILLEGAL, NO_PLATE, TORN, STOPPED = "01", "04", "05", "06", "07", "09"
FEW_LEFT, COVER = "20", "51"
#: by kind of fault, what a peel tells at its end
FAULTS: Final = {
    "conveyor_stalled": STALLED, "seal_not_removed": NOT_REMOVED, "out_of_tape": TORN,
    "stop_button": STOPPED, "cover_open": COVER,
}  # fmt: skip


class XPeelSimulator:
    """Peels the plate at its position.

    One motion at a time; it goes on when the conversation ends. Faults: `conveyor_stalled`,
    `seal_not_removed`, `out_of_tape`, `stop_button`, `cover_open` (counted by each peel, which then leaves the
    seal on), `low_tape` (a warning), and `silent`, `reply_lost`, `late_reply` (`delay_s`), `garbled_reply` of
    what answers a command; the ready line at the end of a motion counts as one more answer.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._codes = (GOOD, GOOD, GOOD)
        self._moving: asyncio.Task[None] | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation."""

        async def say(line: str) -> None:
            with contextlib.suppress(DisconnectedError):
                await send_reply(stream, f"{line}\r\n".encode(), self._setup.faults)

        async def move(command: str) -> None:
            await (self._peel(command) if command.startswith("*xpeel") else self._check())
            self._moving = None
            await say(self._ready())

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            command = line.decode("ascii", "replace")
            if self._moving is None and self._moves(command):
                self._moving = asyncio.create_task(move(command))
                await say("*ack")
                return
            for answer in self._at_once(command):
                await say(answer)

        await serve_lines(stream, handle, end=b"\r\n")
        if self._moving is not None:
            await asyncio.gather(self._moving, return_exceptions=True)

    def _at_once(self, command: str) -> list[str]:
        if command == "*stat":
            return [self._ready()]
        if command == "*tapeleft":
            return ["*tape:20,20", self._ready()]
        if command != "*reset":
            return [f"*ready:{ILLEGAL},{GOOD},{GOOD}"]
        if self._moving is not None:
            self._moving.cancel()
            self._moving = None
        self._codes = (GOOD, GOOD, GOOD)
        return ["*ack", self._ready()]

    def _moves(self, command: str) -> bool:
        name, _, how = command.partition(":")
        peels = name == "*xpeel" and len(how) == len("AB")
        return command == "*sealcheck" or (peels and how[0] in PLACES and how[1] in ADHERE_S)

    def _ready(self) -> str:
        return f"*ready:{','.join(self._codes)}"

    async def _peel(self, command: str) -> None:
        await asyncio.sleep(TRAY_S + ADHERE_S[command[-1]])
        code = next((FAULTS[kind] for kind in FAULTS if self._setup.faults.strike(kind)), GOOD)
        if code == GOOD:
            try:
                self._setup.world.peel(self._position)
            except WorldError:
                code = NO_PLATE
        warning = FEW_LEFT if self._setup.faults.strike("low_tape") else GOOD
        await asyncio.sleep(TRAY_S)
        self._codes = (code, warning, GOOD) if code != GOOD else (warning, GOOD, GOOD)

    async def _check(self) -> None:
        await asyncio.sleep(CHECK_S)
        try:
            code = NOT_REMOVED if self._setup.world.is_sealed(self._position) else GOOD
        except WorldError:
            code = NO_PLATE
        self._codes = (code, GOOD, GOOD)

    @property
    def _position(self) -> str:
        return self._setup.position or self._setup.name
