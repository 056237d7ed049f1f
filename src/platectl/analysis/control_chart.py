"""Shewhart charts of a constant over runs: robust limits on the log scale, and rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platectl.analysis.errors import AnalysisError
from platectl.analysis.quality import mad_sd
from platectl.domain.control_rules import ControlRule, ControlRules

CLIP_SDS = 1.5
CLIPPED_SD = 1.134
STEPS, TOLERANCE = 200, 1e-10
FEWEST_POINTS = 3


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """One result of the reference: where it comes from and its value, in the unit of the chart."""

    run: str
    plate: str
    at: str
    value: float


@dataclass(frozen=True, slots=True)
class ControlLimits:
    """Centre and standard deviation, both log10, and how many points they were learned from."""

    centre: float
    sd: float
    learned_from: int

    def at(self, sds: float) -> float:
        """Value so many standard deviations from the centre, in the unit of the chart."""
        return float(10.0 ** (self.centre + sds * self.sd))

    @property
    def msr(self) -> float:
        """Minimum significant ratio of a control compound, 10^(2 sqrt2 s).

        Assay Guidance Manual, chapter on assay operations and HTS assay validation; Eastwood et
        al. 2006, J Biomol Screen 11:253. Two potencies of one compound from two runs differ by
        more than this in one of 20 cases.
        """
        return float(10.0 ** (2.0 * math.sqrt(2.0) * self.sd))


@dataclass(frozen=True, slots=True)
class JudgedPoint:
    """A point with its distance from the centre in standard deviations, and the rules it breaks."""

    point: ControlPoint
    z: float
    broken: tuple[ControlRule, ...]
    learned: bool

    @property
    def rejected(self) -> bool:
        """Whether a rule that rejects is broken here."""
        return any(rule.verdict == "reject" for rule in self.broken)


@dataclass(frozen=True, slots=True)
class ControlChart:
    """A judged history, in order of time."""

    limits: ControlLimits
    points: tuple[JudgedPoint, ...]

    @property
    def broken(self) -> tuple[JudgedPoint, ...]:
        """Points at which a rule is broken."""
        return tuple(p for p in self.points if p.broken)


def control_chart(points: Sequence[ControlPoint], rules: ControlRules) -> ControlChart:
    """Learn limits from the first points and judge all of them; `points` are in order of time.

    Raises:
        AnalysisError: Fewer points than the rules ask for, a value that has no logarithm, or a
            history without any spread.
    """
    learn = rules.learn
    if len(points) < learn.least:
        message = (
            f"There are {len(points)} results; limits are learned from at least {learn.least}."
        )
        raise AnalysisError(message)
    bad = next((p for p in points if not (math.isfinite(p.value) and p.value > 0.0)), None)
    if bad is not None:
        message = f"{bad.run} has the value {bad.value!r}, which has no logarithm."
        raise AnalysisError(message)
    logs = [math.log10(p.value) for p in points]
    used = min(len(points), learn.points)
    centre, sd = robust_mean_sd(logs[:used])
    if not sd > 0.0:
        message = f"The first {used} results are equal, so nothing is known of their spread."
        raise AnalysisError(message)
    z = [(value - centre) / sd for value in logs]
    judged = tuple(
        JudgedPoint(point, z[i], broken_rules(z[: i + 1], rules.rules), i < used)
        for i, point in enumerate(points)
    )
    return ControlChart(ControlLimits(centre, sd, used), judged)


def broken_rules(z: Sequence[float], rules: Sequence[ControlRule]) -> tuple[ControlRule, ...]:
    """Rules broken at the last of these points, which lie `z` standard deviations off, in order.

    A distance of exactly the limit is not beyond it. Of a history that is shorter than a rule
    looks back, what is there is judged.
    """
    return tuple(rule for rule in rules if _is_broken(z, rule))


def _is_broken(z: Sequence[float], rule: ControlRule) -> bool:
    if not z or not abs(z[-1]) > rule.beyond:
        return False
    window = z[-rule.of :]
    above = sum(v > rule.beyond for v in window)
    below = sum(v < -rule.beyond for v in window)
    if rule.side == "same":
        return (above if z[-1] > 0.0 else below) >= rule.count
    if rule.side == "opposite":
        return above > 0 and below > 0 and above + below >= rule.count
    return above + below >= rule.count


def robust_mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation that a few strange values do not move much: Algorithm A.

    ISO 13528:2015, annex C.3.1: start at median and 1.483 MAD; pull values beyond 1.5 s in to
    there; take their mean, and 1.134 times their standard deviation; repeat until nothing changes.
    Where more than half of the values are equal, the ordinary standard deviation is the start.

    Raises:
        AnalysisError: Fewer than three values, or one that is not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size < FEWEST_POINTS or not np.isfinite(x).all():
        message = f"A robust mean needs at least {FEWEST_POINTS} finite values."
        raise AnalysisError(message)
    mean, sd = float(np.median(x)), mad_sd(x) or float(x.std(ddof=1))
    for _ in range(STEPS):
        held = np.clip(x, mean - CLIP_SDS * sd, mean + CLIP_SDS * sd)
        before = mean, sd
        mean, sd = float(held.mean()), CLIPPED_SD * float(held.std(ddof=1))
        if max(abs(mean - before[0]), abs(sd - before[1])) <= TOLERANCE * max(sd, 1e-300):
            break
    return mean, sd
