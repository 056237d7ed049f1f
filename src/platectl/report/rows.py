"""Results as flat rows: what goes into tables, CSV, JSON and the index."""

from __future__ import annotations

from collections.abc import Sequence

from platectl.report.model import PlateReport
from platectl.report.values import MOLAR, Row, constant
from platectl.report.views import view_of


def result_rows(plates: Sequence[PlateReport]) -> list[Row]:
    """One row per constant and plate; a plate without analysis gives rows without values.

    `value`, `lower` and `upper` are in `unit`; the columns that end in `_molar` are there for
    concentrations alone. An open side of an interval is None. A failed plate has no value.
    `flags` are names, those of the plate with `plate:` in front, broken windows with `window:`, plates that were no good
    while this one went on with `gate:`; `remarks` are the sentences behind them. `review` says whether a person vouches for the value, `provenance` is the SHA-256 of
    what it rests on.
    """
    rows: list[Row] = []
    for plate in plates:
        view = view_of(plate)
        found = [_missing(plate, name) for name in plate.compounds()] if view is None else view.rows
        basis = plate.basis
        rows += [{**_flagged(row, plate), "plate": plate.name, "barcode": plate.barcode,
                  "review": basis.review, "version": basis.version, "provenance": basis.provenance}
                 for row in found]  # fmt: skip
    return rows


def _flagged(row: Row, plate: PlateReport) -> Row:
    """A row with the windows that its plate did not keep, and the gates that it passed, among its flags."""
    names = [f"window:{text.partition(':')[0]}" for text in plate.broken_windows]
    names += [f"gate:{text.partition(':')[0]}" for text in plate.gates]
    told = [f"Window {text}." for text in plate.broken_windows]
    told += [
        f"The plate went on although one before it was no good: {text}" for text in plate.gates
    ]
    return {**row, "flags": [*row["flags"], *names], "remarks": [*row["remarks"], *told]}


def _missing(plate: PlateReport, compound: str) -> Row:
    """A compound of a plate that has no analysis."""
    return {
        "compound": compound,
        "role": next((w.role for w in plate.wells if w.compound == compound), "test"),
        "site": None,
        **constant("", None, None, None, MOLAR),
        "qualifier": "~",
        "status": "fail",
        "model": "",
        "flags": ["plate:not_analysed"],
        "remarks": [plate.problem or f"Plate {plate.name} was not analysed."],
    }
