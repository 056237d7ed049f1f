"""Devices that hold one plate: shakers, sealers, incubators, arms and readers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from platectl.bridge.device import NEST, Device, Options, origin
from platectl.bridge.handler import Handler
from platectl.bridge.library import BridgeFaultError, BridgeRefusalError, load


class Heated(Device):
    """A device that holds a temperature; after a set-up, which may switch it off, it is set again."""

    settings = frozenset({"heat", "stop_heating"})

    def __init__(self, backend: Any, options: Options) -> None:
        super().__init__(backend, options)
        self._before_c: float | None = None

    def recall(self, do: str, given: Mapping[str, Any]) -> None:
        """What it was set to before."""
        if do in self.settings:
            self._before_c = given.get("temperature_c")

    async def ready(self) -> None:
        """Set up, and go on as before."""
        fresh = not self._ready
        await super().ready()
        if fresh and self._before_c is not None:
            await self.heat(self._before_c)

    async def heat(self, temperature_c: float) -> None:
        """Set the temperature."""
        await self.front.set_temperature(temperature_c)


class Thermostat(Heated):
    """A `TemperatureController`."""

    front_end: ClassVar[str] = "pylabrobot.temperature_controlling.TemperatureController"
    primitives: ClassVar[tuple[str, ...]] = ("set_temperature", "deactivate")

    def __init__(self, backend: Any, options: Options) -> None:
        super().__init__(backend, options)
        self.front = load(self.front_end)(
            name="nest", backend=backend, child_location=origin(), **NEST
        )
        self.verbs = {"heat": self.heat, "stop_heating": self.stop_heating}
        self.queries["temperature"] = backend.get_current_temperature

    async def heat(self, temperature_c: float) -> None:
        """Set the temperature; a nest that cannot cool is let cool down by itself."""
        passive = not self.backend.supports_active_cooling
        await self.front.set_temperature(temperature_c, passive=passive)

    async def stop_heating(self) -> None:
        """Switch it off."""
        await self.front.deactivate()


class Shaker(Thermostat):
    """A `HeaterShaker`."""

    front_end = "pylabrobot.heating_shaking.HeaterShaker"
    primitives: ClassVar[tuple[str, ...]] = (
        *Thermostat.primitives, "start_shaking", "stop_shaking", "lock_plate", "unlock_plate",
    )  # fmt: skip

    def __init__(self, backend: Any, options: Options) -> None:
        super().__init__(backend, options)
        self.verbs["shake"] = self.shake

    async def shake(self, speed_rpm: float, duration_s: float) -> None:
        """Clamp, shake, stop, release."""
        await self.front.shake(speed=speed_rpm, duration=duration_s)

    async def halt(self) -> None:
        """Stop; the plate stays clamped."""
        if self._ready:
            await self.backend.stop_shaking()


class Sealer(Device):
    """A `Sealer`."""

    primitives: ClassVar[tuple[str, ...]] = ("seal", "open", "close", "set_temperature")

    def __init__(self, backend: Any, options: Options) -> None:
        super().__init__(backend, options)
        self.front = load("pylabrobot.sealing.Sealer")(backend)
        self.verbs = {"seal": self.seal}

    async def seal(self, temperature_c: float, duration_s: float) -> None:
        """Seal what stands on the tray."""
        await self.front.seal(temperature=round(temperature_c), duration=duration_s)


class Incubator(Heated):
    """An `Incubator`; slots are counted from 1 through its racks.

    Options: `racks` (what makes each), `plate` (what makes a plate of the kind that it stores).
    """

    primitives: ClassVar[tuple[str, ...]] = (
        "fetch_plate_to_loading_tray", "take_in_plate", "set_temperature",
    )  # fmt: skip

    def __init__(self, backend: Any, options: Options) -> None:
        super().__init__(backend, options)
        racks = [self.thing(name, name=f"rack{n}") for n, name in enumerate(options["racks"], 1)]
        self.front = load("pylabrobot.storage.Incubator")(
            backend=backend, name="incubator", racks=racks, loading_tray_location=origin(), **NEST
        )
        self.sites = [site for rack in racks for _, site in sorted(rack.sites.items())]
        self.verbs = {"store": self.store, "fetch": self.fetch, "heat": self.heat}
        self.queries["temperature"] = self.front.get_temperature

    async def store(self, slot: int) -> None:
        """Take the plate on the tray into a slot; where plates are is platectl's to know."""
        site = self._site(slot)
        _empty(site)
        _empty(self.front.loading_tray)
        self.front.loading_tray.assign_child_resource(self._plate(slot))
        await self.front.take_in_plate(site)

    async def fetch(self, slot: int) -> None:
        """Put the plate of a slot onto the tray."""
        site = self._site(slot)
        _empty(self.front.loading_tray)
        if site.resource is None:
            site.assign_child_resource(self._plate(slot))
        await self.front.fetch_plate_to_loading_tray(site.resource.name)

    def _site(self, slot: int) -> Any:
        if not 1 <= slot <= len(self.sites):
            raise BridgeRefusalError(f"its racks have {len(self.sites)} sites, not {slot}")
        return self.sites[slot - 1]

    def _plate(self, slot: int) -> Any:
        return self.thing(self.options["plate"], name=f"plate{slot}")


def _empty(site: Any) -> None:
    if site.resource is not None:
        site.resource.unassign()


class Arm(Device):
    """An `ExperimentalSCARA` between taught stations.

    Options: `stations` (name -> `joints` by number, or `at` x, y, z, yaw, pitch, roll; `access`
    vertical or horizontal), `grip_mm`, `checks_grip`.
    """

    primitives: ClassVar[tuple[str, ...]] = ("pick_up_resource", "drop_resource")

    def __init__(self, backend: Any, options: Options) -> None:
        super().__init__(backend, options)
        self.front = load("pylabrobot.arms.scara.ExperimentalSCARA")(backend)
        self._stations = {name: _taught(where) for name, where in options["stations"].items()}
        self.verbs = {"move_plate": self.move_plate}

    async def move_plate(self, source: str, target: str) -> None:
        """Take a plate at one station and set it down at another."""
        if missing := [name for name in (source, target) if name not in self._stations]:
            raise BridgeRefusalError(f"{missing[0]} is not taught")
        here, access = self._stations[source]
        there, its_access = self._stations[target]
        await self.front.pick_up_resource(here, self.options["grip_mm"], access=access)
        if self.options["checks_grip"] and await self.front.is_gripper_closed():
            raise BridgeFaultError("no_plate", f"nothing was gripped at {source}")
        await self.front.drop_resource(there, access=its_access)

    async def halt(self) -> None:
        """Stop where it is."""
        if self._ready:
            await self.backend.halt()


def _taught(where: Options) -> tuple[Any, Any]:
    """Position and access of a station."""
    arms = "pylabrobot.arms"
    kind = "VerticalAccess" if where.get("access", "vertical") == "vertical" else "HorizontalAccess"
    access = load(f"{arms}.backend.{kind}")()
    if where.get("joints"):
        return {int(axis): float(value) for axis, value in where["joints"].items()}, access
    place, turn = where["at"][:3], where["at"][3:]
    resources = "pylabrobot.resources"
    position = load(f"{arms}.precise_flex.coords.PreciseFlexCartesianCoords")(
        location=load(f"{resources}.Coordinate")(*place),
        rotation=load(f"{resources}.Rotation")(z=turn[0], y=turn[1], x=turn[2]),
    )
    return position, access


class Reader(Device):
    """A `PlateReader`; one request is one pass over some wells.

    Options: `plate` (what makes a plate of the kind that it reads), `focal_mm`, `keywords`.
    """

    settings = frozenset({"open", "close"})
    primitives: ClassVar[tuple[str, ...]] = (
        "open", "close", "read_fluorescence", "read_absorbance", "read_luminescence",
    )  # fmt: skip

    def __init__(self, backend: Any, options: Options) -> None:
        super().__init__(backend, options)
        self.front = load("pylabrobot.plate_reading.PlateReader")(
            name="reader", backend=backend, **NEST
        )
        self._plate = self.thing(options["plate"], name="plate")
        self.front.assign_child_resource(self._plate)
        self.verbs = {"open": self.open, "close": self.shut}
        self.queries |= {
            "fluorescence": self.fluorescence,
            "absorbance": self.absorbance,
            "luminescence": self.luminescence,
        }

    async def open(self) -> None:
        """Put the carriage out."""
        await self.front.open()

    async def shut(self) -> None:
        """Take the carriage in."""
        await self.front.close()

    async def fluorescence(
        self, wells: Sequence[str], excitation_nm: float, emission_nm: float
    ) -> dict[str, Any]:
        """Fluorescence of wells."""
        return await self._pass(
            "read_fluorescence", wells, excitation_wavelength=round(excitation_nm),
            emission_wavelength=round(emission_nm), focal_height=self.options["focal_mm"],
        )  # fmt: skip

    async def absorbance(self, wells: Sequence[str], wavelength_nm: float) -> dict[str, Any]:
        """Absorbance of wells."""
        return await self._pass("read_absorbance", wells, wavelength=round(wavelength_nm))

    async def luminescence(self, wells: Sequence[str]) -> dict[str, Any]:
        """Luminescence of wells."""
        return await self._pass("read_luminescence", wells, focal_height=self.options["focal_mm"])

    async def _pass(self, method: str, wells: Sequence[str], **how: Any) -> dict[str, Any]:
        """Read wells once; where the reader gives no number there is null."""
        items = [self._plate.get_item(well) for well in wells]
        found = await getattr(self.front, method)(
            wells=items, use_new_return_type=True, **how,
            **self.options.get("keywords", {}).get(method, {}),
        )  # fmt: skip
        if len(found) != 1:
            raise BridgeFaultError("data", f"the reader gave {len(found)} measurements for one")
        rows = found[0]["data"]
        return {
            "values": [_number(rows[item.get_row()][item.get_column()]) for item in items],
            "temperature_c": _number(found[0].get("temperature")),
        }


def _number(value: Any) -> float | None:
    found = math.nan if value is None else float(value)
    return found if math.isfinite(found) else None


DEVICES: Final[Mapping[str, type[Device]]] = {
    "handler": Handler, "shaker": Shaker, "thermostat": Thermostat, "sealer": Sealer, "incubator": Incubator, "arm": Arm,
    "reader": Reader,
}  # fmt: skip
