r"""Thermo Multidrop Combi bulk dispenser over RS-232 or USB serial, 9600 8N1.

Wire: a command and CR; the answer is the echoed code, data lines and `<CODE> END <status>`, each
with CR LF. Actions answer when they are over. Source: pylabrobot pull request 964, tried on an
instrument, which cites table 3-3 of the maker's manual. Maturity: paper.

Responsible for: plate type, cassette, speed, height, volume of each column, one stroke, priming
and abort. Not responsible for: which liquid hangs on the line, whether a plate stands on the nest
(the instrument does not look), shaking and stored protocols.

After a broken conversation the next verb first drains the line and asks VER, so that a late end
of an old command is never taken for the end of a new one. A stroke is never sent twice.

Unattested: what ends an action that ESC stopped (any end counts as aborted, silence as a time-out);
that PRI counts in 1/10 µL as the set-up commands do; that column volume 0 skips the column
whatever the cassette; the volume limits of the two factory cassettes (the maker's data sheet).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.stream import ByteStream
from platectl.transport.codec import integer, text
from platectl.transport.line import LineLink

MODEL: Final = "MultidropCombi"
ESC: Final = b"\x1b"
QUIET_S: Final = 0.3
SETTING_S: Final = 5.0
STROKE_S: Final = 120.0
AFTER_ABORT_S: Final = 5.0
PRIME_UL: Final = (1.0, 10000.0)
HEIGHT_MM: Final = (5.0, 55.0)
COLUMNS: Final = {96: 12, 384: 24, 1536: 48}
#: factory plate types by number of wells: (height in mm, SPL index), lowest first
PLATE_TYPES: Final = {
    96: ((15.0, 0), (22.0, 1), (44.0, 2)),
    384: ((7.5, 3), (10.0, 4), (15.0, 5), (22.0, 6), (44.0, 7)),
    1536: ((5.0, 8), (10.5, 9)),
}
#: smallest and largest volume of a cassette, in microlitres
CASSETTE_UL: Final = {0: (5.0, 2500.0), 1: (0.5, 50.0), 2: (0.5, 2500.0), 3: (0.5, 2500.0)}
STATUS: Final = {
    1: "the firmware failed",
    2: "it does not know the command",
    3: "it does not accept the arguments",
    4: "the pump is not where it should be",
    **dict.fromkeys((5, 6, 7), "a drive (5 X, 6 Y, 7 Z) is not where it should be"),
    9: "its serial number was reset",
    10: "its parameters are lost",
    11: "its memory failed",
    12: "a motor is still running",
    13: "the X and Z drives would collide",
    14: "the tubing is not primed; prime and repeat",
    15: "the prime vessel is missing; put it in",
    16: "the rotor shield is open; close it",
    17: "all column volumes are 0",
    18: "there is no plate type of that number",
    19: "the plate type is not defined",
    **dict.fromkeys(range(20, 24), "rows, columns, height or volume of the plate type is wrong"),
    24: "there is no cassette of that number",
    25: "the cassette is not defined",
    **dict.fromkeys(range(26, 31), "the definition of the cassette is wrong"),
    32: "the volume is outside the limits of the cassette",
    33: "the selector is set wrongly",
    34: "the pump speed is out of range",
    35: "the dispensing height is too low for the plate",
    **dict.fromkeys((36, 37, 38), "predispense volume (36), order (37) or offset (38) is wrong"),
    **dict.fromkeys(range(39, 42), "the chip of the cassette cannot be read or written"),
    43: "another cassette is mounted than the one chosen",
    44: "it is in use",
    45: "the value cannot be changed",
    **dict.fromkeys(range(46, 50), "pressure or selector of the nanolitre model"),
}
_END: Final = re.compile(r"([A-Za-z]{3}) END (\d+)")
_VERSION: Final = re.compile(r"MultidropCombi (\S+) (\S+)")
_EVENT: Final = "SRE "  # an event line may stand between any others


class Settings(BaseModel):
    """How one Multidrop Combi is fitted.

    `plate_type` overrides the choice of the lowest factory type that is as high as the plate;
    `clearance_mm` is what the head stays above it; `min_ul` and `max_ul` narrow the cassette.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    wells: Literal[96, 384, 1536] = 96
    cassette: int = Field(default=0, ge=0, le=3)
    plate_type: int | None = Field(default=None, ge=0, le=29)
    speed_percent: int = Field(default=100, ge=1, le=100)
    order: Literal["row", "column"] = "column"
    clearance_mm: float = Field(default=1.5, ge=0, le=20)
    min_ul: float | None = Field(default=None, ge=0.5)
    max_ul: float | None = Field(default=None, le=2500)

    @model_validator(mode="after")
    def _limits_make_sense(self) -> Settings:
        least, most = self.volume_range_ul
        low, high = CASSETTE_UL[self.cassette]
        if not low <= least < most <= high:
            raise ValueError(f"cassette {self.cassette} gives {low:g} to {high:g} µL a well")
        return self

    @property
    def volume_range_ul(self) -> tuple[float, float]:
        """Smallest and largest volume per well."""
        low, high = CASSETTE_UL[self.cassette]
        return self.min_ul or low, self.max_ul or high


class MultidropCombi:
    """Drives one Multidrop Combi; satisfies `platectl.hal.liquids.BulkDispenser`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="multidrop_combi",
        makes="Thermo Scientific Multidrop Combi",
        interfaces=("BulkDispenser",),
        wire="serial",
        source="pylabrobot pull request 964, citing the instrument manual, table 3-3",
        baud=9600,
        unattested=(
            "what ends an action that ESC stopped; PRI in 1/10 µL; volume 0 skips a column",
            "volume limits of the factory cassettes",
        ),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._open_stream = setup.open_stream
        self._stream: ByteStream | None = None
        self._link: LineLink | None = None
        self._in_step = False
        self._aborted = False
        self._waiting: asyncio.Timeout | None = None

    @property
    def volume_range_ul(self) -> tuple[float, float]:
        """Smallest and largest volume per well with the mounted cassette."""
        return self.settings.volume_range_ul

    async def connect(self) -> Identity:
        """Take remote control; a standing error is acknowledged once. Nothing moves.

        Raises:
            InstrumentFaultError: The error stands again after it was acknowledged.
            LinkError: No usable answer; nothing was moved.
        """
        if self._link is not None:
            await self._link.aclose()
        self._stream, self._aborted = await self._open_stream(), False
        self._link = LineLink(self._stream, tx_end=b"\r", rx_end=b"\r\n", longest=4096)
        self._in_step = False
        try:
            return await self._synchronise()
        except DisconnectedError:
            raise
        except InstrumentError:
            await self._acknowledge()
            return await self._synchronise()

    async def prime(self, *, volume_ul: float) -> None:
        """Fill the tubing into the prime vessel.

        Raises:
            RefusedError: Not a multiple of 0.1 µL or out of range; nothing moved.
            InstrumentFaultError: The tubing may be partly filled.
            LinkError: Assume the liquid was used; it is not sent again.
        """
        low, high = PRIME_UL
        if not low <= volume_ul <= high:
            raise RefusedError(f"priming takes {low:g} to {high:g} µL, not {volume_ul:g}")
        amount = tenths(volume_ul)
        await self._begin()
        await self._do(f"PRI {amount}", timeout_s=60.0 + volume_ul / 100.0)

    async def dispense_columns(self, volumes_ul: Mapping[int, float], *, height_mm: float) -> None:
        """Set up the plate and fill the given columns in one stroke; repeating dispenses again.

        Raises:
            RefusedError: A volume, column or height outside the limits; nothing moved.
            InstrumentFaultError: The code is the status; after `aborted`, or a fault of DIS,
                columns before it may be full. Faults of other commands come before any flow.
            LinkError: Assume all columns were filled; the stroke is not sent again.
        """
        commands = [*setup_commands(self.settings, height_mm), *self._volumes(volumes_ul)]
        await self._begin()
        for command in commands:
            await self._do(command)
        await self._do("DIS", timeout_s=STROKE_S)

    async def abort(self) -> None:
        """Send ESC past whatever runs; columns that were filled stay filled."""
        self._aborted = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time() + AFTER_ABORT_S)
        if self._stream is not None:
            with contextlib.suppress(LinkError):
                await self._stream.send(ESC)

    async def aclose(self) -> None:
        """Leave remote mode and close."""
        link, self._link, self._stream = self._link, None, None
        if link is not None:
            with contextlib.suppress(LinkError):
                await link.send_line(b"QIT")
                await link.read_line(timeout_s=1.0)
            await link.aclose()

    def _volumes(self, volumes_ul: Mapping[int, float]) -> list[str]:
        columns = COLUMNS[self.settings.wells]
        low, high = self.volume_range_ul
        if not volumes_ul:
            raise RefusedError("no column was given")
        for column, volume_ul in volumes_ul.items():
            if not 1 <= column <= columns:
                raise RefusedError(f"column {column} is not on a plate of {columns} columns")
            if not low <= volume_ul <= high:
                raise RefusedError(
                    f"column {column}: {volume_ul:g} µL; this cassette gives {low:g} to {high:g}"
                )
        return volume_commands(volumes_ul, columns)

    async def _begin(self) -> None:
        """Start a verb: forget an old abort, and get back into step after a broken answer."""
        self._aborted = False
        if not self._in_step:
            await self._synchronise()

    async def _synchronise(self) -> Identity:
        """Drop what is left of older answers, then ask for the version.

        Raises:
            InstrumentFaultError: A standing error.
            LinkError: Still no usable answer.
        """
        await self._connected().drain(quiet_s=QUIET_S)
        return parse_version(await self._do("VER", stale=True))

    async def _acknowledge(self) -> None:
        """Clear the error; a failure shows in the question after it."""
        try:
            await self._connected().drain(quiet_s=QUIET_S)
            await self._do("EAK", stale=True)
        except (InstrumentFaultError, ReplyTimeoutError, MalformedReplyError):
            return

    async def _do(
        self, command: str, *, timeout_s: float = SETTING_S, stale: bool = False
    ) -> tuple[str, ...]:
        """Send one command and return its data lines; `stale` skips ends of older commands."""
        if self._aborted:
            raise InstrumentFaultError("aborted before the command was sent", code="aborted")
        link, code, data = self._connected(), command[:3], list[str]()
        self._in_step = False
        await link.send_line(command.encode("ascii"))
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            line = text(await self._next_line(link, deadline_s, command))
            status = parse_end(line, code, stale=stale)
            if status is not None:
                break
            if not is_echo(line, command) and not line.startswith(_EVENT):
                if code != "VER":
                    raise MalformedReplyError(f"{MODEL} answered {line[:60]!r} to {command!r}")
                data.append(line)
        self._in_step = True
        if self._aborted:
            raise InstrumentFaultError(
                f"{command} was aborted; what had been dispensed stays", code="aborted"
            )
        if status:
            raise fault(command, status)
        return tuple(data)

    async def _next_line(self, link: LineLink, deadline_s: float, command: str) -> bytes:
        left_s = deadline_s - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await link.read_line(timeout_s=max(left_s, 0.001))
        except TimeoutError:
            raise ReplyTimeoutError(f"no answer to {command} after the abort") from None
        finally:
            self._waiting = None

    def _connected(self) -> LineLink:
        if self._link is None:
            raise DisconnectedError(f"{MODEL} is not connected")
        return self._link


def tenths(volume_ul: float) -> int:
    """Return a volume in 1/10 µL.

    Raises:
        RefusedError: Not a finite multiple of 0.1 µL.
    """
    scaled = volume_ul * 10
    if not math.isfinite(scaled) or abs(scaled - round(scaled)) > 1e-6:  # noqa: PLR2004  # rounding of binary fractions
        raise RefusedError(f"{volume_ul!r} µL is not a multiple of 0.1 µL")
    return round(scaled)


def setup_commands(settings: Settings, height_mm: float) -> list[str]:
    """Return what is set before a stroke onto a plate of this height.

    Raises:
        RefusedError: No factory type is so high, or the head cannot be raised above it.
    """
    plate_type, top_mm = settings.plate_type, height_mm
    if plate_type is None:
        fitting = [t for t in PLATE_TYPES[settings.wells] if t[0] >= height_mm > 0]
        if not fitting:
            raise RefusedError(f"no {settings.wells}-well plate type is {height_mm:g} mm high")
        top_mm, plate_type = fitting[0]
    head_mm = top_mm + settings.clearance_mm
    if not HEIGHT_MM[0] <= head_mm <= HEIGHT_MM[1]:
        raise RefusedError(f"the head cannot stand at {head_mm:g} mm")
    return [
        f"SPL {plate_type}",
        f"SCT {settings.cassette}",
        f"SPS {settings.speed_percent}",
        f"SDH {math.ceil(round(head_mm * 100, 6))}",
        f"SDO {int(settings.order == 'column')}",
    ]


def volume_commands(volumes_ul: Mapping[int, float], columns: int) -> list[str]:
    """Return the volume commands; one is enough when the whole plate gets the same.

    Raises:
        RefusedError: A volume that is not a multiple of 0.1 µL.
    """
    amounts = {column: tenths(volumes_ul[column]) for column in sorted(volumes_ul)}
    if len(amounts) == columns and len(set(amounts.values())) == 1:
        return [f"SCV 0 {amounts[1]}"]
    return ["SCV 0 0", *(f"SCV {column} {amount}" for column, amount in amounts.items())]


def is_echo(line: str, command: str) -> bool:
    """Whether a line repeats the command or its code, in any case."""
    return line.upper() in {command.upper(), command[:3].upper()}


def parse_end(line: str, code: str, *, stale: bool = False) -> int | None:
    """Return the status when this line ends `code`; None for lines before the end.

    Raises:
        MalformedReplyError: The end of another command, unless `stale` allows those.
    """
    match = _END.fullmatch(line)
    if not match:
        return None
    if match[1].upper() != code:
        if stale:
            return None
        raise MalformedReplyError(f"{line!r} came as the end of {code}")
    return integer(match[2])


def parse_version(lines: tuple[str, ...]) -> Identity:
    """Read the version; lines before the last are left over from older answers.

    Raises:
        MalformedReplyError: Not a Multidrop Combi.
    """
    match = _VERSION.fullmatch(lines[-1]) if lines else None
    if not match:
        raise MalformedReplyError(f"VER answered {lines!r}, which is no {MODEL}")
    return Identity("Multidrop Combi", serial_number=match[2], firmware=match[1])


def fault(command: str, status: int) -> InstrumentFaultError:
    """Return the error for a status other than 0."""
    why = STATUS.get(status, "the manual does not list this status")
    return InstrumentFaultError(
        f"Multidrop Combi ended {command} with status {status}: {why}", code=str(status)
    )
