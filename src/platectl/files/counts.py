"""Counted wells from a plain CSV, read strictly."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.layout import PLATE
from platectl.domain.wells import parse_well, well_name

REQUIRED = ("well", "cpm")
COLUMNS = (*REQUIRED, "counts", "count_s")
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CountedWell:
    """One line: gross counts per minute, raw counts if given, and the counting time."""

    well: str
    cpm: float
    counts: int | None
    count_s: float
    line: int


def parse_counts_csv(text: str, *, name: str, count_s: float) -> tuple[CountedWell, ...]:
    """Parse counts with the columns well, cpm and, if known, counts and count_s.

    `count_s` holds where the file does not state a time. Where it states counts, time and cpm,
    the three must agree within 1 % (dead time).

    Raises:
        InputRefusedError: With every line that cannot be used.
    """
    reader = csv.DictReader(io.StringIO(text), strict=True)
    header = [column.strip().casefold() for column in reader.fieldnames or []]
    findings = [
        Finding(f"column {c!r} is missing", name, 1, c, f"use the columns {', '.join(COLUMNS)}")
        for c in REQUIRED
        if c not in header
    ]
    findings += [
        Finding(f"column {c!r} is not known", name, 1, c, f"use the columns {', '.join(COLUMNS)}")
        for c in header
        if c not in COLUMNS
    ]
    if findings:
        raise InputRefusedError(findings)
    reader.fieldnames = header
    wells: dict[str, CountedWell] = {}
    try:
        for row in reader:
            try:
                found = _well(row, reader.line_num, count_s)
            except UserInputError as error:
                message, _, fix = str(error).partition("; ")
                where = str(row.get("well") or "")
                findings.append(Finding(message, name, reader.line_num, where, fix))
                continue
            if found.well in wells:
                message = f"well {found.well} is on line {wells[found.well].line} too"
                findings.append(Finding(message, name, found.line, found.well, "keep one"))
            wells[found.well] = found
    except csv.Error as error:
        findings.append(Finding(f"not CSV: {error}", name, reader.line_num))
    if not wells and not findings:
        findings.append(Finding("holds no counts", name, 1, "", "write one line for each well"))
    if findings:
        raise InputRefusedError(findings)
    return tuple(wells.values())


def _well(row: Mapping[str, object], line: int, count_s: float) -> CountedWell:
    if None in row:
        raise UserInputError("has more cells than columns; quote commas")
    cells = {key: str(value or "").strip() for key, value in row.items()}
    well = well_name(*parse_well(cells["well"]))
    PLATE.index(well)
    cpm = _number(cells["cpm"], "cpm")
    seconds = _number(cells["count_s"], "count_s") if cells.get("count_s") else count_s
    if seconds <= 0:
        raise UserInputError("count_s is zero; write the counting time in seconds")
    counts = None
    if cells.get("counts"):
        number = _number(cells["counts"], "counts")
        if number != math.floor(number):
            raise UserInputError(f"counts {cells['counts']!r} is not whole; write raw counts")
        counts = int(number)
        stated = counts * SECONDS / seconds
        if cells.get("count_s") and abs(stated - cpm) > max(0.01 * cpm, SECONDS / seconds):
            raise UserInputError(
                f"{counts} counts in {seconds:g} s are {stated:.1f} cpm, not {cpm:g}; "
                "correct the line"
            )
    return CountedWell(well, cpm, counts, seconds, line)


def _number(text: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UserInputError(f"{column} {text!r} is not a number; write it like 1234.5") from None
    if not math.isfinite(value) or value < 0:
        raise UserInputError(f"{column} {text!r} cannot be; write a number of zero or more")
    return value
