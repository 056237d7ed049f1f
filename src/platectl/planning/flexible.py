"""A plan without search, plate by plate: each point as early as lags and what is placed allow.

Where a stay meets one that is placed, it can only begin after it, because nothing of it can be
earlier. So the points are raised until nothing collides, and what is reached is the earliest
possible for this plate. Windows are kept on the way: points that they tie together rise together.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from platectl.planning.network import EPSILON_S, Arc, Matrix, Network, Place, Stay, closure
from platectl.planning.problem import Interval, Problem


class Agenda:
    """What is taken of one resource: blocks in which `units` more would be too much."""

    def __init__(self, capacity: int, absences: Iterable[Interval] = ()) -> None:
        self.capacity = capacity
        self._absences = _united(absences)
        self._taken: list[tuple[float, float, int]] = []
        self._any: list[Interval] = list(self._absences)
        self._blocks: dict[int, list[Interval]] = {}

    def take(self, begin: float, end: float, units: int) -> None:
        """Note a stay."""
        if end <= begin:
            return
        if self.capacity > 1:
            insort(self._taken, (begin, end, units))
            self._blocks.clear()
        blocks = self._any
        k = bisect_left(blocks, (begin,))
        while k and blocks[k - 1][1] >= begin - EPSILON_S:
            k -= 1
            begin, end = blocks[k][0], max(end, blocks.pop(k)[1])
        while k < len(blocks) and blocks[k][0] <= end + EPSILON_S:
            end = max(end, blocks.pop(k)[1])
        blocks.insert(k, (begin, end))

    def meets(self, begin: float, end: float, units: int) -> Interval | None:
        """First block that overlaps the span; None when there is none."""
        if end <= begin + EPSILON_S:
            return None
        blocks = self._any if units >= self.capacity else self._blocks.get(units)
        if blocks is None:
            blocks = self._blocks[units] = _united(
                [*self._absences, *_crowded(self._taken, self.capacity - units)]
            )
        k = bisect_left(blocks, (begin,))
        if k and begin < blocks[k - 1][1] - EPSILON_S:
            return blocks[k - 1]
        if k < len(blocks) and blocks[k][0] < end - EPSILON_S:
            return blocks[k]
        return None

    def meets_last(self, begin: float, end: float, units: int) -> Interval | None:
        """Last block that overlaps the span."""
        found = None
        while (block := self.meets(begin, end, units)) is not None:
            found, begin = block, block[1]
        return found


def _crowded(taken: Sequence[tuple[float, float, int]], most: int) -> list[Interval]:
    edges = sorted(
        [(a, 1, units) for a, _, units in taken] + [(b, 0, -units) for _, b, units in taken]
    )
    spans, used, since = [], 0, 0.0
    for at, _, change in edges:
        if used <= most < used + change:
            since = at
        elif used > most >= used + change and at > since:
            spans.append((since, at))
        used += change
    return spans


def _united(spans: Iterable[Interval]) -> list[Interval]:
    united: list[Interval] = []
    for begin, end in sorted(spans):
        if united and begin <= united[-1][1] + EPSILON_S:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((begin, end))
    return united


class Group:
    """Plates whose points depend on one another, usually one plate; placed together."""

    def __init__(self, net: Network, points: Sequence[int], arcs: Sequence[Arc]) -> None:
        self.points = [0, *points]
        self.index = {point: k for k, point in enumerate(self.points)}
        self.arcs = tuple((self.index[i], self.index[j], w) for i, j, w in arcs)
        self.plates = tuple(dict.fromkeys(net.plate_of[p] for p in points))
        self.stays = [s for s in net.stays if s.begin[0] in self.index and s.begin[0] != 0]
        self.watched = self.stays
        self.last = [(self.index[p], off) for p, off in net.last if p in self.index]
        self._net = net
        self.longest: Matrix = np.zeros((0, 0))

    def key(self) -> Hashable:
        """What makes two groups alike in their distances."""
        return len(self.points), tuple(sorted(self.arcs))

    def placed(
        self, agendas: Mapping[str, Agenda], *, late: bool = False, least: Sequence[Place] = ()
    ) -> Matrix | None:
        """Times of the points beside what is placed: the earliest, or as late as the same end allows.

        `least` gives points of this group with the time before which they cannot be. None when no
        times exist.
        """
        points = self._raised(agendas, least)
        return points if points is None or not late else self._lowered(points, agendas)

    def _raised(self, agendas: Mapping[str, Agenda], least: Sequence[Place]) -> Matrix | None:
        points: Matrix = self.longest[0].copy()
        for i, at_s in least:
            points = np.maximum(points, at_s + self.longest[i])
        moved = True
        while moved and points[0] <= EPSILON_S:
            moved = False
            for stay in self.watched:
                (i, a), (j, b) = self.ends(stay)
                agenda = agendas[stay.resource]
                while (block := agenda.meets(points[i] + a, points[j] + b, stay.units)) is not None:
                    points = np.maximum(points, block[1] - a + self.longest[i])
                    moved = True
        return points if points[0] <= EPSILON_S else None

    def _lowered(self, least: Matrix, agendas: Mapping[str, Agenda]) -> Matrix:
        end_s = max((least[i] + off for i, off in self.last), default=0.0)
        points: Matrix = -self.longest[:, 0]
        points[0] = 0.0
        for i, off in self.last:
            points = np.minimum(points, end_s - off - self.longest[:, i])
        moved = bool(np.isfinite(points).all())
        if not moved:
            return least
        while moved:
            moved = False
            for stay in self.watched:
                (i, a), (j, b) = self.ends(stay)
                agenda = agendas[stay.resource]
                block = agenda.meets_last(points[i] + a, points[j] + b, stay.units)
                if block is not None:
                    points = np.minimum(points, block[0] - b - self.longest[:, j])
                    moved = True
        return points if (points >= least - EPSILON_S).all() else least

    def allows(self, points: Matrix, agendas: Mapping[str, Agenda]) -> bool:
        """Whether points keep all distances and meet nothing that is placed."""
        if any(points[j] - points[i] < w - EPSILON_S for i, j, w in self.arcs):
            return False
        for stay in self.watched:
            (i, a), (j, b) = self.ends(stay)
            if agendas[stay.resource].meets(points[i] + a, points[j] + b, stay.units) is not None:
                return False
        return True

    def take(self, agendas: Mapping[str, Agenda], points: Matrix) -> None:
        """Place the stays of this group."""
        for stay in self.watched:
            (i, a), (j, b) = self.ends(stay)
            agendas[stay.resource].take(float(points[i]) + a, float(points[j]) + b, stay.units)

    def spread(self, points: Matrix, into: list[float]) -> None:
        """Write the times of this group's points into those of the network."""
        for point, k in self.index.items():
            into[point] = float(points[k])

    def held(self) -> list[Stay]:
        """Stays that have begun."""
        begun = np.isfinite(self.longest[:, 0]) & (
            self.longest[0] + self.longest[:, 0] > -EPSILON_S
        )
        return [s for s in self.watched if begun[self.ends(s)[0][0]] and s.begin[0] != 0]

    def ends(self, stay: Stay) -> tuple[tuple[int, float], tuple[int, float]]:
        """Begin and end of a stay, as places of this group."""
        (i, a), (j, b) = stay.begin, stay.end
        return (self.index[i], a), (self.index[j], b)


def groups_of(net: Network) -> list[Group]:
    """Split a network into what depends on nothing else, in the order of its points."""
    root = list(range(net.size))

    def find(k: int) -> int:
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    firsts: dict[str, int] = {}
    for point in range(1, net.size):
        root[find(point)] = find(firsts.setdefault(net.plate_of[point], point))
    for i, j, _ in net.arcs:
        if i and j:
            root[find(j)] = find(i)
    points: dict[int, list[int]] = defaultdict(list)
    for point in range(1, net.size):
        points[find(point)].append(point)
    arcs: dict[int, list[Arc]] = defaultdict(list)
    for arc in net.arcs:
        arcs[find(arc[0] or arc[1])].append(arc)
    return [Group(net, mine, arcs[key]) for key, mine in points.items()]


def with_closures(groups: Sequence[Group]) -> bool:
    """Work out the longest distances of all groups; False when one contradicts itself."""
    known: dict[Hashable, Matrix] = {}
    for group in groups:
        key = group.key()
        if key not in known:
            known[key] = closure(len(group.points), group.arcs)
        group.longest = known[key]
        if (np.diag(group.longest) > EPSILON_S).any():
            return False
    return True


class Crossings:
    """Distances between plates: those that must be late are placed after those they wait for."""

    def __init__(self, net: Network, groups: Sequence[Group]) -> None:
        of = {point: g for g, group in enumerate(groups) for point in group.points if point}
        self._before: dict[int, list[tuple[int, int, float]]] = defaultdict(list)
        for i, j, least_s in net.crossings:
            if of[i] != of[j]:
                self._before[of[j]].append((i, groups[of[j]].index[j], least_s))

    def in_order(self, order: Iterable[int]) -> list[int]:
        """The order, with groups that wait for others at the end."""
        return sorted(order, key=lambda g: g in self._before)

    def least(self, group: int, points: Sequence[float]) -> list[Place]:
        """Points of a group with the time before which they cannot be, when the others are placed."""
        return [(j, points[i] + least_s) for i, j, least_s in self._before.get(group, ())]


def agendas_of(problem: Problem, net: Network) -> dict[str, Agenda]:
    """Agendas of all resources with nothing but absences in them."""
    names = dict.fromkeys(stay.resource for stay in net.stays)
    return {
        name: Agenda(problem.capacities.get(name, 1), problem.absences.get(name, ()))
        for name in names
    }


def alone(problem: Problem, net: Network, groups: Sequence[Group]) -> list[Matrix] | None:
    """Earliest points of each group beside nothing but absences; None when one has none."""
    empty = agendas_of(problem, net)
    placed = [group.placed(empty) for group in groups]
    found = [points for points in placed if points is not None]
    return found if len(found) == len(groups) else None
