"""A planning problem: tasks of plates, what they use, and how far apart they may be.

It knows no instruments and no assays, so that a night, half a night that is re-planned, and the
public instances of the literature (RCPSP/max, job shops with time lags) are the same thing.
Times are seconds since the start of the run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Task:
    """Something that takes time on resources.

    `uses` gives units of each resource, from start to end. An `elastic` task takes at least
    `duration_s` and ends when what follows can begin: a plate that waits.
    """

    id: str
    plate: str
    duration_s: float
    uses: Mapping[str, int] = field(default_factory=dict)
    elastic: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of a task: `share` 0 is its start, 1 its end; plus an offset."""

    task: str
    share: float = 0.0
    offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lag:
    """`at_least_s <= after - before <= at_most_s`.

    `window` names it in the operator's words; it is empty where one task simply follows another.
    A soft lag may be broken at a price of `weight` for each second.
    """

    before: Moment
    after: Moment
    at_least_s: float | None = 0.0
    at_most_s: float | None = None
    window: str = ""
    hard: bool = True
    weight: float = 1.0
    ideal_s: float | None = None


@dataclass(frozen=True, slots=True)
class Occupation:
    """A resource taken from the start of one task to the end of another of the same plate."""

    resource: str
    plate: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Handling:
    """The first task of a plate in which a resource meets activity, or the last one with clean labware.

    A resource that met activity handles no clean labware afterwards.
    """

    resource: str
    plate: str
    task: str
    radioactive: bool


@dataclass(frozen=True, slots=True)
class Plate:
    """Terms of a plate: lower `priority` numbers go first; its tasks lie between the two times."""

    name: str
    priority: int = 1
    not_before_s: float = 0.0
    not_after_s: float | None = None
    family: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """Equal things: every member names its resources in the same order.

    A plate that uses resources of one member may use those of another instead, all of them.
    """

    name: str
    members: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that a plan must keep.

    Attributes:
        capacities: Units of each resource; 1 where nothing is said.
        absences: When a resource is not there (a person who sleeps). No task that uses it may
            overlap them.
        fixed: Tasks that have begun, with start and, if it is over, end; a running task has a
            lower bound for its end instead, in `running`.
        now_s: Nothing that has not begun may begin earlier.
        zones: What must not carry activity from plate to plate: clean handlings come first.
        people: Resources that are persons, who come rarely and briefly where that costs nothing.
        pools: What the plan may choose for each plate; occupations name a choice to begin with.
    """

    tasks: tuple[Task, ...]
    lags: tuple[Lag, ...]
    occupations: tuple[Occupation, ...] = ()
    plates: tuple[Plate, ...] = ()
    capacities: Mapping[str, int] = field(default_factory=dict)
    absences: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    fixed: Mapping[str, Interval] = field(default_factory=dict)
    running: Mapping[str, Interval] = field(default_factory=dict)
    now_s: float = 0.0
    zones: tuple[Handling, ...] = ()
    people: tuple[str, ...] = ()
    pools: tuple[Pool, ...] = ()


def without(problem: Problem, dropped: Collection[str]) -> Problem:
    """The problem of the other plates."""
    kept = {task.id for task in problem.tasks if task.plate not in dropped}
    return replace(
        problem,
        tasks=tuple(task for task in problem.tasks if task.id in kept),
        lags=tuple(g for g in problem.lags if g.before.task in kept and g.after.task in kept),
        occupations=tuple(o for o in problem.occupations if o.plate not in dropped),
        plates=tuple(plate for plate in problem.plates if plate.name not in dropped),
        fixed={k: v for k, v in problem.fixed.items() if k in kept},
        running={k: v for k, v in problem.running.items() if k in kept},
        zones=tuple(zone for zone in problem.zones if zone.plate not in dropped),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """Start and end of every task, and what is proved about it.

    `bound_s` is a proved lower bound of the makespan; `gap` how far the plan may be from it.
    `broken` names soft lags that are not kept, with plate. `seats` says for some plates which
    resources they use in place of those that the problem names.
    """

    times: Mapping[str, Interval]
    makespan_s: float
    bound_s: float
    method: str
    wall_s: float
    broken: tuple[str, ...] = ()
    seats: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """Share of the makespan that is not proved necessary."""
        return max(0.0, 1.0 - self.bound_s / self.makespan_s) if self.makespan_s else 0.0
