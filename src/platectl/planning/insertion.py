"""A plan without search: plate by plate, each as a rigid template at the first time that is free.

All windows of a template hold at any shift, so that what holds for one plate holds for all. It is
the hint of the solver, and the plan where there is no solver.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from platectl.planning.problem import Interval, Plate, Problem

Times = Mapping[str, Interval]


def insert_rigid(
    problem: Problem, template: Times, order: Sequence[Plate] | None = None
) -> dict[str, Interval]:
    """Times of all tasks with each plate at its smallest shift, in the order given.

    `template` gives the times of each plate as if it were alone. A plate with `not_before_s`
    begins no earlier.
    """
    of_plate = _by_plate(problem, template)
    used: dict[str, list[Interval]] = defaultdict(list)
    for resource, absent in problem.absences.items():
        used[resource].extend(absent)
    times: dict[str, Interval] = {}
    for plate in order or problem.plates:
        mine = of_plate[plate.name]
        begins = min(template[t.id][0] for t in problem.tasks if t.plate == plate.name)
        least = max(plate.not_before_s, problem.now_s) - begins
        shift = smallest_shift(used, mine, least_s=least)
        for resource, spans in mine.items():
            used[resource].extend((a + shift, b + shift) for a, b in spans)
        times.update(
            (t.id, (template[t.id][0] + shift, template[t.id][1] + shift))
            for t in problem.tasks
            if t.plate == plate.name
        )
    return times


def _by_plate(problem: Problem, template: Times) -> dict[str, dict[str, list[Interval]]]:
    spans: dict[str, dict[str, list[Interval]]] = defaultdict(lambda: defaultdict(list))
    for occupation in problem.occupations:
        begin, end = template[occupation.first][0], template[occupation.last][1]
        spans[occupation.plate][occupation.resource].append((begin, end))
    return spans


def smallest_shift(
    used: Mapping[str, Sequence[Interval]],
    new: Mapping[str, Sequence[Interval]],
    *,
    least_s: float = 0.0,
) -> float:
    """Smallest shift of `new`, at least `least_s`, at which no resource is used twice.

    Each use of a resource forbids the shifts between two bounds to each use in `new`.
    """
    shift = least_s
    for above, below in sorted(
        (old_begin - end, old_end - begin)
        for resource in new.keys() & used.keys()
        for begin, end in new[resource]
        for old_begin, old_end in used[resource]
        if old_end - begin > least_s
    ):
        if above >= shift:
            break
        shift = max(shift, below)
    return shift
