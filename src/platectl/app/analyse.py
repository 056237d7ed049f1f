"""Analyses counts or fluorescence that an instrument exported, or a plain CSV, without any run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from platectl import registry
from platectl.analysis.errors import AnalysisError
from platectl.app import vendor_files
from platectl.app.evaluation.binding import analyse_counts, well_counts
from platectl.app.evaluation.calcium import baseline_s, evaluate_export
from platectl.app.evaluation.terms import BUNDLED_TERMS
from platectl.app.exported import (
    as_declared,
    by_allotropy,
    content_of,
    of_own_readers,
    of_plate,
    refuse_doubled,
    traces_of,
)
from platectl.app.prepare import own_samples
from platectl.app.review.provenance import digest_of
from platectl.app.review.settings import settings_of
from platectl.app.run_report import conditions_of_protocol, software
from platectl.app.vendor_files import Rate
from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding, InputRefusedError, refuse_if_any
from platectl.domain.layout import Layout
from platectl.domain.result_rules import ResultRules
from platectl.domain.step_docs import CountDoc
from platectl.files.counts import parse_counts_csv
from platectl.files.plate_map import load_layout
from platectl.files.protocol import file_hash, load_protocol
from platectl.files.samples import load_samples
from platectl.planning.plates import plan_plates
from platectl.report.export import plain
from platectl.report.model import AnyResult, Basis, PlateReport, RunReport
from platectl.report.views import view_of

Readings = dict[str, dict[str, Any]]
ASSUMED = (
    "The export does not say when anything was added; {:g} s, the end of the protocol's baseline, is assumed "
    "(--added-at)."
)


@dataclass(frozen=True, slots=True)
class AnalyseOptions:
    """What is analysed, and as what.

    `counted_on` None takes the day that the file states. `plate` chooses a plate of a file of several,
    `counter` is an instrument of the lab file whose declared layout the file has,
    `vendor` what allotropy takes the file for, `rate` what a luminescence without a unit is. `added_s`
    is when the compound came, since a well's first point.
    """

    counts: Path
    protocol: str = "sigma1-binding"
    layout: str | None = None
    samples: Path | None = None
    standards: Path | None = None
    counted_on: date | None = None
    age_min: float | None = None
    plate: str | None = None
    lab: Path | None = None
    counter: str | None = None
    vendor: str | None = None
    rate: Rate | None = None
    added_s: float | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    rules: ResultRules = BUNDLED_TERMS.rules


def analyse_file(options: AnalyseOptions) -> RunReport:
    """Analyse one plate, counted or read over time, as the protocol says.

    Wells are as old as `age_min`, or as the protocol's incubation, since no ledger knows better.

    Raises:
        InputRefusedError: The protocol, map, sheet or counts cannot be used; every finding.
    """
    as_file = Path(options.layout) if options.layout and Path(options.layout).suffix else None
    protocol, document = load_protocol(
        options.protocol,
        overrides=options.overrides,
        layout=None if as_file else options.layout,
    )
    layout = load_layout(as_file) if as_file else protocol.layouts.get(protocol.layout)
    if layout is None:
        fix = f"use one of: {', '.join(protocol.layouts)}"
        message = f"{protocol.layout!r} is no layout"
        raise InputRefusedError([document.finding(("layout",), message, fix)])
    judge = _counted if protocol.is_binding else _read
    done, counted_on, cautions = judge(options, protocol, layout)
    files = [p for p in (options.counts, options.standards, options.samples, as_file) if p]
    record = {
        "files": {str(path): file_hash(path) for path in files},
        "options": plain(settings_of(protocol)), "rules": options.rules.title,
        "rules_sha256": options.rules.digest(), "versions": software(),
    }  # fmt: skip
    basis = Basis(provenance=digest_of(record), record=record)
    done = replace(done, basis=basis)
    view = view_of(done)
    return RunReport(
        run=options.counts.stem,
        title=protocol.title,
        protocol=protocol.name,
        lab="",
        simulated=False,
        started=counted_on.isoformat(),
        finished=counted_on.isoformat(),
        status="analysed from a file",
        plates=(done,),
        conditions=conditions_of_protocol(protocol),
        files={str(path): file_hash(path) for path in files},
        warnings=(*cautions, *(view.warnings if view else ()), *([done.problem] if done.problem else [])),
        versions=software(),
    )  # fmt: skip


def _counted(
    options: AnalyseOptions, protocol: AssayProtocol, layout: Layout
) -> tuple[PlateReport, date, list[str]]:
    """A counted plate, the day of counting, and what is not known of it."""
    readings = read_counts(options.counts, protocol, options)
    standards = read_counts(options.standards, protocol, options) if options.standards else {}
    plate, findings = _plate(options, protocol, layout)
    refuse_if_any([*findings, *_missing(options.counts, plate, readings)])
    counted_on = options.counted_on or _stated_day(readings)
    result, problem = _result(options, protocol, plate, readings, standards, counted_on)
    report = PlateReport(plate.name, plate.barcode, plate.wells, readings, result, problem)
    return report, counted_on, [*_cautions(options), *_gaps(plate, readings)]


def _read(
    options: AnalyseOptions, protocol: AssayProtocol, layout: Layout
) -> tuple[PlateReport, date, list[str]]:
    """A plate that was read over time; `standards` is the later read of its calibrators."""
    traces = traces_of(options.counts, options.plate, options.vendor)
    late = traces_of(options.standards, options.plate, options.vendor) if options.standards else ()
    plate, findings = _plate(options, protocol, layout)
    read: Readings = {trace.well: {} for trace in traces}
    refuse_if_any([*findings, *_missing(options.counts, plate, read)])
    added_s, cautions = options.added_s, []
    if added_s is None and (added_s := baseline_s(protocol)) is not None:
        cautions = [ASSUMED.format(added_s)]
    done = evaluate_export(protocol, plate, traces, late, added_s, options.rules)
    day = options.counted_on or date.today()  # noqa: DTZ011  # the operator's day
    return done.report(), day, cautions


def _result(
    options: AnalyseOptions, protocol: AssayProtocol, plate: Any, readings: Readings,
    standards: Readings, counted_on: date,
) -> tuple[AnyResult | None, str]:  # fmt: skip
    age = options.age_min or protocol.of_binding.incubation / 60.0
    ages = {} if protocol.mode == "kinetics" else dict.fromkeys(readings, age)
    try:
        wells = well_counts(plate, readings, ages, {})
        return analyse_counts(
            protocol, wells, list(standards.values()), counted_on, options.rules
        ), ""
    except AnalysisError as error:
        return None, str(error)


def _plate(
    options: AnalyseOptions, protocol: AssayProtocol, layout: Layout
) -> tuple[Any, list[Finding]]:
    sheet_path = options.samples or own_samples(protocol, options.protocol)
    samples = load_samples(sheet_path) if layout.slots else ()
    sheet = str(options.samples or "samples.csv")
    plates, findings = plan_plates(protocol, layout, samples, sheet=sheet, run=options.counts.stem)
    if len(plates) > 1:
        message = f"the samples fill {len(plates)} plates, and the counts are of one"
        findings.append(Finding(message, sheet, None, "", "list the compounds of this plate"))
    refuse_if_any(findings)
    return plates[0], findings


def _missing(path: Path, plate: Any, readings: Readings) -> list[Finding]:
    absent = [w.well for w in plate.wells if w.role != "empty" and w.well not in readings]
    known = {w.well for w in plate.wells}
    strange = [well for well in readings if well not in known]
    fix = "choose the layout with --layout, or give a plate map"
    found = []
    if len(absent) == sum(w.role != "empty" for w in plate.wells):
        found.append(Finding("holds none of the wells of the plate map", str(path), None, "", fix))
    if strange:
        message = f"has wells that the plate map does not know: {', '.join(strange[:6])}"
        found.append(Finding(message, str(path), None, strange[0], fix))
    return found


def _gaps(plate: Any, readings: Readings) -> list[str]:
    absent = [w.well for w in plate.wells if w.role != "empty" and w.well not in readings]
    return [f"Wells without a value in the file: {', '.join(absent)}."] if absent else []


def read_counts(
    path: Path, protocol: AssayProtocol, options: AnalyseOptions | None = None
) -> Readings:
    """Readings by well from a counter's export or a CSV; the content tells which it is.

    Raises:
        InputRefusedError: Neither, or damaged.
    """
    options = options or AnalyseOptions(path)
    data = content_of(path)
    first = data.split(b"\n", 1)[0].lower()
    if b"well" in first and b"cpm" in first and not options.counter:
        return _from_csv(data, path, protocol)
    found, problems = (
        (
            as_declared(
                data, path, options.lab, options.counter, _count_s(protocol), options.plate
            ),
            [],
        )
        if options.counter
        else of_own_readers(registry.EXPORTS, data, path, options.vendor)
    )
    if found is None:
        return _of_vendor(path, protocol, options, problems)
    return {
        r.well: {"well": r.well, "cpm": r.cpm, "counts": r.counts, "live_s": r.live_s,
                 "flags": list(r.flags), "source": r.source, "ended_at": r.ended_at}
        for r in found
    }  # fmt: skip


def _of_vendor(
    path: Path, protocol: AssayProtocol, options: AnalyseOptions, problems: list[str]
) -> Readings:
    """Luminescence that allotropy reads; of the plate that was named, if there are several."""
    fix = "give an export of one of these counters, or a CSV with the columns well and cpm"
    found = by_allotropy(
        lambda: vendor_files.read_counts(path, options.vendor, options.rate), path, problems, fix
    )
    chosen = [
        r for r in found if r.plate == of_plate(path, {r.plate for r in found}, options.plate)
    ]
    refuse_doubled(path, [r.well for r in chosen])
    return {
        r.well: {"well": r.well, "cpm": r.cpm, "counts": None, "live_s": r.live_s or _count_s(protocol),
                 "flags": [], "source": r.source, "ended_at": r.ended_at}
        for r in chosen
        if r.cpm is not None
    }  # fmt: skip


def _from_csv(data: bytes, path: Path, protocol: AssayProtocol) -> Readings:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefusedError([Finding("is not UTF-8 text", str(path))]) from error
    wells = parse_counts_csv(text, name=str(path), count_s=_count_s(protocol))
    return {
        w.well: {"well": w.well, "cpm": w.cpm, "counts": w.counts, "live_s": w.count_s,
                 "flags": [], "source": f"{path.name}:{w.line}"}
        for w in wells
    }  # fmt: skip


def _count_s(protocol: AssayProtocol) -> float:
    """Counting time of the protocol, where a file states none."""
    times = [doc.duration for doc in protocol.steps.values() if isinstance(doc, CountDoc)]
    return times[0] if times else 60.0


def _stated_day(readings: Readings) -> date:
    """Day on which counting ended, if the file says it, else today: tritium loses 0.5 % a month."""
    days = [str(r.get("ended_at", ""))[:10] for r in readings.values() if r.get("ended_at")]
    return date.fromisoformat(max(days)) if days else date.today()  # noqa: DTZ011  # the operator's day


def _cautions(options: AnalyseOptions) -> list[str]:
    cautions = []
    if options.standards is None:
        cautions.append(
            "No aliquots were given (--standards), so the radioligand is taken at its nominal "
            "concentration with 7 % uncertainty."
        )
    if options.age_min is None:
        cautions.append("The age of the wells is not known; the protocol's incubation is assumed.")
    return cautions
