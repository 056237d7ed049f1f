"""Counts of one plate from a counter's export or a table; the content tells which it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from platectl import registry
from platectl.domain.assay import AssayProtocol
from platectl.domain.codes import Code
from platectl.domain.errors import MalformedReplyError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.step_docs import CountDoc
from platectl.files.counts import counts_of
from platectl.files.table import grid_of, read_bytes, read_sheet
from platectl.hal.counting import CountReading, ForeignExportError

Readings = dict[str, dict[str, Any]]
_PLACE = re.compile(r"(?s):(\d+): (.*)")


@dataclass(frozen=True, slots=True)
class Imported:
    """Readings by well, and what has to be said beside any result of them."""

    readings: Readings
    cautions: tuple[Finding, ...] = ()

    @property
    def stated_day(self) -> date | None:
        """Day on which counting ended, if the file says it."""
        days = [str(r["ended_at"])[:10] for r in self.readings.values() if r.get("ended_at")]
        return date.fromisoformat(max(days)) if days else None


def read_counts(path: Path, protocol: AssayProtocol) -> Imported:
    """Read an export of a counter, or a table with wells and cpm.

    Raises:
        InputRefusedError: Neither, or damaged; every finding.
    """
    data = read_bytes(path)
    for name in registry.names(registry.EXPORTS):
        try:
            found = registry.load(registry.EXPORTS, name)(data, path.name)
        except ForeignExportError:
            continue
        except MalformedReplyError as error:
            raise InputRefusedError([_damage(path, name, str(error))]) from error
        return _from_export(path, found)
    return _from_table(path, protocol)


def _damage(path: Path, exporter: str, message: str) -> Finding:
    told = message.removeprefix(path.name)
    match = _PLACE.fullmatch(told)
    line, what = (int(match[1]), match[2]) if match else (None, told.removeprefix(": "))
    message = f"is a damaged export of {exporter}: {what}"
    return Finding(message, str(path), line, "", "export it again", code=Code.EXPORT_DAMAGED)


def _from_export(path: Path, found: Sequence[CountReading]) -> Imported:
    times = Counter(reading.well for reading in found)
    findings = [
        Finding(f"well {well} was counted {n} times", str(path), None, well,
                "export one repetition", code=Code.WELL_TWICE)
        for well, n in times.items() if n > 1
    ]  # fmt: skip
    if findings:
        raise InputRefusedError(findings)
    return Imported({
        r.well: {"well": r.well, "cpm": r.cpm, "counts": r.counts, "live_s": r.live_s,
                 "flags": list(r.flags), "source": r.source, "ended_at": r.ended_at}
        for r in found
    })  # fmt: skip


def _from_table(path: Path, protocol: AssayProtocol) -> Imported:
    try:
        sheet = read_sheet(path)
    except InputRefusedError as error:
        raise InputRefusedError([*error.findings, _foreign(path)]) from error
    head = {cell.casefold() for cell in sheet.rows[0][1]} if sheet.rows else set[str]()
    if grid_of(sheet) is None and not head & {"well", "cpm"}:
        raise InputRefusedError([_foreign(path)])
    times = [doc.duration for doc in protocol.steps.values() if isinstance(doc, CountDoc)]
    found = counts_of(sheet, count_s=times[0] if times else 60.0)
    return Imported({
        w.well: {"well": w.well, "cpm": w.cpm, "counts": w.counts, "live_s": w.count_s,
                 "flags": [], "source": f"{path.name}:{w.line}"}
        for w in found.wells
    }, found.cautions)  # fmt: skip


def _foreign(path: Path) -> Finding:
    known = ", ".join(registry.names(registry.EXPORTS))
    message = f"is no export that can be read ({known}), nor a table of counts"
    fix = "give one of these, or a CSV or workbook with the columns well and cpm"
    return Finding(message, str(path), None, "", fix, code=Code.NOT_AN_EXPORT)
