"""Schild's plot: log(DR - 1) on the log of the antagonist, with the fitted line and that of slope 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from platectl.analysis.schild import SchildRegression
from platectl.report.picture import COLOURS, GREY, INK, Picture

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

WIDTH_IN, HEIGHT_IN = 4.2, 3.4
MARGIN_DECADES = 0.3


def schild(result: SchildRegression) -> Picture:
    """Points, the line of the regression down to pA2, and the line of slope 1 for pKB."""

    def draw(figure: FigureBase) -> None:
        axes = figure.subplots()
        x, y = result.log10_antagonist, result.log10_ratio
        slope, pa2, pkb = result.slope.value, result.pa2.value, result.pkb.value
        feet = (float(x.min()), -pa2, -pkb)
        ends = np.array((min(feet) - MARGIN_DECADES, float(x.max()) + MARGIN_DECADES))
        axes.plot(
            ends,
            slope * (ends + pa2),
            color=INK,
            linewidth=1.2,
            label=f"slope {slope:.2f}, pA2 {pa2:.2f}",
        )
        axes.plot(
            ends,
            ends + pkb,
            color=COLOURS[1],
            linewidth=1.0,
            linestyle="--",
            label=f"slope 1, pKB {pkb:.2f}",
        )
        axes.plot(x, y, "o", color=COLOURS[0], markersize=4.5, zorder=3)
        axes.axhline(0.0, color=GREY, linewidth=0.7)
        axes.set_xlim(*ends)
        axes.set_xlabel("antagonist, log10 M")
        axes.set_ylabel("log10(dose ratio - 1)")
        axes.legend(frameon=False, fontsize=7, loc="upper left")
        figure.subplots_adjust(left=0.15, right=0.97, top=0.96, bottom=0.15)

    label = f"Schild plot: slope {result.slope.value:.2f}, pA2 {result.pa2.value:.2f}"
    return Picture(WIDTH_IN, HEIGHT_IN, label, draw)
