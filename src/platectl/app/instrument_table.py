"""The instruments that are installed, as rows: what they can do, from whom that is known, how far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from platectl import registry
from platectl.hal.instrument import DriverInfo

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


def told_rows() -> list[dict[str, Any]]:
    """One row for each installed driver, by name."""
    return [_row(registry.load(registry.DRIVERS, name).info) for name in registry.names()]


def _row(info: DriverInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "makes": info.makes,
        "interfaces": list(info.interfaces),
        "wire": info.wire,
        "baud": info.baud,
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
        wire = f"{row['wire']}, {row['baud']} baud" if row["baud"] else row["wire"]
        seen = " of ".join(filter(None, [row["firmware"] and f"firmware {row['firmware']}", row["seen_on"]]))  # fmt: skip
        lines.append(_line((
            row["name"], row["makes"], ", ".join(row["interfaces"]), wire, row["maturity"], seen,
            row["source"], "; ".join(row["unattested"]), ", ".join(row["transcripts"]),
            tests.get(row["name"], ""),
        )))  # fmt: skip
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
