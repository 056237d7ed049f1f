"""Commands of the Multidrop Combi, and the words of its answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError, RefusedError
from platectl.hal.instrument import Identity
from platectl.transport.codec import integer
from platectl_drivers.multidrop_combi.settings import Settings

MODEL: Final = "MultidropCombi"
HEIGHT_MM: Final = (5.0, 55.0)
#: factory plate types by number of wells: (height in mm, SPL index), lowest first
PLATE_TYPES: Final = {
    96: ((15.0, 0), (22.0, 1), (44.0, 2)),
    384: ((7.5, 3), (10.0, 4), (15.0, 5), (22.0, 6), (44.0, 7)),
    1536: ((5.0, 8), (10.5, 9)),
}
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


def late_end(line: bytes) -> tuple[str, int] | None:
    """Return code and status when a line that nobody waits for ends a command; else None."""
    match = _END.fullmatch(line.decode("ascii", "replace"))
    return (match[1].upper(), int(match[2])) if match else None


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
