"""The rest of a plan after something took longer: the same order, shifted no more than needed."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from platectl.planning.problem import Interval, Lag, Moment, Problem, Task

Var = tuple[str, str]
#: a window that pulls so often cannot be kept in this order
PULLS_MOST = 25
TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class Repaired:
    """New times of all tasks; `broken` names (plate, window) of hard windows that are not kept."""

    times: Mapping[str, Interval]
    broken: tuple[tuple[str, str], ...]


def repair(problem: Problem, planned: Mapping[str, Interval]) -> Repaired:
    """Shift what has not begun to the right until everything holds again, in the planned order.

    Nothing begins earlier than planned. A hard window that cannot hold is named and no longer kept;
    everything else is.
    """
    return _Network(problem, planned).solve()


@dataclass(slots=True)
class _Network:
    """Difference constraints `later >= earlier + weight` over starts and ends of tasks."""

    problem: Problem
    planned: Mapping[str, Interval]
    _tasks: dict[str, Task] = field(default_factory=dict)
    _at: dict[Var, float] = field(default_factory=dict)
    _fixed: set[Var] = field(default_factory=set)
    _edges: dict[Var, list[tuple[Var, float, Lag | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _people: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _given_up: set[Lag] = field(default_factory=set)

    def solve(self) -> Repaired:
        self._tasks = {task.id: task for task in self.problem.tasks}
        for task in self.problem.tasks:
            self._begin(task)
        for lag in self.problem.lags:
            self._bound(lag)
        for before, after in self._order():
            self._link((before, "end"), (after, "start"), 0.0)
        for o in self.problem.occupations:
            if o.resource in self.problem.absences:
                self._people[o.first].add(o.resource)
        begun = dict(self._at)
        while not self._settle():
            self._at = dict(begun)  # what a hopeless window has pushed goes back
        broken = sorted({(self._tasks[g.after.task].plate, g.window) for g in self._given_up})
        times = {t: (self._at[t, "start"], self._at[t, "end"]) for t in self._tasks}
        return Repaired(times, tuple(broken))

    def _begin(self, task: Task) -> None:
        """Where a task stands: over, running, or planned."""
        start, end = (task.id, "start"), (task.id, "end")
        over = self.problem.fixed.get(task.id)
        running = self.problem.running.get(task.id)
        if over is not None:
            self._at[start], self._at[end] = over
            self._fixed |= {start, end}
            return
        if running is not None:
            self._at[start], self._at[end] = running
            self._fixed.add(start)
            return
        planned = self.planned[task.id]
        self._at[start] = max(planned[0], self.problem.now_s)
        self._at[end] = self._at[start] + task.duration_s
        self._link(start, end, task.duration_s)
        if not task.elastic:
            self._link(end, start, -task.duration_s)

    def _bound(self, lag: Lag) -> None:
        before, before_s = self._place(lag.before)
        after, after_s = self._place(lag.after)
        if lag.at_least_s is not None:
            self._link(before, after, lag.at_least_s + before_s - after_s)
        if lag.at_most_s is not None and lag.hard:
            self._link(after, before, after_s - before_s - lag.at_most_s, lag)

    def _place(self, moment: Moment) -> tuple[Var, float]:
        """A moment as a start or end, and seconds after it."""
        if moment.share == 1.0:
            return (moment.task, "end"), moment.offset_s
        begun = self.problem.fixed.get(moment.task) or self.problem.running.get(moment.task)
        lasts_s = begun[1] - begun[0] if begun else self._tasks[moment.task].duration_s
        inside = moment.share * lasts_s
        return (moment.task, "start"), moment.offset_s + inside

    def _order(self) -> Iterable[tuple[str, str]]:
        """Last task of a stay and first of the next one on the same resource, as planned."""
        stays = defaultdict[str, list[tuple[float, float, str, str, str]]](list)
        for o in self.problem.occupations:
            begin, end = self.planned[o.first][0], self.planned[o.last][1]
            stays[o.resource].append((begin, end, o.plate, o.first, o.last))
        for spans in stays.values():
            spans.sort()
            for (*_, plate, _, last), (*_, other, first, _) in pairwise(spans):
                if plate != other:
                    yield last, first

    def _link(self, earlier: Var, later: Var, weight: float, lag: Lag | None = None) -> None:
        self._edges[earlier].append((later, weight, lag))

    def _settle(self) -> bool:
        """Push later what has to be later, until nothing changes; False if a window was given up."""
        given_up = len(self._given_up)
        waiting = deque(self._at)
        queued = set(waiting)
        pulls = Counter[Lag]()
        while waiting:
            var = waiting.popleft()
            queued.discard(var)
            for later, weight, lag in self._edges[var]:
                least = self._at[var] + weight
                if least <= self._at[later] + TOLERANCE_S or lag in self._given_up:
                    continue
                if lag is not None:
                    pulls[lag] += 1
                    if later in self._fixed or pulls[lag] > PULLS_MOST:
                        self._given_up.add(lag)
                        continue
                if later in self._fixed:
                    continue  # it has happened, whatever should have come first
                self._at[later] = self._present(later, least)
                if later not in queued:
                    waiting.append(later)
                    queued.add(later)
        return len(self._given_up) == given_up

    def _present(self, var: Var, least_s: float) -> float:
        """The first moment from `least_s` on at which those that a task needs are there."""
        name, edge = var
        task = self._tasks[name]
        if edge == "end":
            return least_s
        moved = True
        while moved:
            moved = False
            for resource in self._people[name]:
                for begin, end in self.problem.absences.get(resource, ()):
                    if begin < least_s + task.duration_s and least_s < end:
                        least_s, moved = end, True
        return least_s
