"""Why a night cannot be planned, in the operator's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from platectl.domain.errors import NoPlanError
from platectl.domain.local_time import shown_later
from platectl.domain.night import HORIZON
from platectl.domain.units import format_duration
from platectl.planning.conflict import Conflict, find_conflict
from platectl.planning.contradiction import contradictory, only
from platectl.planning.nearby import HORIZON_S, Nearby, plannable, planned
from platectl.planning.network import EPSILON_S, Cause, network_of
from platectl.planning.problem import Interval, Lag, Moment, Problem, without
from platectl.planning.solve import has_solver, solve

#: more runs of plates than these are not listed by name
LISTED = 6
#: between clean labware and activity; no window asks for so little
ZONE_S = 1e-3
#: times up to this are said in seconds
SECONDS_S = 120.0


@dataclass(frozen=True, slots=True)
class Words:
    """How the lab calls things: titles of steps and resources, when the run starts.

    `ends_s` is the end of the night for all plates, in seconds from the start.
    """

    step: Callable[[str], str] = str
    resource: Callable[[str], str] = str
    starts: datetime | None = None
    ends_s: float | None = None

    def at(self, time_s: float) -> str:
        """A time for people: weekday and clock, or hours since the start."""
        if self.starts is None:
            minutes = round(time_s / 60)
            return f"+{minutes // 60}:{minutes % 60:02d}"
        return shown_later(self.starts, time_s)

    def span(self, begin_s: float, end_s: float) -> str:
        """Two times of a span; one that begins and ends within a minute is said to the second."""
        if self.starts is None or self.at(begin_s) != self.at(end_s):
            return f"between {self.at(begin_s)} and {self.at(end_s)}"
        return f"at {self.at(begin_s)} for {_long(end_s - begin_s)}"

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
        minimal: Whether it is proved that each cause is necessary for its conflict.
        conflicts: The causes as `find_conflict` names them: what is impossible independently of the rest.
    """

    causes: tuple[str, ...]
    suggestions: tuple[str, ...] = ()
    minimal: bool = False
    conflicts: tuple[tuple[Cause, ...], ...] = ()


def explain(
    problem: Problem, *, words: Words | None = None, limit_s: float = 10.0
) -> Refusal | None:
    """Say why a problem has no plan; None if no contradiction is found within the limit.

    Without OR-Tools only contradictions that arithmetic shows are found.
    """
    words = words or Words()
    problem = _within_horizon(_with_zones_as_windows(problem))
    alone = _impossible(problem)
    conflicts = _conflicts(problem, alone, limit_s)
    if not conflicts:
        if has_solver() or planned(problem) is not None:
            return None
        return Refusal(("no plan was found; the reason needs OR-Tools",), _nearby(problem, (), (), words))  # fmt: skip
    causes = tuple(dict.fromkeys(cause for found in conflicts for cause in found.causes))
    ends = {p.name for p in problem.plates if p.not_after_s != HORIZON_S}
    demands = tuple(c for c in causes if c[0] != "not_after" or c[1] in ends)
    sentences = tuple(dict.fromkeys(_Told(problem, words, demands).sentences(conflicts)))
    beyond = len(demands) < len(causes) and "absence" not in {kind for kind, _ in demands}
    if beyond:
        sentences += (f"it is not over within {HORIZON.days} days, the longest that a night may last",)  # fmt: skip
    minimal = all(found.minimal for found in conflicts)
    told = tuple(tuple(c for c in found.causes if c in demands) for found in conflicts)
    return Refusal(sentences, _nearby(problem, demands, alone, words), minimal, told)


def _nearby(
    problem: Problem, causes: Sequence[Cause], alone: Sequence[str], words: Words
) -> tuple[str, ...]:
    nearby = Nearby(
        problem, causes, words.at, words.ends_s, lambda p: names(problem, p), alone, _long
    )
    return tuple(nearby.offers())


def _within_horizon(problem: Problem) -> Problem:
    """Every plate is over while calendars say who is there."""
    ends = [HORIZON_S if p.not_after_s is None else p.not_after_s for p in problem.plates]
    return replace(
        problem,
        plates=tuple(
            replace(plate, not_after_s=min(end_s, HORIZON_S))
            for plate, end_s in zip(problem.plates, ends, strict=True)
        ),
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


def _impossible(problem: Problem) -> list[str]:
    """Plates that cannot be planned even without the others."""
    return [p.name for p in problem.plates if contradictory(_just(problem, p.name))]


def _just(problem: Problem, name: str) -> Problem:
    return without(problem, {plate.name for plate in problem.plates} - {name})


def _conflicts(problem: Problem, alone: Sequence[str], limit_s: float) -> list[Conflict]:
    """Why plates are impossible by themselves, and why the others cannot be planned together."""
    found = [_conflict(problem, _just(problem, name), limit_s) for name in alone]
    rest = without(problem, alone)
    if not alone:
        found.append(_conflict(problem, problem, limit_s) or _of_the_first(problem, limit_s))
    elif contradictory(rest):
        found.append(_conflict(problem, rest, limit_s))
    return [conflict for conflict in found if conflict is not None]


def _of_the_first(problem: Problem, limit_s: float) -> Conflict | None:
    """The conflict of the first plates that cannot all be planned."""
    count = plannable(problem) + 1
    if count >= len(problem.plates):
        return None
    fewer = without(problem, {plate.name for plate in problem.plates[count:]})
    return _conflict(problem, fewer, limit_s)


def _conflict(problem: Problem, part: Problem, limit_s: float) -> Conflict | None:
    """The conflict of a part of the plates, with its windows numbered as in all of the problem."""
    found = find_conflict(part, limit_s=limit_s / 2)
    if found is None or part is problem:
        return found
    numbers = {lag: str(number) for number, lag in enumerate(problem.lags)}
    causes = [
        (kind, numbers[part.lags[int(name)]] if kind == "window" else name)
        for kind, name in found.causes
    ]
    return Conflict(tuple(causes), found.minimal)


@dataclass(slots=True)
class _Told:
    """The causes of a problem as sentences."""

    problem: Problem
    words: Words
    demands: Sequence[Cause]

    def sentences(self, conflicts: Sequence[Conflict]) -> Iterator[str]:
        problem, words = self.problem, self.words
        named = {kind: [n for k, n in self.demands if k == kind] for kind, _ in self.demands}
        yield from self._windows([problem.lags[int(n)] for n in named.get("window", ())])
        terms = {plate.name: plate for plate in problem.plates}
        begins = [(terms[name].not_before_s, name) for name in named.get("not_before", ())]
        for begin_s, plates in _grouped(begins):
            yield f"{names(problem, plates)} may not begin before {words.at(begin_s)} (`not_before`)"  # fmt: skip
        for name in named.get("absence", ()):
            yield f"{words.resource(name)} {_away(problem.absences[name], words)}; {self._work(name)}"  # fmt: skip
        for found in conflicts:
            for kind, name in found.causes:
                if kind == "resource":
                    yield self._resource(name, found)
        dues = [(terms[name].not_after_s or 0.0, name) for name in named.get("not_after", ())]
        for end_s, plates in _grouped(dues):
            field_ = "ends" if end_s == words.ends_s else "not_after"
            yield f"{names(problem, plates)} must be over by {words.at(end_s)} (`{field_}`)"
        if not any(found.causes for found in conflicts):
            yield "the steps that have begun, and the times that steps take, contradict one another"

    def _windows(self, lags: Sequence[Lag]) -> Iterator[str]:
        """Each window once, with all plates that have it."""
        plate_of = {task.id: task.plate for task in self.problem.tasks}
        alike: dict[object, list[Lag]] = {}
        for lag in lags:
            one = plate_of[lag.before.task] == plate_of[lag.after.task]
            bounds = lag.window, lag.at_least_s, lag.at_most_s, lag.before.share, lag.after.share
            alike.setdefault(bounds if one else lag, []).append(lag)
        for first, *others in alike.values():
            also = names(self.problem, [plate_of[lag.after.task] for lag in others])
            yield _window(first, plate_of, self.words) + (f"; likewise {also}" if also else "")

    def _work(self, person: str) -> str:
        """What somebody is needed for, at its longest."""
        stays = [stay for stay in self.problem.occupations if stay.resource == person]
        tasks = {task.id: task for task in self.problem.tasks}
        own = [tasks[s.first] for s in stays] + [t for t in tasks.values() if person in t.uses]
        longest = max(own, key=lambda task: task.duration_s)
        return f"{self.words.step(longest.id)} alone takes {_long(longest.duration_s)}"

    def _resource(self, name: str, found: Conflict) -> str:
        problem, words = self.problem, self.words
        units = problem.capacities.get(name, 1)
        many = "one plate" if units == 1 else f"{units} plates"
        head = f"{words.resource(name)} takes {many} at a time"
        rest = [cause for cause in found.causes if cause != ("resource", name)]
        clash = self._clash(name, units, rest)
        if clash is not None:
            return f"{head}: {clash}"
        users = {o.plate for o in problem.occupations if o.resource == name}
        users |= {t.plate for t in problem.tasks if name in t.uses}
        return f"{head}, and {names(problem, sorted(users))} need it"

    def _clash(self, name: str, units: int, rest: Sequence[Cause]) -> str | None:
        """Who needs a resource while others have it, if all else that contradicts it is kept."""
        apart = only(self.problem, rest)
        try:
            times = solve(apart, limit_s=1.0, effort=0).times
        except NoPlanError:
            return None
        net = network_of(self.problem)
        stays = sorted(
            (times[s.tasks[0]][0], times[s.tasks[1]][1], s.plate)
            for s in net.stays
            if s.resource == name and times[s.tasks[1]][1] > times[s.tasks[0]][0] + EPSILON_S
        )
        for number, (begin_s, *_) in enumerate(stays):
            here = [s for s in stays[:number] if s[1] > begin_s + EPSILON_S]
            if len(here) < units:
                continue
            free_s = min(s[1] for s in here)
            late = [s for s in stays[number:] if s[0] < free_s - EPSILON_S]
            until_s = min(free_s, max(end for _, end, _ in late))
            total_s = sum(end - begin for begin, end, _ in stays)
            users = {plate for *_, plate in stays}
            need = "needs" if len({s[2] for s in late}) == 1 else "need"
            return (
                f"{names(self.problem, [s[2] for s in late])} {need} it {self.words.span(begin_s, until_s)}, "
                f"it is taken by {names(self.problem, [s[2] for s in here])} "
                f"({len(users)} plates need it for {format_duration(total_s)} in all)"
            )
        return None


def _grouped(pairs: Iterable[tuple[float, str]]) -> Iterator[tuple[float, list[str]]]:
    found: dict[float, list[str]] = {}
    for key, name in pairs:
        found.setdefault(key, []).append(name)
    yield from found.items()


def _away(spans: Sequence[Interval], words: Words) -> str:
    """When somebody is not there; a calendar says nothing of what is beyond the horizon."""
    if spans[0][0] <= 0 and spans[0][1] >= HORIZON_S:
        return "is never there"
    told = [
        f"from {words.at(a)} on" if b >= HORIZON_S else f"{words.at(a)} to {words.at(b)}"
        for a, b in spans[:3]
    ]
    return f"is away: {', '.join(told)}{', and so on' if len(spans) > len(told) else ''}"


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


def names(problem: Problem, plates: Iterable[str]) -> str:
    """Plates in the order of the night; those that follow one another are named by the ends."""
    wanted = set(plates)
    runs: list[list[str]] = [[]]
    for plate in problem.plates:
        if plate.name in wanted:
            runs[-1].append(plate.name)
        elif runs[-1]:
            runs.append([])
    parts = [
        part
        for run in runs
        for part in ([f"{run[0]} to {run[-1]}"] if len(run) > LISTED // 2 else run)
    ]
    if len(parts) <= LISTED:
        return ", ".join(parts)
    found = [plate for run in runs for plate in run]
    return f"{len(found)} plates ({found[0]} to {found[-1]})"


def _long(seconds: float | None) -> str:
    seconds = seconds or 0.0
    return f"{seconds:.4g} s" if seconds < SECONDS_S else f"{seconds / 60:.4g} min"
