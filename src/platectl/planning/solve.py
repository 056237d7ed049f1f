"""The planner: constructive plans, a bound, and a solver for what lies between.

What counts, in this order: soft windows, the end of the night, priorities (plates that go first may
cost the night a hundredth of its length), the room that the tightest hard window has, gaps near their ideal, how
often and how long people must be there. The same problem gives the same plan.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from platectl.domain.errors import NoPlanError
from platectl.domain.extras import extra
from platectl.planning.bound import makespan_bound
from platectl.planning.construct import EFFORT, Constructor, Draft, draft_of
from platectl.planning.flexible import Group, alone, groups_of, with_closures
from platectl.planning.network import EPSILON_S, Network, network_of
from platectl.planning.order import tightened
from platectl.planning.problem import Interval, Plan, Problem
from platectl.planning.seating import Seating, Seats, coloured, pooled, reseated
from platectl.planning.shape import Shape, families_of, shapes_of
from platectl.planning.verify import broken_windows, violations

#: a plan this close to the bound is good enough; the bound of equal things is a little short
GOOD, GOOD_OF_EQUALS = 1e-6, 5e-4
#: what it may cost that plates of high priority end first, as a share of the night
PRIORITY_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Question:
    """A problem taken apart, once, for everyone who works on it."""

    problem: Problem
    net: Network
    groups: Sequence[Group]
    shapes: Sequence[Shape]
    families: Sequence[int]
    bound_s: float


def question_of(problem: Problem) -> Question:
    """Take a problem apart.

    Raises:
        NoPlanError: The lags of one plate contradict one another.
    """
    net = network_of(problem)
    groups = groups_of(net)
    if not with_closures(groups):
        raise NoPlanError("no times keep all lags of a plate, even without the others", proved=True)
    first = alone(problem, net, groups)
    if first is None:
        raise NoPlanError("a plate cannot be planned, even without the others", proved=True)
    shapes = shapes_of(problem, net, groups)
    families = families_of(shapes)
    return Question(problem, net, groups, shapes, families, makespan_bound(problem, groups, first))


def has_solver() -> bool:
    """Whether OR-Tools is installed; without it plans are good, but rarely proved.

    Raises:
        UserInputError: It is broken.
    """
    if find_spec("ortools") is None:
        return False
    with extra("plan", "plans are proved by OR-Tools"):
        importlib.import_module("ortools.sat.python.cp_model")
    return True


def solve(
    problem: Problem, *, template: Mapping[str, Interval] | None = None, limit_s: float = 10.0,
    hint: Mapping[str, Interval] | None = None, solver: bool | None = None, effort: int = EFFORT,
) -> Plan:  # fmt: skip
    """Plan a problem.

    Args:
        problem: What must be kept.
        template: Times of each plate as if it were alone; one more plan to begin with.
        limit_s: How long the solver may work, in its own deterministic seconds.
        hint: A plan to begin with.
        solver: Whether CP-SAT may be used; by default if it is installed.
        effort: How many stays the search for a better order may place.

    Raises:
        NoPlanError: No plan keeps all hard lags, or none was found in time.
    """
    began = time.perf_counter()
    if problem.fixed or problem.running:
        problem = replace(problem, pools=())  # what has begun stays where it is
    case = _Case(question_of(problem), {}, None)
    case.draft = _first(case.question, template, hint, effort)
    bound_s, proved = case.question.bound_s, False
    if problem.pools and _open(case.draft, bound_s):
        case = _reseated(case, effort)
    good = GOOD_OF_EQUALS if problem.pools else GOOD
    if _open(case.draft, bound_s, good) and (has_solver() if solver is None else solver):
        bound_s, proved = _searched(case, problem, limit_s)
    if case.draft is None:
        raise NoPlanError("no plan was found that keeps all hard windows", proved=proved)
    method = case.draft.method
    if _open(case.draft, bound_s) and solver is None and not has_solver():
        method += " (OR-Tools is not installed)"
    case.draft = _favoured(case.question, case.draft)
    net = case.question.net
    points = tightened(case.question.problem, net, case.draft.points)
    wall_s = time.perf_counter() - began
    plan = plan_of(case.question.problem, net, points, method, bound_s, wall_s)
    return replace(plan, seats=case.seats)


def _favoured(question: Question, draft: Draft) -> Draft:
    """The plan with plates of high priority sooner, if that is cheap."""
    if len({plate.priority for plate in question.problem.plates}) <= 1:
        return draft
    maker = Constructor(question.problem, question.net, question.groups, question.families)
    return maker.favoured(draft, draft.end_s * (1 + PRIORITY_SHARE) + EPSILON_S)


@dataclass(slots=True)
class _Case:
    """A question with certain seats, and the best plan for it."""

    question: Question
    seats: Mapping[str, Seats]
    draft: Draft | None


def _searched(case: _Case, problem: Problem, limit_s: float) -> tuple[float, bool]:
    """Have CP-SAT improve a case; returns a bound, and whether there is no plan at all.

    Of equal things the solver first takes any: what it proves then holds for all seats, and plates
    often find theirs afterwards. What is left of the time is for the seats that were found.
    """
    from platectl.planning.search import search

    bound_s, draft = case.question.bound_s, case.draft
    if problem.pools:
        limit_s /= 2
        found = search(question_of(pooled(problem)), draft, limit_s)
        bound_s = max(bound_s, found.bound_s)
        if found.infeasible:
            return bound_s, draft is None
        if found.draft is not None and found.draft.better(draft):
            _seat(case, problem, found.draft)
        if not _open(case.draft, bound_s):
            return bound_s, False
    found = search(case.question, case.draft, limit_s)
    if found.draft is not None and found.draft.better(case.draft):
        case.draft = found.draft
    if problem.pools:
        return bound_s, False
    return max(bound_s, found.bound_s), found.infeasible


def _seat(case: _Case, problem: Problem, draft: Draft) -> None:
    """Give the plates of a plan without seats theirs, if that is possible."""
    net = case.question.net
    seats = coloured(problem, net.times(draft.points))
    if seats is None:
        return
    question = question_of(reseated(problem, seats))
    points = tightened(question.problem, question.net, draft.points, roomy=False)
    other = draft_of(question.problem, question.net, points, draft.method)
    if other.better(case.draft) and not violations(question.problem, net.times(points)):
        case.question, case.seats, case.draft = question, seats, other


def _reseated(case: _Case, effort: int) -> _Case:
    """The case with the best seats that were found."""
    problem, best = case.question.problem, case
    for order in _orders(case):
        seats = Seating(problem, case.question.net, case.question.groups).seats(order)
        if not seats:
            continue
        question = question_of(reseated(problem, seats))
        draft = _first(question, None, None, effort)
        if draft is not None and draft.better(best.draft):
            best = _Case(question, seats, draft)
    return best


def _orders(case: _Case) -> list[list[int]]:
    """Orders of groups: as in the plan so far, as written, and the longest plates first."""
    groups, draft = case.question.groups, case.draft
    written = list(range(len(groups)))
    lengths = [
        max((float(g.longest[0, i]) + off for i, off in g.last), default=0.0) for g in groups
    ]
    orders = [written, sorted(written, key=lambda g: -lengths[g])]
    if draft is not None:
        begins = [min((draft.points[p] for p in g.points if p), default=0.0) for g in groups]
        orders.insert(0, sorted(written, key=begins.__getitem__))
    return [order for k, order in enumerate(orders) if order not in orders[:k]]


def plan_of(
    problem: Problem, net: Network, points: Sequence[float], method: str, bound_s: float,
    wall_s: float,
) -> Plan:  # fmt: skip
    """Points as a plan."""
    times = net.times([float(p) for p in points])
    end_s = max((end for _, end in times.values()), default=0.0)
    broken = tuple(
        f"{window} of {plate}"
        for plate, window, _, lag in broken_windows(problem, times)
        if not lag.hard
    )
    return Plan(times, end_s, min(bound_s, end_s), method, wall_s, broken)


def _open(draft: Draft | None, bound_s: float, good: float = GOOD) -> bool:
    """Whether a solver could do better."""
    return draft is None or draft.cost > EPSILON_S or draft.end_s > bound_s * (1 + good)


def _first(
    question: Question,
    template: Mapping[str, Interval] | None,
    hint: Mapping[str, Interval] | None,
    effort: int,
) -> Draft | None:
    """The best plan without search."""
    problem, net = question.problem, question.net
    maker = Constructor(problem, net, question.groups, question.families)
    best = maker.best(question.bound_s, effort=effort)
    if template is not None and best is None:
        from platectl.planning.insertion import insert_rigid

        hint = hint or insert_rigid(problem, template)
    if hint is not None and not violations(problem, hint):
        given = draft_of(problem, net, net.points(hint), "as before")
        if given.better(best):
            best = given
    return best


def decided(question: Question, decisions: Sequence[Sequence[float]]) -> list[float]:
    """Points of the network behind the decisions of all groups."""
    from platectl.planning.shape import completed

    points = np.zeros(question.net.size)
    for group, shape, row in zip(question.groups, question.shapes, decisions, strict=True):
        points[group.points] = completed(group, shape, row)
    points[0] = 0.0
    return [float(p) for p in points]
