"""Runs in other formats: gathers them from their ledgers, writes them, packs and verifies archives."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from platectl.app.review.looks import look_at
from platectl.app.review.versions import analysed
from platectl.domain.events import Event
from platectl.domain.findings import refuse_if_any
from platectl.domain.run import CompiledRun
from platectl.report.export import plain, results_json
from platectl.report.exports.archive import EXPORTS, kept_inputs, write_archive
from platectl.report.exports.asm import asm_documents
from platectl.report.exports.asm_reading import check_asm
from platectl.report.exports.excel import write_excel
from platectl.report.exports.model import Exported
from platectl.report.exports.parquet import write_parquet
from platectl.report.exports.prism import prism_tables, write_prism
from platectl.report.exports.tables import tables_of
from platectl.report.model import RunReport
from platectl.report.values import Row
from platectl.steps import kind_of
from platectl.steps.reading import Read
from platectl.store.index import RunIndex

_OF_COUNT = ("cpm", "counts", "live_s", "dpm", "tdcr")


def export_run(
    folder: Path, form: str, out: Path | None = None, *, by: str | None = None, reason: str = ""
) -> list[Path]:
    """Write a run folder in another format and return the files that were written.

    Args:
        folder: The run folder.
        form: One of `FORMATS`.
        out: File to write, or folder for parquet and asm, which are several files; None is the
            folder `exports` of the run, for an archive `<run>.zip` beside the run folder.
        by: Who exports, to be recorded if results are withheld; None is the user of this computer.
        reason: Why.

    Raises:
        StoreError: No ledger, or not a run of this format.
        UserInputError: What the format needs is not installed, or the run has nothing for it.
        InputRefusedError: The format cannot hold a value of the run.
        OSError: A file cannot be written.
    """
    exported = exported_run(folder, by=by, reason=reason)
    if out is None:
        out = folder.with_name(f"{folder.name}.zip") if form == "archive" else (
            folder / EXPORTS / f"{folder.name}{FORMATS[form]}")  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    if form == "archive":
        seal = RunIndex(folder.parent).seal(folder.name)
        write_archive(out, folder, exported.report, list(kept_inputs(exported.report)), seal)
        return [out]
    return _WRITERS[form](exported, out)


def exported_run(folder: Path, *, by: str | None = None, reason: str = "") -> Exported:
    """Read a run folder for an export; results are calculated anew as the newest version says.

    Raises:
        StoreError: No ledger, or not a run of this format.
    """
    look_at(folder, "platectl export", by, reason)
    found = analysed(folder)
    return gather(found.report, found.run, found.events)


def gather(report: RunReport, run: CompiledRun, events: Sequence[Event]) -> Exported:
    """What an export of a run is made of."""
    return Exported(
        report=report,
        counts=_counts(run, events),
        readings=_readings(run, events),
        drivers={name: entry.driver for name, entry in run.lab.instruments.items()},
        zero=_zero(events),
    )


def _excel(exported: Exported, out: Path) -> list[Path]:
    write_excel(out, tables_of(exported))
    return [out]


def _parquet(exported: Exported, out: Path) -> list[Path]:
    return write_parquet(out, tables_of(exported))


def _json(exported: Exported, out: Path) -> list[Path]:
    out.write_text(results_json(exported.report), encoding="utf-8")
    return [out]


def _prism(exported: Exported, out: Path) -> list[Path]:
    write_prism(out, prism_tables(exported.report))
    return [out]


def _asm(exported: Exported, out: Path) -> list[Path]:
    """A document for each instrument; none is written unless all are sound."""
    documents = asm_documents(exported)
    paths = []
    for name, document in documents.items():
        refuse_if_any(check_asm(document, name=name))
    out.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        paths.append(out / f"{exported.report.run}.{name}.asm.json")
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        paths[-1].write_text(text, encoding="utf-8")
    return paths


#: format -> how the name of its file or folder ends
FORMATS = {
    "excel": ".xlsx", "parquet": ".parquet", "json": ".json", "asm": ".asm", "prism": ".pzfx",
    "archive": ".zip",
}  # fmt: skip
_WRITERS: dict[str, Callable[[Exported, Path], list[Path]]] = {
    "excel": _excel, "parquet": _parquet, "json": _json, "asm": _asm, "prism": _prism,
}  # fmt: skip


def _zero(events: Sequence[Event]) -> datetime | None:
    """When the clock of the readings was at zero."""
    for event in events:
        if event.kind == "run.started":
            since = timedelta(seconds=float(event.data.get("clock_s", 0.0)) + event.monotonic_s)
            return datetime.fromisoformat(event.wall) - since
    return None


def _counts(run: CompiledRun, events: Sequence[Event]) -> list[Row]:
    counters = {step.id: str(step.params.get("counter", "")) for step in run.steps}
    rows = []
    for event in events:
        if event.kind != "reading.taken":
            continue
        data = event.data
        rows.append({
            "plate": event.step.partition(".")[0],
            "labware": data["labware"],
            "step": event.step,
            "instrument": counters[event.step],
            "well": data["well"],
            **{name: plain(data.get(name)) for name in _OF_COUNT},
            "ended_at": data.get("ended_at", ""),
            "flags": list(data.get("flags", ())),
            "source": data.get("source", ""),
        })  # fmt: skip
    return rows


def _readings(run: CompiledRun, events: Sequence[Event]) -> list[Row]:
    reads = {s.id: kind for s in run.steps if s.kind == "read" and isinstance(kind := kind_of(s), Read)}  # fmt: skip
    return [
        row
        for event in events
        if event.kind == "frame.taken"
        for row in _frame(event.step, reads[event.step], event.data)
    ]


def _frame(step: str, read: Read, data: Any) -> list[Row]:
    excitation, emission = read.channels[data["channel"]]
    return [
        {
            "plate": step.partition(".")[0],
            "labware": data["labware"],
            "step": step,
            "instrument": read.reader,
            "well": well,
            "channel": data["channel"],
            "excitation_nm": excitation,
            "emission_nm": emission,
            "index": data["index"],
            "at_s": at_s,
            "value": plain(value),
            "flag": data["flags"].get(well) or "",
            "temperature_c": data["temperature_c"],
            "source": data["source"],
        }
        for well, at_s, value in zip(data["wells"], data["at_s"], data["values"], strict=True)
    ]
