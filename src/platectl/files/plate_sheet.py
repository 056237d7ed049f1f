"""Plate maps of workbooks: a well a line, or the plate as a grid.

A long map has the columns of a CSV map: well, role, slot, point, replicate. A grid has the column
numbers 1 to 12 above it and the row letters A to H beside it, wherever it stands on the sheet. Its
cells say total, nsb or blank, or a series as `test1.2/5`: slot, replicate and point; without the
replicate it is the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.layout import PLATE
from platectl.domain.wells import well_name

Rows = list[tuple[int, dict[str, str]]]
_COLUMNS = ("well", "role", "slot", "point", "replicate")
_CONTROLS = {"total", "nsb", "blank"}
_SERIES = re.compile(r"(reference|test[1-9]\d?)(?:\.([1-9]\d?))?/([1-9]\d?)")
_GRID_FIX = "write total, nsb, blank or a series like test1.2/5 (slot, replicate, point)"


def read_plate_sheet(path: Path) -> Rows:
    """Read the first sheet of a workbook: wells as rows of a CSV map, each with its line.

    Raises:
        InputRefusedError: No workbook, no map on its first sheet, or cells that say nothing known.
    """
    cells = _cells(path)
    name = str(path)
    for number, row in enumerate(cells):
        texts = [text.casefold() for text in row]
        if {"well", "role"} <= set(texts):
            return _long(cells, number, texts, name)
        for place in range(len(row) - PLATE.columns):
            if row[place + 1 : place + 1 + PLATE.columns] == _numbers():
                return _grid(cells, number, place, name)
    fix = f"use the columns {', '.join(_COLUMNS)}, or a grid of columns 1 to 12 and rows A to H"
    raise InputRefusedError([Finding("holds no plate map on its first sheet", name, 1, "", fix)])


def _cells(path: Path) -> list[list[str]]:
    """The first sheet as text."""
    from openpyxl import load_workbook  # heavy
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        sheet = load_workbook(path, data_only=True).worksheets[0]
    except (OSError, BadZipFile, InvalidFileException, KeyError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        fix = "save it as .xlsx"
        raise InputRefusedError(
            [Finding(f"is no workbook: {reason}", str(path), fix=fix)]
        ) from error
    return [[_text(value) for value in row] for row in sheet.iter_rows(values_only=True)]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _numbers() -> list[str]:
    return [str(column + 1) for column in range(PLATE.columns)]


def _long(cells: list[list[str]], head: int, names: list[str], name: str) -> Rows:
    unknown = [text for text in names if text and text not in _COLUMNS]
    twice = [text for text in _COLUMNS if names.count(text) > 1]
    findings = [
        Finding(f"column {text!r} is not known", name, head + 1, text, f"use the columns {', '.join(_COLUMNS)}")
        for text in unknown
    ]  # fmt: skip
    findings += [Finding(f"column {text!r} is there twice", name, head + 1, text) for text in twice]
    if findings:
        raise InputRefusedError(findings)
    rows = []
    for number, row in enumerate(cells[head + 1 :], start=head + 2):
        if any(row):
            rows.append((number, {n: text for n, text in zip(names, row, strict=True) if n}))
    return rows


def _grid(cells: list[list[str]], head: int, left: int, name: str) -> Rows:
    letters = [well_name(row, 0)[:-1] for row in range(PLATE.rows)]
    body = cells[head + 1 : head + 1 + PLATE.rows]
    found = [row[left].upper() for row in body]
    if found != letters:
        message = f"the rows of the grid are {', '.join(found) or 'missing'}"
        raise InputRefusedError([Finding(message, name, head + 2, "", "write A to H beside it")])
    findings: list[Finding] = []
    rows: Rows = []
    for row, column, text in _wells(body, left):
        well, line = well_name(row, column), head + 2 + row
        if text in _CONTROLS:
            rows.append((line, {"well": well, "role": text}))
        elif match := _SERIES.fullmatch(text):
            slot, replicate, point = match.groups()
            role = "reference" if slot == "reference" else "test"
            rows.append((line, {"well": well, "role": role, "slot": slot, "point": point,
                                "replicate": replicate or "1"}))  # fmt: skip
        else:
            findings.append(Finding(f"{text!r} is not known", name, line, well, _GRID_FIX))
    if findings:
        raise InputRefusedError(findings)
    return rows


def _wells(body: list[list[str]], left: int) -> Iterator[tuple[int, int, str]]:
    """Row, column and text of every well that says something."""
    for row, texts in enumerate(body):
        for column, text in enumerate(texts[left + 1 : left + 1 + PLATE.columns]):
            if text and text != "empty":
                yield row, column, text
