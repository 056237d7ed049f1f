"""Whether plates may join a run as it stands now; nothing is changed by asking."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from platectl.domain.errors import NoPlanError, RefusedError
from platectl.domain.run import Addition, CompiledRun
from platectl.engine.control import Control
from platectl.engine.gates import QualityGates
from platectl.engine.keeper import PlanKeeper
from platectl.engine.ports import Proposal


class MovedOnError(RefusedError):
    """The run went on since the addition was planned; planned anew it may fit."""


@dataclass(slots=True)
class Admission:
    """Judges an addition that was planned elsewhere, a moment ago, against the run of this moment.

    Whoever plans it may take its time; here nothing is searched, the plan is shifted only.
    """

    keeper: PlanKeeper
    gates: QualityGates
    control: Control
    instruments: Mapping[str, Any]

    def closed(self) -> str:
        """Why no plates can join at all; empty when they can."""
        if self.control.mode == "stopping":
            return "the run is being stopped; plates can join it when it was resumed"
        if self.gates.held:
            names = ", ".join(self.gates.held)
            return f"a question holds {names}; answer it first (platectl status)"
        if self.keeper.replanner is None:
            return "the run is not planned anew while it goes"
        return ""

    def admit(
        self, addition: Addition, due: Collection[str], said: Mapping[str, Any]
    ) -> CompiledRun:
        """Write that plates join; returns the run with them, planned as it stands.

        Args:
            addition: What is to join.
            due: Steps that have not begun but are about to.
            said: Who says so and why, and what was checked.

        Raises:
            MovedOnError: Planned anew, it may fit.
            RefusedError: It cannot join; nothing was written.
        """
        run, state = self.keeper.run, self.keeper.journal.state
        names = {plate.name for plate in run.plates}
        if twice := [plate.name for plate in addition.plates if plate.name in names]:
            raise MovedOnError(f"{', '.join(twice)} joined the run meanwhile")
        steps = {step.id for step in run.steps}
        begun = {*state.steps, *due}
        if late := [step.id for step in addition.steps if step.id in steps and step.id in begun]:
            raise MovedOnError(f"{', '.join(late)} began meanwhile")
        used = {r for step in addition.steps for r in step.resources} & set(run.lab.instruments)
        if lost := sorted(used & set(state.lost)):
            raise MovedOnError(f"{lost[0]} was given up: {state.lost[lost[0]]}")
        if absent := sorted(used - set(self.instruments)):
            raise RefusedError(f"{', '.join(absent)} is not connected in this run")
        plan = self._plan(addition, run.with_plates(addition))
        times = {name: span for name, span in plan.times.items() if name not in state.steps}
        addition = addition.model_copy(update={"times": times})
        data = {**said, "addition": addition.model_dump(mode="json")}
        self.keeper.journal.record("plate.added", "", data)
        return run.with_plates(addition)

    def _plan(self, addition: Addition, grown: CompiledRun) -> Proposal:
        """The plan shifted to where the run stands; no window breaks that could be kept without it."""
        replanner, now = self.keeper.replanner, self.keeper.situation()
        if replanner is None:
            raise RefusedError(self.closed())
        planned = {**now.planned, **addition.times}
        if missing := [step.id for step in grown.steps if step.id not in planned]:
            raise RefusedError(f"{missing[0]} has no time")
        try:
            found = replanner.shifted(replace(now, run=grown, planned=planned))
            known = set(replanner.shifted(now).broken)
        except NoPlanError as error:
            raise MovedOnError(str(error)) from error
        if new := [broken for broken in found.broken if broken not in known]:
            plate, window = new[0]
            raise MovedOnError(f"window {window!r} of {plate} would break")
        return found
