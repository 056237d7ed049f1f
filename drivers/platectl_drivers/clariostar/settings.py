"""Optics and times of one reader, and what it can do with them."""

from __future__ import annotations

import math
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import RefusedError, UserInputError
from platectl.domain.wells import PlateFormat
from platectl.hal.reading import KineticRead, ReaderFeatures
from platectl_drivers.clariostar.run import (
    BOTTOM,
    MAX_CHROMATICS,
    MAX_CYCLE_S,
    MAX_CYCLES,
    SETTLING_S,
    TOP,
    Chromatic,
    Run,
)

PLATE: Final = PlateFormat.of(96)
RANGE_NM: Final = (320.0, 840.0)
RANGE_C: Final = (20.0, 45.0)
NO_INJECTION: Final = "the injector commands of this reader are not decoded in public"
#: a lamp that flashes a hundred times a second, and a step from well to well
FLASH_S, STEP_S = 0.01, 0.05
#: a whole record must stand for so long before the next one begins, or it is not seen
STANDING_S: Final = 2.0
START_S, FINISH_S = 5.0, 3.0


class Settings(BaseModel):
    """Optics and times of one reader; widths in nanometres.

    `gain` has to be given: this firmware finds none by itself. `focus_mm` is the focal height.
    `well_s` is the time for one well in all chromatics, for planning; None estimates it from
    settling and flashes. `tolerance_c` is how far the chamber may be from its setpoint when a read
    begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gain: int = Field(default=1500, ge=0, le=4095)
    flashes: int = Field(default=10, ge=1, le=200)
    settling_s: float = Field(default=0.1, ge=0, le=5)
    focus_mm: float = Field(default=3.0, ge=0, le=25)
    excitation_width_nm: float = Field(default=10.0, gt=0, le=100)
    emission_width_nm: float = Field(default=20.0, gt=0, le=100)
    well_s: float | None = Field(default=None, gt=0, le=10)
    tolerance_c: float = Field(default=1.0, gt=0)


def pace_s(settings: Settings, chromatics: int) -> float:
    """Time for one well, as planned."""
    if settings.well_s is not None:
        return settings.well_s
    return STEP_S + settings.settling_s + chromatics * settings.flashes * FLASH_S


def least_interval_s(settings: Settings, *, wells: int, chromatics: int) -> float:
    """Shortest cycle, in whole seconds, that leaves a whole record standing."""
    return float(math.ceil(wells * pace_s(settings, chromatics) + STANDING_S))


def features(settings: Settings) -> ReaderFeatures:
    """What the reader can do; the interval is that of a whole plate in two chromatics."""
    return ReaderFeatures(
        geometry="well",
        excitation_nm=RANGE_NM,
        emission_nm=RANGE_NM,
        least_interval_s=least_interval_s(settings, wells=PLATE.size, chromatics=2),
        temperature_c=RANGE_C,
        clock="instrument",
        delivery="during",
        no_injection=NO_INJECTION,
        notes=("fewer wells allow shorter intervals, a column about 5 s",),
    )


def duration_s(read: KineticRead) -> float:
    """Start, all cycles, end."""
    return START_S + read.passes * read.interval_s + FINISH_S


def plan_run(read: KineticRead, settings: Settings) -> Run:
    """The run that does a read.

    Raises:
        RefusedError: The reader cannot do it.
    """
    if read.injection is not None:
        raise RefusedError(NO_INJECTION)
    _check_wells(read)
    if not 1 <= len(read.channels) <= MAX_CHROMATICS:
        raise RefusedError(f"{len(read.channels)} chromatics; 1 to {MAX_CHROMATICS}")
    least_s = least_interval_s(settings, wells=len(read.wells), chromatics=len(read.channels))
    if not least_s <= read.interval_s <= MAX_CYCLE_S or read.interval_s != int(read.interval_s):
        raise RefusedError(
            f"an interval of {read.interval_s:g} s for {len(read.wells)} wells; "
            f"whole seconds from {least_s:g}"
        )
    if not 1 <= read.passes <= MAX_CYCLES:
        raise RefusedError(f"{read.passes} cycles; 1 to {MAX_CYCLES} in one run")
    return Run(
        wells=read.wells,
        chromatics=tuple(_chromatic(c.excitation_nm, c.emission_nm, settings) for c in read.channels),
        cycles=read.passes,
        cycle_s=int(read.interval_s),
        flashes=settings.flashes,
        focus=round(100 * settings.focus_mm),
        optics=BOTTOM if read.bottom else TOP,
        settling=round(settings.settling_s / SETTLING_S),
    )  # fmt: skip


def _check_wells(read: KineticRead) -> None:
    try:
        indices = {PLATE.index(well) for well in read.wells}
    except UserInputError as error:
        raise RefusedError(str(error)) from error
    if not indices or len(indices) != len(read.wells):
        raise RefusedError("a read needs wells, each of them once")


def _chromatic(excitation_nm: float, emission_nm: float, settings: Settings) -> Chromatic:
    low, high = RANGE_NM
    ex_half, em_half = settings.excitation_width_nm / 2, settings.emission_width_nm / 2
    within = low <= excitation_nm - ex_half and emission_nm + em_half <= high
    if not within or not excitation_nm + ex_half < emission_nm - em_half:
        raise RefusedError(
            f"cannot read {excitation_nm:g}/{emission_nm:g} nm: bands of {2 * ex_half:g} and "
            f"{2 * em_half:g} nm must lie apart, within {low:g} to {high:g} nm"
        )
    return Chromatic(excitation_nm, 2 * ex_half, emission_nm, 2 * em_half, settings.gain)
