"""After a death: look at everything, ask about what is unknown, and only then go on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platectl.domain.errors import OutcomeUnknownError, RunAbortedError, RunHeldError
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step, Window
from platectl.engine.journal import Journal
from platectl.engine.remedy import Remedies
from platectl.engine.settle import settle
from platectl.engine.slack import Slack
from platectl.engine.state import ActionState
from platectl.hal.recovery import Verdict


@dataclass(slots=True)
class Recovery:
    """Brings a run that was cut off to where it can go on; sends nothing that changes a state."""

    run: CompiledRun
    journal: Journal
    instruments: Mapping[str, Any]
    slack: Slack
    remedies: Remedies

    async def look(self) -> None:
        """Reconcile every action in doubt, then every window; asks people where that is needed.

        Raises:
            RunAbortedError: A person said so.
        """
        unknown = []
        for action in self._in_doubt():
            verdict = await self._ask_instrument(action)
            self.journal.resolve(action, verdict, by=action.instrument)
            if verdict.fate == "unknown":
                unknown.append(action)
        late = self._lost_windows()
        if unknown or late:
            texts = [self._doubt(a) for a in unknown] + [text for _, text in late]
            self.journal.record("run.held", "", {"reasons": texts})
        slacks = [self.slack.left_s(window) for window in self.slack.open_windows()]
        patience_s = min((slack for slack in slacks if slack > 0), default=None)
        async with asyncio.TaskGroup() as group:
            for action in unknown:
                group.create_task(self._ask_person(action, patience_s))
        for window, _ in late:
            await self._ask_about(window)

    def _in_doubt(self) -> list[ActionState]:
        state = self.journal.state
        plates = {step.id: step.plate for step in self.run.steps}
        return [a for a in state.open_actions if plates[a.step] not in state.dropped_plates]

    async def _ask_instrument(self, action: ActionState) -> Verdict:
        return await settle(
            self.instruments[action.instrument], action, clock=self.journal.clock, follow=True
        )

    def _doubt(self, action: ActionState) -> str:
        return (
            f"nobody knows whether {action.verb} of {action.instrument} took place "
            f"({action.id}, sent at {action.wall})"
        )

    async def _ask_person(self, action: ActionState, patience_s: float | None) -> None:
        step = self._step(action.step)
        rule = self.remedies.policy.rule_for(
            error="in_doubt", effect=step.effect, kind=step.kind, code="", attempt=1
        )
        if rule.then != "ask":
            return  # the step meets its rule when it is entered again
        error = OutcomeUnknownError(self._doubt(action), instrument=action.instrument)
        text = f"{step.title} of {step.plate or 'all plates'} ({step.id}): {error}"
        answer = await self.remedies.ask(rule, step, text, wake=True, most_s=patience_s)
        if answer.option in {"done", "not_done"}:
            verdict = Verdict("done" if answer.option == "done" else "not_done")
            self.journal.resolve(action, verdict, by=answer.by, reason=answer.reason)
        elif answer.option == "drop_plate" and self._others(step.plate):
            self.journal.drop_plate(step.plate, f"{error}; {answer.by}: {answer.reason}")
            await self.remedies.clear_away(step, str(error))
        elif answer.option in {"hold", "drop_plate"}:
            raise RunHeldError(str(error))
        elif answer.option == "abort":
            raise RunAbortedError(f"{answer.by} aborted the run: {error}")

    async def _ask_about(self, window: Window) -> None:
        if window.plate in self.journal.state.dropped_plates:
            return
        step, text = self._step(window.end.step), self._breach(window)
        answer = await self.remedies.window(step, text, patience_s=600.0)
        if answer.option == "drop_plate" and self._others(window.plate):
            self.journal.drop_plate(window.plate, f"{text}; {answer.by}: {answer.reason}")
        elif answer.option == "abort":
            raise RunAbortedError(f"{answer.by} aborted the run: {text}")
        elif answer.option == "drop_plate":
            raise RunHeldError(text)

    def _others(self, plate: str) -> list[str]:
        """Plates that are left when one is given up; the last one is not given up but held."""
        lost = {*self.journal.state.dropped_plates, plate}
        return [p.name for p in self.run.plates if p.name not in lost]

    def _step(self, name: str) -> Step:
        return next(step for step in self.run.steps if step.id == name)

    def _lost_windows(self) -> list[tuple[Window, str]]:
        return [(w, self._breach(w)) for w in self.slack.open_windows() if self.slack.left_s(w) < 0]

    def _breach(self, window: Window) -> str:
        return (
            f"window {window.name!r} of {window.plate} cannot be kept any more: "
            f"{-self.slack.left_s(window) / 60:.1f} min too late"
        )
