"""Which stay comes before which in a plan, and the best times in that order, without a solver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from platectl.planning.network import EPSILON_S, Arc, Matrix, Network, Stay, earliest
from platectl.planning.problem import Interval, Problem

#: how closely the smallest slack of all windows is found: seconds, or share of the most it can be
SLACK_S, SLACK_SHARE = 1.0, 0.05


def order_arcs(problem: Problem, net: Network, points: Sequence[float]) -> list[Arc]:
    """Distances that keep the order of stays and absences in a plan."""
    by_resource: dict[str, list[Stay]] = defaultdict(list)
    for stay in net.stays:
        if stay.begin[0] or stay.end[0]:
            by_resource[stay.resource].append(stay)
    arcs: dict[tuple[int, int], float] = {}
    pinned = {
        0,
        *(j for (i, j, _), why in zip(net.arcs, net.causes, strict=True) if why[0] == "begun"),
    }
    for resource, stays in by_resource.items():
        one = problem.capacities.get(resource, 1) == 1
        for i, j, least in [
            *(_in_turn(stays, points) if one else _clear_of(stays, points)),
            *_around(stays, points, problem.absences.get(resource, ())),
        ]:
            if i != j and not (i in pinned and j in pinned):
                arcs[i, j] = max(least, arcs.get((i, j), -1e18))
    return [(i, j, least) for (i, j), least in arcs.items()]


def _span(stay: Stay, points: Sequence[float]) -> Interval:
    return points[stay.begin[0]] + stay.begin[1], points[stay.end[0]] + stay.end[1]


def _after(first: Stay, then: Stay) -> Arc:
    return first.end[0], then.begin[0], first.end[1] - then.begin[1]


def _in_turn(stays: Sequence[Stay], points: Sequence[float]) -> Iterable[Arc]:
    """Each stay after the last one of another plate, which is enough: stays of a plate have lags."""
    lasting = [s for s in stays if _span(s, points)[1] > _span(s, points)[0] + EPSILON_S]
    lasting.sort(key=lambda s: _span(s, points))
    for first, then in pairwise(lasting):
        if first.plate != then.plate or _span(then, points)[0] >= _span(first, points)[1] - EPSILON_S:  # fmt: skip
            yield _after(first, then)


def _clear_of(stays: Sequence[Stay], points: Sequence[float]) -> Iterable[Arc]:
    """Whatever did not share units stays apart."""
    lasting = sorted(stays, key=lambda s: _span(s, points))
    for k, first in enumerate(lasting):
        end = _span(first, points)[1]
        reached = float("inf")
        for then in lasting[k + 1 :]:
            begin, until = _span(then, points)
            if begin >= reached - EPSILON_S:
                break
            if begin >= end - EPSILON_S:
                yield _after(first, then)
                reached = min(reached, until)


def _around(
    stays: Sequence[Stay], points: Sequence[float], absences: Sequence[Interval]
) -> Iterable[Arc]:
    for stay in stays:
        begin, end = _span(stay, points)
        after = [back for _, back in absences if back <= begin + EPSILON_S]
        before = [gone for gone, _ in absences if gone >= end - EPSILON_S]
        if after:
            yield 0, stay.begin[0], max(after) - stay.begin[1]
        if before:
            yield stay.end[0], 0, stay.end[1] - min(before)


def tightened(
    problem: Problem, net: Network, points: Sequence[float], *, roomy: bool = True
) -> Sequence[float]:
    """Earliest times in the order of a plan; `roomy` then gives the tightest hard window more room.

    Nothing ends later than in the plan, and soft lags are missed by no more. The points given come
    back where no better ones exist.
    """
    orders = order_arcs(problem, net, points)
    kept = [*net.arcs, *orders, *_soft_as_hard(net, points)]
    first = earliest(net.size, kept)
    if first is None:
        return points
    limit = max((float(first[i]) + off for i, off in net.last), default=0.0)
    if not roomy:
        return list(first)
    ends = [(i, 0, off - limit) for i, off in net.last]
    later = _roomy(problem, net, [*orders, *_soft_as_hard(net, points), *ends])
    return list(first) if later is None else list(later)


def _soft_as_hard(net: Network, points: Sequence[float]) -> list[Arc]:
    return [
        (i, j, min(least, points[j] - points[i])) for (i, j, least) in (s.arc for s in net.soft)
    ]


def _roomy(problem: Problem, net: Network, more: Sequence[Arc]) -> Matrix | None:
    """Times that leave every hard window as much room as the tightest one can have."""
    tight = {
        k
        for k, (kind, number) in enumerate(net.causes)
        if kind == "lag" and _is_upper(problem, net, k, int(number))
    }
    if not tight:
        return None
    room = {k: problem.lags[int(net.causes[k][1])] for k in tight}

    def times(slack_s: float, least: Matrix | None = None) -> Matrix | None:
        arcs = [
            (i, j, least + min(slack_s, _half(room[k].at_least_s, room[k].at_most_s)))
            if k in tight
            else (i, j, least)
            for k, (i, j, least) in enumerate(net.arcs)
        ]
        return earliest(net.size, [*arcs, *more], least)

    low, high = 0.0, max(_half(lag.at_least_s, lag.at_most_s) for lag in room.values())
    best = times(0.0)
    enough = max(SLACK_S, SLACK_SHARE * high)
    while best is not None and high - low > enough:
        middle = (low + high) / 2
        found = times(middle, best)
        if found is None:
            high = middle
        else:
            low, best = middle, found
    return best


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
