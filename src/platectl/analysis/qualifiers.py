"""When a curve gives a number, a bound, or nothing: the qualifier rules in their order.

Responses are in percent of control (mean of totals 100, mean of nonspecific binding 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from platectl.analysis.model import FloatArray

Qualifier = Literal["=", ">", "<", "~"]

FEWEST_CONCENTRATIONS = 5
FEWEST_ON_PLATEAU = 2
HALF = 50.0
POINTS = 20.0
FLAT_POINTS = 10.0
SIGMAS = 3.0
BEND_FOLD = 4.68
HILL_RANGE = (0.5, 2.0)
IMPRECISE_WIDTH = 1.0
USELESS_WIDTH = 2.0
ONE_SITE_HILL = -1.0


@dataclass(frozen=True, slots=True)
class Flag:
    """A named remark with one plain sentence."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Levels:
    """Means per concentration, lowest concentration first.

    Attributes:
        molar: Distinct concentrations, shape (levels,).
        percent: Mean response in percent of control, shape (levels,).
        sd_percent: Standard deviation of a well at full response, in percent.
    """

    molar: FloatArray
    percent: FloatArray
    sd_percent: float


@dataclass(frozen=True, slots=True)
class Screening:
    """What the means alone decide (rules 1 to 4).

    Attributes:
        qualifier: ">" or "<" when no half response lies within the range; else None.
        enough: False when there are too few concentrations, or no dependence on them, for any result.
        hook_above_molar: Concentrations above this one are masked; None without a hook.
        flags: Remarks.
    """

    qualifier: Literal[">", "<"] | None = None
    enough: bool = True
    hook_above_molar: float | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class CurveEvidence:
    """What the fits say (rules 5 to 9); logs are log10 molar, plateaus percent of control."""

    log_ic50: float
    log_lower: float
    log_upper: float
    bottom_percent: float
    bottom_lower_percent: float
    hill: float
    hill_lower: float
    hill_upper: float
    usable: bool = True


def screen(levels: Levels) -> Screening:
    """Apply rules 1 to 4."""
    if levels.molar.size < FEWEST_CONCENTRATIONS:
        sentence = (
            f"Only {levels.molar.size} concentrations were measured; a curve needs "
            f"{FEWEST_CONCENTRATIONS}."
        )
        return Screening(enough=False, flags=(Flag("too_few_concentrations", sentence),))
    if flat := _flat(levels):
        return Screening(enough=False, flags=(flat,))
    if levels.percent[-1] > HALF:
        return Screening(">", flags=_inactive(levels))
    if levels.percent[0] < HALF:
        return Screening("<")
    hook = _hook(levels)
    if hook is None:
        return Screening()
    sentence = f"Binding rises again above {hook:.2e} M; the points above it are not fitted."
    return Screening(hook_above_molar=hook, flags=(Flag("hook", sentence),))


def _flat(levels: Levels) -> Flag | None:
    """The same response at all concentrations, far from both controls: neither side is a bound."""
    low, high = float(levels.percent.min()), float(levels.percent.max())
    same = high - low <= max(FLAT_POINTS, SIGMAS * levels.sd_percent)
    if not (same and low > POINTS and high < 100.0 - POINTS):
        return None
    sentence = (
        f"The response is {low:.0f} to {high:.0f} % of control at all concentrations and does not depend "
        "on them: there is no potency, nor a bound of one."
    )
    return Flag("flat", sentence)


def _inactive(levels: Levels) -> tuple[Flag, ...]:
    margin = max(POINTS, SIGMAS * levels.sd_percent)
    if bool((np.abs(levels.percent - 100.0) <= margin).all()):
        sentence = f"No concentration changed binding by more than {margin:.0f} points."
        return (Flag("inactive", sentence),)
    if levels.percent.min() < HALF:
        sentence = "Binding falls below one half and rises again: the curve is not monotonic."
        return (Flag("not_monotonic", sentence),)
    return ()


def _hook(levels: Levels) -> float | None:
    """Concentration of the minimum if the last two means both exceed it by 20 points and 3 SD."""
    lowest = int(levels.percent.argmin())
    rise = levels.percent[-2:] - levels.percent[lowest]
    if lowest < levels.molar.size - 2 and rise.min() > max(POINTS, SIGMAS * levels.sd_percent):
        return float(levels.molar[lowest])
    return None


def partial_inhibition(evidence: CurveEvidence, levels: Levels) -> bool:
    """Rule 5: a bottom above 20 % for certain, seen by at least two points on the plateau."""
    on_plateau = int((np.log10(levels.molar) > evidence.log_ic50 + np.log10(BEND_FOLD)).sum())
    return (
        evidence.bottom_percent > POINTS
        and evidence.bottom_lower_percent > POINTS
        and on_plateau >= FEWEST_ON_PLATEAU
    )


def grade(evidence: CurveEvidence, levels: Levels) -> tuple[Qualifier, tuple[Flag, ...]]:
    """Apply rules 5 to 9; all that hold are flagged, "~" wins over "="."""
    flags: list[Flag] = []
    if partial_inhibition(evidence, levels):
        sentence = (
            f"The curve levels off at {evidence.bottom_percent:.0f} % of control: the value is "
            "relative to its own plateau."
        )
        flags.append(Flag("partial", sentence))
    flags.extend(_incomplete(evidence, levels))
    flags.extend(_hill(evidence))
    width = evidence.log_upper - evidence.log_lower
    if not evidence.usable or not width <= USELESS_WIDTH:
        sentence = "The interval of log IC50 is wider than two log units or open: not for use."
        return "~", (*flags, Flag("not_for_use", sentence))
    if width > IMPRECISE_WIDTH:
        flags.append(Flag("imprecise", f"The interval of log IC50 is {width:.1f} log units wide."))
    return "=", tuple(flags)


def _incomplete(evidence: CurveEvidence, levels: Levels) -> tuple[Flag, ...]:
    """Rule 6; the missing plateau is that of the control wells, which are points of the fit."""
    bend = float(np.log10(BEND_FOLD))
    if evidence.log_ic50 + bend > np.log10(levels.molar[-1]):
        side = "highest concentration lies before the lower"
    elif evidence.log_ic50 - bend < np.log10(levels.molar[0]):
        side = "lowest concentration lies beyond the upper"
    else:
        return ()
    sentence = f"The {side} bend of the curve; that plateau comes from the control wells."
    return (Flag("incomplete", sentence),)


def _hill(evidence: CurveEvidence) -> tuple[Flag, ...]:
    low, high = HILL_RANGE
    excludes = not evidence.hill_lower <= ONE_SITE_HILL <= evidence.hill_upper
    if not excludes or low <= abs(evidence.hill) <= high:
        return ()
    sentence = (
        f"The Hill slope is {evidence.hill:.2f} ({evidence.hill_lower:.2f} to "
        f"{evidence.hill_upper:.2f}), not that of one site."
    )
    return (Flag("hill_out_of_range", sentence),)
