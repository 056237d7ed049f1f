"""Competition curves of a plate: small multiples with residuals beneath."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from platectl.analysis.results import CompoundResult, FittedPoint, PlateResult
from platectl.domain.layout import WellPlan
from platectl.report.picture import COLOURS, GREY, INK, MARKERS, PALE, Picture
from platectl.report.text import interval, qualified
from platectl.report.values import positive

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

NANO = 9.0
PANELS_ACROSS = 3
PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 3.3, 3.9
MARGIN_IN = 0.62
CONTROL_DECADES = 0.9
LABEL_DECADES = 0.75
OUTLIER_SIGMAS = 3.0
_CONTROLS = {"total", "nsb"}


def curves(name: str, wells: Sequence[WellPlan], result: PlateResult) -> list[Picture]:
    """Curves of all compounds of a plate that have points, one picture for each row of panels."""
    shown = [c for c in result.compounds if _dosed(c)]
    series = {w.well: w.series or w.well.rstrip("0123456789") for w in wells}
    rows = (shown[n : n + PANELS_ACROSS] for n in range(0, len(shown), PANELS_ACROSS))
    return [_row(name, row, series) for row in rows]


def _row(name: str, row: Sequence[CompoundResult], series: dict[str, str]) -> Picture:
    size = (PANEL_WIDTH_IN * len(row), PANEL_HEIGHT_IN)

    def draw(figure: FigureBase) -> None:
        for column, compound in enumerate(row):
            left = (column * PANEL_WIDTH_IN + MARGIN_IN) / size[0]
            width = (PANEL_WIDTH_IN - MARGIN_IN - 0.1) / size[0]
            under = figure.add_axes((left, 0.5 / size[1], width, 0.75 / size[1]))
            above = figure.add_axes((left, 1.37 / size[1], width, 2.15 / size[1]))
            _panel(above, under, compound, series)

    names = ", ".join(compound.compound for compound in row)
    return Picture(*size, f"Competition curves of plate {name}: {names}", draw)


def _dosed(compound: CompoundResult) -> list[float]:
    """Finite concentrations above zero, log10 nM."""
    known = (positive(point.concentration_molar) for point in compound.points)
    return [math.log10(molar) + NANO for molar in known if molar is not None]


def _panel(above: Axes, under: Axes, compound: CompoundResult, series: dict[str, str]) -> None:
    doses = _dosed(compound)
    ends = (min(doses) - CONTROL_DECADES, max(doses) + CONTROL_DECADES)
    _constant(above, compound)
    if compound.curve:
        grid = [point.log10_molar + NANO for point in compound.curve]
        low, high = ([getattr(p, n) for p in compound.curve] for n in ("lower_cpm", "upper_cpm"))
        above.fill_between(grid, low, high, color=PALE, linewidth=0, zorder=1)
        above.plot(grid, [p.cpm for p in compound.curve], color=INK, linewidth=1.2, zorder=2)
    for style, points in _groups(compound.points, series):
        placed = [(_place(p, ends), p) for p in points]
        above.plot([x for x, _ in placed], [p.gross_cpm for _, p in placed], **style, zorder=3)
        fitted = [(x, p.scaled_residual) for x, p in placed if p.scaled_residual is not None]
        under.plot([x for x, _ in fitted], [y for _, y in fitted], **style, zorder=3)
    _ring(above, compound, ends)
    _residual_axis(under, compound)
    _axes(above, under, ends)
    above.set_title(compound.compound, loc="left", pad=15, fontweight="bold")
    above.text(0.0, 1.03, _caption(compound), transform=above.transAxes, fontsize=7, color=INK)
    if len(above.get_legend_handles_labels()[0]) > 1:
        above.legend(fontsize=6, frameon=False, loc="upper right", handletextpad=0.1)


def _caption(compound: CompoundResult) -> str:
    value = qualified(compound.qualifier, positive(compound.value_molar))
    ends = interval(positive(compound.lower_molar), positive(compound.upper_molar))
    if compound.value_molar is None:
        return f"no {compound.quantity} ({compound.status})"
    return f"{compound.quantity} {value} ({ends})"


def _constant(above: Axes, compound: CompoundResult) -> None:
    """Mark the value and its 95 % interval on the concentration axis."""
    value = positive(compound.value_molar)
    if value is None:
        return
    low, high = positive(compound.lower_molar), positive(compound.upper_molar)
    if low is not None and high is not None and high > low:
        span = (math.log10(low) + NANO, math.log10(high) + NANO)
        above.axvspan(*span, color=COLOURS[4], alpha=0.35, linewidth=0, zorder=0)
    above.axvline(math.log10(value) + NANO, color=COLOURS[1], linewidth=1.0, linestyle="--")


def _place(point: FittedPoint, ends: tuple[float, float]) -> float:
    """Place of a point on the axis: controls stand at the sides."""
    if point.role == "total" or point.concentration_molar == 0.0:
        return ends[0]
    if point.role == "nsb" or point.concentration_molar == math.inf:
        return ends[1]
    molar = positive(point.concentration_molar)
    return math.nan if molar is None else math.log10(molar) + NANO


def _groups(
    points: Sequence[FittedPoint], series: dict[str, str]
) -> Iterator[tuple[dict[str, object], list[FittedPoint]]]:
    """Points of a kind with their marker: one per replicate series, controls, left out."""
    base = {"linestyle": "none", "markersize": 3.6, "markeredgewidth": 0.8}
    used = [p for p in points if p.excluded is None]
    own = [p for p in used if p.role not in _CONTROLS]
    names = dict.fromkeys(series.get(p.well, "") for p in own)
    for i, name in enumerate(names):
        style = {
            **base,
            "marker": MARKERS[i % len(MARKERS)],
            "color": COLOURS[i % len(COLOURS)],
            "markerfacecolor": "white" if i % 2 else COLOURS[i % len(COLOURS)],
            "label": f"series {name}",
        }
        yield style, [p for p in own if series.get(p.well, "") == name]
    controls = [p for p in used if p.role in _CONTROLS]
    if controls:
        yield {**base, "marker": "_", "color": GREY, "markersize": 7}, controls
    out = [p for p in points if p.excluded is not None]
    if out:
        yield {**base, "marker": "x", "color": INK, "label": "not fitted"}, out


def _ring(above: Axes, compound: CompoundResult, ends: tuple[float, float]) -> None:
    rings = [p for p in compound.points if p.well in compound.outliers]
    if rings:
        at = [_place(p, ends) for p in rings]
        style = {"marker": "o", "markersize": 9, "linestyle": "none", "label": "outlier"}
        above.plot(
            at, [p.gross_cpm for p in rings], markerfacecolor="none", color=COLOURS[1], **style
        )


def _residual_axis(under: Axes, compound: CompoundResult) -> None:
    known = [abs(p.scaled_residual) for p in compound.points if p.scaled_residual is not None]
    under.axhline(0.0, color=GREY, linewidth=0.7)
    if not known:
        under.set_yticks([])
        under.text(
            0.5, 0.6, "no fit, no residuals", transform=under.transAxes, ha="center", color=GREY
        )
        return
    most = max(OUTLIER_SIGMAS, *known) * 1.15
    under.set_ylim(-most, most)
    under.axhspan(-1.96, 1.96, color=PALE, alpha=0.6, linewidth=0, zorder=0)


def _axes(above: Axes, under: Axes, ends: tuple[float, float]) -> None:
    decades = list(
        range(math.ceil(ends[0] + LABEL_DECADES), math.floor(ends[1] - LABEL_DECADES) + 1)
    )
    decades = decades[:: 1 + len(decades) // 7]
    ticks = [ends[0], *decades, ends[1]]
    names = ["total", *(_decade(d) for d in decades), "NSB"]
    for axes in (above, under):
        axes.set_xlim(ends[0] - 0.35, ends[1] + 0.35)
        axes.set_xticks(ticks, names if axes is under else [""] * len(ticks))
        for side in (ends[0] + 0.45, ends[1] - 0.45):
            axes.axvline(side, color=PALE, linewidth=0.7, zorder=0)
    above.set_ylim(bottom=0.0)
    above.set_ylabel("bound, gross cpm")
    under.set_ylabel("residual, SD")
    under.set_xlabel("competitor, nM (log)")


def _decade(power: int) -> str:
    """A decade of nM as a number that stays short."""
    return f"{10.0**power:g}" if -3 <= power <= 3 else f"1e{power}"  # noqa: PLR2004 four digits
