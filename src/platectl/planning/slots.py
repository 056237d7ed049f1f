"""How many places of a hotel or incubator a plan takes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platectl.domain.run import CompiledRun
from platectl.domain.steps import Hold, Step

#: uses of positions in which labware waits
WAITING = ("hotel", "incubator", "dryer", "lid_park")


@dataclass(frozen=True, slots=True)
class SlotDemand:
    """Places of one use: the most that are taken at once, when that is, and how many there are."""

    use: str
    peak: int
    at_s: float
    there: int
    positions: tuple[str, ...]


def slot_demands(run: CompiledRun) -> tuple[SlotDemand, ...]:
    """Peaks of all uses that the plan has; what is left standing counts until it is taken away."""
    stays = _stays(run)
    demands = []
    for use in WAITING:
        places = [name for name, entry in run.lab.positions.items() if entry.use == use]
        mine = [stay for stay in stays if stay[0] in places]
        if not mine:
            continue
        peak, at_s = _peak(mine)
        taken = tuple(name for name in places if any(name == stay[0] for stay in mine))
        demands.append(SlotDemand(use, peak, at_s, len(places), taken))
    return tuple(demands)


def _stays(run: CompiledRun) -> list[tuple[str, float, float]]:
    steps = {step.id: step for step in run.steps}
    loads = sorted((s for s in run.steps if s.kind == "load"), key=lambda s: s.planned_start_s)
    return [
        (hold.resource, steps[hold.first].planned_start_s, _until(hold, steps[hold.last], loads, run))
        for hold in run.holds
    ]  # fmt: skip


def _until(hold: Hold, last: Step, loads: Sequence[Step], run: CompiledRun) -> float:
    """What is kept stays until whoever loads the next plate takes it away."""
    if not hold.kept:
        return last.planned_end_s
    later = (s.planned_start_s for s in loads if s.planned_start_s >= last.planned_end_s)
    return next(later, run.planned_end_s)


def _peak(stays: Sequence[tuple[str, float, float]]) -> tuple[int, float]:
    """Most places taken at once, and since when; a place that is handed on at a moment is one."""
    best, best_s = 0, 0.0
    for _, begin, _ in stays:
        taken = {name for name, first, end in stays if first <= begin < max(end, first + 1e-9)}
        if len(taken) > best:
            best, best_s = len(taken), begin
    return best, best_s
