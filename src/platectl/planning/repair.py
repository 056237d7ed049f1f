"""The rest of a plan after something took longer: the same order, shifted no more than needed."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from platectl.domain.errors import NoPlanError
from platectl.planning.network import Network, network_of
from platectl.planning.order import order_arcs
from platectl.planning.problem import Interval, Problem

#: a window that pulls so often cannot be kept in this order
PULLS_MOST = 25
TOLERANCE_S = 1e-6
#: the end of a plate's terms, where it is named as what cannot be kept
END = "end"


@dataclass(frozen=True, slots=True)
class Repaired:
    """New times of all tasks; `broken` names (plate, window) of hard windows that are not kept."""

    times: Mapping[str, Interval]
    broken: tuple[tuple[str, str], ...]

    @property
    def makespan_s(self) -> float:
        """When the last task ends."""
        return max((end for _, end in self.times.values()), default=0.0)


def repair(problem: Problem, planned: Mapping[str, Interval]) -> Repaired:
    """Shift what has not begun to the right until everything holds again, in the planned order.

    Nothing begins earlier than planned. A hard window that cannot hold is named and no longer kept;
    everything else is.

    Raises:
        NoPlanError: The planned order contradicts itself.
    """
    return _Shift(problem, network_of(problem), planned).solve()


@dataclass(slots=True)
class _Shift:
    """Pushes points to the right along distances; those that pull back too often are given up."""

    problem: Problem
    net: Network
    planned: Mapping[str, Interval]
    _at: list[float] = field(default_factory=list)
    _begun: set[int] = field(default_factory=set)
    _after: dict[int, list[tuple[int, float, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _people: dict[int, list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    _given_up: set[int] = field(default_factory=set)
    _latest_s: float = 0.0

    def solve(self) -> Repaired:
        self._points()
        upper = self._upper()
        for k, (i, j, least_s) in enumerate(self.net.arcs):
            if self.net.causes[k][0] != "begun":
                self._after[i].append((j, least_s, k if k in upper else -1))
        for i, j, least_s in order_arcs(self.problem, self.net, planned=self.planned):
            self._after[i].append((j, least_s, -1))
        begun = list(self._at)
        self._latest_s = self._horizon_s()
        while not self._settle():
            self._at = list(begun)  # what a hopeless window has pushed goes back
        return Repaired(self.net.times(self._at), tuple(sorted({upper[k] for k in self._given_up})))

    def _horizon_s(self) -> float:
        """No point lies later, unless an order runs in a circle."""
        distances = sum(
            max(least_s, 0.0) for after in self._after.values() for _, least_s, _ in after
        )
        away = (end for spans in self.problem.absences.values() for _, end in spans)
        return max(self._at) + distances + max(away, default=0.0)

    def _points(self) -> None:
        """Where everything stands: over, running, or as planned."""
        problem, net = self.problem, self.net
        durations = {task.id: task.duration_s for task in problem.tasks}
        self._at = [0.0] * net.size
        for task in problem.tasks:
            (point, _), (end, _) = net.begin[task.id], net.end[task.id]
            known = problem.fixed.get(task.id) or problem.running.get(task.id)
            if known is not None:
                self._begun.add(point)
                self._at[point] = known[0]
                self._at[end] = known[1] if end != point else known[0]
            else:
                self._at[point] = max(self.planned[task.id][0], problem.now_s)
                self._at[end] = self._at[point] + (task.duration_s if end != point else 0.0)
        for o in problem.occupations:
            if o.resource in problem.absences and net.begin[o.first][0] not in self._begun:
                self._people[net.begin[o.first][0]].append((o.resource, durations[o.first]))

    def _upper(self) -> dict[int, tuple[str, str]]:
        """Distances that pull back and can be given up, with plate and window."""
        plate_of = {task.id: task.plate for task in self.problem.tasks}
        found: dict[int, tuple[str, str]] = {}
        for k, (kind, whose) in enumerate(self.net.causes):
            i, j, _ = self.net.arcs[k]
            if kind == "not_after":
                found[k] = whose, END
            elif kind == "lag":
                lag = self.problem.lags[int(whose)]
                after = {self.net.begin[lag.after.task][0], self.net.end[lag.after.task][0]}
                before = {self.net.begin[lag.before.task][0], self.net.end[lag.before.task][0]}
                if lag.at_most_s is not None and i in after and j in before:
                    found[k] = plate_of[lag.after.task], lag.window
        return found

    def _settle(self) -> bool:
        """Push later what has to be later, until nothing changes; False if something was given up."""
        given_up = len(self._given_up)
        waiting = deque(range(len(self._at)))
        queued = set(waiting)
        pulls = Counter[int]()
        while waiting:
            point = waiting.popleft()
            queued.discard(point)
            for later, least_s, cause in self._after[point]:
                reached = self._at[point] + least_s
                if reached <= self._at[later] + TOLERANCE_S or cause in self._given_up:
                    continue
                unmoved = later == 0 or later in self._begun
                if cause >= 0:
                    pulls[cause] += 1
                    if unmoved or pulls[cause] > PULLS_MOST:
                        self._given_up.add(cause)
                        continue
                if unmoved:
                    continue  # it has happened, whatever should have come first
                self._at[later] = self._present(later, reached)
                if self._at[later] > self._latest_s:
                    raise NoPlanError("the planned order contradicts itself")
                if later not in queued:
                    waiting.append(later)
                    queued.add(later)
        return len(self._given_up) == given_up

    def _present(self, point: int, least_s: float) -> float:
        """The first moment from `least_s` on at which those that a task needs are there."""
        moved = True
        while moved:
            moved = False
            for resource, lasts_s in self._people.get(point, ()):
                for begin, end in self.problem.absences[resource]:
                    if begin < least_s + lasts_s and least_s < end:
                        least_s, moved = end, True
        return least_s
