"""No plan can end earlier: for each plate its longest path, for each resource its work.

A resource with one unit works off its stays one by one: each has a head (nothing of its plate lets
it begin earlier), a length and a tail (what must still follow). Letting the resource interrupt its
work makes the problem easy and only shorter, so that its best is a bound.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from platectl.planning.flexible import Group
from platectl.planning.network import Matrix, Place
from platectl.planning.problem import Interval, Problem
from platectl.planning.seating import stand_ins

#: head, length, tail
Job = tuple[float, float, float]


def makespan_bound(problem: Problem, groups: Sequence[Group], alone: Sequence[Matrix]) -> float:
    """A lower bound of the end of any plan that keeps all hard lags, in seconds.

    `alone` gives the earliest points of each group beside nothing but absences. What stands in for
    one another is bounded together, so that the bound holds whatever a plate uses.
    """
    bound = max((t for _, t in problem.fixed.values()), default=0.0)
    for group, earliest in zip(groups, alone, strict=True):
        bound = max([bound, *(float(earliest[i]) + off for i, off in group.last)])
    works = _works(groups, alone)
    pooled = stand_ins(problem.pools)
    for resource, jobs in works.items():
        capacity = problem.capacities.get(resource, 1)
        if resource in pooled:
            continue
        if capacity == 1:
            bound = max(bound, preemptive_end(((w.head, w.length, w.tail) for w in jobs), problem.absences.get(resource, ())))  # fmt: skip
        else:
            bound = max(bound, _shared_end(jobs, capacity))
    for names in dict.fromkeys(pooled.values()):
        jobs = _by_group([work for name in names for work in works.get(name, ())])
        if jobs and len(jobs) > len(names):
            heads = _heads(problem, groups, works, jobs, len(names))
            bound = max(bound, parallel_end(heads, [w.length for w in jobs], min(w.tail for w in jobs)))  # fmt: skip
    return bound


@dataclass(frozen=True, slots=True)
class _Work:
    """A stay: nothing lets it begin before `head`, and `tail` must follow; `begin` is its point."""

    group: int
    begin: Place
    head: float
    length: float
    tail: float
    units: int


def _works(groups: Sequence[Group], alone: Sequence[Matrix]) -> dict[str, list[_Work]]:
    works: dict[str, list[_Work]] = defaultdict(list)
    for g, (group, earliest) in enumerate(zip(groups, alone, strict=True)):
        longest = group.longest
        tails = np.full(len(group.points), -np.inf)
        for i, off in group.last:
            tails = np.maximum(tails, longest[:, i] + off)
        for stay in group.stays:
            (i, a), (j, b) = group.ends(stay)
            length = max(0.0, float(longest[i, j]) + b - a)
            if length > 0:
                head, tail = float(earliest[i]) + a, max(0.0, float(tails[j]) - b)
                works[stay.resource].append(_Work(g, (i, a), max(0.0, head), length, tail, stay.units))  # fmt: skip
    return works


def _by_group(works: Iterable[_Work]) -> list[_Work]:
    """All that a plate does at the members of a pool, which it does at one of them."""
    found: dict[int, _Work] = {}
    for work in sorted(works, key=lambda w: w.head):
        known = found.get(work.group)
        found[work.group] = work if known is None else replace(
            known, length=known.length + work.length, tail=min(known.tail, work.tail)
        )  # fmt: skip
    return list(found.values())


def _shared_end(jobs: Sequence[_Work], capacity: int) -> float:
    energy = sum(w.length * w.units for w in jobs) / capacity
    return min(w.head for w in jobs) + energy + min(w.tail for w in jobs)


def _heads(
    problem: Problem, groups: Sequence[Group], works: Mapping[str, Sequence[_Work]],
    jobs: Sequence[_Work], most: int,
) -> list[float]:  # fmt: skip
    """Before which times one, two, ... machines cannot have begun: plates come one after another.

    Where all of them need something before of which there is one, the next comes when the one before
    has left it.
    """
    heads = sorted(w.head for w in jobs)[:most]
    for resource, feeders in works.items():
        if problem.capacities.get(resource, 1) > 1:
            continue
        first = {work.group: work for work in reversed(feeders)}
        if not all(job.group in first for job in jobs):
            continue
        apart = [_apart(groups[job.group], first[job.group].begin, job.begin) for job in jobs]
        if min(apart) < 0:
            continue
        reached = min(first[job.group].head for job in jobs) + min(apart)
        for k, length in enumerate(sorted(first[job.group].length for job in jobs)[:most]):
            heads[k] = max(heads[k], reached)
            reached += length
    return sorted(heads)


def _apart(group: Group, first: Place, then: Place) -> float:
    return float(group.longest[first[0], then[0]]) + then[1] - first[1]


def parallel_end(heads: Sequence[float], works: Sequence[float], tail: float) -> float:
    """No later than the end of any plan in which each of `works` is done by one of equal machines.

    `heads` says before which times one, two, ... machines cannot begin; after each work `tail` follows.
    """
    machines, least = len(heads), min(works)
    best = (sum(heads) + sum(works)) / machines + tail
    ends = sorted(h + k * least for h in heads for k in range(1, len(works) + 1))
    for end in ends:
        rounds = sum(max(0, math.floor((end - h) / least + 1e-9)) for h in heads)
        if rounds >= len(works):
            return max(best, end + tail)
    return best


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
