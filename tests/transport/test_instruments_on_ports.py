"""Every driver with a wire talks to its simulator through real ports, enrolled by entry point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platectl import registry
from platectl.domain.errors import UserInputError
from platectl.hal.counting import Counter
from platectl.hal.instrument import DriverSetup, Instrument
from platectl.simkit.faults import FaultPlan
from platectl.simkit.serve import serve_pty, serve_tcp
from platectl.simkit.simulator import Simulator, SimulatorSetup
from platectl.transport.address import open_connector
from platectl.transport.drop_folder import DropDirectory
from platectl.transport.wall_clock import WallClock

pytestmark = pytest.mark.wall_time


@pytest.fixture(autouse=True)
def _lively_sealer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated sealer saves virtual time by reporting once a minute; here a minute is long."""
    monkeypatch.setattr("platectl_simulators.a4s.IDLE_EVERY_S", 0.1)


class Room:
    """Stands in for the world: one plate everywhere, at room temperature."""

    def __init__(self) -> None:
        self.notices: dict[str, list[Any]] = {}

    def rng(self, instrument: str) -> np.random.Generator:
        return np.random.default_rng(5)

    def plate_at(self, position: str) -> str | None:
        return "P1"

    def top_at(self, position: str) -> str | None:
        return "P1"

    def barcode(self, labware: str) -> str:
        return ""

    def temperature_c(self, position: str) -> float:
        return 22.0

    def set_temperature(self, position: str, temperature_c: float | None) -> None:
        return None

    def count_rates(self, position: str, wells: Sequence[str]) -> np.ndarray:
        return np.full(len(wells), 60_000.0)


def _names(wire: str) -> list[str]:
    """Drivers with this kind of wire whose modules can be imported."""
    found = []
    for name in registry.names():
        try:
            driver = registry.load(registry.DRIVERS, name)
            registry.load(registry.SIMULATORS, name)
        except UserInputError:
            continue
        if driver.info.wire == wire:
            found.append(name)
    return found


def simulator(name: str, **settings: Any) -> Simulator:
    room: Any = Room()
    setup = SimulatorSetup("x", room, WallClock(), "x", settings, FaultPlan())
    made: Simulator = registry.load(registry.SIMULATORS, name)(setup)
    return made


def driver(name: str, address: str, **settings: Any) -> Any:
    kind = registry.load(registry.DRIVERS, name)
    folder = DropDirectory(Path("/nonexistent"), in_thread=False)  # nothing is read from it here
    made = kind.Settings(**settings)
    setup = DriverSetup("x", WallClock(), open_connector(address), made, folder)
    return kind(setup)


async def meet(subject: Instrument) -> None:
    """Connect, close twice, and connect again: the port must be free again."""
    for _ in range(2):
        identity = await subject.connect()
        assert identity.model
        await subject.aclose()
        await subject.aclose()


@pytest.mark.parametrize("name", _names("serial"))
async def test_a_serial_instrument_is_met_through_pyserial(name: str) -> None:
    async with serve_pty(simulator(name)) as path:
        await meet(driver(name, f"serial:{path}?baud=9600"))


@pytest.mark.parametrize("name", _names("serial"))
async def test_a_serial_instrument_is_met_through_pyvisa(name: str) -> None:
    async with serve_pty(simulator(name)) as path:
        await meet(driver(name, f"visa:ASRL{path}::INSTR?baud=9600"))


@pytest.mark.parametrize("name", [*_names("serial"), *_names("tcp")])
async def test_an_instrument_is_met_through_a_visa_socket(name: str) -> None:
    async with serve_tcp(simulator(name)) as address:
        port = address.rsplit(":", 1)[1]
        await meet(driver(name, f"visa:TCPIP::127.0.0.1::{port}::SOCKET"))


@pytest.mark.parametrize("name", [*_names("tcp"), *_names("http")])
async def test_an_instrument_on_the_network_is_met_through_tcp(name: str) -> None:
    async with serve_tcp(simulator(name)) as address:
        await meet(driver(name, address))


async def test_a_plate_is_counted_over_tcp() -> None:
    columns = {
        "plate": "Plate", "well": "Well", "count_s": "Time", "cpm": "CPM", "counts": "Counts",
        "ended_at": "EndTime",
    }  # fmt: skip
    settings = {"assays": {"quick": 0.05}, "overhead_s": 0.0, "columns": columns}
    async with serve_tcp(simulator("hidex_sense", **settings)) as address:
        subject: Counter = driver("hidex_sense", address, open_when_done=False, **settings)
        await subject.connect()

        readings = await subject.count(title="x", wells=["A1", "H12"], count_s=0.05)

        assert [reading.well for reading in readings] == ["A1", "H12"]
        await subject.aclose()
