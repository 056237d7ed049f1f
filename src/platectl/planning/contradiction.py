"""Contradictions that arithmetic shows: a plate alone, or the work of one resource, is too much."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from platectl.planning.bound import preemptive_end
from platectl.planning.flexible import Group, alone, groups_of, with_closures
from platectl.planning.network import EPSILON_S, Cause, Matrix, network_of
from platectl.planning.problem import Problem

#: so many units are never all taken
PLENTY = 1_000_000


def demands_of(problem: Problem) -> list[Cause]:
    """Everything that could be dropped: windows, terms of plates, absences, units of resources."""
    users: dict[str, set[str]] = {}
    for stay in problem.occupations:
        users.setdefault(stay.resource, set()).add(stay.plate)
    for task in problem.tasks:
        for resource in task.uses:
            users.setdefault(resource, set()).add(task.plate)
    return [
        *(("window", str(n)) for n, lag in enumerate(problem.lags) if lag.window and lag.hard),
        *(("absence", r) for r, spans in problem.absences.items() if spans and r in users),
        *(("resource", r) for r, plates in users.items() if len(plates) > 1),
        *(("not_before", p.name) for p in problem.plates if p.not_before_s > 0),
        *(("not_after", p.name) for p in problem.plates if p.not_after_s is not None),
    ]


def with_order_kept(problem: Problem) -> Problem:
    """The problem with the mere order of two moments apart from the window that also demands it.

    A window can be given up; that one step comes after another cannot. Numbers of lags stay.
    """
    split = [
        lag.window and lag.hard and lag.at_least_s is not None and lag.at_least_s <= 0
        for lag in problem.lags
    ]
    windows = [
        replace(lag, at_least_s=None) if apart else lag
        for lag, apart in zip(problem.lags, split, strict=True)
    ]
    orders = [
        replace(lag, at_most_s=None, window="")
        for lag, apart in zip(problem.lags, split, strict=True)
        if apart
    ]
    return replace(problem, lags=(*windows, *orders))


def only(problem: Problem, demands: Collection[Cause]) -> Problem:
    """The problem with no other demands than these."""
    problem = with_order_kept(problem)
    kept = set(demands)
    shared = {name for kind, name in demands_of(problem) if kind == "resource"}
    free = {r for r in shared if ("resource", r) not in kept}
    away = {r: spans for r, spans in problem.absences.items() if ("absence", r) in kept}
    plates = tuple(
        replace(
            p,
            not_after_s=p.not_after_s if ("not_after", p.name) in kept else None,
            not_before_s=p.not_before_s if ("not_before", p.name) in kept else 0.0,
        )
        for p in problem.plates
    )
    return replace(
        problem,
        plates=plates,
        lags=tuple(
            lag
            for n, lag in enumerate(problem.lags)
            if not (lag.window and lag.hard) or ("window", str(n)) in kept
        ),
        occupations=tuple(
            o for o in problem.occupations if o.resource not in free or o.resource in away
        ),
        absences=away,
        capacities={**problem.capacities, **dict.fromkeys(free, PLENTY)},
    )


def contradictory(problem: Problem) -> bool:
    """Whether arithmetic shows that there is no plan; False says nothing."""
    net = network_of(problem)
    groups = groups_of(net)
    if not with_closures(groups):
        return True
    heads = alone(problem, net, groups)
    if heads is None:
        return True
    return any(
        _overfull(problem, groups, heads, r)
        for r in sorted({stay.resource for stay in net.stays})
        if problem.capacities.get(r, 1) == 1
    )


def _overfull(
    problem: Problem, groups: Sequence[Group], heads: Sequence[Matrix], resource: str
) -> bool:
    """Whether one resource cannot work off its stays by when the last of each must be over."""
    jobs: list[tuple[float, float, float]] = []
    for group, head in zip(groups, heads, strict=True):
        for stay in group.stays:
            (i, a), (j, b) = group.ends(stay)
            length = float(group.longest[i, j]) + b - a
            if stay.resource == resource and length > EPSILON_S:
                begin = max(0.0, float(head[i]) + a)
                jobs.append((begin, length, b - float(group.longest[j, 0])))
    dues = [due for *_, due in jobs if np.isfinite(due)]
    if not dues:
        return False
    last = max(dues)
    timed = [(h, p, last - due if np.isfinite(due) else -1e12) for h, p, due in jobs]
    return preemptive_end(timed, problem.absences.get(resource, ())) > last + 1e-3


def shrunk(demands: Sequence[Cause], holds: Callable[[Sequence[Cause]], bool]) -> list[Cause]:
    """Demands without those that `holds` does not need: large parts are dropped first, then single."""
    kept = list(demands)
    size = max(1, len(kept) // 2)
    while True:
        k = 0
        while k < len(kept):
            rest = [*kept[:k], *kept[k + size :]]
            if len(rest) < len(kept) and holds(rest):
                kept = rest
            else:
                k += size
        if size == 1:
            return kept
        size = max(1, size // 2)
