"""From compiled steps to a planning problem."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from platectl.domain.steps import Anchor, Edge, Hold, Step, Window
from platectl.planning.problem import (
    Handling,
    Interval,
    Lag,
    Moment,
    Occupation,
    Plate,
    Pool,
    Problem,
    Task,
)

SHARE: Mapping[Edge, float] = {"start": 0.0, "middle": 0.5, "end": 1.0}


def problem_of(
    steps: Sequence[Step], windows: Sequence[Window], holds: Sequence[Hold],
    plates: Sequence[Plate], *, absences: Mapping[str, tuple[Interval, ...]] | None = None,
    unclean: Collection[str] = (), people: Sequence[str] = (), pools: Sequence[Pool] = (),
) -> Problem:  # fmt: skip
    """State what a plan of these steps must keep.

    `steps` carry the times of a template that keeps the windows of each plate for itself; the order
    in which a plate uses a resource is taken from it. `unclean` are instruments that take activity
    along from a radioactive plate.
    """
    ids = {step.id for step in steps}
    lags = [lag for step in steps for lag in _lags(step, ids)]
    lags += [_window(window) for window in windows]
    occupations: list[Occupation] = []
    for (plate, resource), stays in _stays(steps, holds).items():
        occupations += [Occupation(resource, plate, a.id, b.id) for a, b in stays]
        lags += [
            Lag(Moment(before.id, 1.0), Moment(after.id))
            for (_, before), (after, _) in pairwise(stays)
        ]
    lags += _own_order(steps)
    tasks = tuple(
        Task(step.id, step.plate, 0.0, elastic=True)
        if step.kind == "wait"
        else Task(step.id, step.plate, step.duration_s)
        for step in steps
    )
    return Problem(
        tasks=tasks,
        lags=tuple(dict.fromkeys(lags)),
        occupations=tuple(occupations),
        plates=tuple(plates),
        absences=dict(absences or {}),
        zones=tuple(_handlings(steps, unclean)),
        people=tuple(people),
        pools=tuple(pools),
    )


def _stays(
    steps: Sequence[Step], holds: Sequence[Hold]
) -> dict[tuple[str, str], list[tuple[Step, Step]]]:
    """When each plate has each resource: from the start of a step to the end of another.

    Where some plate leaves labware for good, every plate has the position from its loading on,
    because only who loads a plate takes away what was left there.
    """
    by_id = {step.id: step for step in steps}
    loads = {step.plate: step for step in steps if step.kind == "load"}
    left = {hold.resource for hold in holds if hold.kept}
    used: dict[tuple[str, str], list[tuple[Step, Step]]] = defaultdict(list)
    for step in steps:
        for resource in step.resources:
            used[step.plate, resource].append((step, step))
    for hold in holds:
        first, last = by_id[hold.first], by_id[hold.last]
        used[first.plate, hold.resource].append((first, last))
    for (plate, resource), spans in used.items():
        if resource in left and plate in loads:
            spans.append((loads[plate], max((b for _, b in spans), key=_end)))
    return {key: _merged(spans) for key, spans in used.items()}


def _handlings(steps: Sequence[Step], unclean: Collection[str]) -> Iterable[Handling]:
    first: dict[tuple[str, str], Handling] = {}
    last: dict[tuple[str, str], Handling] = {}
    for step in sorted(steps, key=lambda s: (s.planned_start_s, s.planned_end_s)):
        for resource in unclean:
            if resource in step.resources:
                key = resource, step.plate
                if step.radioactive:
                    first.setdefault(key, Handling(*key, step.id, radioactive=True))
                if step.clean:
                    last[key] = Handling(*key, step.id, radioactive=False)
    yield from (*first.values(), *last.values())


def _end(step: Step) -> float:
    return step.planned_end_s


def _lags(step: Step, ids: set[str]) -> Iterable[Lag]:
    yield from (Lag(Moment(a, 1.0), Moment(step.id)) for a in step.after if a in ids)
    if step.not_before is not None:
        yield Lag(_moment(step.not_before), Moment(step.id))
    if step.kind == "wait":
        yield Lag(_moment(Anchor.model_validate(step.params["until"])), Moment(step.id, 1.0))


def _moment(anchor: Anchor) -> Moment:
    return Moment(anchor.step, SHARE[anchor.edge], anchor.offset_s)


def _window(window: Window) -> Lag:
    return Lag(
        _moment(window.start),
        _moment(window.end),
        at_least_s=window.at_least_s,
        at_most_s=window.at_most_s,
        window=window.name,
        hard=window.hard,
        ideal_s=window.ideal_s,
    )


def _merged(spans: Sequence[tuple[Step, Step]]) -> list[tuple[Step, Step]]:
    """Join what overlaps in the template: one stay on a resource."""
    merged: list[tuple[Step, Step]] = []
    for first, last in sorted(spans, key=lambda s: (s[0].planned_start_s, s[1].planned_end_s)):
        if merged and first.planned_start_s < merged[-1][1].planned_end_s:
            begun, end = merged[-1]
            merged[-1] = begun, max(end, last, key=_end)
        else:
            merged.append((first, last))
    return merged


def _own_order(steps: Sequence[Step]) -> Iterable[Lag]:
    """Steps of one plate on one resource stay in the template's order."""
    mine: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda s: (s.planned_start_s, s.planned_end_s)):
        for resource in step.resources:
            mine[step.plate, resource].append(step)
    for chain in mine.values():
        yield from (Lag(Moment(a.id, 1.0), Moment(b.id)) for a, b in pairwise(chain))
