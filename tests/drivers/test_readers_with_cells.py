"""Readers with their own pipettors on a plate of living cells: what comes back is what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platectl.domain.labware import LabwareKind
from platectl.domain.wells import PlateFormat
from platectl.hal.instrument import DriverSetup
from platectl.hal.reading import Addition, Channel, Frame, Injection, KineticRead
from platectl.hal.stream import ByteStream
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World
from platectl.transport.drop_folder import DropDirectory
from platectl_drivers.flipr import Flipr
from platectl_drivers.softmax_file import SoftmaxFile
from platectl_simulators.flipr import FliprSimulator
from platectl_simulators.softmax_file import SoftmaxFileSimulator
from platectl_simulators.truth_file import default_truth

PLATE = PlateFormat.of(96)
CATALOGUE = {
    "plate": LabwareKind.model_validate({"role": "plate", "max_volume": "360 uL"}),
    "tips": LabwareKind.model_validate({"role": "tip_rack", "tip_volume": "300 uL"}),
}
BUFFER = {"probenecid": 2.5e-3}
#: molar in the well, by row; A and B get buffer
DOSES = dict(zip("CDEFGH", (3e-8, 3e-7, 1e-6, 3e-6, 3e-5, 3e-4), strict=True))
READ = KineticRead(
    title="P1-5",
    plate="P1",
    wells=tuple(well for column in (2, 3) for well in PLATE.column(column)),
    channels=(Channel(340.0, 510.0), Channel(380.0, 510.0)),
    interval_s=2.0,
    baseline_s=20.0,
    record_s=60.0,
    injection=Injection("C1", volume_ul=25.0, speed_ul_per_s=32.0, height_mm=3.0),
    columns=(2, 3),
)


async def lab() -> World:
    """Loaded and washed cells in the reader, doses at its source, tips beside them."""
    world = World(default_truth(), VirtualClock(), catalogue=CATALOGUE, seed=4)
    for name in ("read", "source", "tips"):
        world.add_position(name, temperature_c=37.0, dark=name == "read")
    for labware, kind, position in (
        ("P1", "plate", "read"), ("C1", "plate", "source"), ("T1", "tips", "tips"),
    ):  # fmt: skip
        world.add_labware(labware, kind, position)
    for well in PLATE.by_row():
        world.fill("P1", well, volume_ul=100.0, contents={"cells:sh_sy5y": 500.0})
    world.aspirate_plate("washer", "read", height_mm=0.3, rate=2)
    for well in PLATE.by_row():
        world.fill("P1", well, volume_ul=90.0, contents={"fura2_am": 5e-6, **BUFFER})
        dose = DOSES.get(well[0], 0.0)
        contents = {**BUFFER, **({"carbachol": 5 * dose} if dose else {})}
        world.fill("C1", well, volume_ul=120.0, contents=contents)
    await asyncio.sleep(45 * 60)
    for _ in range(2):
        world.aspirate_plate("washer", "read", height_mm=0.3, rate=2)
        for well in PLATE.by_row():
            world.fill("P1", well, volume_ul=90.0, contents=BUFFER)
    await asyncio.sleep(900)
    return world


def rises(items: Sequence[Frame | Addition]) -> dict[str, float]:
    """Rise of the background-free ratio after the addition over the mean before it."""
    added: dict[str, float] = {}
    for item in items:
        if isinstance(item, Addition):
            assert not set(item.at_s) & set(added)
            added.update(item.at_s)
    assert set(READ.wells) <= set(added)
    light: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for item in items:
        if isinstance(item, Frame):
            background = (210.0, 260.0)[item.channel]
            for well, at_s, value in zip(item.wells, item.at_s, item.values, strict=True):
                channels = light.setdefault(well, {0: [], 1: []})
                channels[item.channel].append((at_s - added[well], value - background))
    found = {}
    for well, channels in light.items():
        times = np.array([at for at, _ in channels[0]])
        ratio = np.array([v for _, v in channels[0]]) / np.array([v for _, v in channels[1]])
        found[well] = float(ratio[(times > 4) & (times < 20)].max() - ratio[times < 0].mean())
    return found


async def by_flipr(world: World, folder: Path) -> list[Frame | Addition]:
    protocol = {
        "path": "C:\\fura2.fmp", "channels": [[340, 510], [380, 510]], "interval_s": 2.0,
        "baseline_s": 20.0, "record_s": 60.0, "volume_ul": 25.0, "speed_ul_per_s": 32.0,
        "height_mm": 3.0,
    }  # fmt: skip
    settings = {"protocols": {"fura2": protocol}, "source": "source", "tips": "tips"}
    clock = VirtualClock()
    simulator = FliprSimulator(
        SimulatorSetup("reader", world, clock, "read", settings, folder=folder)
    )
    ours, theirs = pipe()

    async def connect() -> ByteStream:
        return ours

    drop = DropDirectory(folder, in_thread=False)
    driver = Flipr(
        DriverSetup("reader", clock, connect, Flipr.Settings.model_validate(settings), drop)
    )
    tasks = [asyncio.create_task(simulator.run()), asyncio.create_task(simulator.serve(theirs))]
    await driver.connect()
    items = [item async for item in driver.read_kinetic(READ)]
    await driver.aclose()
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return items


async def by_flexstation(world: World, folder: Path) -> list[Frame | Addition]:
    settings: dict[str, Any] = {
        "source": "source", "tips": "tips", "channel_s": 0.5, "transfer_lag_s": 0.7,
    }  # fmt: skip
    clock = VirtualClock()
    simulator = SoftmaxFileSimulator(
        SimulatorSetup("reader", world, clock, "read", settings, folder=folder)
    )

    async def no_wire() -> ByteStream:
        raise AssertionError

    drop = DropDirectory(folder, in_thread=False)
    driver = SoftmaxFile(
        DriverSetup("reader", clock, no_wire, SoftmaxFile.Settings(**settings), drop)
    )
    note = {**asdict(READ), "channels": [[340, 510], [380, 510]], "pipettor": {"volume_ul": 25.0}}
    world.notices["reader.start"] = [note]
    task = asyncio.create_task(simulator.run())
    items = [item async for item in driver.read_kinetic(READ)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return items


@pytest.mark.parametrize("read", [by_flipr, by_flexstation])
async def test_cells_answer_the_dose_that_the_pipettor_gave_them(read: Any, tmp_path: Path) -> None:
    world = await lab()
    index = [PLATE.index(well) for well in READ.wells]
    before_ul = world.volumes_ul("P1")[index]

    items = await read(world, tmp_path)

    rise = rises(items)
    by_dose = {dose: (rise[f"{row}2"] + rise[f"{row}3"]) / 2 for row, dose in DOSES.items()}
    vehicle = max(rise[f"{row}{column}"] for row in "AB" for column in (2, 3))
    assert vehicle < 0.12
    assert by_dose[3e-8] < 0.2
    top = (by_dose[3e-5] + by_dose[3e-4]) / 2
    assert 1.2 < top < 2.8
    assert by_dose[3e-7] < by_dose[1e-6] < by_dose[3e-6] < top
    assert by_dose[1e-6] / top == pytest.approx(1.0 / 2.7, abs=0.12)  # EC50 is 1.7 uM
    gained_ul = world.volumes_ul("P1")[index] - before_ul
    assert gained_ul == pytest.approx(25.0, abs=2.0)  # once, less what evaporates
    got_some = world.contents("P1", "carbachol")[index] > 0
    assert got_some.tolist() == [well[0] in DOSES for well in READ.wells]
