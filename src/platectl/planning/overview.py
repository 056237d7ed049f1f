"""What a plan means to the people in the lab: the end, who is needed when, and what is tight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from platectl.domain.local_time import shown_later
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Anchor, Step, Window
from platectl.planning.comfort import VISIT_GAP_S
from platectl.planning.schedule import edge_s


@dataclass(frozen=True, slots=True)
class Visit:
    """A person is needed from `begin_s` to `end_s`, for the work in `tasks`."""

    person: str
    begin_s: float
    end_s: float
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WindowSlack:
    """How late the end of a window may come; its least time is waited for and takes no slack."""

    window: str
    plate: str
    planned_s: float
    at_least_s: float
    at_most_s: float | None
    slack_s: float
    hard: bool


@dataclass(frozen=True, slots=True)
class Use:
    """How long an instrument works, and what share of the night that is."""

    instrument: str
    busy_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Overview:
    """A plan in figures; times are seconds since the start."""

    end_s: float
    bound_s: float
    gap: float
    method: str
    plates: tuple[tuple[str, str, float, float], ...]
    visits: tuple[Visit, ...]
    uses: tuple[Use, ...]
    windows: tuple[WindowSlack, ...]


def overview(run: CompiledRun) -> Overview:
    """Sum a compiled run up; windows come tightest first, instruments busiest first."""
    end_s = run.planned_end_s
    note = run.planned
    bound_s = note.bound_s if note else 0.0
    spans = []
    for plate in run.plates:
        mine = [s for s in run.steps if s.plate == plate.name]
        spans.append(
            (plate.name, run.protocols[plate.assay].name, min(s.planned_start_s for s in mine),
             max(s.planned_end_s for s in mine))
        )  # fmt: skip
    return Overview(
        end_s=end_s,
        bound_s=bound_s,
        gap=max(0.0, 1 - bound_s / end_s) if end_s else 0.0,
        method=note.method if note else "",
        plates=tuple(spans),
        visits=tuple(_visits(run)),
        uses=tuple(_uses(run, end_s)),
        windows=tuple(_slacks(run)),
    )


def clock_of(run: CompiledRun, *, zone: str | None = None) -> Callable[[float], str]:
    """What planned times are to people: clock time with the weekday, or hours since the start.

    The date stands beside the weekday when a plan is longer than six days.
    """
    begins, span_s = begins_at(run, zone=zone), run.planned_end_s

    def at(seconds: float) -> str:
        if begins is not None:
            return shown_later(begins, seconds, span_s=span_s)
        minutes = round(seconds / 60)
        return f"+{minutes // 60}:{minutes % 60:02d}"

    return at


def begins_at(run: CompiledRun, *, zone: str | None = None) -> datetime | None:
    """The start of a run on the clocks of a zone; None when it has none."""
    return run.starts and run.starts.astimezone(ZoneInfo(zone or "UTC"))


def span_of(run: CompiledRun, *, zone: str | None = None) -> str:
    """From when to when a plan goes, with the date of its start."""
    at, begins = clock_of(run, zone=zone), begins_at(run, zone=zone)
    first = at(0.0) if begins is None else f"{begins:%a %Y-%m-%d %H:%M}"
    return f"from {first} to {at(run.planned_end_s)}"


def people_of(run: CompiledRun) -> tuple[str, ...]:
    """Instruments that are people: whoever loads or is asked."""
    return tuple(
        dict.fromkeys(str(s.params["operator"]) for s in run.steps if s.params.get("operator"))
    )


def _visits(run: CompiledRun) -> list[Visit]:
    visits: list[Visit] = []
    for person in people_of(run):
        steps = [s for s in run.steps if person in s.resources]
        group: list[Step] = []
        for step in sorted(steps, key=lambda s: s.planned_start_s):
            if group and step.planned_start_s > group[-1].planned_end_s + VISIT_GAP_S:
                visits.append(_visit(person, group))
                group = []
            group.append(step)
        if group:
            visits.append(_visit(person, group))
    return sorted(visits, key=lambda v: v.begin_s)


def _visit(person: str, steps: Sequence[Step]) -> Visit:
    return Visit(
        person,
        steps[0].planned_start_s,
        max(s.planned_end_s for s in steps),
        tuple(f"{s.plate}: {s.title}" for s in steps),
    )


def _uses(run: CompiledRun, end_s: float) -> list[Use]:
    busy: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for step in run.steps:
        for resource in step.resources:
            if resource in run.lab.instruments and step.kind != "wait":
                busy[resource].append((step.planned_start_s, step.planned_end_s))
    uses = []
    for name, spans in busy.items():
        worked = sum(b - a for a, b in spans)
        uses.append(Use(name, worked, worked / end_s if end_s else 0.0))
    return sorted(uses, key=lambda u: -u.busy_s)


def _slacks(run: CompiledRun) -> list[WindowSlack]:
    steps = {step.id: step for step in run.steps}
    slacks = [_slack(window, steps) for window in run.windows]
    return sorted(slacks, key=lambda s: (not s.hard, s.slack_s))


def _slack(window: Window, steps: dict[str, Step]) -> WindowSlack:
    def at(anchor: Anchor) -> float:
        return edge_s(steps[anchor.step], anchor.edge) + anchor.offset_s

    elapsed_s = at(window.end) - at(window.start)
    slack_s = float("inf") if window.at_most_s is None else window.at_most_s - elapsed_s
    return WindowSlack(
        window.name, window.plate, elapsed_s, window.at_least_s, window.at_most_s, slack_s,
        window.hard,
    )  # fmt: skip
