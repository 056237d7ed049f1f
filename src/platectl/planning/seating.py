"""Which of several equal things each plate uses: the choice with which its night ends earliest.

Plates take turns to begin with. Where that leaves something to gain, they are placed one after
another, each where it is over first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from platectl.planning.flexible import Agenda, Crossings, Group, agendas_of
from platectl.planning.network import EPSILON_S, Matrix, Network, Stay
from platectl.planning.problem import Interval, Occupation, Pool, Problem

#: what a plate uses in place of the resources that its problem names
Seats = Mapping[str, str]


def renaming(pool: Pool, used: Iterable[str], member: int) -> dict[str, str] | None:
    """What becomes of the resources that a plate uses when it takes another member of a pool.

    None when it uses no member, or several.
    """
    names = set(used)
    keys = [members[0] for members in pool.members]
    mine = [k for k, key in enumerate(keys) if key in names]
    if not mine:
        mine = [k for k, members in enumerate(pool.members) if names & set(members)]
    if len(mine) != 1:
        return None
    return dict(zip(pool.members[mine[0]], pool.members[member], strict=True))


def reseated(problem: Problem, seats: Mapping[str, Seats]) -> Problem:
    """The problem with other resources for some plates."""
    if not seats:
        return problem

    def moved(stay: Occupation) -> Occupation:
        name = seats.get(stay.plate, {}).get(stay.resource)
        return stay if name is None else replace(stay, resource=name)

    zones = tuple(
        replace(z, resource=seats.get(z.plate, {}).get(z.resource, z.resource))
        for z in problem.zones
    )
    occupations = tuple(moved(stay) for stay in problem.occupations)
    return replace(problem, occupations=occupations, zones=zones)


def stand_ins(pools: Iterable[Pool]) -> dict[str, tuple[str, ...]]:
    """Each resource of a pool with all that can stand in for it, itself included."""
    found: dict[str, tuple[str, ...]] = {}
    for pool in pools:
        for column in zip(*pool.members, strict=True):
            names = tuple(dict.fromkeys(column))
            if len(names) > 1:
                found |= dict.fromkeys(names, names)
    return found


def pooled(problem: Problem) -> Problem:
    """A problem that asks for less: of equal things, only so many may be used at once.

    What is impossible here is impossible whatever the plates use.
    """
    together = stand_ins(problem.pools)
    capacities = dict(problem.capacities)
    for names in together.values():
        capacities[names[0]] = sum(problem.capacities.get(name, 1) for name in names)
    occupations = tuple(
        replace(stay, resource=together[stay.resource][0]) if stay.resource in together else stay
        for stay in problem.occupations
    )
    zones = tuple(zone for zone in problem.zones if zone.resource not in together)
    return replace(problem, occupations=occupations, capacities=capacities, zones=zones, pools=())


def coloured(problem: Problem, times: Mapping[str, Interval]) -> dict[str, Seats] | None:
    """Seats with which a plan of the pooled problem is one of the problem; None if none are found.

    Plates are seated in the order in which they come, each on the first member that is free for it.
    """
    seats: dict[str, dict[str, str]] = defaultdict(dict)
    stays: dict[str, list[Occupation]] = defaultdict(list)
    for stay in problem.occupations:
        stays[stay.plate].append(stay)
    for pool in problem.pools:
        taken: dict[str, Agenda] = defaultdict(lambda: Agenda(1))
        resources = {name for member in pool.members for name in member}
        mine = {p: [s for s in stays[p] if s.resource in resources] for p in stays}
        for plate in sorted((p for p in mine if mine[p]), key=lambda p: _begin_s(mine[p], times)):
            spans = [(s.resource, times[s.first][0], times[s.last][1]) for s in mine[plate]]
            free = (
                option for option in _options(pool, {s.resource for s in mine[plate]})
                if all(taken[option.get(r, r)].meets(a, b, 1) is None for r, a, b in spans)
            )  # fmt: skip
            chosen = next(free, None)
            if chosen is None:
                return None
            for resource, begin, end in spans:
                taken[chosen.get(resource, resource)].take(begin, end, 1)
            seats[plate] |= {a: b for a, b in chosen.items() if a != b}
    return {plate: names for plate, names in seats.items() if names}


def _begin_s(stays: Iterable[Occupation], times: Mapping[str, Interval]) -> float:
    return min(times[stay.first][0] for stay in stays)


class Seating:
    """Places plates in an order and gives each the members of pools that let it end first."""

    def __init__(self, problem: Problem, net: Network, groups: Sequence[Group]) -> None:
        self.problem, self.groups, self.net = problem, groups, net
        self.crossings = Crossings(net, groups)
        self.agendas = agendas_of(problem, net)
        for name in stand_ins(problem.pools):
            if name not in self.agendas:
                self.agendas[name] = Agenda(
                    problem.capacities.get(name, 1), problem.absences.get(name, ())
                )

    def seats(self, order: Iterable[int]) -> dict[str, Seats] | None:
        """Seats of all plates that get other ones; None where a plate finds no place."""
        found: dict[str, Seats] = {}
        placed = [0.0] * self.net.size
        for g in self.crossings.in_order(order):
            group = self.groups[g]
            given = list(group.watched)
            names: dict[str, str] = {}
            for pool in self.problem.pools:
                names |= self._best(group, given, names, pool)
            group.watched = _renamed(given, names)
            least = self.crossings.least(g, placed)
            points = group.placed(self.agendas, late=True, least=least)
            if points is None:
                group.watched = given
                return None
            group.take(self.agendas, points)
            group.spread(points, placed)
            group.watched = given
            changed = {a: b for a, b in names.items() if a != b}
            if changed:
                found |= dict.fromkeys(group.plates, changed)
        return found

    def _best(
        self, group: Group, given: Sequence[Stay], names: Mapping[str, str], pool: Pool
    ) -> dict[str, str]:
        """The member of a pool with which a group ends first; the one that it has, if none is better."""
        best: tuple[float, dict[str, str]] | None = None
        for option in _options(pool, {stay.resource for stay in given}):
            group.watched = _renamed(given, {**names, **option})
            points = group.placed(self.agendas)
            group.watched = list(given)
            if points is None:
                continue
            end_s = _end_s(group, points)
            if best is None or end_s < best[0] - EPSILON_S:
                best = end_s, option
        return best[1] if best else {}


def _options(pool: Pool, used: set[str]) -> Iterator[dict[str, str]]:
    """What a plate may have, first of all what it has."""
    options = [renaming(pool, used, k) for k in range(len(pool.members))]
    known = [option for option in options if option is not None]
    yield from sorted(known, key=lambda option: any(a != b for a, b in option.items()))


def _renamed(stays: Iterable[Stay], names: Mapping[str, str]) -> list[Stay]:
    return [
        replace(stay, resource=names[stay.resource]) if stay.resource in names else stay
        for stay in stays
    ]


def _end_s(group: Group, points: Matrix) -> float:
    return max((float(points[i]) + off for i, off in group.last), default=0.0)
