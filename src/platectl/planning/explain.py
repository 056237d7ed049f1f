"""Why a night cannot be planned, in the operator's words, and which nights nearby could be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from platectl.domain.errors import NoPlanError
from platectl.domain.local_time import shown_later
from platectl.planning.conflict import Conflict, find_conflict
from platectl.planning.network import Cause
from platectl.planning.problem import Lag, Moment, Plan, Problem
from platectl.planning.replan import softened
from platectl.planning.solve import has_solver, solve
from platectl.planning.verify import broken_windows

#: later starts that are tried, in hours
LATER_H = (1, 2, 3, 4, 6, 8, 10, 12)
#: more plates than these are not listed by name
LISTED = 6
#: between clean labware and activity; no window asks for so little
ZONE_S = 1e-3
#: times up to this are said in seconds
SECONDS_S = 120.0


@dataclass(frozen=True, slots=True)
class Words:
    """How the lab calls things: titles of steps and resources, and when the run starts."""

    step: Callable[[str], str] = str
    resource: Callable[[str], str] = str
    starts: datetime | None = None

    def at(self, time_s: float) -> str:
        """A time for people: weekday and clock, or hours since the start."""
        if self.starts is None:
            minutes = round(time_s / 60)
            return f"+{minutes // 60}:{minutes % 60:02d}"
        return shown_later(self.starts, time_s)

    def moment(self, moment: Moment) -> str:
        """A moment of a step."""
        edge = {0.0: "start", 1.0: "end"}.get(moment.share, "middle")
        return f"the {edge} of {self.step(moment.task)}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no plan.

    Attributes:
        causes: What cannot be kept together, one sentence each.
        suggestions: Nights nearby that can be planned.
        minimal: Whether it is proved that each cause is necessary.
        demands: The causes as `find_conflict` names them.
    """

    causes: tuple[str, ...]
    suggestions: tuple[str, ...] = ()
    minimal: bool = False
    demands: tuple[Cause, ...] = field(default=())


def explain(
    problem: Problem, *, words: Words | None = None, limit_s: float = 10.0
) -> Refusal | None:
    """Say why a problem has no plan; None if no contradiction is found within the limit.

    Without OR-Tools only contradictions that arithmetic shows are found.
    """
    words = words or Words()
    problem = _with_zones_as_windows(problem)
    conflict = _conflict(problem, limit_s)
    if conflict is None:
        if has_solver() or _plan(problem) is not None:
            return None
        return Refusal(
            ("no plan was found; the reason needs OR-Tools",), suggestions(problem, words)
        )
    sentences = tuple(dict.fromkeys(_sentences(problem, conflict.causes, words)))
    return Refusal(
        sentences, suggestions(problem, words, conflict.causes), conflict.minimal, conflict.causes
    )


def _with_zones_as_windows(problem: Problem) -> Problem:
    """Zones as demands like any other between two moments."""
    lags = [
        Lag(Moment(clean.task, 1.0), Moment(hot.task), ZONE_S, window=clean.resource)
        for clean in problem.zones
        for hot in problem.zones
        if hot.radioactive and not clean.radioactive and hot.resource == clean.resource
        and hot.plate != clean.plate
    ]  # fmt: skip
    return replace(problem, lags=(*problem.lags, *lags), zones=())


def _conflict(problem: Problem, limit_s: float) -> Conflict | None:
    """The conflict of as few plates as have one: the first that cannot all be planned."""
    conflict = find_conflict(problem, limit_s=limit_s / 2)
    if conflict is not None:
        return conflict
    count = _plannable(problem) + 1
    if count >= len(problem.plates):
        return None
    fewer = _first_plates(problem, count)
    found = find_conflict(fewer, limit_s=limit_s / 2)
    return found and Conflict(
        tuple(
            (kind, str(problem.lags.index(fewer.lags[int(name)])))
            if kind == "window"
            else (kind, name)
            for kind, name in found.causes
        ),
        found.minimal,
    )


def _sentences(problem: Problem, causes: Sequence[Cause], words: Words) -> Iterable[str]:
    plate_of = {task.id: task.plate for task in problem.tasks}
    terms = {plate.name: plate for plate in problem.plates}
    ends: dict[float, list[str]] = {}
    for kind, name in causes:
        if kind == "window":
            yield _window(problem.lags[int(name)], plate_of, words)
        elif kind == "not_after":
            ends.setdefault(terms[name].not_after_s or 0.0, []).append(name)
        elif kind == "not_before":
            yield f"{name} may not begin before {words.at(terms[name].not_before_s)}"
        elif kind == "absence":
            spans = ", ".join(f"{words.at(a)} to {words.at(b)}" for a, b in problem.absences[name][:3])  # fmt: skip
            yield f"{words.resource(name)} is away: {spans}"
        else:
            yield _resource(problem, name, words)
    for end_s, plates in ends.items():
        yield f"{_names(plates)} must be over by {words.at(end_s)}"
    if not causes:
        yield "the steps that have begun, and the times that steps take, contradict one another"


def _window(lag: Lag, plate_of: dict[str, str], words: Words) -> str:
    if lag.at_least_s == ZONE_S:
        clean, hot = plate_of[lag.before.task], plate_of[lag.after.task]
        return (
            f"{words.resource(lag.window)} takes activity along and must be done with {clean}, which is "
            f"clean, before it handles {hot}: {words.moment(lag.before)} before {words.moment(lag.after)}"
        )
    span = f"between {words.moment(lag.before)} and {words.moment(lag.after)}"
    bounds = [f"at least {_long(lag.at_least_s)}"] if lag.at_least_s else []
    bounds += [f"at most {_long(lag.at_most_s)}"] if lag.at_most_s is not None else []
    return f"{plate_of[lag.after.task]}: window {lag.window!r} allows {' and '.join(bounds) or 'no time less than none'} {span}"


def _resource(problem: Problem, name: str, words: Words) -> str:
    units = problem.capacities.get(name, 1)
    users = {o.plate for o in problem.occupations if o.resource == name}
    users |= {t.plate for t in problem.tasks if name in t.uses}
    plates = [plate.name for plate in problem.plates if plate.name in users] or sorted(users)
    many = "one plate" if units == 1 else f"{units} plates"
    return f"{words.resource(name)} takes {many} at a time, and {_names(plates)} need it"


def _names(plates: Sequence[str]) -> str:
    return ", ".join(plates) if len(plates) <= LISTED else f"{len(plates)} plates ({plates[0]} to {plates[-1]})"  # fmt: skip


def _long(seconds: float | None) -> str:
    seconds = seconds or 0.0
    return f"{seconds:g} s" if seconds < SECONDS_S else f"{seconds / 60:.4g} min"


def suggestions(problem: Problem, words: Words, causes: Sequence[Cause] = ()) -> tuple[str, ...]:
    """Nights that can be planned and differ little: later end, longer window, start, fewer plates."""
    found = [
        *_later_end(problem, words),
        *_longer_windows(problem, causes),
        *_later_start(problem, words),
        *_fewer_plates(problem),
    ]
    return tuple(found)


def _plan(problem: Problem, limit_s: float = 1.0) -> Plan | None:
    try:
        return solve(problem, limit_s=limit_s, effort=20_000)
    except NoPlanError:
        return None


def _later_end(problem: Problem, words: Words) -> Iterable[str]:
    if all(plate.not_after_s is None for plate in problem.plates):
        return
    plan = _plan(replace(problem, plates=tuple(replace(p, not_after_s=None) for p in problem.plates)))  # fmt: skip
    if plan is not None:
        yield f"it can be done if the night may last until {words.at(60.0 * math.ceil(plan.makespan_s / 60.0))}"


def _longer_windows(problem: Problem, causes: Sequence[Cause]) -> Iterable[str]:
    plate_of = {task.id: task.plate for task in problem.tasks}
    named = {
        (plate_of[problem.lags[int(n)].after.task], problem.lags[int(n)].window)
        for kind, n in causes
        if kind == "window"
    }
    for window in sorted({window for _, window in named}):
        every = {(plate.name, window) for plate in problem.plates} | named
        plan = _plan(softened(problem, only={key for key in every if key[1] == window}))
        if plan is None:
            continue
        over = max((s for _, w, s, _ in broken_windows(problem, plan.times) if w == window), default=0.0)  # fmt: skip
        if over > 0:
            yield f"it can be done if window {window!r} is {_long(over)} longer"


def _later_start(problem: Problem, words: Words) -> Iterable[str]:
    if not problem.absences or problem.fixed or problem.running:
        return
    for hours in LATER_H:
        later = replace(problem, now_s=problem.now_s + hours * 3600.0)
        if _plan(later) is not None:
            yield f"it can be done if it starts at {words.at(later.now_s)}"
            return


def _fewer_plates(problem: Problem) -> Iterable[str]:
    count = _plannable(problem)
    if count:
        yield f"it can be done with the first {count} of {len(problem.plates)} plates"


def _plannable(problem: Problem) -> int:
    """How many of the first plates can be planned together, but not all."""
    low, high = 0, len(problem.plates)
    while high - low > 1:
        middle = (low + high) // 2
        if _plan(_first_plates(problem, middle)) is not None:
            low = middle
        else:
            high = middle
    return low


def _first_plates(problem: Problem, count: int) -> Problem:
    names = {plate.name for plate in problem.plates[:count]}
    tasks = tuple(task for task in problem.tasks if task.plate in names)
    ids = {task.id for task in tasks}
    return replace(
        problem,
        tasks=tasks,
        lags=tuple(g for g in problem.lags if g.before.task in ids and g.after.task in ids),
        occupations=tuple(o for o in problem.occupations if o.plate in names),
        plates=problem.plates[:count],
        fixed={k: v for k, v in problem.fixed.items() if k in ids},
        running={k: v for k, v in problem.running.items() if k in ids},
    )
