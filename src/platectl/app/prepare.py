"""From files to a compiled night: protocols or a night file, lab, samples, truth, night orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platectl.app.blinding import (
    coded_files,
    coded_stock,
    coded_truth,
    refuse_known,
    under_codes,
)
from platectl.app.evaluation.terms import BUNDLED_TERMS
from platectl.app.simulation import simulated_twin
from platectl.app.truth import load_truth, unknown_to_truth
from platectl.domain.assay import AssayProtocol
from platectl.domain.blinding import Key
from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError, refuse_if_any
from platectl.domain.lab import Lab
from platectl.domain.layout import Randomise
from platectl.domain.night import SIMULATED_START, NightDoc, NightEntry
from platectl.domain.policy import Policy
from platectl.domain.result_rules import ResultRules
from platectl.domain.run import CompiledRun
from platectl.domain.stock import Stock
from platectl.files.lab import load_catalogue, load_lab
from platectl.files.night import beside, is_night, load_night
from platectl.files.plate_map import load_layout
from platectl.files.policy import load_policy
from platectl.files.protocol import bundled, file_hash, find_protocol, load_protocol
from platectl.files.result_rules import load_result_rules
from platectl.files.samples import load_samples
from platectl.files.stock import load_stock
from platectl.files.yaml_lines import Document
from platectl.planning.batch import Request
from platectl.planning.compile import NightTerms, Planner, best_plan, compile_run
from platectl.registry import DRIVERS, load
from platectl.simkit.world import Truth
from platectl.store.qualifications import passed_units


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for; None means the bundled default.

    `protocol` is a bundled name, a protocol file, or a night file, which brings its own lab,
    samples and layouts. `store` has the records of hardware tests. With `twin` a simulated twin
    stands for a lab that is real.
    """

    protocol: str
    lab: Path | None = None
    samples: Path | None = None
    truth: Path | None = None
    layout: str | None = None
    overrides: Mapping[str, str] | None = None
    seed: int = 1
    run: str = "run"
    policy: Path | None = None
    stock: Path | None = None
    rules: Path | None = None
    key: Key | None = None
    randomise: Randomise | None = None
    store: Path | None = None
    twin: bool = False


@dataclass(slots=True)
class Night:
    """A compiled run with what it needs to be executed.

    `zone` is how the lab's clocks go; `stock` is what is on hand, when the operator says so.
    `twin` says that its lab is the simulated twin of a real one.
    """

    compiled: CompiledRun
    warnings: list[Finding]
    truth: Truth | None
    seed: int
    policy: Policy
    zone: str | None = None
    lab_file: Path | None = None
    stock: Stock | None = None
    rules: ResultRules = BUNDLED_TERMS.rules
    key: Key | None = None
    twin: bool = False


def prepare(
    options: Options, *, planner: Planner = best_plan, now: datetime | None = None,
    due: datetime | None = None,
) -> Night:  # fmt: skip
    """Read, compile, check and plan everything; nothing is sent to any instrument.

    A clock time of a night file is the first one from `due` on, which is `now` unless it was due
    before; a night whose start is over at `now` begins then. A simulated lab has a time of its own,
    a simulated twin that of the real lab.

    Raises:
        InputRefusedError: With all findings.
    """
    _refuse_missing(options)
    wall = now
    if not is_night(options.protocol):
        lab, lab_document, real = _lab(options)
        request = _request(options, lab, lab_document)
        night = _compiled(options, [request], NightTerms(), planner, wall)
        return replace(night, twin=real and lab.simulated)
    doc, document, options = _night_file(options)
    lab, lab_document, real = _lab(options)
    findings = _unknown_people(doc, document, lab)
    if not real or now is None:
        now = due = SIMULATED_START
    starts = doc.begins(due or now)
    starts = max(starts, now) if real else starts
    ends_s = None if doc.ends is None else doc.offset_s(doc.ends, starts)
    terms = NightTerms(
        doc.title or doc.night, starts.astimezone(UTC), doc.zone, ends_s, doc.absences(starts)
    )
    findings += _times_in_disorder(doc, document, starts)
    requests: list[Request] = []
    for number, entry in enumerate(doc.plates):
        place = *document.source(("plates", number)), f"plates.{number}"
        try:
            request = request_of(entry, options, doc, starts, (lab, lab_document))
            requests.append(replace(request, asked_at=place))
        except InputRefusedError as error:
            findings += [finding.within(*place) for finding in error.findings]
    refuse_if_any(findings)
    night = _compiled(options, requests, terms, planner, wall, doc.zone)
    return replace(night, twin=real and lab.simulated)


def _lab(options: Options) -> tuple[Lab, Document, bool]:
    """The lab or its simulated twin, its file, and whether the lab of the file is real."""
    lab, document = load_lab(options.lab)
    real = not lab.simulated
    if real and options.twin:
        lab = simulated_twin(lab, file=document.name)
    return lab, document, real


def _compiled(
    options: Options, requests: list[Request], terms: NightTerms, planner: Planner,
    now: datetime | None, zone: str | None = None,
) -> Night:  # fmt: skip
    key, protocols = options.key, [request.protocol for request in requests]
    if key is not None:
        refuse_known(key, protocols)
        requests = [replace(r, files=coded_files(key, r.files)) for r in requests]
    compiled, warnings = compile_run(*requests, terms=terms, planner=planner)
    truth = load_truth(options.truth) if compiled.lab.simulated else None
    if truth is not None and key is not None:
        truth = coded_truth(key, truth)
    if truth is not None:
        name = str(options.truth or "truth.yaml")
        for request in requests:
            refuse_if_any(
                unknown_to_truth(
                    request.protocol, request.samples, truth, truth_file=name,
                    sheet=request.sample_file,
                )
            )  # fmt: skip
    stock = load_stock(options.stock, now=now) if options.stock else None
    if stock is not None and key is not None:
        stock = coded_stock(key, stock)
    policy = load_policy(options.policy)
    return Night(compiled, warnings, truth, options.seed, policy, zone, options.lab, stock,
                 load_result_rules(options.rules), key)  # fmt: skip


def _request(options: Options, lab: Lab, lab_document: Document) -> Request:
    """One assay of the options' files."""
    layout_file = Path(options.layout) if options.layout and Path(options.layout).suffix else None
    protocol, document = load_protocol(
        options.protocol,
        overrides=options.overrides,
        layout=None if layout_file else options.layout,
    )
    sheet_path = options.samples or own_samples(protocol, options.protocol)
    sheet = str(options.samples or (sheet_path.name if sheet_path else "samples.csv"))
    if options.key is None:
        samples = load_samples(sheet_path)
    elif options.samples is None:
        samples = options.key.coded()
    else:
        samples = under_codes(options.key, load_samples(sheet_path), sheet)
    files = [
        find_protocol(options.protocol),
        *(
            p
            for p in (options.lab, options.samples, options.truth, options.stock, layout_file)
            if p
        ),
    ]
    return Request(
        protocol, document, lab, lab_document, load_catalogue(lab), samples, sheet, options.run,
        load_layout(layout_file) if layout_file else None, {str(f): file_hash(f) for f in files},
        randomise=options.randomise,
        qualified=passed_units(options.store) if options.store else {},
    )  # fmt: skip


def _night_file(options: Options) -> tuple[NightDoc, Document, Options]:
    """The night, and the options with the files that it names; those of the command line win."""
    path = Path(options.protocol)
    doc, document = load_night(path)
    refused = [
        Finding(f"--{name} belongs to a protocol", fix="write it into the night file")
        for name, value in (("samples", options.samples), ("layout", options.layout),
                            ("set", options.overrides))
        if value
    ]  # fmt: skip
    named: dict[str, Any] = {
        field: beside(path, getattr(doc, field))
        for field in ("lab", "truth", "policy", "stock")
        if getattr(options, field) is None
    }
    refused += [
        document.finding((field,), f"{file} cannot be read: no such file", "correct the name, or write the file",
                         Code.FILE_UNREADABLE)
        for field, file in named.items() if file is not None and not file.is_file()
    ]  # fmt: skip
    refuse_if_any(refused)
    return doc, document, replace(options, **named)


def _refuse_missing(options: Options) -> None:
    """Files of the command line that are not there."""
    refuse_if_any(
        Finding("cannot be read: no such file", str(file), fix="correct the name, or write the file",
                code=Code.FILE_UNREADABLE)
        for file in (options.truth, options.stock) if file is not None and not file.is_file()
    )  # fmt: skip


def request_of(
    entry: NightEntry, options: Options, doc: NightDoc, starts: datetime,
    lab: tuple[Lab, Document],
) -> Request:  # fmt: skip
    """Read what an entry of a file asks for; `options.protocol` is the file, beside which others lie.

    Raises:
        InputRefusedError: With all findings.
    """
    night = Path(options.protocol)
    file = beside(night, entry.protocol) if Path(entry.protocol).suffix else None
    map_file = beside(night, entry.layout) if entry.layout and Path(entry.layout).suffix else None
    request = _request(
        replace(
            options,
            protocol=str(file or entry.protocol),
            samples=beside(night, entry.samples),
            layout=str(map_file) if map_file else entry.layout,
            overrides={name: str(value) for name, value in entry.set.items()},
        ),
        *lab,
    )
    ends = [doc.offset_s(m, starts) for m in (entry.not_after, doc.ends) if m is not None]
    return replace(
        request,
        files={**request.files, **({str(night): file_hash(night)} if night.is_file() else {})},
        copies=entry.copies,
        randomise=entry.randomise or options.randomise,
        priority=entry.priority,
        not_before_s=max(doc.offset_s(entry.not_before, starts), 0.0) if entry.not_before else 0.0,
        not_after_s=min(ends, default=None),
    )


def _times_in_disorder(doc: NightDoc, document: Document, starts: datetime) -> list[Finding]:
    """Ends that come before what they end."""

    def at(moment: str | None) -> float | None:
        return None if moment is None else doc.offset_s(moment, starts)

    findings = []
    ends_s, begins = at(doc.ends), f"the start, {starts:%Y-%m-%d %H:%M}"
    if ends_s is not None and ends_s <= 0:
        message = f"{doc.ends} is not after {begins}"
        findings.append(document.finding(("ends",), message, "correct `ends` or `starts`"))
    for number, entry in enumerate(doc.plates):
        place = ("plates", number)
        before_s, after_s = at(entry.not_before), at(entry.not_after)
        if after_s is not None and after_s <= max(before_s or 0.0, 0.0):
            what = f"`not_before`, {entry.not_before}" if (before_s or 0.0) > 0 else begins
            message = f"{entry.not_after} is not after {what}"
            findings.append(document.finding((*place, "not_after"), message, "correct one of them"))
        elif before_s is not None and ends_s is not None and 0 < ends_s <= before_s:
            message = f"{entry.not_before} is not before the end of the night, {doc.ends}"
            findings.append(
                document.finding((*place, "not_before"), message, "correct one of them")
            )
    return findings


def _unknown_people(doc: NightDoc, document: Document, lab: Lab) -> list[Finding]:
    people = [name for name, entry in lab.instruments.items() if _is_person(entry.driver)]
    fix = f"use one of: {', '.join(people)}" if people else "remove it; nobody works in this lab"
    return [
        document.finding(("people", name), f"{name!r} is {'an instrument and no person' if name in lab.instruments else 'no instrument of the lab'}", fix)
        for name in doc.people if name not in people
    ]  # fmt: skip


def _is_person(driver: str) -> bool:
    """Whether a driver asks a person; one that is not installed is found by the compiler."""
    try:
        return "Operator" in load(DRIVERS, driver).info.interfaces
    except UserInputError:
        return False


def own_samples(protocol: AssayProtocol, reference: str) -> Path | None:
    """The sample sheet that a protocol brings along: beside its file, or bundled."""
    if protocol.samples is None:
        return None
    beside_it = find_protocol(reference).parent / protocol.samples
    return beside_it if beside_it.exists() else bundled(protocol.samples)
