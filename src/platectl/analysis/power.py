"""How precise a plate will be: many simulated plates, analysed as real ones are.

A plate is drawn with the lab's variances and goes through the analysis of the assay; what counts
is what the analysis would report. Plates of one experiment are pooled with inverse variances, so
that two plates are worth what they are worth on paper: the interval speaks of what differs within
and between plates as drawn, not of what they have in common (the stock, Kd, the day).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from platectl.analysis.errors import AnalysisError
from platectl.analysis.limits import State
from platectl.analysis.model import FloatArray

Z95 = float(ndtri(0.975))
FEWEST_DRAWS = 20
LOW, HIGH = 0.05, 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A constant of one plate, log10 molar, with its 95 % interval; both ends are finite."""

    log10_molar: float
    lower: float
    upper: float

    @property
    def sd(self) -> float:
        """Standard deviation that the interval stands for, log10."""
        return (self.upper - self.lower) / (2.0 * Z95)


@dataclass(frozen=True, slots=True)
class DrawnPlate:
    """One simulated plate as the analysis saw it.

    Attributes:
        state: Verdict of the plate's quality control.
        z_prime: Of its controls; None when it cannot be had.
        estimates: By compound; None where no number with two limits is reported.
    """

    state: State
    z_prime: float | None
    estimates: Mapping[str, Estimate | None]


Draw = Callable[[np.random.Generator], DrawnPlate]


@dataclass(frozen=True, slots=True)
class Known:
    """What is true of a compound: which constant, and its value in molar."""

    quantity: str
    molar: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 5 % and 95 % point over simulated experiments."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CompoundPower:
    """What an experiment will say about one compound.

    Attributes:
        compound: Name.
        quantity: Such as "Ki".
        true_molar: What the simulation assumes.
        width: Width of the 95 % interval, log10; None when no experiment gave a number.
        bias: Mean of p-value found minus true (pKi, pEC50); `bias_se` is its simulation error.
        sd: Standard deviation of the p-value between experiments.
        coverage: Share of experiments whose interval holds the truth, of those with a number.
        reported: Share of experiments that report a number with two limits.
    """

    compound: str
    quantity: str
    true_molar: float
    width: Spread | None
    bias: float | None
    bias_se: float | None
    sd: float | None
    coverage: float | None
    reported: float

    @property
    def fold(self) -> Spread | None:
        """Upper over lower limit, the width as a factor."""
        w = self.width
        return Spread(10.0**w.median, 10.0**w.low, 10.0**w.high) if w else None


@dataclass(frozen=True, slots=True)
class Power:
    """What a layout will do: quality of plates and precision of compounds.

    Attributes:
        plates: Plates of one experiment.
        experiments: Simulated experiments.
        z_prime: Of single plates; None when none had one.
        passes: Share of plates that do not fail, with its 95 % interval (Wilson).
        flagged: Share of plates with a flag that do not fail.
    """

    plates: int
    experiments: int
    z_prime: Spread | None
    passes: tuple[float, float, float]
    flagged: float
    compounds: tuple[CompoundPower, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """Fewest plates with so many series each for an interval narrower than asked.

    Attributes:
        series: Dilution series of the compound on each plate.
        plates: Plates.
        fold: Median of upper over lower limit then.
        assured: Share of experiments whose interval is narrower than asked.
    """

    series: int
    plates: int
    fold: float
    assured: float

    @property
    def replicates(self) -> int:
        """Series altogether."""
        return self.series * self.plates


def draw_plates(draw: Draw, count: int, *, seed: int) -> tuple[DrawnPlate, ...]:
    """Draw plates; plate i of a seed is the same however many are drawn.

    Raises:
        AnalysisError: Too few to say anything about the tails.
    """
    if count < FEWEST_DRAWS:
        message = f"{count} simulated plates are too few; draw at least {FEWEST_DRAWS}."
        raise AnalysisError(message)
    return tuple(draw(np.random.default_rng((seed, number))) for number in range(count))


def predict(
    drawn: Sequence[DrawnPlate], known: Mapping[str, Known], *, plates: int = 1, seed: int = 0
) -> Power:
    """What experiments of so many plates will say about compounds of which the truth is known.

    One experiment of one plate is one drawn plate. Of several plates, as many experiments as
    plates were drawn are put together at random, with replacement.

    Raises:
        AnalysisError: No plates, or fewer than one plate in an experiment.
    """
    if not drawn or plates < 1:
        message = "An experiment has at least one plate, and at least one must be drawn."
        raise AnalysisError(message)
    rng = np.random.default_rng((seed, 2**20))
    chosen = rng.integers(0, len(drawn), (len(drawn), plates))
    if plates == 1:
        chosen = np.arange(len(drawn))[:, None]
    passed = [p.state != "fail" for p in drawn]
    zs = [p.z_prime for p in drawn if p.z_prime is not None and math.isfinite(p.z_prime)]
    return Power(
        plates=plates,
        experiments=len(drawn),
        z_prime=_spread(np.array(zs)),
        passes=(sum(passed) / len(passed), *wilson(sum(passed), len(passed))),
        flagged=sum(p.state == "flag" for p in drawn) / len(drawn),
        compounds=tuple(
            _compound(name, true, _pooled(_table(drawn, name), chosen))
            for name, true in known.items()
        ),
    )


def needs(
    drawn: Mapping[int, Sequence[DrawnPlate]], compound: str, *, fold: float,
    assurance: float = 0.8, most_plates: int = 12, seed: int = 0,
) -> tuple[Need, ...]:  # fmt: skip
    """Fewest plates for a 95 % interval whose upper limit is below `fold` times the lower one.

    Args:
        drawn: Simulated plates by the number of series of the compound on a plate.
        compound: Whose interval.
        fold: Upper over lower limit, above 1.
        assurance: Share of experiments in which the interval must be narrower.
        most_plates: How far to look.
        seed: Of the putting together of plates.

    Returns:
        One for each number of series on a plate, rising; those for which not even `most_plates`
        plates are enough are missing.

    Raises:
        AnalysisError: A fold or an assurance that nothing can keep.
    """
    if not fold > 1.0 or not 0.0 < assurance < 1.0:
        message = "The fold must be above 1, and the assurance between 0 and 1."
        raise AnalysisError(message)
    found = []
    for series, plates in sorted(drawn.items()):
        table = _table(plates, compound)
        for number in range(1, most_plates + 1):
            width = _together(table, number, seed)[:, 1] * 2.0 * Z95
            narrow = float(np.mean(np.nan_to_num(width, nan=math.inf) <= math.log10(fold)))
            if narrow >= assurance:
                found.append(Need(series, number, 10.0 ** float(np.nanmedian(width)), narrow))
                break
    return tuple(found)


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, J Am Stat Assoc 22:209)."""
    p, z2 = hits / tries, Z95**2
    middle = (p + z2 / (2 * tries)) / (1 + z2 / tries)
    half = Z95 / (1 + z2 / tries) * math.sqrt(p * (1 - p) / tries + z2 / (4 * tries**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _table(drawn: Sequence[DrawnPlate], compound: str) -> FloatArray:
    """Value and SD (log10) of a compound on each plate, not a number where there is none."""
    found = [p.estimates.get(compound) for p in drawn]
    rows = [(math.nan, math.nan) if e is None else (e.log10_molar, e.sd) for e in found]
    return np.array(rows, dtype=np.float64)


def _pooled(table: FloatArray, chosen: NDArray[np.int64]) -> FloatArray:
    """Inverse-variance mean and its SD for each experiment, shape (experiments, 2).

    Plates without a number are left out of their experiment; one without any has none.
    """
    value, sd = table[chosen, 0], table[chosen, 1]
    known = np.isfinite(value) & np.isfinite(sd) & (sd > 0.0)
    weight = np.where(known, 1.0 / np.where(known, sd, 1.0) ** 2, 0.0)
    total = weight.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (weight * np.where(known, value, 0.0)).sum(axis=1) / total
        pooled = np.where(total > 0.0, 1.0 / np.sqrt(total), math.nan)
    return np.column_stack((mean, pooled))


def _together(table: FloatArray, plates: int, seed: int) -> FloatArray:
    if plates == 1:
        return _pooled(table, np.arange(len(table))[:, None])
    rng = np.random.default_rng((seed, plates))
    return _pooled(table, rng.integers(0, len(table), (len(table), plates)))


def _compound(name: str, true: Known, made: FloatArray) -> CompoundPower:
    quantity, molar = true.quantity, true.molar
    known = made[np.isfinite(made).all(axis=1)]
    reported = len(known) / len(made)
    if not len(known):
        return CompoundPower(name, quantity, molar, None, None, None, None, None, reported)
    error = math.log10(molar) - known[:, 0]  # of the p-value
    several = len(known) > 1
    sd = float(error.std(ddof=1)) if several else math.nan
    return CompoundPower(
        compound=name,
        quantity=quantity,
        true_molar=molar,
        width=_spread(known[:, 1] * 2.0 * Z95),
        bias=float(error.mean()),
        bias_se=sd / math.sqrt(len(known)) if several else None,
        sd=sd if several else None,
        coverage=float(np.mean(np.abs(error) <= Z95 * known[:, 1])),
        reported=reported,
    )


def _spread(values: FloatArray) -> Spread | None:
    if not values.size:
        return None
    low, median, high = (float(v) for v in np.quantile(values, (LOW, 0.5, HIGH)))
    return Spread(median, low, high)
