"""A simulated Vacuubrand CVC 3000 with a relay valve to a manifold of the world.

Source: public clients that cite the manuals (PyLabware for the controller, galago for the relay).
Framing: lines with CR LF on the controller's side; four bytes without an end on the relay's.
Until `ECHO 1` set commands are silent, and whatever is wrong is silent always.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

PUMP_ALONE_S: Final = 0.6
WITH_MANIFOLD_S: Final = 1.2
VENT_S: Final = 0.5
SEEP_S: Final = 120.0
SEALED_ENOUGH: Final = 0.9
LEAK_LEAVES: Final = 0.4
REACHED_WITHIN_MBAR: Final = 5.0
FRAME: Final = 4
START_BYTE: Final = 0xA0
CATCH_POT, SENSOR, VENT_VALVE, WRONG = 1, 3, 5, 0
_SET: Final = re.compile(r"([A-Z_]+(?:_[1-6V])?) (\d{1,4})")


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: str = "CVC 3000  V2.00"
    atmosphere_mbar: float = 1013.0
    relay: str | None = None
    relay_channel: int = 1


@dataclass(frozen=True, slots=True)
class _Course:
    """Absolute pressure on its way from `start_mbar` at `since_s` to `end_mbar`."""

    start_mbar: float
    end_mbar: float
    since_s: float
    time_constant_s: float

    def at(self, now_s: float) -> float:
        left = math.exp(-(now_s - self.since_s) / self.time_constant_s)
        return self.end_mbar + (self.start_mbar - self.end_mbar) * left


class CVC3000Simulator:
    """Answers the controller's commands (`serve`) and obeys the relay's frames (`serve_relay`).

    With `relay` in the settings a valve parts pump and manifold, closed when it is made; without,
    the manifold hangs on the pump. The sensor sits at the pump. The plate at `setup.position` is
    under vacuum while the pump runs and the valve is open; with less than 0.9 of its wells sealed
    the pressure gets stuck. Everything survives reconnects; echo, remote control and the newer
    dialect are off when it is made.

    Faults: `leak` (as unsealed, from a start on), `catch_pot_full` (error bit 1 at a start, the
    pump does not run until `empty_catch_pot`), `vent_failed` (error bit 5, the vacuum stays),
    `sensor_error` (error bit 3 at a start), `valve_stuck` (the relay's frame does nothing), and
    for the controller `silent`, `garbled_reply`, `reply_lost`, `late_reply` (`delay_s`).
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._course = _Course(
            self._options.atmosphere_mbar, self._options.atmosphere_mbar, 0.0, PUMP_ALONE_S
        )
        self._echo = self._remote = self._newer = False
        self._mode, self._set_point_mbar, self._vent = 1, 1060, 0
        self._motor = self._leaking = self._drawing = False
        self._valve_open = self._options.relay is None
        self._sealed = 0.0
        self._errors: set[int] = set()

    @property
    def valve_open(self) -> bool:
        """Whether the manifold is joined to the pump."""
        return self._valve_open

    @property
    def motor(self) -> bool:
        """Whether the pump runs."""
        return self._motor

    def empty_catch_pot(self) -> None:
        """Let a person empty it."""
        self._errors.discard(CATCH_POT)

    async def serve(self, stream: ByteStream) -> None:
        """Be the controller in one conversation."""

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            answer = self._answer(line.decode("ascii", "replace"))
            if answer is not None:
                await send_reply(stream, answer.encode() + b"\r\n", self._setup.faults)

        await serve_lines(stream, handle, end=b"\r\n")

    async def serve_relay(self, stream: ByteStream) -> None:
        """Be the relay in one conversation; it never answers."""
        buffer = bytearray()
        while True:
            try:
                buffer += await stream.receive()
            except DisconnectedError:
                return
            while len(buffer) >= FRAME:
                frame = bytes(buffer[:FRAME])
                if frame[0] != START_BYTE or frame[3] != sum(frame[:3]) & 0xFF:
                    del buffer[0]  # it finds its way back to a start byte
                    continue
                del buffer[:FRAME]
                if frame[1] == self._options.relay_channel and frame[2] in {0, 1}:
                    self._switch_valve(opened=frame[2] == 1)

    # Commands -----------------------------------------------------------------------------------
    def _answer(self, line: str) -> str | None:
        if line in {"IN_VER", "IN_PV_1", "IN_STAT", "IN_CFG", "IN_ERR", "IN_SP_1"}:
            return self._told(line)
        match = _SET.fullmatch(line)
        said = self._take(match[1], int(match[2])) if match else None
        if said is None:
            self._errors.add(WRONG)
            return None
        self._errors.discard(WRONG)
        return str(said) if self._echo else None

    def _told(self, query: str) -> str:
        now_mbar = self._now_mbar()
        reached = abs(now_mbar - self._set_point_mbar) <= REACHED_WITHIN_MBAR
        control = (2 if reached else 1) if self._motor else 0
        vent_open = int(self._vent > 0)
        return {
            "IN_VER": self._options.version,
            "IN_PV_1": f"{now_mbar:06.1f} mbar",
            "IN_SP_1": f"{self._set_point_mbar:04d} mbar",
            "IN_STAT": f"{self._motor:d}00{vent_open}{self._mode}{control}",
            "IN_CFG": f"{self._mode}10001000100011{self._remote:d}",
            "IN_ERR": "".join(str(int(bit in self._errors)) for bit in range(8, -1, -1)),
        }[query]

    def _take(self, command: str, value: int) -> int | None:
        """Do a set command; the echo, or None for what is wrong now."""
        if command in {"ECHO", "REMOTE"} and value in {0, 1}:
            self._echo = value == 1 if command == "ECHO" else self._echo
            self._remote = value == 1 if command == "REMOTE" else self._remote
            return value
        if command == "CVC" and value in {2000, 3000}:
            self._newer = value == 3000  # noqa: PLR2004  # the dialect's name
            return value // 1000
        if not (self._remote and self._newer):
            return None
        return self._control(command, value)

    def _control(self, command: str, value: int) -> int | None:
        if command == "OUT_MODE" and value <= 4 and not self._motor:  # noqa: PLR2004  # its range
            self._mode = value
        elif command in {"OUT_SP_1", "OUT_SP_V"} and value <= 1060:  # noqa: PLR2004  # its range
            self._set_point_mbar = value
            self._head()
        elif command == "START" and value == 1:
            self._start()
        elif command == "STOP" and value == 1:
            self._motor = False
            self._head()
        elif command == "OUT_VENT" and value <= 2:  # noqa: PLR2004  # its range
            self._open_vent(value)
        else:
            return None
        return value

    def _start(self) -> None:
        faults = self._setup.faults
        if faults.strike("catch_pot_full"):
            self._errors.add(CATCH_POT)
        if faults.strike("sensor_error"):
            self._errors.add(SENSOR)
        self._leaking = faults.strike("leak") is not None
        self._motor = not self._errors & {CATCH_POT, SENSOR}
        self._head()

    def _open_vent(self, value: int) -> None:
        if value and self._setup.faults.strike("vent_failed"):
            self._errors.add(VENT_VALVE)
            return
        self._vent = value
        self._head()

    def _switch_valve(self, *, opened: bool) -> None:
        if opened == self._valve_open or self._setup.faults.strike("valve_stuck"):
            return
        self._valve_open = opened
        self._head()

    # Pressure -----------------------------------------------------------------------------------
    def _now_mbar(self) -> float:
        now_mbar = self._course.at(self._setup.clock.monotonic_s())
        if self._vent == 2 and now_mbar > self._options.atmosphere_mbar - 1.0:  # noqa: PLR2004  # to atmosphere
            self._vent = 0
        return now_mbar

    def _head(self) -> None:
        """Let the pressure head for where it now goes, and tell the world about the plate."""
        self._draw(on=self._motor and self._valve_open)
        atmosphere_mbar, end_mbar = self._options.atmosphere_mbar, float(self._set_point_mbar)
        time_constant_s = WITH_MANIFOLD_S if self._valve_open else PUMP_ALONE_S
        tight = self._sealed >= SEALED_ENOUGH and not self._leaking
        if self._vent:
            end_mbar, time_constant_s = atmosphere_mbar, VENT_S
        elif not self._motor:
            end_mbar, time_constant_s = atmosphere_mbar, SEEP_S
        elif self._valve_open and not tight:
            end_mbar = atmosphere_mbar + (end_mbar - atmosphere_mbar) * LEAK_LEAVES * self._sealed
        now_s = self._setup.clock.monotonic_s()
        self._course = _Course(self._course.at(now_s), end_mbar, now_s, time_constant_s)

    def _draw(self, *, on: bool) -> None:
        if on == self._drawing:
            return
        self._drawing = on
        try:
            self._sealed = self._setup.world.vacuum(self._setup.position or self._setup.name, on=on)
        except WorldError:
            self._sealed = 0.0
