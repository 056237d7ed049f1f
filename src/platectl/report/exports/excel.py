"""Runs as Excel workbooks: typed cells, units in the heads, a dictionary; read back exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from platectl.domain.codes import Code
from platectl.domain.findings import Finding, InputRefusedError
from platectl.report.exports.columns import NUMBER, TEXT, TEXTS, TRUTH, WHOLE
from platectl.report.exports.model import Column, Table
from platectl.report.values import Row

DICTIONARY = "dictionary"
_HEAD = ("sheet", "column", "head", "unit", "kind", "missing", "meaning")
_LONGEST = 32767  # characters of a cell
_MOST_ROWS = 1_048_576
_WIDEST = 60
_AWKWARD = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def write_excel(path: Path, tables: Sequence[Table]) -> None:
    """Write tables as the sheets of a workbook, and a sheet that says what the columns are.

    Numbers keep all their digits, lists have a line for each item, text never becomes a formula.
    Text that a cell cannot hold is written as a JSON string.

    Raises:
        InputRefusedError: More rows or a longer text than Excel takes; nothing is cut off.
        OSError: The file cannot be written.
    """
    from openpyxl import Workbook  # heavy

    contents = [_contents(table) for table in tables]
    book = Workbook(write_only=True)
    for table, rows in zip(tables, contents, strict=True):
        _sheet(book, table.name, [column.head for column in table.columns], rows)
    _sheet(book, DICTIONARY, _HEAD, _dictionary(tables))
    book.save(path)


def read_excel(path: Path) -> list[Table]:
    """Read the tables of a workbook that `write_excel` wrote.

    Raises:
        InputRefusedError: No such workbook, or cells that its dictionary does not allow.
    """
    from openpyxl import load_workbook  # heavy
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (OSError, BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        fix = "give a workbook of platectl export"
        raise InputRefusedError(
            [Finding(f"is no workbook: {error}", str(path), fix=fix, code=Code.NOT_WORKBOOK)]
        ) from error
    with closing(book):
        return _tables(book, str(path))


def _tables(book: Any, file: str) -> list[Table]:
    """Tables of a workbook as its dictionary describes them.

    Raises:
        InputRefusedError: With all findings.
    """
    if DICTIONARY not in book.sheetnames:
        fix = "give a workbook of platectl export"
        raise InputRefusedError(
            [Finding("has no sheet 'dictionary'", file, fix=fix, code=Code.EXPORT_DAMAGED)]
        )
    findings: list[Finding] = []
    columns: dict[str, list[Column]] = {n: [] for n in book.sheetnames if n != DICTIONARY}
    for sheet, name, _, unit, kind, missing, meaning in _cells(book[DICTIONARY], len(_HEAD)):
        column = Column(str(name), str(kind), unit or "", meaning or "", nullable=missing == "none")
        columns.setdefault(str(sheet), []).append(column)
    lost = [name for name in columns if name not in book.sheetnames]
    findings += [Finding(f"has no sheet {name!r}", file, code=Code.EXPORT_DAMAGED) for name in lost]
    tables = [
        _table(book[name], name, known, findings, file)
        for name, known in columns.items()
        if name not in lost
    ]
    if findings:
        raise InputRefusedError(findings)
    return tables


def _sheet(book: Any, title: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for place, name in enumerate(names, start=1):
        width = min(_WIDEST, max(10, len(name) + 2))
        sheet.column_dimensions[get_column_letter(place)].width = width
    heads = [_cell(sheet, name) for name in names]
    for head in heads:
        head.font = Font(bold=True)
    sheet.append(heads)
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    sheet.close()


def _cell(sheet: Any, value: Any) -> Any:
    """A cell: openpyxl would round numbers to 16 digits and take "=…" for a formula."""
    from openpyxl.cell import WriteOnlyCell

    if value is None or value == "":
        return None
    if isinstance(value, (bool, str)):
        cell = WriteOnlyCell(sheet, value)
        cell.data_type = "b" if isinstance(value, bool) else "s"
    else:
        cell = WriteOnlyCell(sheet, repr(value))
        cell.data_type = "n"
    return cell


def _contents(table: Table) -> list[list[Any]]:
    """What stands in the cells of a table.

    Raises:
        InputRefusedError: More than Excel takes.
    """
    if len(table.rows) >= _MOST_ROWS:
        message = f"{len(table.rows)} rows do not go onto a sheet of Excel"
        raise InputRefusedError([Finding(message, table.name, fix="use json or parquet")])
    return [
        [_content(c, row[c.name], f"{table.name}:{number}") for c in table.columns]
        for number, row in enumerate(table.rows, start=2)
    ]


def _content(column: Column, value: Any, place: str) -> Any:
    if value is None or not isinstance(value, (str, list, tuple)):
        return value
    text = _text(value, nullable=column.nullable) if isinstance(value, str) else _lines(value)
    if len(text) > _LONGEST:
        message = f"{len(text)} characters do not go into a cell of Excel"
        raise InputRefusedError([Finding(message, place, None, column.name, "use json or parquet")])
    return text


def _text(text: str, *, nullable: bool) -> str:
    """The text, or a JSON string where a cell would not give it back."""
    awkward = text.startswith('"') or _AWKWARD.search(text) or (not text and nullable)
    return json.dumps(text) if awkward else text


def _lines(texts: Sequence[str]) -> str:
    """A line for each text, or a JSON array where lines would not give them back."""
    text = "\n".join(texts)
    awkward = (
        text.startswith("[")
        or _AWKWARD.search(text)
        or any(not item or "\n" in item for item in texts)
    )
    return json.dumps(list(texts)) if awkward else text


def _dictionary(tables: Sequence[Table]) -> Iterator[tuple[str, ...]]:
    for table in tables:
        for c in table.columns:
            missing = "none" if c.nullable else "empty"
            yield table.name, c.name, c.head, c.unit, c.kind, missing, c.meaning


def _cells(sheet: Any, width: int) -> Iterator[tuple[Any, ...]]:
    """Rows below the head, each as wide as asked for."""
    for row in sheet.iter_rows(min_row=2, max_col=width, values_only=True):
        yield tuple(row) + (None,) * (width - len(row))


def _table(
    sheet: Any, name: str, columns: Sequence[Column], findings: list[Finding], file: str
) -> Table:
    heads = list(next(sheet.iter_rows(max_row=1, values_only=True), ()))
    wanted = [column.head for column in columns]
    if heads[: len(wanted)] != wanted:
        lost = [head for head in wanted if head not in heads] or wanted
        message = f"columns {', '.join(lost)} are not where the dictionary says"
        findings.append(
            Finding(
                message,
                file,
                1,
                name,
                "leave the heads as they were written",
                code=Code.EXPORT_DAMAGED,
            )
        )
        return Table(name, tuple(columns), ())
    rows: list[Row] = []
    for number, cells in enumerate(_cells(sheet, len(columns)), start=2):
        row: Row = {}
        for column, cell in zip(columns, cells, strict=True):
            try:
                row[column.name] = _value(column, cell)
            except (TypeError, ValueError):
                message = f"{cell!r} is no {column.kind}"
                findings.append(
                    Finding(
                        message, file, number, f"{name}: {column.head}", code=Code.EXPORT_DAMAGED
                    )
                )
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
