"""The reader's side of the conversation."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.chamber import Chamber
from platectl.simkit.faults import Fault
from platectl.simkit.photometer import Photometer
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world.matter import Array
from platectl_simulators.clariostar.frame import frame_of, take_frames
from platectl_simulators.clariostar.run import Reading, Record, parse_order

LIMIT: Final = 260_000
DRAWER_OUT_S, DRAWER_IN_S, INITIALISE_S, CLEAR_S = 3.7, 7.3, 2.9, 0.4
FINISH_S, REST_S = 1.05, 0.06
RUNNING_SHOWN_S: Final = 3.0
STATUS_S, DATA_S, RUN_S = 0.037, 0.075, 0.088
CHAMBER_S, TOP_ABOVE_C = 90.0, 0.55
NO_DATA, FINISHING = 0xD5, 0x66
DRAWER, RUN, CLEARING = 0x03, 0x04, 0x0E
#: bytes 4 to 44 of an accepted RUN; what they mean is not public
RUN_ACCEPTED: Final = bytes.fromhex(
    "0000000012c000000064010000006400000001010000000000000007000000580001000000070000c0"
)
#: version 1.35 and its build
FIRMWARE: Final = bytes.fromhex("0000") + b"\x05\x46Nov 20 2020\x0011:51:21\x00\x00\x01"


class ClariostarSimulator:
    """One reader with its chamber; state and a run in progress survive reconnects.

    Faults: `truncated` (a frame loses its last `lose` bytes, default 17), `wrong_checksum`, `split`
    (a pause of `pause_s` after an inner 0D), `silent_after_run` (requests for data are not answered
    for `for_s`, default 2), `not_yet` (a status with `code` D5 or 66 instead of data), `stuck`
    (running is shown at rest until it is cleared; data: `when`, `start` or `end` of a run),
    `overflow` (data: `well`), `cold` (see `Chamber`), `drawer_stuck`, `ends_early` (data: `record`,
    the run stops in it), `unplugged` (data: `record`, the line closes when it is asked for), and
    those of every line. Busy stays set for a second after the last value.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._position = setup.position or setup.name
        self._photometer = Photometer(setup.world.rng(setup.name), full_scale=LIMIT - 1.0)
        self._chamber = Chamber(setup, tau_s=CHAMBER_S)
        self._sensors = self._out = self._initialised = False
        self._doing, self._busy_until_s = 0, -math.inf
        self._reading: Reading | None = None
        self._unread: list[Record] = []
        self._ever_ran = self._read_out = False
        self._stuck = self._strikes_at("stuck", "start")
        self._mute_until_s = -math.inf

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""
        buffer = bytearray()
        try:
            while True:
                buffer += await stream.receive()
                for payload in take_frames(buffer):
                    await self._take(stream, payload)
        except DisconnectedError:
            return

    async def _take(self, stream: ByteStream, payload: bytes) -> None:
        faults = self._setup.faults
        if await is_silent(faults):
            return
        self._advance()
        for_data = payload[:2] == b"\x05\x02"
        if for_data and self._now_s() < self._mute_until_s:
            return
        if for_data and self._is_unplugged():
            await stream.aclose()
            return
        answer = frame_of(self._answer(payload))
        await asyncio.sleep(
            DATA_S if answer[4] == 0x02 else RUN_S if answer[4] == 0x03 else STATUS_S  # noqa: PLR2004  # types
        )
        if faults.strike("wrong_checksum"):
            answer = answer[:-2] + bytes((answer[-2] ^ 0x01, answer[-1]))
        if (fault := faults.strike("truncated")) is not None:
            answer = answer[: -int(fault.data.get("lose", 17))]
        cut = answer.find(b"\x0d", 4, -1) + 1
        if cut and (fault := faults.strike("split")) is not None:
            await stream.send(answer[:cut])
            await asyncio.sleep(float(fault.data.get("pause_s", 0.05)))
            answer = answer[cut:]
        await send_reply(stream, answer, faults)

    def _now_s(self) -> float:
        return self._setup.clock.monotonic_s()

    def _strikes_at(self, kind: str, when: str) -> bool:
        fault = self._setup.faults.standing(kind)
        return fault is not None and fault.data.get("when", "start") == when

    def _at_record(self, kind: str) -> Fault | None:
        """The fault that waits for the present record, if any."""
        fault = self._setup.faults.standing(kind)
        reached = len(self._reading.records) if self._reading else 0
        return fault if fault and reached >= int(fault.data.get("record", 2)) else None

    def _is_unplugged(self) -> bool:
        return bool(self._at_record("unplugged") and self._setup.faults.strike("unplugged"))

    # Commands -----------------------------------------------------------------------------------
    def _answer(self, payload: bytes) -> bytes:
        match payload[0], payload[1:2]:
            case 0x05, b"\x02":
                return self._unread_data() if payload[2:3] == b"\x00" else self._current_data()
            case 0x05, b"\x09":
                return b"\x0a" + self._flags() + FIRMWARE
            case 0x04, _:
                return self._start(payload)
        return self._do(payload)

    def _do(self, payload: bytes) -> bytes:
        """Carry out what is answered by a status."""
        match payload[0]:
            case 0x01:
                return self._move(DRAWER, INITIALISE_S, flags=0x15)
            case 0x03:
                return self._drawer(out=payload[1:2] == b"\x01")
            case 0x0E:
                self._stuck = False
                return self._move(CLEARING, CLEAR_S)
            case 0x06:
                self._heat(int.from_bytes(payload[1:3], "big"))
            case 0x0B:
                self._stop()
        return self._status()

    def _move(self, doing: int, duration_s: float, *, flags: int | None = None) -> bytes:
        self._initialised |= doing == DRAWER
        self._doing, self._busy_until_s = doing, self._now_s() + duration_s
        return self._status(flags=flags)

    def _drawer(self, *, out: bool) -> bytes:
        if self._goes():
            return self._status()
        if not self._setup.faults.strike("drawer_stuck"):
            self._out = out
        return self._move(DRAWER, DRAWER_OUT_S if out else DRAWER_IN_S)

    def _heat(self, tenths: int) -> None:
        self._sensors = tenths > 0
        self._chamber.heat(tenths / 10 if tenths > 1 else None)

    # Status -------------------------------------------------------------------------------------
    def _goes(self) -> bool:
        """Whether a run is going or finishing."""
        return self._reading is not None and self._now_s() < self._reading.end_s + FINISH_S

    def _flags(self, flags: int | None = None) -> bytes:
        """Bytes 1 to 3 of every answer: activity, data, mechanics."""
        now_s, run = self._now_s(), self._reading
        goes, moves = self._goes(), now_s < self._busy_until_s
        rests = run is not None and not goes and now_s < run.end_s + FINISH_S + REST_S
        running = self._stuck or rests
        if run is not None and goes:
            running = not run.begun_s + RUNNING_SHOWN_S <= now_s < run.end_s
        activity = 0x05 | (0x20 if goes or moves else 0) | (0x10 if running else 0)
        data = 0x46 if not self._ever_ran else 0x04 if run and now_s < run.end_s else 0x07
        if self._ever_ran and self._read_out:
            data = 0x06
        reads = run is not None and run.read_s <= now_s < run.end_s
        mechanics = (0x01 if self._out else 0) | (0x08 if reads else 0) | 0x04
        if self._initialised and not self._out and self._setup.world.plate_at(self._position):
            mechanics |= 0x02
        if self._out:
            mechanics &= ~0x04
        mechanics |= 0x20 if self._initialised else 0
        return bytes((activity if flags is None else flags, data, mechanics))

    def _status(self, refusal: int | None = None, *, flags: int | None = None) -> bytes:
        now_s, run = self._now_s(), self._reading
        phase = 0
        doing = self._doing if now_s < self._busy_until_s else 0
        if run is not None and self._goes():
            doing, phase = RUN, 0x01
        step = 0 if run is None or not phase else 0x04 if now_s < run.read_s else 0x03
        if refusal is not None:
            doing, phase, step = refusal, 0, 0
        tenths = round(self._chamber.actual_c() * 10) if self._sensors else 0
        top = round((self._chamber.actual_c() + TOP_ABOVE_C) * 10) if self._sensors else 0
        body = bytes((0, 0, doing, phase, 0, 0, step)) + struct.pack(">HH", tenths, top)
        return b"\x01" + self._flags(flags) + body + b"\xc0"

    # Runs ---------------------------------------------------------------------------------------
    def _start(self, payload: bytes) -> bytes:
        try:
            order = parse_order(payload)
        except (ValueError, struct.error):
            return self._status()
        if self._goes() or self._out or self._setup.world.plate_at(self._position) is None:
            return self._status()
        self._reading = Reading(
            order,
            self._now_s(),
            scan=lambda wells, chromatic, at_s, lamp: self._scan(
                wells, order.chromatics[chromatic], at_s, lamp
            ),
            lamp=self._photometer.lamp,
        )
        self._ever_ran, self._read_out = True, False
        self._unread.clear()
        if (fault := self._setup.faults.strike("silent_after_run")) is not None:
            self._mute_until_s = self._now_s() + float(fault.data.get("for_s", 2.0))
        return b"\x03\x25" + self._flags()[1:] + RUN_ACCEPTED

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.stop(self._now_s())

    def _advance(self) -> None:
        """Bring chamber and run to the present."""
        self._chamber.actual_c()
        run = self._reading
        if run is None:
            return
        run.advance(self._now_s())
        if self._at_record("ends_early") is not None:
            run.stop(self._now_s())
        if not self._goes() and not self._unread and not self._read_out:
            self._unread = list(run.records)
            self._stuck = self._stuck or self._strikes_at("stuck", "end")

    def _scan(
        self, wells: Sequence[str], pair: tuple[float, float], at_s: Array, lamp: float
    ) -> Array:
        excitation, emission = pair
        light = self._setup.world.fluorescence(
            self._position, wells, excitation_nm=excitation, emission_nm=emission, at_s=at_s
        )
        seen = np.clip(np.rint(self._photometer.measure(light, lamp)), 1.0, LIMIT)
        if (fault := self._setup.faults.standing("overflow")) is not None:
            over = [i for i, well in enumerate(wells) if well == fault.data.get("well", well)]
            seen[over] = LIMIT
        return seen

    def _current_data(self) -> bytes:
        run, now_s = self._reading, self._now_s()
        if run is not None and run.end_s <= now_s < run.end_s + FINISH_S:
            return self._status(FINISHING)
        if run is None or not run.records or now_s >= run.end_s:
            return self._status(NO_DATA)
        if (fault := self._setup.faults.strike("not_yet")) is not None:
            return self._status(int(fault.data.get("code", NO_DATA)))
        return self._data(run, run.records[-1])

    def _unread_data(self) -> bytes:
        if self._goes() or not self._unread or self._reading is None:
            return self._status(NO_DATA)
        record = self._unread.pop(0)
        self._read_out = not self._unread
        return self._data(self._reading, record)

    def _data(self, run: Reading, record: Record) -> bytes:
        chromatics, wells = len(run.order.chromatics), len(run.order.wells)
        total = chromatics * wells
        tenths = round(self._chamber.actual_c() * 10) if self._sensors else 0
        head = struct.pack(">HHIBHH", total, record.complete, LIMIT, 1, chromatics, wells)
        head += bytes((1, 0, 1, 0, 0)) + struct.pack(
            ">HBIH", record.number, 1, record.start_s, tenths
        )
        flat = [value for row in record.values for value in row]
        return b"\x02" + self._flags() + b"\x00\x00\xa1" + head + struct.pack(f">{total}I", *flat)
