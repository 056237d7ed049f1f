"""Points and traces as XY tables of GraphPad Prism (.pzfx)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from xml.etree import ElementTree as ET

from platectl.analysis.calcium import CalciumPlateResult
from platectl.analysis.calcium.signal import RatioTrace
from platectl.domain.errors import UserInputError
from platectl.domain.layout import WellPlan
from platectl.files.pzfx import PrismColumn, PrismTable
from platectl.report.model import PlateReport, RunReport
from platectl.report.values import finite
from platectl.report.views import view_of

_ROOT = "GraphPadPrismFile"
NAMESPACE = "http://graphpad.com/prism/Prism.htm"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
Point = tuple[str, float, float | None, bool]


def prism_tables(report: RunReport) -> list[PrismTable]:
    """XY tables of every plate: concentrations in M, times in s, nothing normalised.

    Binding plates give cpm against the concentration of the compound, the time or the
    concentration of the radioligand; calcium plates the responses against the concentration, and
    the ratio of each well against the time since the addition.
    """
    return [
        replace(table, title=_marked(table.title, plate))
        for plate in report.plates
        for table in _of_plate(plate)
    ]


def write_prism(path: Path, tables: Sequence[PrismTable]) -> None:
    """Write XY tables as a file that Prism opens.

    Raises:
        UserInputError: There is no table.
        OSError: The file cannot be written.
    """
    if not tables:
        raise UserInputError("nothing was measured that Prism could show")
    root = ET.Element(_ROOT, {"xmlns": NAMESPACE, "PrismXMLVersion": "5.00"})
    order = ET.SubElement(root, "TableSequence", {"Selected": "1"})
    for number, table in enumerate(tables):
        ET.SubElement(order, "Ref", {"ID": f"Table{number}"})
        root.append(_element(table, f"Table{number}"))
    ET.indent(root, " ")
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _marked(title: str, plate: PlateReport) -> str:
    """The title, with what a reader has to know before any number."""
    view = view_of(plate)
    failed = ["PLATE FAILED"] if view is None or view.state == "fail" else []
    unsigned = [] if plate.basis.review == "signed" else [plate.basis.review.upper()]
    marks = ", ".join([*failed, *unsigned])
    return f"{title} ({marks})" if marks else title


def _of_plate(plate: PlateReport) -> Iterator[PrismTable]:
    if isinstance(plate.result, CalciumPlateResult):
        points = [
            (c.compound, p.concentration_molar, finite(p.amplitude), p.excluded is not None)
            for c in plate.result.compounds
            for p in c.points
        ]
        yield from _xy(f"{plate.name} response", "concentration, M", points)
        yield from _traces(plate.name, plate.result.traces)
        return
    by_x: dict[str, list[Point]] = {}
    struck = {e["well"] for e in plate.basis.record.get("exclusions", ())}
    for plan in plate.wells:
        cpm = plate.counts.get(plan.well, {}).get("cpm")
        place = _place(plan)
        if cpm is not None and place is not None:
            own = plan.compound if plan.role in {"test", "reference"} else None
            by_x.setdefault(place[0], []).append(
                (own or plan.role, place[1], cpm, plan.well in struck)
            )
    for x_title, points in by_x.items():
        yield from _xy(f"{plate.name} cpm against {x_title}", x_title, points)


def _place(plan: WellPlan) -> tuple[str, float] | None:
    """What a counted well is plotted against."""
    if plan.role in {"test", "reference"} and plan.concentration_molar is not None:
        return "concentration, M", plan.concentration_molar
    if plan.time_s is not None:
        return "time, s", plan.time_s
    if plan.radioligand_molar is not None:
        return "radioligand, M", plan.radioligand_molar
    return None


def _xy(title: str, x_title: str, points: Iterable[Point]) -> Iterator[PrismTable]:
    """A table of points (data set, x, y, excluded); equal x of a data set are replicates."""
    found: dict[str, dict[float, list[tuple[float | None, bool]]]] = {}
    for name, x, y, excluded in points:
        found.setdefault(name, {}).setdefault(x, []).append((y, excluded))
    xs = sorted({x for rows in found.values() for x in rows}, reverse=True)
    columns = []
    for name, rows in found.items():
        replicates = list(zip_longest(*(rows.get(x, []) for x in xs), fillvalue=(None, False)))
        columns.append(PrismColumn(
            name,
            tuple(tuple(y for y, _ in values) for values in replicates),
            frozenset((r, row) for r, values in enumerate(replicates)
                      for row, (_, excluded) in enumerate(values) if excluded),
        ))  # fmt: skip
    if columns:
        yield PrismTable(title, x_title, tuple(xs), tuple(columns))


def _traces(plate: str, traces: Sequence[RatioTrace]) -> Iterator[PrismTable]:
    """Ratios against time: one table for all wells that were read at the same times."""
    groups: dict[tuple[float, ...], list[PrismColumn]] = {}
    for trace in traces:
        times = tuple(float(t) for t in trace.since_s)
        ratios = tuple(finite(float(r)) for r in trace.ratio)
        if any(ratio is not None for ratio in ratios):
            groups.setdefault(times, []).append(PrismColumn(trace.trace.well, (ratios,)))
    for number, (times, columns) in enumerate(groups.items(), start=1):
        title = f"{plate} ratio {number}" if len(groups) > 1 else f"{plate} ratio"
        yield PrismTable(title, "time since the addition, s", times, tuple(columns))


def _element(table: PrismTable, identity: str) -> ET.Element:
    most = max((len(column.replicates) for column in table.columns), default=1)
    element = ET.Element("Table", {
        "ID": identity, "XFormat": "numbers", "YFormat": "replicates", "Replicates": str(most),
        "TableType": "XY", "EVFormat": "AsteriskAfterNumber",
    })  # fmt: skip
    _say(element, table.title)
    _column(element, "XColumn", PrismColumn(table.x_title, (table.x,)), 1)
    for column in table.columns:
        _column(element, "YColumn", column, most)
    return element


def _column(table: ET.Element, tag: str, column: PrismColumn, width: int) -> None:
    element = ET.SubElement(table, tag, {"Width": "81", "Decimals": "6", "Subcolumns": str(width)})
    _say(element, column.title)
    for replicate in range(width):
        subcolumn = ET.SubElement(element, "Subcolumn")
        values = column.replicates[replicate] if replicate < len(column.replicates) else ()
        for row, value in enumerate(values):
            struck = {"Excluded": "1"} if (replicate, row) in column.excluded else {}
            cell = ET.SubElement(subcolumn, "d", struck)
            cell.text = None if value is None else repr(float(value))


def _say(element: ET.Element, title: str) -> None:
    ET.SubElement(element, "Title").text = _CONTROL.sub("\ufffd", title)
