"""Analyses counts that a counter exported, or a plain CSV, without any run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from platectl import registry
from platectl.analysis.errors import AnalysisError
from platectl.app.evaluation.binding import analyse_counts, well_counts
from platectl.app.evaluation.terms import BUNDLED_TERMS
from platectl.app.review.provenance import digest_of
from platectl.app.review.settings import settings_of
from platectl.app.run_report import conditions_of_protocol, software
from platectl.domain.assay import AssayProtocol
from platectl.domain.errors import MalformedReplyError
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


@dataclass(frozen=True, slots=True)
class AnalyseOptions:
    """What is analysed, and as what. `counted_on` None takes the day that the file states."""

    counts: Path
    protocol: str = "sigma1-binding"
    layout: str | None = None
    samples: Path | None = None
    standards: Path | None = None
    counted_on: date | None = None
    age_min: float | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    rules: ResultRules = BUNDLED_TERMS.rules


def analyse_file(options: AnalyseOptions) -> RunReport:
    """Analyse one counted plate as the protocol says.

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
    if not protocol.is_binding:
        raise InputRefusedError(
            [document.finding(("mode",), "is not counted", "name a binding assay")]
        )
    readings = read_counts(options.counts, protocol)
    standards = read_counts(options.standards, protocol) if options.standards else {}
    plate, findings = _plate(options, protocol, layout)
    refuse_if_any([*findings, *_missing(options.counts, plate, readings)])
    counted_on = options.counted_on or _stated_day(readings)
    result, problem = _result(options, protocol, plate, readings, standards, counted_on)
    files = [p for p in (options.counts, options.standards, options.samples, as_file) if p]
    record = {
        "files": {str(path): file_hash(path) for path in files},
        "options": plain(settings_of(protocol)), "rules": options.rules.title,
        "rules_sha256": options.rules.digest(), "versions": software(),
    }  # fmt: skip
    basis = Basis(provenance=digest_of(record), record=record)
    done = PlateReport(
        plate.name, plate.barcode, plate.wells, readings, result, problem, basis=basis
    )
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
        warnings=(*_cautions(options), *(view.warnings if view else ()), *([problem] if problem else [])),
        versions=software(),
    )  # fmt: skip


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
    samples = load_samples(options.samples) if layout.slots else ()
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


def read_counts(path: Path, protocol: AssayProtocol) -> Readings:
    """Readings by well from a counter's export or a CSV; the content tells which it is.

    Raises:
        InputRefusedError: Neither, or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputRefusedError(
            [Finding(f"cannot be read: {error.strerror}", str(path))]
        ) from error
    first = data.split(b"\n", 1)[0].lower()
    if b"well" in first and b"cpm" in first:
        return _from_csv(data, path, protocol)
    problems = []
    for name in registry.names(registry.EXPORTS):
        try:
            found = registry.load(registry.EXPORTS, name)(data, path.name)
        except MalformedReplyError as error:
            problems.append(f"{name}: {error}")
            continue
        return {
            r.well: {"well": r.well, "cpm": r.cpm, "counts": r.counts, "live_s": r.live_s,
                     "flags": list(r.flags), "source": r.source, "ended_at": r.ended_at}
            for r in found
        }  # fmt: skip
    fix = "give an export of one of these counters, or a CSV with the columns well and cpm"
    raise InputRefusedError(
        [Finding(f"is no export that can be read ({'; '.join(problems)})", str(path), fix=fix)]
    )


def _from_csv(data: bytes, path: Path, protocol: AssayProtocol) -> Readings:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefusedError([Finding("is not UTF-8 text", str(path))]) from error
    times = [doc.duration for doc in protocol.steps.values() if isinstance(doc, CountDoc)]
    wells = parse_counts_csv(text, name=str(path), count_s=times[0] if times else 60.0)
    return {
        w.well: {"well": w.well, "cpm": w.cpm, "counts": w.counts, "live_s": w.count_s,
                 "flags": [], "source": f"{path.name}:{w.line}"}
        for w in wells
    }  # fmt: skip


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
