"""Run folders: names, reports, exports, the index, and reading a run back."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from platectl import __version__
from platectl.app.drive import Finished
from platectl.app.evaluation import EvaluatedPlate, evaluate_run
from platectl.domain.assay import AssayProtocol
from platectl.domain.errors import StoreError
from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.domain.units import FROZEN, format_duration, format_molar
from platectl.report.model import RunReport, TimelineRow, WindowRow
from platectl.report.views import view_of
from platectl.store.index import RunIndex
from platectl.store.ledger import Ledger
from platectl.store.lock import owner_of


def new_run_name(store: Path, protocol: str, now: datetime) -> str:
    """A name that no folder of the store has yet: protocol, date and time, and a number if needed."""
    base = f"{protocol}-{now:%Y%m%d-%H%M%S}"
    name, number = base, 1
    while (store / name).exists():
        number += 1
        name = f"{base}-{number}"
    return name


def refuse_begun(folder: Path) -> None:
    """Refuse a run folder whose run was begun; a run is begun once, and then resumed.

    Raises:
        StoreError: It was begun.
    """
    if not (folder / "ledger.db").exists():
        return
    with Ledger.reading(folder / "ledger.db") as ledger:
        if ledger.seal().entries:
            raise StoreError(
                f"{folder.name} was begun before; `platectl resume {folder.name}` goes on"
            )


def read_run(folder: Path) -> tuple[CompiledRun, list[Event]]:
    """Read a run back from its ledger.

    Raises:
        StoreError: No ledger, or not a run of this format.
    """
    if not (folder / "ledger.db").exists():
        raise StoreError(f"{folder} holds no ledger")
    ledger = Ledger(folder / "ledger.db")
    try:
        return CompiledRun.model_validate_json(ledger.frozen("run"), context=FROZEN), list(
            ledger.events()
        )
    finally:
        ledger.close()


def build_report(
    name: str, run: CompiledRun, events: Sequence[Event], plates: Sequence[EvaluatedPlate]
) -> RunReport:
    """Gather everything that a report shows."""
    ends = {"run.finished": "finished", "run.failed": "failed", "run.aborted": "aborted"}
    status = next((ends[e.kind] for e in reversed(events) if e.kind in ends), "unfinished")
    warnings = [f"{p.plan.name}: {text}" for p in plates for text in p.broken_windows]
    warnings += [f"{p.plan.name}: {p.problem}" for p in plates if p.problem]
    warnings += deviations(run, events)
    shown = tuple(p.report() for p in plates)
    warnings += [text for view in map(view_of, shown) if view for text in view.warnings]
    return RunReport(
        run=name,
        title=run.heading,
        protocol=run.label,
        lab=run.lab.name,
        simulated=run.lab.simulated,
        started=_to_the_second(events[0].wall) if events else "",
        finished=_to_the_second(events[-1].wall) if events else "",
        status=status,
        plates=shown,
        steps=_timeline(run, events),
        windows=tuple(_windows(run, events)),
        checks=checks(run, events),
        conditions=_conditions(run),
        files=run.files,
        warnings=tuple(dict.fromkeys(warnings)),
        versions={"platectl": __version__, "python": platform.python_version()},
        run_hash=run.hash(),
    )


def checks(run: CompiledRun, events: Sequence[Event]) -> list[tuple[str, str]]:
    """What was looked at before a plate went on, as rows of (what, finding)."""
    titles = {s.id: f"{s.plate}: {s.title}" for s in run.steps if s.kind in {"scan", "weigh"}}
    return [
        (titles[e.step], _finding(e.data["evidence"]))
        for e in events
        if e.kind == "step.done" and e.step in titles
    ]


def _finding(evidence: Mapping[str, Any]) -> str:
    """What a scan or a weighing found, in words."""
    if "barcode" in evidence:
        return f"{evidence['barcode']}, as it should be"
    mass = f"{evidence['mass_g']:.4f} g"
    if "gained_ul" not in evidence:
        return f"{mass}; {evidence['why']}" if "why" in evidence else mass
    gained, expected = evidence["gained_ul"] / 1000, evidence["expected_ul"] / 1000
    error, allowed = evidence["error_percent"], evidence["tolerance_percent"]
    return (
        f"{evidence['verdict']}: {gained:.3f} mL of {expected:.3f} mL ({error:+.1f} %, {allowed:g} % "
        f"allowed) from {', '.join(evidence['poured_by'])}; {mass}"
    )


def deviations(run: CompiledRun, events: Sequence[Event]) -> list[str]:
    """What did not go as planned: steps left out, wells lost, matters that were in doubt, outages."""
    titles = {step.id: f"{step.plate}: {step.title}" for step in run.steps}
    dropped = {e.data["plate"] for e in events if e.kind == "plate.dropped"}
    lines = []
    for event in events:
        data = event.data
        if event.kind == "step.skipped" and event.step.split(".")[0] not in dropped:
            lines.append(f"{titles[event.step]} was left out: {data['reason']}")
        elif event.kind == "wells.dropped":
            lines.append(
                f"{data['plate']}: wells {', '.join(data['wells'])} lost: {data['reason']}"
            )
        elif event.kind == "action.resolved" and data["reason"]:
            lines.append(
                f"{titles[event.step]}: {data['by']} said {data['fate']}: {data['reason']}"
            )
        elif event.kind == "preflight.overridden":
            check = data["check"]
            lines.append(
                f"preflight: {check['name']}: {check['needed']} needed, {check['there']} there; "
                f"{data['by']} started nevertheless: {data['reason']}"
            )
        elif event.kind == "step.done" and data["evidence"].get("verdict") == "fail":
            lines.append(f"{titles[event.step]}: {_finding(data['evidence'])}")
        elif event.kind == "run.resumed":
            lines.append(f"the run was cut off for {format_duration(data['outage_s'])} and resumed")
    return lines


def _to_the_second(wall: str) -> str:
    return datetime.fromisoformat(wall).isoformat(timespec="seconds")


def _timeline(run: CompiledRun, events: Sequence[Event]) -> tuple[TimelineRow, ...]:
    started = {e.step: e.monotonic_s for e in events if e.kind == "step.claimed"}
    ended = {
        e.step: e.monotonic_s
        for e in events
        if e.kind in {"step.done", "step.failed", "step.in_doubt"}
    }
    instruments = set(run.lab.instruments)
    return tuple(
        TimelineRow(
            s.id,
            s.title,
            s.plate,
            tuple(r for r in s.resources if r in instruments),
            started.get(s.id),
            ended.get(s.id),
            s.planned_start_s,
        )
        for s in run.steps
    )


def _windows(run: CompiledRun, events: Sequence[Event]) -> list[WindowRow]:
    judged = {
        (e.data["plate"], e.data["window"]): e.data
        for e in events
        if e.kind in {"window.kept", "window.broken"}
    }
    rows = []
    for window in run.windows:
        data = judged.get((window.plate, window.name), {})
        rows.append(
            WindowRow(
                window.name, window.plate, data.get("elapsed_s"), data.get("verdict"), window.hard
            )
        )
    return rows


def _conditions(run: CompiledRun) -> list[tuple[str, str]]:
    """Conditions of every assay; those of several assays under the names of their protocols."""
    if not run.others:
        return conditions_of_protocol(run.protocol)
    rows = []
    for number, protocol in enumerate(run.protocols):
        names = [plate.name for plate in run.plates if plate.assay == number]
        rows.append((protocol.title, ", ".join(names)))
        rows += conditions_of_protocol(protocol)
    return rows


def conditions_of_protocol(protocol: AssayProtocol) -> list[tuple[str, str]]:
    """What a report says about the assay, as rows of (what, value)."""
    return _binding_rows(protocol) if protocol.is_binding else _calcium_rows(protocol)


def _calcium_rows(protocol: AssayProtocol) -> list[tuple[str, str]]:
    calcium, compounds = protocol.of_calcium, protocol.compounds
    rows = [
        ("Cells", calcium.cells), ("Dye", calcium.dye), ("Kd of the dye", format_molar(calcium.kd)),
        ("Temperature", f"{calcium.temperature:g} °C"), ("Agonist", calcium.agonist),
        ("Reference", f"{compounds.reference}, up to {format_molar(compounds.reference_top)}"),
    ]  # fmt: skip
    if calcium.stimulus is not None:
        rows.append(("Stimulus", f"{format_molar(calcium.stimulus)} {calcium.agonist}"))
    return rows


def _binding_rows(protocol: AssayProtocol) -> list[tuple[str, str]]:
    binding, compounds = protocol.of_binding, protocol.compounds
    nsb = compounds.controls["nsb"]
    rows = [
        ("Site", binding.site), ("Tissue", binding.tissue), ("Radioligand", binding.radioligand),
        ("Nominal concentration", format_molar(binding.concentration)), ("Kd", format_molar(binding.kd)),
        ("Specific activity", f"{binding.specific_activity:g} Ci/mmol on {binding.specific_activity_date}"),
        ("Temperature", f"{binding.temperature:g} °C"), ("Incubation", format_duration(binding.incubation)),
        ("Non-specific binding", f"{format_molar(nsb.final)} {nsb.compound}"),
        ("Reference", compounds.reference),
    ]  # fmt: skip
    if binding.masking and binding.masking_concentration:
        weak = f", Ki here {format_molar(binding.masking_ki)}" if binding.masking_ki else ""
        molar = format_molar(binding.masking_concentration)
        rows.append(("Masking", f"{molar} {binding.masking}{weak}"))
    return rows


def announce(store: Path, name: str, run: CompiledRun, started: str) -> None:
    """Index a run before it begins, so that one that is cut off is listed."""
    RunIndex(store).put(
        name, folder=store / name, protocol=run.label, lab=run.lab.name, started=started,
        status="running", results=[],
    )  # fmt: skip


def standing(row: Mapping[str, Any]) -> str:
    """Status of an indexed run; one that nobody drives and that did not end was cut off."""
    status = str(row["status"])
    return "cut off" if status == "running" and owner_of(Path(row["folder"])) is None else status


def keep(store: Path, name: str, run: CompiledRun, finished: Finished) -> dict[str, Any]:
    """Write report and exports into the run folder, index the run, and return the JSON summary."""
    folder = store / name
    report = build_report(name, run, finished.events, finished.plates)
    rows = write_results(folder, report)
    status = finished.outcome.status
    index = RunIndex(store)
    if finished.seal is not None:
        index.put_seal(name, finished.seal)
    index.put(
        name,
        folder=folder,
        protocol=report.protocol,
        lab=report.lab,
        started=finished.started,
        status=status,
        results=list(rows),
    )
    return {
        "run": name, "folder": str(folder), "status": status, "error": finished.outcome.error,
        "in_doubt": list(finished.outcome.in_doubt), "dropped": finished.outcome.dropped, "report": str(folder / "report.html"),
        "simulated": report.simulated, "results": rows, "warnings": list(report.warnings),
    }  # fmt: skip


def write_results(folder: Path, report: RunReport) -> list[dict[str, Any]]:
    """Write results, counts and the report into a folder; returns the result rows."""
    from platectl.report.export import results_json, write_counts_csv, write_csv  # heavy
    from platectl.report.html import write_html  # heavy
    from platectl.report.rows import result_rows

    folder.mkdir(parents=True, exist_ok=True)
    rows = result_rows(report.plates)
    write_csv(folder / "results.csv", rows)
    write_counts_csv(folder / "counts.csv", report.plates)
    (folder / "results.json").write_text(results_json(report), encoding="utf-8")
    write_html(folder / "report.html", report)
    return rows


def reanalyse(folder: Path) -> tuple[RunReport, CompiledRun]:
    """Read a run folder and analyse it again."""
    run, events = read_run(folder)
    return build_report(folder.name, run, events, evaluate_run(run, events)), run


def summary_of(folder: Path) -> dict[str, Any]:
    """The stored results of a run folder.

    Raises:
        StoreError: No results were written.
    """
    path = folder / "results.json"
    if not path.exists():
        raise StoreError(f"{folder} holds no results yet")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
