"""From protocol, lab and samples to a frozen, checked and timed run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from platectl import __version__
from platectl.domain.assay import AssayProtocol
from platectl.domain.errors import NoPlanError, UserInputError
from platectl.domain.findings import Finding, InputRefusedError, refuse_if_any
from platectl.domain.lab import Lab
from platectl.domain.labware import LabwareKind
from platectl.domain.layout import Layout, Randomise
from platectl.domain.night import HORIZON
from platectl.domain.qualification import Unit
from platectl.domain.run import CompiledRun, PlanNote, PlatePlan
from platectl.domain.samples import Sample
from platectl.domain.steps import Anchor, Hold, Step, Window
from platectl.files.yaml_lines import Document
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.planning.check import check_placement, check_protocol, check_tips, check_windows
from platectl.planning.contents import liquid_findings
from platectl.planning.expand import EXPAND, set_leads
from platectl.planning.facilities import Facilities, build_facilities
from platectl.planning.insertion import Times
from platectl.planning.loading import complete_loading, take_away
from platectl.planning.plates import plan_plates
from platectl.planning.pools import apart, pools_of, seats_in_turn
from platectl.planning.problem import Interval, Plan, Plate, Pool, Problem
from platectl.planning.schedule import schedule_plate
from platectl.planning.tasks import problem_of
from platectl.planning.volumes import Well, check_volumes
from platectl.planning.zones import light_windows, unclean, zone_findings


@dataclass(frozen=True, slots=True)
class Request:
    """Plates of one assay: what they are compiled from, and their terms in the night.

    `asked_at` is the file, line and field that asked for them.
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
    asked_at: tuple[str, int | None, str] | None = None


@dataclass(frozen=True, slots=True)
class NightTerms:
    """What holds for all plates of a run: its name, when it begins and ends, who is away when."""

    title: str = ""
    starts: datetime | None = None
    ends_s: float | None = None
    zone: str = "UTC"
    absences: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)


Planner = Callable[[Problem, Times], Plan]


def best_plan(problem: Problem, template: Times) -> Plan:
    """Plan as well as the time allows; one plate that nobody constrains takes its template.

    Raises:
        NoPlanError: No plan keeps all hard windows.
    """
    free = not problem.absences and all(
        p.not_after_s is None and p.not_before_s <= 0 for p in problem.plates
    )
    if len(problem.plates) == 1 and free:
        end_s = max((end for _, end in template.values()), default=0.0)
        return Plan(template, end_s, end_s, "as early as possible", 0.0)
    from platectl.planning.solve import solve  # NumPy and more, which one plate does not need

    return solve(problem, template=template)


def compile_run(
    *requests: Request, terms: NightTerms | None = None, planner: Planner = best_plan
) -> tuple[CompiledRun, list[Finding]]:
    """Compile, check and plan the plates of all requests; returns the run and its warnings.

    Raises:
        InputRefusedError: With every finding of every check that could be made.
    """
    terms = terms or NightTerms()
    first = requests[0]
    facilities = build_facilities(first.lab, first.lab_document, first.qualified)
    carries = unclean(first.lab, facilities.having("Operator"))
    batch = Batch(facilities, pools_of(facilities), carries)
    findings: list[Finding] = []
    for number, request in enumerate(requests):
        findings += [
            f.within(*request.asked_at) if request.asked_at and f.severity == "error" else f
            for f in _add(batch, request, number)
        ]
    refuse_if_any(findings)
    _keep_apart(batch)
    steps, plan = _in_time(batch, terms, planner)
    run = CompiledRun(
        platectl=__version__,
        title=terms.title,
        starts=terms.starts,
        protocol=first.protocol,
        others=tuple(request.protocol for request in requests[1:]),
        lab=first.lab,
        samples=tuple(dict.fromkeys(s for request in requests for s in request.samples)),
        plates=tuple(batch.plates),
        steps=tuple(steps),
        windows=tuple(batch.windows),
        holds=tuple(batch.holds),
        files={name: digest for request in requests for name, digest in request.files.items()},
        planned=PlanNote(method=plan.method, bound_s=plan.bound_s),
        absences=dict(terms.absences),
        qualified=facilities.qualified,
        equals=tuple(p.members for p in batch.pools if p.name in first.lab.instruments),
    )
    return run, findings


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

    `unclean` instruments take activity along.
    """

    facilities: Facilities
    pools: tuple[Pool, ...]
    unclean: tuple[str, ...] = ()
    templates: list[Template] = field(default_factory=list)

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


def _add(batch: Batch, request: Request, assay: int) -> list[Finding]:
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
        first=len(batch.templates) + 1, copies=request.copies, assay=assay,
        randomise=request.randomise,
    )  # fmt: skip
    findings += more
    if any(finding.severity == "error" for finding in findings):
        return findings
    for plate in plates:
        seats = seats_in_turn(batch.pools, len(batch.templates) + 1)
        template = Template(request, plate, seats)
        findings += _built(batch.facilities, template, len(batch.templates) + 1)
        if any(finding.severity == "error" for finding in findings):
            break  # further plates of the same assay would say the same
        batch.templates.append(template)
    return findings


def _built(facilities: Facilities, template: Template, number: int) -> list[Finding]:
    """Build the steps of a plate; returns what is wrong with them."""
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


def _keep_apart(batch: Batch) -> None:
    """Of equal instruments, some for radioactive plates and the others for clean ones, if both need them."""
    for pool in batch.pools:
        names = {name for members in pool.members for name in members} & set(batch.unclean)
        here = [step for step in batch.steps if not names.isdisjoint(step.resources)]
        if not (any(s.radioactive for s in here) and any(s.clean for s in here)):
            continue
        for number, template in enumerate(batch.templates, start=1):
            half = apart(pool, radioactive=template.request.protocol.is_radioactive)
            template.seats = {**template.seats, **seats_in_turn([half], number, of=pool)}
            refuse_if_any(_built(batch.facilities, template, number))


def _reseat(batch: Batch, seats: Mapping[str, Mapping[str, str]]) -> None:
    """Build the plates anew for which the plan chose other instruments or positions."""
    for number, template in enumerate(batch.templates, start=1):
        chosen = seats.get(template.plate.name)
        if chosen:
            first = {name for pool in batch.pools for name in pool.members[0]}
            had = {name: template.seats.get(name, name) for name in first}
            template.seats = {name: chosen.get(seat, seat) for name, seat in had.items()}
            refuse_if_any(_built(batch.facilities, template, number))


def _why_not(
    problem: Problem, batch: Batch, terms: NightTerms, error: NoPlanError
) -> list[Finding]:
    """The smallest set of causes in the operator's words, and the nearest nights that would fit."""
    from platectl.planning.explain import Words, explain  # only when there is no plan

    titles = {step.id: f"{step.title} of {step.plate}" for step in batch.steps}
    local = terms.starts and terms.starts.astimezone(ZoneInfo(terms.zone))
    words = Words(lambda name: titles.get(name, name), _thing, local, terms.ends_s)
    refusal = explain(problem, words=words)
    if refusal is None:
        return [Finding(str(error), terms.title, fix="plan fewer plates, or give it more time")]
    causes = [Finding(cause, terms.title) for cause in refusal.causes]
    offers = [
        Finding(offer, terms.title, where="what would fit", severity="warning")
        for offer in refusal.suggestions
    ]
    return [*causes, *offers]


def _thing(resource: str) -> str:
    """A resource in the operator's words."""
    kind, colon, name = resource.partition(":")
    return f"the {kind} of {name}" if colon else resource


def _within_horizon(plan: Plan) -> Plan:
    """The plan; calendars say nothing of what is later than the horizon."""
    if plan.makespan_s > HORIZON.total_seconds():
        raise NoPlanError(f"it would not be over within {HORIZON.days} days")
    return plan


def _in_time(batch: Batch, terms: NightTerms, planner: Planner) -> tuple[list[Step], Plan]:
    """Plan all plates together, and have each loading take away what was left before."""
    people = batch.facilities.having("Operator")
    problem = problem_of(
        batch.steps, batch.windows, batch.holds, batch.terms, absences=terms.absences,
        unclean=batch.unclean, people=people, pools=batch.pools,
    )  # fmt: skip
    alone = {step.id: (step.planned_start_s, step.planned_end_s) for step in batch.steps}
    try:
        plan = _within_horizon(planner(problem, alone))
    except NoPlanError as error:
        raise InputRefusedError(_why_not(problem, batch, terms, error)) from error
    _reseat(batch, plan.seats)
    steps = [
        step.model_copy(
            update={
                "planned_start_s": plan.times[step.id][0],
                "duration_s": plan.times[step.id][1] - plan.times[step.id][0]
                if step.kind == "wait"
                else step.duration_s,
            }
        )
        for step in batch.steps
    ]
    steps.sort(key=lambda s: (s.planned_start_s, s.planned_end_s))
    return take_away(steps), plan


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
