"""A simulated Opentrons Heater-Shaker: latch, motor and heater of one nest of the world.

Source: the maker's firmware (Opentrons/opentrons-modules, heater-shaker). Framing: requests end with LF, a blank
before it is ignored; answers are `<code>[ fields] OK` or `ERRnnn:text OK` with LF, and `async ERRnnn:text OK` at
any time. Assumed where no source speaks: the latch takes 2 s, homing 3 s; M123 tells the speed of homing (225 rpm)
while it goes home; the firmware takes speeds from 200 to 3000 rpm.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Coroutine
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.chamber import Nest
from platectl.simkit.simulator import SimulatorSetup, serve_lines, unnoticed
from platectl.simkit.wire_faults import is_silent, send_reply

LATCH_S: Final = 2.0
HOMING_S: Final = 3.0
HOMING_RPM: Final = 225
RAMP_RPM_PER_S: Final = 1000.0
HEAT_S: Final = 60.0
RANGE_RPM: Final = (200, 3000)
HOTTEST_C: Final = 100.0
_REQUEST: Final = re.compile(r"(M3|M104) S(-?\d+(?:\.\d+)?)|([GM]\d+)")
ERRORS: Final = {
    3: "unhandled gcode", 106: "main motor:speedsensor failed", 120: "main motor:illegal speed",
    123: "main motor:not home (required)", 124: "main motor:not stopped (required)",
    125: "plate lock:timeout", 126: "plate lock:not closed (required)", 212: "heater:constant out of range",
}  # fmt: skip


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    firmware: str = "v1.0.4"
    hardware: str = "Opentrons-heater-shaker-v1.0.0"
    serial_number: str = "HSV1020230504001"
    latch: str = "IDLE_OPEN"


class OpentronsHeaterShakerSimulator:
    """Answers M3, M104, M105, M106, M115, M123, M241 to M243 and G28.

    Movements are answered at their end, everything else meanwhile. State survives reconnects. The nest follows
    its target with a time constant of 60 s; the world learns its temperature, and that the plate was mixed,
    whenever the module is spoken to.

    Faults: `latch_stuck` (ERR125 at a movement of the latch, which then stands unknown), `stall` (`after_s`, 1
    unless told, after M3 the motor stops and `async ERR106` comes), and `silent`, `reply_lost`, `late_reply`
    (`delay_s`), `garbled_reply`. A plate that is missing is not noticed; it is noted in
    `world.notices[f"{name}.mishap"]`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._position = setup.position or setup.name
        self._latch = self._options.latch
        self._from_rpm, self._target_rpm, self._changed_s = 0.0, 0, -math.inf
        self._home = True
        self._mixed = True
        self._nest = Nest(setup, tau_s=HEAT_S)
        self._streams: list[ByteStream] = []
        self._motions: set[asyncio.Task[None]] = set()

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation; fault lines go to the newest one."""

        async def say(answer: str) -> None:
            try:
                await send_reply(stream, answer.encode(), self._setup.faults)
            except DisconnectedError:
                return

        async def move(code: str) -> None:
            await say(await (self._go_home() if code == "G28" else self._move_latch(code)))

        async def handle(line: bytes) -> None:
            request = line.decode("ascii", "replace").strip()
            if not request or await is_silent(self._setup.faults):
                return
            self._tell_world()
            if request in {"G28", "M242", "M243"}:
                self._start(move(request))
                await asyncio.sleep(0)
            else:
                await say(self._answer(request))
            self._tell_world()

        self._streams.append(stream)
        try:
            await serve_lines(stream, handle, end=b"\n")
        finally:
            self._streams.remove(stream)
            if not self._streams:
                await asyncio.gather(*self._motions, return_exceptions=True)

    def _answer(self, request: str) -> str:
        match = _REQUEST.fullmatch(request)
        if not match:
            return _error(3)
        options = self._options
        if match[1]:
            return self._spin(float(match[2])) if match[1] == "M3" else self._warm(float(match[2]))
        target = "None" if self._nest.target_c is None else f"{self._nest.target_c:.2f}"
        fields = {
            "M105": f"C:{self._nest.actual_c():.2f} T:{target}",
            "M115": f"FW:{options.firmware} HW:{options.hardware} SerialNo:{options.serial_number}",
            "M123": f"C:{self._rpm():.0f} T:{self._target_rpm}",
            "M241": f"STATUS:{self._latch}",
        }.get(request)
        if request == "M106":
            self._nest.heat(None)
            return "M106 OK\n"
        return _error(3) if fields is None else f"{request} {fields} OK\n"

    def _now_s(self) -> float:
        return self._setup.clock.monotonic_s()

    def _rpm(self) -> float:
        gone = RAMP_RPM_PER_S * (self._now_s() - self._changed_s)
        way = self._target_rpm - self._from_rpm
        return self._target_rpm if abs(way) <= gone else self._from_rpm + math.copysign(gone, way)

    def _turn(self, target_rpm: int) -> None:
        self._from_rpm, self._target_rpm, self._changed_s = self._rpm(), target_rpm, self._now_s()

    def _spin(self, speed_rpm: float) -> str:
        if self._latch != "IDLE_CLOSED":
            return _error(126)
        if not RANGE_RPM[0] <= speed_rpm <= RANGE_RPM[1]:
            return _error(120)
        self._turn(int(speed_rpm))
        self._home, self._mixed = False, False
        if (stall := self._setup.faults.strike("stall")) is not None:
            self._start(self._stall(float(stall.data.get("after_s", 1.0))))
        return "M3 OK\n"

    async def _stall(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._turn(0)
        self._from_rpm = 0.0
        if self._streams:
            try:
                await self._streams[-1].send(f"async {_error(106)}".encode())
            except DisconnectedError:
                return

    async def _go_home(self) -> str:
        if self._latch != "IDLE_CLOSED":
            return _error(126)
        self._tell_world()
        if not self._home:
            self._turn(HOMING_RPM)
            self._mixed = True
            await asyncio.sleep(HOMING_S)
            self._turn(0)
            self._from_rpm, self._home = 0.0, True
        return "G28 OK\n"

    async def _move_latch(self, code: str) -> str:
        opens = code == "M242"
        wanted, moving = ("IDLE_OPEN", "OPENING") if opens else ("IDLE_CLOSED", "CLOSING")
        if self._latch == wanted:
            return f"{code} OK\n"
        if opens and not self._home:
            return _error(123)
        if not opens and self._rpm():
            return _error(124)
        self._latch = moving
        await asyncio.sleep(LATCH_S)
        stuck = self._setup.faults.strike("latch_stuck")
        self._latch = "IDLE_UNKNOWN" if stuck else wanted
        return _error(125) if stuck else f"{code} OK\n"

    def _warm(self, target_c: float) -> str:
        if not 0 <= target_c <= HOTTEST_C:
            return _error(212)
        self._nest.heat(target_c)
        return "M104 OK\n"

    def _tell_world(self) -> None:
        self._nest.tell_world()
        if not self._mixed and self._target_rpm and self._rpm() == self._target_rpm:
            self._mixed = True
            with unnoticed(self._setup):
                self._setup.world.shake(self._position)

    def _start(self, motion: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(motion)
        self._motions.add(task)
        task.add_done_callback(self._motions.discard)


def _error(number: int) -> str:
    return f"ERR{number:03d}:{ERRORS[number]} OK\n"
