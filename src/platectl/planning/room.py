"""Plates that are to join a run that goes on: where they fit, and whom that moves.

Nothing that is planned moves if they fit so; otherwise what has not begun is planned anew, with all
hard windows. What has begun, or is about to, is never moved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from platectl.domain.errors import NoPlanError
from platectl.planning.insertion import smallest_shift
from platectl.planning.network import EPSILON_S
from platectl.planning.problem import Interval, Pool, Problem
from platectl.planning.repair import END, repair
from platectl.planning.replan import softened
from platectl.planning.seating import renaming, reseated
from platectl.planning.verify import violations

Times = Mapping[str, Interval]
#: the plan of the next so many seconds is left as it is: it may begin while this is planned
NEXT_S = 30.0
#: how long another order is looked for
SEARCH_S = 5.0
#: what a plate that goes before others has to gain, so that others are moved for it
WORTH_S = 60.0


@dataclass(frozen=True, slots=True)
class Fit:
    """Where plates go: times of all tasks, what each uses in place of what the problem names, and how.

    `late` are plates that end after their terms, with the end; a plan that has some is none.
    """

    times: Times
    seats: Mapping[str, Mapping[str, str]]
    method: str
    late: Mapping[str, float]


def settled(problem: Problem, planned: Times) -> tuple[Problem, Times]:
    """The problem of a moment later, and its plan: what is about to begin or to end has done so."""
    times = repair(problem, planned).times
    soon_s = problem.now_s + NEXT_S
    begun = {
        name: span
        for name, span in times.items()
        if name not in problem.fixed and (name in problem.running or span[0] < soon_s)
    }
    over = {name: span for name, span in begun.items() if span[1] <= soon_s}
    later = replace(
        problem,
        fixed={**problem.fixed, **over},
        running={name: span for name, span in begun.items() if name not in over},
        now_s=soon_s,
    )
    return later, repair(later, times).times


def fit(
    problem: Problem, others: Times, templates: Mapping[str, Times], pools: Sequence[Pool]
) -> Fit:
    """Find room for plates.

    Args:
        problem: With the plates, as it stands.
        others: The plan of all that it had before.
        templates: Times of each new plate alone.
        pools: What the new plates may use in place of what the problem names.

    Raises:
        NoPlanError: There is none; with the reason.
    """
    problem = _as_kept(problem, others, set(templates))
    try:
        here = _inserted(problem, others, templates, pools)
    except NoPlanError:
        if anew := _searched(problem, None):
            return anew
        raise
    if not (here.late or _goes_first(problem, here, set(templates))):
        return here
    if here.late and _inserted(problem, {}, templates, pools).late:
        return here  # even if it were alone
    anew = _searched(problem, here)
    gained_s = 0.0 if anew is None else _end_s(here, templates) - _end_s(anew, templates)
    return anew if anew is not None and (here.late or gained_s > WORTH_S) else here


def soonest(
    problem: Problem, others: Times, templates: Mapping[str, Times], pools: Sequence[Pool]
) -> Times:
    """Times with plates as soon as nothing else has to move, if everybody were there and nothing limited them.

    Raises:
        NoPlanError: What has met activity would handle clean labware.
    """
    free = replace(
        problem,
        absences={},
        plates=tuple(replace(plate, not_after_s=None) for plate in problem.plates),
    )
    return _inserted(free, others, templates, pools).times


def _end_s(found: Fit, templates: Mapping[str, Times]) -> float:
    return max(end for template in templates.values() for end in _ends(found.times, template))


def _as_kept(problem: Problem, others: Times, new: set[str]) -> Problem:
    """The problem without the windows and terms that the others cannot keep as it is."""
    mine = {task.id for task in problem.tasks if task.plate not in new}
    before = part(problem, mine)
    broken = set(repair(before, others).broken)
    late = {plate for plate, window in broken if window == END}
    plates = tuple(replace(p, not_after_s=None) if p.name in late else p for p in problem.plates)
    return softened(replace(problem, plates=plates), only=broken) if broken else problem


def part(problem: Problem, tasks: set[str]) -> Problem:
    """The problem of some tasks alone."""
    return replace(
        problem,
        tasks=tuple(task for task in problem.tasks if task.id in tasks),
        lags=tuple(lag for lag in problem.lags if {lag.before.task, lag.after.task} <= tasks),
        occupations=tuple(o for o in problem.occupations if o.first in tasks),
        zones=tuple(zone for zone in problem.zones if zone.task in tasks),
    )


def _inserted(
    problem: Problem, others: Times, templates: Mapping[str, Times], pools: Sequence[Pool]
) -> Fit:
    """Each plate as a whole at the first moment at which nothing else has to move.

    Raises:
        NoPlanError: There is none.
    """
    times, seats = dict(others), dict[str, Mapping[str, str]]()
    for plate, template in templates.items():
        names: dict[str, str] = {}
        for pool in pools:
            found = [
                (shift_s, k, option)
                for k, option in enumerate(_options(problem, plate, pool))
                if (shift_s := _shift_s(problem, times, plate, template, {**names, **option}))
                is not None
            ]
            names |= min(found)[2] if found else {}
        shift_s = _shift_s(problem, times, plate, template, names)
        if shift_s is None:
            raise NoPlanError("what has met activity would handle its clean labware")
        seats[plate] = {a: b for a, b in names.items() if a != b}
        problem = reseated(problem, {plate: seats[plate]})
        times |= {name: (a + shift_s, b + shift_s) for name, (a, b) in template.items()}
    terms = {plate.name: plate.not_after_s for plate in problem.plates}
    ends = {plate: max(_ends(times, template)) for plate, template in templates.items()}
    late = {
        plate: end_s for plate, end_s in ends.items()
        if (most_s := terms.get(plate)) is not None and end_s > most_s + EPSILON_S
    }  # fmt: skip
    known = set(violations(part(problem, set(others)), others))
    wrong = [text for text in violations(part(problem, set(times)), times) if text not in known]
    if wrong and not late:
        raise NoPlanError(wrong[0])
    return Fit(times, seats, "nothing else moved", late)


def _options(problem: Problem, plate: str, pool: Pool) -> list[dict[str, str]]:
    """What a plate may have of a pool, first of all what it has."""
    used = {o.resource for o in problem.occupations if o.plate == plate}
    options = [renaming(pool, used, k) for k in range(len(pool.members))]
    known = [option for option in options if option is not None]
    return sorted(known, key=lambda option: any(a != b for a, b in option.items()))


def _shift_s(
    problem: Problem, times: Times, plate: str, template: Times, names: Mapping[str, str]
) -> float | None:
    """Smallest shift of a plate's template that leaves all others alone; None if there is none."""
    used: dict[str, list[Interval]] = defaultdict(list)
    mine: dict[str, list[Interval]] = defaultdict(list)
    for resource, absent in problem.absences.items():
        used[resource].extend(absent)
    for stay in reseated(problem, {plate: names}).occupations:
        if stay.plate == plate:
            mine[stay.resource].append((template[stay.first][0], template[stay.last][1]))
        elif stay.first in times:
            used[stay.resource].append((times[stay.first][0], times[stay.last][1]))
    least_s, most_s = _span_s(problem, times, plate, template, names)
    shift_s = smallest_shift(used, mine, least_s=least_s)
    return shift_s if shift_s <= most_s + EPSILON_S else None


def _span_s(
    problem: Problem, times: Times, plate: str, template: Times, names: Mapping[str, str]
) -> Interval:
    """Least and most shift by the terms of a plate, and by what meets activity before clean labware."""
    terms = next(p for p in problem.plates if p.name == plate)
    begins_s = min(begin for begin, _ in template.values())
    least_s, most_s = max(terms.not_before_s, problem.now_s) - begins_s, float("inf")
    for zone in (zone for zone in problem.zones if zone.plate == plate):
        resource = names.get(zone.resource, zone.resource)
        for other in problem.zones:
            if other.resource != resource or other.task not in times:
                continue
            if zone.radioactive and not other.radioactive:
                least_s = max(least_s, times[other.task][1] - template[zone.task][0])
            elif other.radioactive and not zone.radioactive:
                most_s = min(most_s, times[other.task][0] - template[zone.task][1])
    return least_s, most_s


def _ends(times: Times, template: Times) -> list[float]:
    return [times[name][1] for name in template]


def _goes_first(problem: Problem, here: Fit, new: set[str]) -> bool:
    """Whether a new plate goes before one that has not begun and is over sooner by the plan."""
    begun = {
        task.plate for task in problem.tasks if task.id in {**problem.fixed, **problem.running}
    }
    ends: dict[str, float] = defaultdict(float)
    for task in problem.tasks:
        ends[task.plate] = max(ends[task.plate], here.times[task.id][1])
    ranks = {plate.name: plate.priority for plate in problem.plates}
    return any(
        ranks[name] < ranks[other] and ends[other] < ends[name]
        for name in new
        for other in ranks.keys() - new - begun
        if other in ends
    )


def _searched(problem: Problem, here: Fit | None) -> Fit | None:
    """What has not begun in another order; None when none is found."""
    from platectl.planning.solve import solve  # NumPy and the solver, which few additions need

    seats = here.seats if here is not None else {}
    seated = reseated(problem, seats)
    hint = here.times if here is not None and not here.late else None
    try:
        plan = solve(seated, hint=hint, limit_s=SEARCH_S, effort=0)
    except NoPlanError:
        return None
    return Fit(plan.times, seats, f"another order, {plan.method}", {})
