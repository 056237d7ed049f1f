"""Questions to a person: options, a default, and how long it is waited for."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Protocol

import structlog

from platectl.domain.errors import RefusedError
from platectl.domain.policy import Remedy
from platectl.engine.journal import Journal

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; `default` is taken after `patience_s`, both None: it is waited for ever.

    `due` says until when waiting costs nothing, ISO 8601; empty: nobody knows.
    """

    id: str
    step: str
    plate: str
    text: str
    options: tuple[Remedy, ...]
    default: Remedy | None = None
    patience_s: float | None = None
    due: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was chosen, by whom and why; `wells` that were served belong to `drop_wells`."""

    option: Remedy
    by: str
    reason: str = ""
    wells: tuple[str, ...] = ()


class Person(Protocol):
    """Somebody who may be asked; several can be, and the first answer counts."""

    async def __call__(self, question: Question) -> Answer | None:
        """Answer, or None: not here. Cancelled when somebody else has answered."""
        ...


@dataclass(slots=True)
class Questions:
    """The open questions of a run; anyone who can reach the engine may answer them."""

    journal: Journal
    persons: tuple[Person, ...] = ()
    _open: dict[str, tuple[Question, asyncio.Future[Answer]]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def new_id(self) -> str:
        """Identity of the next question, unique in the run."""
        return f"q{self.journal.state.epoch}-{next(self._numbers)}"

    @property
    def open(self) -> tuple[Question, ...]:
        """Questions that wait for an answer."""
        return tuple(question for question, _ in self._open.values())

    def answer(self, question: str, answer: Answer) -> None:
        """Answer one.

        Raises:
            RefusedError: No such question is open, or that is none of its options.
        """
        if question not in self._open:
            listed = ", ".join(self._open) or "none"
            raise RefusedError(f"no question {question!r} is open; open are: {listed}")
        asked, waiting = self._open[question]
        if answer.option not in asked.options:
            raise RefusedError(f"{answer.option!r} is no option; choose {', '.join(asked.options)}")
        if not waiting.done():
            waiting.set_result(answer)

    async def ask(self, question: Question) -> Answer:
        """Ask and wait; question and answer are in the ledger before this returns."""
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[question.id] = (question, waiting)
        data = asdict(question)
        self.journal.record("question.asked", question.step, {"question": data.pop("id"), **data})
        asking = [asyncio.ensure_future(self._put(p, question)) for p in self.persons]
        try:
            answer = await self._wait(question, waiting)
        finally:
            for task in asking:
                task.cancel()
            del self._open[question.id]
        data = {"question": question.id, "text": question.text, **asdict(answer)}
        self.journal.record("question.answered", question.step, data)
        log.info("question.person.answered", question=question.id, option=answer.option)
        return answer

    async def _put(self, person: Person, question: Question) -> None:
        answer = await person(question)
        if answer is not None:
            self.answer(question.id, answer)

    async def _wait(self, question: Question, waiting: asyncio.Future[Answer]) -> Answer:
        if question.default is None or question.patience_s is None:
            return await waiting
        try:
            async with asyncio.timeout(question.patience_s):
                return await waiting
        except TimeoutError:
            reason = f"no answer within {question.patience_s / 60:.0f} min"
            return Answer(question.default, "policy", reason)
