"""One simulated bridge for each kind of device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from platectl.bridge import library
from platectl.bridge.host import Host
from platectl.bridge.memory import Memory
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup
from platectl_simulators.pylabrobot.head import Head
from platectl_simulators.pylabrobot.physics import (
    Chamber,
    Nest,
    Optics,
    Physics,
    Press,
    Scara,
    ShakingNest,
)

HAMILTON: Final = "pylabrobot.liquid_handling.backends.hamilton"
#: backends whose own simulated one runs the same code up to the firmware's strings
TWINS: Final = {"STARBackend": f"{HAMILTON}.STAR_chatterbox.STARChatterboxBackend"}
SIMULATED: Final = "Chatterbox"


class Bridge:
    """Behind a bridged driver: a child for each conversation, one memory and one device for all.

    `simulated_by` of the settings names another backend to stand in, with `simulated_arguments`.
    """

    physics: ClassVar[type[Physics]] = Physics
    #: what stands in for a backend that has no twin; empty: one of ours with the acting methods
    stand_in: ClassVar[str] = ""

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self.memory = Memory()
        self.device = self.physics(setup)

    async def serve(self, stream: ByteStream) -> None:
        """Be one child, until its driver is gone."""
        await Host(self.memory, self._make).serve(stream)

    def _make(self, name: str, arguments: Mapping[str, Any], trusted: tuple[str, ...]) -> Any:
        settings = self._setup.settings
        real = library.load(name, trusted)
        if SIMULATED in real.__name__:
            backend = library.make(name, trusted, **arguments)
        elif other := settings.get("simulated_by") or TWINS.get(real.__name__) or self.stand_in:
            backend = library.make(other, trusted, **settings.get("simulated_arguments", {}))
        else:
            backend = _Methods((*self.physics.calls, "setup", "stop"))
        self.device.stand_behind(backend)
        return backend


class _Methods:
    """A backend that has methods and does nothing."""

    def __init__(self, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(self, name, _nothing)


async def _nothing(*args: Any, **how: Any) -> None:
    del args, how


class HandlerBridge(Bridge):
    """A liquid handler."""

    physics = Head
    stand_in = "pylabrobot.liquid_handling.backends.LiquidHandlerChatterboxBackend"


class ShakerBridge(Bridge):
    """A heated shaker."""

    physics = ShakingNest
    stand_in = "pylabrobot.heating_shaking.HeaterShakerChatterboxBackend"


class ThermostatBridge(Bridge):
    """A heated nest."""

    physics = Nest
    stand_in = "pylabrobot.temperature_controlling.TemperatureControllerChatterboxBackend"


class SealerBridge(Bridge):
    """A sealer."""

    physics = Press


class IncubatorBridge(Bridge):
    """An incubator."""

    physics = Chamber
    stand_in = "pylabrobot.storage.IncubatorChatterboxBackend"


class ArmBridge(Bridge):
    """An arm."""

    physics = Scara


class ReaderBridge(Bridge):
    """A plate reader."""

    physics = Optics
    stand_in = "pylabrobot.plate_reading.chatterbox.PlateReaderChatterboxBackend"
