"""Studies for people and programs: pages that open offline, and JSON objects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platectl.analysis.replicate_study import ReplicateStudy, least_discriminatory_ratio
from platectl.analysis.uniformity import PlateUniformity, UniformityStudy
from platectl.report.html import template
from platectl.report.picture import COLOURS, GREY, INK, MARKERS, Picture
from platectl.report.svg import to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import FigureBase

NANO = 1e9
TESTS = (2, 3, 4)
WIDE = 100.0
PANELS_ACROSS, PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 3, 3.2, 2.4
LEVELS = ("max", "mid", "min")
#: of the height of a plot, for one line of small print
LABEL_SHARE = 0.05


def replicate_json(
    of: Mapping[str, str], study: ReplicateStudy, left_out: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """A replicate study as JSON; ratios are first over second run."""
    content = asdict(study)
    ratio = study.scale == "ratio"
    if ratio:
        msr = study.least_significant
        content["discriminatory"] = {str(n): least_discriminatory_ratio(msr, n) for n in TESTS}
    content["left_out"] = [{"compound": name, "why": why} for name, why in left_out]
    return {**of, "passes": study.passes, **_finite(content)}


def uniformity_json(study: UniformityStudy) -> dict[str, Any]:
    """A uniformity study as JSON; trends are shares of the mean signal."""
    content = asdict(study)
    for plate in content["plates"]:
        del plate["signals"]
    return {"state": study.state, **_finite(content)}


def write_replicate(
    path: Path, of: Mapping[str, str], study: ReplicateStudy, left_out: Sequence[tuple[str, str]]
) -> None:
    """Write the page of a replicate study."""
    page = template("replicate.html.j2").render(
        of=of, study=study, left_out=left_out, plot=to_svg(agreement(of, study), salt="agreement")
    )
    path.write_text(page, encoding="utf-8")


def write_uniformity(path: Path, study: UniformityStudy) -> None:
    """Write the page of a uniformity study."""
    page = template("uniformity.html.j2").render(
        study=study, plot=to_svg(signals(study.plates), salt="signals")
    )
    path.write_text(page, encoding="utf-8")


def agreement(of: Mapping[str, str], study: ReplicateStudy) -> Picture:
    """Ratio (difference) of each compound over its mean, with limits of mean and of agreement."""
    ratio = study.scale == "ratio"
    unit = NANO if ratio and of.get("unit") == "M" else 1.0
    middle = [
        math.sqrt(p.first * p.second) * unit if ratio else (p.first + p.second) / 2.0
        for p in study.pairs
    ]
    effect = [p.first / p.second if ratio else p.first - p.second for p in study.pairs]
    what = {"potency": of["quantity"], "effect": "effect"}[of["readout"]]

    def draw(figure: FigureBase) -> None:
        axes = figure.add_axes((0.1, 0.14, 0.7, 0.8))
        if ratio:
            axes.set_xscale("log")
            axes.set_yscale("log")
        lines = (
            (study.mean, "-", "mean"),
            *((v, "--", "limit of mean") for v in study.mean_limits),
            *((v, ":", "agreement") for v in study.agreement),
        )
        for level, style, _ in lines:
            axes.axhline(level, color=INK if style == "-" else GREY, linestyle=style, linewidth=0.9)
        axes.scatter(middle, effect, color=COLOURS[0], edgecolor=INK, linewidth=0.5, zorder=3)
        for pair, x, y in zip(study.pairs, middle, effect, strict=True):
            axes.annotate(pair.compound, (x, y), (4, 4), textcoords="offset points", fontsize=6)
        axes.set_xlabel(f"mean {what}{', nM' if unit == NANO else ''}")
        axes.set_ylabel(f"{'ratio' if ratio else 'difference'} of the runs, first to second")
        if ratio:
            _log_ticks(axes.xaxis, min(middle), max(middle), steps=(1.0, 2.0, 5.0))
            _log_ticks(
                axes.yaxis, min(*effect, *study.agreement), max(*effect, *study.agreement),
                steps=(1.0, 1.25, 2.0, 3.0, 5.0, 8.0),
            )  # fmt: skip
        _name_lines(axes, {f"{name} {level:.3g}": level for level, _, name in lines})

    return Picture(7.2, 3.8, f"Agreement of two runs: {what}", draw)


def _name_lines(axes: Axes, levels: Mapping[str, float]) -> None:
    """Write names beside horizontal lines, apart from each other, each with a leader."""
    to_share = axes.transData + axes.transAxes.inverted()
    x = axes.get_xlim()[0]
    ordered = sorted(levels.items(), key=lambda item: item[1])
    heights = [float(to_share.transform((x, level))[1]) for _, level in ordered]
    for (name, _), at, height in zip(ordered, _apart(heights, LABEL_SHARE), heights, strict=True):
        axes.annotate(
            name, (1.0, height), (1.035, at), xycoords="axes fraction", textcoords="axes fraction",
            va="center", fontsize=6.5, arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5},
        )  # fmt: skip


def _apart(values: Sequence[float], least: float) -> list[float]:
    """Ascending values, moved as little as it takes to keep neighbours `least` apart."""
    groups: list[list[float]] = []
    for value in values:
        groups.append([value])
        while (
            len(groups) > 1
            and _centre(groups[-1]) - _centre(groups[-2])
            < least * (len(groups[-1]) + len(groups[-2])) / 2.0
        ):
            last = groups.pop()
            groups[-1] += last
    return [_centre(g) + least * (n - (len(g) - 1) / 2.0) for g in groups for n in range(len(g))]


def _centre(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _log_ticks(axis: Axis, low: float, high: float, *, steps: Sequence[float]) -> None:
    """Plain numbers on a log axis: decades alone when there are more than two of them."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    chosen = steps if high / low < WIDE else (1.0,)
    every = (10.0**decade * step for decade in decades for step in chosen)
    ticks = [t for t in every if low / 1.3 <= t <= high * 1.3]
    axis.set_ticks(ticks, [f"{t:g}" for t in ticks])
    axis.set_ticks([], minor=True)


def signals(plates: Sequence[PlateUniformity]) -> Picture:
    """Signals of each plate over the columns, one panel a plate; markers tell Max, Mid and Min."""
    across = min(PANELS_ACROSS, len(plates))
    down = math.ceil(len(plates) / across)
    size = (PANEL_WIDTH_IN * across, PANEL_HEIGHT_IN * down)

    def draw(figure: FigureBase) -> None:
        for place, plate in enumerate(plates):
            row, column = divmod(place, across)
            left = (column * PANEL_WIDTH_IN + 0.55) / size[0]
            bottom = 1.0 - ((row + 1) * PANEL_HEIGHT_IN - 0.42) / size[1]
            width, height = (PANEL_WIDTH_IN - 0.7) / size[0], (PANEL_HEIGHT_IN - 0.8) / size[1]
            axes = figure.add_axes((left, bottom, width, height))
            for kind, level in enumerate(LEVELS):
                wells = [w for w in plate.signals if w.level == level]
                if wells:
                    axes.scatter(
                        [w.column + 1 + (w.row - 3.5) / 12.0 for w in wells],
                        [w.value for w in wells], marker=MARKERS[kind], s=10, color=COLOURS[kind],
                        edgecolor=INK, linewidth=0.3, label=level.capitalize(),
                    )  # fmt: skip
            axes.set_title(f"{plate.day} {plate.plate}", fontsize=6.5)
            axes.set_xlim(0.3, 12.7)
            axes.set_xticks(range(1, 13))
            axes.set_ylim(bottom=min(0.0, *(w.value for w in plate.signals)))
            axes.set_xlabel("column")
            if place == 0:
                axes.legend(frameon=False, fontsize=6, loc="center right")

    return Picture(*size, "Signals of all plates by column", draw)


def _finite(value: Any) -> Any:
    """The same without numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
