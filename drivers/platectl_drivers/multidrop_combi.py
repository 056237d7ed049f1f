r"""Thermo Multidrop Combi over RS-232 or USB serial, 9600 8N1, XON/XOFF.

Responsible for whole-column dispensing and priming; which liquid is in the bottle is the lab's
business. Source: instrument manual table 3-3 as cited by PyLabRobot pull request 964 and branch
v1b1 (shared/instruments-handlers.md 3.1). A command is text and `\r`; the answer is an echo, data
lines and `<CODE> END <status>`, each ended by `\r\n`; actions answer when they are over.
Maturity: paper. The older dialect (single letters) is not spoken.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import DisconnectedError, InstrumentFaultError, LinkError, MalformedReplyError, RefusedError
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.stream import ByteStream
from platectl.transport.codec import text
from platectl.transport.line import LineLink

SETTING_S: Final = 5.0
DISPENSE_S: Final = 120.0
ESCAPE: Final = b"\x1b"
COLUMNS: Final = 12
_END = re.compile(r"([A-Z]{3}) END (\d+)")
STATUS: Final = {
    1: "firmware error", 2: "unknown command", 3: "wrong arguments", 4: "pump position error",
    5: "X position error", 6: "Y position error", 7: "Z position error", 9: "serial number reset",
    10: "parameters lost", 11: "memory error", 12: "the motor is running", 13: "X and Z conflict",
    14: "the tubing is not primed", 15: "the prime vessel is missing", 16: "the rotor shield is open",
    17: "all volumes are zero", 18: "wrong plate type", 19: "plate type not defined",
    20: "wrong number of rows", 21: "wrong number of columns", 22: "wrong plate height",
    23: "wrong well volume", 24: "wrong cassette", 25: "cassette not defined",
    32: "volume outside the cassette's limits", 33: "wrong selector", 34: "wrong speed",
    35: "dispensing height too low for the plate", 36: "wrong predispense volume",
    37: "wrong dispensing order", 38: "wrong offset", 39: "RFID error", 40: "RFID error",
    41: "RFID error", 43: "another cassette is fitted", 44: "in use", 45: "read only",
}  # fmt: skip


class Settings(BaseModel):
    """Cassette, speed, plate and limits.

    `clearance_mm` is the height of the tips above the plate while dispensing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cassette: int = Field(default=0, ge=0, le=3)
    speed_percent: int = Field(default=100, ge=1, le=100)
    min_volume_ul: float = Field(default=5.0, gt=0)
    max_volume_ul: float = Field(default=2500.0, le=2500.0)
    clearance_mm: float = Field(default=1.6, gt=0)


class MultidropCombi:
    """Drives one Multidrop Combi; satisfies `platectl.hal.liquids.BulkDispenser`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="multidrop_combi",
        makes="Thermo Multidrop Combi",
        interfaces=("BulkDispenser",),
        wire="serial",
        baud=9600,
        source="instrument manual table 3-3 as cited by PyLabRobot pull request 964 (handlers 3.1)",
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._open_stream = setup.open_stream
        self._stream: ByteStream | None = None
        self._link: LineLink | None = None

    @property
    def volume_range_ul(self) -> tuple[float, float]:
        """Smallest and largest volume per well."""
        return self.settings.min_volume_ul, self.settings.max_volume_ul

    async def connect(self) -> Identity:
        """Drain stale lines and take remote control; nothing moves.

        Raises:
            InstrumentFaultError: `VER` failed twice, with `EAK` between.
        """
        self._stream = await self._open_stream()
        self._link = LineLink(self._stream, tx_end=b"\r", rx_end=b"\r\n")
        await self._link.drain(quiet_s=0.2)
        try:
            lines = await self._command("VER")
        except InstrumentFaultError:
            await self._command("EAK")
            lines = await self._command("VER")
        return parse_version(lines)

    async def prime(self, *, volume_ul: float) -> None:
        """Fill the tubing; the liquid goes to waste.

        Raises:
            RefusedError: Outside 1 to 10 000 uL; nothing moved.
            InstrumentFaultError: The tubing may be partly filled.
            LinkError: Assume the liquid was used.
        """
        if not 1.0 <= volume_ul <= 10_000.0:
            raise RefusedError(f"cannot prime {volume_ul:g} uL; 1 to 10000 uL")
        await self._command(f"PRI {encode_volume(volume_ul)}", timeout_s=60.0 + volume_ul / 100.0)

    async def dispense_columns(self, volumes_ul: Mapping[int, float], *, height_mm: float) -> None:
        """Dispense once into whole columns.

        Raises:
            RefusedError: Volume, column or height outside the limits; nothing moved.
            InstrumentFaultError: Columns before the fault may be full.
            LinkError: Assume all columns were filled.
        """
        settings = settings_for(volumes_ul, height_mm, self.settings)
        for command in settings:
            await self._command(command)
        await self._command("DIS", timeout_s=DISPENSE_S)

    async def abort(self) -> None:
        """Send ESC: the stroke stops, columns that are full stay full."""
        if self._stream is not None:
            try:
                await self._stream.send(ESCAPE)
            except LinkError:
                return

    async def aclose(self) -> None:
        """Leave remote control and close."""
        link, self._link = self._link, None
        if link is not None:
            try:
                await link.send_line(b"QIT")
                await link.drain(quiet_s=0.1)
            except LinkError:
                pass
            await link.aclose()

    async def _command(self, command: str, *, timeout_s: float = SETTING_S) -> list[str]:
        if self._link is None:
            raise DisconnectedError("Multidrop is not connected")
        code = command[:3]
        await self._link.send_line(command.encode("ascii"))
        lines: list[str] = []
        async with asyncio.timeout(None):
            while True:
                line = text(await self._link.read_line(timeout_s=timeout_s))
                match = _END.fullmatch(line.upper())
                if match is None:
                    lines.append(line)
                    continue
                if match[1] != code:
                    raise MalformedReplyError(f"{line!r} ends another command than {code}")
                status = int(match[2])
                if status:
                    reason = STATUS.get(status, "unknown status")
                    raise InstrumentFaultError(f"Multidrop: {code} failed: {reason} ({status})", code=str(status))
                return check_echo(lines, command)


def check_echo(lines: list[str], command: str) -> list[str]:
    """Return the data lines after the echo, which may be the code or the whole command.

    Raises:
        MalformedReplyError: The first line is no echo of the command.
    """
    if not lines or lines[0].upper() not in {command[:3], command.upper()}:
        raise MalformedReplyError(f"no echo of {command!r}: {lines[:1]}")
    return lines[1:]


def parse_version(lines: list[str]) -> Identity:
    """Decode `MultidropCombi <firmware> <serial>`.

    Raises:
        MalformedReplyError: Another instrument or another form.
    """
    words = lines[0].split() if lines else []
    if len(words) != 3 or words[0] != "MultidropCombi":  # noqa: PLR2004  # three words
        raise MalformedReplyError(f"not a Multidrop Combi: {lines[:1]}")
    return Identity(words[0], words[2], words[1])


def encode_volume(volume_ul: float) -> int:
    """Volume in tenths of a microlitre.

    Raises:
        RefusedError: Not a multiple of 0.1 uL.
    """
    tenths = round(volume_ul * 10)
    if abs(tenths - volume_ul * 10) > 1e-6:  # noqa: PLR2004  # rounding of floats only
        raise RefusedError(f"{volume_ul} uL is not a multiple of 0.1 uL")
    return tenths


def settings_for(volumes_ul: Mapping[int, float], height_mm: float, settings: Settings) -> list[str]:
    """Commands that set plate, cassette, speed, height and column volumes, in the field's order."""
    height = round((height_mm + settings.clearance_mm) * 100)
    if not 500 <= height <= 5500:  # noqa: PLR2004  # manual: 5 to 55 mm
        raise RefusedError(f"cannot dispense at {height / 100:.2f} mm; 5 to 55 mm")
    low, high = settings.min_volume_ul, settings.max_volume_ul
    for column, volume in volumes_ul.items():
        if not 1 <= column <= COLUMNS:
            raise RefusedError(f"there is no column {column} on a 96-well plate")
        if not low <= volume <= high:
            raise RefusedError(f"cannot dispense {volume:g} uL; {low:g} to {high:g} uL")
    commands = [f"SPL {plate_type(height_mm)}", f"SCT {settings.cassette}", f"SPS {settings.speed_percent}", f"SDH {height}", "SDO 0"]
    distinct = set(volumes_ul.values())
    if len(volumes_ul) == COLUMNS and len(distinct) == 1:
        return [*commands, f"SCV 0 {encode_volume(distinct.pop())}"]
    return [*commands, "SCV 0 0", *(f"SCV {c} {encode_volume(v)}" for c, v in sorted(volumes_ul.items()))]


def plate_type(height_mm: float) -> int:
    """Factory plate type of a 96-well plate: 0 up to 15 mm, 1 up to 22 mm, 2 up to 44 mm."""
    for number, limit_mm in enumerate((15.0, 22.0, 44.0)):
        if height_mm <= limit_mm:
            return number
    raise RefusedError(f"no factory plate type is {height_mm:g} mm high")
