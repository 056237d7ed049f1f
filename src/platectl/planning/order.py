"""Which stay comes before which in a plan, and the best times in that order, without a solver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from platectl.planning.comfort import comfortable
from platectl.planning.network import EPSILON_S, Arc, Matrix, Network, Stay, earliest
from platectl.planning.problem import Interval, Problem

#: how closely the smallest slack of all windows is found: seconds, or share of the most it can be
SLACK_S, SLACK_SHARE = 1.0, 0.05


#: when stays begin and end in a plan
Spans = Mapping[Stay, Interval]


def order_arcs(
    problem: Problem, net: Network, points: Sequence[float] = (), *,
    planned: Mapping[str, Interval] | None = None,
) -> list[Arc]:  # fmt: skip
    """Distances that keep the order of stays, zones and absences in a plan.

    The plan is given by its points, or by times as they were `planned` once: then absences may be
    passed over, because people who are late come back.
    """
    by_resource: dict[str, list[Stay]] = defaultdict(list)
    spans: dict[Stay, Interval] = {}
    for stay in net.stays:
        if stay.begin[0] or stay.end[0]:
            by_resource[stay.resource].append(stay)
            first, last = stay.tasks
            spans[stay] = (planned[first][0], planned[last][1]) if planned else _span(stay, points)
    arcs: dict[tuple[int, int], float] = {}
    pinned = {
        0,
        *(j for (i, j, _), why in zip(net.arcs, net.causes, strict=True) if why[0] == "begun"),
    }
    for resource, stays in by_resource.items():
        one = problem.capacities.get(resource, 1) == 1
        away = () if planned else problem.absences.get(resource, ())
        for i, j, least in [
            *(_in_turn(stays, spans) if one else _clear_of(stays, spans)),
            *_around(stays, spans, away),
        ]:
            if i != j and not (i in pinned and j in pinned):
                arcs[i, j] = max(least, arcs.get((i, j), -1e18))
    for i, j, least in net.crossings:
        if not (i in pinned and j in pinned):
            arcs[i, j] = max(least, arcs.get((i, j), -1e18))
    return [(i, j, least) for (i, j), least in arcs.items()]


def _span(stay: Stay, points: Sequence[float]) -> Interval:
    return points[stay.begin[0]] + stay.begin[1], points[stay.end[0]] + stay.end[1]


def _after(first: Stay, then: Stay) -> Arc:
    return first.end[0], then.begin[0], first.end[1] - then.begin[1]


def _in_turn(stays: Sequence[Stay], spans: Spans) -> Iterable[Arc]:
    """Each stay after the last one of another plate, which is enough: stays of a plate have lags."""
    lasting = [stay for stay in stays if spans[stay][1] > spans[stay][0] + EPSILON_S]
    lasting.sort(key=spans.__getitem__)
    for first, then in pairwise(lasting):
        if first.plate != then.plate or spans[then][0] >= spans[first][1] - EPSILON_S:
            yield _after(first, then)


def _clear_of(stays: Sequence[Stay], spans: Spans) -> Iterable[Arc]:
    """Whatever did not share units stays apart."""
    lasting = sorted(stays, key=spans.__getitem__)
    for k, first in enumerate(lasting):
        end = spans[first][1]
        reached = float("inf")
        for then in lasting[k + 1 :]:
            begin, until = spans[then]
            if begin >= reached - EPSILON_S:
                break
            if begin >= end - EPSILON_S:
                yield _after(first, then)
                reached = min(reached, until)


def _around(stays: Sequence[Stay], spans: Spans, absences: Sequence[Interval]) -> Iterable[Arc]:
    for stay in stays if absences else ():
        begin, end = spans[stay]
        after = [back for _, back in absences if back <= begin + EPSILON_S]
        before = [gone for gone, _ in absences if gone >= end - EPSILON_S]
        if after:
            yield 0, stay.begin[0], max(after) - stay.begin[1]
        if before:
            yield stay.end[0], 0, stay.end[1] - min(before)


def tightened(
    problem: Problem, net: Network, points: Sequence[float], *, roomy: bool = True
) -> Sequence[float]:
    """Earliest times in the order of a plan.

    `roomy` then gives the tightest hard window more room, brings gaps near their ideals and has
    people called rarely, in this order. Nothing ends later than in the plan, no plate that goes
    before others ends later than it could, and soft lags are missed by no more. The points given
    come back where no better ones exist.
    """
    more = [*order_arcs(problem, net, points), *_soft_as_hard(net, points)]
    first = earliest(net.size, [*net.arcs, *more])
    if first is None:
        return points
    if not roomy:
        return list(first)
    more += _ends(problem, net, first)
    arcs, later = _roomy(problem, net, more)
    return comfortable(problem, net, arcs, [float(p) for p in (first if later is None else later)])


def _ends(problem: Problem, net: Network, first: Matrix) -> list[Arc]:
    """Nothing ends after the night does; plates that go before others end as early as they can."""
    limit = max((float(first[i]) + off for i, off in net.last), default=0.0)
    ranks = {plate.name: plate.priority for plate in problem.plates}
    last = max(ranks.values(), default=0)
    own: dict[str, float] = defaultdict(float)
    for i, off in net.last:
        own[net.plate_of[i]] = max(own[net.plate_of[i]], float(first[i]) + off)
    return [
        (i, 0, off - (own[plate] if ranks.get(plate, last) < last else limit))
        for i, off in net.last
        for plate in (net.plate_of[i],)
    ]


def _soft_as_hard(net: Network, points: Sequence[float]) -> list[Arc]:
    return [
        (i, j, min(least, points[j] - points[i])) for (i, j, least) in (s.arc for s in net.soft)
    ]


def _roomy(problem: Problem, net: Network, more: Sequence[Arc]) -> tuple[list[Arc], Matrix | None]:
    """Distances and times that leave every hard window as much room as the tightest one can have."""
    tight = {
        k
        for k, (kind, number) in enumerate(net.causes)
        if kind == "lag" and _is_upper(problem, net, k, int(number))
    }
    if not tight:
        return [*net.arcs, *more], None
    room = {k: problem.lags[int(net.causes[k][1])] for k in tight}

    def arcs(slack_s: float) -> list[Arc]:
        roomier = [
            (i, j, least + min(slack_s, _half(room[k].at_least_s, room[k].at_most_s)))
            if k in tight
            else (i, j, least)
            for k, (i, j, least) in enumerate(net.arcs)
        ]
        return [*roomier, *more]

    low, high = 0.0, max(_half(lag.at_least_s, lag.at_most_s) for lag in room.values())
    best = earliest(net.size, arcs(0.0))
    enough = max(SLACK_S, SLACK_SHARE * high)
    while best is not None and high - low > enough:
        middle = (low + high) / 2
        found = earliest(net.size, arcs(middle), best)
        if found is None:
            high = middle
        else:
            low, best = middle, found
    return arcs(low), best


def _is_upper(problem: Problem, net: Network, k: int, number: int) -> bool:
    lag = problem.lags[number]
    i, j, _ = net.arcs[k]
    after, before = net.begin[lag.after.task][0], net.end[lag.before.task][0]
    return (
        bool(lag.window)
        and lag.at_most_s is not None
        and i != j
        and i in {after, net.end[lag.after.task][0]}
        and j in {before, net.begin[lag.before.task][0]}
    )


def _half(at_least_s: float | None, at_most_s: float | None) -> float:
    """No window is asked for more room than half of it, nor for more than an hour."""
    return min(3600.0, ((at_most_s or 0.0) - max(0.0, at_least_s or 0.0)) / 2)
