"""Times within a plan's order and end: gaps near their ideal, and a person called rarely and briefly.

Nothing here costs a window, a minute of the night or room of the tightest window: what those leave
open is used, first for the ideals, then for the people.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from platectl.planning.network import EPSILON_S, Arc, Network, Stay, arcs_of, latest, spread_s
from platectl.planning.problem import Lag, Problem

#: what a person does with less time between is one visit
VISIT_GAP_S = 600.0
#: how closely the greatest distance from an ideal is found, in seconds
CLOSE_S = 5.0
#: a change that moves points so often in a network is one too many
PUSHES_PER_POINT = 40


class Times:
    """Earliest times of the points under distances, to which more can be added if they can be kept."""

    def __init__(self, arcs: Iterable[Arc], points: Sequence[float]) -> None:
        self.points = list(points)
        self._after: dict[int, list[tuple[int, float]]] = defaultdict(list)
        arcs = list(arcs)
        for i, j, least_s in arcs:
            self._after[i].append((j, least_s))
        self._latest = latest(len(self.points), arcs)

    def add(self, arcs: Sequence[Arc]) -> bool:
        """Keep more distances from now on; False, and nothing changes, if that is impossible."""
        before: dict[int, float] = {}
        for i, j, least_s in arcs:
            self._after[i].append((j, least_s))
        waiting = deque(dict.fromkeys(i for i, _, _ in arcs))
        itself = arcs[0][0] if len(arcs) == 1 else 0  # who pushes itself goes on for ever
        possible = True
        pushes = PUSHES_PER_POINT * len(self.points)
        while waiting and pushes > 0 and possible:
            i = waiting.popleft()
            for j, least_s in self._after[i]:
                reached = self.points[i] + least_s
                if reached > self.points[j] + EPSILON_S:
                    before.setdefault(j, self.points[j])
                    self.points[j] = reached
                    waiting.append(j)
                    pushes -= 1
                    possible &= j != itself and reached <= self._latest[j] + EPSILON_S
        if waiting or not possible:
            for point, at_s in before.items():
                self.points[point] = at_s
            for i, j, least_s in arcs:
                self._after[i].remove((j, least_s))
            return False
        return True


def comfortable(
    problem: Problem, net: Network, arcs: Iterable[Arc], points: Sequence[float]
) -> list[float]:
    """Points that keep all `arcs`, with the ideals and people of a problem served.

    `points` are the earliest that keep them.
    """
    times = Times(arcs, points)
    _near_ideals(problem, net, times)
    for person in problem.people:
        stays = [stay for stay in net.stays if stay.resource == person]
        before = list(times.points)
        _together(stays, times)
        if presence(stays, times.points) >= presence(stays, before):
            times.points = before
    return times.points


def _near_ideals(problem: Problem, net: Network, times: Times) -> None:
    """The greatest distance from an ideal as small as possible, then each one that can be none."""
    over = set(problem.fixed)
    ideals = [
        lag for lag in problem.lags
        if lag.ideal_s is not None and not {lag.before.task, lag.after.task} <= over
    ]  # fmt: skip
    worst = max((_from_ideal(net, lag, times.points) for lag in ideals), default=0.0)
    if worst <= CLOSE_S:
        return
    low, high = 0.0, worst
    if _hold(net, ideals, times, CLOSE_S):
        return
    while high - low > CLOSE_S:
        middle = (low + high) / 2
        if _hold(net, ideals, times, middle):
            high = middle
        else:
            low = middle
    for lag in ideals:
        if _from_ideal(net, lag, times.points) > CLOSE_S:
            _hold(net, [lag], times, CLOSE_S)


def _hold(net: Network, lags: Iterable[Lag], times: Times, most_s: float) -> bool:
    """Keep lags within so many seconds of their ideals, all of them or none."""
    arcs = [
        arc
        for lag in lags
        if lag.ideal_s is not None
        for arc in arcs_of(
            net, replace(lag, at_least_s=lag.ideal_s - most_s, at_most_s=lag.ideal_s + most_s)
        )
    ]
    return times.add(arcs)


def _from_ideal(net: Network, lag: Lag, points: Sequence[float]) -> float:
    return abs(spread_s(net, lag, points) - (lag.ideal_s or 0.0))


def _together(stays: Sequence[Stay], times: Times) -> None:
    """From the last task back: each is put off to the one that follows it, or close to it."""
    for stay, then in reversed(list(pairwise(_in_time(stays, times.points)))):
        (i, a), (j, b) = then.begin, stay.end
        if _begin(then, times.points) - _end(stay, times.points) > EPSILON_S:
            times.add([(i, j, a - b)]) or times.add([(i, j, a - b - VISIT_GAP_S)])


def presence(stays: Sequence[Stay], points: Sequence[float]) -> tuple[int, float]:
    """How often a person must come, and for how many seconds in all."""
    visits, length_s, reached = 0, 0.0, float("-inf")
    for stay in _in_time(stays, points):
        begin, end = _begin(stay, points), _end(stay, points)
        if begin > reached + VISIT_GAP_S:
            visits, reached = visits + 1, begin
        length_s += max(0.0, end - reached)
        reached = max(reached, end)
    return visits, round(length_s, 3)


def _in_time(stays: Sequence[Stay], points: Sequence[float]) -> list[Stay]:
    lasting = [stay for stay in stays if _end(stay, points) > _begin(stay, points) + EPSILON_S]
    return sorted(lasting, key=lambda stay: _begin(stay, points))


def _begin(stay: Stay, points: Sequence[float]) -> float:
    return points[stay.begin[0]] + stay.begin[1]


def _end(stay: Stay, points: Sequence[float]) -> float:
    return points[stay.end[0]] + stay.end[1]
