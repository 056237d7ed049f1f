"""No plan can end earlier: for each plate its longest path, for each resource its work.

A resource with one unit works off its stays one by one: each has a head (nothing of its plate lets
it begin earlier), a length and a tail (what must still follow). Letting the resource interrupt its
work makes the problem easy and only shorter, so that its best is a bound.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from platectl.planning.flexible import Group
from platectl.planning.network import Matrix
from platectl.planning.problem import Interval, Problem

#: head, length, tail
Job = tuple[float, float, float]


def makespan_bound(problem: Problem, groups: Sequence[Group], alone: Sequence[Matrix]) -> float:
    """A lower bound of the end of any plan that keeps all hard lags, in seconds.

    `alone` gives the earliest points of each group beside nothing but absences.
    """
    bound = max((t for _, t in problem.fixed.values()), default=0.0)
    for group, earliest in zip(groups, alone, strict=True):
        bound = max([bound, *(float(earliest[i]) + off for i, off in group.last)])
    for resource, jobs in _jobs(groups, alone).items():
        capacity = problem.capacities.get(resource, 1)
        if capacity == 1:
            bound = max(bound, preemptive_end(((h, p, q) for h, p, q, _ in jobs), problem.absences.get(resource, ())))  # fmt: skip
        elif jobs:
            energy = sum(p * units for _, p, _, units in jobs) / capacity
            bound = max(bound, min(j[0] for j in jobs) + energy + min(j[2] for j in jobs))
    return bound


def _jobs(
    groups: Iterable[Group], alone: Sequence[Matrix]
) -> dict[str, list[tuple[float, float, float, int]]]:
    jobs: dict[str, list[tuple[float, float, float, int]]] = defaultdict(list)
    for group, earliest in zip(groups, alone, strict=True):
        longest = group.longest
        tails = np.full(len(group.points), -np.inf)
        for i, off in group.last:
            tails = np.maximum(tails, longest[:, i] + off)
        for stay in group.stays:
            (i, a), (j, b) = group.ends(stay)
            length = max(0.0, float(longest[i, j]) + b - a)
            if length > 0:
                head, tail = float(earliest[i]) + a, max(0.0, float(tails[j]) - b)
                jobs[stay.resource].append((max(0.0, head), length, tail, stay.units))
    return jobs


def preemptive_end(jobs: Iterable[Job], absences: Sequence[Interval] = ()) -> float:
    """Least end of all tails when one machine may interrupt its jobs: longest tail first (Jackson)."""
    waiting = sorted(jobs)
    ready: list[list[float]] = []
    gone = sorted(absences)
    now, end, k = 0.0, 0.0, 0
    while k < len(waiting) or ready:
        if not ready:
            now = max(now, waiting[k][0])
        while gone and gone[0][1] <= now:
            gone.pop(0)
        if gone and gone[0][0] <= now:
            now = gone[0][1]
            continue
        while k < len(waiting) and waiting[k][0] <= now:
            heapq.heappush(ready, [-waiting[k][2], waiting[k][1]])
            k += 1
        stop = min(waiting[k][0] if k < len(waiting) else np.inf, gone[0][0] if gone else np.inf)
        job = ready[0]
        worked = min(job[1], stop - now)
        now += worked
        job[1] -= worked
        if job[1] <= 0:
            heapq.heappop(ready)
            end = max(end, now - job[0])
    return float(end)
