"""Plate-uniformity study: are the signals of a plate apart, and the same all over it?

After the section "Plate Uniformity and Signal Variability Assessment" of the NIH/NCATS Assay
Guidance Manual: plates of Max, Min and, where there are any, Mid signals, interleaved, on two or
three days. Signal window (m+ - m- - 3(s+ + s-))/s+ and Z' per plate, coefficients of variation,
drift along rows and columns, edge effect, and the same over plates and days.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from platectl.analysis.errors import AnalysisError
from platectl.analysis.limits import QcMetric, State, worst
from platectl.analysis.model import FloatArray
from platectl.analysis.quality import ControlStatistics, control_statistics
from platectl.domain.result_rules import UniformityLimits

Level = Literal["max", "mid", "min"]
TERMS = ("columns", "rows", "edge")
ROWS, COLUMNS = 8, 12
FEWEST_WELLS, FEWEST_LEFT, FEWEST_PLATES, FEWEST_FOR_MEAN = 4, 3, 2, 3
DEPENDENT = 1e-6
PLATE_CONFIDENCE, MEAN_CONFIDENCE = 0.99, 0.95


@dataclass(frozen=True, slots=True)
class SignalWell:
    """One well: row and column from 0, and what was measured there."""

    row: int
    column: int
    level: Level
    value: float

    @property
    def outer(self) -> bool:
        """Whether it lies in the outer ring of a 96-well plate."""
        return self.row in {0, ROWS - 1} or self.column in {0, COLUMNS - 1}


@dataclass(frozen=True, slots=True)
class Trend:
    """A drift or edge effect as a share of the mean signal, with its interval.

    The interval has 99 % on a plate, since there are many plates, and 95 % for a mean over plates.
    `columns` and `rows` are from the first to the last of the plate; `edge` is the outer ring
    against the wells within.
    """

    share: float
    lower: float
    upper: float

    @property
    def seen(self) -> bool:
        """Whether it can be told from nothing."""
        return not self.lower <= 0.0 <= self.upper


@dataclass(frozen=True, slots=True)
class PlateUniformity:
    """One plate: `day` is its run; a trend is None where the wells cannot show it.

    `mid_sd_percent` is the standard deviation of Mid wells as percent of Max over Min.
    """

    plate: str
    day: str
    statistics: ControlStatistics
    wells: Mapping[Level, int]
    mid_percent: float | None
    mid_sd_percent: float | None
    trends: Mapping[str, Trend | None]
    signals: tuple[SignalWell, ...] = ()


@dataclass(frozen=True, slots=True)
class UniformityStudy:
    """All plates and what they say together; `trends` are means over plates with their interval."""

    plates: tuple[PlateUniformity, ...]
    trends: Mapping[str, Trend | None]
    checks: tuple[QcMetric, ...]

    @property
    def state(self) -> State:
        """The worst verdict."""
        return worst(tuple(check.state for check in self.checks))


def plate_uniformity(plate: str, day: str, wells: Sequence[SignalWell]) -> PlateUniformity:
    """Statistics and trends of one plate.

    Raises:
        AnalysisError: Fewer than four Max or Min wells, no window, or a value that is not finite.
    """
    by_level = {level: [w for w in wells if w.level == level] for level in ("max", "mid", "min")}
    for name, level in (("Max", "max"), ("Min", "min")):
        if len(by_level[level]) < FEWEST_WELLS:
            message = f"{plate} of {day} has {len(by_level[level])} {name} wells; {FEWEST_WELLS} are needed."
            raise AnalysisError(message)
    high, mid, low = ([w.value for w in by_level[level]] for level in ("max", "mid", "min"))
    found = control_statistics(high, low)
    if found.mean_high < found.mean_low:
        message = f"Max of {plate} of {day} is below Min, so there is no window."
        raise AnalysisError(message)
    window = found.mean_high - found.mean_low
    percent = [100.0 * (v - found.mean_low) / window for v in mid]
    return PlateUniformity(
        plate=plate,
        day=day,
        statistics=found,
        wells={"max": len(high), "mid": len(mid), "min": len(low)},
        mid_percent=float(np.mean(percent)) if percent else None,
        mid_sd_percent=float(np.std(percent, ddof=1)) if len(percent) > 1 else None,
        trends=trends_of([w for w in wells if w.level != "min"]),
        signals=tuple(wells),
    )


def trends_of(wells: Sequence[SignalWell]) -> dict[str, Trend | None]:
    """Drift along columns and rows, and the edge effect, by least squares on relative signals.

    Each signal is divided by the mean of its level; all terms are fitted together. A term that the
    places of the wells cannot tell from the others is None.
    """
    relative = _relative(wells)
    column = np.array([w.column / (COLUMNS - 1) - 0.5 for w in wells])
    row = np.array([w.row / (ROWS - 1) - 0.5 for w in wells])
    edge = np.array([float(w.outer) for w in wells])
    kept, design = [], np.ones((len(wells), 1))
    for name, term in zip(TERMS, (column, row, edge), strict=True):
        fitted = design @ np.linalg.lstsq(design, term, rcond=None)[0]
        if float(((term - fitted) ** 2).sum()) > DEPENDENT * len(wells):
            kept.append(name)
            design = np.column_stack((design, term))
    trends: dict[str, Trend | None] = dict.fromkeys(TERMS)
    left = len(wells) - design.shape[1]
    if left < FEWEST_LEFT:
        return trends
    estimate = np.linalg.lstsq(design, relative, rcond=None)[0]
    variance = float(((relative - design @ estimate) ** 2).sum()) / left
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    t = float(stdtrit(left, 0.5 + PLATE_CONFIDENCE / 2.0))
    for place, name in enumerate(kept, start=1):
        value, half = float(estimate[place]), t * float(errors[place])
        trends[name] = Trend(value, value - half, value + half)
    return trends


def _relative(wells: Sequence[SignalWell]) -> FloatArray:
    values = np.array([w.value for w in wells], dtype=np.float64)
    levels = np.array([w.level for w in wells])
    for level in np.unique(levels):
        values[levels == level] /= values[levels == level].mean()
    return values


def uniformity_study(
    plates: Sequence[PlateUniformity],
    limits: UniformityLimits = UniformityLimits(),  # noqa: B008 frozen
) -> UniformityStudy:
    """Judge plates alone and together.

    Raises:
        AnalysisError: Fewer than two plates.
    """
    if len(plates) < FEWEST_PLATES:
        message = f"A study has at least {FEWEST_PLATES} plates, not {len(plates)}."
        raise AnalysisError(message)
    trends = {name: _over_plates([p.trends[name] for p in plates]) for name in TERMS}
    days = list(dict.fromkeys(p.day for p in plates))
    checks = [
        QcMetric("days", float(len(days)), f">= {limits.days}",
                 "pass" if len(days) >= limits.days else "flag", f"{len(plates)} plates of {len(days)} run(s)."),
        *(check for plate in plates for check in _of_plate(plate, limits)),
        *(_trend_check(f"mean_{name}", name, trend, limits) for name, trend in trends.items()),
        _between("max_between_plates", "Max signals", [p.statistics.mean_high for p in plates], limits),
    ]  # fmt: skip
    mids = [p.mid_percent for p in plates if p.mid_percent is not None]
    if len(mids) == len(plates):
        checks.append(_between("mid_between_plates", "Mid signals, in percent,", mids, limits))
    return UniformityStudy(tuple(plates), trends, tuple(checks))


def _over_plates(trends: Sequence[Trend | None]) -> Trend | None:
    """Mean over plates with the interval that their spread gives; None with fewer than three."""
    known = np.array([t.share for t in trends if t is not None])
    if known.size < FEWEST_FOR_MEAN:
        return None
    half = float(stdtrit(known.size - 1, 0.5 + MEAN_CONFIDENCE / 2.0)) * float(known.std(ddof=1))
    half /= math.sqrt(known.size)
    mean = float(known.mean())
    return Trend(mean, mean - half, mean + half)


def _of_plate(plate: PlateUniformity, limits: UniformityLimits) -> list[QcMetric]:
    s, name = plate.statistics, f"{plate.day} {plate.plate}"
    checks = [
        _limit(f"z_prime[{name}]", s.z_prime, f">= {limits.z_prime:g}", s.z_prime >= limits.z_prime,
               f"Z' of {name} is {s.z_prime:.2f}."),
        _limit(f"signal_window[{name}]", s.signal_window, f"> {limits.signal_window:g}",
               s.signal_window > limits.signal_window,
               f"The signal window of {name} is {s.signal_window:.1f}."),
        _limit(f"cv_max[{name}]", s.cv_high, f"<= {100 * limits.cv:g} %", s.cv_high <= limits.cv,
               f"Max of {name} varies by {100 * s.cv_high:.1f} %."),
        _limit(f"cv_min[{name}]", s.cv_low, f"<= {100 * limits.cv:g} % or SD below that of Max",
               s.cv_low <= limits.cv or s.sd_low <= s.sd_high,
               f"Min of {name} varies by {100 * s.cv_low:.1f} %."),
    ]  # fmt: skip
    if plate.mid_sd_percent is not None:
        value = plate.mid_sd_percent
        checks.append(
            _limit(f"sd_mid[{name}]", value, f"<= {limits.mid_sd_percent:g}",
                   value <= limits.mid_sd_percent, f"Mid of {name} has an SD of {value:.1f} %.")
        )  # fmt: skip
    return checks + [
        _trend_check(f"{what}[{name}]", f"{what} of {name}", trend, limits)
        for what, trend in plate.trends.items()
    ]


def _limit(name: str, value: float, limit: str, met: bool, text: str) -> QcMetric:  # noqa: FBT001
    return QcMetric(name, value, limit, "pass" if met else "fail", text)


def _trend_check(
    name: str, what: str, trend: Trend | None, limits: UniformityLimits
) -> QcMetric:  # fmt: skip
    limit = f"|effect| <= {100 * limits.trend:g} %, flag above {100 * limits.trend_flag:g} %"
    if trend is None:
        text = f"An effect of {what} cannot be seen: use an interleaved plate map, and more plates."
        return QcMetric(name, None, limit, "flag", text)
    size, most = abs(trend.share), max(abs(trend.lower), abs(trend.upper))
    text = (
        f"Effect of {what}: {100 * trend.share:+.1f} % "
        f"({100 * trend.lower:+.1f} to {100 * trend.upper:+.1f} %)."
    )
    state: State = "pass"
    if trend.seen and size > limits.trend_flag:
        state = "fail" if size > limits.trend else "flag"
    elif most > limits.trend:
        state, text = "flag", f"{text} A large one cannot be excluded: the wells lie badly for it."
    return QcMetric(name, trend.share, limit, state, text)


def _between(
    name: str, what: str, values: Sequence[float], limits: UniformityLimits
) -> QcMetric:  # fmt: skip
    cv = float(np.std(values, ddof=1) / np.mean(values))
    limit = f"<= {100 * limits.between_plates:g} %"
    text = f"{what} of plates vary by {100 * cv:.1f} %."
    return QcMetric(name, cv, limit, "pass" if cv <= limits.between_plates else "flag", text)
