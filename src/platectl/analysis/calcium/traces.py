"""What the analysis of a calcium plate is given: two channels of every well over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray
from platectl.analysis.plate import is_number
from platectl.domain.codes import Code

FEWEST_POINTS = 4
LARGEST_COUNT = 1e50
MOST_MOLAR = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class WellTrace:
    """One well as it was read; every value has its own time.

    Attributes:
        well: Name such as "A1".
        role: test, reference, vehicle, positive, stimulus, unloaded, rmax, rmin or another word
            that the analysis shows and does not use.
        compound: Compound of test and reference wells.
        concentration_molar: Its concentration.
        series: Identity of the independent dilution series.
        dilution_steps: Serial steps behind this concentration.
        t340_s: Times of the readings at 340 nm, shape (points,); `t380_s` likewise.
        f340: Counts at 340 nm, not a number where there is none; `f380` likewise.
        addition_s: When the addition reached this well, on the same clock; None without one.
        late340: Counts of a later reading for the calibration, shape (points,); `late380` likewise.
        excluded: Reason for leaving the well out; it is kept and shown.
    """

    well: str
    role: str
    compound: str | None
    concentration_molar: float | None
    series: str | None
    dilution_steps: int
    t340_s: FloatArray
    f340: FloatArray
    t380_s: FloatArray
    f380: FloatArray
    addition_s: float | None
    late340: FloatArray
    late380: FloatArray
    flags: tuple[str, ...] = ()
    excluded: str | None = None

    @property
    def used(self) -> bool:
        """Whether the well takes part in fits and statistics."""
        return self.excluded is None


@dataclass(frozen=True, slots=True)
class CalciumConditions:
    """Conditions of a plate.

    Attributes:
        mode: agonist, modulator or antagonist.
        cells: Name of the cell line.
        agonist: The reference agonist.
        stimulus_molar: Its concentration in wells where compounds are tested (not `agonist` mode).
        kd_molar: Dissociation constant of the dye for calcium.
        temperature_c: Of the read; `actual_temperature_c` as the reader said, if it did.
        dead_time_s: From the addition to the first reading after it, by well; of the plate.
    """

    mode: str
    cells: str
    agonist: str
    stimulus_molar: float | None
    kd_molar: float
    temperature_c: float
    actual_temperature_c: float | None = None


def check_traces(wells: tuple[WellTrace, ...]) -> None:
    """Refuse wells that cannot have been read.

    Raises:
        AnalysisError: No wells, a well twice, arrays that do not belong together.
    """
    if not wells:
        raise AnalysisError("There are no wells to analyse.", Code.POINTS_FEW)
    seen: set[str] = set()
    for well in wells:
        if well.well in seen:
            raise AnalysisError(f"Well {well.well} is given twice.", Code.WELL_TWICE)
        seen.add(well.well)
        _check_well(well)


def _check_well(well: WellTrace) -> None:
    given: tuple[Any, ...] = (
        well.t340_s, well.f340, well.t380_s, well.f380, well.late340, well.late380,
    )  # fmt: skip
    for values in given:
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
            message = f"The readings of well {well.well} must be arrays of real numbers."
            raise AnalysisError(message, Code.NOT_A_NUMBER)
        if np.isinf(values).any() or (np.abs(values[np.isfinite(values)]) > LARGEST_COUNT).any():
            message = f"Well {well.well} has an infinite reading: leave it out (not a number)."
            raise AnalysisError(message, Code.NOT_FINITE)
    if well.t340_s.shape != well.f340.shape or well.t380_s.shape != well.f380.shape:
        message = f"Well {well.well} has other numbers of times than of readings."
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    for times in (well.t340_s, well.t380_s):
        if np.isnan(times).any() or (times.size > 1 and not (np.diff(times) > 0).all()):
            raise AnalysisError(f"The times of well {well.well} do not rise.", Code.ARRAY_SHAPE)
    if well.addition_s is not None and not is_number(well.addition_s):
        message = f"The addition to well {well.well} has no time ({well.addition_s!r} s)."
        raise AnalysisError(message, Code.NOT_FINITE)
    dose = well.concentration_molar
    if well.role in {"test", "reference"} and not (
        is_number(dose) and dose and 0.0 < dose <= MOST_MOLAR
    ):
        message = f"Well {well.well} has no usable concentration of {well.compound}."
        raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)
    if well.used and well.role != "unloaded":
        _check_light(well)


def _check_light(well: WellTrace) -> None:
    """Raw fluorescence of loaded cells is far above zero; noise about zero is another matter."""
    for nm, values in ((340, well.f340), (380, well.f380)):
        known = values[np.isfinite(values)]
        if known.size and float(np.median(known)) < 0.0:
            message = (
                f"Well {well.well} has negative fluorescence at {nm} nm: export raw values, background "
                "included, or exclude it with a reason."
            )
            raise AnalysisError(message, Code.COUNT_NEGATIVE)


def check_conditions(conditions: CalciumConditions) -> None:
    """Refuse conditions that no calculation can use.

    Raises:
        AnalysisError: A quantity is no number or out of its range; the sentence names it.
    """
    stimulus, stated = conditions.stimulus_molar, conditions.actual_temperature_c
    for name, value, fits in (
        (
            "kd_molar",
            conditions.kd_molar,
            is_number(conditions.kd_molar) and conditions.kd_molar > 0.0,
        ),
        ("temperature_c", conditions.temperature_c, is_number(conditions.temperature_c)),
        ("stimulus_molar", stimulus, stimulus is None or (is_number(stimulus) and stimulus > 0.0)),
        ("actual_temperature_c", stated, stated is None or is_number(stated)),
    ):
        if not fits:
            message = f"The plate's {name} cannot be {value!r}."
            raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)
