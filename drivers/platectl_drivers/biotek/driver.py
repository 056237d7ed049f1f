"""The reader: who it is, carrier, temperature, endpoint reads, and kinetics clocked by the host."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.wells import well_name
from platectl.hal.checks import check_within
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.reading import (
    Addition,
    EndpointFeatures,
    EndpointRead,
    EndpointReading,
    Frame,
    KineticRead,
    Mode,
    ReaderFeatures,
    ReadFlag,
)
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.handed import Handed
from platectl_drivers.biotek import wire
from platectl_drivers.biotek.settings import (
    ABSORBED_NM,
    INTEGRATION_S,
    LIGHT_NM,
    Orders,
    Settings,
    endpoint_orders,
    kinetic_orders,
)
from platectl_drivers.biotek.wire import ETX, Body, Link, Rectangle

QUIET_S: Final = 2.0
UNITS: Final[Mapping[Mode, Literal["AU", "RFU", "RLU"]]] = {
    "absorbance": "AU", "fluorescence": "RFU", "luminescence": "RLU",
}  # fmt: skip
CARRIER: Final = {"open_drawer": "J", "close_drawer": "A"}
NO_INJECTION: Final = "the injector commands of this line are not public"
NOT_BELOW: Final = "which characters of a definition choose the bottom optics is not public"


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over the wells: values and times by well, temperature at its end."""

    values: Mapping[str, float]
    at_s: Mapping[str, float]
    temperature_c: float


class BioTek:
    """Drives one reader; satisfies `PlateReader` and `EndpointReader` of `platectl.hal.reading`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="biotek",
        makes="Agilent BioTek Synergy H1, Cytation 1 and 5",
        interfaces=("PlateReader", "EndpointReader"),
        wire="serial",
        lines=(
            SerialLine(9600, stopbits=2, rtscts=True),
            SerialLine(38461, stopbits=2, rtscts=True),
        ),
        source="PyLabRobot agilent/biotek and its tests, recorded from a Cytation 5 (readers 3)",
        unattested=(
            "the digits that answer a read definition",
            "statuses other than 0000 and 2D06",
            "whether y and t answer a status: recordings show both",
            "that ETX ends a parameter that was half said, and does nothing otherwise",
            "what asterisks stand for: not read, or overflow",
            "whether a reader answers while it reads, and what follows the abort letter",
            "injectors, bottom optics, filters, bandwidth and gain: not public, refused",
            "when each well was read: even over the time of the pass",
        ),
        transcripts=("biotek_absorbance", "biotek_fluorescence", "biotek_refused"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._setup = setup
        self._link: Link | None = None
        self._turn = asyncio.Lock()
        self._handed = Handed()
        self._abort = Abort("the read was aborted")
        self._out_of_step = False
        self._target_c: float | None = None
        #: where the carrier is, as far as this life knows: the letter said last
        self._carrier = ""
        self._speed_told = False

    # What it can do -------------------------------------------------------------------------
    @property
    def features(self) -> ReaderFeatures:
        """The whole plate in each wavelength after the other, from above; nothing can be added."""
        wells = self.settings.plate.rows * self.settings.plate.columns
        return ReaderFeatures(
            geometry="plate", excitation_nm=LIGHT_NM, emission_nm=LIGHT_NM,
            least_interval_s=math.ceil(2 * wells * self.settings.well_s), temperature_c=(20.0, 45.0),
            clock="host", delivery="during", bottom=False, no_injection=NO_INJECTION,
            plate_formats=(wells,),
            notes=("a point of two wavelengths is two passes over the plate",),
        )  # fmt: skip

    @property
    def endpoints(self) -> EndpointFeatures:
        """Absorbance, fluorescence and luminescence."""
        wells = self.settings.plate.rows * self.settings.plate.columns
        return EndpointFeatures(
            modes=("absorbance", "fluorescence", "luminescence"), wavelengths_nm=ABSORBED_NM,
            integration_s=INTEGRATION_S, well_s=self.settings.well_s, plate_formats=(wells,),
        )  # fmt: skip

    def read_duration_s(self, read: KineticRead) -> float:
        """All passes; the last one takes its own time."""
        return 10.0 + (read.passes - 1) * read.interval_s + self._pass_s(read)

    def _pass_s(self, read: KineticRead) -> float:
        return len(read.wells) * len(read.channels) * self.settings.well_s

    # Conversation ---------------------------------------------------------------------------
    async def connect(self) -> Identity:
        """Ask serial number and firmware; nothing moves.

        Raises:
            LinkError: No usable answer; some units answer at 38461 baud only.
            InstrumentFaultError: A status other than 0000.
        """
        await self.aclose()
        self._abort.clear()
        self._target_c, self._carrier = None, ""
        return await self.observe()

    async def observe(self) -> Identity:
        """Ask serial number and firmware; what moves or reads goes on."""
        link = await self._anew()
        serial = (await link.ask("C")).strip()
        version = (await link.ask("e")).partition("Version")[2].strip()
        if not serial or not version:
            raise MalformedReplyError("the reader states no serial number or no version")
        return Identity("BioTek", serial, version)

    async def take_over(self) -> Identity:
        """As `observe`; a read under way goes on for nobody, and ends when the next one begins."""
        self._abort.clear()
        self._out_of_step = True
        return await self.observe()

    async def reconcile(self, action: Action) -> Verdict:
        """Of a read only that it was never started; what sets a state may be said again.

        The reader tells neither setpoint nor place of the carrier, and keeps no data.
        """
        identity = await self.observe()
        evidence = {"serial_number": identity.serial_number}
        if action.verb in {*CARRIER, "set_temperature", "read_endpoint"}:
            return Verdict("not_done", {**evidence, "asked": "cannot be"}, remembered=True)
        if self._handed.never(action):
            return Verdict("not_done", {**evidence, "O": "was not sent"})
        return Verdict("unknown", evidence)

    async def abort(self) -> None:
        """Say the abort letter; waits for no answer."""
        self._abort.call()
        self._out_of_step = True
        if self._link is not None:
            with contextlib.suppress(LinkError):
                await self._link.stream.send(b"x")

    async def aclose(self) -> None:
        """Close the conversation; harmless when repeated."""
        link, self._link = self._link, None
        if link is not None:
            await link.stream.aclose()

    async def _anew(self) -> Link:
        """The conversation, a new one where the old one is gone."""
        if self._link is not None:
            try:
                await self._link.purge()
            except DisconnectedError:
                await self.aclose()
        if self._link is None:
            self._link = Link(await self._setup.open_stream())
            self._speed_told = False  # it may have been off meanwhile
        return self._link

    async def _ask(self, letter: str, parameter: str | None = None, *, end: bool = True) -> str:
        """Say a command that acts; in step before, and out of step if its answer is not understood."""
        link = self._connected()
        if self._out_of_step:
            await link.stream.send(b"x")
            await link.stream.send(ETX)  # in case it waits for the rest of a parameter
            await link.purge(QUIET_S)
            await link.ask("C")
            self._out_of_step = False
        try:
            return await link.ask(letter, parameter, end=end)
        except LinkError:
            self._out_of_step = True
            raise

    def _connected(self) -> Link:
        if self._link is None:
            raise DisconnectedError("the reader is not connected")
        return self._link

    # Carrier and temperature ----------------------------------------------------------------
    async def open_drawer(self) -> None:
        """Carrier out."""
        await self._move("J")

    async def close_drawer(self) -> None:
        """Carrier in; the plate's geometry is told before, so that a tall one does not jam."""
        await self._move("A")

    async def _move(self, letter: str) -> None:
        async with self._turn:
            if not self._speed_told:
                await self._ask("&", "S1" if self.settings.slow_carrier else "S0", end=False)
                self._speed_told = True
            if letter == CARRIER["close_drawer"]:
                await self._ask("y", self.settings.plate.told())
            self._carrier = ""
            await self._ask(letter)
            self._carrier = letter

    async def set_temperature(self, temperature_c: float | None) -> None:
        """Set the chamber, which heats and does not cool; None is off."""
        if temperature_c is not None:
            check_within(temperature_c, self.features.temperature_c, "hold", "C")
        async with self._turn:
            await self._ask("g", f"{round(1000 * (temperature_c or 0.0)):05}", end=False)
        self._target_c = temperature_c

    async def read_temperature_c(self) -> float:
        """Current chamber temperature."""
        async with self._turn:
            return wire.degrees(await self._ask("h"))

    # Reads ----------------------------------------------------------------------------------
    def reattach(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Refuse: data come once, while they are read.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(f"a BioTek reader does not give the read {read.title!r} a second time")

    async def read_kinetic(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Read pass after pass; each wavelength has its own times. Errors as in the interface."""
        self._check(read)
        channels = kinetic_orders(read, self.settings)
        self._begin()
        async with self._turn:
            await self._ready(channels[0].focus)
            begun_s = self._setup.clock.monotonic_s()
            for index in range(read.passes):
                await self._wait_until(begun_s + index * read.interval_s)
                for channel, orders in enumerate(channels):
                    done = await self._pass(orders)
                    yield self._frame(read, done, index, channel)

    async def read_endpoint(self, read: EndpointRead) -> EndpointReading:
        """Read each well once. Errors as in the interface."""
        orders = endpoint_orders(read, self.settings)
        self._begin()
        async with self._turn:
            await self._ready(orders.focus)
            done = await self._pass(orders)
        return EndpointReading(
            wells=read.wells, values=tuple(done.values[well] for well in read.wells),
            unit=UNITS[read.mode],
            flags=_flags(done, read.wells), temperature_c=done.temperature_c,
            source=f"{self._setup.name}:D,O",
        )  # fmt: skip

    def _begin(self) -> None:
        self._abort.clear()
        self._handed.begin()

    def _check(self, read: KineticRead) -> None:
        if read.injection is not None:
            raise RefusedError(NO_INJECTION)
        if read.bottom:
            raise RefusedError(NOT_BELOW)
        if read.passes > 1 and read.interval_s < self._pass_s(read):
            raise RefusedError(
                f"an interval of {read.interval_s:g} s; these wells take {self._pass_s(read):.0f} s"
            )

    async def _ready(self, focus: int) -> None:
        """Carrier in, geometry and focus told, chamber at its temperature."""
        if self._carrier == CARRIER["open_drawer"]:
            raise InstrumentFaultError("the carrier is out", code="drawer_open")
        await self._ask("y", self.settings.plate.told())
        if not self._carrier:
            await self._ask(CARRIER["close_drawer"])
            self._carrier = CARRIER["close_drawer"]
        if focus:
            await self._ask("t", f"{focus + round(1000 * self.settings.focal_height_mm)}")
        if self._target_c is not None:
            actual_c = wire.degrees(await self._ask("h"))
            if not abs(actual_c - self._target_c) <= self.settings.tolerance_c:
                raise InstrumentFaultError(
                    f"the chamber is at {actual_c:.1f} C, {self._target_c:.1f} C wanted",
                    code="temperature",
                )

    async def _pass(self, orders: Orders) -> _Pass:
        """Read all rectangles once."""
        values: dict[str, float] = {}
        at_s: dict[str, float] = {}
        ended_c = math.nan
        for where, order in orders.by_rectangle.items():
            self._abort.check()
            expected = await self._ask("D", order, end=orders.end)
            if not expected.isdigit():
                raise MalformedReplyError(f"{expected[:40]!r} answers a definition")
            self._handed.hand()
            if said := await self._ask("O"):
                raise MalformedReplyError(f"{said[:40]!r} answers a start")
            begun_s = self._setup.clock.monotonic_s()
            body = await self._body(where, orders)
            ended_c, taken_s = body.ended_c, self._setup.clock.monotonic_s() - begun_s
            for turn, ((row, column), value) in enumerate(body.values.items()):
                well = well_name(row - 1, column - 1)
                values[well] = math.nan if value is None else value
                at_s[well] = begun_s + (turn + 0.5) / len(body.values) * taken_s
        return _Pass(values, at_s, ended_c)

    async def _body(self, where: Rectangle, orders: Orders) -> Body:
        top, left, bottom, right = where
        wells = (bottom - top + 1) * (right - left + 1)
        timeout_s = wells * orders.well_s + self.settings.margin_s
        self._out_of_step = True
        try:
            data = await self._connected().until(ETX, timeout_s, lambda: self._abort.called)
        except ReplyTimeoutError:
            self._abort.check()
            raise
        except asyncio.CancelledError:
            await self.abort()
            raise
        body = wire.parse_body(data, where, absorbs=orders.absorbs)
        self._abort.check()
        self._out_of_step = False
        return body

    async def _wait_until(self, due_s: float) -> None:
        while (left_s := due_s - self._setup.clock.monotonic_s()) > 0:
            self._abort.check()
            await asyncio.sleep(min(left_s, wire.POLL_S))

    def _frame(self, read: KineticRead, done: _Pass, index: int, channel: int) -> Frame:
        return Frame(
            index, channel, read.wells, tuple(done.at_s[well] for well in read.wells),
            tuple(done.values[well] for well in read.wells), _flags(done, read.wells),
            done.temperature_c, f"{self._setup.name}:O {index}",
        )  # fmt: skip


def _flags(done: _Pass, wells: tuple[str, ...]) -> dict[str, ReadFlag]:
    return {well: "missing" for well in wells if math.isnan(done.values[well])}
