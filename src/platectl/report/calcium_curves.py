"""Dose-response of a calcium plate: one panel for each compound, with band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from platectl.analysis.calcium import CalciumPlateResult, ResponseResult
from platectl.report.picture import COLOURS, GREY, INK, PALE, Picture
from platectl.report.text import interval, qualified

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

NANO = 9.0
ACROSS, PANEL_IN, HEIGHT_IN, LEFT_IN = 3, 2.9, 3.5, 0.7
ZERO_DECADES = 0.9


def dose_curves(result: CalciumPlateResult) -> list[Picture]:
    """Responses against dose; wells at dose zero stand at the left."""
    shown = [c for c in result.compounds if c.points]
    return [_row(shown[n : n + ACROSS]) for n in range(0, len(shown), ACROSS)]


def _row(row: Sequence[ResponseResult]) -> Picture:
    def draw(figure: FigureBase) -> None:
        above, under = figure.subplots(2, len(row), sharex="col", sharey="row", squeeze=False,
                                       gridspec_kw={"height_ratios": (3.2, 1.0)})  # fmt: skip
        for axes, below, compound in zip(above, under, row, strict=True):
            _panel(axes, compound)
            _residuals(below, compound)
        above[0].set_ylabel("response, ratio")
        under[0].set_ylabel("residual")
        left = LEFT_IN / (PANEL_IN * len(row))
        figure.subplots_adjust(
            left=left, right=0.99, top=0.87, bottom=0.13, wspace=0.08, hspace=0.1
        )

    names = ", ".join(compound.compound for compound in row)
    return Picture(PANEL_IN * len(row), HEIGHT_IN, f"Response against dose: {names}", draw)


def _panel(axes: Axes, compound: ResponseResult) -> None:
    dosed = [p for p in compound.points if p.concentration_molar > 0]
    lowest = min(math.log10(p.concentration_molar) for p in dosed) + NANO
    zero_at = lowest - ZERO_DECADES
    if compound.curve:
        grid = [p.log10_molar + NANO for p in compound.curve]
        low, high = [p.lower for p in compound.curve], [p.upper for p in compound.curve]
        axes.fill_between(grid, low, high, color=PALE, linewidth=0, zorder=1)
        axes.plot(grid, [p.value for p in compound.curve], color=INK, linewidth=1.2, zorder=2)
    used = [p for p in dosed if p.excluded is None]
    axes.plot([math.log10(p.concentration_molar) + NANO for p in used], [p.amplitude for p in used],
              "o", color=COLOURS[0], markersize=3.4, zorder=3)  # fmt: skip
    out = [p for p in dosed if p.excluded is not None]
    axes.plot([math.log10(p.concentration_molar) + NANO for p in out], [p.amplitude for p in out],
              "x", color=INK, zorder=3)  # fmt: skip
    zero = [p for p in compound.points if p.concentration_molar == 0]
    axes.plot([zero_at] * len(zero), [p.amplitude for p in zero], "_", color=GREY, markersize=7)
    if compound.value_molar:
        axes.axvline(math.log10(compound.value_molar) + NANO, color=COLOURS[1], linestyle="--",
                     linewidth=1.0)  # fmt: skip
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.set_title(compound.compound, loc="left", pad=15, fontweight="bold")
    axes.text(0.0, 1.03, _caption(compound), transform=axes.transAxes, fontsize=7, color=INK)
    decades = range(math.ceil(lowest), math.floor(max(
        math.log10(p.concentration_molar) for p in dosed) + NANO) + 1)  # fmt: skip
    axes.set_xticks([zero_at, *decades], ["0", *(f"{10.0**d:g}" for d in decades)])


def _residuals(axes: Axes, compound: ResponseResult) -> None:
    """Response less curve, in the unit of the response."""
    fitted = [(p.concentration_molar, p.amplitude - p.fitted) for p in compound.points
              if p.concentration_molar > 0 and p.excluded is None and p.fitted is not None]  # fmt: skip
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    axes.plot([math.log10(molar) + NANO for molar, _ in fitted], [rest for _, rest in fitted],
              "o", color=COLOURS[0], markersize=2.6)  # fmt: skip
    axes.set_xlabel("concentration, nM (log)")
    if not fitted:
        axes.text(
            0.5, 0.7, "no fit, no residuals", transform=axes.transAxes, ha="center", color=INK
        )


def _caption(compound: ResponseResult) -> str:
    if compound.qualifier == "none":
        return "no response"
    if compound.value_molar is None:
        return f"no {compound.quantity} ({compound.status})"
    value = qualified(compound.qualifier, compound.value_molar)
    ends = interval(compound.lower_molar, compound.upper_molar)
    return f"{compound.quantity} {value} ({ends})"
