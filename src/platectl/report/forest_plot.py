"""A forest of a compound: each result with its interval, and the mean over runs beneath."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from platectl.report.campaign import Line, Value, shown_ends
from platectl.report.picture import GREY, INK, PALE, Picture
from platectl.report.text import interval, qualified

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

NANO = 9.0
WIDTH_IN, ROW_IN, HEAD_IN, FOOT_IN = 9.6, 0.21, 0.5, 0.75
MOST_ROWS = 24
#: span in decades below which the axis has these steps in a decade
STEPS = (
    (0.8, (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)),
    (1.6, (1.0, 2.0, 5.0)),
    (math.inf, (1.0,)),
)
Row = tuple[str, str, "Value | Line | None"]


def forests(lines: Sequence[Line]) -> list[Picture]:
    """One picture for each compound, more where its rows do not fit on a page."""
    found = []
    for name in dict.fromkeys(line.compound for line in lines):
        rows = [row for line in lines if line.compound == name for row in _rows(line)]
        found += [_forest(name, rows[n : n + MOST_ROWS]) for n in range(0, len(rows), MOST_ROWS)]
    return [picture for picture in found if picture is not None]


def _rows(line: Line) -> list[Row]:
    rows: list[Row] = [(line.title, "", None)]
    for v in line.values:
        r = v.row
        if r["value_molar"] is None:
            rows.append((f"{v.run} {r['plate']}", f"no value ({r['status']})", None))
            continue
        ends = interval(r["lower_molar"], r["upper_molar"]) if r["qualifier"] == "=" else ""
        said = " ".join((qualified(r["qualifier"], r["value_molar"]), f"({ends})" if ends else ""))
        marks = ("left out" if v.left_out else "", "" if v.signed else "not signed")
        said = ", ".join((said.strip(), *(m for m in marks if m)))
        rows.append((f"{v.run} {r['plate']}", said, v))
    if line.mean is not None and line.mean.mean is not None:
        ends = "" if line.mean.lower is None else f" ({_between(line)})"
        rows.append((f"mean, n = {line.mean.count}", qualified(line.mean.qualifier, 10.0**line.mean.mean) + ends, line))  # fmt: skip
    return rows


def _between(line: Line) -> str:
    return interval(*shown_ends(line.mean))


def _span(what: Value | Line) -> tuple[float, float, float, str]:
    """Value, ends and qualifier in log10 nM; ends that are open or missing are the value."""
    if isinstance(what, Line):
        mean = what.mean
        assert mean is not None  # noqa: S101 rows of lines have one
        assert mean.mean is not None  # noqa: S101
        at, side = mean.mean, str(mean.qualifier)
        molar: Sequence[float | None] = shown_ends(mean)
    else:
        at, side = what.log10, str(what.row["qualifier"])
        molar = (what.row["lower_molar"], what.row["upper_molar"])
    low, high = (math.log10(e) if e and side == "=" else at for e in molar)
    return at + NANO, low + NANO, high + NANO, side


def _forest(name: str, rows: Sequence[Row]) -> Picture | None:
    shown = [(n, _span(what), what) for n, (_, _, what) in enumerate(rows) if what is not None]
    if not shown:
        return None
    height = HEAD_IN + FOOT_IN + ROW_IN * len(rows)

    def draw(figure: FigureBase) -> None:
        axes = figure.add_axes((0.27, FOOT_IN / height, 0.38, 1.0 - (HEAD_IN + FOOT_IN) / height))
        for place, span, marked in shown:
            _mark(axes, place, span, marked)
        for place, (label, said, what) in enumerate(rows):
            bold = "bold" if (not said or isinstance(what, Line)) else "normal"
            at: dict[str, Any] = {
                "xycoords": ("axes fraction", "data"),
                "va": "center",
                "annotation_clip": False,
                "fontsize": 7,
            }
            axes.annotate(label, (-0.02, place), ha="right", fontweight=bold, **at)
            axes.annotate(said, (1.03, place), ha="left", fontweight=bold, **at)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        _ticks(axes, [s[1] for _, s, _ in shown] + [s[2] for _, s, _ in shown])
        axes.set_xlabel(
            "nM (log); circles: results, open: not signed, crosses: left out,\ntriangles: bounds, diamonds: means"
        )
        axes.set_title(name, loc="left", fontweight="bold")

    return Picture(WIDTH_IN, height, f"Forest plot of {name}", draw)


def _mark(
    axes: Axes, place: int, span: tuple[float, float, float, str], what: Value | Line
) -> None:
    at, low, high, side = span
    mean = isinstance(what, Line)
    if high > low:
        axes.plot([low, high], [place, place], color=INK, linewidth=1.8 if mean else 1.0)
    marker = {"<": "<", ">": ">"}.get(side) or ("D" if mean else "o")
    face = INK if isinstance(what, Line) or what.signed else "white"
    if isinstance(what, Line):
        axes.axvline(at, color=PALE, linewidth=0.8, zorder=0)
    elif what.left_out:
        marker, face = "x", INK
    axes.plot([at], [place], marker, color=INK, markerfacecolor=face, markersize=6 if mean else 5)


def _ticks(axes: Axes, ends: Sequence[float]) -> None:
    low, high = min(ends) - 0.15, max(ends) + 0.15
    steps = next(s for most, s in STEPS if high - low < most)
    decades = range(math.floor(low) - 1, math.ceil(high) + 2)
    decades = decades[:: 1 + len(decades) // 9]
    ticks = [d + math.log10(step) for d in decades for step in steps]
    kept = [t for t in ticks if low <= t <= high]
    axes.set_xlim(low, high)
    axes.set_xticks(kept, [f"{10.0**t:g}" for t in kept])
    axes.grid(axis="x", color=GREY, linewidth=0.3, linestyle=":")
