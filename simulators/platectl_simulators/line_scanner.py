"""A simulated barcode reader in front of a position of the world.

Source: shared/instruments-handlers.md 6.5 and the manuals that the driver names. Assumed where no source
speaks: a code is read within 0.3 s; a second trigger while it reads is not executable (SR: 20) or ignored; who
it is is answered at once, also while it reads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply

SCAN_S: Final = 0.3
GIVE_UP_S: Final = 1.0
NO_READ: Final = "ERROR"
OTHER_CODE: Final = "X9999999"


@dataclass(frozen=True, slots=True)
class Family:
    """How one family of readers talks."""

    end: bytes
    trigger: str
    stop: str
    who: str
    told: str
    responds: bool = False
    gives_up: bool = False


FAMILIES: Final = {
    "keyence_bl": Family(b"\r", "LON", "LOFF", "RMOTOR", "MOTORON"),
    "keyence_sr": Family(
        b"\r", "LON", "LOFF", "KEYENCE", "OK,KEYENCE,SR-750,1.12", responds=True
    ),
    "dataman": Family(
        b"\r\n", "||>TRIGGER ON", "||>TRIGGER OFF", "||>GET DEVICE.SERIAL-NUMBER", "1A1833XN012345",
        gives_up=True,
    ),
}  # fmt: skip
Say = Callable[[str], Awaitable[None]]


class LineScannerSimulator:
    """Reads the barcode of the plate at its position; the setting `dialect` says how it talks.

    Faults: `no_code` (counted by each trigger: nothing is read), `misread` (another code), and `silent`,
    `reply_lost`, `late_reply` (`delay_s`), `garbled_reply`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._family = FAMILIES[str(setup.settings.get("dialect", "keyence_sr"))]
        self._reading: asyncio.Task[None] | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation; what is read when it ends is still read."""

        async def say(line: str) -> None:
            with contextlib.suppress(DisconnectedError):
                await send_reply(stream, line.encode() + self._family.end, self._setup.faults)

        async def handle(line: bytes) -> None:
            if not await is_silent(self._setup.faults):
                await self._obey(line.decode("ascii", "replace").upper(), say)

        await serve_lines(stream, handle, end=self._family.end)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    def scan(self) -> str:
        """The code that is seen now; empty for none."""
        plate = self._setup.world.plate_at(self._setup.position or self._setup.name)
        if plate is None or self._setup.faults.strike("no_code"):
            return ""
        code = self._setup.world.barcode(plate)
        return OTHER_CODE if self._setup.faults.strike("misread") else code

    async def _obey(self, command: str, say: Say) -> None:
        family = self._family
        if command == family.who:
            await say(family.told)
        elif command == family.trigger:
            if self._reading is not None:
                await self._respond(f"ER,{command},20", say)
                return
            self._reading = asyncio.create_task(self._read(say))
            await self._respond(f"OK,{command}", say)
        elif command == family.stop:
            reading, self._reading = self._reading, None
            await self._respond(f"OK,{command}" if reading else f"ER,{command},20", say)
            if reading is not None:
                reading.cancel()
                await self._respond(NO_READ, say)
        else:
            await self._respond(f"ER,{command},00", say)

    async def _respond(self, line: str, say: Say) -> None:
        """Say what only some families say."""
        if self._family.responds:
            await say(line)

    async def _read(self, say: Say) -> None:
        await asyncio.sleep(SCAN_S)
        code = self.scan()
        if not code and not self._family.gives_up:
            return  # it goes on reading until it is told to stop
        if not code:
            await asyncio.sleep(GIVE_UP_S)
        self._reading = None
        await say(code or NO_READ)
