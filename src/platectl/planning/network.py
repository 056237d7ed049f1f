"""A problem as points in time, least distances between them, and stays on resources.

Point 0 is the start of the run. Every other point is the start of a task, or the end of one whose
length is free; the end of any other task lies at a fixed distance from its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from platectl.planning.problem import Interval, Lag, Moment, Plate, Problem, Task

#: a point, and seconds after it
Place = tuple[int, float]
#: `(i, j, w)`: point j is at least w seconds after point i
Arc = tuple[int, int, float]
#: why an arc is there: what it is, and of whom ("lag", "3"), ("not_after", "P1"), ...
Cause = tuple[str, str]
Matrix = npt.NDArray[np.float64]
EPSILON_S = 1e-6


@dataclass(frozen=True, slots=True)
class Stay:
    """Units of a resource taken between two places in time: begin of the first, end of the last task."""

    resource: str
    plate: str
    begin: Place
    end: Place
    tasks: tuple[str, str]
    units: int = 1


@dataclass(frozen=True, slots=True)
class SoftArc:
    """A distance that may be missed, at a price for each second."""

    arc: Arc
    weight: float
    lag: Lag


@dataclass(slots=True)
class Network:
    """Points, arcs and stays of a problem; `crossings` are distances between different plates.

    `begin` and `end` give the place of each task; `plate_of` the plate of each point.
    """

    begin: dict[str, Place] = field(default_factory=dict)
    end: dict[str, Place] = field(default_factory=dict)
    plate_of: list[str] = field(default_factory=lambda: [""])
    arcs: list[Arc] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    soft: list[SoftArc] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    last: list[Place] = field(default_factory=list)
    crossings: list[Arc] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many points there are."""
        return len(self.plate_of)

    def add(self, i: int, j: int, least_s: float, *cause: str) -> None:
        """Demand a distance."""
        self.arcs.append((i, j, least_s))
        self.causes.append((cause[0], cause[1]))

    def times(self, points: Sequence[float]) -> dict[str, Interval]:
        """Start and end of each task when the points lie at these times."""
        return {
            task: (points[i] + a, points[self.end[task][0]] + self.end[task][1])
            for task, (i, a) in self.begin.items()
        }

    def points(self, times: Mapping[str, Interval]) -> list[float]:
        """Where the points lie in a plan."""
        found = [0.0] * self.size
        for task, (begin, end) in times.items():
            (i, a), (j, b) = self.begin[task], self.end[task]
            found[i] = begin - a
            if j != i:
                found[j] = end - b
        return found


def network_of(problem: Problem) -> Network:
    """State a problem as distances; soft lags are kept apart."""
    net = Network()
    plates = {plate.name: plate for plate in problem.plates}
    for task in problem.tasks:
        _add_task(net, problem, task, plates.get(task.plate))
    past = set(problem.fixed)
    for number, lag in enumerate(problem.lags):
        if lag.before.task in past and lag.after.task in past:
            continue
        for arc in arcs_of(net, lag):
            if lag.hard:
                net.add(*arc, "lag", str(number))
            elif arc[0] != arc[1]:
                net.soft.append(SoftArc(arc, lag.weight, lag))
    for stay in problem.occupations:
        places = net.begin[stay.first], net.end[stay.last]
        net.stays.append(Stay(stay.resource, stay.plate, *places, (stay.first, stay.last)))
    for task in problem.tasks:
        places = net.begin[task.id], net.end[task.id]
        net.stays += [
            Stay(r, task.plate, *places, (task.id, task.id), units)
            for r, units in task.uses.items()
        ]
    net.crossings += _crossings(net, problem)
    return net


def _crossings(net: Network, problem: Problem) -> Iterable[Arc]:
    """Whatever handles clean labware does so before it meets activity."""
    for clean in problem.zones:
        for hot in problem.zones:
            met = hot.radioactive and not clean.radioactive and hot.resource == clean.resource
            if met and hot.plate != clean.plate and hot.task not in problem.fixed:
                (i, a), (j, b) = net.end[clean.task], net.begin[hot.task]
                yield i, j, a - b


def _add_task(net: Network, problem: Problem, task: Task, plate: Plate | None) -> None:
    """Points of a task, and its own terms."""
    point = net.size
    net.plate_of.append(task.plate)
    net.begin[task.id] = (point, 0.0)
    if task.id in problem.fixed:
        begin, over = problem.fixed[task.id]
        _pin(net, point, begin, task.id)
        net.end[task.id] = (point, over - begin)
        return
    length_s, least_s = task.duration_s, problem.now_s
    if task.id in problem.running:
        begun, ends = problem.running[task.id]
        _pin(net, point, begun, task.id)
        length_s = max(length_s, ends - begun, problem.now_s - begun)
    else:
        if plate is not None:
            least_s = max(least_s, plate.not_before_s)
        net.add(0, point, least_s, "not_before", task.plate)
    if task.elastic:
        end = net.size
        net.plate_of.append(task.plate)
        net.end[task.id] = (end, 0.0)
        net.add(point, end, length_s, "duration", task.id)
    else:
        net.end[task.id] = (point, length_s)
    net.last.append(net.end[task.id])
    if plate is not None and plate.not_after_s is not None:
        i, offset_s = net.end[task.id]
        net.add(i, 0, offset_s - plate.not_after_s, "not_after", task.plate)


def _pin(net: Network, point: int, at_s: float, task: str) -> None:
    net.add(0, point, at_s, "begun", task)
    net.add(point, 0, -at_s, "begun", task)


def _places(net: Network, moment: Moment) -> tuple[Place, Place]:
    """Earliest and latest place that a moment may have; they differ inside an elastic task only."""
    (i, a), (j, b) = net.begin[moment.task], net.end[moment.task]
    if i == j or moment.share in {0.0, 1.0}:
        place = (i, a + moment.share * (b - a)) if i == j else ((i, a), (j, b))[int(moment.share)]
        early = late = place
    else:
        early, late = (i, a), (j, b)
    return (early[0], early[1] + moment.offset_s), (late[0], late[1] + moment.offset_s)


def arcs_of(net: Network, lag: Lag) -> Iterable[Arc]:
    """The distances that a lag demands."""
    before_early, before_late = _places(net, lag.before)
    after_early, after_late = _places(net, lag.after)
    if lag.at_least_s is not None:
        (i, a), (j, b) = before_late, after_early
        yield i, j, lag.at_least_s + a - b
    if lag.at_most_s is not None:
        (i, a), (j, b) = before_early, after_late
        yield j, i, b - a - lag.at_most_s


def spread_s(net: Network, lag: Lag, points: Sequence[float]) -> float:
    """Seconds between the moments of a lag, at the least where one lies inside an elastic task."""
    (i, a), (j, b) = _places(net, lag.before)[1], _places(net, lag.after)[0]
    return points[j] + b - points[i] - a


def closure(size: int, arcs: Iterable[Arc]) -> Matrix:
    """Longest distances between all points; a positive diagonal means that no times exist."""
    longest = np.full((size, size), -np.inf)
    np.fill_diagonal(longest, 0.0)
    for i, j, least_s in arcs:
        longest[i, j] = max(longest[i, j], least_s)
    for k in range(size):
        np.maximum(longest, longest[:, k : k + 1] + longest[k : k + 1, :], out=longest)
    return longest


def earliest(size: int, arcs: Sequence[Arc], least: Matrix | None = None) -> Matrix | None:
    """Earliest time of each point, point 0 at 0; None when the distances contradict one another.

    `least` are times known to be no later than these; without them no point is before point 0.
    """
    if not arcs:
        return np.zeros(size)
    tails, heads = (np.fromiter((a[k] for a in arcs), dtype=np.int64) for k in (0, 1))
    lengths = np.fromiter((a[2] for a in arcs), dtype=np.float64)
    order = np.argsort(heads, kind="stable")
    tails, heads, lengths = tails[order], heads[order], lengths[order]
    firsts = np.flatnonzero(np.r_[True, heads[1:] != heads[:-1]])
    targets = heads[firsts]
    points = np.zeros(size) if least is None else least.copy()
    points[0] = max(points[0], 0.0)
    for _ in range(size + 1):
        reached = np.maximum.reduceat(points[tails] + lengths, firsts)
        later = reached > points[targets] + EPSILON_S
        if not later.any():
            return points
        points[targets[later]] = reached[later]
        if points[0] > EPSILON_S:
            return None
    return None


def latest(size: int, arcs: Sequence[Arc]) -> list[float]:
    """Latest time of each point, point 0 at 0; infinite where nothing must follow."""
    if not arcs:
        return [float("inf")] * size
    back = earliest(size, [(j, i, least_s) for i, j, least_s in arcs], np.full(size, -np.inf))
    return [float("inf")] * size if back is None else [-float(x) for x in back]
