"""Counts of one plate from a counter's export or a table; the content tells which it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from platectl import registry
from platectl.app import vendor_files
from platectl.app.exported import (
    as_declared,
    by_allotropy,
    of_own_readers,
    of_plate,
    refuse_doubled,
)
from platectl.app.vendor_files import Rate
from platectl.domain.assay import AssayProtocol
from platectl.domain.codes import Code
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.step_docs import CountDoc
from platectl.files.counts import counts_of
from platectl.files.table import Sheet, grid_of, read_bytes, read_sheet
from platectl.hal.counting import CountReading

Readings = dict[str, dict[str, Any]]
_NARROW = 4
_FIX = "give an export of one of these counters, or a CSV or workbook with the columns well and cpm"


@dataclass(frozen=True, slots=True)
class FileChoice:
    """What is meant of a file.

    A `plate` of several, what allotropy takes it for, what its luminescence is, or a `counter` of the
    lab file whose declared layout it has.
    """

    plate: str | None = None
    vendor: str | None = None
    rate: Rate | None = None
    lab: Path | None = None
    counter: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """Readings by well, and what has to be said beside any result of them."""

    readings: Readings
    cautions: tuple[Finding, ...] = ()
    used: frozenset[str] = frozenset()
    """Which of the choices `plate` and `rate` this kind of file asks for."""

    @property
    def stated_day(self) -> date | None:
        """Day on which counting ended, if the file says it."""
        days = [str(r["ended_at"])[:10] for r in self.readings.values() if r.get("ended_at")]
        return date.fromisoformat(max(days)) if days else None


def read_counts(path: Path, protocol: AssayProtocol, choice: FileChoice) -> Imported:
    """Read an export of a counter or reader, or a table with wells and cpm.

    Our own readers are asked first, then allotropy, if it is there and the file is no table.

    Raises:
        InputRefusedError: None of these, or damaged; every finding.
    """
    data = read_bytes(path)
    found: Sequence[CountReading] | None
    if choice.counter:
        count_s = _count_s(protocol)
        found = as_declared(data, path, choice.lab, choice.counter, count_s, choice.plate)
        problems = list[str]()
    else:
        found, problems = of_own_readers(registry.EXPORTS, data, path, choice.vendor)
    if found is not None:
        refuse_doubled(path, [r.well for r in found])
        return Imported({
            r.well: {"well": r.well, "cpm": r.cpm, "counts": r.counts, "live_s": r.live_s,
                     "flags": list(r.flags), "source": r.source, "ended_at": r.ended_at}
            for r in found
        }, used=frozenset({"plate"} if choice.counter else ()))  # fmt: skip
    damage: tuple[Finding, ...] = ()
    if choice.vendor is None:
        head = data[:200].split(b"\n", 1)[0].lower()
        try:
            sheet = read_sheet(path)
        except InputRefusedError as error:
            if b"well" in head and b"cpm" in head:
                raise
            damage = error.findings
        else:
            if _is_table(sheet):
                return _of_table(sheet, path, protocol)
    if not data.strip():
        raise InputRefusedError([Finding("is empty", str(path), fix=_FIX, code=Code.NOT_AN_EXPORT)])
    try:
        return _of_vendor(path, protocol, choice, problems)
    except InputRefusedError as error:
        raise InputRefusedError([*damage, *error.findings]) from error


def _is_table(sheet: Sheet) -> bool:
    """Whether a file is meant as a table of counts, however wrong it is."""
    head = [cell.casefold() for cell in sheet.rows[0][1]] if sheet.rows else []
    known = {"well", "cpm"} & set(head)
    return len(known) > 1 or (bool(known) and len(head) <= _NARROW) or grid_of(sheet) is not None


def _of_table(sheet: Sheet, path: Path, protocol: AssayProtocol) -> Imported:
    found = counts_of(sheet, count_s=_count_s(protocol))
    return Imported({
        w.well: {"well": w.well, "cpm": w.cpm, "counts": w.counts, "live_s": w.count_s,
                 "flags": [], "source": f"{path.name}:{w.line}"}
        for w in found.wells
    }, found.cautions)  # fmt: skip


def _of_vendor(
    path: Path, protocol: AssayProtocol, choice: FileChoice, problems: list[str]
) -> Imported:
    """Luminescence that allotropy reads; of the plate that was named, if there are several."""
    found = by_allotropy(
        lambda: vendor_files.read_counts(path, choice.vendor, choice.rate), path, problems, _FIX
    )
    plate = of_plate(path, {r.plate for r in found}, choice.plate)
    chosen = [r for r in found if r.plate == plate]
    refuse_doubled(path, [r.well for r in chosen])
    return Imported({
        r.well: {"well": r.well, "cpm": r.cpm, "counts": None, "live_s": r.live_s or _count_s(protocol),
                 "flags": [], "source": r.source, "ended_at": r.ended_at}
        for r in chosen if r.cpm is not None
    }, used=frozenset({"plate", "rate"}))  # fmt: skip


def _count_s(protocol: AssayProtocol) -> float:
    """Counting time of the protocol, where a file states none."""
    times = [doc.duration for doc in protocol.steps.values() if isinstance(doc, CountDoc)]
    return times[0] if times else 60.0
