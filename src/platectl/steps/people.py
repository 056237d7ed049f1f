"""Steps that people do: loading the lab for a plate, and confirmed manual work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from platectl.domain.errors import InstrumentFaultError
from platectl.domain.steps import Effect
from platectl.hal.handling import Operator, Prompt
from platectl.hal.liquids import DeckItem, LiquidHandler
from platectl.hal.recovery import ACTION_ID
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params


class DeckEntry(Params):
    """One labware on a handler's deck."""

    labware: str
    load_name: str
    slot: str


async def ask(bench: Bench, operator_name: str, prompt: Prompt) -> dict[str, str]:
    """Ask under the action's identity and record the answer; all but the first option is a refusal.

    Raises:
        InstrumentFaultError: The person answered that it cannot be done.
    """
    operator: Operator = bench.instrument(operator_name)

    async def put() -> dict[str, str]:
        answer = await operator.ask(replace(prompt, id=ACTION_ID.get(), due=bench.due()))
        if answer.option != prompt.options[0]:
            raise InstrumentFaultError(
                f"{answer.person} answered {answer.option!r} to {prompt.text!r}"
                + (f": {answer.note}" if answer.note else ""),
                code="refused_by_person", instrument=operator_name,
            )  # fmt: skip
        scanned = {"barcode": answer.barcode} if answer.barcode else {}
        return {"person": answer.person, "option": answer.option, "note": answer.note, **scanned}

    said: dict[str, str] = await bench.act(
        operator_name, "ask", put, effect="place", kind=prompt.kind, text=prompt.text
    )
    return said


class Load(Params):
    """A person loads labware, liquids and bottles; then the handler is told what stands where."""

    name: ClassVar[str] = "load"
    effect: ClassVar[Effect] = "place"

    operator: str
    handler: str | None
    place: tuple[dict[str, Any], ...] = ()
    bottles: tuple[dict[str, Any], ...] = ()
    deck: tuple[DeckEntry, ...] = ()
    remove: tuple[str, ...] = Field(
        default=(), description="labware of earlier plates to take out of the lab"
    )
    off_deck: tuple[str, ...] = Field(
        default=(), description="labware of earlier plates to take away"
    )

    @property
    def duration_s(self) -> float:
        """A quarter of a minute for each object."""
        return 60.0 + 15.0 * (len(self.place) + len(self.bottles))

    def instruments(self) -> tuple[str, ...]:
        """Person and handler."""
        return (self.operator, *((self.handler,) if self.handler else ()))

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """Filled wells and bottles count as sources; the volume check reads `place` itself."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Prompt with the whole list, then describe the deck to the handler."""
        text = f"Load {len(self.place)} labware and {len(self.bottles)} bottles as listed"
        data = {"place": self.place, "bottles": self.bottles, "remove": self.remove}
        evidence = await ask(
            bench, self.operator, Prompt("", "load", text, ("done", "cannot"), data)
        )
        if self.handler:
            handler: LiquidHandler = bench.instrument(self.handler)
            await bench.act(
                self.handler, "load_deck", partial(self._describe, handler), effect="set",
                deck=[d.model_dump() for d in self.deck], off_deck=self.off_deck,
            )  # fmt: skip
        return Outcome(evidence)

    async def _describe(self, handler: LiquidHandler) -> None:
        for labware in self.off_deck:
            await handler.note_move(labware, None)
        await handler.load_deck([DeckItem(d.labware, d.load_name, d.slot) for d in self.deck])


class Manual(Params):
    """Something only a person does: a bottom seal, a change of bottle, a move by hand."""

    name: ClassVar[str] = "manual"
    effect: ClassVar[Effect] = "place"

    operator: str
    prompt_kind: str = "confirm"
    text: str
    data: dict[str, Any] = Field(default_factory=dict)
    uses: dict[str, int] = Field(default_factory=dict, description="consumable -> number")
    expected_s: float = Field(default=120.0, ge=0)

    @property
    def duration_s(self) -> float:
        """As declared."""
        return self.expected_s

    def instruments(self) -> tuple[str, ...]:
        """The person."""
        return (self.operator,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Ask and wait."""
        prompt = Prompt("", self.prompt_kind, self.text, ("done", "cannot"), self.data)
        return Outcome(await ask(bench, self.operator, prompt))
