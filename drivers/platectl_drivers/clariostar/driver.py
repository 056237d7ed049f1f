"""The reader: exchanges that survive its quirks, drawer, temperature, kinetic reads."""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
from collections.abc import AsyncIterator
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.wells import parse_well
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.reading import Addition, Frame, KineticRead, ReaderFeatures, ReadFlag
from platectl.hal.stream import ByteStream
from platectl_drivers.clariostar.frame import (
    DATA_TYPE,
    INITIALISED,
    RUN_TYPE,
    STATUS_TYPE,
    Record,
    Status,
    decode,
    encode,
    parse_record,
    parse_status,
    size_of,
)
from platectl_drivers.clariostar.run import POINT_BOTTOM, Chromatic, Run, run_payload

STATUS, INITIALISE = b"\x80", bytes.fromhex("010000100200")
OPEN, CLOSE = bytes.fromhex("030100000000"), bytes.fromhex("030000000000")
FIRMWARE, PROGRESSIVE = bytes.fromhex("05090000000000"), bytes.fromhex("0502ffffffff00")
STOP, CLEAR = b"\x0b\x00", bytes.fromhex("0e0b1200000419")
REPLY_S, TRIES, POLL_S = 3.0, 4, 0.4
IDLE_S, RUN_LIMIT_S = 60.0, 30.0
AFTER_SCAN_S: Final = 2.0
START_UP_S: Final = 5.0
TEMPERATURE_OFF, MONITOR = 0, 1


class Settings(BaseModel):
    """Optics and times of one reader; widths in nanometres.

    `well_s` is the time for one well in all chromatics, `chromatic_s` from one to the next. `gain`
    has to be given: this firmware finds none by itself. `focus_mm` is the focal height.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gain: int = Field(default=1500, ge=0, le=4095)
    flashes: int = Field(default=10, ge=1, le=200)
    focus_mm: float = Field(default=3.0, ge=0, le=25)
    excitation_width_nm: float = Field(default=10.0, gt=0, le=100)
    emission_width_nm: float = Field(default=20.0, gt=0, le=100)
    well_s: float = Field(default=0.35, gt=0, le=10)
    chromatic_s: float = Field(default=0.12, ge=0, le=5)
    tolerance_c: float = Field(default=1.0, gt=0)


class Clariostar:
    """Drives one reader; satisfies `platectl.hal.reading.PlateReader`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="clariostar",
        makes="BMG CLARIOstar Plus",
        interfaces=("PlateReader",),
        wire="serial",
        baud=125000,
        source="BioCam/pylabrobot fork with captures of March 2026, and hoxbio/bmg-clariostar (readers 2)",
        unattested=("record number and start time", "kinetics of two chromatics", "time of a well"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._setup = setup
        self._stream: ByteStream | None = None
        self._buffer = bytearray()
        self._turn = asyncio.Lock()
        self._target_c: float | None = None

    @property
    def features(self) -> ReaderFeatures:
        """Well by well; nothing can be added over the wire."""
        return ReaderFeatures(
            geometry="well", excitation_nm=(320.0, 840.0), emission_nm=(320.0, 840.0),
            least_interval_s=self._least_s(96), temperature_c=(20.0, 45.0), clock="instrument",
            delivery="during",
            no_injection="the injector commands of this reader are not decoded in public",
        )  # fmt: skip

    def _least_s(self, wells: int) -> float:
        return math.ceil(wells * self.settings.well_s + AFTER_SCAN_S)

    def read_duration_s(self, read: KineticRead) -> float:
        """Start-up and all cycles."""
        return START_UP_S + 5.0 + read.passes * read.interval_s

    async def connect(self) -> Identity:
        """Ask status and firmware; nothing moves. A run that is stuck is cleared.

        Raises:
            LinkError: No usable answer; nothing moved.
        """
        await self.aclose()
        self._stream = await self._setup.open_stream()
        await self._query(STATUS)
        firmware = await self._query(FIRMWARE, wanted=0x0A)
        version = struct.unpack(">H", firmware[6:8])[0] / 1000 if len(firmware) > 8 else 0.0  # noqa: PLR2004
        await self._query(CLEAR)
        return Identity("CLARIOstar Plus", firmware=f"{version:.2f}" if version else "")

    async def set_temperature(self, temperature_c: float | None) -> None:
        """Set the chamber; None keeps the sensors on and stops heating."""
        low, high = self.features.temperature_c
        if temperature_c is not None and not low <= temperature_c <= high:
            raise RefusedError(f"cannot hold {temperature_c:g} C; {low:g} to {high:g} C")
        value = TEMPERATURE_OFF if temperature_c is None else round(10 * temperature_c)
        async with self._turn:
            await self._query(b"\x06" + struct.pack(">H", value))
        self._target_c = temperature_c

    async def read_temperature_c(self) -> float:
        """Temperature at the bottom of the chamber."""
        async with self._turn:
            status = await self._status()
            if status.bottom_c is None:
                await self._query(b"\x06" + struct.pack(">H", MONITOR))
                status = await self._status()
        if status.bottom_c is None:
            raise InstrumentFaultError("the temperature sensors are off", code="temperature")
        return status.bottom_c

    async def open_drawer(self) -> None:
        """Drawer out."""
        await self._drawer(OPEN, wanted=True)

    async def close_drawer(self) -> None:
        """Drawer in."""
        await self._drawer(CLOSE, wanted=False)

    async def _drawer(self, command: bytes, *, wanted: bool) -> None:
        async with self._turn:
            await self._initialised()
            if (await self._status()).drawer_open == wanted:
                return
            await self._once(command)
            status = await self._until_idle()
            if status.drawer_open != wanted:
                where = "open" if status.drawer_open else "closed"
                raise InstrumentFaultError(f"the drawer is {where}", code="drawer")

    async def read_kinetic(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Read over time; two frames for each whole record. Errors as in the interface."""
        self._check(read)
        async with self._turn:
            await self._ready()
            begun_s = self._setup.clock.monotonic_s() + START_UP_S
            await self._once(run_payload(self._run_of(read)), wanted=RUN_TYPE)
            try:
                for index in range(read.passes):
                    until_s = begun_s + (index + 1) * read.interval_s + RUN_LIMIT_S
                    record = await self._record(index + 1, until_s)
                    for frame in self._frames(read, record, index, begun_s):
                        yield frame
            except GeneratorExit:
                await self._halt()
                raise
            await self._until_idle()

    async def abort(self) -> None:
        """Stop the test; waits for no answer."""
        await self._halt()

    async def _halt(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(LinkError):
                await self._stream.send(encode(STOP))

    async def aclose(self) -> None:
        """Close the conversation; harmless when repeated."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None
            self._buffer.clear()

    # A read -------------------------------------------------------------------------------------
    def _check(self, read: KineticRead) -> None:
        if read.injection is not None:
            raise RefusedError(self.features.no_injection)
        least_s = self._least_s(len(read.wells))
        if read.interval_s < least_s or read.interval_s != round(read.interval_s):
            raise RefusedError(
                f"an interval of {read.interval_s:g} s; whole seconds from {least_s:g} for these wells"
            )
        if read.passes > 255:  # noqa: PLR2004  # a byte of the wire
            raise RefusedError(f"{read.passes} cycles; at most 255")

    async def _ready(self) -> None:
        await self._initialised()
        status = await self._until_idle()
        if status.drawer_open:
            raise InstrumentFaultError("the drawer is open", code="drawer_open")
        if self._target_c is not None:
            actual = status.bottom_c or math.nan
            if not abs(actual - self._target_c) <= self.settings.tolerance_c:
                raise InstrumentFaultError(
                    f"the chamber is at {actual:.1f} C, {self._target_c:.1f} C wanted",
                    code="temperature",
                )

    def _run_of(self, read: KineticRead) -> Run:
        s = self.settings
        chromatics = tuple(
            Chromatic(
                c.excitation_nm, s.excitation_width_nm, c.emission_nm, s.emission_width_nm, s.gain
            )
            for c in read.channels
        )
        return Run(read.wells, chromatics, read.passes, round(read.interval_s), s.flashes,
                   round(100 * s.focus_mm), POINT_BOTTOM, settling=5)  # fmt: skip

    async def _record(self, number: int, until_s: float) -> Record:
        """Ask for the current record until the wanted one is whole."""
        while True:
            payload = await self._query(PROGRESSIVE, wanted=DATA_TYPE, instead=STATUS_TYPE)
            if payload[0] == DATA_TYPE:
                record = parse_record(payload)
                if record.number == number and record.whole:
                    return record
                if record.number > number:
                    raise InstrumentFaultError(
                        f"record {number} was overwritten", code="lost_record"
                    )
            elif not parse_status(payload).busy and number > 1:
                raise InstrumentFaultError(f"the run ended before record {number}", code="ended")
            if self._setup.clock.monotonic_s() > until_s:
                raise ReplyTimeoutError(f"record {number} did not come")
            await asyncio.sleep(POLL_S)

    def _frames(self, read: KineticRead, record: Record, index: int, begun_s: float) -> list[Frame]:
        selected = sorted(read.wells, key=parse_well)
        order = sorted(read.wells, key=lambda well: parse_well(well)[::-1])
        place = {well: i for i, well in enumerate(order)}
        if any(len(values) != len(selected) for values in record.values):
            raise MalformedReplyError(f"{len(record.values[0])} values for {len(selected)} wells")
        frames = []
        for channel, values in enumerate(record.values):
            by_well = dict(zip(selected, values, strict=True))
            late_s = begun_s + record.start_s + channel * self.settings.chromatic_s
            times = tuple(late_s + place[well] * self.settings.well_s for well in read.wells)
            flags: dict[str, ReadFlag] = {
                w: "saturated" for w in read.wells if by_well[w] >= record.limit
            }
            known = tuple(float(by_well[well]) for well in read.wells)
            frames.append(Frame(index, channel, read.wells, times, known, flags,
                                record.temperature_c, f"{self._setup.name}:record {record.number}"))  # fmt: skip
        return frames

    # Wire ---------------------------------------------------------------------------------------
    async def _initialised(self) -> None:
        if not (await self._status()).mechanics & INITIALISED:
            await self._once(INITIALISE)
            await self._until_idle()

    async def _status(self) -> Status:
        return parse_status(await self._query(STATUS))

    async def _until_idle(self) -> Status:
        until_s = self._setup.clock.monotonic_s() + IDLE_S
        while (status := await self._status()).busy:
            if self._setup.clock.monotonic_s() > until_s:
                raise ReplyTimeoutError(f"the reader is not idle after {IDLE_S:g} s")
            await asyncio.sleep(POLL_S)
        return status

    async def _query(
        self, payload: bytes, *, wanted: int = STATUS_TYPE, instead: int | None = None
    ) -> bytes:
        """Ask something that changes nothing; a lost or damaged answer is asked for again."""
        problem: LinkError | None = None
        for _ in range(TRIES):
            try:
                return await self._once(payload, wanted=wanted, instead=instead)
            except (ReplyTimeoutError, MalformedReplyError) as error:
                problem = error
        assert problem is not None  # noqa: S101  # TRIES is above zero
        raise problem

    async def _once(
        self, payload: bytes, *, wanted: int = STATUS_TYPE, instead: int | None = None
    ) -> bytes:
        stream = self._stream
        if stream is None:
            raise DisconnectedError("the reader is not connected")
        self._buffer.clear()
        with contextlib.suppress(ReplyTimeoutError):
            while True:  # what came too late belongs to nobody
                await stream.receive(timeout_s=0.0)
        await stream.send(encode(payload))
        answer = decode(await self._frame(stream))
        if answer[0] not in {wanted, instead}:
            raise MalformedReplyError(f"an answer of type {answer[0]:02X}, not {wanted:02X}")
        return answer

    async def _frame(self, stream: ByteStream) -> bytes:
        """The next frame, by its size; an `0D` inside does not end it."""
        until_s = asyncio.get_running_loop().time() + REPLY_S
        while len(self._buffer) < 3 or len(self._buffer) < size_of(bytes(self._buffer)):  # noqa: PLR2004
            left_s = until_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                raise ReplyTimeoutError(f"no whole frame; {len(self._buffer)} bytes came")
            self._buffer += await stream.receive(timeout_s=left_s)
        size = size_of(bytes(self._buffer))
        frame = bytes(self._buffer[:size])
        del self._buffer[:size]
        return frame
