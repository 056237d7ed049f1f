"""What drivers of the bridge are asked in the recorded conversations, and where these come from."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from tests.drivers.bridge_bench import SHAKER, STROKE, describe

from platectl.conformance import bridge_scenes
from platectl.conformance.bridge_scenes import BENCH, RACK
from platectl.domain.errors import RefusedError
from platectl.hal.reading import Channel, EndpointRead, KineticRead


async def transfer(driver: Any) -> None:
    """Fit a tip, carry liquid, be refused, throw the tip away."""
    await describe(driver)
    await driver.pick_up_tips("tips", "A1")
    await driver.aspirate("S1", "A1", **STROKE)
    await driver.dispense("P1", "B2", **STROKE)
    with contextlib.suppress(RefusedError):
        await driver.aspirate("P9", "A1", **STROKE)
    await driver.drop_tips()


async def shake(driver: Any) -> None:
    """Heat, shake, cool."""
    await driver.set_temperature(37.0)
    await driver.shake(speed_rpm=600, duration_s=2)
    await driver.stop_heating()


async def seal(driver: Any) -> None:
    """Seal."""
    await driver.seal(temperature_c=170, duration_s=3)


async def fetch(driver: Any) -> None:
    """Bring a plate out and back."""
    await driver.fetch(12)
    await driver.store(12)


async def move(driver: Any) -> None:
    """There and back."""
    await driver.move_plate("shaker1", "hotel")
    await driver.move_plate("hotel", "shaker1")


async def read(driver: Any) -> None:
    """Two passes of two wells."""
    asked = KineticRead(
        title="P1", plate="P1", wells=("A1", "B2"), channels=(Channel(340.0, 510.0),),
        interval_s=60.0, baseline_s=0.0, record_s=60.0, bottom=False,
    )  # fmt: skip
    await driver.open_drawer()
    await driver.close_drawer()
    assert len([frame async for frame in driver.read_kinetic(asked)]) == 2
    await driver.read_endpoint(EndpointRead("P1", "P1", ("A1", "B2"), "absorbance", 405.0))


async def heat(driver: Any) -> None:
    """Warm, and off."""
    await driver.set_temperature(37.0)
    await driver.stop_heating()


Story = tuple[Mapping[str, Any], Callable[[Any], Awaitable[None]]]
THERMOSTAT: Final = {
    "backend": "pylabrobot.temperature_controlling.TemperatureControllerChatterboxBackend"
}
INCUBATOR: Final = {
    "backend": "pylabrobot.storage.IncubatorChatterboxBackend", "racks": [RACK], "slots": 17,
}  # fmt: skip
#: by transcript: settings of the driver where they are not those of the scene, and what it is asked
STORIES: Final[Mapping[str, Story]] = {
    "pylabrobot_handler_transfer": (BENCH, transfer),
    "pylabrobot_shaker_shake": (SHAKER, shake),
    "pylabrobot_thermostat_heat": (THERMOSTAT, heat),
    "pylabrobot_incubator_fetch": (INCUBATOR, fetch),
    "pylabrobot_sealer_seal": ({}, seal),
    "pylabrobot_arm_move": ({}, move),
    "pylabrobot_reader_read": ({}, read),
}
CHILD: Final = (
    "PyLabRobot 0.2.2 {what}\n"
    "source: captured on 2026-11-21 from a child process (python -m platectl.bridge) with PyLabRobot's {backend}"
)
SIMULATED: Final = (
    "PyLabRobot 0.2.2 {what}\n"
    "source: captured on 2026-11-21 from platectl.bridge in the simulated lab, {why}"
)
SOURCES: Final = {
    "pylabrobot_handler_transfer": CHILD.format(
        what="LiquidHandler: a tip, a stroke, a refusal", backend="LiquidHandlerChatterboxBackend"
    ),
    "pylabrobot_shaker_shake": CHILD.format(
        what="HeaterShaker: heat, shake, cool", backend="HeaterShakerChatterboxBackend"
    ),
    "pylabrobot_thermostat_heat": CHILD.format(
        what="TemperatureController: warm, and off",
        backend="TemperatureControllerChatterboxBackend",
    ),
    "pylabrobot_incubator_fetch": CHILD.format(
        what="Incubator: out and in", backend="IncubatorChatterboxBackend"
    ),
    "pylabrobot_sealer_seal": SIMULATED.format(
        what="Sealer: one plate", why="because PyLabRobot simulates no sealer"
    ),
    "pylabrobot_arm_move": SIMULATED.format(
        what="ExperimentalSCARA: there and back", why="because PyLabRobot simulates no arm"
    ),
    "pylabrobot_reader_read": SIMULATED.format(
        what="PlateReader: two passes, and an absorbance",
        why="because PyLabRobot's simulated reader reads zeros",
    ),
}
SCENES: Final = {
    name: getattr(bridge_scenes, name.split("_")[1]) for name in STORIES
}  # fmt: skip
