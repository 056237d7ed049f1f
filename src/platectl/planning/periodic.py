"""A fixed cycle: every plate as if it were alone, each one period after the one before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from platectl.planning.flexible import Group, agendas_of
from platectl.planning.network import EPSILON_S, Matrix, Network
from platectl.planning.problem import Problem

#: spans of a resource: begin, end
Spans = dict[str, list[tuple[float, float]]]


def periodic(problem: Problem, net: Network, groups: Sequence[Group]) -> list[float] | None:
    """Points of all groups at the smallest period that works, in the order given.

    None when plates depend on one another or on the clock, or no period works.
    """
    clock = problem.fixed or problem.running or net.crossings
    if clock or any(len(g.plates) > 1 for g in groups):
        return None
    alone = [g.placed(agendas_of(problem, net), late=True) for g in groups]
    if any(points is None for points in alone):
        return None
    templates: list[Matrix] = [points for points in alone if points is not None]
    spans = [_spans(problem, group, t) for group, t in zip(groups, templates, strict=True)]
    period = least_period(spans)
    return _spread(problem, net, groups, templates, period)


def least_period(spans: Sequence[Spans]) -> float:
    """Smallest period at which no two plates collide, in seconds."""
    period, moved = 0.0, True
    distances = list(_distances(spans))
    while moved:
        moved = False
        for forbidden, apart in distances:
            shift = period * apart
            inside = (forbidden[:, 0] < shift - EPSILON_S) & (shift < forbidden[:, 1] - EPSILON_S)
            if inside.any():
                period = float(forbidden[inside, 1].max()) / apart
                moved = True
    return period


def _spans(problem: Problem, group: Group, points: Matrix) -> Spans:
    spans: Spans = defaultdict(list)
    for stay in group.stays:
        (i, a), (j, b) = group.ends(stay)
        begin, end = float(points[i]) + a, float(points[j]) + b
        if end > begin + EPSILON_S and problem.capacities.get(stay.resource, 1) == 1:
            spans[stay.resource].append((round(begin, 6), round(end, 6)))
    return spans


def _forbidden(before: Spans, after: Spans) -> Matrix:
    """Shifts of the second plate at which the two collide: rows of (above, below)."""
    pairs = [
        (begin - late, end - early)
        for resource in before.keys() & after.keys()
        for begin, end in before[resource]
        for early, late in after[resource]
        if end > early
    ]
    return np.array(sorted(set(pairs))).reshape(-1, 2)


def _kinds(spans: Sequence[Spans]) -> tuple[list[int], list[Spans]]:
    numbers: dict[Hashable, int] = {}
    kinds: list[Spans] = []
    found = []
    for mine in spans:
        key = tuple(sorted((r, tuple(s)) for r, s in mine.items()))
        if key not in numbers:
            numbers[key] = len(kinds)
            kinds.append(mine)
        found.append(numbers[key])
    return found, kinds


def _distances(spans: Sequence[Spans]) -> Iterator[tuple[Matrix, int]]:
    """Forbidden shifts of every two plates, and how many periods lie between them; each once."""
    numbers, kinds = _kinds(spans)
    table = {
        (p, q): _forbidden(kinds[p], kinds[q]) for p in range(len(kinds)) for q in range(len(kinds))
    }
    seen = {
        (numbers[i], numbers[j], j - i)
        for i in range(len(numbers))
        for j in range(i + 1, len(numbers))
    }
    yield from ((table[p, q], apart) for p, q, apart in sorted(seen))


def _spread(
    problem: Problem, net: Network, groups: Sequence[Group], templates: Sequence[Matrix],
    period: float,
) -> list[float] | None:  # fmt: skip
    """All plates at a period; None when absences, places for several or clock times forbid it."""
    agendas = agendas_of(problem, net)
    points = [0.0] * net.size
    for number, (group, template) in enumerate(zip(groups, templates, strict=True)):
        shifted = template + number * period
        shifted[0] = 0.0
        if not group.allows(shifted, agendas):
            return None
        group.take(agendas, shifted)
        group.spread(shifted, points)
    return points
