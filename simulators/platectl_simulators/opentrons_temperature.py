"""A simulated Opentrons Temperature Module: the block under one position of the world.

Source: the maker's firmware (Opentrons/opentrons-modules, temp-deck). Framing: a line ends with CR LF; what it tells
comes on a line of its own, then `ok` twice. Blanks are ignored, unknown text is passed over and acknowledged, and a
target outside of the range is taken as its nearest end, with a warning. Assumed: the range is -9 to 99 C, and the block
follows its target with a time constant of 120 s.
"""

from __future__ import annotations

import re
from typing import Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.chamber import Nest
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply

FOLLOW_S: Final = 120.0
COLDEST_C, HOTTEST_C = -9.0, 99.0
SERIAL_NUMBER, MODEL, FIRMWARE = "TDV20P20210119A01", "temp_deck_v20", "v2.1.0"
OVERHEATED: Final = "Temperature module overheated! Deactivating."
_COMMAND: Final = re.compile(r"M105|M104|M115|M18|dfu")
_TARGET: Final = re.compile(r"S(-?\d+(?:\.\d*)?)")


class OpentronsTemperatureSimulator:
    """Answers M18, M104, M105 and M115; state survives reconnects.

    The world learns the temperature of the block whenever the module is spoken to. Faults: `overheated` (counted
    by M105: it switches off and says so), `deaf` (counted by M104, which is acknowledged and not taken), and
    `silent`, `reply_lost`, `late_reply` (`delay_s`), `garbled_reply`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._position = setup.position or setup.name
        self._nest = Nest(setup, tau_s=FOLLOW_S)

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation."""

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            told = self._told(line.decode("ascii", "replace").replace(" ", ""))
            answer = "".join(f"{text}\r\n" for text in (*told, "ok", "ok"))
            await send_reply(stream, answer.encode(), self._setup.faults)

        try:
            await serve_lines(stream, handle, end=b"\r\n")
        except DisconnectedError:
            return

    def _told(self, line: str) -> list[str]:
        command = _COMMAND.search(line)
        told: list[str] = []
        match command[0] if command else "":
            case "M104":
                told = self._aim(line)
            case "M18":
                self._nest.heat(None)
            case "M115":
                told = [f"serial:{SERIAL_NUMBER} model:{MODEL} version:{FIRMWARE}"]
            case "M105":
                if self._setup.faults.strike("overheated"):
                    self._nest.heat(None)
                    told = [OVERHEATED]
                target = "none" if self._nest.target_c is None else f"{self._nest.target_c:.3f}"
                told = [*told, f"T:{target} C:{self._nest.actual_c():.3f}"]
        self._nest.tell_world()
        return told

    def _aim(self, line: str) -> list[str]:
        target = _TARGET.search(line)
        if target is None or self._setup.faults.strike("deaf"):
            return []
        asked_c = float(target[1])
        self._nest.heat(min(max(asked_c, COLDEST_C), HOTTEST_C))
        if asked_c < COLDEST_C:
            return ["Target temperature too low, setting to TEMPERATURE_MIN degrees"]
        if asked_c > HOTTEST_C:
            return ["Target temperature too high, setting to TEMPERATURE_MAX degrees"]
        return []
