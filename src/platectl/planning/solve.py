"""The planner: constructive plans, a bound, and a solver for what lies between.

What counts, in this order: soft windows, the end of the night, plates of high priority early, the
room that the tightest hard window has. The same problem gives the same plan.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from platectl.domain.errors import NoPlanError
from platectl.planning.bound import makespan_bound
from platectl.planning.construct import EFFORT, Constructor, Draft, draft_of
from platectl.planning.flexible import Group, alone, groups_of, with_closures
from platectl.planning.network import EPSILON_S, Network, network_of
from platectl.planning.order import tightened
from platectl.planning.problem import Interval, Plan, Problem
from platectl.planning.shape import Shape, families_of, shapes_of
from platectl.planning.verify import broken_windows, violations

#: a plan this close to the bound is good enough
GOOD = 1e-6


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
    families = families_of(problem, groups, shapes)
    return Question(problem, net, groups, shapes, families, makespan_bound(problem, groups, first))


def has_solver() -> bool:
    """Whether OR-Tools is installed; without it plans are good, but rarely proved."""
    return find_spec("ortools") is not None


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
    question = question_of(problem)
    draft = _first(question, template, hint, effort)
    bound_s, method, proved = question.bound_s, draft.method if draft else "", False
    if _open(draft, bound_s) and (has_solver() if solver is None else solver):
        from platectl.planning.search import search

        found = search(question, draft, limit_s)
        bound_s, proved = max(bound_s, found.bound_s), found.infeasible
        if found.draft is not None and found.draft.better(draft):
            draft, method = found.draft, "CP-SAT"
    if draft is None:
        raise NoPlanError("no plan was found that keeps all hard windows", proved=proved)
    if _open(draft, bound_s) and solver is None and not has_solver():
        method += " (OR-Tools is not installed)"
    points = tightened(problem, question.net, draft.points)
    return plan_of(problem, question.net, points, method, bound_s, time.perf_counter() - began)


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


def _open(draft: Draft | None, bound_s: float) -> bool:
    """Whether a solver could do better."""
    return draft is None or draft.cost > EPSILON_S or draft.end_s > bound_s * (1 + GOOD)


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
