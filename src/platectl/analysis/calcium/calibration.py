"""Calcium from the ratio (Grynkiewicz, Poenie and Tsien 1985), calibrated on the plate itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platectl.analysis.calcium.signal import Background, RatioTrace
from platectl.analysis.model import FloatArray

LEAST_RANGE = 5.0
BETA_RANGE = (2.0, 15.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Ends of the ratio and beta, or why there are none.

    Attributes:
        rmin: Ratio without calcium; `rmax` with saturating calcium.
        beta: F380 without over F380 with saturating calcium.
        kd_molar: Of the dye.
        problem: Why calcium cannot be calculated; empty when it can.
        wells: Wells behind rmin and rmax.
    """

    rmin: float
    rmax: float
    beta: float
    kd_molar: float
    problem: str
    wells: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether calcium can be calculated."""
        return not self.problem

    def calcium_molar(self, ratio: FloatArray | float) -> FloatArray:
        """`Kd beta (R-Rmin)/(Rmax-R)`; not a number outside the two ends, never clipped."""
        r = np.asarray(ratio, dtype=np.float64)
        if not self.usable:
            return np.full(r.shape, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self.kd_molar * self.beta * (r - self.rmin) / (self.rmax - r)
        return np.asarray(np.where((r > self.rmin) & (r < self.rmax), value, np.nan))


def calibrate(traces: Sequence[RatioTrace], background: Background, kd_molar: float) -> Calibration:
    """Rmin, Rmax and beta from wells with ionomycin and EGTA or calcium, as read in the end.

    Loading differs between wells, so that F380 of each is taken relative to what the same well
    showed before the addition: beta is the quotient of the two.
    """
    found = {role: [_ends(t, background) for t in traces if t.trace.role == role and t.trace.used]
             for role in ("rmin", "rmax")}  # fmt: skip
    ends = {role: [e for e in rows if e is not None] for role, rows in found.items()}
    wells = tuple(t.trace.well for t in traces if t.trace.role in {"rmin", "rmax"})
    nan = float("nan")
    for role, rows in ends.items():
        if not rows:
            problem = f"There is no usable {role} well, so calcium is not calculated."
            return Calibration(nan, nan, nan, kd_molar, problem, wells)
    rmin, free = np.mean(ends["rmin"], axis=0)
    rmax, bound = np.mean(ends["rmax"], axis=0)
    beta = float(free / bound) if bound > 0 else nan
    problem = ""
    if not rmax / rmin >= LEAST_RANGE:
        problem = f"Rmax/Rmin is {rmax / rmin:.1f}, below {LEAST_RANGE:g}."
    elif not BETA_RANGE[0] <= beta <= BETA_RANGE[1]:
        problem = f"Beta is {beta:.1f}, outside {BETA_RANGE[0]:g} to {BETA_RANGE[1]:g}."
    return Calibration(float(rmin), float(rmax), beta, kd_molar, problem, wells)


def _ends(trace: RatioTrace, background: Background) -> tuple[float, float] | None:
    """Ratio in the end, and F380 in the end over F380 before the addition."""
    late = trace.trace
    if late.late340.size and late.late380.size:
        if not (np.isfinite(late.late340).any() and np.isfinite(late.late380).any()):
            return None
        f340 = float(np.nanmean(late.late340)) - background.at_340
        f380 = float(np.nanmean(late.late380)) - background.at_380
    else:
        last = np.flatnonzero(np.isfinite(trace.ratio))[-4:]
        if not last.size:
            return None
        f340, f380 = float(trace.f340[last].mean()), float(trace.f380[last].mean())
    before = trace.f380[trace.since_s < 0]
    rest = float(np.nanmean(before)) if np.isfinite(before).any() else float("nan")
    if not (np.isfinite(f340) and f380 > 0 and rest > 0):
        return None
    return f340 / f380, f380 / rest
