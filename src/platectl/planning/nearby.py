"""Nights that can be planned and differ little from one that cannot: only what is in the way gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from platectl.domain.errors import NoPlanError
from platectl.domain.night import HORIZON
from platectl.planning.network import Cause
from platectl.planning.problem import Plan, Plate, Problem, without
from platectl.planning.replan import softened
from platectl.planning.solve import solve
from platectl.planning.verify import broken_windows

HORIZON_S = HORIZON.total_seconds()
#: later starts that are tried, in hours
LATER_H = (1, 2, 3, 4, 6, 8, 10, 12)
#: the solver is asked about so many plates, and plans of more are only constructed
FEW = 8
#: later ends of more plates than these are said together
SINGLY = 3


def planned(problem: Problem, *, solver: bool | None = None) -> Plan | None:
    """A plan that is found soon and ends within the horizon, or None; without the solver sooner."""
    free = [
        replace(p, not_after_s=None) if p.not_after_s == HORIZON_S else p for p in problem.plates
    ]
    try:
        plan = solve(
            replace(problem, plates=tuple(free)), limit_s=1.0, effort=20_000, solver=solver
        )
    except NoPlanError:
        return None
    return plan if plan.makespan_s <= HORIZON_S else None


def plannable(problem: Problem) -> int:
    """How many of the first plates can be planned together, but not all."""
    low, high = 0, len(problem.plates)
    while high - low > 1:
        middle = (low + high) // 2
        rest = {plate.name for plate in problem.plates[middle:]}
        if planned(without(problem, rest)) is not None:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class Nearby:
    """What could be offered instead of a problem that has no plan.

    Attributes:
        problem: It, with an end for every plate.
        causes: What contradicts itself in it; nothing else is relaxed.
        at: Times for people.
        ends_s: The end of the night for all plates.
        names: Plates for people.
        alone: Plates that are impossible even without the others.
        long: Durations for people.
    """

    problem: Problem
    causes: Sequence[Cause]
    at: Callable[[float], str]
    ends_s: float | None
    names: Callable[[Collection[str]], str]
    alone: Collection[str]
    long: Callable[[float], str]

    def offers(self) -> Iterator[str]:
        """One sentence for each night that was found: later end, longer window, start, fewer plates."""
        yield from self._later_end()
        yield from self._longer_windows()
        yield from self._moved()
        yield from self._fewer_plates()

    def _named(self, kind: str) -> list[str]:
        return [name for k, name in self.causes if k == kind]

    def _later_end(self) -> Iterator[str]:
        """The night's end, or the ends of the plates that are in the way; both only if one is too little."""
        named = [p for p in self.problem.plates if p.name in self._named("not_after")]
        own = {p.name for p in named if p.not_after_s != self.ends_s}
        shared = {p.name for p in self.problem.plates if p.not_after_s == self.ends_s}
        shared = shared if len(own) < len(named) else set()
        for some in (shared, own, shared | own if shared and own else set()):
            if some and (offer := self._until(some, own)):
                yield offer
                return

    def _until(self, some: Collection[str], own: Collection[str]) -> str:
        over = self._over(dict.fromkeys(some, HORIZON_S))
        if over is None:
            return ""
        if len(some) <= SINGLY:
            over = self._over({name: self._alone_s(name) for name in some}) or over
        late = [p for p in self.problem.plates if over[p.name] > (p.not_after_s or 0.0)]
        last = [plate for plate in late if plate.name in some]
        told = []
        if whole := [over[p.name] for p in last if p.name not in own]:
            told.append(f"the night may last until {self.at(_minute(max(whole)))} (`ends`)")
        mine = [p.name for p in last if p.name in own]
        for group in [[name] for name in mine] if len(mine) <= SINGLY else [mine]:
            until = self.at(_minute(max(over[name] for name in group)))
            told.append(f"{self.names(group)} may last until {until} (`not_after`)")
        return f"it can be done if {' and '.join(told)}" if told else ""

    def _over(self, ends_s: Mapping[str, float]) -> dict[str, float] | None:
        """When each plate is over in a plan with other ends for some; None if there is no such plan."""
        plates = [
            replace(p, not_after_s=max(p.not_after_s or 0.0, ends_s[p.name]))
            if p.name in ends_s
            else p
            for p in self.problem.plates
        ]
        plan = planned(replace(self.problem, plates=tuple(plates)))
        if plan is None:
            return None
        over = dict.fromkeys((plate.name for plate in plates), 0.0)
        for task in self.problem.tasks:
            over[task.plate] = max(over.get(task.plate, 0.0), plan.times[task.id][1])
        return over

    def _alone_s(self, name: str) -> float:
        """When a plate would be over if there were no others, rounded up to the minute."""
        others = {plate.name for plate in self.problem.plates} - {name}
        plan = planned(without(self._endless(), others))
        return HORIZON_S if plan is None else _minute(plan.makespan_s)

    def _endless(self) -> Problem:
        plates = (replace(plate, not_after_s=HORIZON_S) for plate in self.problem.plates)
        return replace(self.problem, plates=tuple(plates))

    def _longer_windows(self) -> Iterator[str]:
        problem = self.problem
        plate_of = {task.id: task.plate for task in problem.tasks}
        lags = [problem.lags[int(number)] for number in self._named("window")]
        named = {(plate_of[lag.after.task], lag.window) for lag in lags}
        for window in sorted({window for _, window in named}):
            every = {(plate.name, window) for plate in problem.plates} | named
            plan = planned(softened(problem, only={key for key in every if key[1] == window}))
            if plan is None:
                continue
            over = max((s for _, w, s, _ in broken_windows(problem, plan.times) if w == window), default=0.0)  # fmt: skip
            if over > 0:
                yield f"it can be done if window {window!r} is {self.long(over)} longer"

    def _moved(self) -> Iterator[str]:
        """The whole night later, with all times of its plates; people come and go as they do."""
        problem = self.problem
        if not self._named("absence") or problem.fixed or problem.running:
            return
        for hours in LATER_H:
            by_s = hours * 3600.0
            away = {
                name: tuple(
                    (max(a - by_s, 0.0), b if b >= HORIZON_S else b - by_s)
                    for a, b in spans
                    if b > by_s
                )
                for name, spans in problem.absences.items()
            }
            if planned(replace(problem, absences=away)) is not None:
                yield f"it can be done if the night starts at {self.at(by_s)} and its times move along"  # fmt: skip
                return

    def _fewer_plates(self) -> Iterator[str]:
        fewer = Fewer(without(self.problem, self.alone))
        every = [plate.name for plate in self.problem.plates]
        if len(self.alone) == len(every):
            return
        found = fewer.dropped(self._concerned())
        if found is not None and (dropped := [*self.alone, *found]):
            left = len(every) - len(dropped)
            yield f"it can be done without {self.names(dropped)}, with {left} of {len(every)} plates"  # fmt: skip

    def _concerned(self) -> tuple[Plate, ...]:
        """Plates of the causes; who shares a resource is concerned, unless something of it is named."""
        problem = self.problem
        plate_of = {task.id: task.plate for task in problem.tasks}
        found = {*self._named("not_after"), *self._named("not_before")}
        for number in self._named("window"):
            lag = problem.lags[int(number)]
            found |= {plate_of[lag.before.task], plate_of[lag.after.task]}
        shared = {*self._named("resource"), *self._named("absence")}
        if self._named("resource") or not found:
            found |= {o.plate for o in problem.occupations if o.resource in shared}
            found |= {t.plate for t in problem.tasks if not shared.isdisjoint(t.uses)}
        return tuple(p for p in problem.plates if p.name in found and p.name not in self.alone)


@dataclass(frozen=True, slots=True)
class Fewer:
    """Finds the fewest plates whose absence makes a problem possible."""

    problem: Problem

    def dropped(self, concerned: Sequence[Plate]) -> list[str] | None:
        """Plates to do without, least important ones first; None if nothing would be left.

        They are taken from those concerned, as long as that suffices.
        """
        if self._fits(()):
            return []
        work_s = dict.fromkeys((plate.name for plate in self.problem.plates), 0.0)
        for task in self.problem.tasks:
            work_s[task.plate] += task.duration_s
        for part in (concerned, self.problem.plates):
            unimportant = sorted(part, key=lambda p: p.priority)[::-1]
            laborious = sorted(unimportant, key=lambda p: -work_s[p.name])
            found = [f for order in (unimportant, laborious) if (f := self._first_of(order))]
            found += [[kind[0].name] for kind in self._kinds(unimportant) if self._fits([kind[0].name])]  # fmt: skip
            if found:
                return min(found, key=len)
        return None

    def _first_of(self, order: Sequence[Plate]) -> list[str]:
        """As few as possible of the first in an order; none if all of them are too few."""
        most = min(len(order), len(self.problem.plates) - 1)
        if not most or not self._fits([plate.name for plate in order[:most]]):
            return []
        count = _least(most, lambda n: self._fits([plate.name for plate in order[:n]]))
        gone = list(order[:count])
        for kind in reversed(self._kinds(gone)):  # the most important ones come back first
            others = [plate for plate in gone if plate not in kind]
            gone = [*kind[: self._needed(kind, others)], *others]
        return [plate.name for plate in gone]

    def _needed(self, kind: Sequence[Plate], others: Sequence[Plate]) -> int:
        """How many of a kind must stay away beside others."""
        names = [plate.name for plate in others]
        if names and self._fits(names):
            return 0
        return _least(len(kind), lambda n: self._fits([*names, *(p.name for p in kind[:n])]))

    def _kinds(self, plates: Sequence[Plate]) -> list[list[Plate]]:
        """Plates that are alike but for their names, in the order in which they come first."""
        tasks: dict[str, list[float]] = {plate.name: [] for plate in self.problem.plates}
        for task in self.problem.tasks:
            tasks[task.plate].append(task.duration_s)
        kinds: dict[object, list[Plate]] = {}
        for plate in plates:
            kinds.setdefault((replace(plate, name=""), *tasks[plate.name]), []).append(plate)
        return list(kinds.values())

    def _fits(self, dropped: Sequence[str]) -> bool:
        few = len(self.problem.plates) - len(dropped) <= FEW
        rest = without(self.problem, set(dropped))
        return (planned(rest) if few else planned(rest, solver=False)) is not None


def _least(most: int, holds: Callable[[int], bool]) -> int:
    """The least count from 1 on for which something holds that holds for the most."""
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _minute(seconds: float) -> float:
    return 60.0 * math.ceil(seconds / 60.0 - 1e-6)
