"""Whether counts are what a counter gives: above its background, and scattered as counting must be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import chdtr

from platectl.analysis.limits import QcMetric, State
from platectl.analysis.plate import BindingConditions, WellCount

COUNTING: Final = ("net_total", "net_nonspecific", "scatter_of_counting")
"""Names of the metrics."""
_SIGMAS = 3.0
_CHANCE = 1e-6
"""Of replicates that agree as well by counting alone."""
_FAR_BELOW = 2.0 / 3.0
"""Of the standard deviation that counting gives; counting a while longer than stated is above it."""
_CAUSE = "Are these counts per second (cps) instead of per minute, or is the background already subtracted?"


def counting_metrics(
    wells: Sequence[WellCount], conditions: BindingConditions
) -> tuple[QcMetric, ...]:
    """Metrics that fail a plate whose numbers are not gross cpm.

    Args:
        wells: Of the plate; the used ones count, totals and nonspecific wells among them.
        conditions: With the counter background in cpm.
    """
    used = [w for w in wells if w.used]
    background = conditions.background_cpm
    totals = [w for w in used if w.role == "total"]
    nonspecific = [w for w in used if w.role == "nsb"]
    return (
        _above_background("net_total", "Totals", totals, background),
        _above_background("net_nonspecific", "Nonspecific wells", nonspecific, background),
        _scatter(used),
    )


def below_background(wells: Sequence[WellCount], background_cpm: float) -> bool:
    """Whether the mean of wells is below the counter background by more than counting explains."""
    counts = background_cpm * sum(w.count_min for w in wells)
    found = sum(w.gross_cpm * w.count_min for w in wells)
    return found < counts - _SIGMAS * math.sqrt(counts)


def _above_background(
    name: str, called: str, wells: Sequence[WellCount], background_cpm: float
) -> QcMetric:
    mean = float(np.mean([w.gross_cpm for w in wells]))
    net = mean - background_cpm
    low = below_background(wells, background_cpm) or (name == "net_total" and net <= 0.0)
    text = f"{called} count {mean:.1f} cpm, the counter background is {background_cpm:.1f} cpm."
    limit = "> 0 cpm" if name == "net_total" else ">= 0 cpm, but for counting"
    return QcMetric(name, net, limit, "fail" if low else "pass", f"{text} {_CAUSE}" if low else text)  # fmt: skip


def _scatter(wells: Sequence[WellCount]) -> QcMetric:
    """Dispersion of all replicates against Poisson: chi squared with a low tail."""
    groups: dict[tuple[object, ...], list[WellCount]] = {}
    for w in wells:
        key = (w.role, w.compound, w.concentration_molar, w.radioligand_molar, w.time_min)
        groups.setdefault(key, []).append(w)
    squares, df = 0.0, 0
    for group in groups.values():
        minutes = np.array([w.count_min for w in group])
        rates = np.array([w.gross_cpm for w in group])
        rate = float(np.average(rates, weights=minutes))
        if rate > 0.0:
            squares += float(np.sum(minutes * (rates - rate) ** 2)) / rate
            df += len(group) - 1
    limit = f">= {_FAR_BELOW:.2f} x counting, or by chance"
    if not df:
        return QcMetric("scatter_of_counting", None, limit, "pass", "There are no replicates.")
    ratio = math.sqrt(squares / df)
    low = ratio < _FAR_BELOW and float(chdtr(df, squares)) < _CHANCE
    text = f"Replicates scatter {ratio:.2f} times as much as counting alone."
    if low:
        text += (
            " No counter repeats itself so well: are these counts per second (cps) instead of per minute,"
            " means of several counts, or was the counting time longer than stated?"
        )
    state: State = "fail" if low else "pass"
    return QcMetric("scatter_of_counting", ratio, limit, state, text)
