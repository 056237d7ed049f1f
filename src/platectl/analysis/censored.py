"""Mean of values some of which are only known to lie beyond a bound, by maximum likelihood.

Values are normal about one mean. A measured value adds the density to the likelihood, one that is
only known to be below (above) a bound the probability of lying there. Sources: J. Tobin,
Econometrica 26, 24-36 (1958); D. R. Helsel, Statistics for Censored Environmental Data (2nd ed.,
Wiley 2012), chapters 6 and 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import log_ndtr
from scipy.stats import t as student

from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray
from platectl.analysis.points import as_points
from platectl.domain.codes import Code

Side = Literal["=", "<", ">"]
#: measured values without which the spread is not estimated from bounds
FEWEST_MEASURED = 2
#: width of an interval, in the unit of the values (decades where they are log10), that says nothing
WIDEST = 6.0
_SPAN = 60.0


@dataclass(frozen=True, slots=True)
class CensoredMean:
    """A mean with its 95 % interval, in the unit of the values.

    Attributes:
        qualifier: "=", or "<" or ">" when all that is known of the mean is a bound.
        mean: The mean, or that bound; None when bounds on both sides leave it open.
        lower: Lower end; None where there is no interval.
        upper: Upper end, likewise.
        sd: Standard deviation between values; None where it cannot be had.
        count: Number of values, `censored` of which are bounds.
        censored: Number of bounds.
    """

    qualifier: Side
    mean: float | None
    lower: float | None
    upper: float | None
    sd: float | None
    count: int
    censored: int


def censored_mean(values: Sequence[float], sides: Sequence[Side]) -> CensoredMean:
    """Mean of values, of which those with "<" or ">" are bounds.

    Without bounds it is the arithmetic mean with Student's interval. With at least two different measured
    values among bounds it is the maximum of the likelihood over mean and spread, with the interval of the
    profile likelihood at the quantile of F(1, measured - 1), which is Student's when nothing is
    censored. With fewer the spread is unknown: the loosest bound is given, and no interval. So it is where
    the likelihood puts the mean outside all values and bounds, or its interval is wider than `WIDEST`.

    Raises:
        AnalysisError: No values, one that is no finite number, or sides that are not one of "=", "<",
            ">" for each value.
    """
    y, side = _checked(values, sides)
    known = y[side == "="]
    n, censored = int(y.size), int(y.size - known.size)
    if censored == 0:
        return _of_measured(known)
    if known.size < FEWEST_MEASURED or np.ptp(known) == 0.0:
        return _bound(y, side)

    def loss(mean: float, log_sd: float) -> float:
        z = (y - mean) / math.exp(log_sd)
        measured = z[side == "="]
        beyond = log_ndtr(z[side == "<"]).sum() + log_ndtr(-z[side == ">"]).sum()
        return float(0.5 * (measured @ measured) + measured.size * log_sd - beyond)

    start = np.array((float(y.mean()), math.log(float(y.std()))))

    def at(parameters: FloatArray) -> float:
        return loss(float(parameters[0]), float(parameters[1]))

    precise: Any = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    found = minimize(at, start, method="Nelder-Mead", options=precise)
    mean, log_sd = (float(v) for v in found.x)
    df = known.size - 1
    rise = 0.5 * known.size * math.log1p(float(student.ppf(0.975, df)) ** 2 / df)

    def above(at: float) -> float:
        near = (log_sd - 1.0, log_sd + 12.0)
        best = minimize_scalar(lambda s: loss(at, s), bounds=near, method="bounded", options={"xatol": 1e-8})  # fmt: skip
        return float(best.fun - found.fun - rise)

    far = _SPAN * math.exp(log_sd)
    ends = [brentq(above, mean, mean + step, xtol=1e-9) if above(mean + step) > 0.0 else math.copysign(math.inf, step)
            for step in (-far, far)]  # fmt: skip
    if not (y.min() <= mean <= y.max() and ends[1] - ends[0] <= WIDEST):
        return _bound(y, side)
    return CensoredMean("=", mean, ends[0], ends[1], math.exp(log_sd), n, censored)


def _checked(values: Sequence[float], sides: Sequence[Side]) -> tuple[FloatArray, np.ndarray]:
    y, words = as_points(values, "values"), list(sides)
    if y.size == 0:
        raise AnalysisError("A mean needs values.", Code.POINTS_FEW)
    if y.ndim != 1 or len(words) != y.size:
        message = f"A mean needs one side for each value, not {len(words)} for {y.size}."
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    known = get_args(Side)
    if unknown := [word for word in words if word not in known]:
        message = f"A value has one of the sides {', '.join(known)}, not {unknown[0]!r}."
        raise AnalysisError(message, Code.NAME_UNKNOWN)
    return y, np.asarray(words)


def _of_measured(known: np.ndarray) -> CensoredMean:
    n, mean = int(known.size), float(known.mean())
    if n == 1 or np.ptp(known) == 0.0:  # no spread can be had from one value, or one value copied
        return CensoredMean("=", mean, None, None, None, n, 0)
    sd = float(known.std(ddof=1))
    half = float(student.ppf(0.975, n - 1)) * sd / math.sqrt(n)
    return CensoredMean("=", mean, mean - half, mean + half, sd, n, 0)


def _bound(y: np.ndarray, side: np.ndarray) -> CensoredMean:
    """What can be said without a usable spread: the loosest bound, if all are on one side."""
    n, censored = int(y.size), int((side != "=").sum())
    kinds: set[Side] = {s for s in ("<", ">") if (side == s).any()}
    if len(kinds) > 1:
        return CensoredMean("=", None, None, None, None, n, censored)
    (kind,) = kinds
    loosest = float(y.max() if kind == "<" else y.min())
    return CensoredMean(kind, loosest, None, None, None, n, censored)
