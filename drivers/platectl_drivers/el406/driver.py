"""The washer: exchanges, batches, and the steps of the interface."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, ClassVar, Final

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.cells import WasherLimits
from platectl.hal.checks import check_within, whole
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.hal.stream import ByteStream
from platectl.transport.handed import Handed
from platectl_drivers.el406 import payload, ranges
from platectl_drivers.el406.frame import (
    ACK,
    HEADER,
    INITIAL,
    NAK,
    PAUSED,
    RUNNING,
    STOPPED,
    Frame,
    Status,
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
STEPS: Final = {"aspirate", "dispense", "wash", "prime", "filter_plate"}
STATES: Final = {INITIAL: "initial", RUNNING: "running", PAUSED: "paused", STOPPED: "stopped"}


class EL406:
    """Drives one washer; satisfies `platectl.hal.cells.PlateWasher`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="el406",
        makes="BioTek EL406 plate washer (experimental)",
        interfaces=("PlateWasher",),
        wire="serial",
        lines=(SerialLine(38400, stopbits=2),),
        source="PyLabRobot 0.2.2 plate_washing.biotek.el406, from captures of the maker's program",
        unattested=(
            "answers to the queries before a batch",
            "unit of the heights",
            "open bytes",
            "validity word before the data of answers other than that to a status poll",
        ),
        transcripts=("el406_filtration",),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._setup = setup
        self._stream: ByteStream | None = None
        self._turn = asyncio.Lock()
        self._filtration = False
        self._handed = Handed()
        self._over: set[str] = set()
        self._before = INITIAL
        self._stopped = False
        self._batch_open = False

    @property
    def limits(self) -> WasherLimits:
        """Whole plates; heights from the bottom up to where the dispensing tubes are."""
        high = (210 - self.settings.bottom_z) / 10.0
        return WasherLimits(
            ranges.VOLUME_UL,
            ranges.BUFFERS,
            (0.1, high),
            self._filtration,
            ranges.RATE,
            ranges.FLOW,
            ranges.PRIME_ML,
        )

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
        return await self._identify()

    async def observe(self) -> Identity:
        """Test the communication and ask what is fitted; nothing is initialised.

        Raises:
            LinkError: No usable answer, or a standing fault; nothing was changed.
        """
        async with self._turn:
            await self._listen()
            try:
                return await self._identify()
            except InstrumentFaultError as fault:
                raise MalformedReplyError(f"a query was answered with a fault: {fault}") from fault

    async def take_over(self) -> Identity:
        """As `connect`, after the step that runs is over.

        Raises:
            LinkError: No usable answer, or the step is not over within the longest time.
            InstrumentFaultError: A standing fault.
        """
        async with self._turn:
            await self._listen()
            status = await self._follow(ranges.FILTER_S[1] + self.settings.step_s)
            if status.state == RUNNING:
                raise ReplyTimeoutError("the step that runs does not end")
            self._batch_open = status.state == STOPPED
            await self._exchange(Frame(INITIALISE))
            return await self._identify()

    async def reconcile(self, action: Action) -> Verdict:
        """Follow the step that runs to its end; one that is over already is told by this life only.

        Raises:
            LinkError: No usable answer.
        """
        async with self._turn:
            await self._listen()
            if self._handed.never(action):
                return Verdict("not_done", {"sent": "queries and the beginning of a batch at most"})
            if action.verb not in STEPS:
                return Verdict("unknown", {"verb": action.verb})
            told = action.arguments
            granted_s = self.settings.step_s + float(told.get("hold_s", 0.0))
            granted_s += self.settings.cycle_s * float(told.get("cycles", 0))
            try:
                first = parse_status(await self._exchange(Frame(STATUS)))
                last = await self._follow(granted_s)
            except InstrumentFaultError as fault:
                return Verdict("unknown", {"error": fault.code})
            return self._judge(action, first, last)

    async def aspirate(self, *, height_mm: float, rate: int) -> None:
        """Draw all wells down. Errors as in the interface."""
        data = payload.aspirate(z=self._z(height_mm), rate=ranges.rate_of(rate))
        await self._step(payload.ASPIRATE, data)

    async def dispense(self, *, buffer: str, volume_ul: float, flow: int) -> None:
        """Fill all wells. Errors as in the interface."""
        volume, z = ranges.volume_of(buffer, volume_ul), self.settings.dispense_z
        data = payload.dispense(buffer=buffer, volume_ul=volume, flow=ranges.flow_of(flow), z=z)
        await self._step(payload.DISPENSE, data)

    async def wash(
        self, *, buffer: str, cycles: int, volume_ul: float, aspirate_height_mm: float,
        rate: int, flow: int, final_aspirate: bool,
    ) -> None:  # fmt: skip
        """Aspirate and dispense. Errors as in the interface."""
        volume, cycles = (
            ranges.volume_of(buffer, volume_ul),
            whole(cycles, ranges.CYCLES, "wash", "cycles"),
        )
        program = payload.WashProgram(
            buffer, cycles, volume, self._z(aspirate_height_mm), self.settings.dispense_z,
            ranges.rate_of(rate), ranges.flow_of(flow), final_aspirate,
        )  # fmt: skip
        granted_s = self.settings.cycle_s * cycles + self.settings.step_s
        await self._step(payload.WASH, payload.wash(program), granted_s=granted_s)

    async def prime(self, *, buffer: str, volume_ml: float) -> None:
        """Fill the tubing. Errors as in the interface."""
        ranges.check_buffer(buffer)
        volume = whole(volume_ml, ranges.PRIME_ML, "prime with", "mL")
        await self._step(payload.PRIME, payload.prime(buffer=buffer, volume_ml=volume))

    async def filter_plate(self, *, hold_s: float) -> None:
        """Draw a filter plate through. Errors as in the interface."""
        if not self._filtration:
            raise RefusedError("no vacuum filtration carrier is fitted")
        data = payload.filtration(
            seconds=whole(hold_s, ranges.FILTER_S, "filter for", "s"), z=self._z(0.3)
        )
        await self._step(payload.ASPIRATE, data, granted_s=hold_s + self.settings.step_s)

    async def abort(self) -> None:
        """Abort the running step; waits for no answer, so that it can come between two polls."""
        self._stopped = True
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
        check_within(height_mm, self.limits.aspirate_height_mm, "aspirate to", "mm")
        tenths = (0.0, 10.0 * self.limits.aspirate_height_mm[1])
        return self.settings.bottom_z + whole(10.0 * height_mm, tenths, "aspirate to", "x 0.1 mm")

    async def _step(self, command: int, data: bytes, *, granted_s: float | None = None) -> None:
        """One step in a batch of its own; it is sent once.

        After a lost answer the batch stays open, so that its state can be looked at; the next
        step closes it first.
        """
        async with self._turn:
            self._handed.begin()
            await self._close_old_batch()
            for query in BEFORE_BATCH:
                await self._exchange(Frame(query))
            await self._exchange(Frame(BEGIN, bytes((payload.PLATE_96,))))
            self._batch_open = True
            try:
                self._before = await self._until_over(REPLY_S)
                self._handed.hand()
                self._stopped = False
                await self._exchange(Frame(command, data))
                await self._until_over(granted_s or self.settings.step_s)
                self._refuse_if_stopped()
                self._over.add(ACTION_ID.get())
                await self._exchange(Frame(HOME, VERIFY_ALL), timeout_s=ACTION_S)
            except LinkError:
                raise
            except BaseException:
                await self._end_batch()
                raise
            await self._end_batch()

    def _refuse_if_stopped(self) -> None:
        if self._stopped:
            raise InstrumentFaultError("the step was aborted", code="aborted")

    async def _end_batch(self) -> None:
        self._batch_open = False
        with contextlib.suppress(LinkError, InstrumentFaultError):
            await self._exchange(Frame(END), timeout_s=ACTION_S)

    async def _close_old_batch(self) -> None:
        if not self._batch_open:
            return
        with contextlib.suppress(InstrumentFaultError):  # of the step before
            await self._until_over(self.settings.step_s)
        await self._end_batch()

    def _judge(self, action: Action, first: Status, last: Status) -> Verdict:
        ours = self._handed.did(action)
        evidence: dict[str, Any] = {
            "state": STATES[last.state],
            "seen_running": first.state == RUNNING,
            "sent_in_this_life": ours,
        }
        if last.state == RUNNING:
            return Verdict("running", evidence)
        ended = last.state in {INITIAL, STOPPED} and not self._stopped
        new = ours and self._before == INITIAL and last.state == STOPPED
        if ended and (first.state == RUNNING or new):
            self._over.add(action.id)
        return Verdict("done" if action.id in self._over else "unknown", evidence)

    async def _follow(self, granted_s: float) -> Status:
        """Poll until nothing runs or the time is over; the last status."""
        deadline_s = self._setup.clock.monotonic_s() + granted_s
        while True:
            status = parse_status(await self._exchange(Frame(STATUS)))
            if status.state != RUNNING or self._setup.clock.monotonic_s() > deadline_s:
                return status
            await asyncio.sleep(self.settings.poll_s)

    async def _listen(self) -> None:
        """Test the communication, on a new line if the old one is gone."""
        if self._stream is not None:
            try:
                await self._exchange(Frame(TEST))
            except DisconnectedError:
                await self.aclose()
            else:
                return
        self._stream = await self._setup.open_stream()
        await self._exchange(Frame(TEST))

    async def _identify(self) -> Identity:
        serial = await self._exchange(Frame(SERIAL))
        fitted = await self._exchange(Frame(SENSOR, FILTER_VACUUM))
        self._filtration = fitted[2:3] == b"\x01"
        return Identity("EL406", serial_number=serial[2:].decode("ascii", "replace").strip("\0 "))

    async def _until_over(self, granted_s: float) -> int:
        """Poll until the state is one of rest, and return it."""
        deadline_s = self._setup.clock.monotonic_s() + granted_s
        while True:
            status = parse_status(await self._exchange(Frame(STATUS)))
            if status.state in {INITIAL, STOPPED}:
                return status.state
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
        answer = await self._answer(reader, frame)
        if answer.command == ABORT != frame.command and self._stopped:
            answer = await self._answer(reader, frame)
        if answer.command != frame.command:
            raise MalformedReplyError(f"an answer to {answer.command:04X}, not {frame.command:04X}")
        validity = int.from_bytes(answer.data[:2], "little")
        if validity:
            raise InstrumentFaultError(error_text(validity), code=f"{validity:04X}")
        return answer.data

    @staticmethod
    async def _answer(reader: _Reader, frame: Frame) -> Frame:
        first = (await reader.take(1))[0]
        if first == NAK:
            raise MalformedReplyError(f"the washer did not take command {frame.command:04X}")
        if first != ACK:
            raise MalformedReplyError(f"{first:02X} instead of an acknowledgement")
        header = await reader.take(HEADER.size)
        return decode(header, await reader.take(data_length(header)))

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
