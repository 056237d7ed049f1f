"""A plate as it was counted: cpm of every well, roles outlined, flags and gaps marked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from platectl.domain.layout import WellPlan
from platectl.domain.wells import PlateFormat, parse_well
from platectl.report.model import PlateReport
from platectl.report.picture import COLOURS, GREY, INK, Picture
from platectl.report.values import finite
from platectl.report.views import view_of
from platectl.report.views.view import GROSS_CPM
from platectl.report.wells import notes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

#: role -> (letter, colour, line style, words)
ROLES = {
    "total": ("T", COLOURS[1], "-", "T total"),
    "nsb": ("N", COLOURS[5], "-", "N nonspecific"),
    "reference": ("R", COLOURS[3], "--", "R reference"),
    "test": ("", GREY, ":", "test"),
    "blank": ("B", INK, "-.", "B blank"),
}
_DARK_BELOW = 0.55
_SMALL = 96


def heat_map(plate: PlateReport) -> list[Picture]:
    """Map of what was measured in each well; none when nothing was."""
    cpm = {well: finite(reading.get("cpm")) for well, reading in plate.counts.items()}
    known = {well: value for well, value in cpm.items() if value is not None}
    if not known:
        return []
    places = [parse_well(well) for well in (*known, *(plan.well for plan in plate.wells))]
    small = max(r for r, _ in places) < 8 and max(c for _, c in places) < 12  # noqa: PLR2004
    shape = PlateFormat.of(_SMALL if small else 4 * _SMALL)
    view = view_of(plate)
    measured = view.measured if view else GROSS_CPM

    def draw(figure: FigureBase) -> None:
        axes = figure.add_axes((0.045, 0.1, 0.84, 0.83))
        top = max(known.values()) or 1.0
        _cells(axes, shape, known, top)
        _marks(axes, plate, known, small=small, top=top)
        _frame(axes, shape)
        bar = figure.add_axes((0.9, 0.1, 0.018, 0.83))
        figure.colorbar(axes.collections[0], cax=bar).set_label(measured)
        _key(axes, plate)

    label = f"Plate {plate.name} by well: {measured}"
    return [Picture(9.2, 5.0 if small else 6.4, label, draw)]


def _cells(axes: Axes, shape: PlateFormat, known: dict[str, float], top: float) -> None:
    import numpy as np

    grid = np.full((shape.rows, shape.columns), np.nan)
    for well, value in known.items():
        grid[parse_well(well)] = value
    edges = [np.arange(n + 1) - 0.5 for n in (shape.columns, shape.rows)]
    shown = np.ma.masked_invalid(grid)
    axes.pcolormesh(*edges, shown, cmap="cividis", vmin=0.0, vmax=top)


def _marks(
    axes: Axes, plate: PlateReport, known: dict[str, float], *, small: bool, top: float
) -> None:
    plans, noted = {plan.well: plan for plan in plate.wells}, notes_of(plate)
    for well in dict.fromkeys((*plans, *known)):
        row, column = parse_well(well)
        plan = plans.get(well)
        if plan is not None and plan.role in ROLES:
            _outline(axes, plan)
        value = known.get(well)
        if value is None:
            if plan is not None and plan.role != "empty":
                axes.plot(column, row, "x", color=COLOURS[1], markersize=7)
            continue
        ink = "white" if value < _DARK_BELOW * top else "black"
        if small:
            letter = ROLES[plan.role][0] if plan is not None and plan.role in ROLES else ""
            axes.text(column, row + 0.1, f"{value:.0f}", color=ink, ha="center", va="center")
            axes.text(column - 0.42, row - 0.22, letter, color=ink, fontsize=6)
        if well in noted:
            axes.text(column + 0.3, row - 0.16, "!", color=ink, fontweight="bold", fontsize=9)


def _outline(axes: Axes, plan: WellPlan) -> None:
    from matplotlib.patches import Rectangle

    row, column = parse_well(plan.well)
    _, colour, line, _ = ROLES[plan.role]
    corner = (column - 0.46, row - 0.45)
    axes.add_patch(
        Rectangle(corner, 0.92, 0.9, fill=False, edgecolor=colour, linestyle=line, linewidth=1.4)
    )


def _frame(axes: Axes, shape: PlateFormat) -> None:
    axes.set_xlim(-0.5, shape.columns - 0.5)
    axes.set_ylim(shape.rows - 0.5, -0.5)
    axes.set_xticks(range(shape.columns), [str(n + 1) for n in range(shape.columns)])
    axes.set_yticks(range(shape.rows), [chr(ord("A") + n) for n in range(shape.rows)])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)


def _key(axes: Axes, plate: PlateReport) -> None:
    from matplotlib.lines import Line2D

    used = {plan.role for plan in plate.wells}
    handles = [
        Line2D([], [], color=colour, linestyle=line, linewidth=1.4, label=words)
        for role, (_, colour, line, words) in ROLES.items()
        if role in used
    ]
    words = {"marker": "x", "linestyle": "none", "color": COLOURS[1], "label": "not counted"}
    if any(math.isnan(_cpm(plate, p.well)) for p in plate.wells if p.role != "empty"):
        handles.append(Line2D([], [], **words))
    handles.append(Line2D([], [], linestyle="none", label="! flagged"))
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02)}
    axes.legend(handles=handles, ncols=len(handles), frameon=False, fontsize=7, **place)


def _cpm(plate: PlateReport, well: str) -> float:
    value = finite(plate.counts.get(well, {}).get("cpm"))
    return math.nan if value is None else value
