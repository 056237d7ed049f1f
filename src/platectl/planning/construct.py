"""Constructive plans and the best of them: insertion in several orders, and a fixed cycle."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platectl.planning.flexible import Crossings, Group, agendas_of
from platectl.planning.network import EPSILON_S, Matrix, Network, Place
from platectl.planning.problem import Problem
from platectl.planning.verify import violations

#: how many stays the order search may place; about two seconds
EFFORT = 120_000
#: what an order costs beside its stays
OVERHEAD = 40


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan by its points: price of soft lags, end, sum of the ends of plates, and how it was made."""

    cost: float
    end_s: float
    ends_s: float
    method: str
    points: tuple[float, ...]

    def better(self, other: Draft | None) -> bool:
        """Whether this draft comes before another."""
        if other is None:
            return True
        for mine, theirs in ((self.cost, other.cost), (self.end_s, other.end_s), (self.ends_s, other.ends_s)):  # fmt: skip
            if abs(mine - theirs) > EPSILON_S:
                return mine < theirs
        return False


def draft_of(problem: Problem, net: Network, points: Sequence[float], method: str) -> Draft:
    """Judge points."""
    ends: dict[str, float] = {}
    for i, off in net.last:
        plate = net.plate_of[i]
        ends[plate] = max(ends.get(plate, 0.0), points[i] + off)
    cost = sum(
        s.weight * max(0.0, s.arc[2] - points[s.arc[1]] + points[s.arc[0]]) for s in net.soft
    )
    over = max((t for _, t in problem.fixed.values()), default=0.0)
    return Draft(
        cost,
        max([over, *ends.values()]),
        sum(ends.values()),
        method,
        tuple(points),
    )


class Constructor:
    """Makes plans of groups in an order, and looks for a better order.

    `families` says which groups are alike, so that changing their places changes nothing.
    """

    def __init__(
        self, problem: Problem, net: Network, groups: Sequence[Group], families: Sequence[int]
    ) -> None:
        self.problem, self.net, self.groups, self.families = problem, net, groups, families
        self._placed = 0
        self._least = [_held_by_others(problem, group, groups) for group in groups]
        self.crossings = Crossings(net, groups)

    def best(self, bound_s: float, *, effort: int = EFFORT) -> Draft | None:
        """The best of all constructive plans; None when none keeps all hard lags."""
        if any(len(group.plates) > 1 for group in self.groups):
            return None
        self._placed = 0
        given = self._by_urgency(range(len(self.groups)))
        best: Draft | None = None
        chosen = given
        for order, late in ((given, False), (given, True), (self._greedy(), True)):
            draft = self._draft(order, late=late) if order else None
            if order and draft and draft.better(best):
                best, chosen = draft, order
        for draft in (self._cyclic(),):
            if draft is not None and draft.better(best):
                best = draft
        if best is None or best.end_s > bound_s + EPSILON_S or best.cost > EPSILON_S:
            best = self._searched(best, list(chosen), bound_s, effort)
        return best

    def favoured(self, best: Draft, most_s: float) -> Draft:
        """A plan in which plates of high priority end sooner; no window is lost, and it ends by `most_s`.

        Alike plates change places, which costs nothing; then one such plate after another is placed
        before those that do not matter more.
        """
        ranks = {plate.name: plate.priority for plate in self.problem.plates}
        rank = [min(ranks.get(p, 1) for p in group.plates) for group in self.groups]
        if len(set(rank)) <= 1 or any(len(group.plates) > 1 for group in self.groups):
            return best
        best = self._exchanged(best, rank)
        begins = [min(best.points[p] for p in group.points if p) for group in self.groups]
        order = sorted(range(len(rank)), key=begins.__getitem__)
        first: list[int] = []
        for g in sorted((g for g in order if rank[g] < max(rank)), key=rank.__getitem__):
            first.append(g)
            other = [*first, *(h for h in order if h not in first)]
            for late in (True, False):
                draft = self._draft(other, late=late)
                if draft and draft.cost <= best.cost + EPSILON_S and draft.end_s <= most_s and (
                    self._ends_by_rank(draft, rank) < self._ends_by_rank(best, rank)
                ):  # fmt: skip
                    best = draft
        return best

    def _exchanged(self, best: Draft, rank: Sequence[int]) -> Draft:
        """The same plan; among alike plates those of high priority have the earlier times."""
        points = list(best.points)
        for family in set(self.families):
            mine = [g for g, f in enumerate(self.families) if f == family]
            rows = sorted(
                ([best.points[p] for p in self.groups[g].points] for g in mine), key=lambda r: r[1:]
            )
            for g, row in zip(sorted(mine, key=rank.__getitem__), rows, strict=True):
                for point, at_s in zip(self.groups[g].points, row, strict=False):
                    points[point] = at_s
        other = draft_of(self.problem, self.net, points, best.method)
        kept = not violations(self.problem, self.net.times(points))
        return other if kept and other.cost <= best.cost + EPSILON_S else best

    def _ends_by_rank(self, draft: Draft, rank: Sequence[int]) -> list[int]:
        """Sums of the ends of plates, of the highest priority first; the lowest does not count."""
        sums = dict.fromkeys(sorted(set(rank)), 0.0)
        for group, mine in zip(self.groups, rank, strict=True):
            sums[mine] += max((draft.points[group.points[i]] + off for i, off in group.last), default=0.0)  # fmt: skip
        return [round(total) for total in sums.values()][:-1]

    def _by_urgency(self, order: Sequence[int]) -> list[int]:
        """What has begun first, then by deadline, then as written."""
        plates = {plate.name: plate for plate in self.problem.plates}
        begun = {
            t.plate
            for t in self.problem.tasks
            if t.id in self.problem.fixed or t.id in self.problem.running
        }

        def key(g: int) -> tuple[bool, float]:
            plate = plates.get(self.groups[g].plates[0])
            if plate is None:
                return True, np.inf
            deadline = np.inf if plate.not_after_s is None else plate.not_after_s
            return plate.name not in begun, deadline

        return self.crossings.in_order(sorted(order, key=key))

    def _draft(self, order: Sequence[int], *, late: bool) -> Draft | None:
        agendas = agendas_of(self.problem, self.net)
        points = [0.0] * self.net.size
        for g in self.crossings.in_order(order):
            group = self.groups[g]
            least = [*self._least[g], *self.crossings.least(g, points)]
            found = group.placed(agendas, late=late, least=least)
            self._placed += len(group.watched)
            if found is None:
                return None
            group.take(agendas, found)
            group.spread(found, points)
        return draft_of(self.problem, self.net, points, "insertion")

    def _greedy(self) -> list[int] | None:
        """Each time the plate that ends first; of alike plates the next."""
        if self.net.crossings:
            return None
        agendas = agendas_of(self.problem, self.net)
        left: dict[int, list[int]] = {}
        for g in self._by_urgency(range(len(self.groups))):
            left.setdefault(self.families[g], []).append(g)
        order: list[int] = []
        while left:
            best: tuple[float, int, int, Matrix] | None = None
            for family, mine in left.items():
                found = self.groups[mine[0]].placed(agendas, late=True, least=self._least[mine[0]])
                self._placed += len(self.groups[mine[0]].watched)
                if found is None:
                    return None
                end_s = max((found[i] + off for i, off in self.groups[mine[0]].last), default=0.0)
                if best is None or (end_s, -len(mine), family) < best[:3]:
                    best = (end_s, -len(mine), family, found)
            if best is None:
                return None
            g = left[best[2]].pop(0)
            if not left[best[2]]:
                del left[best[2]]
            self.groups[g].take(agendas, best[3])
            order.append(g)
        return order

    def _cyclic(self) -> Draft | None:
        from platectl.planning.periodic import periodic

        points = periodic(self.problem, self.net, self.groups)
        if points is None:
            return None
        return draft_of(self.problem, self.net, points, "fixed cycle")

    def _moved(self, order: Sequence[int], dice: random.Random) -> list[int] | None:
        """Another order; None when only alike plates would change places."""
        other = list(order)
        i, j = dice.randrange(len(other)), dice.randrange(len(other))
        if self.families[other[i]] == self.families[other[j]]:
            return None
        if dice.randrange(2):
            other.insert(j, other.pop(i))
        else:
            other[i], other[j] = other[j], other[i]
        return other

    def _searched(
        self, best: Draft | None, order: list[int], bound_s: float, effort: int
    ) -> Draft | None:
        """Change places in the order as long as it does not get worse; the same every time."""
        dice = random.Random(7)
        now: Draft | None = None
        if len(set(self.families)) == 1:
            return best
        while self._placed < effort:
            other = self._moved(order, dice)
            draft = other and self._draft(other, late=bool(dice.randrange(2)))
            self._placed += OVERHEAD
            if not other or not draft:
                continue
            if now is None or not now.better(draft):
                now, order = draft, other
            if draft.better(best):
                best = draft
                if best.end_s <= bound_s + EPSILON_S and best.cost <= EPSILON_S:
                    break
        return best


def _held_by_others(problem: Problem, group: Group, groups: Sequence[Group]) -> list[Place]:
    """Stays of a group that must wait for what another plate holds already."""
    held: dict[str, float] = {}
    if not problem.fixed and not problem.running:
        return []
    for other in groups:
        if other is not group:
            for stay in other.held():
                if problem.capacities.get(stay.resource, 1) > 1:
                    continue
                (_, _), (j, b) = other.ends(stay)
                until = float(other.longest[0, j]) + b
                held[stay.resource] = max(until, held.get(stay.resource, 0.0))
    mine = set(group.held()) if held else set()
    return [
        (group.ends(stay)[0][0], held[stay.resource] - stay.begin[1])
        for stay in group.watched
        if stay.resource in held and stay not in mine
    ]
