"""Plans the rest of a run anew when reality has left its plan."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from platectl.domain.errors import NoPlanError
from platectl.domain.run import CompiledRun
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
        self._run = run
        self._apart = apart
        self._problem = problem_of(
            run.steps, run.windows, run.holds, [Plate(p.name) for p in run.plates],
            absences=run.absences, unclean=unclean(run.lab, people_of(run)),
        )  # fmt: skip

    async def __call__(self, situation: Situation) -> Proposal | None:
        """See the port."""
        problem = self._now(situation)
        found = repair(problem, situation.planned)
        kept = Proposal(found.times, found.broken, "order kept")
        if not found.broken:
            return kept
        search = partial(_another_order, problem, situation.planned)
        better = await asyncio.to_thread(search) if self._apart else search()
        return better if better and len(better.broken) < len(kept.broken) else kept

    def _now(self, situation: Situation) -> Problem:
        """The problem as it stands: what is over, what runs, and what is given up."""
        problem = reseated(self._problem, situation.seats)
        durations = {task.id: task.duration_s for task in problem.tasks}
        fixed: dict[str, Interval] = {}
        running: dict[str, Interval] = {}
        for name, (start_s, end_s) in situation.begun.items():
            if end_s is not None:
                fixed[name] = (start_s, end_s)
            else:
                running[name] = (start_s, max(start_s + durations[name], situation.now_s))
        if situation.dropped:
            problem = self._without(problem, situation.dropped)
        if situation.parked:
            problem = _unparked(problem, situation.parked)
        return replace(problem, fixed=fixed, running=running, now_s=situation.now_s)

    def _without(self, problem: Problem, dropped: frozenset[str]) -> Problem:
        """Plates that are given up take no time, except to be cleared away, and have no windows."""
        kinds: Mapping[str, str] = {step.id: step.kind for step in self._run.steps}
        plates = {step.id: step.plate for step in self._run.steps}
        return replace(
            problem,
            tasks=tuple(
                replace(task, duration_s=0.0)
                if task.plate in dropped and kinds[task.id] not in CLEARING
                else task
                for task in problem.tasks
            ),
            lags=tuple(
                lag
                for lag in problem.lags
                if not (lag.window and plates[lag.after.task] in dropped)
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
