"""What one reader is told about plate and focus, and the read definitions of what is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import RefusedError
from platectl.domain.wells import parse_well
from platectl.hal.reading import EndpointRead, KineticRead
from platectl_drivers.biotek import wire
from platectl_drivers.biotek.wire import Rectangle

LIGHT_NM: Final = (250.0, 700.0)
ABSORBED_NM: Final = (230.0, 999.0)
INTEGRATION_S: Final = (0.2, 19.8)
INTEGRATION_STEP_S: Final = 0.2
FOCUS_LUMINESCENCE, FOCUS_FLUORESCENCE = 314220, 614220
#: what a luminescence takes for each second of integration, by well
LUMINOUS: Final = 1.35


class Plate(BaseModel):
    """Geometry that the reader is told, in millimetres; the default is a plate of 96 to the standard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = Field(default=8, ge=1, le=16)
    columns: int = Field(default=12, ge=1, le=24)
    first_x_mm: float = Field(default=14.38, gt=0, lt=100)
    first_y_mm: float = Field(default=11.24, gt=0, lt=100)
    pitch_mm: float = Field(default=9.0, gt=0, lt=50)
    size_x_mm: float = Field(default=127.76, gt=0, lt=200)
    size_y_mm: float = Field(default=85.48, gt=0, lt=200)
    height_mm: float = Field(default=14.35, gt=0, lt=50)

    def told(self) -> str:
        """Rows, columns, centres of the outer rows and columns, sizes: hundredths of a millimetre."""
        last_y = self.first_y_mm + (self.rows - 1) * self.pitch_mm
        last_x = self.first_x_mm + (self.columns - 1) * self.pitch_mm
        lengths = (
            self.first_y_mm, last_y, self.first_x_mm, last_x, self.size_y_mm, self.size_x_mm,
        )  # fmt: skip
        hundredths = "".join(f"{round(100 * length):05}" for length in lengths)
        return f"{self.rows:02}{self.columns:02}{hundredths}{round(100 * self.height_mm):04}"


class Settings(BaseModel):
    """Plate, focus and patience of one reader.

    `well_s` is the time that one well takes, for planning; `margin_s` is granted on top of it.
    `tolerance_c` is how far the chamber may be from its setpoint when a read begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plate: Plate = Plate()
    focal_height_mm: float = Field(default=7.0, ge=4.5, le=13.88)
    slow_carrier: bool = False
    well_s: float = Field(default=0.52, gt=0, le=60)
    margin_s: float = Field(default=60.0, gt=0)
    tolerance_c: float = Field(default=1.0, gt=0)


@dataclass(frozen=True, slots=True)
class Orders:
    """Read definitions by rectangle, whether ETX ends them, the focus (0 for none), seconds for each well."""

    by_rectangle: Mapping[Rectangle, str]
    focus: int
    well_s: float
    absorbs: bool = False
    end: bool = True


def kinetic_orders(read: KineticRead, settings: Settings) -> list[Orders]:
    """The definitions of each wavelength pair.

    Raises:
        RefusedError: Wavelengths or wells that the line does not take.
    """
    where = _rectangles(read.wells, settings.plate)
    return [
        _fluorescence(where, channel.excitation_nm, channel.emission_nm, settings)
        for channel in read.channels
    ]


def endpoint_orders(read: EndpointRead, settings: Settings) -> Orders:
    """The definitions of a single read.

    Raises:
        RefusedError: Wavelengths, a time or wells that the line does not take.
    """
    where = _rectangles(read.wells, settings.plate)
    if read.mode == "absorbance":
        nm = _whole_nm(read.excitation_nm, *ABSORBED_NM)
        orders = {r: wire.absorbance(r, nm) for r in where}
        return Orders(orders, 0, settings.well_s, absorbs=True)
    if read.mode == "fluorescence":
        return _fluorescence(where, read.excitation_nm, read.emission_nm, settings)
    low, high = INTEGRATION_S
    steps = read.integration_s / INTEGRATION_STEP_S
    if not low <= read.integration_s <= high or not math.isclose(steps, round(steps)):
        raise RefusedError(
            f"{read.integration_s:g} s of integration; {low:g} to {high:g} s in steps of 0.2 s"
        )
    orders = {r: wire.luminescence(r, read.integration_s) for r in where}
    well_s = settings.well_s + LUMINOUS * read.integration_s
    return Orders(orders, FOCUS_LUMINESCENCE, well_s, end=False)


def _fluorescence(
    where: list[Rectangle], excitation_nm: float, emission_nm: float, settings: Settings
) -> Orders:
    pair = _whole_nm(excitation_nm, *LIGHT_NM), _whole_nm(emission_nm, *LIGHT_NM)
    return Orders(
        {r: wire.fluorescence(r, *pair) for r in where}, FOCUS_FLUORESCENCE, settings.well_s
    )


def _rectangles(wells: tuple[str, ...], plate: Plate) -> list[Rectangle]:
    cells = {(row + 1, column + 1) for row, column in map(parse_well, wells)}
    if not cells or len(cells) != len(wells):
        raise RefusedError("give each well once")
    if any(row > plate.rows or column > plate.columns for row, column in cells):
        raise RefusedError(f"the plate has {plate.rows} rows and {plate.columns} columns")
    return wire.rectangles(cells)


def _whole_nm(wavelength_nm: float, low: float, high: float) -> int:
    if not low <= wavelength_nm <= high or wavelength_nm != round(wavelength_nm):
        raise RefusedError(f"{wavelength_nm:g} nm; whole numbers from {low:g} to {high:g} nm")
    return round(wavelength_nm)
