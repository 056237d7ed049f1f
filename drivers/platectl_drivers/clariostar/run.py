"""The RUN command: plate, scan, chromatics, cycles (layout of firmware 1.35)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from platectl.domain.wells import parse_well

FAMILY: Final = 0x04
ACCEPTED: Final = 0x03
SEPARATOR: Final = b"\x27\x0f\x27\x0f"
MASK_BYTES: Final = 48
MONOCHROMATORS: Final = bytes((0, 4, 0, 3, 0))
BETWEEN: Final = b"\x00\x00\x0c"
MAX_CHROMATICS, MAX_CYCLES, MAX_CYCLE_S = 5, 255, 65535
SETTLING_S: Final = 0.02
#: optics: a point in the middle of the well, from above or below; a spiral from above
TOP, BOTTOM, SPIRAL_TOP = 0x00, 0x40, 0x04
#: scan: `ALWAYS` is set in all captures; `DOWN` goes along columns, `ONE_WAY` never back up
ALWAYS, DOWN, ONE_WAY = 0x02, 0x08, 0x80


@dataclass(frozen=True, slots=True)
class PlateGeometry:
    """Plate in hundredths of a millimetre; y from the top. The default is a usual 96-well plate."""

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
    """Everything that one RUN says: `focus` in hundredths of a mm, `settling` in units of 0.02 s."""

    wells: tuple[str, ...]
    chromatics: tuple[Chromatic, ...]
    cycles: int
    cycle_s: int
    flashes: int
    focus: int
    optics: int
    settling: int
    scan: int = ALWAYS | DOWN | ONE_WAY
    spiral: Spiral | None = None
    geometry: PlateGeometry = PlateGeometry()


def scan_order(wells: Sequence[str]) -> tuple[str, ...]:
    """Wells in the order in which a scan down the columns reads them."""
    return tuple(sorted(wells, key=lambda well: parse_well(well)[::-1]))


def run_payload(run: Run) -> bytes:
    """The payload of a RUN command."""
    return b"".join((
        bytes((FAMILY,)),
        _plate(run.geometry, run.wells),
        bytes((run.scan, run.optics)) + bytes(30),
        SEPARATOR,
        _spiral(run.spiral),
        struct.pack(">BH", run.settling, run.focus),
        bytes((0, 0, len(run.chromatics), 0, 0, 0, 0, 0, 0x0C)),
        BETWEEN.join(_chromatic(chromatic) for chromatic in run.chromatics),
        bytes(3),
        bytes((0, 0, 0, 0, 0, 0, 1, 0, 0, 0, run.cycles)),
        struct.pack(">HHB", run.flashes, run.cycle_s, 0),
    ))  # fmt: skip


def _plate(plate: PlateGeometry, wells: Sequence[str]) -> bytes:
    mask = bytearray(MASK_BYTES)
    for well in wells:
        row, column = parse_well(well)
        index = row * plate.columns + column
        mask[index // 8] |= 0x80 >> (index % 8)
    sides = (plate.length, plate.width, plate.a1_x, plate.a1_y)
    rest = (plate.length - plate.a1_x, plate.width - plate.a1_y)
    return struct.pack(">6H3B", *sides, *rest, plate.columns, plate.rows, 0) + bytes(mask)


def _spiral(spiral: Spiral | None) -> bytes:
    if spiral is None:
        return b""
    return struct.pack(">BBHB", 3, spiral.diameter_mm, spiral.well, 0)


def _chromatic(chromatic: Chromatic) -> bytes:
    ex_high, ex_low = _edges(chromatic.excitation_nm, chromatic.excitation_width_nm)
    em_high, em_low = _edges(chromatic.emission_nm, chromatic.emission_width_nm)
    dichroic = (ex_high + em_low) // 2
    edges = (ex_high, ex_low, dichroic, em_high, em_low)
    return struct.pack(">6H", chromatic.gain, *edges) + MONOCHROMATORS


def _edges(centre_nm: float, width_nm: float) -> tuple[int, int]:
    return round(10 * (centre_nm + width_nm / 2)), round(10 * (centre_nm - width_nm / 2))
