"""A simulated Opentrons Vacuum Module: draws a filter plate down, if its wells are sealed.

Source: vendor's driver in the `opentrons` package 10.1.0. Framing: requests end with LF, a blank
before it is ignored; answers are `<code>[ fields] OK` or `ERRnnn:text OK` with LF, and
`async ERRnnn:text OK` at any time.
"""

from __future__ import annotations

import asyncio
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

ATMOSPHERE_MBAR: Final = 1013.25
DRAW_S: Final = 0.8
VENT_S: Final = 0.3
#: an unvented manifold behind a stopped pump
SEEP_S: Final = 60.0
SEALED_ENOUGH: Final = 0.9
LEAK_LEAVES: Final = 0.4
DEFAULT_REACH_S: Final = 30.0
_WORD: Final = re.compile(r"([A-Z])(-?\d+(?:\.\d+)?)")
ERRORS: Final = {3: "unhandled gcode", 400: "pressure not reached", 401: "waste full", 402: "failed to vent"}  # fmt: skip


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    firmware: str = "v1.0.0"
    revision: str = "a1"
    serial_number: str = "VMA1020250119001"


@dataclass(frozen=True, slots=True)
class _Course:
    """Gauge pressure on its way from `start_mbar` at `since_s` to `end_mbar`."""

    start_mbar: float
    end_mbar: float
    since_s: float
    time_constant_s: float

    def at(self, now_s: float) -> float:
        done = 1 - math.exp(-(now_s - self.since_s) / self.time_constant_s)
        return self.start_mbar + (self.end_mbar - self.start_mbar) * done


class OpentronsVacuumSimulator:
    """Answers M115, M120, M121 and M124; acts on the filter plate at `setup.position`.

    The pressure approaches its target with a time constant of 0.8 s. When less than 0.9 of the
    wells are sealed it gets stuck, and ERR400 comes after the time-out of M120 (T). State
    survives reconnects; a fault line that nobody listens to is gone.

    Faults: `leak` (as unsealed; with `after_s` it begins so long after the start, ERR400 comes at
    once), `waste_full` (ERR401 `after_s`, 1 unless told, after the start; the pump stops),
    `vent_failed` (M124 V1 ends with ERR402, the vacuum stays), and the wire faults `silent`,
    `garbled_reply`, `reply_lost`, `late_reply`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._course = _Course(0.0, 0.0, 0.0, DRAW_S)
        self._target_mbar = 0.0
        self._on = self._vent_open = False
        self._streams: list[ByteStream] = []
        self._coming: set[asyncio.Task[None]] = set()

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation; fault lines go to the newest one."""

        async def handle(line: bytes) -> None:
            request = line.decode("ascii", "replace").strip().upper()
            if not request or await is_silent(self._setup.faults):
                return
            await asyncio.sleep(0.005)
            await send_reply(stream, self._answer(request).encode(), self._setup.faults)

        self._streams.append(stream)
        try:
            await serve_lines(stream, handle, end=b"\n")
        finally:
            self._streams.remove(stream)
            if not self._streams:
                await self._cancel_coming()

    def _answer(self, request: str) -> str:
        code, *words = request.split()
        values: dict[str, float] = {}
        for word in words:
            match = _WORD.fullmatch(word)
            if not match:
                return _error(3)
            values[match[1]] = float(match[2])
        if code == "M115":
            opts = self._options
            hardware = f"Opentrons-vacuum-module-{opts.revision}"
            return f"M115 FW:{opts.firmware} HW:{hardware} SerialNo:{opts.serial_number} OK\n"
        if code == "M120" and values.get("S") in {0.0, 1.0}:
            return self._start(values) if values["S"] else self._stop()
        if code == "M121" and not values:
            return self._state()
        if code == "M124" and values.get("V") in {0.0, 1.0}:
            return self._vent(opened=values["V"] == 1)
        return _error(3)

    def _start(self, values: dict[str, float]) -> str:
        target_mbar = values.get("P", 0.0)
        if not -ATMOSPHERE_MBAR <= target_mbar <= 0:
            return _error(3)
        self._forget_coming()
        self._on, self._target_mbar = True, target_mbar
        sealed = self._switch_world(on=True)
        leak = self._setup.faults.strike("leak")
        later = None if leak is None else leak.data.get("after_s")
        if sealed < SEALED_ENOUGH or (leak is not None and later is None):
            self._head_for(target_mbar * LEAK_LEAVES * sealed, DRAW_S)
            self._announce(values.get("T", DEFAULT_REACH_S), 400)
            return "M120 OK\n"
        self._head_for(0.0 if self._vent_open else target_mbar, DRAW_S)
        if later is not None:
            self._announce(float(later), 400)
        if (full := self._setup.faults.strike("waste_full")) is not None:
            self._announce(float(full.data.get("after_s", 1.0)), 401)
        return "M120 OK\n"

    def _stop(self) -> str:
        self._forget_coming()
        self._pump_off()
        return "M120 OK\n"

    def _pump_off(self) -> None:
        if self._on:
            self._switch_world(on=False)
            self._on, self._target_mbar = False, 0.0
            self._head_for(0.0, SEEP_S)

    def _vent(self, *, opened: bool) -> str:
        if opened and self._setup.faults.strike("vent_failed"):
            return _error(402)
        self._vent_open = opened
        if opened:
            self._head_for(0.0, VENT_S)
        return "M124 OK\n"

    def _state(self) -> str:
        gauge_mbar = self._gauge_mbar()
        absolute_mbar = ATMOSPHERE_MBAR + gauge_mbar
        return (
            f"M121 T:{self._target_mbar:.2f} C:{gauge_mbar:.2f} A:{absolute_mbar:.2f} "
            f"B:{absolute_mbar:.2f} H:{ATMOSPHERE_MBAR:.2f} E:{self._on:d} D:0 "
            f"V:{self._vent_open:d} OK\n"
        )

    def _gauge_mbar(self) -> float:
        return round(self._course.at(self._setup.clock.monotonic_s()), 2) + 0.0

    def _head_for(self, end_mbar: float, time_constant_s: float) -> None:
        now_s = self._setup.clock.monotonic_s()
        self._course = _Course(self._course.at(now_s), end_mbar, now_s, time_constant_s)

    def _switch_world(self, *, on: bool) -> float:
        try:
            return self._setup.world.vacuum(self._setup.position or self._setup.name, on=on)
        except WorldError:
            return 0.0

    def _announce(self, delay_s: float, number: int) -> None:
        task = asyncio.create_task(self._fail_after(delay_s, number))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _fail_after(self, delay_s: float, number: int) -> None:
        await asyncio.sleep(delay_s)
        self._pump_off()
        if self._streams:
            try:
                await self._streams[-1].send(f"async {_error(number)}".encode())
            except DisconnectedError:
                return

    def _forget_coming(self) -> None:
        for task in self._coming:
            task.cancel()

    async def _cancel_coming(self) -> None:
        coming = list(self._coming)
        self._forget_coming()
        await asyncio.gather(*coming, return_exceptions=True)


def _error(number: int) -> str:
    return f"ERR{number:03d}:{ERRORS[number]} OK\n"
