"""A simulated CLARIOstar Plus: frames, status bits, runs of cycles that fill their records.

Written from shared/instruments-readers.md 2. Faults: `truncated` (a frame loses its end),
`wrong_checksum`, `silent_after_run` (the first request for data is not answered), `split` (a frame
comes in two pieces at an inner 0D), `stuck` (running is shown at rest until it is cleared),
`overflow` (data: `well`), `cold` (data: `by_c`), `unplugged` (data: `record`, the line closes), and
those of every line. Busy stays set for a second after the data are complete.
"""

from __future__ import annotations

import asyncio
import math
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from platectl.domain.errors import DisconnectedError
from platectl.domain.wells import PlateFormat, parse_well
from platectl.hal.stream import ByteStream
from platectl.simkit.photometer import Photometer
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.wire_faults import is_silent, send_reply

ROWS: Final = PlateFormat.of(96).by_row()
LIMIT: Final = 260_000
PREPARE_S, FINISH_S = 5.0, 1.03
DRAWER_OUT_S, DRAWER_IN_S, INITIALISE_S = 3.7, 7.3, 9.1
WELL_S, CHROMATIC_S = 0.35, 0.12
RUN_REPLY: Final = bytes.fromhex(
    "032504260000000012c000000064010000006400000001010000000000000007000000580001000000070000c0"
)
FIRMWARE: Final = bytes.fromhex(
    "0a054626000005464e6f7620323020323032300031313a35313a32310000010005"
)


@dataclass(slots=True)
class _Run:
    """A run as it was commanded: wells row by row, excitation and emission of each chromatic."""

    wells: list[str]
    chromatics: list[tuple[float, float]]
    cycles: int
    cycle_s: float


class ClariostarSimulator:
    """One reader; state survives reconnects."""

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._photometer = Photometer(setup.world.rng(setup.name), full_scale=float(LIMIT))
        self._well_s = float(setup.settings.get("well_s", WELL_S))
        self._open = self._initialised = self._unread = False
        self._busy_until_s = -1.0
        self._target_c: float | None = None
        self._sensors = False
        self._record = 0
        self._start_s = 0
        self._values: list[list[int]] = []
        self._complete = 0
        self._run: _Run | None = None
        self._running: asyncio.Task[None] | None = None
        self._finish_until_s = -1.0
        self._stuck = setup.faults.standing("stuck") is not None
        self._silent_once = False
        self._stream: ByteStream | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""
        self._stream, buffer = stream, bytearray()
        try:
            while True:
                while len(buffer) < 3 or len(buffer) < int.from_bytes(buffer[1:3], "big"):  # noqa: PLR2004
                    buffer += await stream.receive()
                size = int.from_bytes(buffer[1:3], "big")
                frame = bytes(buffer[:size])
                del buffer[:size]
                await self._take(stream, frame)
        except DisconnectedError:
            return
        finally:
            if self._running is not None:
                self._running.cancel()

    async def _take(self, stream: ByteStream, frame: bytes) -> None:
        faults = self._setup.faults
        if await is_silent(faults) or sum(frame[:-4]) != int.from_bytes(frame[-4:-1], "big"):
            return
        payload = frame[4:-4]
        if payload[:2] == b"\x05\x02" and self._silent_once:
            self._silent_once = False
            return
        answer = _frame(self._answer(payload))
        if faults.strike("wrong_checksum"):
            answer = answer[:-2] + bytes((answer[-2] ^ 0x01, answer[-1]))
        if faults.strike("truncated"):
            answer = answer[: max(len(answer) - 9, 5)]
        cut = answer.find(b"\x0d", 1, -1)
        if faults.strike("split") and cut > 0:
            await stream.send(answer[: cut + 1])
            await asyncio.sleep(0.05)
            answer = answer[cut + 1 :]
        await send_reply(stream, answer, faults)

    def _now(self) -> float:
        return self._setup.clock.monotonic_s()

    # Commands -----------------------------------------------------------------------------------
    def _answer(self, payload: bytes) -> bytes:
        family = payload[0]
        if family == 0x05:  # noqa: PLR2004  # requests
            return self._data() if payload[1] == 0x02 else FIRMWARE  # noqa: PLR2004
        if family == 0x04:  # noqa: PLR2004  # run
            return self._start(payload)
        if family == 0x01:
            self._initialised = True
            self._busy_until_s = self._now() + INITIALISE_S
        elif family == 0x03:  # noqa: PLR2004  # drawer
            self._open = payload[1] == 1
            self._busy_until_s = self._now() + (DRAWER_OUT_S if self._open else DRAWER_IN_S)
        elif family == 0x06:  # noqa: PLR2004  # temperature
            self._warm(struct.unpack(">H", payload[1:3])[0])
        elif family == 0x0B and self._running is not None:  # noqa: PLR2004  # stop
            self._running.cancel()
        elif family == 0x0E:  # noqa: PLR2004  # clear
            self._stuck = False
        return self._status()

    def _warm(self, value: int) -> None:
        self._sensors = value > 0
        if value > 1:
            self._target_c = value / 10
            fault = self._setup.faults.standing("cold")
            reached = self._target_c - (float(fault.data.get("by_c", 5.0)) if fault else 0.0)
            self._setup.world.set_temperature(str(self._setup.position), reached)
        elif value == 0:
            self._setup.world.set_temperature(str(self._setup.position), None)

    def _status(self, refusal: int = 0) -> bytes:
        running = self._running is not None and not self._running.done()
        finishing = self._now() < self._finish_until_s
        busy = running or finishing or self._now() < self._busy_until_s
        flags = 0x05 | (0x20 if busy else 0) | (0x10 if running or finishing or self._stuck else 0)
        plate = self._setup.world.plate_at(str(self._setup.position)) is not None
        mechanics = 0x04 | (0x01 if self._open else 0x02 if plate else 0)
        mechanics |= (0x20 if self._initialised else 0) | (0x08 if running else 0)
        actual = round(10 * self._temperature_c()) if self._sensors else 0
        head = bytes(
            (1, flags, 0x07 if self._unread else 0x06, mechanics, 0, 0, refusal, 0, 0, 0, 0)
        )
        return head + struct.pack(">HH", actual, actual) + b"\xc0"

    def _temperature_c(self) -> float:
        return self._setup.world.temperature_c(str(self._setup.position))

    # Runs ---------------------------------------------------------------------------------------
    def _start(self, payload: bytes) -> bytes:
        self._run = parse_run(payload)
        self._record, self._complete, self._values = 0, 0, []
        self._silent_once = self._setup.faults.strike("silent_after_run") is not None
        if not self._open:
            self._running = asyncio.create_task(self._measure(self._run))
        return RUN_REPLY

    def _data(self) -> bytes:
        run = self._run
        if run is None or self._record == 0:
            return self._status(0xD5)
        head = bytes((2, 0x25 if self._complete < len(self._flat()) else 0x05, 6, 0x26, 0, 0, 0xA1))
        total = len(run.wells) * len(run.chromatics)
        head += struct.pack(">HHI", total, self._complete, LIMIT) + b"\x01"
        head += struct.pack(">HH", len(run.chromatics), len(run.wells)) + bytes(5)
        head += struct.pack(">H", self._record) + b"\x01" + struct.pack(">I", self._start_s)
        head += struct.pack(">H", round(10 * self._temperature_c()) if self._sensors else 0)
        return head + struct.pack(f">{total}I", *self._flat())

    def _flat(self) -> list[int]:
        return [value for values in self._values for value in values]

    async def _measure(self, run: _Run) -> None:
        await asyncio.sleep(PREPARE_S)
        begun_s = self._now()
        order = sorted(run.wells, key=lambda well: parse_well(well)[::-1])
        place = np.array([order.index(well) for well in run.wells], dtype=np.float64)
        for cycle in range(run.cycles):
            start_s = begun_s + cycle * run.cycle_s
            await asyncio.sleep(max(0.0, start_s - self._now()))
            self._record, self._start_s = cycle + 1, int(cycle * run.cycle_s)
            self._values = [[0] * len(run.wells) for _ in run.chromatics]
            self._complete = 0
            await asyncio.sleep(len(run.wells) * self._well_s + 0.017)
            fault = self._setup.faults.standing("unplugged")
            if fault is not None and cycle + 1 == int(fault.data.get("record", 2)) and self._stream:
                await self._stream.aclose()
                return
            self._values = self._scan(run, start_s + place * self._well_s)
            self._complete = len(self._flat())
        self._unread = True
        self._finish_until_s = self._now() + FINISH_S

    def _scan(self, run: _Run, at_s: Any) -> list[list[int]]:
        lamp = self._photometer.lamp()
        overflow = self._setup.faults.standing("overflow")
        values = []
        for index, (excitation, emission) in enumerate(run.chromatics):
            light = self._setup.world.fluorescence(
                str(self._setup.position), run.wells, excitation_nm=excitation,
                emission_nm=emission, at_s=at_s + index * CHROMATIC_S,
            )  # fmt: skip
            seen = self._photometer.measure(light, lamp)
            row = [LIMIT if math.isinf(v) else max(round(float(v)), 0) for v in seen]
            if overflow is not None:
                row[run.wells.index(overflow.data.get("well", run.wells[0]))] = LIMIT
            values.append(row)
        return values


def parse_run(payload: bytes) -> _Run:
    """Read what a RUN of fluorescence commands."""
    mask = payload[16:64]
    wells = [well for i, well in enumerate(ROWS) if mask[i // 8] & (0x80 >> (i % 8))]
    optics = payload[65]
    at = 64 + 1 + 31 + 4
    at += 5 if optics & 0x3F in {0x04, 0x30} else 0
    at += 3
    count = payload[at + 2]
    at += 9
    chromatics = []
    for index in range(count):
        at += 3 if index else 0
        _, ex_high, ex_low, _, em_high, em_low = struct.unpack(">6H", payload[at : at + 12])
        chromatics.append(((ex_high + ex_low) / 20, (em_high + em_low) / 20))
        at += 17
    at += 3
    cycles = payload[at + 10]
    cycle_s = struct.unpack(">H", payload[at + 13 : at + 15])[0]
    return _Run(wells, chromatics, cycles, float(cycle_s))


def _frame(payload: bytes) -> bytes:
    body = b"\x02" + struct.pack(">H", len(payload) + 8) + b"\x0c" + payload
    return body + sum(body).to_bytes(3, "big") + b"\x0d"
