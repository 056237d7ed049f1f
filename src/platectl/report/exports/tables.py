"""A run as plain tables: what goes into workbooks and Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from platectl.domain.doc import flattened
from platectl.domain.errors import UserInputError
from platectl.report.export import count_rows, plain
from platectl.report.exports.columns import columns_of
from platectl.report.exports.model import Exported, Table
from platectl.report.model import RunReport
from platectl.report.rows import result_rows
from platectl.report.values import Row

FORMAT = "platectl-tables/1"
_NAMES = {
    "results": ("compound", "quantity", "value", "lower", "upper", "unit", "plate"),
    "wells": ("plate", "well"),
    "windows": ("name", "plate", "elapsed_s", "verdict", "hard"),
    "steps": ("id", "title", "plate", "instruments", "start_s", "end_s", "planned_start_s"),
    "conditions": ("what", "stated"),
    "review": ("number", "at", "by", "what", "reason", "digest"),
    "exclusions": ("plate", "well", "by", "reason", "at"),
    "provenance": ("plate", "what", "stated"),
    "counts": ("plate", "labware", "well", "cpm"),
    "readings": ("plate", "labware", "well", "at_s", "value"),
    "run": ("what", "stated"),
}  # fmt: skip


def tables_of(exported: Exported) -> list[Table]:
    """Tables of a run: results, wells, windows, steps, conditions, counts, readings, review, run.

    Numbers are those of the results file, none of them rounded; what is not finite is None. Rows
    of several assays have the columns of all of them.
    """
    report = exported.report
    found: dict[str, Sequence[Row]] = {
        "results": result_rows(report.plates),
        "wells": count_rows(report.plates),
        "windows": [plain(row) for row in report.windows],
        "steps": [plain(row) for row in report.steps],
        "conditions": [{"what": what, "stated": stated} for what, stated in report.conditions],
        "counts": exported.counts,
        "readings": exported.readings,
        "review": [plain(deed) for deed in report.review.deeds],
        "exclusions": [plain(item) for item in report.review.exclusions],
        "provenance": provenance_rows(report),
        "run": _facts(report),
    }
    return [table_of(name, rows) for name, rows in found.items()]


def table_of(name: str, rows: Sequence[Row]) -> Table:
    """A table in which every row has every column."""
    columns = columns_of(name, rows, () if rows else _NAMES[name])
    names = [column.name for column in columns]
    return Table(name, columns, tuple({n: plain(row.get(n)) for n in names} for row in rows))


def rows_of(tables: Sequence[Table], name: str) -> tuple[Row, ...]:
    """Rows of one of several tables.

    Raises:
        UserInputError: There is no table of that name.
    """
    for table in tables:
        if table.name == name:
            return table.rows
    raise UserInputError(
        f"there is no table {name!r}; there are {', '.join(t.name for t in tables)}"
    )


def provenance_rows(report: RunReport) -> list[Row]:
    """What the results of each plate rest on, one fact a row; SHA-256 over all of a plate first."""
    rows: list[Row] = []
    for plate in report.plates:
        basis = plate.basis
        facts = [("sha256", basis.provenance), ("version", str(basis.version or ""))]
        facts += [(name, _text(value)) for name, value in flattened(basis.record)]
        rows += [{"plate": plate.name, "what": what, "stated": stated} for what, stated in facts]
    return rows


def _text(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _facts(report: RunReport) -> list[Row]:
    """What holds for the whole run, warnings first."""
    facts = [("warning", text) for text in report.warnings]
    facts += [
        ("format", FORMAT), ("run", report.run), ("protocol", report.protocol), ("title", report.title),
        ("lab", report.lab), ("simulated", "yes" if report.simulated else "no"),
        ("started", report.started), ("finished", report.finished), ("status", report.status),
        ("review", report.review.standing), ("review in words", report.review.sentence),
        ("run hash (SHA-256)", report.run_hash),
    ]  # fmt: skip
    facts += [(f"version of {name}", version) for name, version in report.versions.items()]
    facts += [(f"SHA-256 of {name}", digest) for name, digest in report.files.items()]
    return [{"what": what, "stated": stated} for what, stated in facts]
