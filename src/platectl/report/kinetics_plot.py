"""Association of the radioligand over time, one curve for each concentration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from platectl.analysis.kinetics import KineticsResult
from platectl.report.picture import COLOURS, INK, MARKERS, Picture

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

NANO = 1e9
WIDTH_IN, HEIGHT_IN = 5.4, 3.1


def association(result: KineticsResult) -> Picture:
    """Total and non-specific binding against the true age of each well, with the global fit."""
    used = [p for p in result.points if p.excluded is None]
    levels = sorted({round(NANO * p.radioligand_molar, 3) for p in used})

    def draw(figure: FigureBase) -> None:
        axes = figure.subplots()
        for index, level in enumerate(levels):
            for role, filled in (("total", True), ("nsb", False)):
                points = sorted(
                    (p.time_min, p.gross_cpm, p.fitted_cpm or 0.0)
                    for p in used
                    if p.role == role and round(NANO * p.radioligand_molar, 3) == level
                )
                colour = COLOURS[index % len(COLOURS)]
                style: dict[str, Any] = {
                    "marker": MARKERS[index % len(MARKERS)],
                    "color": colour,
                    "markersize": 3.8,
                    "linestyle": "none",
                    "markerfacecolor": colour if filled else "white",
                    "label": f"{level:g} nM {'total' if filled else 'non-specific'}",
                }
                axes.plot([t for t, _, _ in points], [y for _, y, _ in points], **style)
                axes.plot([t for t, _, _ in points], [f for _, _, f in points], color=colour,
                          linewidth=1.0, linestyle="-" if filled else "--")  # fmt: skip
        out = [p for p in result.points if p.excluded is not None]
        axes.plot([p.time_min for p in out], [p.gross_cpm for p in out], "x", color=INK)
        axes.set_xlabel("age of the well, min")
        axes.set_ylabel("bound, gross cpm")
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.legend(frameon=False, fontsize=6, ncols=2)
        figure.subplots_adjust(left=0.13, right=0.98, top=0.96, bottom=0.15)

    return Picture(WIDTH_IN, HEIGHT_IN, "Association of the radioligand over time", draw)
