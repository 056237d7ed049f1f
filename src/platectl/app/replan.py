"""Plans the rest of a run anew when reality has left its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from platectl.domain.run import CompiledRun
from platectl.engine.ports import Proposal, Situation
from platectl.planning.problem import Interval, Plate, Problem
from platectl.planning.repair import repair
from platectl.planning.tasks import problem_of
from platectl.steps import CLEARING


class Replanner:
    """Keeps the order of the plan and shifts what has not begun; names the windows that it breaks.

    Satisfies `platectl.engine.ports.Replanner`.
    """

    def __init__(self, run: CompiledRun) -> None:
        self._run = run
        self._problem = problem_of(
            run.steps, run.windows, run.holds, [Plate(p.name) for p in run.plates],
            absences=run.absences,
        )  # fmt: skip

    async def __call__(self, situation: Situation) -> Proposal | None:
        """See the port."""
        found = repair(self._now(situation), situation.planned)
        return Proposal(found.times, found.broken, "order kept")

    def _now(self, situation: Situation) -> Problem:
        """The problem as it stands: what is over, what runs, and what is given up."""
        problem = self._problem
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
