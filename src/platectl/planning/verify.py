"""Looks at a plan with no help from what made it: what does it break, in plain words?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from platectl.planning.problem import Interval, Lag, Moment, Occupation, Problem, Task

#: differences below this come from binary fractions
TOLERANCE_S = 1e-3
Times = Mapping[str, Interval]
#: begin, end, units, plate, what it is for
Claim = tuple[float, float, int, str, str]


def violations(problem: Problem, times: Times) -> list[str]:
    """Say everything about `problem` that the times do not keep; empty for a sound plan.

    What lies wholly in the past (moments of tasks in `problem.fixed`) is history and not judged.
    Soft lags are not judged either, see `broken_windows`.
    """
    missing = [task.id for task in problem.tasks if task.id not in times]
    if missing:
        return [f"{name} has no time" for name in missing]
    return [
        *_durations(problem, times),
        *_terms(problem, times),
        *_lags(problem, times),
        *_units(problem, times),
        *_absences(problem, times),
        *_zones(problem, times),
    ]


def broken_windows(problem: Problem, times: Times) -> list[tuple[str, str, float, Lag]]:
    """Named lags that are not kept: plate, window, seconds beyond, and the lag (hard or soft)."""
    plate_of = {task.id: task.plate for task in problem.tasks}
    found = []
    for lag in problem.lags:
        beyond_s = excess_s(lag, times)
        if lag.window and beyond_s > TOLERANCE_S:
            found.append((plate_of[lag.after.task], lag.window, beyond_s, lag))
    return found


def excess_s(lag: Lag, times: Times) -> float:
    """Seconds by which a lag is missed; negative or zero when it is kept."""
    elapsed_s = at(lag.after, times) - at(lag.before, times)
    short_s = -1.0 if lag.at_least_s is None else lag.at_least_s - elapsed_s
    long_s = -1.0 if lag.at_most_s is None else elapsed_s - lag.at_most_s
    return max(short_s, long_s)


def at(moment: Moment, times: Times) -> float:
    """Time of a moment in a plan."""
    begin, end = times[moment.task]
    return begin + moment.share * (end - begin) + moment.offset_s


def _durations(problem: Problem, times: Times) -> Iterable[str]:
    for task in problem.tasks:
        begin, end = times[task.id]
        if task.id in problem.fixed:
            if max(abs(a - b) for a, b in zip(problem.fixed[task.id], times[task.id], strict=True)) > TOLERANCE_S:  # fmt: skip
                yield f"{task.id} is over and was moved"
        elif task.id in problem.running:
            begun, least = problem.running[task.id]
            if abs(begin - begun) > TOLERANCE_S:
                yield f"{task.id} has begun and was moved"
            if end < least - TOLERANCE_S:
                yield f"{task.id} cannot be over by {end:.1f} s"
        else:
            yield from _length(task, begin, end)
            if begin < problem.now_s - TOLERANCE_S:
                yield f"{task.id} begins at {begin:.1f} s, before now ({problem.now_s:.1f} s)"


def _length(task: Task, begin: float, end: float) -> Iterable[str]:
    lacks_s = task.duration_s - (end - begin)
    if lacks_s > TOLERANCE_S or (lacks_s < -TOLERANCE_S and not task.elastic):
        yield f"{task.id} takes {end - begin:.1f} s, not {task.duration_s:.1f} s"


def _terms(problem: Problem, times: Times) -> Iterable[str]:
    plates = {plate.name: plate for plate in problem.plates}
    for task in problem.tasks:
        plate = plates.get(task.plate)
        if plate is None or task.id in problem.fixed:
            continue
        begin, end = times[task.id]
        if begin < plate.not_before_s - TOLERANCE_S and task.id not in problem.running:
            yield f"{task.id} begins at {begin:.1f} s, not before {plate.not_before_s:.1f} s"
        if plate.not_after_s is not None and end > plate.not_after_s + TOLERANCE_S:
            yield f"{task.id} ends at {end:.1f} s, not after {plate.not_after_s:.1f} s"


def _lags(problem: Problem, times: Times) -> Iterable[str]:
    for lag in problem.lags:
        past = lag.before.task in problem.fixed and lag.after.task in problem.fixed
        beyond_s = excess_s(lag, times)
        if lag.hard and not past and beyond_s > TOLERANCE_S:
            name = f"window {lag.window!r} between" if lag.window else "the time between"
            yield f"{name} {lag.before.task} and {lag.after.task} is missed by {beyond_s:.1f} s"


def _claims(problem: Problem, times: Times) -> dict[str, list[Claim]]:
    """Who claims units of which resource when; stays of one plate on a resource count once."""
    claims: dict[str, list[Claim]] = defaultdict(list)
    stays: dict[tuple[str, str], list[tuple[float, float, Occupation]]] = defaultdict(list)
    for stay in problem.occupations:
        span = (times[stay.first][0], times[stay.last][1], stay)
        stays[stay.resource, stay.plate].append(span)
    for (resource, plate), spans in stays.items():
        claims[resource] += [(a, b, 1, plate, what) for a, b, what in _joined(spans)]
    for task in problem.tasks:
        for resource, units in task.uses.items():
            claims[resource].append((*times[task.id], units, task.plate, task.id))
    return claims


def _joined(
    spans: Sequence[tuple[float, float, Occupation]],
) -> list[tuple[float, float, str]]:
    joined: list[tuple[float, float, str]] = []
    for begin, end, stay in sorted(spans, key=lambda s: s[:2]):
        if joined and begin < joined[-1][1] - TOLERANCE_S:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end), joined[-1][2])
        else:
            joined.append((begin, end, f"{stay.first} to {stay.last}"))
    return joined


def _units(problem: Problem, times: Times) -> Iterable[str]:
    """Claims beyond the units that a resource has; what was before now is history."""
    for resource, claims in _claims(problem, times).items():
        capacity = problem.capacities.get(resource, 1)
        coming = sorted((c for c in claims if c[1] - c[0] > TOLERANCE_S), reverse=True)
        edges = sorted({edge for a, b, *_ in coming for edge in (a, b)})
        here: list[Claim] = []
        reported: set[tuple[str, ...]] = set()
        for begin, end in pairwise(edges):
            here = [c for c in here if c[1] > begin + TOLERANCE_S]
            while coming and coming[-1][0] <= begin:
                here.append(coming.pop())
            if end - begin <= TOLERANCE_S or end <= problem.now_s:
                continue
            names = tuple(f"{what} ({plate})" for *_, plate, what in here)
            if sum(c[2] for c in here) > capacity and names not in reported:
                reported.add(names)
                yield f"{resource} is claimed at {begin:.1f} s by {', '.join(names)}; it has {capacity}"


def _zones(problem: Problem, times: Times) -> Iterable[str]:
    """Clean labware that is handled by what has met activity before."""
    for resource in dict.fromkeys(zone.resource for zone in problem.zones):
        mine = [zone for zone in problem.zones if zone.resource == resource]
        for hot in (z for z in mine if z.radioactive):
            for clean in (z for z in mine if not z.radioactive and z.plate != hot.plate):
                past = {hot.task, clean.task} <= set(problem.fixed) | set(problem.running)
                if not past and times[hot.task][0] < times[clean.task][1] - TOLERANCE_S:
                    yield (
                        f"{resource} handles {clean.task} ({clean.plate}, clean) "
                        f"after {hot.task} ({hot.plate}, radioactive)"
                    )


def _absences(problem: Problem, times: Times) -> Iterable[str]:
    past = {
        f"{o.first} to {o.last}"
        for o in problem.occupations
        if o.last in problem.fixed or o.first in problem.running
    } | set(problem.fixed) | set(problem.running)  # fmt: skip
    claims = _claims(problem, times) if problem.absences else {}
    for resource, absences in problem.absences.items():
        for begin, end, _, plate, what in claims.get(resource, ()):
            for gone, back in absences:
                if what not in past and begin < back - TOLERANCE_S and gone < end - TOLERANCE_S:
                    yield f"{resource} is away from {gone:.1f} to {back:.1f} s, but {what} ({plate}) needs it"
