"""How most labs plan: start whatever is ready (and hope), or one plate every so many minutes."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import replace
from typing import Any

from platectl.planning.flexible import groups_of, with_closures
from platectl.planning.network import Network, Stay, network_of
from platectl.planning.periodic import periodic
from platectl.planning.problem import Problem
from platectl.planning.verify import broken_windows


def dispatch(problem: Problem) -> dict[str, Any]:
    """Begin what is ready as soon as its resources are free; longest waits are not looked at."""
    blind = replace(problem, lags=tuple(replace(g, at_most_s=None) for g in problem.lags))
    net = network_of(blind)
    points = _Floor(blind, net).run()
    if points is None:
        return {"makespan_s": None, "broken_windows": None, "deadlock": True}
    times = net.times(points)
    broken = [b for b in broken_windows(problem, times) if b[3].hard]
    end_s = max(end for _, end in times.values())
    return {"makespan_s": end_s, "broken_windows": len(broken),
            "plates_hit": len({b[0] for b in broken}), "deadlock": False}  # fmt: skip


class _Floor:
    """The lab as it goes: what is free, who waits, and what becomes ready when."""

    def __init__(self, problem: Problem, net: Network) -> None:
        self.problem, self.net = problem, net
        self.after: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self.needed = [0] * net.size
        for i, j, least in net.arcs:
            if i and j:
                self.after[i].append((j, least))
                self.needed[j] += 1
        self.begins: dict[int, list[Stay]] = defaultdict(list)
        self.ends: dict[int, list[tuple[int, Stay]]] = defaultdict(list)
        for number, stay in enumerate(net.stays):
            self.begins[stay.begin[0]].append(stay)
            self.ends[stay.end[0]].append((number, stay))
        self.free = {s.resource: problem.capacities.get(s.resource, 1) for s in net.stays}
        self.least = [0.0] * net.size
        self.at: list[float | None] = [0.0, *([None] * (net.size - 1))]
        self.queue = [(0.0, 1, p) for p in range(1, net.size) if not self.needed[p]]
        self.outside: list[int] = []
        heapq.heapify(self.queue)

    def run(self) -> list[float] | None:
        while self.queue:
            now, kind, number = heapq.heappop(self.queue)
            if kind < 0:
                self._leave(now, self.net.stays[number])
            elif self.at[number] is None:
                self._try(now, number)
        return None if None in self.at else [float(t or 0.0) for t in self.at]

    def _leave(self, now: float, stay: Stay) -> None:
        self.free[stay.resource] += stay.units
        for point in self.outside:
            heapq.heappush(self.queue, (now, 1, point))
        self.outside = []

    def _try(self, now: float, point: int) -> None:
        wanted: dict[str, int] = defaultdict(int)
        for stay in self.begins[point]:
            wanted[stay.resource] += stay.units
        away = [b for r in wanted for a, b in self.problem.absences.get(r, ()) if a <= now < b]
        if away:
            heapq.heappush(self.queue, (max(away), 1, point))
        elif any(self.free[r] < units for r, units in wanted.items()):
            self.outside.append(point)
        else:
            self._begin(now, point, wanted)

    def _begin(self, now: float, point: int, wanted: dict[str, int]) -> None:
        self.at[point] = now
        for resource, units in wanted.items():
            self.free[resource] -= units
        for number, stay in self.ends[point]:
            heapq.heappush(self.queue, (now + stay.end[1], -1, number))
        for j, length in self.after[point]:
            self.least[j] = max(self.least[j], now + length)
            self.needed[j] -= 1
            if not self.needed[j]:
                heapq.heappush(self.queue, (self.least[j], 1, j))


def fixed_cycle(problem: Problem) -> dict[str, Any]:
    """Every plate as if it were alone, at the smallest period that works."""
    net = network_of(problem)
    groups = groups_of(net)
    points = periodic(problem, net, groups) if with_closures(groups) else None
    if points is None:
        return {"makespan_s": None, "broken_windows": None, "deadlock": False}
    times = net.times(points)
    broken = [b for b in broken_windows(problem, times) if b[3].hard]
    return {"makespan_s": max(end for _, end in times.values()), "broken_windows": len(broken),
            "deadlock": False}  # fmt: skip
