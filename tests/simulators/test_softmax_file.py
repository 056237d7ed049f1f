"""The simulated FlexStation 3, its export read without the driver."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.file_bench import Evenly, grows
from tests.fura_bench import PLATE, FuraBench
from tests.line_bench import recorded

from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl_simulators.softmax_file import SoftmaxFileSimulator

START: dict[str, Any] = {
    "title": "P1/7",
    "wells": [*PLATE.column(2), "A3"],
    "columns": [2, 3],
    "channels": [[340.0, 510.0], [380.0, 510.0]],
    "interval_s": 4.0,
    "baseline_s": 8.0,
    "record_s": 12.0,
    "pipettor": {"volume_ul": 25.0},
}


def simulator(
    folder: Path, *faults: Fault, bench: FuraBench | None = None, **settings: Any
) -> SoftmaxFileSimulator:
    return SoftmaxFileSimulator(
        SimulatorSetup(
            "reader", bench or FuraBench(), VirtualClock(), "read",
            {"source": "source", "tips": "tips", **settings}, FaultPlan(faults), folder,
        )
    )  # fmt: skip


async def lines_of(subject: SoftmaxFileSimulator) -> list[list[str]]:
    path = await subject.read(START)
    assert path is not None
    assert path.name == "P1_7.txt"
    data = path.read_bytes()
    assert data.startswith(b"\xff\xfe")
    text = data[2:].decode("utf-16-le")
    assert text.count("\r\n") == text.count("\n")
    return [line.split("\t") for line in text.split("\r\n")]


async def test_the_file_has_the_documented_shape(tmp_path: Path) -> None:
    lines = await lines_of(simulator(tmp_path))

    assert lines[0] == ["##BLOCKS= 2"]
    header = lines[4]
    assert header[:12] == [
        "Plate:", "P1/7", "1.3", "PlateFormat", "Kinetic", "Fluorescence", "TRUE", "Raw", "FALSE",
        "6", "20", "4",
    ]  # fmt: skip
    assert header[15:21] == ["2", "510 510 ", "2", "2", "96", "340 380 "]
    assert header[29:31] == ["1", "8"]
    assert lines[5][:3] == ["", "Temperature(°C)", "1"]
    assert lines[5][13:16] == ["12", "", "1"]
    assert [line[0] for line in lines[6:60:9]] == ["0:00", "0:04", "0:08", "0:12", "0:16", "0:20"]
    assert lines[6][1] == "37"
    assert [bool(cell) for cell in lines[6][2:6]] == [False, True, True, False]
    assert [bool(cell) for cell in lines[7][2:6]] == [False, True, False, False]
    assert lines[14] == [""]
    assert lines[-3] == ["~End"]
    assert lines[-2] == ["Original Filename: P1/7; Date Last Saved: 1/5/2026 6:01:12 PM"]


class EvenBench(Evenly, FuraBench):
    """Cells that are read without scatter."""


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("softmax_file_plate_format", {}),
        ("softmax_file_time_format", {"layout": "TimeFormat", "encoding": "mac-roman"}),
    ],
)
async def test_it_writes_the_recorded_file(
    transcripts: Path, tmp_path: Path, name: str, settings: dict[str, str]
) -> None:
    turns = recorded(transcripts, name)
    start = {**START, "title": "P0007-cells", "wells": ["A2", "B2", "A3"], "baseline_s": 4.0, "record_s": 4.0}  # fmt: skip
    reading = asyncio.create_task(simulator(tmp_path, bench=EvenBench(), **settings).read(start))

    await grows(tmp_path / "P0007-cells.txt", turns)

    assert reading.done()


async def test_lines_of_a_well_by_well_export_stand_by_wavelength(tmp_path: Path) -> None:
    lines = await lines_of(simulator(tmp_path, layout="TimeFormat"))

    assert lines[5][2:5] == ["A1", "A2", "A3"]
    assert [line[0] for line in lines[6:12]] == ["0:00", "0:04", "0:08", "0:12", "0:16", "0:20"]
    assert lines[12] == [""]
    assert float(lines[6][3]) < float(lines[13][3])


async def test_every_column_is_read_at_its_own_times_and_added_to_once(tmp_path: Path) -> None:
    bench = FuraBench()
    before = bench.volumes_ul("C1")
    await simulator(tmp_path, bench=bench).read(START)

    times = np.array([at for at, _, wells in bench.read_s if wells[0] == "A2"])
    later = np.array([at for at, _, wells in bench.read_s if wells == ("A3",)])
    assert np.diff(times) == pytest.approx([0.5, 3.5] * 5 + [0.5])
    assert later - times == pytest.approx(np.full(12, 35.0))
    assert [len(at) for at in bench.added_s.values()] == [1] * 9
    assert bench.added_s["A2"][0] - times[0] == pytest.approx(8.7)
    assert bench.added_s["A3"][0] - later[0] == pytest.approx(8.7)
    drawn = before - bench.volumes_ul("C1")
    assert drawn[PLATE.index("A2")] == pytest.approx(25, rel=0.05)
    assert drawn[PLATE.index("B3")] == pytest.approx(0, abs=0.1)
    bench.new_tips("reader", rack="T1", wells=PLATE.column(2))


async def test_the_file_appears_in_pieces(tmp_path: Path) -> None:
    task = asyncio.create_task(simulator(tmp_path).read(START))
    await asyncio.sleep(15 + 20 + 15 + 20 + 3.5)
    early = (tmp_path / "P1_7.txt").stat().st_size
    await task

    assert 0 < early < (tmp_path / "P1_7.txt").stat().st_size


async def test_a_second_export_of_one_title_gets_its_own_name(tmp_path: Path) -> None:
    subject = simulator(tmp_path)
    assert [await subject.read(START), await subject.read(START)] == [
        tmp_path / "P1_7.txt", tmp_path / "P1_7 (2).txt",
    ]  # fmt: skip


async def test_one_seed_gives_one_file(tmp_path: Path) -> None:
    data = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = await simulator(tmp_path / name).read(START)
        assert path is not None
        data.append(path.read_bytes().split("Original".encode("utf-16-le"))[0])
    assert data[0] == data[1]


async def test_there_is_no_wire(tmp_path: Path) -> None:
    ours, theirs = pipe()

    await simulator(tmp_path).serve(theirs)

    await ours.aclose()
