"""The RUN command: plate, scan, chromatics, cycles (layout of firmware 1.35)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from platectl.domain.wells import parse_well

FAMILY: Final = 0x04
SEPARATOR: Final = b"\x27\x0f\x27\x0f"
MASK_BYTES: Final = 48
MONOCHROMATORS: Final = bytes((0, 4, 0, 3, 0))
BETWEEN: Final = b"\x00\x00\x0c"
SPIRAL_TOP, POINT_BOTTOM = 0x04, 0x40
FOUND_BY_WELL: Final = 0x02
DOWN_THE_COLUMNS: Final = 0x08


@dataclass(frozen=True, slots=True)
class PlateGeometry:
    """Plate in hundredths of a millimetre; y from the top."""

    length: int = 12776
    width: int = 8548
    a1_x: int = 1430
    a1_y: int = 1128
    columns: int = 12
    rows: int = 8


@dataclass(frozen=True, slots=True)
class Chromatic:
    """One pair of bands, nanometres: centre and width of excitation and emission, and the gain."""

    excitation_nm: float
    excitation_width_nm: float
    emission_nm: float
    emission_width_nm: float
    gain: int


@dataclass(frozen=True, slots=True)
class Spiral:
    """Averaging on a spiral: diameter in mm, and of the well in hundredths."""

    diameter_mm: int
    well: int


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that one RUN says."""

    wells: tuple[str, ...]
    chromatics: tuple[Chromatic, ...]
    cycles: int
    cycle_s: int
    flashes: int
    focus: int
    optics: int
    settling: int
    scan: int = FOUND_BY_WELL | DOWN_THE_COLUMNS
    spiral: Spiral | None = None
    geometry: PlateGeometry = PlateGeometry()


def run_payload(run: Run) -> bytes:
    """The payload of a RUN command."""
    parts = [
        bytes((FAMILY,)),
        _plate(run.geometry, run.wells),
        bytes((run.scan, run.optics)) + bytes(30),
        SEPARATOR,
        _spiral(run.spiral),
        bytes((run.settling,)) + struct.pack(">H", run.focus),
        bytes((0, 0, len(run.chromatics))) + bytes(5) + b"\x0c",
        BETWEEN.join(_chromatic(c) for c in run.chromatics),
        bytes(3),
        bytes(6) + b"\x01" + bytes(3) + bytes((run.cycles,)),
        struct.pack(">H", run.flashes),
        struct.pack(">H", run.cycle_s) + b"\x00",
    ]
    return b"".join(parts)


def _plate(plate: PlateGeometry, wells: Sequence[str]) -> bytes:
    mask = bytearray(MASK_BYTES)
    for well in wells:
        row, column = parse_well(well)
        index = row * plate.columns + column
        mask[index // 8] |= 0x80 >> (index % 8)
    sides = (plate.length, plate.width, plate.a1_x, plate.a1_y)
    rest = (plate.length - plate.a1_x, plate.width - plate.a1_y)
    return struct.pack(">6H", *sides, *rest) + bytes((plate.columns, plate.rows, 0)) + bytes(mask)


def _spiral(spiral: Spiral | None) -> bytes:
    if spiral is None:
        return b""
    return bytes((3, spiral.diameter_mm)) + struct.pack(">H", spiral.well) + b"\x00"


def _chromatic(c: Chromatic) -> bytes:
    ex_high, ex_low = _edges(c.excitation_nm, c.excitation_width_nm)
    em_high, em_low = _edges(c.emission_nm, c.emission_width_nm)
    dichroic = (ex_high + em_low) // 2
    return struct.pack(">6H", c.gain, ex_high, ex_low, dichroic, em_high, em_low) + MONOCHROMATORS


def _edges(centre_nm: float, width_nm: float) -> tuple[int, int]:
    return round(10 * (centre_nm + width_nm / 2)), round(10 * (centre_nm - width_nm / 2))
