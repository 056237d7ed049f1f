"""A simulated A4S sealer with its unasked status lines.

Source: shared/instruments-handlers.md 6.4. Assumed where no source speaks: an answer repeats the
index and the letters of its command; a temperature switches the heater on; a reset ends a stroke
where it is and clears the error; the sensor bits are those that PyLabRobot names.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines, unnoticed
from platectl.simkit.wire_faults import is_silent, send_reply

BUSY_EVERY_S = 0.5
IDLE_EVERY_S = 60.0
HEAT_C_PER_S: Final = 4.0
TRAY_S: Final = 8.0
RANGE_C: Final = (50, 200)
RANGE_TENTHS_S: Final = (5, 100)
IDLE, WORKING, ERROR, FINISHED = 0, 1, 3, 4
HEATER_OFF, READY, HEATING, COOLING = 0, 1, 2, 3
HEATER_ERROR: Final = 2
TRAY_OUT, TRAY_IN, ALL_WELL = 0x02, 0x04, 0x38


class A4SSimulator:
    """Heats, seals the plate at its position, and reports all the while.

    Economy of virtual time: status comes twice a second while it heats, cools or seals, at once
    after every command, and once a minute when it idles; a real one reports several times a
    second. The stroke is computed from the clock: the press takes effect when the instrument
    next reports or is next spoken to, so within half a second while anybody listens.

    Faults: `rejected` and `busy` (of any command but the reset), `heater_error` (counted at each
    temperature set; error 2 and system 3 in the status until a reset), and `silent`,
    `reply_lost`, `late_reply` (`delay_s`), `garbled_reply`; status lines have no wire faults. A
    plate that is missing is not noticed; it is noted in `world.notices[f"{name}.mishap"]`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._from_c = 22.0
        self._target_c: float | None = None
        self._heated_s = 0.0
        self._seal_s = 2.0
        self._system = IDLE
        self._error = 0
        self._begun_s = 0.0
        self._pressed = False
        self._wake = asyncio.Event()

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation and report while it lasts."""

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            self._go_on()
            reply = self._command(line.decode("ascii", "replace").strip())
            await send_reply(stream, reply.encode() + b"!\r", self._setup.faults)
            self._wake.set()

        reporter = asyncio.create_task(self._report(stream))
        try:
            await serve_lines(stream, handle, end=b"!")
        finally:
            reporter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reporter

    def _now_s(self) -> float:
        return self._setup.clock.monotonic_s()

    def _actual_c(self) -> float:
        if self._target_c is None:
            return self._from_c
        moved_c = HEAT_C_PER_S * (self._now_s() - self._heated_s)
        away_c = self._target_c - self._from_c
        if moved_c >= abs(away_c):
            return self._target_c
        return self._from_c + math.copysign(moved_c, away_c)

    def _heater(self) -> int:
        if self._target_c is None:
            return HEATER_OFF
        away_c = self._target_c - self._actual_c()
        if not away_c:
            return READY
        return HEATING if away_c > 0 else COOLING

    async def _report(self, stream: ByteStream) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(DisconnectedError):
            while True:
                self._go_on()
                self._wake.clear()
                await stream.send(self._status().encode())
                busy = self._system == WORKING or self._heater() in {HEATING, COOLING}
                again = loop.call_later(BUSY_EVERY_S if busy else IDLE_EVERY_S, self._wake.set)
                await self._wake.wait()
                again.cancel()

    def _status(self) -> str:
        working = self._system == WORKING
        sensors = ALL_WELL | (TRAY_IN if working else TRAY_OUT)
        left_s = self._begun_s + 2 * TRAY_S + self._seal_s - self._now_s() if working else 0.0
        heat = f"{round(self._actual_c() * 10)},{self._system},{self._heater()}"
        return f"*T00={heat},{self._error},0,{sensors},{math.ceil(left_s)}zz!\r"

    def _go_on(self) -> None:
        """Bring the stroke to the present."""
        if self._system != WORKING:
            return
        passed_s = self._now_s() - self._begun_s
        if passed_s >= TRAY_S and not self._pressed:
            self._pressed = True
            self._press()
        if passed_s >= 2 * TRAY_S + self._seal_s:
            self._system = FINISHED

    def _press(self) -> None:
        with unnoticed(self._setup):
            self._setup.world.seal(self._setup.position or self._setup.name)

    def _command(self, command: str) -> str:
        name, _, value = command.partition("=")
        if name == "*00SR":
            self._system, self._error = IDLE, 0
            return f"*Y{name[1:]}"
        if self._setup.faults.strike("rejected"):
            return f"*N{name[1:]}"
        if self._setup.faults.strike("busy") or self._system == WORKING:
            return f"*X{name[1:]}"
        return f"*{'Y' if self._accept(name, value) else 'N'}{name[1:]}"

    def _accept(self, name: str, value: str) -> bool:
        digits = value.removesuffix("zz")
        amount = int(digits) if len(digits) == len("tttt") and digits.isdecimal() else -1
        if name == "*00DH" and RANGE_C[0] <= amount <= RANGE_C[1]:
            self._heat(float(amount))
        elif name == "*00DT" and RANGE_TENTHS_S[0] <= amount <= RANGE_TENTHS_S[1]:
            self._seal_s = amount / 10.0
        elif name == "*00GS" and self._heater() == READY and not self._error:
            self._system, self._begun_s, self._pressed = WORKING, self._now_s(), False
        else:
            return name in {"*00MO", "*00MC"}
        return True

    def _heat(self, target_c: float) -> None:
        self._from_c, self._heated_s, self._target_c = self._actual_c(), self._now_s(), target_c
        if self._setup.faults.strike("heater_error"):
            self._from_c, self._target_c = self._actual_c(), None
            self._system, self._error = ERROR, HEATER_ERROR
