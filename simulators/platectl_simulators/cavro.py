"""A simulated Cavro XCalibur with a three-port valve, in both protocols.

Source: shared/instruments-handlers.md 6.7 and the manuals that it cites. Assumed where no source speaks: a
block with a wrong check sum is not answered; `T` leaves a true position; the valve turns in 0.25 s and an
initialisation takes 4 s; `&` answers as a pump of the sources might.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import re
from collections.abc import Callable
from functools import partial
from typing import Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

FULL: Final = 3000
SPEEDS: Final = range(5, 6001)
VALVE_S: Final = 0.25
INITIALISE_S: Final = 4.0
INIT_ERROR, BAD_COMMAND, BAD_OPERAND, NOT_READY, OVERLOAD, VALVE_STUCK, NOT_ALLOWED, OVERFLOW = (
    1, 2, 3, 7, 9, 10, 11, 15,
)  # fmt: skip
LASTING: Final = frozenset({INIT_ERROR, NOT_READY, OVERLOAD, VALVE_STUCK})
FIRMWARE: Final = "30029-E"
STROKE: Final = re.compile(r"([IOEB])?(?:V(\d+))?(?:A(\d+))?R")
START: Final = re.compile(r"[ZYW](\d?)R")


class CavroSimulator:
    """Draws from its bottle through the input, gives through any other port.

    What it gives goes into the reservoir at its position, or to waste if it has none. Settings: `syringe_ul` (1000), `switch` (0). A stroke is
    computed from the clock and takes effect when the pump is next spoken to.

    Faults: `init_error` (at each initialisation), `plunger_overload` (at each stroke: it stops half-way and
    must be initialised), `valve_overload` (at each stroke), and `silent`, `reply_lost`, `late_reply` (`delay_s`),
    `garbled_reply`. An empty bottle is noted in `world.notices[f"{name}.mishap"]`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._step_ul = float(setup.settings.get("syringe_ul", 1000.0)) / FULL
        self._address = 0x31 + int(setup.settings.get("switch", 0))
        self._oem = False
        self._last = 0
        self._valve = "I"
        self._speed = 1400
        self._error = NOT_READY
        self._at = 0
        self._goal = 0
        self._begun_s = self._ends_s = 0.0
        self._busy = self._initialises = False
        self._fails = 0

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation."""
        buffer = bytearray()
        with contextlib.suppress(DisconnectedError):
            while True:
                buffer += await stream.receive()
                while (block := self._take(buffer)) is not None:
                    if await is_silent(self._setup.faults):
                        continue
                    if reply := self._hear(block):
                        await send_reply(stream, reply, self._setup.faults)

    def draw(self, volume_ul: float) -> None:
        """Take a volume out of the bottle; what a reservoir will get is taken when it gets it."""
        if self._setup.position is None:
            self._try(partial(self._setup.world.bulk_prime, self._setup.name, volume_ul))

    def push(self, volume_ul: float) -> float:
        """Give a volume through a port."""
        position = self._setup.position
        if position is not None and self._valve == "O":
            given = {1: volume_ul}
            self._try(partial(self._setup.world.bulk_dispense, self._setup.name, position, given))
        return volume_ul

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (WorldError, KeyError) as error:
            note = {"reason": "empty", "message": str(error)}
            self._setup.world.notices.setdefault(f"{self._setup.name}.mishap", []).append(note)

    # The two protocols ----------------------------------------------------------------------
    def _take(self, buffer: bytearray) -> bytes | None:
        """The next whole block: OEM with its check sum, or a line of the terminal."""
        oem, line = buffer.find(0x02), buffer.find(b"/")
        if oem >= 0 and (line < 0 or oem < line):
            end = buffer.find(0x03, oem) + 1
            if not end or end >= len(buffer):
                return None
            block = bytes(buffer[oem : end + 1])
            del buffer[: end + 1]
            return block
        end = buffer.find(b"\r")
        if end < 0:
            return None
        block = bytes(buffer[max(line, 0) : end])
        del buffer[: end + 1]
        return block

    def _hear(self, block: bytes) -> bytes:
        if block[:1] == b"\x02":
            return self._hear_oem(block)
        if self._oem or block[:2] != b"/" + bytes((self._address,)):
            return b""
        error, ready, data = self._obey(block[2:].decode("ascii", "replace"))
        status = 0x40 | error | (0x20 if ready else 0)
        return b"/0" + bytes((status,)) + data.encode() + b"\x03\r\n"

    def _hear_oem(self, block: bytes) -> bytes:
        if functools.reduce(operator.xor, block) or block[1] != self._address:
            return b""
        self._oem = True
        number, repeated = block[2] & 0x07, bool(block[2] & 0x08)
        command = block[3:-2].decode("ascii", "replace")
        if repeated and number == self._last and command[:1] not in {"Q", "?", "&"}:
            command = ""
        self._last = number
        error, ready, data = self._obey(command)
        status = 0x40 | error | (0x20 if ready else 0)
        body = b"\x020" + bytes((status,)) + data.encode() + b"\x03"
        return body + bytes((functools.reduce(operator.xor, body),))

    # The pump -------------------------------------------------------------------------------
    def _now_s(self) -> float:
        return self._setup.clock.monotonic_s()

    def _obey(self, command: str) -> tuple[int, bool, str]:
        """Error, ready and data of the answer."""
        self._go_on()
        if command == "Q":
            error = self._error
            if error in {OVERLOAD, VALVE_STUCK}:
                self._error = INIT_ERROR
            return error, not self._busy, ""
        if command in {"?", "&", ""}:
            data = {"?": str(self._stands()), "&": FIRMWARE, "": ""}[command]
            return self._error, not self._busy, data
        if command in {"T", "TR"}:
            self._halt()
            return self._error, not self._busy, ""
        if self._busy:
            return OVERFLOW, False, ""
        self._error = self._error if self._error in LASTING else 0
        self._error = self._move(command)
        told_later = self._error in {BAD_OPERAND, NOT_ALLOWED}
        return 0 if told_later else self._error, not self._busy, ""

    def _move(self, command: str) -> int:
        if found := START.fullmatch(command):
            if found[1] not in {"", "0", "1", "2"}:
                return BAD_OPERAND
            failed = self._setup.faults.strike("init_error") is not None
            self._begin(0, INITIALISE_S, fails=INIT_ERROR if failed else 0)
            return 0
        found = STROKE.fullmatch(command)
        if found is None:
            return BAD_COMMAND
        if self._error in LASTING:
            return self._error
        return self._turn_and_move(*found.groups())

    def _turn_and_move(self, valve: str | None, speed: str | None, goal: str | None) -> int:
        if (speed and int(speed) not in SPEEDS) or (goal and int(goal) > FULL):
            return BAD_OPERAND
        self._valve, self._speed = valve or self._valve, int(speed or self._speed)
        if goal and self._valve == "B":
            return NOT_ALLOWED
        if goal:
            self._stroke(int(goal))
        return 0

    def _stroke(self, goal: int) -> None:
        """Move as far as the faults let it."""
        steps = abs(goal - self._at)
        if self._setup.faults.strike("valve_overload"):
            self._begin(self._at, VALVE_S, fails=VALVE_STUCK)
        elif self._setup.faults.strike("plunger_overload"):
            half = (goal + self._at) // 2
            self._begin(half, VALVE_S + steps / 2 / self._speed, fails=OVERLOAD)
        else:
            self._begin(goal, VALVE_S + steps / self._speed, fails=0)

    def _begin(self, goal: int, duration_s: float, *, fails: int) -> None:
        self._initialises = duration_s == INITIALISE_S and goal == 0
        self._goal, self._busy, self._fails = goal, True, fails
        self._begun_s, self._ends_s = self._now_s(), self._now_s() + duration_s

    def _stands(self) -> int:
        """Where the plunger is now."""
        if not self._busy:
            return self._at
        whole_s = self._ends_s - self._begun_s - VALVE_S
        share = (self._now_s() - self._begun_s - VALVE_S) / whole_s if whole_s > 0 else 1.0
        return self._at + round((self._goal - self._at) * min(max(share, 0.0), 1.0))

    def _go_on(self) -> None:
        """Bring what moves to the present."""
        if self._busy and self._now_s() >= self._ends_s:
            self._arrive(self._goal)
            self._error = self._fails

    def _halt(self) -> None:
        if self._busy:
            initialising = self._initialises
            self._arrive(self._stands())
            self._error = NOT_READY if initialising else self._error

    def _arrive(self, where: int) -> None:
        volume_ul = round(abs(where - self._at) * self._step_ul, 3)
        drawn, self._at, self._busy = where > self._at, where, False
        if self._initialises or not volume_ul:
            return
        if drawn and self._valve == "I":
            self.draw(volume_ul)
        else:
            self.push(volume_ul)
