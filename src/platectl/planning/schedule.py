"""When every step starts: one plate as soon as possible, further plates shifted until nothing collides.

A plate is timed as a rigid template; the next plate starts at the smallest shift at which no
instrument, position or person is used twice. All windows of the template hold at any shift, so
that what was proved for one plate is proved for all.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence

from platectl.domain.steps import Anchor, Hold, Step, Window

Interval = tuple[float, float]


def edge_s(step: Step, edge: str) -> float:
    """Planned time of an edge of a step."""
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[edge]
    return step.planned_start_s + share * step.duration_s


def schedule_plate(steps: Sequence[Step], windows: Sequence[Window]) -> list[Step]:
    """Start each step as early as its predecessors, resources, anchors and minimum waits allow."""
    timed: dict[str, Step] = {}
    busy: dict[str, list[Interval]] = defaultdict(list)
    lags = [w for w in windows if w.at_least_s > 0 and w.end.edge == "start"]
    for step in _topological(steps):
        earliest = max((timed[a].planned_end_s for a in step.after), default=0.0)
        if step.not_before is not None:
            earliest = max(earliest, _moment(step.not_before, timed))
        for window in lags:
            if window.end.step == step.id and window.start.step in timed:
                earliest = max(
                    earliest,
                    edge_s(timed[window.start.step], window.start.edge) + window.at_least_s,
                )
        duration = step.duration_s
        if step.kind == "wait":
            duration = max(
                0.0, _moment(Anchor.model_validate(step.params["until"]), timed) - earliest
            )
        start = _first_gap(earliest, duration, [busy[r] for r in step.resources])
        timed[step.id] = step.model_copy(update={"planned_start_s": start, "duration_s": duration})
        for resource in step.resources:
            insort(busy[resource], (start, start + duration))
    return sorted(timed.values(), key=lambda s: (s.planned_start_s, s.planned_end_s))


def _topological(steps: Sequence[Step]) -> list[Step]:
    """Keep the written order among what is free to go."""
    done: set[str] = set()
    ordered: list[Step] = []
    left = list(steps)
    while left:
        ready = next((s for s in left if set(s.after) <= done), None)
        if ready is None:
            raise ValueError(f"steps wait for one another: {', '.join(s.id for s in left[:5])}")
        ordered.append(ready)
        done.add(ready.id)
        left.remove(ready)
    return ordered


def _moment(anchor: Anchor, timed: Mapping[str, Step]) -> float:
    return edge_s(timed[anchor.step], anchor.edge) + anchor.offset_s


def _first_gap(earliest: float, duration: float, calendars: Sequence[Sequence[Interval]]) -> float:
    start, moved = earliest, True
    while moved:
        moved = False
        for calendar in calendars:
            for begin, end in calendar:
                if begin < start + duration and start < end:
                    start, moved = end, True
    return start


def shift_plate(steps: Sequence[Step], by_s: float) -> list[Step]:
    """Move all steps of a plate in time."""
    return [s.model_copy(update={"planned_start_s": s.planned_start_s + by_s}) for s in steps]


def usage(steps: Sequence[Step], holds: Sequence[Hold]) -> dict[str, list[Interval]]:
    """Intervals in which each resource is used or held."""
    times = {s.id: s for s in steps}
    used: dict[str, list[Interval]] = defaultdict(list)
    for step in steps:
        for resource in step.resources:
            insort(used[resource], (step.planned_start_s, step.planned_end_s))
    for hold in holds:
        insort(
            used[hold.resource], (times[hold.first].planned_start_s, times[hold.last].planned_end_s)
        )
    return used


def smallest_shift(
    used: Mapping[str, Sequence[Interval]], new: Mapping[str, Sequence[Interval]]
) -> float:
    """Smallest shift of `new` at which no resource is used twice."""
    shared = [(used[r], new[r]) for r in new if r in used]
    candidates = sorted(
        {
            0.0,
            *(
                end - begin
                for olds, news in shared
                for _, end in olds
                for begin, _ in news
                if end > begin
            ),
        }
    )
    for shift in candidates:
        if not any(
            begin + shift < old_end and old_begin < end + shift
            for olds, news in shared
            for begin, end in news
            for old_begin, old_end in olds
        ):
            return shift
    return candidates[-1]
