"""Potencies of plain dose-response tables for people and programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platectl import __version__
from platectl.analysis.potency import Potency
from platectl.domain.findings import Finding
from platectl.report.export import plain, write_csv
from platectl.report.html import template
from platectl.report.picture import COLOURS, GREY, INK, MARKERS, Picture
from platectl.report.svg import to_svg
from platectl.report.text import interval, number, qualified
from platectl.report.values import MOLAR, Row, constant, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

HEAD = (
    "table",
    "data set",
    "constant",
    "value",
    "95 % interval",
    "Hill slope",
    "points",
    "what is known",
)
Points = Sequence[tuple[float | None, float, bool]]
PANELS_ACROSS, PANEL_IN = 3, (3.1, 2.6)


def potency_row(table: str, name: str, found: Potency, points: Points) -> Row:
    """One data set as a flat row; a value that is not known is None."""
    fitted = found.fitted
    known = {p.name: finite(p.value) for p in fitted.parameters} if fitted and found.value_molar else {}  # fmt: skip
    return {
        "table": table,
        "compound": name,
        **constant(found.quantity, found.value_molar, found.lower_molar, found.upper_molar, MOLAR),
        "qualifier": found.qualifier,
        "status": {"=": "ok", "~": "no result"}.get(found.qualifier, "bound"),
        "hill": known.get("HillSlope") if found.qualifier == "=" else None,
        "top": known.get("Top") if found.qualifier == "=" else None,
        "bottom": known.get("Bottom") if found.qualifier == "=" else None,
        "points": sum(used for _, _, used in points),
        "left_out": sum(not used for _, _, used in points),
        "flags": [str(found.code)] if found.code else [],
        "remarks": [found.sentence] if found.sentence else [],
    }


def text_table(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Rows as people read them, without a head."""
    return [
        (r["table"], r["compound"], r["quantity"], qualified(r["qualifier"], r["value_molar"]),
         interval(r["lower_molar"], r["upper_molar"]), number(r["hill"]), str(r["points"]),
         " ".join(r["remarks"]) or r["status"])
        for r in rows
    ]  # fmt: skip


def write_curve_tables(
    folder: Path, source: Mapping[str, str], model: str, rows: Sequence[Row],
    curves: Sequence[tuple[str, str, Potency, Points]], findings: Sequence[Finding],
) -> None:  # fmt: skip
    """Write results.csv, results.json and report.html; `source` is file -> SHA-256.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "results.csv", rows)
    content: dict[str, Any] = {
        "format": "platectl-curves/1", "model": model, "files": dict(source),
        "versions": {"platectl": __version__}, "results": list(rows),
        "findings": [finding.plain() for finding in findings],
    }  # fmt: skip
    text = json.dumps(plain(content), ensure_ascii=False, allow_nan=False, indent=1)
    (folder / "results.json").write_text(text, encoding="utf-8")
    page = template("curve_tables.html.j2").render(
        name=next(iter(source)),
        digests=source,
        model=model,
        head=HEAD,
        rows=text_table(rows),
        findings=[finding.coded for finding in findings],
        plot=_plot(curves),
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def _plot(curves: Sequence[tuple[str, str, Potency, Points]]) -> str:
    across = min(PANELS_ACROSS, len(curves))
    down = math.ceil(len(curves) / across)

    def draw(figure: FigureBase) -> None:
        figure.subplots_adjust(
            left=0.6 / (3.1 * across), right=0.98, top=1 - 0.35 / (2.6 * down), bottom=0.5 / (2.6 * down), wspace=0.35, hspace=0.55
        )  # fmt: skip
        for place, (table, name, found, points) in enumerate(curves):
            _panel(figure.add_subplot(down, across, place + 1), name or table, found, points)

    size = PANEL_IN[0] * across, PANEL_IN[1] * down
    return to_svg(Picture(*size, f"Curves of {len(curves)} data sets", draw), salt="curves")


def _panel(axes: Axes, title: str, found: Potency, points: Points) -> None:
    for used, marker, colour in ((True, MARKERS[0], COLOURS[0]), (False, MARKERS[6], GREY)):
        shown = [(x, y) for x, y, u in points if u is used and x is not None]
        axes.plot(
            [x for x, _ in shown], [y for _, y in shown], marker, color=colour, markersize=3.5
        )
    if found.fitted is not None and found.value_molar is not None:
        grid = np.linspace(found.fitted.x.min(), found.fitted.x.max(), 120)
        axes.plot(grid, found.fitted.predict(grid), color=INK, linewidth=1.0)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel("log10 M")
