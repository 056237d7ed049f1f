"""A cell harvester that is worked by a person.

Wire: none of its own; the request goes to the operator's terminal as a prompt of kind `harvest`.
Source: no wire protocol of a cell harvester (Tomtec, FilterMate, Brandel) is public. Maturity:
captured, as the operator's terminal is.

Responsible for: asking once for each harvest and for turning a refusal into a fault. Not
responsible for: the operator's instrument, which comes connected in `setup.extras["operator"]`
(`uses: {operator: …}` in the lab file), nor for what the person really does.

A request is put under the identity of its action, so that after a broken conversation the same
prompt can be put again, and whoever has harvested says so.
"""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    RefusedError,
    UserInputError,
)
from platectl.hal.handling import Operator, Prompt
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Verdict

DONE: Final = "done"
PARTLY: Final = "partly done"
NOT_DONE: Final = "not done"


class Settings(BaseModel):
    """What the harvester is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "cell harvester"
    most_washes: int = 20
    most_wash_ml: float = 10.0


class OperatorHarvester:
    """Has a person harvest; satisfies `platectl.hal.handling.Harvester`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="operator_harvester",
        makes="a cell harvester worked by a person",
        interfaces=("Harvester",),
        wire="console",
        source="platectl_drivers.operator: the format is platectl's own",
        maturity="captured",
        transcripts=("operator_prompts",),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._setup = setup
        self._operator: Operator | None = None
        self._asking = False

    async def connect(self) -> Identity:
        """Take the operator; nobody is asked anything.

        Raises:
            UserInputError: No operator was given.
        """
        operator = self._setup.extras.get("operator")
        if operator is None:
            raise UserInputError(
                f"{self._setup.name} needs an operator; write uses: {{operator: …}} in the lab file"
            )
        self._operator = operator
        return Identity(self.settings.model)

    async def observe(self) -> Identity:
        """As `connect`; nobody is asked anything."""
        return await self.connect()

    async def take_over(self) -> Identity:
        """As `connect`; a person who harvests goes on."""
        return await self.connect()

    async def reconcile(self, action: Action) -> Verdict:
        """Allow the request to be put again under the same prompt; whoever has done it says so.

        The operator's own terminal is opened anew where it was lost.
        """
        await self.connect()
        if self._operator is None or action.verb != "harvest":
            return Verdict("unknown", {"looked_at": "nothing; a harvester tells nothing"})
        prompt = {"id": self._prompt_id(action.id)}
        asked = Action(action.id, action.instrument, "ask", {"prompt": prompt}, action.sent_at)
        return await self._operator.reconcile(asked)

    async def harvest(self, *, plate: str, filter_plate: str, washes: int, wash_ml: float) -> None:
        """Ask for one harvest and wait for the answer.

        Asking again under the same `ACTION_ID` puts the same prompt, which is harvested once.

        Raises:
            RefusedError: Numbers that no harvester has; nobody was asked.
            InstrumentFaultError: `not_done` or `partly_done`: wells may be partly filtered.
            LinkError: No answer; assume the plate was harvested.
        """
        if not (0 <= washes <= self.settings.most_washes):
            raise RefusedError(f"{washes} washes are not between 0 and {self.settings.most_washes}")
        if not 0 < wash_ml <= self.settings.most_wash_ml:
            raise RefusedError(
                f"{wash_ml:g} mL is not between 0 and {self.settings.most_wash_ml:g}"
            )
        if self._operator is None:
            raise DisconnectedError(f"{self._setup.name} is not connected")
        text = (
            f"Harvest {plate} onto {filter_plate} and wash {washes} times with {wash_ml:g} mL "
            "of ice-cold wash buffer in each well"
        )
        data = {
            "plate": plate,
            "filter_plate": filter_plate,
            "washes": washes,
            "wash_ml": wash_ml,
        }
        prompt_id = self._prompt_id(ACTION_ID.get())
        prompt = Prompt(prompt_id, "harvest", text, (DONE, PARTLY, NOT_DONE), data)
        self._asking = True
        try:
            answer = await self._operator.ask(prompt)
        finally:
            self._asking = False
        if answer.option != DONE:
            raise InstrumentFaultError(
                f"{answer.person} answered {answer.option!r} to {text!r}"
                + (f": {answer.note}" if answer.note else ""),
                code=answer.option.replace(" ", "_"),
            )

    def _prompt_id(self, action_id: str) -> str:
        """Name the request by its action, or by the time where nobody will ask for it again."""
        return f"{self._setup.name}@{action_id or self._setup.clock.now().isoformat()}"

    async def abort(self) -> None:
        """Withdraw the request; a person who has begun goes on."""
        if self._operator is not None and self._asking:
            await self._operator.abort()

    async def aclose(self) -> None:
        """Forget the operator, who is closed elsewhere."""
        self._operator = None
