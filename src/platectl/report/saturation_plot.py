"""Saturation of a plate: total and non-specific binding, and Scatchard's view of the specific."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from platectl.analysis.model import FloatArray
from platectl.analysis.saturation import SaturationPoint, SaturationResult
from platectl.report.picture import COLOURS, GREY, INK, Picture

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

NANO = 1e9
WIDTH_IN, HEIGHT_IN = 7.2, 3.1


def saturation(result: SaturationResult) -> Picture:
    """Points with the fitted curves, and bound over free against bound."""

    def draw(figure: FigureBase) -> None:
        left, right = figure.subplots(1, 2)
        for role, colour, marker, words in (
            ("total", COLOURS[0], "o", "total"),
            ("nsb", COLOURS[1], "s", "non-specific"),
        ):
            points = [p for p in result.points if p.role == role]
            used = [p for p in points if p.excluded is None]
            style = {"marker": marker, "color": colour, "markersize": 3.6, "linestyle": "none"}
            left.plot([NANO * p.radioligand_molar for p in used], [p.gross_cpm for p in used],
                      label=words, **style)  # fmt: skip
            curve = sorted((NANO * p.radioligand_molar, p.fitted_cpm or 0.0) for p in used)
            left.plot([x for x, _ in curve], [y for _, y in curve], color=colour, linewidth=1.1)
            out = [p for p in points if p.excluded is not None]
            left.plot([NANO * p.radioligand_molar for p in out], [p.gross_cpm for p in out],
                      marker="x", color=INK, linestyle="none")  # fmt: skip
        left.set_xlabel("radioligand added, nM")
        left.set_ylabel("bound, gross cpm")
        left.set_ylim(bottom=0)
        left.legend(frameon=False, fontsize=7)
        free, bound = specific(result)
        right.plot(bound, bound / free, "o", color=COLOURS[0], markersize=4)
        ends = np.array([0.0, result.bmax_fmol_per_well])
        right.plot(ends, (ends[1] - ends) / (NANO * result.kd_molar), color=INK, linewidth=1.1)
        right.set_xlabel("specifically bound, fmol per well")
        right.set_ylabel("bound/free, fmol/nM")
        right.axhline(0.0, color=GREY, linewidth=0.7)
        figure.subplots_adjust(left=0.09, right=0.99, top=0.96, bottom=0.16, wspace=0.3)

    return Picture(WIDTH_IN, HEIGHT_IN, "Saturation binding and Scatchard plot", draw)


def specific(result: SaturationResult) -> tuple[FloatArray, FloatArray]:
    """Free radioligand (nM) and specifically bound (fmol per well) of each level's means."""
    c = result.conditions
    used = [p for p in result.points if p.role == "total" and p.excluded is None]

    def dose(point: SaturationPoint) -> float:
        return point.radioligand_molar

    free, bound = [], []
    for molar, group in groupby(sorted(used, key=dose), key=dose):
        cpm = float(np.mean([p.gross_cpm for p in group])) - c.background_cpm
        added = molar * c.cpm_per_molar
        unbound = (added - cpm) / c.cpm_per_molar * NANO
        ns_cpm = result.nonspecific_fraction * (added - cpm)
        free.append(unbound)
        bound.append((cpm - ns_cpm) / c.cpm_per_fmol)
    return np.array(free), np.array(bound)
