"""Had binding reached its plateau when the wells were filtered, and what that does to Ki."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from platectl.analysis.errors import AnalysisError
from platectl.analysis.kinetic_models import motulsky_mahan
from platectl.analysis.plate import BindingConditions, WellCount, is_number
from platectl.domain.codes import Code

HALF_LIVES_TO_EQUILIBRIUM = 5.0
LEAST_FRACTION = 0.97
_SEARCH_ROUNDS = 4
_SEARCH_POINTS = 65


@dataclass(frozen=True, slots=True)
class Competitor:
    """Rate constants of a competing ligand."""

    kon_per_molar_min: float
    koff_per_min: float

    @property
    def ki_molar(self) -> float:
        """koff/kon."""
        return self.koff_per_min / self.kon_per_molar_min


FAST_COMPETITOR = Competitor(2e8, 0.4)
SLOW_COMPETITOR = Competitor(2e6, 0.004)


@dataclass(frozen=True, slots=True)
class WellAge:
    """Age of one well when filtered and how far total binding had come, 0 to 1."""

    well: str
    age_min: float
    fraction_of_plateau: float


@dataclass(frozen=True, slots=True)
class EquilibriumCheck:
    """How far binding was from equilibrium.

    Attributes:
        state: "pass", "flag", or "unknown" without rate constants.
        message: One or two plain sentences.
        shortest_age_min: Age of the youngest well; the planned incubation if none was recorded.
        longest_age_min: Age of the oldest well.
        fraction_of_plateau: Of total binding in the youngest well.
        required_min: Five half-lives of the approach, 5 ln2/(kon L + koff).
        fast_ki_ratio: Apparent/true Ki of a fast competitor (2e8 /M/min, 0.4 /min) at that age.
        slow_ki_ratio: The same for a slow one (2e6 /M/min, 0.004 /min).
        ages: Every well with a recorded age.
    """

    state: Literal["pass", "flag", "unknown"]
    message: str
    shortest_age_min: float
    longest_age_min: float
    fraction_of_plateau: float | None
    required_min: float | None
    fast_ki_ratio: float | None
    slow_ki_ratio: float | None
    ages: tuple[WellAge, ...] = ()


def observed_rate(conditions: BindingConditions) -> float | None:
    """Rate of approach kon L/(1+M/Km) + koff per minute; None if a rate constant is unknown."""
    if conditions.kon_per_molar_min is None or conditions.koff_per_min is None:
        return None
    kon = conditions.kon_per_molar_min / conditions.masking_factor
    return kon * conditions.radioligand_molar + conditions.koff_per_min


def apparent_ki_ratio(
    *,
    kon_per_molar_min: float,
    koff_per_min: float,
    radioligand_molar: float,
    age_min: float,
    competitor: Competitor,
) -> float:
    """Apparent over true Ki of an endpoint at `age_min`, both ligands added together.

    The apparent Ki is Cheng-Prusoff of the concentration that halves binding at that age
    (Motulsky and Mahan 1984), found by refining a grid over its logarithm.

    Raises:
        AnalysisError: The age is not above zero.
    """
    if not age_min > 0.0:
        message = f"The age of a well must be above zero, not {age_min!r} min."
        raise AnalysisError(message)
    low, high = math.log10(competitor.ki_molar) - 6.0, math.log10(competitor.ki_molar) + 9.0
    ic50 = math.nan
    for _ in range(_SEARCH_ROUNDS):
        grid = np.linspace(low, high, _SEARCH_POINTS)
        bound = motulsky_mahan(
            age_min,
            k1_per_molar_min=kon_per_molar_min,
            k2_per_min=koff_per_min,
            k3_per_molar_min=competitor.kon_per_molar_min,
            k4_per_min=competitor.koff_per_min,
            radioligand_molar=radioligand_molar,
            competitor_molar=np.concatenate(([0.0], 10.0**grid)),
        )
        below = bound[1:] - 0.5 * bound[0]
        place = int(np.clip(np.searchsorted(-below, 0.0), 1, grid.size - 1))
        low, high = float(grid[place - 1]), float(grid[place])
        share = float(below[place - 1] / (below[place - 1] - below[place]))
        ic50 = math.pow(10.0, low + share * (high - low))
    occupancy = 1.0 + radioligand_molar * kon_per_molar_min / koff_per_min
    return ic50 / occupancy / competitor.ki_molar


def check_equilibrium(
    wells: Sequence[WellCount], conditions: BindingConditions
) -> EquilibriumCheck:
    """Check the ages of all used wells against the rate constants of the radioligand.

    Raises:
        AnalysisError: An age is negative or not a number.
    """
    recorded = [(w.well, w.age_min) for w in wells if w.used and w.age_min is not None]
    for name, age in recorded:
        if not is_number(age) or age <= 0.0:
            message = f"Well {name} has an impossible incubation age ({age!r} min)."
            raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)
    ages = [age for _, age in recorded] or [conditions.incubation_min]
    rate = observed_rate(conditions)
    if rate is None:
        return _unknown(min(ages), max(ages))
    reached = tuple(WellAge(name, age, -math.expm1(-rate * age)) for name, age in recorded)
    return _judge(conditions, rate, (min(ages), max(ages)), reached)


def _unknown(shortest: float, longest: float) -> EquilibriumCheck:
    message = (
        "The radioligand's kon and koff are not given, so equilibrium could not be checked: "
        "run layout K for this membrane lot and temperature."
    )
    return EquilibriumCheck("unknown", message, shortest, longest, None, None, None, None)


def _judge(
    conditions: BindingConditions,
    rate: float,
    span: tuple[float, float],
    ages: tuple[WellAge, ...],
) -> EquilibriumCheck:
    shortest, longest = span
    kon, koff = conditions.kon_per_molar_min, conditions.koff_per_min
    assert kon is not None  # noqa: S101 the rate exists only with both
    assert koff is not None  # noqa: S101
    fraction = -math.expm1(-rate * shortest)
    required = HALF_LIVES_TO_EQUILIBRIUM * math.log(2.0) / rate
    fast, slow = (
        apparent_ki_ratio(
            kon_per_molar_min=kon / conditions.masking_factor,
            koff_per_min=koff,
            radioligand_molar=conditions.radioligand_molar,
            age_min=shortest,
            competitor=Competitor(
                competitor.kon_per_molar_min / conditions.masking_factor, competitor.koff_per_min
            ),
        )
        for competitor in (FAST_COMPETITOR, SLOW_COMPETITOR)
    )
    ready = fraction >= LEAST_FRACTION and shortest >= required
    text = (
        f"At {shortest:.0f} min binding had reached {100.0 * fraction:.1f} % of its plateau; "
        f"five half-lives are {required:.0f} min."
    )
    if not ready:
        text += (
            f" Equilibrium was not reached: Ki of a fast competitor reads {fast:.2f} times its "
            f"true value, of a slow one (koff {SLOW_COMPETITOR.koff_per_min:g} /min) {slow:.2f} "
            "times."
        )
    state: Literal["pass", "flag"] = "pass" if ready else "flag"
    return EquilibriumCheck(state, text, shortest, longest, fraction, required, fast, slow, ages)
