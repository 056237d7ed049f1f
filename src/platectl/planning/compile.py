"""From protocol, lab and samples to a frozen, checked and timed run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from platectl import __version__
from platectl.domain.errors import NoPlanError
from platectl.domain.findings import Finding, InputRefusedError, refuse_if_any
from platectl.domain.night import HORIZON
from platectl.domain.run import Bounds, CompiledRun, PlanNote
from platectl.domain.steps import Step
from platectl.planning.batch import Batch, Request, add_request, build_template
from platectl.planning.facilities import build_facilities
from platectl.planning.insertion import Times
from platectl.planning.loading import take_away
from platectl.planning.pools import apart, pools_of, seats_in_turn
from platectl.planning.problem import Interval, Plan, Problem
from platectl.planning.tasks import problem_of
from platectl.planning.zones import unclean


@dataclass(frozen=True, slots=True)
class NightTerms:
    """What holds for all plates of a run: its name, when it begins and ends, who is away when."""

    title: str = ""
    starts: datetime | None = None
    zone: str = "UTC"
    ends_s: float | None = None
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
    findings: list[Finding] = list(facilities.warnings)
    for number, request in enumerate(requests):
        findings += [
            f.within(*request.asked_at) if request.asked_at and f.severity == "error" else f
            for f in add_request(batch, request, number)
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
        bounds=None
        if terms.starts is None
        else Bounds(zone=terms.zone, ends_s=terms.ends_s, plates=batch.bounds),
        equals=tuple(p.members for p in batch.pools if p.name in first.lab.instruments),
    )
    return run, findings


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
            refuse_if_any(build_template(batch.facilities, template, number))


def _reseat(batch: Batch, seats: Mapping[str, Mapping[str, str]]) -> None:
    """Build the plates anew for which the plan chose other instruments or positions."""
    for number, template in enumerate(batch.templates, start=1):
        chosen = seats.get(template.plate.name)
        if chosen:
            first = {name for pool in batch.pools for name in pool.members[0]}
            had = {name: template.seats.get(name, name) for name in first}
            template.seats = {name: chosen.get(seat, seat) for name, seat in had.items()}
            refuse_if_any(build_template(batch.facilities, template, number))


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
    return take_away(steps, batch.facilities.lab), plan
