"""Plate maps, CSV or workbook, long or as a grid, give the layout that they were made from."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from platectl.app.prepare import Options, prepare
from platectl.domain.findings import InputRefusedError
from platectl.domain.layout import Layout
from platectl.files.plate_map import load_layout
from platectl.files.protocol import load_protocol

HEAD = ["well", "role", "slot", "point", "replicate"]


def workbook(path: Path, rows: list[list[Any]]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def commas(path: Path, rows: list[list[Any]]) -> Path:
    width = max(map(len, rows))
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([*row, *[None] * (width - len(row))] for row in rows)
    return path


FORMS = {"csv": commas, "xlsx": workbook}


def lines(layout: Layout) -> list[list[Any]]:
    """A layout as the rows of a long map."""
    found: list[list[Any]] = []
    for series in layout.series:
        role = "reference" if series.slot == "reference" else "test"
        found += [
            [w, role, series.slot, k, series.replicate] for k, w in enumerate(series.wells, 1)
        ]
    return found + [[w, b.role, None, None, None] for b in layout.controls for w in b.wells]


def grid(layout: Layout) -> list[list[Any]]:
    """A layout as a plate, below a title."""
    said = {w: b.role for b in layout.controls for w in b.wells}
    for series in layout.series:
        for k, well in enumerate(series.wells, 1):
            said[well] = f"{series.slot}.{series.replicate}/{k}"
    rows: list[list[Any]] = [["", "Map of Monday"], [], ["", "", *range(1, 13)]]
    return rows + [["", letter, *(said.get(f"{letter}{c}") for c in range(1, 13))] for letter in "ABCDEFGH"]  # fmt: skip


def alike(layout: Layout) -> tuple[Any, Any]:
    """What a layout says, whatever its order."""
    return (
        {(s.slot, s.replicate): s.wells for s in layout.series},
        {role: sorted(w for b in layout.controls if b.role == role for w in b.wells)
         for role in {b.role for b in layout.controls}},
    )  # fmt: skip


@pytest.fixture
def bundled() -> Layout:
    protocol, _ = load_protocol("sigma1-binding")
    return protocol.layouts[protocol.layout]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("shape", [lambda b: [HEAD, *lines(b)], grid])
def test_a_map_is_the_layout_it_was_made_from(
    shape: Any, form: str, bundled: Layout, tmp_path: Path
) -> None:
    path = FORMS[form](tmp_path / f"map.{form}", shape(bundled))

    assert alike(load_layout(path)) == alike(bundled)


def test_a_run_takes_a_workbook_as_its_plate_map(bundled: Layout, tmp_path: Path) -> None:
    path = workbook(tmp_path / "map.xlsx", grid(bundled))

    mine = prepare(Options("sigma1-binding", layout=str(path), run="night")).compiled

    plain = prepare(Options("sigma1-binding", run="night")).compiled
    assert {w.well: w for w in mine.plates[0].wells} == {w.well: w for w in plain.plates[0].wells}
    assert str(path) in mine.files


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        ([HEAD, ["A1", "total"], ["A13", "nsb"]], ":3: A13: well A13 is outside a 96-well plate (A1 to H12); use a well of it [well-outside]"),
        ([HEAD, ["A1", "vehicule"]], ":2: A1: role 'vehicule' is not known; use test, reference, total, nsb, blank, vehicle, positive, stimulus, unloaded, rmax, rmin, empty [role-unknown]"),
        ([HEAD, ["A1", "test", "test1", 1.5]], ":2: A1: point '1.5' is no whole number from 1 to 99; 1 is the highest concentration [not-a-number]"),
        ([HEAD, ["A1", "total"], ["A1", "nsb"]], ":3: A1: well A1 is on line 2 too; give each well one meaning [well-twice]"),
        ([[*HEAD, "colour"], ["A1", "total"]], ":1: colour: column 'colour' is not known; use the columns well, role, slot, point, replicate [column-unknown]"),
        ([["plate"], ["A1"]], ":1: holds no plate map; use the columns well, role, slot, point, replicate, or a grid of columns 1 to 12 and rows A to H [not-a-table]"),
        ([[None, *range(1, 13)], ["A", "total"], ["C"]], ":2: the rows of the grid are A, C; write A to H beside it [grid-rows]"),
        ([[None, *range(1, 13)], ["A", "totl"], *[[x] for x in "BCDEFGH"]], ":2: A1: 'totl' is not known; write a control like total, or a series like test1.2/5 (slot, replicate, point) [cell-unknown]"),
        ([[None, *range(1, 13)], ["A", "test1/1", "test1/1"], *[[x] for x in "BCDEFGH"]], ":2: A2: point 1 of test1 replicate 1 is there twice; number replicates [point-twice]"),
        ([HEAD, ["A1", "test", "test1", 1], ["A2", "test", "test1", 3]], ": test1.1: test1 replicate 1 lacks point 2; number the points 1, 2, 3, … and leave a lost well out of the counts instead [point-missing]"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_map_is_named(
    rows: list[list[Any]], finding: str, form: str, tmp_path: Path
) -> None:
    path = FORMS[form](tmp_path / f"map.{form}", rows)

    with pytest.raises(InputRefusedError) as refused:
        load_layout(path)

    assert str(refused.value) == f"{path}{finding}"


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.xlsx").write_text("well,role")

    with pytest.raises(InputRefusedError, match="is no workbook"):
        load_layout(tmp_path / "map.xlsx")
    with pytest.raises(InputRefusedError, match="cannot be read: No such file"):
        load_layout(tmp_path / "none.xlsx")
