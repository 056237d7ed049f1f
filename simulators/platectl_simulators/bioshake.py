"""A simulated BioShake: clamp, motor and heater of one nest of the world."""

from __future__ import annotations

import math

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply

HEAT_S = 60.0
RAMP_S = 3.0


class BioShakeSimulator:
    """Answers the long commands of a BioShake with clamp and heater.

    The nest follows its target with a time constant of 60 s; the world learns the present value
    whenever the instrument is spoken to (economy: no background task). Faults: `elm_stuck` (304),
    `speed_error` (102), and the wire faults.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._locked = False
        self._shaking = False
        self._changed_s = -1e9
        self._speed = 0
        self._target_c: float | None = None
        self._asked_c = 0.0
        self._from_c: float | None = None
        self._heated_s = 0.0
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

    def _actual(self) -> float:
        world, position = self._setup.world, self._setup.position or ""
        start = world.temperature_c(position) if self._from_c is None else self._from_c
        if self._from_c is None:
            return start
        goal = (
            self._setup.world.truth.environment.room if self._target_c is None else self._target_c
        )
        return goal + (start - goal) * math.exp(
            -(self._setup.clock.monotonic_s() - self._heated_s) / HEAT_S
        )

    def _tell_world(self) -> None:
        if self._from_c is not None:
            self._setup.world.set_temperature(self._setup.position or "", round(self._actual(), 2))

    def _heat(self, target_c: float | None) -> None:
        self._from_c, self._heated_s = self._actual(), self._setup.clock.monotonic_s()
        self._target_c = target_c

    def _state(self) -> int:
        ramping = self._setup.clock.monotonic_s() - self._changed_s < RAMP_S
        if self._shaking:
            return 5 if ramping else 0
        return 7 if ramping else 3

    def _command(self, command: str) -> str:
        answers = {
            "getVersion": "1.10.00", "getDescription": "BIOSHAKE 3000-T elm",
            "getTempActual": f"{self._actual():.1f}", "getShakeState": str(self._state()),
            "getShakeTargetSpeed": str(self._speed), "getElmState": "1" if self._locked else "3",
            "getErrorList": "{" + ";".join(map(str, self._errors)) + "}",
        }  # fmt: skip
        if command in answers:
            return answers[command]
        for prefix, setter in (
            ("setShakeTargetSpeed", self._set_speed),
            ("setTempTarget", self._set_target),
        ):
            if command.startswith(prefix) and command.removeprefix(prefix).isdigit():
                return setter(int(command.removeprefix(prefix)))
        match command:
            case "tempOn":
                self._heat(self._asked_c)
            case "tempOff":
                self._heat(None)
            case "setElmLockPos" | "setElmUnlockPos":
                return self._clamp(lock=command == "setElmLockPos")
            case "shakeOn":
                return self._start()
            case "shakeOff":
                self._changed_s, self._shaking = self._setup.clock.monotonic_s(), False
            case _:
                return "u -> " + command
        return "ok"

    def _set_speed(self, rpm: int) -> str:
        if not 200 <= rpm <= 3000:  # noqa: PLR2004  # range of the model
            return "e"
        self._speed = rpm
        return "ok"

    def _set_target(self, tenths: int) -> str:
        self._asked_c = tenths / 10.0
        if self._target_c is not None:
            self._heat(self._asked_c)
        return "ok"

    def _clamp(self, *, lock: bool) -> str:
        if self._setup.faults.strike("elm_stuck"):
            self._errors = [304 if lock else 305]
            return "e"
        if self._state() != 3 or self._setup.clock.monotonic_s() - self._changed_s < 2 * RAMP_S:  # noqa: PLR2004  # home, and settled
            return "e"
        self._locked = lock
        return "ok"

    def _start(self) -> str:
        if self._setup.faults.strike("speed_error"):
            self._errors = [102]
            return "e"
        if not self._locked:
            self._errors = [105]
            return "e"
        self._changed_s, self._shaking = self._setup.clock.monotonic_s(), True
        self._setup.world.shake(self._setup.position or "")
        return "ok"
