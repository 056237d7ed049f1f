"""From counts to the ratio of each well: background first, then both channels at one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platectl.analysis.calcium.traces import FEWEST_POINTS, WellTrace
from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray
from platectl.domain.codes import Code

FAINT = 3.0
JUMP_SD = 5.0
ARTEFACT_WINDOW_S = 6.0
BASELINE_POINTS = 8


@dataclass(frozen=True, slots=True)
class Background:
    """Mean counts of unloaded wells in each channel, and how many there were."""

    at_340: float
    at_380: float
    wells: int


@dataclass(frozen=True, slots=True, eq=False)
class RatioTrace:
    """The ratio of one well.

    Attributes:
        since_s: Time since the addition (since the first reading without one), shape (points,).
        ratio: F340/F380 after background; not a number where it cannot be calculated.
        f340: Counts above background at the times of the ratio; `f380` likewise.
        left_out: Index of a point -> why it has no ratio or is not used.
    """

    trace: WellTrace
    since_s: FloatArray
    ratio: FloatArray
    f340: FloatArray
    f380: FloatArray
    left_out: dict[int, str]

    @property
    def before(self) -> FloatArray:
        """Usable ratios before the addition, at most the last ones that a baseline takes."""
        good = self.ratio[(self.since_s < 0) & np.isfinite(self.ratio)]
        return good[-max(BASELINE_POINTS, good.size // 2) :]

    @property
    def baseline(self) -> float:
        """Mean ratio before the addition; not a number without any."""
        return float(self.before.mean()) if self.before.size else float("nan")

    @property
    def noise(self) -> float:
        """Standard deviation of the baseline."""
        return float(self.before.std(ddof=1)) if self.before.size > 1 else float("nan")


def background_of(wells: Sequence[WellTrace]) -> Background:
    """Background from wells with cells and without dye.

    The plate's mean over time: the unloaded wells of one moment are too few to follow noise.

    Raises:
        AnalysisError: There is no usable unloaded well.
    """
    empty = [w for w in wells if w.role == "unloaded" and w.used]
    means = [(float(np.nanmean(w.f340)), float(np.nanmean(w.f380)))
             for w in empty if np.isfinite(w.f340).any() and np.isfinite(w.f380).any()]  # fmt: skip
    if not means:
        raise AnalysisError(
            "There is no usable well of unloaded cells, so the background is not known: ratios "
            "without it would be wrong.",
            Code.CONTROLS_FEW,
        )
    at_340, at_380 = np.mean(means, axis=0)
    return Background(float(at_340), float(at_380), len(means))


def ratio_trace(well: WellTrace, background: Background) -> RatioTrace:
    """Subtract background, bring 380 nm to the times of 340 nm, and divide.

    Straight lines between readings at 380 nm; on a transient that rises with 3 s this smears by
    less than the step of 0.4 s that separates the channels of one pass. A denominator of no more
    than three times its noise gives no ratio.
    """
    left_out: dict[int, str] = {}
    good = np.isfinite(well.f380)
    usable = np.isfinite(well.f340)
    f340 = np.where(usable, well.f340 - background.at_340, np.nan)
    if good.sum() < FEWEST_POINTS:
        f380 = np.full(well.t340_s.shape, np.nan)
    else:
        f380 = np.interp(well.t340_s, well.t380_s[good], well.f380[good]) - background.at_380
        f380[~np.isin(np.round(well.t340_s, 6), np.round(well.t340_s[_paired(well)], 6))] = np.nan
    noise = _noise_of(f380)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(f380 > FAINT * noise, f340 / f380, np.nan)
    for index in np.flatnonzero(~np.isfinite(ratio)):
        known = usable[index] and np.isfinite(f380[index])
        left_out[int(index)] = "too faint" if known else "no reading"
    zero_s = well.addition_s if well.addition_s is not None else float(well.t340_s[:1].sum())
    since_s = well.t340_s - zero_s
    made = RatioTrace(well, since_s, ratio, f340, f380, left_out)
    return _without_artefact(made) if well.addition_s is not None else made


def _paired(well: WellTrace) -> FloatArray:
    """Readings at 340 nm whose partner at 380 nm has a number."""
    paired = np.ones(well.t340_s.shape, dtype=bool)
    shared = min(well.f340.size, well.f380.size)
    paired[:shared] = np.isfinite(well.f380[:shared])
    paired[shared:] = False
    return paired


def _noise_of(values: FloatArray) -> float:
    """Noise of a trace from its successive differences."""
    steps = np.diff(values[np.isfinite(values)])
    return float(1.4826 * np.median(np.abs(steps)) / np.sqrt(2.0)) if steps.size else float("inf")


def _without_artefact(made: RatioTrace) -> RatioTrace:
    """Leave out at most two points after the addition in which both channels jump together.

    Both move the same way by more than five standard deviations within one interval and come back,
    while the ratio does not move.
    """
    ratio, left_out = made.ratio.copy(), dict(made.left_out)
    before = made.since_s < 0
    seen = np.isfinite(made.f340) & np.isfinite(made.f380)
    if (before & seen).sum() < FEWEST_POINTS:
        return made
    sd = [float(np.nanstd(f[before])) for f in (made.f340, made.f380)]
    after = np.flatnonzero((made.since_s >= 0) & (made.since_s < ARTEFACT_WINDOW_S))[:2]
    later = np.flatnonzero(made.since_s >= 0)[3:6]
    if not seen[later].any():
        return made
    for index in after:
        jumps = [float(f[index] - np.nanmean(f[later])) / max(s, 1e-12)
                 for f, s in zip((made.f340, made.f380), sd, strict=True)]  # fmt: skip
        together = jumps[0] * jumps[1] > 0 and min(map(abs, jumps)) > JUMP_SD
        moved = abs(ratio[index] - made.baseline) > JUMP_SD * made.noise
        if together and not moved:
            ratio[index], left_out[int(index)] = np.nan, "injection artefact"
    return RatioTrace(made.trace, made.since_s, ratio, made.f340, made.f380, left_out)
