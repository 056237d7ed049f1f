"""PyLabRobot's heaters and shakers, sealers, incubators and arms."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import RefusedError
from platectl.hal.cells import Climate
from platectl.hal.checks import check_duration, check_slot, check_within
from platectl.hal.instrument import DriverInfo
from platectl_drivers.pylabrobot.bridged import Bridged, BridgeSettings, bridged_info, number

PLATE = "pylabrobot.resources.cor_96_wellplate_360uL_Fb"


class ThermostatSettings(BridgeSettings):
    """Range of the model at hand; PyLabRobot does not state it."""

    temperature_c: tuple[float, float] = (4.0, 70.0)


class PyLabRobotThermostat(Bridged):
    """Drives one heated or cooled nest; satisfies `platectl.hal.handling.ThermalNest`."""

    info: ClassVar[DriverInfo] = bridged_info(
        "thermostat", "Inheco CPAC, Opentrons Temperature Module and others", "ThermalNest", recorded="heat",
    )  # fmt: skip
    Settings = ThermostatSettings
    settings: ThermostatSettings
    device = "thermostat"

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target; a nest that cannot cool is left to cool down. Errors as `ThermalNest`."""
        check_within(temperature_c, self.settings.temperature_c, "hold", "C")
        await self._act("heat", temperature_c=temperature_c)

    async def read_temperature_c(self) -> float:
        """Return the actual nest temperature."""
        return number(await self._query("temperature"))

    async def stop_heating(self) -> None:
        """Switch it off."""
        await self._act("stop_heating")


class ShakerSettings(ThermostatSettings):
    """Ranges of the model at hand."""

    speed_rpm: tuple[float, float] = (200.0, 1200.0)


class PyLabRobotShaker(PyLabRobotThermostat):
    """Drives one heated shaker; satisfies `platectl.hal.handling.Shaker`.

    The child waits for the end of the shaking itself, so that a plate that shakes when the engine
    dies is stopped and released in time.
    """

    info: ClassVar[DriverInfo] = bridged_info(
        "shaker", "Inheco Thermoshake, Hamilton Heater Shaker and others", "Shaker", recorded="shake",
    )  # fmt: skip
    Settings = ShakerSettings
    settings: ShakerSettings
    device = "shaker"

    @property
    def speed_range_rpm(self) -> tuple[float, float]:
        """Slowest and fastest speed of the settings."""
        return self.settings.speed_rpm

    async def shake(self, *, speed_rpm: float, duration_s: float) -> None:
        """Clamp, shake for the duration, stop, release; errors as `Shaker`."""
        check_within(speed_rpm, self.settings.speed_rpm, "shake at", "rpm")
        check_duration(duration_s)
        await self._act("shake", takes_s=duration_s, speed_rpm=speed_rpm, duration_s=duration_s)


class SealerSettings(BridgeSettings):
    """Ranges of the model at hand."""

    temperature_c: tuple[float, float] = (50.0, 200.0)
    duration_s: tuple[float, float] = (0.5, 10.0)


class PyLabRobotSealer(Bridged):
    """Drives one heat sealer; satisfies `platectl.hal.handling.Sealer`."""

    info: ClassVar[DriverInfo] = bridged_info(
        "sealer", "Azenta a4S and other sealers", "Sealer", recorded="seal",
    )  # fmt: skip
    Settings = SealerSettings
    settings: SealerSettings
    device = "sealer"

    async def seal(self, *, temperature_c: float, duration_s: float) -> None:
        """Seal at whole degrees; errors as `Sealer`."""
        check_within(temperature_c, self.settings.temperature_c, "seal at", "C")
        check_within(duration_s, self.settings.duration_s, "seal for", "s")
        if temperature_c != int(temperature_c):
            raise RefusedError(f"cannot seal at {temperature_c:g} C; whole degrees only")
        await self._act(
            "seal", takes_s=duration_s, temperature_c=temperature_c, duration_s=duration_s
        )


class IncubatorSettings(BridgeSettings):
    """Racks of the incubator, by what makes them, and the kind of plate that it stores."""

    racks: tuple[str, ...] = Field(min_length=1)
    plate: str = PLATE
    slots: int = Field(default=0, ge=0, description="sites of all racks together")
    temperature_c: tuple[float, float] = (4.0, 50.0)


class PyLabRobotIncubator(Bridged):
    """Drives one incubator; satisfies `platectl.hal.cells.Incubator`."""

    info: ClassVar[DriverInfo] = bridged_info(
        "incubator", "Liconic STX, Thermo and Heraeus Cytomat, Inheco incubators", "Incubator", recorded="fetch",
    )  # fmt: skip
    Settings = IncubatorSettings
    settings: IncubatorSettings
    device = "incubator"

    @property
    def slots(self) -> int:
        """Number of slots of the settings."""
        return self.settings.slots

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the temperature; errors as `Incubator`."""
        check_within(temperature_c, self.settings.temperature_c, "hold", "C")
        await self._act("heat", temperature_c=temperature_c)

    async def read_climate(self) -> Climate:
        """The temperature; PyLabRobot reads nothing else."""
        return Climate(number(await self._query("temperature")))

    async def store(self, slot: int) -> None:
        """Take the plate from the transfer station into a slot; errors as `Incubator`."""
        await self._carry("store", slot)

    async def fetch(self, slot: int) -> None:
        """Put the plate of a slot onto the transfer station; errors as `Incubator`."""
        await self._carry("fetch", slot)

    async def _carry(self, do: str, slot: int) -> None:
        check_slot(slot, self.settings.slots)
        await self._act(do, slot=slot)


class Station(BaseModel):
    """A taught place: `joints` by axis number, or `at` x, y, z in mm and yaw, pitch, roll in degrees."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    joints: dict[str, float] | None = None
    at: tuple[float, float, float, float, float, float] | None = None
    access: Literal["vertical", "horizontal"] = "vertical"


class ArmSettings(BridgeSettings):
    """Stations, the width at which a plate is gripped, and whether the gripper feels that it has none."""

    stations: dict[str, Station]
    grip_mm: float = Field(default=85.5, gt=0)
    checks_grip: bool = Field(default=True, description="off for grippers that cannot tell")


class PyLabRobotArm(Bridged):
    """Drives one arm; satisfies `platectl.hal.handling.PlateMover`."""

    info: ClassVar[DriverInfo] = bridged_info(
        "arm", "Brooks PreciseFlex 400 and 3400", "PlateMover", recorded="move",
    )  # fmt: skip
    Settings = ArmSettings
    settings: ArmSettings
    device = "arm"

    async def move_plate(self, source: str, target: str) -> None:
        """Take the topmost plate at `source` to `target`; errors as `PlateMover`."""
        missing: Any = {source, target} - set(self.settings.stations)
        if missing:
            raise RefusedError(f"no station is taught as {', '.join(sorted(missing))}")
        await self._act("move_plate", source=source, target=target)
