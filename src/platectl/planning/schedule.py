"""When every step of a plate starts if it is alone: the template that a plan moves in time."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence

from platectl.domain.steps import Anchor, Step, Window

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
