"""What is left of a plate for the solver: the points that decide, and the stays that matter.

A stay inside another one of the same plate says nothing new. Points where no stay begins or ends
follow from the others. A point where stays only end lies as early as it can, and one where stays
only begin as late as it can; if that hangs on a single other point, it is no decision either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from platectl.planning.flexible import Group
from platectl.planning.network import EPSILON_S, Arc, Matrix, Network, Place, SoftArc, Stay
from platectl.planning.problem import Problem


@dataclass(frozen=True, slots=True)
class Shape:
    """A group of plates reduced to decisions; alike groups share one.

    `places` says where the kept points of the group lie: decision and seconds after it. `tails`
    are the seconds that must follow each decision.
    """

    size: int
    arcs: tuple[Arc, ...]
    stays: tuple[tuple[str, Place, Place, int], ...]
    tails: tuple[Place, ...]
    soft: tuple[tuple[Arc, float], ...]
    places: tuple[tuple[int, Place], ...]


def inside_others(problem: Problem, groups: Sequence[Group]) -> set[str]:
    """Resources that need no watching: who has one has another one all the while."""
    homes: dict[str, set[str]] = {}
    for group in groups:
        hosts = [s for s in group.stays if problem.capacities.get(s.resource, 1) == 1]
        for stay in group.stays:
            found = {h.resource for h in hosts if _within(group, stay, h)} - {stay.resource}
            homes[stay.resource] = homes.get(stay.resource, found) & found
    dropped: set[str] = set()
    for resource in sorted(homes):
        single = problem.capacities.get(resource, 1) == 1 and resource not in problem.absences
        if single and homes[resource] - dropped:
            dropped.add(resource)
    return dropped


def _within(group: Group, stay: Stay, host: Stay) -> bool:
    if stay.plate != host.plate:
        return False
    (i, a), (j, b) = group.ends(stay)
    (k, c), (m, d) = group.ends(host)
    early = float(group.longest[k, i]) + a - c >= -EPSILON_S
    return early and float(group.longest[j, m]) + d - b >= -EPSILON_S


def shapes_of(problem: Problem, net: Network, groups: Sequence[Group]) -> list[Shape]:
    """Reduce all groups; from now on they watch only the stays that matter."""
    dropped = inside_others(problem, groups)
    for group in groups:
        group.watched = [s for s in group.stays if s.resource not in dropped]
    known: dict[Hashable, Shape] = {}
    shapes = []
    for group in groups:
        key = _key(net, group)
        if key not in known:
            known[key] = _Reduction(group, net, dropped).shape()
        shapes.append(known[key])
    return shapes


def _key(net: Network, group: Group) -> Hashable:
    stays = tuple((s.resource, *group.ends(s), s.units) for s in group.stays)
    soft = tuple(
        (group.index[s.arc[0]], group.index[s.arc[1]], s.arc[2], s.weight)
        for s in _soft(group, net)
    )
    crossed = tuple(sorted(group.index[p] for p in _crossed(group, net)))
    return group.key(), stays, tuple(group.last), soft, crossed


def families_of(shapes: Sequence[Shape]) -> list[int]:
    """A number for each group; groups with the same one can change places."""
    numbers: dict[Hashable, int] = {}
    found = []
    for s in shapes:
        key = (s.size, s.arcs, s.stays, s.tails, s.soft)
        found.append(numbers.setdefault(key, len(numbers)))
    return found


def _crossed(group: Group, net: Network) -> set[int]:
    """Points of a group that distances to other plates hang on."""
    return {p for i, j, _ in net.crossings for p in (i, j) if p in group.index and p}


def _soft(group: Group, net: Network) -> list[SoftArc]:
    return [s for s in net.soft if s.arc[0] in group.index and s.arc[1] in group.index]


class _Reduction:
    def __init__(self, group: Group, net: Network, dropped: set[str]) -> None:
        self.longest: Matrix = group.longest
        self.stays = [
            (s.resource, *group.ends(s), s.units) for s in group.stays if s.resource not in dropped
        ]
        self.soft = [
            ((group.index[s.arc[0]], group.index[s.arc[1]], s.arc[2]), s.weight)
            for s in _soft(group, net)
        ]
        self.crossed = {group.index[p] for p in _crossed(group, net)}
        self.last = group.last
        self.tail = np.full(len(group.points), -np.inf)
        for i, off in group.last:
            self.tail = np.maximum(self.tail, self.longest[:, i] + off)

    def shape(self) -> Shape:
        at = self._merged()
        kept = sorted({place[0] for place in at.values()} | {0})
        arcs = self._arcs(kept)
        begins = {at[i][0] for _, (i, _), _, _ in self.stays}
        ends = {at[j][0] for _, _, (j, _), _ in self.stays}
        bound = {at[p][0] for (i, j, _), _ in self.soft for p in (i, j)}
        bound |= {at[p][0] for p in self.crossed}
        fold: dict[int, Place] = {}
        for k in kept:
            if k == 0 or k in bound or (k in begins and k in ends):
                continue
            near = [(i, w) for i, j, w in arcs if j == k] if k in ends else [(j, -w) for i, j, w in arcs if i == k]  # fmt: skip
            if len(near) == 1 and (near[0][0] != 0 or k in ends):
                fold[k] = near[0]
        for k in fold:
            at = {p: self._followed(place, fold, k) for p, place in at.items()}
        return self._built(at)

    @staticmethod
    def _followed(place: Place, fold: dict[int, Place], k: int) -> Place:
        i, off = place
        if i != k:
            return place
        seen = {k}
        while i in fold and fold[i][0] not in seen:
            off += fold[i][1]
            i = fold[i][0]
            seen.add(i)
        return i, off

    def _merged(self) -> dict[int, Place]:
        """Kept points, each at the first point to which its distance is fixed."""
        points = {i for _, (i, _), _, _ in self.stays} | {j for _, _, (j, _), _ in self.stays}
        points |= {p for (i, j, _), _ in self.soft for p in (i, j)}
        points |= self.crossed
        if not points:
            points |= {i for i, _ in self.last}
        at: dict[int, Place] = {}
        for point in sorted(points | {0}):
            rigid = self.longest[:, point] + self.longest[point, :] > -EPSILON_S
            first = next(k for k in sorted(points | {0}) if rigid[k])
            at[point] = (first, float(self.longest[first, point]))
        return at

    def _arcs(self, kept: Sequence[int]) -> list[Arc]:
        """Distances between kept points that no third point implies."""
        part = self.longest[np.ix_(kept, kept)]
        arcs = []
        for i in range(len(kept)):
            for j in range(len(kept)):
                if i == j or part[i, j] == -np.inf:
                    continue
                through = part[i, :] + part[:, j]
                through[[i, j]] = -np.inf
                if through.max(initial=-np.inf) < part[i, j] - EPSILON_S:
                    arcs.append((kept[i], kept[j], float(part[i, j])))
        return arcs

    def _built(self, at: dict[int, Place]) -> Shape:
        kept = sorted({place[0] for place in at.values()} | {0})
        new = {k: n for n, k in enumerate(kept)}

        def moved(place: Place) -> Place:
            k, off = at[place[0]]
            return new[k], round(off + place[1], 6)

        tails = [
            (new[k], float(self.tail[k]))
            for k in kept
            if self.tail[k] > -np.inf
            and not any(
                m != k and self.longest[k, m] + self.tail[m] >= self.tail[k] - EPSILON_S
                for m in kept
            )
        ]  # fmt: skip
        soft = []
        for (i, j, least), weight in self.soft:
            (k, a), (m, b) = moved((i, 0.0)), moved((j, 0.0))
            if k != m:
                soft.append(((k, m, least + a - b), weight))
        return Shape(
            len(kept),
            tuple((new[i], new[j], round(w, 6)) for i, j, w in self._arcs(kept)),
            tuple((r, moved(b), moved(e), u) for r, b, e, u in self.stays),
            tuple((k, round(t, 6)) for k, t in tails),
            tuple(((i, j, round(w, 6)), weight) for (i, j, w), weight in soft),
            tuple((p, moved((p, 0.0))) for p in at),
        )


def completed(group: Group, shape: Shape, decisions: Sequence[float]) -> Matrix:
    """All points of a group once the decisions are known: the others as early as they may be."""
    points = np.full(len(group.points), -np.inf)
    for point, (k, off) in shape.places:
        points = np.maximum(points, decisions[k] + off + group.longest[point])
    return points


def decisions_of(shape: Shape, points: Matrix) -> list[float]:
    """Decisions behind the points of a group, for a hint."""
    found = [0.0] * shape.size
    for point, (k, off) in shape.places:
        if off == 0.0 or found[k] == 0.0:
            found[k] = float(points[point]) - off
    return found


def per_resource(
    shapes: Iterable[Shape],
) -> dict[str, list[tuple[int, int, Place, Place, int]]]:
    """Stays of all groups on each resource: group, number of the stay, begin, end, units."""
    found: dict[str, list[tuple[int, int, Place, Place, int]]] = defaultdict(list)
    for g, shape in enumerate(shapes):
        for k, (resource, begin, end, units) in enumerate(shape.stays):
            found[resource].append((g, k, begin, end, units))
    return found
