"""The gripper of an Opentrons Flex, through the driver of its handler.

Responsible for carrying labware between places that the robot itself reaches: slots, staging area, adapters. Source: the
command `moveLabware` with the strategy `usingGripper` of the robot server (shared/instruments-handlers.md 1.5).
Maturity: paper.

It has no conversation of its own: the labware is on the map of the handler's run, and the robot does one thing at a time. So
the lab file names the handler under `uses`, the handler is locked while the gripper works, and each move is filed under
its action in the handler's run, where `reconcile` finds it. The robot does not look whether it gripped anything unless its
software does; what it reports is passed on with the maker's code.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import RefusedError, UserInputError
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict


class Settings(BaseModel):
    """Position of the lab file -> slot of the robot, such as `flex.C1: C1`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stations: dict[str, str] = Field(min_length=2)


class OpentronsGripper:
    """Drives the gripper of one Flex; satisfies `platectl.hal.handling.PlateMover`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="opentrons_gripper",
        makes="Opentrons Flex Gripper, through the handler",
        interfaces=("PlateMover",),
        wire="none",
        source="robot server 8.1.0 run in simulation; schemas of opentrons 8.8.2 and 10.1.0 (handlers 1.5)",
        unattested=("codes of a failed grip", "time of a move"),
        transcripts=("opentrons_gripper_moves",),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._name = setup.name
        self._handler: Any = setup.extras.get("handler")
        self._moving = False

    async def connect(self) -> Identity:
        """See that there is a handler, which is connected elsewhere.

        Raises:
            UserInputError: The lab file names none that has a gripper.
        """
        if not hasattr(self._handler, "grip"):
            raise UserInputError(
                f"{self._name} needs an Opentrons handler; write uses: {{handler: …}} in the lab file"
            )
        return Identity("Opentrons Flex Gripper")

    async def observe(self) -> Identity:
        """As `connect`."""
        return await self.connect()

    async def take_over(self) -> Identity:
        """As `connect`."""
        return await self.connect()

    async def reconcile(self, action: Action) -> Verdict:
        """Look the move up in the handler's run.

        Raises:
            LinkError: No usable answer now.
        """
        await self.connect()
        verdict: Verdict = await self._handler.reconcile(action)
        commands = verdict.evidence.get("commands", {})
        moves = [state for key, state in commands.items() if "-moveLabware-" in key]
        if moves == ["succeeded"]:
            return Verdict("done", verdict.evidence)
        return verdict

    async def move_plate(self, source: str, target: str) -> None:
        """Carry what the robot knows on `source` to `target`.

        Raises:
            RefusedError: A position without a slot, or nothing known there; nothing moved.
            InstrumentFaultError: The robot's code; the plate is at the source, in the gripper or at the target.
            LinkError: The plate may be anywhere between the two.
        """
        await self.connect()
        for position in (source, target):
            if position not in self.settings.stations:
                raise RefusedError(f"the gripper does not reach {position!r}")
        self._moving = True
        try:
            await self._handler.grip(self.settings.stations[source], self.settings.stations[target])
        finally:
            self._moving = False

    async def abort(self) -> None:
        """Stop the run of the handler if a move is under way; a plate may stay in the gripper."""
        if self._moving:
            await self._handler.abort()

    async def aclose(self) -> None:
        """Nothing to close; the handler is closed elsewhere."""
