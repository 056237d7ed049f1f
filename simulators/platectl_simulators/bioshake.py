"""A simulated BioShake: clamp, motor and heater of one nest of the world.

Source: shared/instruments-handlers.md 5.1. Assumed where no source speaks: `shakeOn` with an open
clamp and a clamp moved too early answer `e` with nothing in the error list; a success empties it.
"""

from __future__ import annotations

import math
from typing import Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.chamber import Nest
from platectl.simkit.simulator import SimulatorSetup, serve_lines, unnoticed
from platectl.simkit.wire_faults import is_silent, send_reply

HEAT_S: Final = 60.0
RAMP_S: Final = 1.9
#: the clamp answers `e` for so long after shakeOff
REST_S: Final = 3.0
RANGE_RPM: Final = (200, 3000)
RANGE_TENTHS_C: Final = (40, 700)

SHORT: Final = {
    "v": "getVersion", "gel": "getErrorList", "son": "shakeOn", "soff": "shakeOff",
    "gsts": "getShakeTargetSpeed", "gsas": "getShakeActualSpeed", "gsst": "getShakeState",
    "selp": "setElmLockPos", "seup": "setElmUnlockPos", "ton": "tempOn", "toff": "tempOff",
    "gta": "getTempActual", "ssts": "setShakeTargetSpeed", "stt": "setTempTarget",
}  # fmt: skip


class BioShakeSimulator:
    """Answers the commands of a BioShake with clamp and heater that a driver needs.

    Long and short names; the rest of the table answers `u ->`. The nest follows its target with
    a time constant of 60 s. There is no background task: the world learns the temperature of the
    nest, and that the plate was mixed, whenever the instrument is spoken to, and keeps the last
    known temperature in between. Who heats must ask until the target is reached, as a lab does.

    Faults: `elm_stuck` (304 or 305 at a movement of the clamp), `speed_error` (102 at shakeOn),
    `not_home` (counted at shakeOff: it stops somewhere, state 1, error 105, until the next
    shakeOff), and `silent`, `reply_lost`, `late_reply` (`delay_s`), `garbled_reply`. A plate that
    is missing is not noticed; it is noted in `world.notices[f"{name}.mishap"]`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._position = setup.position or setup.name
        self._elm = "3"
        self._shaking = False
        self._mixed = True
        self._astray = False
        self._changed_s = -math.inf
        self._speed = RANGE_RPM[0]
        self._asked_c = 37.0
        self._nest = Nest(setup, tau_s=HEAT_S)
        self._errors: list[int] = []

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation."""

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            self._tell_world()
            reply = self._command(line.decode("ascii", "replace").strip())
            self._tell_world()
            await send_reply(stream, reply.encode() + b"\r\n", self._setup.faults)

        try:
            await serve_lines(stream, handle, end=b"\r")
        except DisconnectedError:
            return

    def _now_s(self) -> float:
        return self._setup.clock.monotonic_s()

    def _tell_world(self) -> None:
        self._nest.tell_world()
        if self._shaking and not self._mixed and self._state() == "0":
            self._mixed = True
            with unnoticed(self._setup):
                self._setup.world.shake(self._position)

    def _heat(self, target_c: float | None) -> str:
        self._nest.heat(target_c)
        return "ok"

    def _state(self) -> str:
        ramping = self._now_s() - self._changed_s < RAMP_S
        if self._shaking:
            return "5" if ramping else "0"
        if ramping:
            return "7"
        return "1" if self._astray else "3"

    def _command(self, command: str) -> str:
        letters = command.rstrip("0123456789")
        digits, name = command[len(letters) :], SHORT.get(letters, letters)
        setters = {"setShakeTargetSpeed": self._set_speed, "setTempTarget": self._set_target}
        actions = {
            "tempOn": lambda: self._heat(self._asked_c),
            "tempOff": lambda: self._heat(None),
            "setElmLockPos": lambda: self._clamp(lock=True),
            "setElmUnlockPos": lambda: self._clamp(lock=False),
            "shakeOn": self._start,
            "shakeOff": self._stop,
        }
        if digits and name in setters:
            return setters[name](int(digits))
        if digits or not name:
            return f"u -> {command}"
        return actions[name]() if name in actions else self._reading(name) or f"u -> {command}"

    def _reading(self, name: str) -> str | None:
        return {
            "getVersion": "1.10.00",
            "getDescription": "BIOSHAKE 3000-T elm",
            "getTempActual": f"{self._nest.actual_c():.1f}",
            "getTempTarget": f"{self._asked_c:.1f}",
            "getShakeState": self._state(),
            "getShakeTargetSpeed": str(self._speed),
            "getShakeActualSpeed": str(self._speed if self._state() == "0" else 0),
            "getShakeMinRpm": str(RANGE_RPM[0]),
            "getShakeMaxRpm": str(RANGE_RPM[1]),
            "getElmState": self._elm,
            "getErrorList": "{" + ";".join(map(str, self._errors)) + "}",
        }.get(name)

    def _fail(self, *errors: int) -> str:
        self._errors = list(errors)
        return "e"

    def _set_speed(self, rpm: int) -> str:
        if not RANGE_RPM[0] <= rpm <= RANGE_RPM[1]:
            return self._fail()
        self._speed = rpm
        return "ok"

    def _set_target(self, tenths: int) -> str:
        if not RANGE_TENTHS_C[0] <= tenths <= RANGE_TENTHS_C[1]:
            return self._fail()
        self._asked_c = tenths / 10.0
        if self._nest.target_c is not None:
            self._heat(self._asked_c)
        return "ok"

    def _clamp(self, *, lock: bool) -> str:
        if self._setup.faults.strike("elm_stuck"):
            self._elm = "9"
            return self._fail(304 if lock else 305)
        if self._state() != "3" or self._now_s() - self._changed_s < REST_S:
            return self._fail()
        self._elm, self._errors = "1" if lock else "3", []
        return "ok"

    def _start(self) -> str:
        if self._setup.faults.strike("speed_error"):
            return self._fail(102)
        if self._elm != "1":
            return self._fail()
        if not self._shaking:
            self._changed_s, self._mixed = self._now_s(), False
        self._shaking, self._errors = True, []
        return "ok"

    def _stop(self) -> str:
        if self._shaking:
            self._changed_s, self._shaking = self._now_s(), False
            self._astray = self._setup.faults.strike("not_home") is not None
            self._errors = [105] if self._astray else self._errors
        elif self._astray:
            self._changed_s, self._astray = self._now_s(), False
        return "ok"
