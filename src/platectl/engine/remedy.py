"""What is done about an error: the first rule that speaks of it, or a person's choice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    OutcomeUnknownError,
    PlatectlError,
    RefusedError,
    RunAbortedError,
    RunHeldError,
)
from platectl.domain.policy import ErrorKind, Policy, Remedy, Rule
from platectl.domain.steps import Step
from platectl.engine.questions import Answer, Question, Questions
from platectl.steps import CLEARING

#: how long a person is waited for who has to take a plate away
CLEARING_PATIENCE_S: Final = 1800.0
#: what a person may say about plates that are held after one that is no good, and for how long at least
HELD: Final[tuple[Remedy, ...]] = ("go_on", "drop_plate", "hold", "abort")
HELD_PATIENCE_S: Final = 1800.0


def kind_of_error(error: PlatectlError) -> ErrorKind:
    """Sort an error by what is known about the plate.

    Raises:
        PlatectlError: The error itself, when no rule can speak of it.
    """
    if isinstance(error, OutcomeUnknownError):
        return "in_doubt"
    if isinstance(error, LinkError):
        return "link"
    if isinstance(error, InstrumentFaultError):
        return "fault"
    if isinstance(error, RefusedError):
        return "refused"
    raise error


@dataclass(slots=True)
class Remedies:
    """Applies the night orders of a run and puts questions to people."""

    policy: Policy
    questions: Questions
    plates: tuple[str, ...]

    async def choose(self, step: Step, error: PlatectlError, attempt: int) -> tuple[Rule, Answer]:
        """Decide about an error of a step.

        Raises:
            PlatectlError: The error itself, when no rule can speak of it.
        """
        kind = kind_of_error(error)
        code = getattr(error, "code", "")
        rule = self.policy.rule_for(
            error=kind, effect=step.effect, kind=step.kind, code=code, attempt=attempt
        )
        if rule.then != "ask":
            return rule, Answer(rule.then, "policy", f"{kind}, attempt {attempt}")
        text = f"{step.title} of {step.plate or 'all plates'} ({step.id}): {error}"
        return rule, await self.ask(rule, step, text, wake=kind == "in_doubt")

    async def window(self, step: Step, text: str, *, patience_s: float) -> Answer:
        """Decide about a hard window that can no longer hold."""
        rule = self.policy.rule_for(
            error="window", effect=step.effect, kind=step.kind, code="", attempt=1
        )
        if rule.then != "ask":
            return Answer(rule.then, "policy", text)
        return await self.ask(rule, step, text, wake=False, most_s=patience_s)

    async def quality(
        self, step: Step, text: str, *, due: str, spare_s: float,
        nothing_else: Callable[[], Awaitable[object]],
    ) -> Answer:  # fmt: skip
        """Decide about the plates that wait after one that is no good.

        While waiting costs nothing (`spare_s`, until `due`) nobody decides in a person's place. Plates
        that are held by default can be asked about until there is `nothing_else` to do.

        Raises:
            RunAbortedError: A person or the night orders said so.
        """
        rule = self.policy.rule_for(
            error="quality", effect=step.effect, kind=step.kind, code="", attempt=1
        )
        stays = rule.default == "hold" and rule.patience is not None
        if rule.then == "hold" or stays:
            question = Question(
                self.questions.new_id(), step.id, step.plate, text, rule.options or HELD, "hold",
                due=due,
            )  # fmt: skip
            patience_s = HELD_PATIENCE_S if rule.patience is None else rule.patience
            answer = await self._hold_meanwhile(question, patience_s, nothing_else)
        elif rule.then != "ask":
            answer = Answer(rule.then, "policy", text)
        else:
            answer = await self.ask(rule, step, text, wake=True, least_s=spare_s, due=due)
        if answer.option == "abort":
            raise RunAbortedError(f"{answer.by} aborted the run: {text}")
        return answer

    async def _hold_meanwhile(
        self, question: Question, patience_s: float, nothing_else: Callable[[], Awaitable[object]]
    ) -> Answer:
        """Ask until there is an answer, or nothing else to do and the patience is over."""

        async def give_up() -> None:
            await asyncio.sleep(patience_s)
            await nothing_else()
            self.questions.answer(
                question.id, Answer("hold", "policy", "nothing else can go on without an answer")
            )

        giving_up = asyncio.create_task(give_up())
        try:
            return await self.questions.ask(question)
        finally:
            giving_up.cancel()

    async def clear_away(self, step: Step, reason: str) -> None:
        """After a failed move nobody knows what stands in whose way; a person takes it out.

        Raises:
            RunHeldError, RunAbortedError: Nobody did.
        """
        if step.effect != "place" and step.kind not in CLEARING:
            return
        answer = await self._ask_to_clear(step, reason)
        if answer.option == "hold":
            raise RunHeldError(f"labware of {step.plate} is in the way: {reason}")
        if answer.option == "abort":
            raise RunAbortedError(f"{answer.by} aborted the run: {reason}")
        self.questions.journal.drop_plate(step.plate, f"{answer.by}: {answer.reason}", cleared=True)

    async def _ask_to_clear(self, step: Step, reason: str) -> Answer:
        text = f"Take all labware of {step.plate} out of the lab; it is not where it should be: {reason}"
        question = Question(
            self.questions.new_id(), step.id, step.plate, text, ("done", "hold", "abort"), "hold",
            CLEARING_PATIENCE_S,
        )  # fmt: skip
        return await self.questions.ask(question)

    async def ask(
        self, rule: Rule, step: Step, text: str, *, wake: bool, most_s: float | None = None,
        least_s: float = 0.0, due: str = "",
    ) -> Answer:  # fmt: skip
        """Put a question, unless the rule's default may be taken without waking anyone."""
        lost = len(self.questions.journal.state.dropped_plates) + 1
        few = lost <= self.policy.wake_above_plates and lost < len(self.plates)
        if not wake and few and rule.default in {"drop_plate", "elsewhere"}:
            return Answer(rule.default, "policy", f"{lost} of {len(self.plates)} plates at risk")
        patience_s = rule.patience
        if most_s is not None and patience_s is not None:
            patience_s = min(patience_s, max(most_s, 0.0))
        if patience_s is not None:
            patience_s = max(patience_s, least_s)
        question = Question(
            self.questions.new_id(), step.id, step.plate, text, rule.options, rule.default,
            patience_s, due,
        )  # fmt: skip
        return await self.questions.ask(question)
