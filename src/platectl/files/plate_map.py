"""User plate maps: a CSV, Excel or YAML file that says what every well is."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.layout import PLATE, Layout
from platectl.files.plate_sheet import read_plate_sheet
from platectl.files.yaml_lines import findings_of, read_yaml

COLUMNS = ("well", "role", "slot", "point", "replicate")


def load_layout(path: Path) -> Layout:
    """Read a layout: YAML with `series` and `controls`, CSV with one well a line, or a workbook.

    CSV columns: well, role (test, reference, total, nsb, blank), slot (`test1`, …; empty for
    controls), point (1 is the highest concentration) and replicate. A workbook (.xlsx) has the
    same columns on its first sheet, or the plate as a grid; see `files.plate_sheet`.

    Raises:
        InputRefusedError: With all findings.
    """
    if path.suffix.lower() == ".csv":
        try:
            return parse_layout_csv(path.read_text(encoding="utf-8-sig"), name=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise InputRefusedError([Finding("cannot be read", str(path))]) from error
    if path.suffix.lower() == ".xlsx":
        return _layout(read_plate_sheet(path), str(path))
    document = read_yaml(path)
    try:
        return Layout.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error


def parse_layout_csv(text: str, *, name: str) -> Layout:
    """Parse a CSV layout; see `load_layout`."""
    reader = csv.DictReader(io.StringIO(text))
    missing = [c for c in ("well", "role") if c not in (reader.fieldnames or [])]
    if missing:
        fix = f"use the columns {', '.join(COLUMNS)}"
        raise InputRefusedError(
            [Finding(f"column {c!r} is missing", name, 1, c, fix) for c in missing]
        )
    return _layout(((reader.line_num, row) for row in reader), name)


def _layout(rows: Iterable[tuple[int, Mapping[str, str]]], name: str) -> Layout:
    """The layout of some wells, each with its line.

    Raises:
        InputRefusedError: With all findings.
    """
    findings: list[Finding] = []
    series: dict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    controls: dict[str, list[str]] = defaultdict(list)
    for line, row in rows:
        try:
            _row(row, series, controls)
        except (UserInputError, ValueError) as error:
            message, _, fix = str(error).partition("; ")
            findings.append(Finding(message, name, line, str(row.get("well", "")), fix))
    if findings:
        raise InputRefusedError(findings)
    try:
        return Layout.model_validate({
            "series": [{"slot": slot, "replicate": replicate, "wells": [points[k] for k in sorted(points)]}
                       for (slot, replicate), points in series.items()],
            "controls": [{"role": role, "wells": wells} for role, wells in controls.items()],
        })  # fmt: skip
    except ValidationError as error:
        found = [Finding(str(e["msg"]).removeprefix("Value error, "), name) for e in error.errors()]
        raise InputRefusedError(found) from error


def _row(
    row: Mapping[str, str],
    series: dict[tuple[str, int], dict[int, str]],
    controls: dict[str, list[str]],
) -> None:
    well, role = (row["well"] or "").strip(), (row["role"] or "").strip()
    PLATE.index(well)
    if role in {"total", "nsb", "blank"}:
        controls[role].append(well)
        return
    if role not in {"test", "reference"}:
        raise ValueError(f"role {role!r} is not known; use test, reference, total, nsb or blank")
    slot = (row.get("slot") or "").strip() or ("reference" if role == "reference" else "")
    if not slot:
        raise ValueError("slot is missing; write test1, test2, …")
    point, replicate = int(row.get("point") or 0), int(row.get("replicate") or 1)
    if point < 1:
        raise ValueError("point is missing; 1 is the highest concentration")
    if point in series[slot, replicate]:
        raise ValueError(
            f"point {point} of {slot} replicate {replicate} is there twice; number replicates"
        )
    series[slot, replicate][point] = well
