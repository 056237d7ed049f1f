"""Control charts for people and programs: a page that opens offline, and a JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platectl.analysis.control_chart import ControlChart, JudgedPoint
from platectl.domain.control_rules import ControlRules
from platectl.domain.units import format_molar
from platectl.report.html import template
from platectl.report.picture import COLOURS, GREY, INK, Picture
from platectl.report.svg import to_svg
from platectl.report.values import MOLAR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

LINES = {0: "-", 1: ":", 2: "--", 3: "-."}
NANO = 1e9
MOST_TICKS = 12
Gaps = Sequence[tuple[str, str, str]]


def write_chart(
    path: Path, of: Mapping[str, str], chart: ControlChart, left_out: Gaps, rules: ControlRules
) -> None:
    """Write the page of a control chart."""
    page = template("control_chart.html.j2").render(
        of=of,
        chart=chart,
        left_out=left_out,
        rules=rules,
        plot=to_svg(chart_picture(of, chart), salt="control"),
        value=lambda v: _text(of, v),
    )
    path.write_text(page, encoding="utf-8")


def chart_json(
    of: Mapping[str, str], chart: ControlChart, left_out: Gaps, rules: ControlRules
) -> dict[str, Any]:
    """A control chart as JSON; values in the unit of the quantity, `sd_log10` in decades."""
    limits = chart.limits
    return {
        **of,
        "centre": limits.at(0),
        "sd_log10": limits.sd,
        "learned_from": limits.learned_from,
        "limits": {f"{n:+d}s": limits.at(n) for n in (-3, -2, -1, 1, 2, 3)},
        "msr": limits.msr,
        "points": [
            {"run": p.point.run, "plate": p.point.plate, "at": p.point.at, "value": p.point.value,
             "z": p.z, "learned": p.learned, "broken": [rule.name for rule in p.broken],
             "rejected": p.rejected}
            for p in chart.points
        ],
        "left_out": [dict(zip(("run", "plate", "why"), row, strict=True)) for row in left_out],
        "rules": [rule.model_dump() for rule in rules.rules],
    }  # fmt: skip


def chart_picture(of: Mapping[str, str], chart: ControlChart) -> Picture:
    """Points in order of time on a log scale, with centre and limits; broken rules are written on."""
    unit = NANO if of.get("unit") == MOLAR else 1.0
    limits, places = chart.limits, range(1, len(chart.points) + 1)
    values = [p.point.value * unit for p in chart.points]

    def draw(figure: FigureBase) -> None:
        axes = figure.add_axes((0.08, 0.13, 0.84, 0.8))
        axes.set_yscale("log")
        for sds in range(-3, 4):
            level = limits.at(sds) * unit
            axes.axhline(
                level, color=GREY if sds else INK, linewidth=0.8, linestyle=LINES[abs(sds)]
            )
            name = f"{sds:+d} SD" if sds else "centre"
            axes.annotate(
                f"{name}  {level:.3g}", (1.005, level), xycoords=("axes fraction", "data"),
                va="center", fontsize=6.5,
            )  # fmt: skip
        axes.plot(places, values, color=COLOURS[0], linewidth=0.7, zorder=2)
        _points(axes, chart.points, values)
        axes.axvline(limits.learned_from + 0.5, color=GREY, linewidth=0.8, linestyle=(0, (1, 3)))
        axes.set_xlim(0.4, len(values) + 0.6)
        low, high = min(*values, limits.at(-3.4) * unit), max(*values, limits.at(3.4) * unit)
        axes.set_ylim(low * 0.97, high * 1.06)
        ticks = sorted({limits.at(s) * unit for s in (-3, 0, 3)})
        axes.set_yticks(ticks, [f"{t:.3g}" for t in ticks])
        axes.minorticks_off()
        step = max(1, -(-len(values) // MOST_TICKS))
        axes.set_xticks(list(places)[::step])
        axes.set_xlabel("result in order of time; limits were learned left of the dotted line")
        axes.set_ylabel(f"{of['quantity']}, {'nM' if unit == NANO else of.get('unit', '')}")

    return Picture(9.6, 4.2, f"Control chart of {of['quantity']} of {of['compound']}", draw)


def _points(axes: Axes, points: Sequence[JudgedPoint], values: Sequence[float]) -> None:
    """Circles in control, open triangles with a warning, crosses where a rule rejects."""
    kinds: tuple[tuple[str, str, str, list[int]], ...] = (
        ("in control", "o", COLOURS[0], [i for i, p in enumerate(points) if not p.broken]),
        ("warning", "^", COLOURS[4],
         [i for i, p in enumerate(points) if p.broken and not p.rejected]),
        ("rejected", "X", COLOURS[1], [i for i, p in enumerate(points) if p.rejected]),
    )  # fmt: skip
    for name, marker, colour, which in kinds:
        if which:
            axes.scatter(
                [i + 1 for i in which], [values[i] for i in which], marker=marker, s=34,
                color=colour, edgecolor=INK, linewidth=0.6, zorder=3, label=name,
            )  # fmt: skip
    for i, p in enumerate(points):
        if p.broken:
            text, last = "\n".join(rule.name for rule in p.broken), i == len(points) - 1
            axes.annotate(
                text, (i + 1, values[i]), (-5 if last else 4, 5), textcoords="offset points",
                ha="right" if last else "left", fontsize=6.5,
            )  # fmt: skip
    above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
    axes.legend(ncols=3, frameon=False, fontsize=7, **above)


def _text(of: Mapping[str, str], value: float) -> str:
    return format_molar(value) if of.get("unit") == MOLAR else f"{value:.4g} {of.get('unit', '')}"
