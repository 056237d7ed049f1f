"""The night as it ran: one line per instrument, one colour and hatch per plate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from platectl.report.model import TimelineRow
from platectl.report.picture import COLOURS, INK, PALE, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

HOUR_S = 3600.0
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "||||")
_NOBODY = "no instrument"
_FEWEST_S = 20.0


def timeline(steps: Sequence[TimelineRow]) -> list[Picture]:
    """Bars of all steps that started; a thin mark shows where a step was planned to start.

    None when nothing started.
    """
    ran = [step for step in steps if step.start_s is not None]
    if not ran:
        return []
    lines = list(dict.fromkeys(name for step in ran for name in step.instruments or (_NOBODY,)))
    plates = list(dict.fromkeys(step.plate for step in ran))
    height = 0.85 + 0.3 * len(lines)

    def draw(figure: FigureBase) -> None:
        axes = figure.add_axes((0.14, 0.45 / height, 0.84, 1.0 - 0.8 / height))
        for plate in plates:
            _bars(axes, [s for s in ran if s.plate == plate], lines, plates.index(plate))
        _planned(axes, ran, lines)
        axes.set_yticks(range(len(lines)), lines)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_xlabel("time since the start of the run, h")
        axes.grid(axis="x", color=PALE, linewidth=0.6)
        axes.set_axisbelow(True)
        above = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
        axes.legend(ncols=8, frameon=False, fontsize=7, **above)

    return [Picture(9.6, height, "Timeline of the run by instrument", draw)]


def _bars(axes: Axes, steps: Sequence[TimelineRow], lines: list[str], place: int) -> None:
    """All bars of one plate: one collection per instrument."""
    style = {
        "facecolor": COLOURS[place % len(COLOURS)],
        "hatch": _HATCHES[place // len(COLOURS) % len(_HATCHES)] or _HATCHES[place % 7],
        "edgecolor": "white",
        "linewidth": 0.4,
    }
    named = False
    for row, line in enumerate(lines):
        spans = [_span(s) for s in steps if line in (s.instruments or (_NOBODY,))]
        if spans:
            label = "_" if named else steps[0].plate or "run"
            axes.broken_barh(spans, (row - 0.32, 0.64), label=label, **style)
            named = True


def _span(step: TimelineRow) -> tuple[float, float]:
    start = step.start_s or 0.0
    end = step.end_s if step.end_s is not None else start
    return start / HOUR_S, max(end - start, _FEWEST_S) / HOUR_S


def _planned(axes: Axes, steps: Sequence[TimelineRow], lines: list[str]) -> None:
    marks = [
        (step.planned_start_s / HOUR_S, lines.index(name))
        for step in steps
        if step.planned_start_s is not None
        for name in step.instruments or (_NOBODY,)
    ]
    if marks:
        at, rows = zip(*marks, strict=True)
        style = {"color": INK, "linewidth": 0.6, "label": "planned start"}
        axes.vlines(at, [r + 0.3 for r in rows], [r + 0.45 for r in rows], **style)
