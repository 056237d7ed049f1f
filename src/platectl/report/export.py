"""Results and counts as files that other programs read."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from platectl.report.model import PlateReport, RunReport
from platectl.report.rows import result_rows
from platectl.report.values import Row
from platectl.report.views import view_of

COUNT_COLUMNS = (
    "plate", "barcode", "well", "role", "compound", "concentration_molar", "series", "cpm",
    "counts", "live_s", "age_min", "preincubation_min", "flags", "source",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, rows: Sequence[Row], columns: Sequence[str] | None = None) -> None:
    """Write rows with a head; lists are joined by "; ", None is empty.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.

    Args:
        path: The file; it is replaced.
        rows: The rows.
        columns: Their columns; those of the first row if None.

    Raises:
        OSError: The file cannot be written.
    """
    names = list(columns or (rows[0] if rows else ()))
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(names)
        writer.writerows([_cell(name, row.get(name)) for name in names] for row in rows)


def count_rows(plates: Iterable[PlateReport]) -> list[Row]:
    """One row per well of the plate maps, and per counted well that no map knows."""
    return [row for plate in plates for row in _counts(plate)]


def write_counts_csv(path: Path, plates: Iterable[PlateReport]) -> None:
    """Write the counts of every well.

    Raises:
        OSError: The file cannot be written.
    """
    write_csv(path, count_rows(plates), COUNT_COLUMNS)


def results_json(report: RunReport) -> str:
    """The results of a run with their conditions, acceptance and provenance; strict JSON."""
    content = {
        "format": "platectl-results/1",
        "run": report.run,
        "protocol": report.protocol,
        "title": report.title,
        "lab": report.lab,
        "simulated": report.simulated,
        "started": report.started,
        "finished": report.finished,
        "status": report.status,
        "run_hash": report.run_hash,
        "versions": dict(report.versions),
        "files": dict(report.files),
        "conditions": [list(row) for row in report.conditions],
        "warnings": list(report.warnings),
        "findings": [finding.plain() for finding in report.findings],
        "review": {
            "standing": report.review.standing, "version": report.review.version,
            "sentence": report.review.sentence, "study": report.review.study,
            "names": dict(report.review.names), "deeds": [plain(d) for d in report.review.deeds],
            "exclusions": [plain(e) for e in report.review.exclusions],
        },
        "results": result_rows(report.plates),
        "plates": [_plate(plate) for plate in report.plates],
        "windows": [plain(row) for row in report.windows],
        "steps": [plain(row) for row in report.steps],
    }  # fmt: skip
    return json.dumps(plain(content), ensure_ascii=False, allow_nan=False, indent=1)


def plain(value: Any) -> Any:
    """Dataclasses, mappings and tuples as JSON types; numbers that are not finite as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _plate(plate: PlateReport) -> dict[str, Any]:
    view = view_of(plate)
    return {
        "name": plate.name,
        "barcode": plate.barcode,
        "state": view.state if view else "fail",
        "problem": plate.problem,
        "qc": plain(view.qc) if view else [],
        "review": plate.basis.review,
        "provenance": {"sha256": plate.basis.provenance, **plain(plate.basis.record)},
        **(plain(view.details) if view else {}),
        "counts": count_rows([plate]),
    }


def _counts(plate: PlateReport) -> Iterator[Row]:
    view = view_of(plate)
    ages = view.ages_min() if view else {}
    known = {plan.well: plan for plan in plate.wells}
    for well in (*known, *(w for w in plate.counts if w not in known)):
        plan, reading = known.get(well), plate.counts.get(well, {})
        yield {
            "plate": plate.name,
            "barcode": plate.barcode,
            "well": well,
            "role": plan.role if plan else "",
            "compound": plan.compound if plan else None,
            "concentration_molar": plan.concentration_molar if plan else None,
            "series": plan.series if plan else None,
            "cpm": reading.get("cpm"),
            "counts": reading.get("counts"),
            "live_s": reading.get("live_s"),
            "age_min": ages.get(well),
            "preincubation_min": reading.get("preincubation_min"),
            "flags": list(reading.get("flags", ())),
            "source": reading.get("source", ""),
        }


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        value = "; ".join(str(item) for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if name != "qualifier" and isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value
