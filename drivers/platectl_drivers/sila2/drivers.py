"""The devices: heated nests, shakers, sealers, incubators."""

from __future__ import annotations

from typing import Any, ClassVar

from platectl.hal.cells import Climate
from platectl.hal.checks import check_slot, check_within
from platectl.hal.instrument import DriverInfo
from platectl_drivers.sila2.mapping import Settings
from platectl_drivers.sila2.server import SOURCE, UNATTESTED, Sila


def _info(name: str, makes: str, interface: str, transcript: str) -> DriverInfo:
    return DriverInfo(
        name=name, makes=f"{makes} behind a SiLA 2 server", interfaces=(interface,), wire="grpc",
        source=SOURCE, unattested=UNATTESTED, transcripts=(transcript,),
    )  # fmt: skip


class SilaThermostat(Sila):
    """Drives one heated nest; satisfies `platectl.hal.handling.ThermalNest`."""

    info: ClassVar[DriverInfo] = _info("sila2_thermostat", "heated nests", "ThermalNest", "sila2_thermostat_heat")  # fmt: skip
    Settings = Settings
    needs: ClassVar[tuple[str, ...]] = ("set_temperature", "stop_heating")

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target; errors as `ThermalNest`."""
        check_within(temperature_c, self.settings.temperature_c, "hold", "C")
        await self._act("set_temperature", temperature_c=temperature_c)

    async def read_temperature_c(self) -> float:
        """Return the actual temperature."""
        return await self._read("temperature_c")

    async def stop_heating(self) -> None:
        """Switch it off."""
        await self._act("stop_heating")


class SilaShaker(SilaThermostat):
    """Drives one heated shaker; satisfies `platectl.hal.handling.Shaker`."""

    info: ClassVar[DriverInfo] = _info(
        "sila2_shaker", "heated shakers", "Shaker", "sila2_shaker_shake"
    )
    needs: ClassVar[tuple[str, ...]] = ("shake",)

    @property
    def speed_range_rpm(self) -> tuple[float, float]:
        """Slowest and fastest speed of the settings."""
        return self.settings.speed_rpm

    async def shake(self, *, speed_rpm: float, duration_s: float) -> None:
        """Do what the lab file maps to `shake`; errors as `Shaker`."""
        check_within(speed_rpm, self.settings.speed_rpm, "shake at", "rpm")
        check_within(duration_s, (0.001, 86400.0), "shake for", "s")
        await self._act("shake", speed_rpm=speed_rpm, duration_s=duration_s)


class SilaSealer(Sila):
    """Drives one sealer; satisfies `platectl.hal.handling.Sealer`."""

    info: ClassVar[DriverInfo] = _info("sila2_sealer", "sealers", "Sealer", "sila2_sealer_seal")
    Settings = Settings
    needs: ClassVar[tuple[str, ...]] = ("seal",)

    async def seal(self, *, temperature_c: float, duration_s: float) -> None:
        """Do what the lab file maps to `seal`; errors as `Sealer`."""
        check_within(temperature_c, self.settings.seal_c, "seal at", "C")
        check_within(duration_s, self.settings.seal_s, "seal for", "s")
        await self._act("seal", temperature_c=temperature_c, duration_s=duration_s)


class SilaIncubator(Sila):
    """Drives one incubator; satisfies `platectl.hal.cells.Incubator`."""

    info: ClassVar[DriverInfo] = _info(
        "sila2_incubator", "incubators", "Incubator", "sila2_incubator_fetch"
    )
    Settings = Settings
    needs: ClassVar[tuple[str, ...]] = ("store", "fetch")

    @property
    def slots(self) -> int:
        """Number of slots of the settings."""
        return self.settings.slots

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target; errors as `Incubator`."""
        check_within(temperature_c, self.settings.temperature_c, "hold", "C")
        await self._act("set_temperature", temperature_c=temperature_c)

    async def read_climate(self) -> Climate:
        """Return what is mapped of temperature, CO2 and humidity."""
        mapped = self.settings.readings
        more: dict[str, Any] = {
            name: await self._read(name) for name in ("co2_percent", "humidity_percent") if name in mapped
        }  # fmt: skip
        return Climate(await self._read("temperature_c"), **more)

    async def store(self, slot: int) -> None:
        """Take the plate in; errors as `Incubator`."""
        check_slot(slot, self.slots)
        await self._act("store", slot=slot)

    async def fetch(self, slot: int) -> None:
        """Put the plate out; errors as `Incubator`."""
        check_slot(slot, self.slots)
        await self._act("fetch", slot=slot)
