"""What a well did: amplitude, peak, time to peak, area, late level, slope, decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platectl.analysis.calcium.calibration import Calibration
from platectl.analysis.calcium.signal import RatioTrace
from platectl.analysis.model import FloatArray

GRID_S = 0.5
STRONG_SHARE = 0.25
FEWEST_STRONG = 4
TEMPLATE_FLOOR = 0.05
RESPONDS_SD, RESPONDS_RATIO = 5.0, 0.05
LATE_S = 20.0


@dataclass(frozen=True, slots=True)
class WellFeatures:
    """Readouts of one well; not a number where they cannot be had.

    Attributes:
        amplitude: Projection of the rise on the plate's mean response, in units of the ratio: the
            height of the peak, or of what is left of it after the dead time. This is what curves
            are fitted to: a maximum over noise is biased upwards and has no honest variance.
        amplitude_sd: Standard deviation of the amplitude by the noise of the well's own baseline.
        delta_max: Largest rise above baseline; `delta_mean3` the mean of three points around it.
        calcium_baseline_molar, calcium_peak_molar: Not a number where not calculable.
        area: Trapezoids of ratio above baseline from the addition to `window_s`, ratio seconds.
        late: Mean rise in the last 20 s.
        slope_per_s: Of the ratio from the addition to half the rise.
        decay_s: Time constant of the fall from the peak to the late level.
    """

    well: str
    baseline: float
    noise: float
    amplitude: float
    amplitude_sd: float
    delta_max: float
    delta_mean3: float
    time_to_peak_s: float
    area: float
    window_s: float
    late: float
    slope_per_s: float
    decay_s: float
    calcium_baseline_molar: float
    calcium_peak_molar: float
    responds: bool
    dead_time_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """Mean shape of strong responses over the time since the addition; 1 at its highest."""

    since_s: FloatArray
    shape: FloatArray

    def at(self, since_s: FloatArray) -> FloatArray:
        """Shape at other times, 0 outside."""
        if not self.since_s.size:
            return np.zeros(since_s.shape)
        return np.asarray(np.interp(since_s, self.since_s, self.shape, left=0.0, right=0.0))


def template_of(traces: Sequence[RatioTrace]) -> Template:
    """Average the strongest quarter of responding wells on a common grid of times."""
    rises = [(t, t.ratio - t.baseline) for t in traces
             if t.trace.role in {"test", "reference", "positive", "stimulus"} and t.trace.used]  # fmt: skip
    rises = [(t, r) for t, r in rises if np.isfinite(r[t.since_s > 0]).sum() >= FEWEST_STRONG]
    if not rises:
        return Template(np.zeros(0), np.zeros(0))
    size = np.array([np.nanmean(r[t.since_s > 0]) for t, r in rises])
    strong = np.argsort(-size)[: max(FEWEST_STRONG, int(STRONG_SHARE * len(rises)))]
    chosen = [rises[i] for i in strong]
    start = max(float(t.since_s[t.since_s > 0].min()) for t, _ in chosen)
    end = min(float(t.since_s.max()) for t, _ in chosen)
    grid = np.arange(start, end + 1e-9, GRID_S)
    if grid.size < FEWEST_STRONG:
        return Template(np.zeros(0), np.zeros(0))
    mean = np.mean([_on_grid(t.since_s, r, grid) for t, r in chosen], axis=0)
    top = float(mean.max())
    return Template(grid, np.maximum(mean / top, 0.0)) if top > 0 else Template(grid, 0.0 * grid)


def _on_grid(since_s: FloatArray, rise: FloatArray, grid: FloatArray) -> FloatArray:
    good = np.isfinite(rise)
    return np.asarray(np.interp(grid, since_s[good], rise[good]))


def features_of(trace: RatioTrace, template: Template, calibration: Calibration) -> WellFeatures:
    """Readouts of one well at its true times."""
    after = (trace.since_s >= 0) & np.isfinite(trace.ratio)
    t, rise = trace.since_s[after], trace.ratio[after] - trace.baseline
    if not t.size:
        return _nothing(trace, calibration)
    top = int(np.argmax(rise))
    around = slice(max(top - 1, 0), top + 2)
    delta_max, delta_mean3 = float(rise[top]), float(rise[around].mean())
    late = float(rise[t >= t[-1] - LATE_S].mean())
    peak_ratio = trace.baseline + delta_mean3
    return WellFeatures(
        well=trace.trace.well,
        baseline=trace.baseline,
        noise=trace.noise,
        amplitude=_projection(t, rise, template),
        amplitude_sd=_projection_sd(trace, t, template),
        delta_max=delta_max,
        delta_mean3=delta_mean3,
        time_to_peak_s=float(t[top]),
        area=float(np.trapezoid(rise, t)),
        window_s=float(t[-1]),
        late=late,
        slope_per_s=_slope(t, rise, delta_mean3),
        decay_s=_decay(t[top:], rise[top:] - late),
        calcium_baseline_molar=float(calibration.calcium_molar(trace.baseline)),
        calcium_peak_molar=float(calibration.calcium_molar(peak_ratio)),
        responds=bool(delta_max > RESPONDS_SD * trace.noise and delta_max > RESPONDS_RATIO),
        dead_time_s=float(t[0]),
    )


def _nothing(trace: RatioTrace, calibration: Calibration) -> WellFeatures:
    nan = float("nan")
    return WellFeatures(
        trace.trace.well, trace.baseline, trace.noise, *(nan,) * 10,
        float(calibration.calcium_molar(trace.baseline)), nan, responds=False, dead_time_s=nan,
    )  # fmt: skip


def _projection(t: FloatArray, rise: FloatArray, template: Template) -> float:
    """Least-squares height of the template in the rise; linear, hence without bias by noise."""
    shape = template.at(t)
    shape = np.where(shape > TEMPLATE_FLOOR, shape, 0.0)
    power = float(shape @ shape)
    return float(shape @ rise / power) if power > 0 else float("nan")


def _projection_sd(trace: RatioTrace, t: FloatArray, template: Template) -> float:
    """What the noise of the points and of the baseline does to the amplitude."""
    shape = template.at(t)
    shape = np.where(shape > TEMPLATE_FLOOR, shape, 0.0)
    power, before = float(shape @ shape), trace.before.size
    if power <= 0 or before < 2:  # noqa: PLR2004  # a spread needs two
        return float("nan")
    return trace.noise * float(np.sqrt(1.0 / power + (shape.sum() / power) ** 2 / before))


def _slope(t: FloatArray, rise: FloatArray, height: float) -> float:
    reached = np.flatnonzero(rise >= 0.5 * height)
    if height <= 0 or not reached.size or t[reached[0]] <= 0:
        return float("nan")
    return float(rise[reached[0]] / t[reached[0]])


def _decay(t: FloatArray, above: FloatArray) -> float:
    good = above > 0.2 * above[0] if above.size and above[0] > 0 else np.zeros(0, dtype=bool)
    if good.sum() < FEWEST_STRONG:
        return float("nan")
    slope = np.polyfit(t[good] - t[0], np.log(above[good]), 1)[0]
    return float(-1.0 / slope) if slope < 0 else float("nan")
