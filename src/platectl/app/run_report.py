"""What a run's report shows, gathered from its ledger and its analysed plates; and its files."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platectl import __version__
from platectl.app.evaluation import EvaluatedPlate
from platectl.app.evaluation.plate import broken_windows
from platectl.domain.assay import AssayProtocol
from platectl.domain.errors import StoreError
from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.domain.units import format_duration, format_molar
from platectl.engine.stand_ins import as_it_was
from platectl.report.model import Basis, Review, RunReport, TimelineRow, WindowRow
from platectl.report.views import view_of
from platectl.store.kept_run import run_of
from platectl.store.ledger import Ledger

#: how the record of a look at unfinished data begins
LOOKED = "looked at unfinished data"


def read_run(folder: Path) -> tuple[CompiledRun, list[Event]]:
    """Read a run back from its ledger, with the plates that joined it.

    Raises:
        StoreError: No ledger, or not a run of this format.
    """
    if not (folder / "ledger.db").exists():
        raise StoreError(f"{folder} holds no ledger")
    ledger = Ledger(folder / "ledger.db")
    try:
        return run_of(ledger), list(ledger.events())
    finally:
        ledger.close()


def software() -> dict[str, str]:
    """Versions of what calculates."""
    return {
        "platectl": __version__, "python": platform.python_version(),
        "numpy": version("numpy"), "scipy": version("scipy"),
    }  # fmt: skip


def build_report(
    name: str, run: CompiledRun, events: Sequence[Event], plates: Sequence[EvaluatedPlate],
    review: Review = Review(), bases: Mapping[str, Basis] = {},  # noqa: B008 frozen
) -> RunReport:  # fmt: skip
    """Gather everything that a report shows.

    Args:
        name: Name of the run.
        run: The run, with the names of a blinded one if its key was opened.
        events: Its ledger.
        plates: Its plates, analysed.
        review: Who did what with the data.
        bases: Plate -> what its results rest on.
    """
    ends = {"run.finished": "finished", "run.failed": "failed", "run.aborted": "aborted"}
    status = next((ends[e.kind] for e in reversed(events) if e.kind in ends), "unfinished")
    warnings = review_warnings(review)
    warnings += [f"{p.plan.name}: {text}" for p in plates for text in p.broken_windows]
    warnings += [f"{p.plan.name} went on although {text}" for p in plates for text in p.gates]
    warnings += [f"{p.plan.name}: {p.problem}" for p in plates if p.problem]
    warnings += deviations(run, events)
    shown = tuple(replace(p.report(), basis=bases.get(p.plan.name, Basis())) for p in plates)
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
        versions=software(),
        run_hash=run.hash(),
        review=review,
    )


def reviewed(report: RunReport, review: Review) -> RunReport:
    """The same numbers with what is said of their review now."""
    before = review_warnings(report.review)
    warnings = [*review_warnings(review), *(w for w in report.warnings if w not in before)]
    plates = tuple(
        replace(plate, basis=replace(plate.basis, review=review.standing))
        for plate in report.plates
    )
    return replace(report, review=review, plates=plates, warnings=tuple(warnings))


def review_warnings(review: Review) -> list[str]:
    """What people did that a reader has to know before any number."""
    warnings = [review.sentence] if review.standing == "invalidated" else []
    if review.study and not review.names:
        warnings.append(f"Blinded under the key {review.study}: compounds stand under codes.")
    warnings += [
        f"{deed.by} {deed.what} on {deed.at}, before the run was over."
        for deed in review.deeds
        if deed.what.startswith(LOOKED)
    ]
    return warnings


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
    lines = [line for e in events if e.kind == "plate.added" for line in _added(e)]
    for event in events:
        data = event.data
        lines += _gate(event)
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
            lines.append(f"preflight: {_overridden(data, 'started')}")
        elif event.kind == "step.done" and data["evidence"].get("warnings"):
            lines.append(f"{titles[event.step]}: {', '.join(data['evidence']['warnings'])}")
        elif event.kind == "step.done" and data["evidence"].get("verdict") == "fail":
            lines.append(f"{titles[event.step]}: {_finding(data['evidence'])}")
        elif event.kind == "instrument.lost":
            lines.append(_lost(data))
        elif event.kind == "run.resumed":
            lines.append(f"the run was cut off for {format_duration(data['outage_s'])} and resumed")
    return lines


def _gate(event: Event) -> list[str]:
    """Which plates had to wait after one that was no good, and who let them go on."""
    data = event.data
    if event.kind not in {"gate.closed", "gate.opened"}:
        return []
    if event.kind == "gate.closed":
        waited = ", ".join(data["waiting"])
        return [f"{waited} had to wait: {data['plate']}: {data['reason']}"] if waited else []
    if data["option"] != "go_on" or not data["plates"]:
        return []
    said = f"{data['by']}: {data['why']}" if data["why"] else data["by"]
    return [
        f"{', '.join(data['plates'])} went on all the same after {', '.join(data['after'])}: {said}"
    ]


def _lost(data: Mapping[str, Any]) -> str:
    """Which instrument was given up, and where its plates went."""
    lost, seats = data["instrument"], data["seats"]
    moved = ", ".join(f"{plate} to {names[lost]}" for plate, names in seats.items())
    return f"{lost} was given up: {data['reason']}; instead {moved}"


def _overridden(data: Mapping[str, Any], done: str) -> str:
    """A check that did not hold, and who went on nevertheless."""
    check = data["check"]
    return (
        f"{check['name']}: {check['needed']} needed, {check['there']} there; "
        f"{data['by']} {done} nevertheless: {data['reason']}"
    )


def _added(event: Event) -> Iterator[str]:
    """Plates that joined, and checks that were overridden for them."""
    data, at = event.data, format_duration(event.monotonic_s)
    names = ", ".join(plate["name"] for plate in data["addition"]["plates"])
    why = f": {data['reason']}" if data["reason"] else ""
    yield f"{data['by']} added {names} {at} after the start{why}"
    for kind, note in data["checks"]:
        if kind == "preflight.overridden":
            yield f"{names}: {_overridden(note, 'added it')}"


def _to_the_second(wall: str) -> str:
    return datetime.fromisoformat(wall).isoformat(timespec="seconds")


def _timeline(run: CompiledRun, events: Sequence[Event]) -> tuple[TimelineRow, ...]:
    run = as_it_was(run, events)
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
        drawn = {plate.randomised for plate in run.plates} - {""}
        return [*conditions_of_protocol(run.protocol), *(("Layout", text) for text in drawn)]
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


def write_notice(
    folder: Path, run: CompiledRun, events: Sequence[Event], review: Review, why: str
) -> RunReport:
    """Write a page that says where a run stands and how to look at its results, and holds none.

    Results that lie there from before are taken away. Returns what the page shows.
    """
    from platectl.report.html import write_html  # heavy

    for name in ("results.csv", "counts.csv", "results.json", "report.pdf"):
        (folder / name).unlink(missing_ok=True)
    said = (
        f"No results are shown here: {why}. `platectl report {folder.name} --reason WHY` makes a page with "
        "what there is, and records who looked, when and why."
    )
    report = build_report(folder.name, run, events, (), replace(review, sentence=said))
    broken = [f"{p.name}: {text}" for p in run.plates for text in broken_windows(p, events)]
    report = replace(report, warnings=tuple(dict.fromkeys([*report.warnings, *broken])))
    write_html(folder / "report.html", report)
    return report
