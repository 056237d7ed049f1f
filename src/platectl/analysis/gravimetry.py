"""Volumes from masses of water: does a dispenser deliver what it was told?"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import UserInputError
from platectl.domain.water import z_ul_per_mg

FEWEST: Final = 2


@dataclass(frozen=True, slots=True)
class Verification:
    """What a series of dispenses showed.

    `systematic_error_percent` is that of the mean, `cv_percent` the coefficient of variation, both of
    the volumes that were asked for as ISO 8655 defines them.
    """

    wanted_ul: float
    volumes_ul: tuple[float, ...]
    mean_ul: float
    systematic_error_percent: float
    cv_percent: float

    def within(self, *, systematic_percent: float, cv_percent: float) -> bool:
        """Whether both errors are inside their limits, in percent."""
        return (
            abs(self.systematic_error_percent) <= systematic_percent
            and self.cv_percent <= cv_percent
        )


def verify(
    readings_g: Sequence[float], *, wanted_ul: float, temperature_c: float,
    evaporation_g: float = 0.0, pressure_hpa: float = 1013.25, humidity_percent: float = 50.0,
) -> Verification:  # fmt: skip
    """Judge a series of equal dispenses by the readings before the first and after each.

    `evaporation_g` is what is lost between two readings without a dispense, as a positive mass;
    `wanted_ul` is what each dispense should have brought onto the pan.

    Raises:
        UserInputError: Fewer than two dispenses, no volume, or a temperature outside 4 to 40 C.
    """
    gained_g = [b - a + evaporation_g for a, b in itertools.pairwise(readings_g)]
    if len(gained_g) < FEWEST:
        raise UserInputError("a spread needs two dispenses: at least three readings")
    if not wanted_ul > 0 or not all(map(math.isfinite, gained_g)):
        raise UserInputError(f"cannot judge {len(gained_g)} dispenses of {wanted_ul} uL")
    factor = z_ul_per_mg(temperature_c, pressure_hpa, humidity_percent)
    volumes_ul = tuple(1000.0 * gained * factor for gained in gained_g)
    mean_ul = statistics.fmean(volumes_ul)
    return Verification(
        wanted_ul,
        volumes_ul,
        mean_ul,
        systematic_error_percent=100.0 * (mean_ul - wanted_ul) / wanted_ul,
        cv_percent=100.0 * statistics.stdev(volumes_ul) / mean_ul if mean_ul else math.inf,
    )
