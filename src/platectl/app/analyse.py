"""Analyses counts or fluorescence that an instrument exported, or a plain table, without any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from platectl.analysis.errors import AnalysisError
from platectl.app.evaluation.binding import analyse_counts, well_counts
from platectl.app.evaluation.calcium import baseline_s, evaluate_export, missing_channels
from platectl.app.evaluation.plate import EvaluatedPlate
from platectl.app.evaluation.terms import BUNDLED_TERMS
from platectl.app.exported import traces_of
from platectl.app.imports import FileChoice, Imported, Readings, read_counts
from platectl.app.plausible import (
    above_added,
    aliquots,
    caution,
    day_of_counting,
    idle,
    wells_of,
)
from platectl.app.prepare import own_samples
from platectl.app.review.provenance import digest_of
from platectl.app.review.settings import settings_of
from platectl.app.run_report import conditions_of_protocol, software
from platectl.app.vendor_files import Rate
from platectl.domain.assay import AssayProtocol
from platectl.domain.codes import Code
from platectl.domain.findings import Finding, InputRefusedError, refuse_if_any
from platectl.domain.layout import Layout
from platectl.domain.result_rules import ResultRules
from platectl.domain.run import PlatePlan
from platectl.domain.samples import Sample
from platectl.domain.standards import aliquots_of
from platectl.files.plate_map import load_layout
from platectl.files.protocol import file_hash, load_protocol
from platectl.files.samples import load_samples
from platectl.planning.plates import plan_plates
from platectl.report.export import plain
from platectl.report.model import Basis, RunReport
from platectl.report.views import view_of


@dataclass(frozen=True, slots=True)
class AnalyseOptions:
    """What is analysed, and as what.

    `counted_on` None takes the day that the file states. `plate` chooses a plate of a file of several,
    `counter` is an instrument of the lab file whose declared layout the file has, `vendor` what allotropy takes the file for, `rate` what a luminescence without a unit is. `added_s`
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

    @property
    def choice(self) -> FileChoice:
        """What is meant of the file."""
        return FileChoice(self.plate, self.vendor, self.rate, self.lab, self.counter)


@dataclass(frozen=True, slots=True)
class CountedPlate:
    """One plate as its files describe it, before any analysis."""

    protocol: AssayProtocol
    plate: PlatePlan
    readings: Readings
    standards: Readings
    counted_on: date
    findings: tuple[Finding, ...]
    """What has to be said beside any result."""


def read_plate(options: AnalyseOptions) -> CountedPlate:
    """Read protocol, plate map, sample sheet, counts and aliquots, and hold them against one another.

    Raises:
        InputRefusedError: One of them cannot be used, or they do not belong together; every finding.
    """
    return _counted(options, *_assay(options))


def analyse_file(options: AnalyseOptions) -> RunReport:
    """Analyse one plate, counted or read over time, as the protocol says.

    Wells are as old as `age_min`, or as the protocol's incubation, since no ledger knows better.

    Raises:
        InputRefusedError: The protocol, map, sheet or data cannot be used; every finding.
    """
    protocol, layout = _assay(options)
    judge = _binding if protocol.is_binding else _calcium
    done, day, findings = judge(options, protocol, layout)
    if done.problem:
        problem = Finding(done.problem, str(options.counts), code=done.code or Code.NO_ANSWER)
        findings = (*findings, problem)
    as_file = layout_file(options)
    files = [p for p in (options.counts, options.standards, options.samples, as_file) if p]
    cautions = _cautions(options) if protocol.is_binding else []
    record = {
        "files": {str(path): file_hash(path) for path in files},
        "options": plain(settings_of(protocol)), "rules": options.rules.title,
        "rules_sha256": options.rules.digest(), "versions": software(),
    }  # fmt: skip
    report = replace(done.report(), basis=Basis(provenance=digest_of(record), record=record))
    view = view_of(report)
    return RunReport(
        run=options.counts.stem,
        title=protocol.title,
        protocol=protocol.name,
        lab="",
        simulated=False,
        started=day.isoformat(),
        finished=day.isoformat(),
        status="analysed from a file",
        plates=(report,),
        conditions=conditions_of_protocol(protocol),
        files={str(path): file_hash(path) for path in files},
        warnings=(*cautions, *(f.coded for f in findings), *(view.warnings if view else ())),
        findings=findings,
        versions=software(),
    )  # fmt: skip


def layout_file(options: AnalyseOptions) -> Path | None:
    """The plate map, if the layout is a file and no name."""
    return Path(options.layout) if options.layout and Path(options.layout).suffix else None


def _assay(options: AnalyseOptions) -> tuple[AssayProtocol, Layout]:
    as_file = layout_file(options)
    protocol, document = load_protocol(
        options.protocol, overrides=options.overrides, layout=None if as_file else options.layout
    )
    layout = load_layout(as_file) if as_file else protocol.layouts.get(protocol.layout)
    if layout is None:
        fix = f"use one of: {', '.join(protocol.layouts)}"
        message = f"{protocol.layout!r} is no layout"
        raise InputRefusedError([document.finding(("layout",), message, fix, Code.NAME_UNKNOWN)])
    return protocol, layout


def _counted(options: AnalyseOptions, protocol: AssayProtocol, layout: Layout) -> CountedPlate:
    counts = read_counts(options.counts, protocol, options.choice)
    standards = (
        read_counts(options.standards, protocol, options.choice)
        if options.standards
        else Imported({})
    )
    plate, findings = _plate(options, protocol, layout)
    findings += [*counts.cautions, *standards.cautions]
    given = {"--plate": options.plate, "--rate": options.rate, "--added-at": options.added_s}
    findings += idle(options.counts, given, {f"--{name}" for name in counts.used | standards.used})
    findings += wells_of(options.counts, plate, counts.readings)
    counted_on, doubts = _day(options, protocol, counts.stated_day)
    findings += doubts
    findings += above_added(options.counts, protocol, plate, counts.readings, counted_on)
    if options.standards:
        findings += aliquots(options.standards, protocol, plate, standards.readings, counted_on)
    refuse_if_any(findings)
    return CountedPlate(
        protocol, plate, counts.readings, standards.readings, counted_on, tuple(findings)
    )


def _day(
    options: AnalyseOptions, protocol: AssayProtocol, stated: date | None
) -> tuple[date, list[Finding]]:
    """The day of counting: tritium loses 0.5 % a month."""
    today = date.today()  # noqa: DTZ011  # the operator's day
    known = options.counted_on or stated
    if known is not None:
        reference = date.fromisoformat(protocol.of_binding.specific_activity_date)
        by_hand = options.counted_on is not None
        return known, day_of_counting(
            options.counts, known, reference=reference, today=today, by_hand=by_hand
        )
    message = f"does not say when it was counted; {today} is taken for the decay"
    return today, [caution(Code.DAY_ASSUMED, message, options.counts, "", "give --counted-on")]


def _binding(
    options: AnalyseOptions, protocol: AssayProtocol, layout: Layout
) -> tuple[EvaluatedPlate, date, tuple[Finding, ...]]:
    """A counted plate."""
    counted = _counted(options, protocol, layout)
    plate, readings = counted.plate, counted.readings
    age = options.age_min or protocol.of_binding.incubation / 60.0
    ages = {} if protocol.mode == "kinetics" else dict.fromkeys(readings, age)
    try:
        wells = well_counts(plate, readings, ages, {})
        standards = list(counted.standards.values())
        of_levels = aliquots_of(protocol, plate.wells)
        day = counted.counted_on
        result = analyse_counts(protocol, wells, standards, of_levels, day, options.rules)
        done = EvaluatedPlate(plate, readings, result, "")
    except AnalysisError as error:
        done = EvaluatedPlate(plate, readings, None, str(error), code=error.code)
    return done, counted.counted_on, counted.findings


def _calcium(
    options: AnalyseOptions, protocol: AssayProtocol, layout: Layout
) -> tuple[EvaluatedPlate, date, tuple[Finding, ...]]:
    """A plate that was read over time; `standards` is the later read of its calibrators."""
    traces = traces_of(options.counts, options.plate, options.vendor)
    late = traces_of(options.standards, options.plate, options.vendor) if options.standards else ()
    plate, findings = _plate(options, protocol, layout)
    findings += idle(options.counts, {"--rate": options.rate, "--age": options.age_min}, ())
    findings += wells_of(options.counts, plate, {trace.well: {} for trace in traces})
    if absent := missing_channels(protocol, traces):
        message = f"has no fluorescence at {' and '.join(f'{nm:g}' for nm in absent)} nm excitation"
        fix = "export all wavelengths of the read"
        findings.append(
            Finding(message, str(options.counts), None, "", fix, code=Code.CHANNEL_MISSING)
        )
    added_s = options.added_s
    stated = all(trace.added_s is not None for trace in traces)
    if added_s is None and not stated and (added_s := baseline_s(protocol)) is not None:
        message = (
            "does not say when anything was added; "
            f"{added_s:g} s, the end of the protocol's baseline, is assumed"
        )
        findings.append(
            caution(Code.ADDITION_ASSUMED, message, options.counts, "", "give --added-at")
        )
    refuse_if_any(findings)
    day = options.counted_on or date.today()  # noqa: DTZ011  # the operator's day
    done = evaluate_export(protocol, plate, traces, late, added_s, options.rules)
    return done, day, tuple(findings)


def _plate(
    options: AnalyseOptions, protocol: AssayProtocol, layout: Layout
) -> tuple[PlatePlan, list[Finding]]:
    own = options.samples or own_samples(protocol, options.protocol)
    samples = load_samples(own) if layout.slots else ()
    sheet = str(options.samples or "samples.csv")
    plates, findings = plan_plates(protocol, layout, samples, sheet=sheet, run=options.counts.stem)
    if len(plates) > 1:
        message = f"the samples fill {len(plates)} plates, and the counts are of one"
        fix = "list the compounds of this plate"
        findings.append(Finding(message, sheet, None, "", fix, code=Code.NO_PLACE))
    refuse_if_any(findings)
    return plates[0], [*findings, *_by_order(options, samples, plates[0])]


def _by_order(
    options: AnalyseOptions, samples: Sequence[Sample], plate: PlatePlan
) -> list[Finding]:
    """Compounds that got their slots from the order of the sheet, which may not be that of the plate."""
    slots = {w.compound: str(w.series).partition(".")[0] for w in plate.wells if w.role == "test"}
    placed = [s for s in samples if not s.slot]
    if not placed or (options.samples and len(samples) == 1):
        return []
    order = ", ".join(f"{slots[s.compound]} is {s.compound}" for s in placed)
    if options.samples is None:
        message, fix = f"no sample sheet was given, so {order}", "give --samples"
        return [caution(Code.PLACED_BY_ORDER, message, options.counts, "", fix)]
    message = f"{order}, by the order of the sheet"
    return [caution(Code.PLACED_BY_ORDER, message, options.samples, "slot", "give the column slot")]


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
