"""CP-SAT at work on a night: soft windows first, then the end, then who is first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from platectl.planning.construct import Draft, draft_of
from platectl.planning.model import Crossing, NightModel, build
from platectl.planning.network import EPSILON_S, Place
from platectl.planning.order import tightened
from platectl.planning.shape import decisions_of
from platectl.planning.solve import Question, decided
from platectl.planning.verify import violations

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

SEED = 1
#: a night has no more steps than this; finer grids make the solver crawl
STEPS = 16_000
#: workers that take turns, their share of the time, and the deterministic seconds that they count in
#: a second; one proves best, several find better plans. Where they count less, the clock stops them
TURNS = ((1, 0.35, 0.6), (4, 0.65, 1.5))
#: a plan so close to what is proved is not worth more search
CLOSE_ENOUGH = 5e-4


@dataclass(frozen=True, slots=True)
class Found:
    """A plan, if there is one, and what is proved."""

    draft: Draft | None
    bound_s: float
    infeasible: bool = False


def search(question: Question, draft: Draft | None, limit_s: float) -> Found:
    """Look for a better plan than the draft, or for any."""
    draft = _earlier(question, draft) if draft else None
    horizon_s = draft.end_s if draft and draft.cost <= EPSILON_S else horizon_of(question)
    grid_s = grid_of(horizon_s)
    night = build(
        question.problem, question.shapes, question.families,
        horizon_s=horizon_s, bound_s=question.bound_s, grid_s=grid_s,
        crossings=list(_crossings(question)),
    )  # fmt: skip
    if draft is not None:
        night.hint(decisions_in(question, draft), draft.end_s)
    if draft is not None and draft.cost <= EPSILON_S:
        night.model.add(night.cost <= 0)
    elif not isinstance(night.cost, int):
        limit_s /= 2
        answer = _cheapest(night, limit_s)
        if answer.infeasible and draft is None:
            return Found(None, question.bound_s, infeasible=True)
        if answer.rows is not None:
            draft = best_of(question, draft, answer)
            night.model.add(night.cost <= answer.value)
    return _shortest(question, night, draft, limit_s)


def _crossings(question: Question) -> Iterable[Crossing]:
    """Distances between plates, said of their decisions."""
    where: dict[int, tuple[int, Place]] = {}
    for g, (group, shape) in enumerate(zip(question.groups, question.shapes, strict=True)):
        where |= {group.points[point]: (g, place) for point, place in shape.places if point}
    yield from ((where[i], where[j], least_s) for i, j, least_s in question.net.crossings)


def _cheapest(night: NightModel, limit_s: float) -> Answer:
    """The least price of soft lags."""
    night.model.minimize(night.cost)
    return Answer(night, limit_s)


def _shortest(question: Question, night: NightModel, draft: Draft | None, limit_s: float) -> Found:
    """The earliest end; workers with different talents take turns."""
    bound_s = question.bound_s
    night.model.minimize(night.end)
    for workers, share, pace in TURNS:
        if draft is not None:
            night.hint(decisions_in(question, draft), draft.end_s)
        answer = Answer(night, limit_s * share, workers, pace)
        bound_s = max(bound_s, answer.bound * night.grid_s)
        if answer.infeasible:
            return Found(draft, bound_s, infeasible=draft is None)
        if answer.rows is not None:
            draft = best_of(question, draft, answer)
        if draft is not None and draft.end_s <= bound_s * (1 + CLOSE_ENOUGH):
            break
    return Found(draft, bound_s)


class Answer:
    """What CP-SAT says about a model."""

    def __init__(
        self, night: NightModel, limit_s: float, workers: int = 1, pace: float = 0.6
    ) -> None:
        from ortools.sat.python import cp_model

        solver = solver_of(limit_s, workers, pace)
        status = solver.solve(night.model)
        self.infeasible = status == cp_model.INFEASIBLE
        self.bound = 0.0
        self.rows: list[list[float]] | None = None
        if status in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            self.rows = [[solver.value(v) * night.grid_s for v in row] for row in night.at]
            self.value = round(solver.objective_value)
        if status in {cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN}:
            self.bound = max(0.0, solver.best_objective_bound)


def solver_of(limit_s: float, workers: int = 1, pace: float = 0.6) -> cp_model.CpSolver:
    """A solver that does the same thing every time, and stops after its own count of seconds."""
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.random_seed = SEED
    solver.parameters.num_workers = workers
    solver.parameters.interleave_search = workers > 1
    solver.parameters.max_deterministic_time = limit_s * pace
    solver.parameters.max_time_in_seconds = limit_s * 1.2
    solver.parameters.relative_gap_limit = CLOSE_ENOUGH
    return solver


def grid_of(horizon_s: float) -> float:
    """Whole seconds, so many that a night has not too many steps."""
    return float(max(1, math.ceil(horizon_s / STEPS)))


def horizon_of(question: Question) -> float:
    """By when everything is over, if it can be done at all."""
    deadlines = [plate.not_after_s for plate in question.problem.plates]
    if deadlines and None not in deadlines:
        return max(d for d in deadlines if d is not None)
    away = sum(b - a for spans in question.problem.absences.values() for a, b in spans)
    begins = max((plate.not_before_s for plate in question.problem.plates), default=0.0)
    work = 0.0
    for group in question.groups:
        finite = group.longest[np.isfinite(group.longest)]
        work += float(finite.max(initial=0.0))
        if len(group.plates) > 1:
            work += sum(max(0.0, w) for _, _, w in group.arcs)
            work += sum(max(0.0, s.end[1] - s.begin[1]) for s in group.stays)
    return question.problem.now_s + begins + away + 2 * work + 1.0


def decisions_in(question: Question, draft: Draft) -> list[list[float]]:
    """Decisions of a draft; in each family every point in the order of time."""
    points = np.array(draft.points)
    rows = [
        decisions_of(shape, points[group.points])
        for group, shape in zip(question.groups, question.shapes, strict=True)
    ]
    for family in set(question.families):
        mine = [g for g, f in enumerate(question.families) if f == family]
        table = np.sort(np.array([rows[g] for g in mine]), axis=0)
        for g, row in zip(mine, table, strict=True):
            rows[g] = [float(x) for x in row]
    return rows


def best_of(question: Question, draft: Draft | None, answer: Answer) -> Draft | None:
    """The solver's order in real time, if that keeps everything and is better."""
    problem, net = question.problem, question.net
    points = decided(question, answer.rows or [])
    timed = tightened(problem, net, points, roomy=False)
    found = draft_of(problem, net, timed, "CP-SAT")
    if not found.better(draft) or violations(problem, net.times(timed)):
        return draft
    return found


def _earlier(question: Question, draft: Draft) -> Draft:
    """The same order without idle time."""
    points = tightened(question.problem, question.net, draft.points, roomy=False)
    return draft_of(question.problem, question.net, points, draft.method)
