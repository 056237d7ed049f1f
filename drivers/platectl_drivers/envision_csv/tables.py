"""Tables of raw results in the exports of EnVision Workstation and Kaleido, read strictly."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from platectl.domain.errors import ForeignExportError, MalformedReplyError
from platectl.hal.reading import Mode
from platectl.transport.codec import number
from platectl.transport.drop_watch import Look

ENVISION_END: Final = "Exported with EnVision Workstation version"
KALEIDO_BEGIN, KALEIDO_END = "EnSight Results from", "Exported with Kaleido"
PLATE_HEAD: Final = "Plate information"
UNITS: Final[dict[str, Mode]] = {
    "CPS": "luminescence", "A": "absorbance", "OD": "absorbance", "Counts": "fluorescence",
    "RFU": "fluorescence",
}  # fmt: skip
KALEIDO_MODES: Final[dict[str, Mode]] = {
    "Luminescence": "luminescence", "Absorbance": "absorbance", "Fluorescence intensity": "fluorescence",
}  # fmt: skip
ENVISION_TIME, KALEIDO_TIMES = "%m/%d/%Y %I:%M:%S %p", ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M")
#: rows of letters and numbers of columns that a table may have
FORMATS: Final = {24: 6, 96: 12, 384: 24, 1536: 48}
_RESULTS: Final = re.compile(r"Results for (.+)\(\d+\) - (channel \d+(?: window \d+)?) \((\w+)\)")
_KALEIDO: Final = re.compile(r"Result for (.+) (\d+)")
_FORMULA: Final = re.compile(r'="(.*)"')
_ROW: Final = re.compile(r"[A-Z]|A[A-F]")
_DECIMAL: Final = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Table:
    """Raw results of one plate: values by well; `integration_s` is None where none is stated."""

    barcode: str
    label: str
    mode: Mode
    unit: str
    values: dict[str, float]
    ended_at: str
    temperature_c: float | None
    integration_s: float | None
    source: str


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    number: int
    cells: tuple[str, ...]

    def error(self, what: str) -> MalformedReplyError:
        return MalformedReplyError(f"{self.name}:{self.number}: {what}")

    @property
    def first(self) -> str:
        return self.cells[0].strip() if self.cells else ""

    @property
    def blank(self) -> bool:
        return not any(cell.strip() for cell in self.cells)


def look(data: bytes, wells: Collection[str] | None = None) -> Look:
    """Say how far a file has grown; whole is one that ends with who exported it.

    With `wells` only plates count of which just these were read.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    begun = text.lstrip()[: max(len(PLATE_HEAD), len(KALEIDO_BEGIN))]
    heads = (PLATE_HEAD, KALEIDO_BEGIN)
    if begun and not any(begun.startswith(h) or h.startswith(begun) for h in heads):
        return Look(
            None, whole=False, said="", wrong=f"begins with {begun!r}, as no such export does"
        )
    last = text.rstrip(", \r\n").rpartition("\n")[2]
    whole = last.startswith((ENVISION_END, KALEIDO_END)) and text.endswith("\n")
    if not whole:
        return Look(None, whole=False, said=f"has {text.count(chr(10))} lines and no end")
    try:
        tables = parse_export(data, "file")
    except MalformedReplyError as error:
        return Look(None, whole=False, said="is damaged", wrong=str(error))
    of_wells = [t.barcode for t in tables if wells is None or t.values.keys() == set(wells)]
    said = "is whole" if of_wells else "of other wells"
    return Look(tuple(dict.fromkeys(of_wells)), whole=True, said=said)


def parse_export(data: bytes, name: str) -> tuple[Table, ...]:
    """Read all tables of raw results of a whole export.

    Raises:
        ForeignExportError: Neither of the two formats.
        MalformedReplyError: Not whole, or damaged; names file and line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ForeignExportError(f"{name} is not UTF-8 text: {error}") from error
    try:
        rows = [
            _Row(name, n, tuple(cells))
            for n, cells in enumerate(csv.reader(text.splitlines(), strict=True), start=1)
        ]
    except csv.Error as error:
        raise ForeignExportError(f"{name}: not CSV: {error}") from error
    kept = [row for row in rows if not row.blank]
    if not kept:
        raise ForeignExportError(f"{name} is empty")
    ends = {PLATE_HEAD: ENVISION_END, KALEIDO_BEGIN: KALEIDO_END}
    end = ends.get(kept[0].first)
    if end is None:
        begins = f"{kept[0].first[:40]!r} begins no export of EnVision or Kaleido"
        raise ForeignExportError(f"{name}:{kept[0].number}: {begins}")
    if not kept[-1].first.startswith(end):
        raise kept[-1].error(f"not whole: the last line does not begin with {end!r}")
    read = _kaleido if end == KALEIDO_END else _envision
    tables = tuple(read(rows, name))
    if not tables:
        raise MalformedReplyError(f"{name} holds no raw results")
    return tables


# EnVision ---------------------------------------------------------------------------------------
def _envision(rows: Sequence[_Row], name: str) -> Iterator[Table]:
    plate: dict[str, str] | None = None
    background: list[dict[str, str]] = []
    for index, row in enumerate(rows):
        if row.first == PLATE_HEAD:
            plate, background = next(iter(_records(rows, index + 1)), None), []
        elif row.first == "Background information":
            background = _records(rows, index + 1)
        match = _RESULTS.fullmatch(row.cells[0]) if row.cells else None
        if row.first.startswith("Results for") and not match:
            raise row.error(f"{row.first[:60]!r} names no label, channel and unit")
        if not match:
            continue
        label, channel, unit = match.groups()
        if unit not in UNITS:
            raise row.error(f"the unit is {unit!r}; known are {', '.join(UNITS)}")
        if plate is None:
            raise row.error("results without information about their plate")
        yield Table(
            _barcode(plate, row), f"{label}, {channel}", UNITS[unit], unit, _matrix(rows, index + 1),
            _time(plate["Measurement date"], (ENVISION_TIME,), row), _stated(plate, "Chamber temperature at end"),
            _integration_s(background, label) if unit == "CPS" else None, f"{name}:{row.number}",
        )  # fmt: skip


def _records(rows: Sequence[_Row], index: int) -> list[dict[str, str]]:
    """The lines below a line of headings up to the next blank one, by heading."""
    heads, found = rows[index], list[dict[str, str]]()
    for row in rows[index + 1 :]:
        if row.blank:
            break
        if len(heads.cells) != len(row.cells):
            raise row.error(f"{len(row.cells)} cells below {len(heads.cells)} headings")
        found.append({heads.cells[n].strip(): cell.strip() for n, cell in enumerate(row.cells)})
    return found


def _integration_s(background: Sequence[dict[str, str]], label: str) -> float | None:
    """The time that the background of a label states, where it states one."""
    times = {_stated(about, "Flashes/Time") for about in background if about.get("Label") == label}
    return times.pop() if len(times) == 1 else None


def _barcode(plate: dict[str, str], row: _Row) -> str:
    if not {"Barcode", "Measurement date"} <= plate.keys():
        raise row.error("the information about the plate has no bar-code or no date")
    match = _FORMULA.fullmatch(plate["Barcode"])
    return match[1].strip('"') if match else plate["Barcode"]


def _stated(about: dict[str, str], heading: str) -> float | None:
    """A number, None where the file states none (N/A)."""
    field = about.get(heading, "N/A")
    return float(field) if _DECIMAL.fullmatch(field) else None


# Kaleido ----------------------------------------------------------------------------------------
def _kaleido(rows: Sequence[_Row], name: str) -> Iterator[Table]:
    finished = next((r for r in rows if r.first == "Measurement Finished"), None)
    if finished is None or len(finished.cells) < 3:  # noqa: PLR2004  # name, nothing, value
        raise MalformedReplyError(f"{name} does not say when the measurement finished")
    ended_at = _time(finished.cells[2].strip(), KALEIDO_TIMES, finished)
    for index, row in enumerate(rows):
        match = _KALEIDO.fullmatch(row.first)
        if not match:
            continue
        operation = f"{match[1]} {match[2]}"
        if match[1] not in KALEIDO_MODES:
            raise row.error(f"{match[1]!r} is none of {', '.join(KALEIDO_MODES)}")
        about = next(iter(_records(rows, index + 1)), {})
        mode = KALEIDO_MODES[match[1]]
        at = next(i for i in range(index + 3, len(rows)) if not rows[i].blank)
        yield Table(
            about.get("Barcode", ""), operation, mode, "CPS" if mode == "luminescence" else "",
            _matrix(rows, at), ended_at, None, _measured_s(rows, operation), f"{name}:{row.number}",
        )  # fmt: skip


def _measured_s(rows: Sequence[_Row], operation: str) -> float | None:
    """The measurement time in the details of one operation."""
    here = False
    for row in rows:
        if row.first == "Operation":
            here = operation in row.cells
        elif here and row.first == "Measurement Time [s]":
            return number(row.cells[3].strip()) if len(row.cells) > 3 else None  # noqa: PLR2004
    return None


# Both -------------------------------------------------------------------------------------------
def _matrix(rows: Sequence[_Row], index: int) -> dict[str, float]:
    """Values by well: numbers of columns, then a letter and a value for each; empty for a well not read."""
    head = rows[index]
    numbers = [cell.strip() for cell in head.cells[1:]]
    numbers = numbers[:-1] if numbers and not numbers[-1] else numbers
    if head.first or [int(n) for n in numbers if n.isdecimal()] != list(range(1, len(numbers) + 1)):
        raise head.error("no line of column numbers")
    if len(numbers) not in FORMATS.values():
        raise head.error(f"{len(numbers)} columns, as no plate has")
    values: dict[str, float] = {}
    letters: list[str] = []
    for row in rows[index + 1 :]:
        if row.blank:
            break
        if not _ROW.fullmatch(row.first) or row.first in letters:
            raise row.error(f"{row.first[:20]!r} is no further row of the plate")
        letters.append(row.first)
        cells = row.cells[1:]
        trailing = cells[len(numbers) :]
        if len(row.cells) != len(head.cells) or any(cell.strip() for cell in trailing):
            raise row.error(f"{len(cells)} cells in a row of {len(numbers)} columns")
        for column, cell in enumerate(cells[: len(numbers)], start=1):
            if cell.strip():
                values[f"{row.first}{column}"] = _value(cell.strip(), row)
    if not values:
        raise head.error("no values below")
    return values


def _value(cell: str, row: _Row) -> float:
    try:
        return number(cell)
    except MalformedReplyError as error:
        raise row.error(str(error)) from error


def _time(field: str, forms: Sequence[str], row: _Row) -> str:
    for form in forms:
        try:
            return datetime.strptime(field, form).isoformat()  # noqa: DTZ007  # the files state no zone
        except ValueError:
            continue
    raise row.error(f"{field[:30]!r} is no date and time")
