"""From protocol, lab and samples to a frozen, checked and timed run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platectl import __version__
from platectl.domain.assay import AssayProtocol
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.lab import Lab
from platectl.domain.labware import LabwareKind
from platectl.domain.layout import Layout
from platectl.domain.run import CompiledRun, PlatePlan
from platectl.domain.samples import Sample
from platectl.domain.steps import Anchor, Hold, Step, Window
from platectl.files.yaml_lines import Document
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.planning.check import check_placement, check_protocol, check_tips, check_windows
from platectl.planning.contents import liquid_findings
from platectl.planning.expand import EXPAND, set_leads
from platectl.planning.facilities import Facilities, build_facilities
from platectl.planning.insertion import insert_rigid
from platectl.planning.loading import complete_loading, take_away
from platectl.planning.plates import plan_plates
from platectl.planning.problem import Plate
from platectl.planning.schedule import schedule_plate
from platectl.planning.tasks import problem_of
from platectl.planning.volumes import Well, check_volumes


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is compiled from."""

    protocol: AssayProtocol
    protocol_document: Document
    lab: Lab
    lab_document: Document
    catalogue: Mapping[str, LabwareKind]
    samples: tuple[Sample, ...]
    sample_file: str
    run: str
    layout: Layout | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def compile_run(request: Request) -> tuple[CompiledRun, list[Finding]]:
    """Compile and check; returns the run and its warnings.

    Raises:
        InputRefusedError: With every finding of every check that could be made.
    """
    facilities = build_facilities(request.lab, request.lab_document)
    protocol = request.protocol
    findings = check_protocol(protocol, request.protocol_document, request.catalogue)
    findings += liquid_findings(protocol, request.protocol_document.name)
    layout = request.layout or protocol.layouts.get(protocol.layout)
    if layout is None:
        fix = f"use one of: {', '.join(protocol.layouts)}"
        findings.append(
            request.protocol_document.finding(("layout",), f"{protocol.layout!r} is no layout", fix)
        )
        refuse_if_any(findings)
        raise AssertionError
    plates, more = plan_plates(
        protocol, layout, request.samples, sheet=request.sample_file, run=request.run
    )
    refuse_if_any([*findings, *more])
    steps, windows, holds, found = _all_plates(request, facilities, plates)
    findings += found
    refuse_if_any(findings)
    run = CompiledRun(
        platectl=__version__,
        protocol=protocol,
        lab=request.lab,
        samples=request.samples,
        plates=plates,
        steps=tuple(steps),
        windows=tuple(windows),
        holds=tuple(holds),
        files=dict(request.files),
    )
    return run, findings


def _all_plates(
    request: Request, facilities: Facilities, plates: Sequence[PlatePlan]
) -> tuple[list[Step], list[Window], list[Hold], list[Finding]]:
    steps: list[Step] = []
    windows: list[Window] = []
    holds: list[Hold] = []
    findings: list[Finding] = []
    for number, plate in enumerate(plates, start=1):
        builder = PlateBuilder(
            request.protocol, plate, number, facilities, request.catalogue, request.samples
        )
        findings += _build(builder, request.protocol_document)
        if findings:
            continue
        loaded = complete_loading(builder)
        plate_windows = _windows(request.protocol, builder)
        builder.close_holds()
        timed = schedule_plate(builder.steps, plate_windows)
        findings += _checks(request, builder, timed, plate_windows, loaded)
        steps += timed
        windows += plate_windows
        holds += [*builder.holds, *_deck_hold(builder)]
    if findings:
        return steps, windows, holds, findings
    return _in_time(steps, windows, holds), windows, holds, findings


def _in_time(
    templates: Sequence[Step], windows: Sequence[Window], holds: Sequence[Hold]
) -> list[Step]:
    """Plan all plates together, and have each loading take away what was left before."""
    names = dict.fromkeys(step.plate for step in templates)
    problem = problem_of(templates, windows, holds, [Plate(name) for name in names])
    alone = {step.id: (step.planned_start_s, step.planned_end_s) for step in templates}
    times = insert_rigid(problem, alone)
    steps = [step.model_copy(update={"planned_start_s": times[step.id][0]}) for step in templates]
    steps.sort(key=lambda s: (s.planned_start_s, s.planned_end_s))
    return take_away(steps)


def _deck_hold(builder: PlateBuilder) -> list[Hold]:
    """The deck belongs to a plate from its loading to the last pipetting."""
    handlers = builder.facilities.having("LiquidHandler")
    used = [s.id for s in builder.steps if s.kind in {"transfer", "filter"}]
    load = [s.id for s in builder.steps if s.kind == "load"]
    return [
        Hold(resource=f"deck:{h}", first=load[0], last=used[-1]) for h in handlers if used and load
    ]


def _build(builder: PlateBuilder, document: Document) -> list[Finding]:
    previous: tuple[str, ...] = ()
    findings = check_placement(builder)
    for name, doc in builder.protocol.steps.items():
        builder.begin(name, doc.after if doc.after is not None else previous)
        try:
            EXPAND[doc.do](builder, doc, doc.title or doc.do)
        except CannotBuildError as error:
            findings.append(document.finding(("steps", name), str(error), error.fix))
        except UserInputError as error:
            message, _, fix = str(error).partition("; ")
            findings.append(document.finding(("steps", name), message, fix))
        except KeyError:
            if not findings:
                raise  # otherwise a step that this one builds on is missing, and was reported
        previous = (name,)
    findings += builder.findings
    if not findings:
        set_leads(builder)
    return findings


def _windows(protocol: AssayProtocol, builder: PlateBuilder) -> list[Window]:
    return [
        Window(
            name=name,
            plate=builder.plate.name,
            start=Anchor(step=builder.step_of(doc.since), edge=doc.since_edge),
            end=Anchor(step=builder.step_of(doc.until), edge=doc.until_edge),
            at_least_s=doc.bounds_s[0],
            at_most_s=doc.bounds_s[1],
            ideal_s=doc.ideal,
            hard=doc.hard,
        )
        for name, doc in protocol.windows.items()
    ]


def _checks(
    request: Request,
    builder: PlateBuilder,
    timed: Sequence[Step],
    windows: Sequence[Window],
    loaded: Mapping[Well, float],
) -> list[Finding]:
    file = Path(request.protocol_document.name).name
    kinds = {builder.named(name): builder.kind(name) for name in builder.protocol.labware}
    return [
        *check_volumes(builder.steps, loaded, kinds, file=file),
        *check_tips(builder.steps, kinds, file=file),
        *check_windows(timed, windows, request.protocol_document),
    ]
