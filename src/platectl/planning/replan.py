"""What is left of a night, planned anew: the old plan repaired first, then improved.

If no plan keeps all hard windows, they get a price, lowest for what the operator gives up first,
and the plan that costs least says which plates it breaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from platectl.domain.errors import NoPlanError
from platectl.planning.problem import Interval, Lag, Plan, Problem
from platectl.planning.repair import repair
from platectl.planning.solve import solve
from platectl.planning.verify import broken_windows

Times = Mapping[str, Interval]
#: what a second beyond a window costs: first of the sacrifice list, and what is not on it
CHEAP, DEAR = 1.0, 100.0


def replan(
    problem: Problem, old: Times, *, limit_s: float = 5.0, sacrifice: Sequence[str] = (),
    solver: bool | None = None,
) -> Plan:  # fmt: skip
    """Plan what has not begun anew.

    Args:
        problem: With `fixed`, `running` and `now_s`.
        old: Times of the plan so far.
        limit_s: How long the solver may improve the repaired plan.
        sacrifice: Windows or plates, by name; what is first is given up first.
        solver: Whether CP-SAT may be used; by default if it is installed.

    Returns:
        A plan. `broken` names windows and plates that it gives up; those are hard windows of the
        problem only if no plan was found that keeps them all.

    Raises:
        NoPlanError: Not even a plan that breaks windows was found.
    """
    try:
        return solve(
            problem, hint=_repaired(problem, old), limit_s=limit_s, solver=solver, effort=0
        )
    except NoPlanError:
        return _least_harm(problem, old, limit_s, sacrifice, solver=solver)


def _repaired(problem: Problem, old: Times) -> Times | None:
    """The old plan in its order; None when that breaks a hard window."""
    found = repair(problem, old)
    return None if found.broken else found.times


def _least_harm(
    problem: Problem, old: Times, limit_s: float, sacrifice: Sequence[str], *, solver: bool | None
) -> Plan:
    """A plan that breaks hard windows, as cheaply as the order of sacrifice allows."""
    for lenient in (softened(problem, sacrifice), _without_deadlines(softened(problem, sacrifice))):
        first = _repaired(lenient, old)
        if first is not None:
            broken = {(plate, window) for plate, window, *_ in broken_windows(lenient, first)}
            first = _repaired(softened(problem, sacrifice, only=broken), old) or first
        try:
            return solve(lenient, hint=first, limit_s=limit_s, solver=solver, effort=0)
        except NoPlanError:
            continue
    raise NoPlanError("no plan was found, not even one that breaks windows")


def softened(
    problem: Problem,
    sacrifice: Sequence[str] = (),
    *,
    only: AbstractSet[tuple[str, str]] | None = None,
) -> Problem:
    """The problem with a price for each second beyond hard windows; least times stay hard.

    `only` names (plate, window) that get a price; by default all do.
    """
    plate_of = {task.id: task.plate for task in problem.tasks}
    ranks = {name: rank for rank, name in reversed(list(enumerate(sacrifice)))}
    lags: list[Lag] = []
    for lag in problem.lags:
        plate = plate_of[lag.after.task]
        if not (lag.hard and lag.window) or (only is not None and (plate, lag.window) not in only):
            lags.append(lag)
            continue
        listed = [ranks[name] for name in (lag.window, plate) if name in ranks]
        price = CHEAP + (DEAR / 2 - CHEAP) * min(listed) / len(ranks) if listed else DEAR
        lags.append(replace(lag, at_least_s=None, hard=False, weight=price))
        if lag.at_least_s is not None:
            lags.append(replace(lag, at_most_s=None, window=""))
    return replace(problem, lags=tuple(lags))


def _without_deadlines(problem: Problem) -> Problem:
    return replace(problem, plates=tuple(replace(p, not_after_s=None) for p in problem.plates))
