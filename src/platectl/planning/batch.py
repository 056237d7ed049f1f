"""Plates compiled one after another: steps, windows and holds of each, on its seats of equal things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platectl.domain.assay import AssayProtocol
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding
from platectl.domain.lab import Lab
from platectl.domain.labware import LabwareKind
from platectl.domain.layout import Layout, Randomise
from platectl.domain.qualification import Unit
from platectl.domain.run import PlatePlan, PlateTerms
from platectl.domain.samples import Sample
from platectl.domain.steps import Anchor, Hold, Step, Window
from platectl.files.yaml_lines import Document
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.planning.check import check_placement, check_protocol, check_tips, check_windows
from platectl.planning.contents import liquid_findings
from platectl.planning.expand import EXPAND, set_leads
from platectl.planning.facilities import Facilities
from platectl.planning.loading import complete_loading
from platectl.planning.plates import plan_plates
from platectl.planning.pools import seats_in_turn
from platectl.planning.problem import Plate, Pool
from platectl.planning.schedule import schedule_plate
from platectl.planning.volumes import Well, check_volumes
from platectl.planning.zones import light_windows, zone_findings


@dataclass(frozen=True, slots=True)
class Request:
    """Plates of one assay: what they are compiled from, and their terms in the night.

    `name` is for one plate that is not to be numbered. `asked_at` is the file, line and field that
    asked for them.
    """

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
    copies: int = 1
    priority: int = 1
    not_before_s: float = 0.0
    not_after_s: float | None = None
    randomise: Randomise | None = None
    qualified: Mapping[str, tuple[Unit, ...]] = field(default_factory=dict)
    name: str = ""
    asked_at: tuple[str, int | None, str] | None = None


@dataclass(slots=True)
class Template:
    """One plate in its own time; `seats` is what it uses of equal things."""

    request: Request
    plate: PlatePlan
    seats: Mapping[str, str]
    steps: list[Step] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """Plates compiled so far.

    `unclean` instruments take activity along. `first` is the number of the first plate.
    """

    facilities: Facilities
    pools: tuple[Pool, ...]
    unclean: tuple[str, ...] = ()
    first: int = 1
    templates: list[Template] = field(default_factory=list)

    @property
    def next(self) -> int:
        """Number of the next plate."""
        return self.first + len(self.templates)

    @property
    def plates(self) -> list[PlatePlan]:
        """Plates in their order."""
        return [template.plate for template in self.templates]

    @property
    def terms(self) -> list[Plate]:
        """Terms of the plates."""
        return [
            Plate(t.plate.name, t.request.priority, t.request.not_before_s, t.request.not_after_s)
            for t in self.templates
        ]

    @property
    def bounds(self) -> dict[str, PlateTerms]:
        """Terms of the plates, as a run keeps them."""
        return {
            p.name: PlateTerms(
                priority=p.priority, not_before_s=p.not_before_s, not_after_s=p.not_after_s
            )
            for p in self.terms
        }

    @property
    def steps(self) -> list[Step]:
        """Steps of all plates."""
        return [step for template in self.templates for step in template.steps]

    @property
    def windows(self) -> list[Window]:
        """Windows of all plates."""
        return [window for template in self.templates for window in template.windows]

    @property
    def holds(self) -> list[Hold]:
        """Holds of all plates."""
        return [hold for template in self.templates for hold in template.holds]


def add_request(batch: Batch, request: Request, assay: int) -> list[Finding]:
    """Add the plates of a request; returns what is wrong with them."""
    protocol, document = request.protocol, request.protocol_document
    findings = check_protocol(protocol, document, request.catalogue)
    findings += liquid_findings(protocol, document.name)
    layout = request.layout or protocol.layouts.get(protocol.layout)
    if layout is None:
        fix = f"use one of: {', '.join(protocol.layouts)}"
        message = f"{protocol.layout!r} is no layout"
        return [*findings, document.finding(("layout",), message, fix)]
    plates, more = plan_plates(
        protocol, layout, request.samples, sheet=request.sample_file, run=request.run,
        first=batch.next, copies=request.copies, assay=assay,
        randomise=request.randomise, name=request.name,
    )  # fmt: skip
    findings += more
    if any(finding.severity == "error" for finding in findings):
        return findings
    for plate in plates:
        template = Template(request, plate, seats_in_turn(batch.pools, batch.next))
        findings += build_template(batch.facilities, template, batch.next)
        if any(finding.severity == "error" for finding in findings):
            break  # further plates of the same assay would say the same
        batch.templates.append(template)
    return findings


def build_template(facilities: Facilities, template: Template, number: int) -> list[Finding]:
    """Build the steps of a plate on its seats; returns what is wrong with them."""
    request = template.request
    builder = PlateBuilder(
        request.protocol, template.plate, number, facilities, request.catalogue, request.samples,
        template.seats,
    )  # fmt: skip
    findings = _build(builder, request.protocol_document)
    if findings:
        return findings
    loaded = complete_loading(builder)
    template.windows = _windows(request.protocol, builder)
    template.windows += light_windows(builder)
    builder.close_holds()
    findings = zone_findings(builder, request.protocol_document, request.lab_document)
    if any(finding.severity == "error" for finding in findings):
        return findings
    template.steps = schedule_plate(builder.steps, template.windows)
    template.holds = [*builder.holds, *_deck_hold(builder)]
    return findings + _checks(request, builder, template.steps, template.windows, loaded)


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
