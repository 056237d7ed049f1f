"""Ratio over time: a plate of small traces, and the mean trace of each dose with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from platectl.analysis.calcium import CalciumPlateResult, ResponseResult
from platectl.analysis.calcium.signal import RatioTrace
from platectl.analysis.model import FloatArray
from platectl.domain.layout import PLATE
from platectl.domain.units import format_molar
from platectl.domain.wells import parse_well
from platectl.report.picture import COLOURS, GREY, INK, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

ROLE_COLOURS = {
    "test": COLOURS[0], "reference": COLOURS[2], "positive": COLOURS[1], "vehicle": GREY,
    "stimulus": COLOURS[4], "unloaded": INK, "rmax": COLOURS[3], "rmin": COLOURS[5],
}  # fmt: skip
ACROSS, PANEL_IN, HEIGHT_IN, LEFT_IN = 3, 2.9, 2.5, 0.7
GRID_POINTS = 120
T_95 = 1.96


def small_traces(result: CalciumPlateResult) -> list[Picture]:
    """Ratio of every well in its place; one scale for all, calibrators cut off at its end."""
    top = _ceiling(result)
    if top is None:
        return []

    def draw(figure: FigureBase) -> None:
        axes = figure.add_axes((0.04, 0.08, 0.95, 0.86))
        for trace in result.traces:
            row, column = parse_well(trace.trace.well)
            good = np.isfinite(trace.ratio)
            if trace.trace.role == "unloaded" or not good.any():
                axes.text(column + 0.5, row + 0.5, "–", ha="center", va="center", color=GREY)
                continue
            t = trace.since_s[good]
            x = column + 0.06 + 0.88 * (t - t[0]) / max(float(np.ptp(t)), 1.0)
            y = row + 0.95 - 0.9 * np.clip(trace.ratio[good] / top, 0.0, 1.0)
            axes.plot(x, y, color=ROLE_COLOURS.get(trace.trace.role, INK), linewidth=0.7)
        _frame(axes)
        handles = _key({t.trace.role for t in result.traces})
        axes.legend(handles=handles, ncols=len(handles), frameon=False, fontsize=7,
                    loc="upper center", bbox_to_anchor=(0.5, -0.01))  # fmt: skip

    return [Picture(8.4, 4.4, f"Ratio of every well over time, 0 to {top:.1f}", draw)]


def _ceiling(result: CalciumPlateResult) -> float | None:
    found = [float(np.nanmax(t.ratio)) for t in result.traces
             if t.trace.role not in {"unloaded", "rmax", "rmin"} and np.isfinite(t.ratio).any()]  # fmt: skip
    return 1.05 * float(np.quantile(found, 0.98)) if found else None


def _frame(axes: Axes) -> None:
    axes.set_xlim(0, PLATE.columns)
    axes.set_ylim(PLATE.rows, 0)
    axes.set_xticks(
        [c + 0.5 for c in range(PLATE.columns)], [str(c + 1) for c in range(PLATE.columns)]
    )
    axes.set_yticks([r + 0.5 for r in range(PLATE.rows)], list("ABCDEFGH"))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for line in range(1, PLATE.columns):
        axes.axvline(line, color="#EEEEEE", linewidth=0.6, zorder=0)
    for line in range(1, PLATE.rows):
        axes.axhline(line, color="#EEEEEE", linewidth=0.6, zorder=0)


def _key(roles: set[str]) -> list[object]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour, label=role, linewidth=1.2)
            for role, colour in ROLE_COLOURS.items() if role in roles]  # fmt: skip


def overlays(result: CalciumPlateResult) -> list[Picture]:
    """Mean rise of each dose of each compound with its 95 % interval."""
    shown = result.compounds
    return [_overlays(result, shown[n : n + ACROSS]) for n in range(0, len(shown), ACROSS)]


def _overlays(result: CalciumPlateResult, row: Sequence[ResponseResult]) -> Picture:
    def draw(figure: FigureBase) -> None:
        panels = figure.subplots(1, len(row), sharey=True, squeeze=False)[0]
        for axes, compound in zip(panels, row, strict=True):
            mine = [t for t in result.traces
                    if t.trace.compound == compound.compound and t.trace.role == compound.role]  # fmt: skip
            _overlay(axes, mine)
            axes.set_title(compound.compound, loc="left", fontweight="bold")
            axes.set_xlabel("time since addition, s")
        panels[0].set_ylabel("rise of the ratio")
        left = LEFT_IN / (PANEL_IN * len(row))
        figure.subplots_adjust(left=left, right=0.99, top=0.9, bottom=0.2, wspace=0.08)

    names = ", ".join(compound.compound for compound in row)
    return Picture(PANEL_IN * len(row), HEIGHT_IN, f"Mean traces of every dose: {names}", draw)


def _overlay(axes: Axes, traces: list[RatioTrace]) -> None:
    from matplotlib import colormaps

    shades = colormaps["viridis_r"]

    def dose(trace: RatioTrace) -> float:
        return trace.trace.concentration_molar or 0.0

    groups = [(d, list(g)) for d, g in groupby(sorted(traces, key=dose), key=dose)]
    for index, (molar, group) in enumerate(groups):
        grid = _common_grid(group)
        if grid.size == 0:
            continue
        rises = np.array([_rise_at(t, grid) for t in group])
        mean, n = rises.mean(axis=0), len(group)
        colour = shades(0.15 + 0.8 * index / max(len(groups) - 1, 1))
        if n > 1:
            half = T_95 * rises.std(axis=0, ddof=1) / np.sqrt(n)
            axes.fill_between(grid, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
        axes.plot(grid, mean, color=colour, linewidth=1.0, label=format_molar(molar))
    axes.axvline(0.0, color=GREY, linewidth=0.7, linestyle=":")
    axes.legend(frameon=False, fontsize=5.5, loc="upper right", labelspacing=0.2)


def _common_grid(group: list[RatioTrace]) -> FloatArray:
    good = [t.since_s[np.isfinite(t.ratio)] for t in group]
    good = [g for g in good if g.size > 1]
    if len(good) < len(group):
        return np.zeros(0)
    return np.linspace(max(g[0] for g in good), min(g[-1] for g in good), GRID_POINTS)


def _rise_at(trace: RatioTrace, grid: FloatArray) -> FloatArray:
    good = np.isfinite(trace.ratio)
    rise = trace.ratio[good] - (trace.baseline if np.isfinite(trace.baseline) else 0.0)
    return np.asarray(np.interp(grid, trace.since_s[good], rise))
