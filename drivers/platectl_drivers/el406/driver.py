"""The washer: exchanges, batches, and the steps of the interface."""

from __future__ import annotations

import asyncio
import contextlib
from typing import ClassVar, Final

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.cells import WasherLimits
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.stream import ByteStream
from platectl_drivers.el406 import payload
from platectl_drivers.el406.frame import (
    ACK,
    HEADER,
    INITIAL,
    NAK,
    RUNNING,
    STOPPED,
    Frame,
    data_length,
    decode,
    encode,
    error_text,
    parse_status,
)
from platectl_drivers.el406.settings import Settings

REPLY_S: Final = 5.0
ACTION_S: Final = 120.0
QUIET_S: Final = 0.05
TEST, INITIALISE, STATUS, BEGIN, END, HOME, ABORT = 0x73, 0xA0, 0x92, 0x8D, 0x8C, 0xC8, 0x89
SERIAL, SENSOR = 0x100, 0xD2
FILTER_VACUUM: Final = b"\x04"
BEFORE_BATCH: Final = (0xBF, 0xC1, 0xF2, 0xF4, 0x154, 0x102, 0x10A)
VERIFY_ALL: Final = b"\x04\x00"
BUFFERS: Final = ("A", "B", "C", "D")
VOLUME_UL: Final = (25.0, 3000.0)
FILTER_S: Final = (5, 999)


class EL406:
    """Drives one washer; satisfies `platectl.hal.cells.PlateWasher`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="el406",
        makes="BioTek EL406 plate washer (experimental)",
        interfaces=("PlateWasher",),
        wire="serial",
        baud=38400,
        source="PyLabRobot 0.2.2 plate_washing.biotek.el406, from captures of the maker's program",
        unattested=("answers to the queries before a batch", "unit of the heights", "open bytes"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._setup = setup
        self._stream: ByteStream | None = None
        self._turn = asyncio.Lock()
        self._filtration = False

    @property
    def limits(self) -> WasherLimits:
        """Whole plates; heights from the bottom up to where the dispensing tubes are."""
        high = (210 - self.settings.bottom_z) / 10.0
        return WasherLimits(VOLUME_UL, BUFFERS, (0.1, high), self._filtration)

    async def connect(self) -> Identity:
        """Test the communication and ask what is fitted; nothing moves.

        Raises:
            LinkError: No usable answer; nothing moved.
            InstrumentFaultError: A standing fault.
        """
        await self.aclose()
        self._stream = await self._setup.open_stream()
        await self._exchange(Frame(TEST))
        await self._exchange(Frame(INITIALISE))
        serial = await self._exchange(Frame(SERIAL))
        fitted = await self._exchange(Frame(SENSOR, FILTER_VACUUM))
        self._filtration = fitted[2:3] == b"\x01"
        return Identity("EL406", serial_number=serial[2:].decode("ascii", "replace").strip("\0 "))

    async def aspirate(self, *, height_mm: float, rate: int) -> None:
        """Draw all wells down. Errors as in the interface."""
        await self._step(payload.ASPIRATE, payload.aspirate(z=self._z(height_mm), rate=rate))

    async def dispense(self, *, buffer: str, volume_ul: float, flow: int) -> None:
        """Fill all wells. Errors as in the interface."""
        self._check(buffer, volume_ul)
        z, volume = self.settings.dispense_z, round(volume_ul)
        data = payload.dispense(buffer=buffer, volume_ul=volume, flow=flow, z=z)
        await self._step(payload.DISPENSE, data)

    async def wash(
        self, *, buffer: str, cycles: int, volume_ul: float, aspirate_height_mm: float,
        rate: int, flow: int, final_aspirate: bool,
    ) -> None:  # fmt: skip
        """Aspirate and dispense. Errors as in the interface."""
        self._check(buffer, volume_ul)
        if not 1 <= cycles <= 250:  # noqa: PLR2004  # a byte of the wire, by the maker's limit
            raise RefusedError(f"{cycles} cycles are not between 1 and 250")
        program = payload.WashProgram(
            buffer, cycles, round(volume_ul), self._z(aspirate_height_mm), self.settings.dispense_z,
            rate, flow, final_aspirate,
        )  # fmt: skip
        granted_s = self.settings.cycle_s * cycles + self.settings.step_s
        await self._step(payload.WASH, payload.wash(program), granted_s=granted_s)

    async def prime(self, *, buffer: str, volume_ml: float) -> None:
        """Fill the tubing. Errors as in the interface."""
        if buffer not in BUFFERS or not 5 <= volume_ml <= 999:  # noqa: PLR2004  # the maker's limits
            raise RefusedError(
                f"cannot prime {volume_ml:g} mL of {buffer!r}; 5 to 999 mL of A to D"
            )
        await self._step(payload.PRIME, payload.prime(buffer=buffer, volume_ml=round(volume_ml)))

    async def filter_plate(self, *, hold_s: float) -> None:
        """Draw a filter plate through. Errors as in the interface."""
        if not self._filtration:
            raise RefusedError("no vacuum filtration carrier is fitted")
        if hold_s != round(hold_s) or not FILTER_S[0] <= hold_s <= FILTER_S[1]:
            raise RefusedError(
                f"{hold_s:g} s are not whole seconds from {FILTER_S[0]} to {FILTER_S[1]}"
            )
        data = payload.filtration(seconds=int(hold_s), z=self._z(0.3))
        await self._step(payload.ASPIRATE, data, granted_s=hold_s + self.settings.step_s)

    async def abort(self) -> None:
        """Abort the running step; waits for no answer, so that it can come between two polls."""
        if self._stream is not None:
            with contextlib.suppress(LinkError):
                for part in encode(Frame(ABORT, b"\0")):
                    await self._stream.send(part)

    async def aclose(self) -> None:
        """Close the conversation; harmless when repeated."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    # Steps --------------------------------------------------------------------------------------
    def _z(self, height_mm: float) -> int:
        low, high = self.limits.aspirate_height_mm
        if not low <= height_mm <= high:
            raise RefusedError(f"{height_mm:g} mm is not between {low:g} and {high:g} mm")
        return self.settings.bottom_z + round(10.0 * height_mm)

    def _check(self, buffer: str, volume_ul: float) -> None:
        if buffer not in BUFFERS:
            raise RefusedError(f"there is no buffer line {buffer!r}; A to D")
        if not VOLUME_UL[0] <= volume_ul <= VOLUME_UL[1]:
            raise RefusedError(f"{volume_ul:g} uL is not between 25 and 3000 uL")

    async def _step(self, command: int, data: bytes, *, granted_s: float | None = None) -> None:
        """One step in a batch of its own; it is sent once."""
        async with self._turn:
            for query in BEFORE_BATCH:
                await self._exchange(Frame(query))
            await self._exchange(Frame(BEGIN, bytes((payload.PLATE_96,))))
            try:
                await self._until_over(REPLY_S)
                await self._exchange(Frame(command, data))
                await self._until_over(granted_s or self.settings.step_s)
                await self._exchange(Frame(HOME, VERIFY_ALL), timeout_s=ACTION_S)
            finally:
                with contextlib.suppress(LinkError, InstrumentFaultError):
                    await self._exchange(Frame(END), timeout_s=ACTION_S)

    async def _until_over(self, granted_s: float) -> None:
        deadline_s = self._setup.clock.monotonic_s() + granted_s
        while True:
            status = parse_status(await self._exchange(Frame(STATUS)))
            if status.state == STOPPED:
                return
            if status.state == INITIAL:
                return
            if status.state != RUNNING:
                raise InstrumentFaultError("the washer is paused", code="paused")
            if self._setup.clock.monotonic_s() > deadline_s:
                raise ReplyTimeoutError(f"the step is not over after {granted_s:g} s")
            await asyncio.sleep(self.settings.poll_s)

    # Wire ---------------------------------------------------------------------------------------
    async def _exchange(self, frame: Frame, *, timeout_s: float = REPLY_S) -> bytes:
        """Send one frame and return the data of its answer.

        Raises:
            InstrumentFaultError: The answer's validity word is an error code.
            LinkError: NAK, no answer, or one that is none.
        """
        stream = self._stream
        if stream is None:
            raise DisconnectedError("the washer is not connected")
        await self._drain(stream)
        for part in encode(frame):
            if part:
                await stream.send(part)
        reader = _Reader(stream, timeout_s)
        first = (await reader.take(1))[0]
        if first == NAK:
            raise MalformedReplyError(f"the washer did not take command {frame.command:04X}")
        if first != ACK:
            raise MalformedReplyError(f"{first:02X} instead of an acknowledgement")
        header = await reader.take(HEADER.size)
        answer = decode(header, await reader.take(data_length(header)))
        if answer.command != frame.command:
            raise MalformedReplyError(f"an answer to {answer.command:04X}, not {frame.command:04X}")
        validity = int.from_bytes(answer.data[:2], "little")
        if validity:
            raise InstrumentFaultError(error_text(validity), code=f"{validity:04X}")
        return answer.data

    @staticmethod
    async def _drain(stream: ByteStream) -> None:
        with contextlib.suppress(ReplyTimeoutError):
            while True:
                await stream.receive(timeout_s=0.0)


class _Reader:
    """Takes exact numbers of bytes within a time."""

    def __init__(self, stream: ByteStream, timeout_s: float) -> None:
        self._stream = stream
        self._until_s = asyncio.get_running_loop().time() + timeout_s
        self._buffer = bytearray()

    async def take(self, count: int) -> bytes:
        """Return `count` bytes.

        Raises:
            ReplyTimeoutError: They did not come in time.
        """
        while len(self._buffer) < count:
            left_s = self._until_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                raise ReplyTimeoutError(f"{len(self._buffer)} of {count} bytes came")
            self._buffer += await self._stream.receive(timeout_s=left_s)
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
