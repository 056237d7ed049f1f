"""The instruments that are installed, as rows: what they can do, from whom that is known, how far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from platectl import registry
from platectl.hal.instrument import DriverInfo
from platectl.store.qualifications import standing

#: what a word for maturity says
MATURITY: Final = {
    "paper": "written from a manual, or from what others found out",
    "captured": "a transcript comes from a real unit",
    "bench": "its hardware tests passed on a real unit",
    "field": "used in runs that count",
}
HEADER: Final = (
    "name", "instrument", "interfaces", "wire", "maturity", "seen on", "source", "unattested",
    "transcripts",
)  # fmt: skip


def told_rows(store: Path | None = None) -> list[dict[str, Any]]:
    """One row for each installed driver, by name, with the units that were tested in a store."""
    tested = standing(store) if store is not None else {}
    rows = []
    for name in registry.names():
        row = _row(registry.load(registry.DRIVERS, name).info)
        row["units"] = [
            {
                "serial_number": unit.serial_number, "firmware": unit.firmware,
                "maturity": "bench" if record.verdict == "passed" else row["maturity"],
                "verdict": record.verdict, "model": record.model, "on": record.began[:10],
                "by": record.by, "record": str(path),
            }
            for unit, (path, record) in tested.get(name, {}).items()
        ]  # fmt: skip
        rows.append(row)
    return rows


def maturity_text(row: Mapping[str, Any]) -> str:
    """Maturity of a driver, and which units were tested when."""
    units = (
        f"{unit['maturity'] if unit['verdict'] == 'passed' else 'FAILED'} on {unit['on']}: "
        f"serial number {unit['serial_number']}"
        + (f", firmware {unit['firmware']}" if unit["firmware"] else "")
        for unit in row["units"]
    )
    return "; ".join([row["maturity"], *units])


def wire_text(row: Mapping[str, Any]) -> str:
    """The wire of a driver and how its serial line is set, as delivered first."""
    return f"{row['wire']}, {' or '.join(row['lines'])}" if row["lines"] else str(row["wire"])


def _row(info: DriverInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "makes": info.makes,
        "interfaces": list(info.interfaces),
        "wire": info.wire,
        "baud": info.lines[0].baud if info.lines else None,
        "lines": [str(line) for line in info.lines],
        "line_options": [line.options for line in info.lines],
        "source": info.source,
        "maturity": info.maturity,
        "usb": list(info.usb),
        "firmware": info.firmware,
        "seen_on": info.seen_on,
        "unattested": list(info.unattested),
        "transcripts": list(info.transcripts),
        "simulator": info.name in registry.names(registry.SIMULATORS),
        "conformance": info.name in registry.names(registry.SCENES),
    }


def as_markdown(rows: Iterable[Mapping[str, Any]], tests: Mapping[str, str]) -> str:
    """The rows as a table of a document; `tests` says by name what tests there are."""
    lines = [_line((*HEADER, "tests")), _line(["---"] * (len(HEADER) + 1))]
    for row in rows:
        seen = " of ".join(filter(None, [row["firmware"] and f"firmware {row['firmware']}", row["seen_on"]]))  # fmt: skip
        lines.append(_line((
            row["name"], row["makes"], ", ".join(row["interfaces"]), wire_text(row), row["maturity"], seen,
            row["source"], "; ".join(row["unattested"]), ", ".join(row["transcripts"]),
            tests.get(row["name"], ""),
        )))  # fmt: skip
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
