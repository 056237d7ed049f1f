"""The reader: status, drawer, temperature, and kinetics that are fetched while they run."""

from __future__ import annotations

import asyncio
import contextlib
import math
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
from platectl.hal.checks import check_within
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.reading import Addition, Frame, KineticRead, ReaderFeatures, ReadFlag
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.hal.stream import ByteStream
from platectl_drivers.spectramax.wire import Block, number, parse_block, read_fields, refusal

REPLY_S: Final = 10.0
IDLE_S: Final = 600.0
POLL_S: Final = 1.0
NO_DATA: Final = "107"
#: refusals of a reader that does something else
BUSY: Final = frozenset({"105", "106"})
FILTERS: Final = ((420, 1), (435, 2), (455, 3), (475, 4), (495, 5), (515, 6), (530, 7), (550, 8),
                  (570, 9), (590, 10), (610, 11), (630, 12), (665, 13), (695, 14))  # fmt: skip


class Settings(BaseModel):
    """Scan times and detector of one reader.

    `column_s` is the time from one column to the next, `switch_s` from one excitation to the other
    in a column. `pmt` is the gain, which kinetics hold. `tolerance_c` is how far the chamber may be
    from its setpoint when a read begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column_s: float = Field(default=1.1, gt=0, le=60)
    switch_s: float = Field(default=0.5, ge=0, le=30)
    pmt: str = Field(default="MED", pattern=r"^(HIGH|MED|LOW)$")
    flashes: int = Field(default=6, ge=1, le=100)
    tolerance_c: float = Field(default=1.0, gt=0)


#: where the drawer is after a verb
DRAWER: Final = {"open_drawer": "OPEN", "close_drawer": "CLOSED"}


class SpectraMax:
    """Drives one reader; satisfies `platectl.hal.reading.PlateReader`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="spectramax",
        makes="Molecular Devices SpectraMax M5 and Gemini",
        interfaces=("PlateReader",),
        wire="serial",
        lines=(SerialLine(9600),),
        source="PyLabRobot molecular_devices/spectramax, eizemazal/spectramax, Gemini EM captures (readers 1)",
        unattested=(
            "form of !QUEUE",
            "unit of the device counter",
            "scan times",
            "order of a read's commands but on a Gemini, and replies to them: none were published",
            "arguments and reply of !CANCEL",
            "code that refuses a read with the drawer open",
        ),
        transcripts=("spectramax_drawer",),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._setup = setup
        self._stream: ByteStream | None = None
        self._turn = asyncio.Lock()
        self._target_c: float | None = None
        #: as it states it, once it was asked
        self._model = ""
        #: title of the read asked for last, and whether its start was sent
        self._order: tuple[str, bool] | None = None

    @property
    def features(self) -> ReaderFeatures:
        """Column by column; nothing can be added over the wire."""
        whole_s = 12 * self.settings.column_s + 1.0
        return ReaderFeatures(
            geometry="column", excitation_nm=(250.0, 850.0), emission_nm=(360.0, 850.0),
            least_interval_s=math.ceil(whole_s), temperature_c=(20.0, 45.0), clock="instrument",
            delivery="during",
            no_injection="the compound-transfer commands of this family are not public",
        )  # fmt: skip

    def read_duration_s(self, read: KineticRead) -> float:
        """All passes, and the settings before them."""
        return 5.0 + read.passes * read.interval_s

    async def connect(self) -> Identity:
        """Handshake, status and model; waits while the reader calibrates after power-on.

        Raises:
            LinkError: No usable answer; nothing moved.
            InstrumentFaultError: It refuses.
        """
        await self._call()
        await self._until_idle()
        return await self._who()

    async def observe(self) -> Identity:
        """Handshake, status and model; what moves or reads goes on.

        A reader that is busy refuses to say its model and is called by the family's name.
        """
        await self._call()
        await self._words("!STATUS")
        try:
            return await self._who()
        except InstrumentFaultError as refused:
            if refused.code not in BUSY:
                raise MalformedReplyError(str(refused)) from refused
            return Identity("SpectraMax")

    async def take_over(self) -> Identity:
        """As `observe`, and learn the setpoint; a read goes on, for nobody: its data are not kept."""
        identity = await self.observe()
        with contextlib.suppress(InstrumentFaultError):
            self._target_c = (await self._temperatures())[0] or None
        return identity

    async def reconcile(self, action: Action) -> Verdict:
        """Tell drawer and setpoint; of a read only that this driver did not send its start.

        The reader knows no titles, and does not say what has been read and fetched.
        """
        words = await self._status_anew()
        evidence: dict[str, object] = {"status": words}
        if action.verb == "set_temperature":
            as_set = False
            with contextlib.suppress(InstrumentFaultError):
                evidence["setpoint_c"], evidence["actual_c"] = await self._temperatures()
                as_set = evidence["setpoint_c"] == (action.arguments.get("temperature_c") or 0.0)
            return Verdict("done" if as_set else "not_done", evidence, remembered=True)
        if action.verb in DRAWER:
            as_set = "IDLE" in words and DRAWER[action.verb] in words
            return Verdict("done" if as_set else "not_done", evidence, remembered=True)
        unsent = self._order == (action.arguments.get("title"), False)
        if action.verb == "read_kinetic" and unsent:
            return Verdict("not_done", {**evidence, "READ": "was not sent"})
        return Verdict("unknown", evidence)

    def reattach(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Refuse: time points that were transferred once are gone, and none says which it was.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(f"a SpectraMax does not give the read {read.title!r} a second time")

    async def _status_anew(self) -> list[str]:
        """Words of the status, over a new conversation where the old one is gone or silent."""
        if self._stream is not None:
            with contextlib.suppress(LinkError):
                return await self._words("!STATUS")
        await self._call()
        return await self._words("!STATUS")

    async def _words(self, question: str) -> list[str]:
        """What is answered to a question that is never refused.

        Raises:
            MalformedReplyError: It is refused all the same: it ran into half a command.
        """
        try:
            return " ".join(await self._ask(question)).split()
        except InstrumentFaultError as error:
            raise MalformedReplyError(str(error)) from error

    async def _temperatures(self) -> tuple[float, float]:
        """Setpoint (0 for off) and actual temperature of the chamber."""
        words = [word for word in " ".join(await self._ask("!TEMP")).split() if word != "OK"]
        if len(words) != 2:  # noqa: PLR2004  # setpoint and actual
            raise MalformedReplyError(f"{' '.join(words)[:40]!r} is no temperature")
        return number(words[0]), number(words[1])

    async def _call(self) -> None:
        await self.aclose()
        self._stream = await self._setup.open_stream()
        await self._ask("!")

    async def _who(self) -> Identity:
        fields = await self._ask("!OPTION")
        lines = [line.strip() for field in fields[1:] for line in field.split("\n") if line.strip()]
        self._model = lines[0] if lines else "SpectraMax"
        return Identity(self._model, firmware=lines[1] if len(lines) > 1 else "")

    async def set_temperature(self, temperature_c: float | None) -> None:
        """Set the chamber; None is off."""
        if temperature_c is not None:
            check_within(temperature_c, self.features.temperature_c, "hold", "C")
        async with self._turn:
            await self._ask(f"!TEMP {temperature_c or 0:g}")
        self._target_c = temperature_c

    async def read_temperature_c(self) -> float:
        """Current chamber temperature; the setpoint comes first in the answer."""
        async with self._turn:
            return (await self._temperatures())[1]

    async def open_drawer(self) -> None:
        """Drawer out."""
        await self._drawer("!OPEN", "OPEN")

    async def close_drawer(self) -> None:
        """Drawer in."""
        await self._drawer("!CLOSE", "CLOSED")

    async def _drawer(self, command: str, wanted: str) -> None:
        async with self._turn:
            await self._ask(command)
            where = await self._until_idle()
            if where != wanted:
                raise InstrumentFaultError(
                    f"the drawer is {where.lower()} after {command}", code="drawer"
                )

    async def read_kinetic(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Read over time; frames come as the reader finishes time points. Errors as in the interface."""
        self._check(read)
        self._order = (read.title, False)
        async with self._turn:
            await self._ready()
            if not self._model:
                await self._who()
            for command in self._settings_of(read):
                await self._ask(command)
            begun_s = self._setup.clock.monotonic_s()
            self._order = (read.title, True)
            await self._ask("!READ")
            first: Block | None = None
            for index in range(read.passes):
                block = await self._next_block(
                    read, begun_s + (index + 2) * read.interval_s + REPLY_S
                )
                first = first or block
                for frame in self._frames(
                    read, block, index, begun_s + block.counter_s - first.counter_s
                ):
                    yield frame
            await self._until_idle()

    async def abort(self) -> None:
        """Cancel the measurement; waits for no answer."""
        if self._stream is not None:
            with contextlib.suppress(LinkError):
                await self._stream.send(b"!CANCEL\r")

    async def aclose(self) -> None:
        """Close the conversation; harmless when repeated."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    # A read -------------------------------------------------------------------------------------
    def _check(self, read: KineticRead) -> None:
        if read.injection is not None:
            raise RefusedError(self.features.no_injection)
        if read.interval_s < self.features.least_interval_s or read.interval_s != round(
            read.interval_s
        ):
            raise RefusedError(
                f"an interval of {read.interval_s:g} s; whole seconds from "
                f"{self.features.least_interval_s:g}"
            )
        columns = {parse_well(well)[1] for well in read.wells}
        if columns != set(range(min(columns), max(columns) + 1)):
            raise RefusedError("the columns of a read must follow one another")

    async def _ready(self) -> None:
        if await self._until_idle() != "CLOSED":
            raise InstrumentFaultError("the drawer is open", code="drawer_open")
        if self._target_c is None:
            return
        fields = await self._ask("!TEMP")
        words = [w for w in " ".join(fields).replace("\t", " ").split() if w != "OK"]
        actual = number(words[-1]) if words else math.nan
        if not abs(actual - self._target_c) <= self.settings.tolerance_c:
            raise InstrumentFaultError(
                f"the chamber is at {actual:.1f} C, {self._target_c:.1f} C wanted",
                code="temperature",
            )

    @property
    def _is_gemini(self) -> bool:
        return "GEMINI" in self._model.upper()

    def _settings_of(self, read: KineticRead) -> list[str]:
        columns = sorted({parse_well(well)[1] for well in read.wells})
        excitations = " ".join(f"{c.excitation_nm:g}" for c in read.channels)
        emissions = " ".join(f"{c.emission_nm:g}" for c in read.channels)
        filters = " ".join(str(cutoff_index(c.emission_nm)) for c in read.channels)
        return [
            "!CLEAR DATA", "!TAG OFF", "!XPOS 14.380 9 12", "!YPOS 11.235 9 8", "!SHAKE OFF",
            f"!STRIP {columns[0] + 1} {len(columns)}", "!READTYPE FLU", f"!EMWAVELENGTH {emissions}",
            "!AUTOFILTER OFF", f"!EMFILTER {filters}", f"!EXWAVELENGTH {excitations}",
            f"!FPW {self.settings.flashes}", *(["!TOPREADCLEAR ON"] if self._is_gemini else []), "!AUTOPMT OFF", f"!PMT {self.settings.pmt}", "!CSPEED 8",
            "!PMTCAL ON", f"!MODE KINETIC {read.interval_s:g} {read.passes}", "!ORDER COLUMN",
            f"!READSTAGE {'BOT' if read.bottom else 'TOP'}",
        ]  # fmt: skip

    async def _next_block(self, read: KineticRead, until_s: float) -> Block:
        pairs = tuple((c.excitation_nm, c.emission_nm) for c in read.channels)
        while True:
            try:
                fields = await self._ask("!TRANSFER")
            except InstrumentFaultError as refused:
                if refused.code != NO_DATA:
                    raise
            else:
                if len(fields) < 2:  # noqa: PLR2004  # acknowledgement and data
                    raise MalformedReplyError("a transfer without data")
                return parse_block(fields[1], pairs)
            if self._setup.clock.monotonic_s() > until_s:
                raise ReplyTimeoutError("the next time point did not come")
            await asyncio.sleep(POLL_S)

    def _frames(self, read: KineticRead, block: Block, index: int, at_s: float) -> list[Frame]:
        first = min(parse_well(well)[1] for well in read.wells)
        frames = []
        for channel, values in enumerate(block.values):
            late = channel * self.settings.switch_s
            times = tuple(
                at_s + (parse_well(w)[1] - first) * self.settings.column_s + late
                for w in read.wells
            )
            known = tuple(values.get(well, math.nan) for well in read.wells)
            flags: dict[str, ReadFlag] = {
                well: "saturated" if well in block.saturated[channel] else "missing"
                for well, value in zip(read.wells, known, strict=True)
                if not math.isfinite(value)
            }
            frames.append(Frame(index, channel, read.wells, times, known, flags, block.temperature_c,
                                f"{self._setup.name}:!TRANSFER {index}"))  # fmt: skip
        return frames

    # Wire ---------------------------------------------------------------------------------------
    async def _until_idle(self) -> str:
        """Where the drawer is, once nothing moves, measures or calibrates."""
        until_s = self._setup.clock.monotonic_s() + IDLE_S
        while True:
            fields = await self._ask("!STATUS")
            words = " ".join(fields).split()
            drawer = next((w for w in words if w in {"OPEN", "CLOSED"}), None)
            if drawer is None:
                raise MalformedReplyError(f"{' '.join(words)[:40]!r} is no status")
            if "IDLE" in words:
                return drawer
            if self._setup.clock.monotonic_s() > until_s:
                raise ReplyTimeoutError(f"the reader is not idle after {IDLE_S:g} s")
            await asyncio.sleep(POLL_S)

    async def _ask(self, command: str) -> list[str]:
        stream = self._stream
        if stream is None:
            raise DisconnectedError("the reader is not connected")
        with contextlib.suppress(ReplyTimeoutError):
            while True:  # what came too late belongs to nobody
                await stream.receive(timeout_s=0.0)
        await stream.send(command.encode("ascii") + b"\r")
        fields = await read_fields(stream, timeout_s=REPLY_S)
        if (fault := refusal(fields)) is not None:
            raise fault
        if not any(field.startswith("OK") for field in fields):
            raise MalformedReplyError(f"{fields[0][:40]!r} answers {command}")
        return fields


def cutoff_index(emission_nm: float) -> int:
    """Index of the emission cut-off filter for a wavelength (table 1.6)."""
    return next((index for below, index in FILTERS if emission_nm < below), 15)
