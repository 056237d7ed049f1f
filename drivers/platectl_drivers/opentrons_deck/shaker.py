"""The Heater-Shaker on the deck."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, ClassVar, Final

from platectl.domain.errors import InstrumentError, InstrumentFaultError
from platectl.hal.checks import check_shaking, check_within
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.transport.abort import Abort
from platectl.transport.handed import Handed
from platectl.transport.shakes import Shakes
from platectl_drivers.opentrons_deck.block import compare, temperature_of
from platectl_drivers.opentrons_deck.robot import Robot
from platectl_drivers.opentrons_deck.robot import Settings as _Settings

MODELS: Final = ("heaterShakerModuleV1",)
RANGE_C: Final = (37.0, 95.0)
RANGE_RPM: Final = (200.0, 3000.0)
WATCH_S: Final = 10.0


class DeckShaker:
    """Drives one Heater-Shaker; satisfies `platectl.hal.handling.Shaker`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="opentrons_deck_shaker",
        makes="Opentrons Heater-Shaker Module on the deck of a Flex or OT-2",
        interfaces=("Shaker",),
        wire="http",
        source="maker's robot server 8.x (commands, modules) and its tests; schemas of opentrons 8.8 and 10.1",
        unattested=(
            "that commands outside a run are taken while a handler's run executes its own",
            "that deactivateShaker ends when the nest stands at home",
        ),
        transcripts=("opentrons_deck_shaker_latch", "opentrons_deck_shaker_shake"),
    )
    Settings = _Settings

    def __init__(self, setup: DriverSetup) -> None:
        self._robot = Robot(setup.open_stream, setup.settings_as(_Settings), MODELS)
        self._module = ""
        self._abort = Abort("the Heater-Shaker was aborted; the plate stays latched")
        self._handed = Handed()
        self._shakes = Shakes(setup.clock, self._handed, self._abort)

    @property
    def speed_range_rpm(self) -> tuple[float, float]:
        """Slowest and fastest speed."""
        return RANGE_RPM

    @property
    def temperature_range_c(self) -> tuple[float, float]:
        """Lowest and highest setpoint."""
        return RANGE_C

    async def connect(self) -> Identity:
        """Find the module, and see that a plate can be brought; nothing moves.

        Raises:
            InstrumentFaultError: `no_module`, `which_module`, or `latch`: it is not open.
            LinkError: No usable answer.
        """
        await self.aclose()
        identity = await self.observe()
        if (
            latch := str((await self._robot.module()).data.get("labwareLatchStatus"))
        ) != "idle_open":
            raise InstrumentFaultError(
                f"the latch is {latch}; open it in the app or with its button", code="latch"
            )
        return identity

    async def observe(self) -> Identity:
        """Find the module; it stays as it is."""
        module = await self._robot.module()
        self._module = module.id
        return module.identity

    async def take_over(self) -> Identity:
        """As `observe`; what shakes and heats goes on."""
        return await self.observe()

    async def reconcile(self, action: Action) -> Verdict:
        """Read speed, latch and setpoint back; what still shakes can be finished by `shake`.

        Raises:
            LinkError: No usable answer.
        """
        module = await self._robot.module()
        self._module = module.id
        if action.verb in {"set_temperature", "stop_heating"}:
            return compare(action, module)
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "the latch was closed at most"})
        target_rpm, latch = module.number("targetSpeed"), module.data.get("labwareLatchStatus")
        evidence = {"target_rpm": target_rpm, "latch": latch}
        if action.verb != "shake":
            return Verdict("unknown", {**evidence, "verb": action.verb})
        if target_rpm:
            return self._shakes.goes_on(action, evidence)
        return self._shakes.stands(action, evidence, released=latch == "idle_open")

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target and switch the heater on.

        Raises:
            RefusedError: Outside 37 to 95 C; nothing changed.
            InstrumentFaultError: The robot refused; nothing changed.
            LinkError: The setpoint may have been taken.
        """
        check_within(temperature_c, RANGE_C, "hold", "C")
        await self._do("setTargetTemperature", celsius=temperature_c)

    async def read_temperature_c(self) -> float:
        """Return the actual nest temperature."""
        return temperature_of(await self._robot.module())

    async def stop_heating(self) -> None:
        """Switch the heater off."""
        await self._do("deactivateHeater")

    async def shake(self, *, speed_rpm: float, duration_s: float) -> None:
        """Close the latch, shake for the duration, stop at home, open the latch.

        Raises:
            RefusedError: Speed outside the range, or no duration; nothing moved.
            InstrumentFaultError: The plate may be shaken for part of the time and is told to stop;
                it may be latched. `code` is the robot's, `stopped` or "aborted".
            LinkError: The plate may still be shaking.
        """
        check_shaking(speed_rpm, duration_s, RANGE_RPM)
        left_s = self._shakes.left_s(duration_s)
        try:
            if left_s is None:
                await self._do("closeLabwareLatch")
                await self._turn(int(speed_rpm), duration_s)
            else:
                await self._turn(None, left_s)
            await self._do("openLabwareLatch")
        except InstrumentFaultError:
            self._abort.check()
            raise
        self._abort.check()

    async def abort(self) -> None:
        """Stop the nest beside what is under way; the plate stays latched."""
        self._abort.call()
        if self._module:
            await self._robot.post_aside("heaterShaker/deactivateShaker", moduleId=self._module)

    async def aclose(self) -> None:
        """Close; heater and motor stay as they are."""
        await self._robot.aclose()

    async def _turn(self, speed_rpm: int | None, left_s: float) -> None:
        """Shake for what is left of the time, and stop at home; None: it turns already."""
        try:
            if speed_rpm is not None:
                self._abort.check()
                self._shakes.begin()
                await self._do("setAndWaitForShakeSpeed", rpm=speed_rpm)
            await self._watch(left_s)
        except InstrumentFaultError:
            if not self._abort.called:
                with contextlib.suppress(InstrumentError):
                    await self._do("deactivateShaker")
            raise
        self._shakes.end()
        await self._do("deactivateShaker")

    async def _watch(self, left_s: float) -> None:
        """Let it shake, and see that it does."""
        end_s = asyncio.get_running_loop().time() + left_s
        while (left_s := end_s - asyncio.get_running_loop().time()) > 0:
            await self._abort.pause(min(left_s, WATCH_S))
            if not (await self._robot.module()).number("targetSpeed"):
                self._abort.check()
                raise InstrumentFaultError("the nest stopped by itself", code="stopped")
        self._abort.check()

    async def _do(self, command: str, **params: Any) -> None:
        if command in {"closeLabwareLatch", "openLabwareLatch"}:
            self._abort.check()
        if not self._module:
            self._module = (await self._robot.module()).id
        await self._robot.execute(f"heaterShaker/{command}", moduleId=self._module, **params)
