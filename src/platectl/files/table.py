"""Tables that people and instruments write: CSV or a workbook, a line for each well or a plate as a grid.

Read strictly. A number is what Python and every spreadsheet agree on (`1234.5`, `1e-6`): a comma may
mean decimals or thousands, so it is refused. Separators are commas, semicolons or tabs, whichever the head
line has most of.
"""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.layout import PLATE
from platectl.domain.wells import well_name

Cells = tuple[str, ...]
_ZIP: Final = b"PK\x03\x04"
_LARGEST: Final = 256 * 1024 * 1024
_SEPARATORS: Final = ",;\t"
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_COMMA: Final = re.compile(r"[+-]?\d[\d.,'\s\u2009\u202f]*[,'\s\u2009\u202f][\d.,'\s\u2009\u202f]*", re.ASCII)  # fmt: skip
_NOT_FINITE: Final = {"nan", "inf", "infinity", "overflow", "ovrflw", "#num!"}
_ERRORS: Final = re.compile(r"#(N/A|DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!|SPILL!|CALC!)")
_WELL: Final = re.compile(r"([A-Za-z]{1,2})0?([1-9]\d?)", re.ASCII)
_GRID = tuple(str(column + 1) for column in range(PLATE.columns))
#: what openpyxl and zipfile raise on damaged workbooks
_DAMAGE: Final = (
    zipfile.BadZipFile, zlib.error, ParseError, LookupError, ValueError, TypeError, AttributeError,
    EOFError, NotImplementedError, RuntimeError, ArithmeticError, OSError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sheet:
    """Cells of a file with their lines; blank lines are left out.

    `cut_off` is the last line when it has no end, so that something may be missing there.
    """

    name: str
    rows: tuple[tuple[int, Cells], ...]
    cut_off: int | None = None

    def cautions(self) -> list[Finding]:
        """What has to be said beside any result of this file."""
        if self.cut_off is None:
            return []
        message = "the last line has no line end; the file may have been cut off there"
        return [Finding(message, self.name, self.cut_off, "", "compare it with the source",
                        severity="warning", code=Code.CUT_OFF)]  # fmt: skip


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        InputRefusedError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputRefusedError([Finding(message, str(path), code=Code.FILE_UNREADABLE)]) from error


def read_sheet(path: Path) -> Sheet:
    """Read a CSV, or the first sheet of a workbook; the content tells which it is.

    Raises:
        InputRefusedError: Neither, or damaged.
    """
    data = read_bytes(path)
    if data.startswith(_ZIP) or path.suffix.lower() == ".xlsx":
        return _workbook(data, str(path))
    return parse_sheet(decode(data, str(path)), name=str(path))


def decode(data: bytes, name: str) -> str:
    """Text of UTF-8, with or without a byte order mark, or of UTF-16 with one.

    Raises:
        InputRefusedError: Another encoding, or damage; names the line.
    """
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = None if wide else data.count(b"\n", 0, error.start) + 1
        raise _not_text(name, line) from error
    damage = re.search("[\x00-\x08\x0e-\x1f\ufffd]", text)
    if damage:
        raise _not_text(name, text.count("\n", 0, damage.start()) + 1)
    return text


def _not_text(name: str, line: int | None) -> InputRefusedError:
    fix = "export it again as CSV (UTF-8)"
    return InputRefusedError(
        [Finding("is not UTF-8 text", name, line, "", fix, code=Code.NOT_TEXT)]
    )


def parse_sheet(text: str, *, name: str) -> Sheet:
    """Cells of a CSV.

    Raises:
        InputRefusedError: Quotes that do not close, or text behind them.
    """
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = []
    try:
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            if any(cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        finding = Finding(f"not CSV: {error}", name, reader.line_num, "", "export it again",
                          code=Code.NOT_CSV)  # fmt: skip
        raise InputRefusedError([finding]) from error
    cut_off = rows[-1][0] if rows and not text.endswith(("\n", "\r")) else None
    return Sheet(name, tuple(rows), cut_off)


def _workbook(data: bytes, name: str) -> Sheet:
    """The first sheet as text."""
    from openpyxl import load_workbook  # heavy

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(part.file_size for part in archive.infolist()) > _LARGEST:
                raise ValueError("it unpacks to more than 256 MB")  # as other damage
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sheet = load_workbook(io.BytesIO(data), data_only=True).worksheets[0]
            values = [tuple(row) for row in sheet.iter_rows(values_only=True)]
    except _DAMAGE as error:
        finding = Finding(f"is no workbook: {error}", name, None, "", "save it as .xlsx",
                          code=Code.NOT_WORKBOOK)  # fmt: skip
        raise InputRefusedError([finding]) from error
    rows = [(n, tuple(map(_text, row))) for n, row in enumerate(values, start=1)]
    findings = [
        Finding(f"a cell says {text}", name, line, "", "correct the formula, or leave the cell empty",
                code=Code.CELL_ERROR)
        for line, cells in rows for text in cells if _ERRORS.fullmatch(text)
    ]  # fmt: skip
    if findings:
        raise InputRefusedError(findings)
    return Sheet(name, tuple((line, cells) for line, cells in rows if any(cells)))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a table by name, in lower case; with `exact` no line may be shorter than the head.

    `empty` says what a table without lines is.
    """

    names: Sequence[str]
    required: Sequence[str]
    empty: str
    exact: bool = False

    @property
    def fix(self) -> str:
        """What to write."""
        return f"use the columns {', '.join(self.names)}"


def records(sheet: Sheet, columns: Columns) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines below the head as cells by column; cells that a line lacks are empty.

    Raises:
        InputRefusedError: Columns missing, unknown or twice, lines that do not fit; every finding.
    """
    at, head = next(iter(sheet.rows), (1, ()))
    names = [cell.casefold() for cell in head]
    while names and not names[-1]:
        names.pop()
    findings = _head_findings(sheet.name, at, names, columns)
    if not findings and len(sheet.rows) == 1:
        fix = "write one line for each"
        findings.append(Finding(columns.empty, sheet.name, at, "", fix, code=Code.NO_ROWS))  # fmt: skip
    for line, cells in sheet.rows[1:] if not findings else ():
        long = any(cells[len(names) :])
        if long or (columns.exact and len(cells) < len(names)):
            message = (
                "has more cells than columns" if long else
                f"has {len(cells)} cells, and the head has {len(names)}"
            )  # fmt: skip
            fix = "quote commas" if long else "write the line whole"
            findings.append(Finding(message, sheet.name, line, cells[0], fix, code=Code.ROW_LENGTH))
    if findings:
        raise InputRefusedError(findings)
    return (
        (line, {n: cell for n, cell in zip_longest(names, cells[: len(names)], fillvalue="") if n})
        for line, cells in sheet.rows[1:]
    )


def _head_findings(file: str, at: int, names: Sequence[str], columns: Columns) -> list[Finding]:
    found = [Finding(f"column {c!r} is missing", file, at, c, columns.fix, code=Code.COLUMN_MISSING)
             for c in columns.required if c not in names]  # fmt: skip
    found += [Finding(f"column {c!r} is not known", file, at, c, columns.fix, code=Code.COLUMN_UNKNOWN)
              for c in names if c not in columns.names]  # fmt: skip
    found += [Finding(f"column {c!r} is there twice", file, at, c, "keep one", code=Code.COLUMN_TWICE)
              for c in columns.names if names.count(c) > 1]  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class Grid:
    """A plate as it lies: (line, well, text) of every well that says something.

    `title` is what stands in the corner and in the lines above.
    """

    title: str
    line: int
    wells: tuple[tuple[int, str, str], ...]


def grid_of(sheet: Sheet) -> Grid | None:
    """The one grid of columns 1 to 12 and rows A to H, wherever it stands; None without such columns.

    Raises:
        InputRefusedError: Rows of other letters, or a second grid.
    """
    corners = [(number, left) for number, (_, cells) in enumerate(sheet.rows)
               for left in range(len(cells) - PLATE.columns)
               if cells[left + 1 : left + 1 + PLATE.columns] == _GRID]  # fmt: skip
    if not corners:
        return None
    (head, left), *more = corners
    if more:
        finding = Finding("holds two grids", sheet.name, sheet.rows[more[0][0]][0], "", "keep one",
                          code=Code.COLUMN_TWICE)  # fmt: skip
        raise InputRefusedError([finding])
    body = sheet.rows[head + 1 : head + 1 + PLATE.rows]
    letters = [cells[left].upper() if left < len(cells) else "" for _, cells in body]
    at = sheet.rows[head][0]
    if letters != [well_name(row, 0)[:-1] for row in range(PLATE.rows)]:
        message = f"the rows of the grid are {', '.join(letters) or 'missing'}"
        finding = Finding(message, sheet.name, at + 1, "", "write A to H beside it", code=Code.GRID_ROWS)  # fmt: skip
        raise InputRefusedError([finding])
    if beyond := [line for line, cells in body if any(cells[left + 1 + PLATE.columns :])]:
        finding = Finding("has cells beside the grid", sheet.name, beyond[0], "", "move them away",
                          code=Code.ROW_LENGTH)  # fmt: skip
        raise InputRefusedError([finding])
    title = " ".join(c for _, cells in (*sheet.rows[:head], (at, sheet.rows[head][1][: left + 1])) for c in cells if c)  # fmt: skip
    wells = tuple(
        (line, well_name(row, column), text)
        for row, (line, cells) in enumerate(body)
        for column, text in enumerate(cells[left + 1 : left + 1 + PLATE.columns])
        if text
    )
    return Grid(title, at, wells)


def parse_well_cell(text: str) -> str:
    """A well of a 96-well plate; `a1` and `A01` are A1.

    Raises:
        UserInputError: No well, or not of this plate.
    """
    match = _WELL.fullmatch(text.strip())
    if not match:
        message = f"{text!r} is not a well; write a row letter and a column, like A1 or H12"
        raise UserInputError(message, code=Code.NOT_A_WELL)
    well = f"{match[1].upper()}{match[2]}"
    try:
        PLATE.index(well)
    except UserInputError as error:
        raise UserInputError(f"{error}; use a well of it", code=Code.WELL_OUTSIDE) from None
    return well


def parse_number(text: str, what: str) -> float:
    """A finite number.

    Raises:
        UserInputError: Empty, text, with commas or blanks, or not finite.
    """
    if not text:
        raise UserInputError(f"{what} is empty; write a number", code=Code.NUMBER_MISSING)
    if _NUMBER.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return value
    elif text.lstrip("+-").casefold() not in _NOT_FINITE:
        ambiguous = _COMMA.fullmatch(text)
        why = "may mean decimals or thousands" if ambiguous else "is not a number"
        code = Code.NUMBER_COMMA if ambiguous else Code.NOT_A_NUMBER
        raise UserInputError(f"{what} {text!r} {why}; write it like 1234.5", code=code)
    raise UserInputError(
        f"{what} {text!r} cannot be; write a finite number or leave the line out",
        code=Code.NOT_FINITE,
    )


def parse_amount(text: str, what: str) -> float:
    """A finite number of zero or more.

    Raises:
        UserInputError: As `parse_number`, or below zero.
    """
    value = parse_number(text, what)
    if value < 0:
        raise UserInputError(
            f"{what} {text!r} cannot be; write a number of zero or more", code=Code.COUNT_NEGATIVE
        )
    return value
