"""Runs as Excel workbooks: typed cells, units in the heads, a dictionary; read back exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from platectl.domain.findings import Finding, InputRefusedError
from platectl.report.exports.columns import NUMBER, TEXT, TEXTS, TRUTH, WHOLE
from platectl.report.exports.model import Column, Table
from platectl.report.values import Row

DICTIONARY = "dictionary"
_HEAD = ("sheet", "column", "head", "unit", "kind", "missing", "meaning")
_LONGEST = 32767  # characters of a cell
_MOST_ROWS = 1_048_576
_WIDEST = 60
_AWKWARD = re.compile(r'^["\[]|[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]')


def write_excel(path: Path, tables: Sequence[Table]) -> None:
    """Write tables as the sheets of a workbook, and a sheet that says what the columns are.

    Numbers keep all their digits, lists have a line for each item, text never becomes a formula.
    Text that a cell cannot hold is written as a JSON string.

    Raises:
        InputRefusedError: More rows or a longer text than Excel takes; nothing is cut off.
        OSError: The file cannot be written.
    """
    from openpyxl import Workbook  # heavy

    book = Workbook()
    book.remove(book.active)
    for table in tables:
        if len(table.rows) >= _MOST_ROWS:
            message = f"{len(table.rows)} rows do not go onto a sheet of Excel"
            raise InputRefusedError([Finding(message, table.name, fix="use json or parquet")])
        sheet = book.create_sheet(table.name)
        _head(sheet, [column.head for column in table.columns])
        for number, row in enumerate(table.rows, start=2):
            for place, column in enumerate(table.columns, start=1):
                _put(
                    sheet, number, place, _cell(column, row[column.name], f"{table.name}:{number}")
                )
    _dictionary(book.create_sheet(DICTIONARY), tables)
    book.save(path)


def read_excel(path: Path) -> list[Table]:
    """Read the tables of a workbook that `write_excel` wrote.

    Raises:
        InputRefusedError: No such workbook, or cells that its dictionary does not allow.
    """
    from openpyxl import load_workbook  # heavy
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, data_only=True)
    except (OSError, BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        fix = "give a workbook of platectl export"
        raise InputRefusedError(
            [Finding(f"is no workbook: {error}", str(path), fix=fix)]
        ) from error
    if DICTIONARY not in book.sheetnames:
        fix = "give a workbook of platectl export"
        raise InputRefusedError([Finding("has no sheet 'dictionary'", str(path), fix=fix)])
    findings: list[Finding] = []
    tables = []
    columns: dict[str, list[Column]] = {n: [] for n in book.sheetnames if n != DICTIONARY}
    for sheet, name, _, unit, kind, missing, meaning in _cells(book[DICTIONARY], len(_HEAD)):
        column = Column(str(name), str(kind), unit or "", meaning or "", nullable=missing == "none")
        if sheet not in columns:
            findings.append(Finding(f"has no sheet {sheet!r}", str(path)))
        columns.setdefault(str(sheet), []).append(column)
    for name, known in columns.items():
        if name in book.sheetnames:
            tables.append(_table(book[name], name, known, findings, str(path)))
    if findings:
        raise InputRefusedError(findings)
    return tables


def _head(sheet: Any, names: Sequence[str]) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    for place, name in enumerate(names, start=1):
        _put(sheet, 1, place, name)
        sheet.cell(1, place).font = Font(bold=True)
        width = min(_WIDEST, max(10, len(name) + 2))
        sheet.column_dimensions[get_column_letter(place)].width = width
    sheet.freeze_panes = "A2"


def _put(sheet: Any, row: int, place: int, value: Any) -> None:
    """Set a cell: openpyxl would round numbers to 16 digits and take "=…" for a formula."""
    if value is None or value == "":
        return
    cell = sheet.cell(row, place)
    if isinstance(value, (bool, str)):
        cell.value = value
        cell.data_type = "b" if isinstance(value, bool) else "s"
    else:
        cell.value = repr(value)
        cell.data_type = "n"


def _cell(column: Column, value: Any, place: str) -> Any:
    if value is None or not isinstance(value, (str, list, tuple)):
        return value
    text = _text(value, nullable=column.nullable) if isinstance(value, str) else _lines(value)
    if len(text) > _LONGEST:
        message = f"{len(text)} characters do not go into a cell of Excel"
        raise InputRefusedError([Finding(message, place, None, column.name, "use json or parquet")])
    return text


def _text(text: str, *, nullable: bool) -> str:
    """The text, or a JSON string where a cell would not give it back."""
    return json.dumps(text) if _AWKWARD.search(text) or (not text and nullable) else text


def _lines(texts: Sequence[str]) -> str:
    """A line for each text, or a JSON array where lines would not give them back."""
    text = "\n".join(texts)
    awkward = _AWKWARD.search(text) or any(not item or "\n" in item for item in texts)
    return json.dumps(list(texts)) if awkward else text


def _dictionary(sheet: Any, tables: Sequence[Table]) -> None:
    _head(sheet, _HEAD)
    lines = [
        (table.name, c.name, c.head, c.unit, c.kind, "none" if c.nullable else "empty", c.meaning)
        for table in tables
        for c in table.columns
    ]
    for number, line in enumerate(lines, start=2):
        for place, text in enumerate(line, start=1):
            _put(sheet, number, place, text)


def _cells(sheet: Any, width: int) -> Iterator[tuple[Any, ...]]:
    """Rows below the head, each as wide as asked for."""
    for row in sheet.iter_rows(min_row=2, max_col=width, values_only=True):
        yield tuple(row) + (None,) * (width - len(row))


def _table(
    sheet: Any, name: str, columns: Sequence[Column], findings: list[Finding], file: str
) -> Table:
    heads = [cell.value for cell in sheet[1]] if sheet.max_row else []
    wanted = [column.head for column in columns]
    if heads[: len(wanted)] != wanted:
        lost = [head for head in wanted if head not in heads] or wanted
        message = f"columns {', '.join(lost)} are not where the dictionary says"
        findings.append(Finding(message, file, 1, name, "leave the heads as they were written"))
        return Table(name, tuple(columns), ())
    rows: list[Row] = []
    for number, cells in enumerate(_cells(sheet, len(columns)), start=2):
        row: Row = {}
        for column, cell in zip(columns, cells, strict=True):
            try:
                row[column.name] = _value(column, cell)
            except (TypeError, ValueError):
                message = f"{cell!r} is no {column.kind}"
                findings.append(Finding(message, file, number, f"{name}: {column.head}"))
        rows.append(row)
    return Table(name, tuple(columns), tuple(rows))


def _value(column: Column, cell: Any) -> Any:
    """The value of a cell.

    Raises:
        ValueError: It is not of the kind of its column.
    """
    kind = column.kind
    if cell is None:
        empty: dict[str, Any] = {TEXTS: [], TEXT: None if column.nullable else ""}
        return empty.get(kind)
    if isinstance(cell, str) and kind in {TEXT, TEXTS}:
        if kind == TEXTS:
            return json.loads(cell) if cell.startswith("[") else cell.split("\n")
        return json.loads(cell) if cell.startswith('"') else cell
    if isinstance(cell, bool) is (kind == TRUTH):
        if kind == NUMBER and isinstance(cell, (int, float)):
            return float(cell)
        if isinstance(cell, int) and kind in {WHOLE, TRUTH}:
            return cell
    raise ValueError(kind)
