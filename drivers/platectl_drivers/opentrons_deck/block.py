"""The Temperature Module on the deck."""

from __future__ import annotations

from typing import ClassVar, Final

from platectl.domain.errors import MalformedReplyError
from platectl.hal.checks import check_within
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict, setpoint_verdict
from platectl_drivers.opentrons_deck.robot import Module, Robot
from platectl_drivers.opentrons_deck.robot import Settings as _Settings

MODELS: Final = ("temperatureModuleV2", "temperatureModuleV1")
RANGE_C: Final = (4.0, 95.0)
SAME_C: Final = 0.05


class DeckBlock:
    """Drives one Temperature Module; satisfies `platectl.hal.handling.ThermalNest`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="opentrons_deck_block",
        makes="Opentrons Temperature Module on the deck of a Flex or OT-2",
        interfaces=("ThermalNest",),
        wire="http",
        source="maker's robot server 8.x (commands, modules) and its tests; schemas of opentrons 8.8 and 10.1",
        unattested=(
            "that commands outside a run are taken while a handler's run executes its own",
            "whether the robot rounds setpoints of a GEN1",
        ),
        transcripts=("opentrons_deck_block_cool",),
    )
    Settings = _Settings

    def __init__(self, setup: DriverSetup) -> None:
        self._robot = Robot(setup.open_stream, setup.settings_as(_Settings), MODELS)

    @property
    def temperature_range_c(self) -> tuple[float, float]:
        """Lowest and highest setpoint."""
        return RANGE_C

    async def connect(self) -> Identity:
        """Find the module; it stays as it is.

        Raises:
            InstrumentFaultError: `no_module` or `which_module`.
            LinkError: No usable answer.
        """
        await self.aclose()
        return await self.observe()

    async def observe(self) -> Identity:
        """As `connect`, on the connection that is there."""
        return (await self._robot.module()).identity

    async def take_over(self) -> Identity:
        """As `observe`."""
        return await self.observe()

    async def reconcile(self, action: Action) -> Verdict:
        """Read the setpoint back; to set it again is harmless.

        Raises:
            LinkError: No usable answer.
        """
        return compare(action, await self._robot.module())

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target.

        Raises:
            RefusedError: Outside 4 to 95 C; nothing changed.
            InstrumentFaultError: The robot refused; nothing changed.
            LinkError: The setpoint may have been taken.
        """
        check_within(temperature_c, RANGE_C, "hold", "C")
        module = await self._robot.module()
        await self._robot.execute(
            "temperatureModule/setTargetTemperature", moduleId=module.id, celsius=temperature_c
        )

    async def read_temperature_c(self) -> float:
        """Return the actual block temperature."""
        return temperature_of(await self._robot.module())

    async def stop_heating(self) -> None:
        """Switch it off."""
        module = await self._robot.module()
        await self._robot.execute("temperatureModule/deactivate", moduleId=module.id)

    async def abort(self) -> None:
        """Nothing moves; the block keeps its temperature for what stands on it."""

    async def aclose(self) -> None:
        """Close; the block stays as it is."""
        await self._robot.aclose()


def temperature_of(module: Module) -> float:
    """Actual temperature, Celsius.

    Raises:
        MalformedReplyError: The module tells none.
    """
    actual_c = module.number("currentTemperature")
    if actual_c is None:
        raise MalformedReplyError("the module tells no temperature")
    return actual_c


def compare(action: Action, module: Module) -> Verdict:
    """Whether a module is as an action on its temperature wanted it."""
    target_c = module.number("targetTemperature")
    return setpoint_verdict(action, target_c, {"target_c": target_c}, within_c=SAME_C)
