"""Plans the rest of a run anew when reality has left its plan."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from platectl.domain.errors import NoPlanError
from platectl.domain.run import CompiledRun, PlateTerms
from platectl.engine.ports import Proposal, Situation
from platectl.planning.overview import people_of
from platectl.planning.problem import Interval, Plate, Problem
from platectl.planning.repair import repair
from platectl.planning.seating import reseated
from platectl.planning.tasks import problem_of
from platectl.planning.verify import broken_windows
from platectl.planning.zones import unclean
from platectl.steps import CLEARING

#: how long another order is looked for when the old one breaks a window
SEARCH_S = 5.0


class Replanner:
    """Shifts what has not begun in the old order; looks for another order if that breaks a window.

    Satisfies `platectl.engine.ports.Replanner`. `apart`: search in a thread, beside the instruments
    of a real lab; a simulated night waits for it.
    """

    def __init__(self, run: CompiledRun, *, apart: bool) -> None:
        self._apart = apart
        self._known = run, whole_problem(run)

    async def __call__(self, situation: Situation) -> Proposal | None:
        """See the port."""
        if situation.run is not self._known[0]:
            self._known = situation.run, whole_problem(situation.run)
        problem = as_it_stands(self._known[1], situation)
        try:
            found = repair(problem, situation.planned)
        except NoPlanError:
            return None
        kept = Proposal(found.times, found.broken, "order kept")
        if not found.broken:
            return kept
        search = partial(_another_order, problem, situation.planned)
        better = await asyncio.to_thread(search) if self._apart else search()
        return better if better and len(better.broken) < len(kept.broken) else kept

    def shifted(self, situation: Situation) -> Proposal:
        """See the port."""
        problem = as_it_stands(whole_problem(situation.run, terms=True), situation)
        found = repair(problem, situation.planned)
        return Proposal(found.times, found.broken, "order kept")


def whole_problem(run: CompiledRun, *, terms: bool = False) -> Problem:
    """What a plan of all of a run must keep; with `terms` also those of its plates.

    What runs is not given up for its terms, so that they count only where plates are to join.
    """
    known = run.bounds.plates if run.bounds is not None and terms else {}
    plates = [_plate(p.name, known.get(p.name, PlateTerms())) for p in run.plates]
    return problem_of(
        run.steps, run.windows, run.holds, plates, absences=run.absences,
        unclean=unclean(run.lab, people_of(run)),
    )  # fmt: skip


def _plate(name: str, terms: PlateTerms) -> Plate:
    return Plate(name, terms.priority, terms.not_before_s, terms.not_after_s)


def as_it_stands(problem: Problem, situation: Situation) -> Problem:
    """The problem with what is over, what runs, and what is given up."""
    problem = reseated(problem, situation.seats)
    durations = {task.id: task.duration_s for task in problem.tasks}
    fixed: dict[str, Interval] = {}
    running: dict[str, Interval] = {}
    for name, (start_s, end_s) in situation.begun.items():
        if end_s is not None:
            fixed[name] = (start_s, end_s)
        else:
            running[name] = (start_s, max(start_s + durations[name], situation.now_s))
    if situation.dropped:
        problem = _without(problem, situation)
    if situation.parked:
        problem = _unparked(problem, situation.parked)
    return replace(problem, fixed=fixed, running=running, now_s=situation.now_s)


def _without(problem: Problem, situation: Situation) -> Problem:
    """Plates that are given up take no time, except to be cleared away, and have no windows."""
    kinds: Mapping[str, str] = {step.id: step.kind for step in situation.run.steps}
    plates = {step.id: step.plate for step in situation.run.steps}
    dropped = situation.dropped
    return replace(
        problem,
        tasks=tuple(
            replace(task, duration_s=0.0)
            if task.plate in dropped and kinds[task.id] not in CLEARING
            else task
            for task in problem.tasks
        ),
        lags=tuple(
            lag for lag in problem.lags if not (lag.window and plates[lag.after.task] in dropped)
        ),
    )


def _unparked(problem: Problem, parked: frozenset[str]) -> Problem:
    """The problem without steps that wait for a person's word: they take neither time nor room."""
    return replace(
        problem,
        tasks=tuple(task for task in problem.tasks if task.id not in parked),
        lags=tuple(
            lag for lag in problem.lags if parked.isdisjoint((lag.before.task, lag.after.task))
        ),
        occupations=tuple(
            stay for stay in problem.occupations if parked.isdisjoint((stay.first, stay.last))
        ),
        zones=tuple(zone for zone in problem.zones if zone.task not in parked),
    )


def _another_order(problem: Problem, planned: Mapping[str, Interval]) -> Proposal | None:
    """A plan in another order, with what it breaks; None when there is none."""
    from platectl.planning.replan import replan  # NumPy and the solver, which few nights need

    try:
        plan = replan(problem, planned, limit_s=SEARCH_S)
    except NoPlanError:
        return None
    broken = {
        (plate, window)
        for plate, window, _, lag in broken_windows(problem, plan.times)
        if lag.hard and window and lag.after.task not in problem.fixed
    }
    return Proposal(plan.times, tuple(sorted(broken)), f"another order, {plan.method}")
