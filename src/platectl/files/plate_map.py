"""User plate maps: a table, a grid or a YAML file that says what every well is.

A long map has a line for each well. A grid has the column numbers 1 to 12 above it and the row
letters A to H beside it, wherever it stands. Its cells say a control, or a series as `test1.2/5`: slot,
replicate and point; without the replicate it is the first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.layout import ControlRole, Layout
from platectl.files.table import Columns, Sheet, grid_of, parse_well_cell, read_sheet, records
from platectl.files.yaml_lines import findings_of, read_yaml

COLUMNS = Columns(
    ("well", "role", "slot", "point", "replicate"), ("well", "role"), "holds no wells"
)
CONTROLS: tuple[str, ...] = get_args(ControlRole)
_ROLES = ("test", "reference", *CONTROLS, "empty")
_SERIES = re.compile(r"(reference|test[1-9]\d?)(?:\.([1-9]\d?))?/([1-9]\d?)")
_SLOT = re.compile(r"test[1-9]\d?")
_GRID_FIX = "write a control like total, or a series like test1.2/5 (slot, replicate, point)"
_TABLES = {".csv", ".tsv", ".txt", ".xlsx"}


def load_layout(path: Path) -> Layout:
    """Read a layout: YAML with `series` and `controls`, or a table (.csv, .xlsx), long or as a grid.

    Columns of a long map: well, role (test, reference, a control such as total, or empty), slot
    (`test1`, …; empty for controls), point (1 is the highest concentration) and replicate.

    Raises:
        InputRefusedError: With all findings.
    """
    if path.suffix.lower() in _TABLES:
        return layout_of(read_sheet(path))
    document = read_yaml(path)
    try:
        return Layout.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error


def layout_of(sheet: Sheet) -> Layout:
    """The layout that a table says.

    Raises:
        InputRefusedError: With all findings.
    """
    findings: list[Finding] = []
    series: dict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    controls: dict[str, list[str]] = defaultdict(list)
    seen: dict[str, int] = {}
    for line, row in _lines(sheet):
        try:
            well = _row(row, series, controls)
        except UserInputError as error:
            findings.append(Finding.of(error, sheet.name, line, row["well"]))
            continue
        if well in seen:
            message = f"well {well} is on line {seen[well]} too"
            findings.append(Finding(message, sheet.name, line, well, "give each well one meaning",
                                    code=Code.WELL_TWICE))  # fmt: skip
        seen.setdefault(well, line)
    findings += _gaps(sheet.name, series) if not findings else []
    if not seen and not findings:
        fix = "write what each well is"
        findings.append(Finding("the map says nothing", sheet.name, 1, "", fix, code=Code.NO_ROWS))
    if findings:
        raise InputRefusedError(findings)
    return Layout.model_validate({
        "series": [{"slot": slot, "replicate": replicate, "wells": [points[k] for k in sorted(points)]}
                   for (slot, replicate), points in series.items()],
        "controls": [{"role": role, "wells": wells} for role, wells in controls.items()],
    })  # fmt: skip


def _lines(sheet: Sheet) -> list[tuple[int, dict[str, str]]]:
    grid = grid_of(sheet)
    if grid is None:
        if not sheet.rows or not {"well", "role"} & {c.casefold() for c in sheet.rows[0][1]}:
            fix = f"{COLUMNS.fix}, or a grid of columns 1 to 12 and rows A to H"
            finding = Finding("holds no plate map", sheet.name, 1, "", fix, code=Code.NOT_A_TABLE)
            raise InputRefusedError([finding])
        return list(records(sheet, COLUMNS))
    findings: list[Finding] = []
    rows = []
    for line, well, cell in grid.wells:
        text = cell.casefold()
        if text in CONTROLS or text == "empty":
            rows.append((line, {"well": well, "role": text}))
        elif match := _SERIES.fullmatch(text):
            slot, replicate, point = match.groups()
            role = "reference" if slot == "reference" else "test"
            rows.append((line, {"well": well, "role": role, "slot": slot, "point": point,
                                "replicate": replicate or "1"}))  # fmt: skip
        else:
            message = f"{cell!r} is not known"
            findings.append(
                Finding(message, sheet.name, line, well, _GRID_FIX, code=Code.CELL_UNKNOWN)
            )
    if findings:
        raise InputRefusedError(findings)
    return rows


def _row(
    row: Mapping[str, str],
    series: dict[tuple[str, int], dict[int, str]],
    controls: dict[str, list[str]],
) -> str:
    """Take in one well; gives its name."""
    well, role = parse_well_cell(row["well"]), row["role"].casefold()
    if role == "empty":
        return well
    if role in CONTROLS:
        controls[role].append(well)
        return well
    if role not in _ROLES:
        message = f"role {row['role']!r} is not known; use {', '.join(_ROLES)}"
        raise UserInputError(message, code=Code.ROLE_UNKNOWN)
    slot = row.get("slot", "").casefold() or ("reference" if role == "reference" else "")
    if not slot:
        raise UserInputError("slot is missing; write test1, test2, …", code=Code.SLOT_MISSING)
    if not (slot == "reference" if role == "reference" else _SLOT.fullmatch(slot)):
        message = f"slot {slot!r} is none of a {role} well; write test1, test2, …"
        raise UserInputError(message, code=Code.SLOT_UNKNOWN)
    point = _ordinal(row.get("point", ""), "point", "1 is the highest concentration")
    replicate = _ordinal(row.get("replicate", "") or "1", "replicate", "write 1, 2, 3, …")
    points = series[slot, replicate]
    if point in points:
        message = f"point {point} of {slot} replicate {replicate} is there twice; number replicates"
        raise UserInputError(message, code=Code.POINT_TWICE)
    points[point] = well
    return well


def _ordinal(text: str, what: str, fix: str) -> int:
    if not text:
        raise UserInputError(f"{what} is missing; {fix}", code=Code.NUMBER_MISSING)
    if not re.fullmatch(r"[1-9]\d?", text, re.ASCII):
        message = f"{what} {text!r} is no whole number from 1 to 99; {fix}"
        raise UserInputError(message, code=Code.NOT_A_NUMBER)
    return int(text)


def _gaps(name: str, series: Mapping[tuple[str, int], Iterable[int]]) -> list[Finding]:
    """Series with points left out: those behind a gap would be taken for more concentrated ones."""
    found = []
    for (slot, replicate), points in series.items():
        absent = sorted(set(range(1, max(points) + 1)) - set(points))
        if absent:
            message = f"{slot} replicate {replicate} lacks point {', '.join(map(str, absent))}"
            fix = "number the points 1, 2, 3, … and leave a lost well out of the counts instead"
            found.append(Finding(message, name, None, f"{slot}.{replicate}", fix, code=Code.POINT_MISSING))  # fmt: skip
    return found
