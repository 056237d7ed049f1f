"""What a device does in the world when its backend is called."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from platectl.bridge import library
from platectl.bridge.device import tap
from platectl.simkit import chamber
from platectl.simkit.photometer import Photometer
from platectl.simkit.simulator import SimulatorSetup, unnoticed

HEAT_S: Final = 60.0
RAMP_S: Final = 2.0
CLAMP_S: Final = 1.0
TRAY_S: Final = 8.0
CARRY_S: Final = 17.0
PICK_S: Final = 9.0
PASS_S: Final = 15.0
DRAWER_S: Final = 4.0


def _hush(backend: Any) -> None:
    """Simulated backends print what they are told; nobody listens in this process."""
    for kind in type(backend).__mro__:
        if kind.__module__.startswith(library.OWN):
            vars(sys.modules[kind.__module__])["print"] = _unheard


def _unheard(*words: object, **how: object) -> None:
    """Print nothing."""
    del words, how


class Physics:
    """One device in the world; it outlives the children.

    Faults: `device_error` (counted at each acting call, which then does nothing; `error` is the
    dotted name of what is raised, `with` its arguments, `channels` those that raise it), and those of
    the world.
    """

    #: acting methods of the backend, each with one of its name here, prefixed `did_`
    calls: ClassVar[tuple[str, ...]] = ()

    def __init__(self, setup: SimulatorSetup) -> None:
        self.setup = setup
        self.world = setup.world
        self.position = setup.position or setup.name

    def stand_behind(self, backend: Any) -> None:
        """Let the calls of a backend happen."""
        _hush(backend)
        for name in self.calls:
            tap(backend, name, after=self._happening(name))

    def _happening(self, name: str) -> Any:
        async def happen(args: Any, how: Mapping[str, Any]) -> None:
            if (fault := self.setup.faults.strike("device_error")) is not None:
                raise _error(fault.data)
            await getattr(self, f"did_{name}")(*args, **how)

        return happen

    async def takes(self, nominal_s: float) -> None:
        """Be busy for about so long."""
        await asyncio.sleep(self.world.takes_s(self.setup.name, nominal_s))


def _error(data: Mapping[str, Any]) -> Exception:
    """The exception that a fault describes."""
    kind = library.load(str(data["error"]), trusted=("builtins",))
    raised: Exception = kind(*data.get("with", ("simulated",)))
    if "channels" in data:
        some = library.load("pylabrobot.liquid_handling.errors.ChannelizedError")
        raised = some(dict.fromkeys(data["channels"], raised))
    return raised


class Nest(Physics):
    """A nest that heats; it follows its target with a time constant of 60 s."""

    calls: ClassVar[tuple[str, ...]] = ("set_temperature", "deactivate")

    def __init__(self, setup: SimulatorSetup) -> None:
        super().__init__(setup)
        self._heated = chamber.Nest(setup, tau_s=HEAT_S)

    def stand_behind(self, backend: Any) -> None:
        """As all, and the thermometer is the nest's."""
        super().stand_behind(backend)
        backend.get_current_temperature = self._temperature

    async def _temperature(self) -> float:
        self._heated.tell_world()
        return round(self._heated.actual_c(), 1)

    async def did_set_temperature(self, temperature: float) -> None:
        """Heat."""
        self._heated.heat(temperature)

    async def did_deactivate(self) -> None:
        """Cool down."""
        self._heated.heat(None)
        self._heated.tell_world()


class ShakingNest(Nest):
    """A nest that clamps and shakes as well."""

    calls = (*Nest.calls, "start_shaking", "stop_shaking", "lock_plate", "unlock_plate")

    def __init__(self, setup: SimulatorSetup) -> None:
        super().__init__(setup)
        self._shaking = False

    async def did_lock_plate(self) -> None:
        """Clamp."""
        await self.takes(CLAMP_S)

    async def did_unlock_plate(self) -> None:
        """Release."""
        await self.takes(CLAMP_S)

    async def did_start_shaking(self, speed: float) -> None:
        """Shake; the plate is mixed when the speed is reached."""
        del speed
        self._shaking = True
        await self.takes(RAMP_S)
        if not self._shaking:
            return
        self._heated.tell_world()
        with unnoticed(self.setup):
            self.world.shake(self.position)

    async def did_stop_shaking(self) -> None:
        """Come to rest."""
        if self._shaking:
            self._shaking = False
            await self.takes(RAMP_S)
        self._heated.tell_world()


class Press(Physics):
    """A sealer."""

    calls = ("seal", "open", "close", "set_temperature")

    async def did_seal(self, temperature: float, duration: float) -> None:
        """Take the tray in, press, put it out."""
        del temperature
        await self.takes(TRAY_S)
        await asyncio.sleep(duration)
        with unnoticed(self.setup):
            self.world.seal(self.position)
        await self.takes(TRAY_S)

    async def did_open(self) -> None:
        """Put the tray out."""
        await self.takes(TRAY_S)

    async def did_close(self) -> None:
        """Take the tray in."""
        await self.takes(TRAY_S)

    async def did_set_temperature(self, temperature: float) -> None:
        """Heat; it is hot at once here."""


class Chamber(Physics):
    """An incubator; `slots` of the settings maps numbers to positions."""

    calls = ("fetch_plate_to_loading_tray", "take_in_plate", "set_temperature")

    def __init__(self, setup: SimulatorSetup) -> None:
        super().__init__(setup)
        slots = dict(setup.settings.get("slots", {}))
        self._slots = {int(number): str(position) for number, position in slots.items()}

    def stand_behind(self, backend: Any) -> None:
        """As all, and the thermometer is the chamber's."""
        super().stand_behind(backend)
        backend.get_temperature = self._temperature

    async def _temperature(self) -> float:
        where = next(iter(self._slots.values()), self.position)
        return self.world.temperature_c(where)

    async def did_set_temperature(self, temperature: float) -> None:
        """Heat all slots."""
        for position in self._slots.values():
            self.world.set_temperature(position, temperature)

    async def did_fetch_plate_to_loading_tray(self, plate: Any, **more: Any) -> None:
        """Bring what is in the slot."""
        del more
        await self._carry(self._at(plate.parent), self.position)

    async def did_take_in_plate(self, plate: Any, site: Any, **more: Any) -> None:
        """Take what is on the tray."""
        del plate, more
        await self._carry(self.position, self._at(site))

    def _at(self, site: Any) -> str:
        """Position of a site, counted through the racks."""
        number = 0
        for rack in site.parent.parent.racks:
            for _, other in sorted(rack.sites.items()):
                number += 1
                if other is site:
                    return self._slots.get(number, f"{self.setup.name}.{number}")
        raise LookupError("no such site")

    async def _carry(self, source: str, target: str) -> None:
        await self.takes(CARRY_S)
        labware = self.world.lift(source)
        if labware is None:
            raise library.load(
                "pylabrobot.storage.cytomat.errors.CytomatTransferStationEmptyError"
            )(f"nothing stands at {source}")
        self.world.set_down(labware, target)


class Scara(Physics):
    """An arm; stations of the settings have the names of positions."""

    calls = ("pick_up_resource", "drop_resource", "halt")

    def __init__(self, setup: SimulatorSetup) -> None:
        super().__init__(setup)
        self._carried: str | None = None
        stations: Mapping[str, Any] = setup.settings.get("stations", {})
        self._places = {_where(taught): name for name, taught in stations.items()}

    def stand_behind(self, backend: Any) -> None:
        """As all, and the gripper is closed when there is nothing in it."""
        super().stand_behind(backend)

        async def closed() -> bool:
            return self._carried is None

        backend.is_gripper_closed = closed

    async def did_pick_up_resource(self, position: Any, plate_width: float, access: Any) -> None:
        """Grip what stands there."""
        del plate_width, access
        await self.takes(PICK_S)
        self._carried = self.world.lift(self._places[_key(position)])

    async def did_drop_resource(self, position: Any, access: Any) -> None:
        """Set it down."""
        del access
        await self.takes(PICK_S)
        if self._carried is not None:
            self.world.set_down(self._carried, self._places[_key(position)])
            self._carried = None

    async def did_halt(self) -> None:
        """Stand still."""


def _where(taught: Mapping[str, Any]) -> tuple[float, ...]:
    if taught.get("joints"):
        return tuple(float(v) for _, v in sorted(taught["joints"].items()))
    return tuple(float(v) for v in taught["at"][:3])


def _key(position: Any) -> tuple[float, ...]:
    if isinstance(position, dict):
        return tuple(position[axis] for axis in sorted(position, key=str))
    return (position.location.x, position.location.y, position.location.z)


class Optics(Physics):
    """A reader of fluorescence."""

    calls = ("open", "close")

    def __init__(self, setup: SimulatorSetup) -> None:
        super().__init__(setup)
        self._photometer = Photometer(setup.world.rng(setup.name))

    def stand_behind(self, backend: Any) -> None:
        """As all, and its numbers are those of the plate that stands in it."""
        super().stand_behind(backend)
        backend.read_fluorescence = self._fluorescence
        backend.read_absorbance = self._absorbance
        backend.read_luminescence = self._luminescence

    async def did_open(self) -> None:
        """Put the carriage out."""
        await self.takes(DRAWER_S)

    async def did_close(self, plate: Any) -> None:
        """Take it in."""
        del plate
        await self.takes(DRAWER_S)

    async def _fluorescence(
        self, plate: Any, wells: Sequence[Any], excitation_wavelength: int, emission_wavelength: int,
        focal_height: float,
    ) -> list[dict[str, Any]]:  # fmt: skip
        del focal_height
        await self.takes(PASS_S)
        light = self.world.fluorescence(
            self.position, _names(wells), excitation_nm=excitation_wavelength,
            emission_nm=emission_wavelength,
        )  # fmt: skip
        return self._told(plate, wells, self._photometer.measure(np.asarray(light)).round(1))

    async def _absorbance(
        self, plate: Any, wells: Sequence[Any], wavelength: int
    ) -> list[dict[str, Any]]:
        await self.takes(PASS_S)
        seen = self.world.absorbance(self.position, _names(wells), wavelength_nm=wavelength)
        return self._told(plate, wells, np.asarray(seen).round(4))

    async def _luminescence(
        self, plate: Any, wells: Sequence[Any], focal_height: float
    ) -> list[dict[str, Any]]:
        """Nothing in this world glows; the detector's noise is what there is."""
        del focal_height
        await self.takes(PASS_S)
        return self._told(plate, wells, self._photometer.measure(np.zeros(len(wells))).round(1))

    def _told(self, plate: Any, wells: Sequence[Any], values: Any) -> list[dict[str, Any]]:
        rows, columns = plate.num_items_y, plate.num_items_x
        data: list[list[float | None]] = [[None] * columns for _ in range(rows)]
        for well, value in zip(wells, values, strict=True):
            data[well.get_row()][well.get_column()] = float(value)
        temperature_c = round(self.world.temperature_c(self.position), 1)
        return [{"time": 0.0, "temperature": temperature_c, "data": data}]


def _names(wells: Sequence[Any]) -> list[str]:
    return [well.get_identifier() for well in wells]
