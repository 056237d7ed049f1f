"""Who waits while a bad plate is asked about: what spends something, and what comes behind that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step
from platectl.engine.slack import Slack
from platectl.engine.stand_ins import seated
from platectl.engine.state import RunState
from platectl.steps import consumes


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person's word.

    Attributes:
        plates: Those that it is about, in planned order.
        behind: Plates that have not begun and cannot come before those.
        going: Plates of the assay that have begun and go on, with the reason.
        steps: All steps that wait, of both.
    """

    plates: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    going: Mapping[str, str] = field(default_factory=dict)
    steps: frozenset[str] = frozenset()


def assays_of(run: CompiledRun) -> dict[str, str]:
    """Assay of each plate: the name of its protocol, whatever entry of the night it came with."""
    return {plate.name: run.protocols[plate.assay].name for plate in run.plates}


def who_waits(run: CompiledRun, state: RunState, slack: Slack, bad: Collection[str]) -> Waiting:
    """Who waits after bad plates of a run.

    A plate that has not begun waits as a whole, from its loading on. One that has begun waits before the next
    step that spends something, unless that could cost it or another begun plate a hard window.
    """
    return _Sorting(run, state, slack, frozenset(bad)).result()


class _Sorting:
    def __init__(
        self, run: CompiledRun, state: RunState, slack: Slack, bad: frozenset[str]
    ) -> None:
        self.run, self.state, self.slack = run, state, slack
        self.left: dict[str, list[Step]] = defaultdict(list)
        self.begun: set[str] = set()
        for step in run.steps:
            if step.id in state.steps:
                self.begun.add(step.plate)
            if not state.is_over(step.id):
                self.left[step.plate].append(seated(step, state))
        assays = assays_of(run)
        judged = {assay for plate, assay in assays.items() if plate in bad}
        self.asked = [
            plate for plate in self.left
            if assays.get(plate) in judged and plate not in bad and plate not in state.dropped_plates
        ]  # fmt: skip

    def result(self) -> Waiting:
        going = {p: why for p in self.asked if p in self.begun and (why := self._bound(p))}
        while True:
            plates = tuple(plate for plate in self.asked if plate not in going)
            steps = self._steps(plates)
            hindered = self._hindered(plates, steps)
            if not hindered:
                break
            going |= hindered
        behind = dict.fromkeys(s.plate for s in self._waiting_to_begin() if s.id in steps)
        others = tuple(plate for plate in behind if plate not in plates)
        return Waiting(plates, others, going, frozenset(steps))

    def _bound(self, plate: str) -> str:
        """Why a begun plate goes on; empty when it can wait."""
        windows = self.slack.open_windows(plate)
        if windows:
            return f"its window {windows[0].name!r} is open"
        spending = [step for step in self.left[plate] if consumes(step)]
        under_way = [step for step in spending if step.id in self.state.steps]
        if under_way:
            return f"{under_way[0].title!r} is under way"
        return "" if spending else "it spends nothing any more"

    def _waiting_to_begin(self) -> Iterable[Step]:
        """Steps of plates that have not begun."""
        return (s for plate, left in self.left.items() if plate not in self.begun for s in left)

    def _steps(self, plates: Collection[str]) -> set[str]:
        """Steps of waiting plates that spend something or have not begun, and all that come behind.

        That is what must be done after them, and what needs a place where a waiting plate stands. A
        plate that has not begun does not begin if any of its steps comes behind.
        """
        found = {
            step.id
            for plate in plates
            for step in self.left[plate]
            if step.id not in self.state.steps and (plate not in self.begun or consumes(step))
        }
        taken = self._taken(plates)
        clean = self._must_stay_clean(plates)
        grown = -1
        while grown != len(found):
            grown = len(found)
            for plate, left in self.left.items():
                new = plate not in self.begun
                behind = {
                    step.id
                    for step in left
                    if step.id not in self.state.steps
                    and (
                        not found.isdisjoint(step.after)
                        or any(taken.get(r, plate) != plate for r in step.resources)
                        or (new and step.radioactive and not clean.isdisjoint(step.resources))
                    )
                }
                if behind and new:
                    behind = {step.id for step in left}
                found |= behind
        return found

    def _taken(self, plates: Collection[str]) -> dict[str, str]:
        """Instruments and positions where waiting plates stand."""
        taken = {}
        for hold in self.run.holds:
            plate = hold.first.split(".")[0]
            stands = hold.first in self.state.steps and not self.state.is_over(hold.last)
            if plate in plates and stands:
                names = self.state.seats.get(plate, {})
                taken[names.get(hold.resource, hold.resource)] = plate
        return taken

    def _must_stay_clean(self, plates: Collection[str]) -> set[str]:
        """Instruments that have clean labware of waiting plates to handle and would carry activity."""
        instruments = self.run.lab.instruments
        used = {r for p in plates for s in self.left[p] if s.clean for r in s.resources}
        return {r for r in used if r in instruments and not instruments[r].stays_clean}

    def _hindered(self, plates: Collection[str], steps: Collection[str]) -> dict[str, str]:
        """Waiting plates that have begun and would keep another begun plate from going on."""
        taken = self._taken(plates)
        kept = [
            step
            for plate in self.begun
            if plate not in plates and plate not in self.state.dropped_plates
            for step in self.left[plate]
            if step.id in steps
        ]
        needed = {r: step.plate for step in kept for r in step.resources if r in taken}
        return {taken[r]: f"{other} needs {r}" for r, other in needed.items()}
