"""Counted wells from a table, read strictly: a well a line, or a plate as a grid of cpm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.files.table import (
    Columns,
    Sheet,
    grid_of,
    parse_amount,
    parse_sheet,
    parse_well_cell,
    records,
)

COLUMNS = Columns(
    ("well", "cpm", "counts", "count_s"), ("well", "cpm"), "holds no counts", exact=True
)
SECONDS = 60.0
_SAME_TIME = 0.01


@dataclass(frozen=True, slots=True)
class CountedWell:
    """One well: gross counts per minute, raw counts if given, and the counting time."""

    well: str
    cpm: float
    counts: int | None
    count_s: float
    line: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The wells of a file in its order, and what has to be said beside any result of them."""

    wells: tuple[CountedWell, ...]
    cautions: tuple[Finding, ...] = ()


def parse_counts_csv(text: str, *, name: str, count_s: float) -> Counts:
    """Parse the text of a CSV; see `counts_of`."""
    return counts_of(parse_sheet(text, name=name), count_s=count_s)


def counts_of(sheet: Sheet, *, count_s: float) -> Counts:
    """Counts of a table with the columns well, cpm and, if known, counts and count_s, or of a grid.

    A grid says `cpm` in its corner or above it. `count_s` holds where the file does not state a
    time. Where it states counts, time and cpm, the three must agree within 1 % (dead time).

    Raises:
        InputRefusedError: With every line that cannot be used.
    """
    findings: list[Finding] = []
    wells: dict[str, CountedWell] = {}
    for line, cells in _lines(sheet):
        try:
            found = _well(cells, line, count_s)
        except UserInputError as error:
            findings.append(Finding.of(error, sheet.name, line, cells["well"]))
            continue
        if found.well in wells:
            message = f"well {found.well} is on line {wells[found.well].line} too"
            findings.append(
                Finding(message, sheet.name, line, found.well, "keep one", code=Code.WELL_TWICE)
            )
        wells[found.well] = found
    if findings:
        raise InputRefusedError(findings)
    counted = tuple(wells.values())
    return Counts(counted, (*sheet.cautions(), *_times(counted, sheet.name, count_s)))


def _lines(sheet: Sheet) -> list[tuple[int, dict[str, str]]]:
    grid = grid_of(sheet)
    if grid is None:
        return list(records(sheet, COLUMNS))
    if "cpm" not in grid.title.casefold().split():
        message = "does not say what the numbers of the grid are"
        fix = "write cpm into its corner"
        raise InputRefusedError(
            [Finding(message, sheet.name, grid.line, "", fix, code=Code.UNIT_UNDECLARED)]
        )
    if not grid.wells:
        fix = "write the counts into it"
        raise InputRefusedError(
            [Finding("the grid is empty", sheet.name, grid.line, "", fix, code=Code.NO_ROWS)]
        )
    return [(line, {"well": well, "cpm": text}) for line, well, text in grid.wells]


def _well(cells: Mapping[str, str], line: int, count_s: float) -> CountedWell:
    well = parse_well_cell(cells["well"])
    cpm = parse_amount(cells["cpm"], "cpm")
    seconds = parse_amount(cells["count_s"], "count_s") if cells.get("count_s") else count_s
    if seconds <= 0:
        message = "count_s is zero; write the counting time in seconds"
        raise UserInputError(message, code=Code.COUNT_TIME)
    counts = None
    if cells.get("counts"):
        number = parse_amount(cells["counts"], "counts")
        if number != math.floor(number):
            message = f"counts {cells['counts']!r} is not whole; write raw counts"
            raise UserInputError(message, code=Code.COUNT_NOT_WHOLE)
        counts = int(number)
        stated = counts * SECONDS / seconds
        if cells.get("count_s") and abs(stated - cpm) > max(0.01 * cpm, SECONDS / seconds):
            message = (
                f"{counts} counts in {seconds:g} s are {stated:.1f} cpm, not {cpm:g}; "
                "correct the line, or its unit of time"
            )
            raise UserInputError(message, code=Code.COUNTS_CONTRADICT)
    return CountedWell(well, cpm, counts, seconds, line)


def _times(wells: tuple[CountedWell, ...], name: str, count_s: float) -> list[Finding]:
    """Counting times that differ from that of the protocol, as a column in minutes makes them."""
    other = [w for w in wells if abs(w.count_s - count_s) > _SAME_TIME * count_s]
    if not other:
        return []
    times = ", ".join(f"{s:g} s" for s in sorted({w.count_s for w in other})[:4])
    message = f"{len(other)} wells were counted for {times}, and the protocol says {count_s:g} s"
    fix = "check the unit of count_s, or set count_time"
    return [Finding(message, name, other[0].line, other[0].well, fix, "warning", Code.COUNT_TIME)]
