"""The simulated Hidex 300 SL, read without the driver."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.file_bench import EvenJournal, grows, started
from tests.line_bench import recorded

from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import WorldError
from platectl_simulators.hidex300 import Hidex300Simulator

#: keys of a reading in the captured files, in their order
KEYS = [
    "Samp.", "Repe.", "Vial", "WName", "CPM", "DPM", "TDCR", "Chemi", "Counts", "DTime", "Time",
    "EndTime", "QPE", "QPI", "LumiCPS", "Temp", "Column 17", "Column 18", "Column 19", "Column 20",
]  # fmt: skip


class Bench:
    """Stands in for the world."""

    def __init__(self, *, empty: bool = False) -> None:
        self.notices: dict[str, list[Any]] = {}
        self._empty = empty

    def rng(self, instrument: str) -> np.random.Generator:
        return np.random.default_rng(3)

    def takes_s(self, instrument: str, nominal_s: float, *, person: bool = False) -> float:
        """What takes so long as a rule takes so long."""
        del instrument, person
        return nominal_s

    def count_rates(self, position: str, wells: Sequence[str]) -> np.ndarray:
        if self._empty:
            raise WorldError("nothing_there", "no plate")
        return np.array([2000.0 if well == "A1" else 0.0 for well in wells])

    def efficiency(self, position: str, wells: Sequence[str]) -> np.ndarray:
        return np.full(len(wells), 0.45)


def simulator(folder: Path, *faults: Fault, empty: bool = False) -> Hidex300Simulator:
    setup = SimulatorSetup(
        "counter", Bench(empty=empty), VirtualClock(), "counter", faults=FaultPlan(faults),  # type: ignore[arg-type]
        folder=folder,
    )  # fmt: skip
    return Hidex300Simulator(setup)


START = {"title": "P1 plate/1", "wells": ["A1", "H12"], "count_s": 100.0}


async def test_the_file_has_the_captured_shape(tmp_path: Path) -> None:
    path = await simulator(tmp_path).measure(START)

    assert path is not None
    assert path.name == "P1 plate_1.csv"
    lines = path.read_bytes().split(b"\n")
    assert lines[:4] == [
        b"P1 plate/1", b"Start Time 18:00:00", b"- ROI1 Free Channel Limits 1 - 1023, Type Beta",
        b"Counting type: Low",
    ]  # fmt: skip
    assert (len(lines) - 5) / 1079 == 2
    second = [line.decode() for line in lines[4 + 1079 : -1]]
    assert second[0] == "Sample start"
    assert [line.split(";")[0] for line in second[1:21]] == KEYS
    assert second[3:5] == ["Vial;96", "WName;H12"]
    assert second[11:13] == ["Time;100", "EndTime;05/01/2026 18:05:02"]
    assert second[22].startswith("1;")
    assert second[1045].startswith("1024;")
    assert second[1046] == "Alpha:"
    assert all(len(line.split(";")) == 64 for line in second[1047:])


async def test_it_writes_the_recorded_file(transcripts: Path, tmp_path: Path) -> None:
    turns = recorded(transcripts, "hidex300_one_well")
    start = {"title": "P0007-filter", "wells": ["A1"], "count_s": 100.0}

    async with started("hidex300", tmp_path, start, world=EvenJournal()):
        await grows(tmp_path / "P0007-filter.csv", turns)


async def test_the_numbers_of_a_reading_keep_the_captured_relations(tmp_path: Path) -> None:
    path = await simulator(tmp_path).measure(START)

    assert path is not None
    first = path.read_text("ascii").split("\n")[4 : 4 + 1079]
    values = dict(line.split(";") for line in first[1:21])
    rows = [[int(field) for field in line.split(";")] for line in first[22:1046]]
    counts, dead = int(values["Counts"]), float(values["DTime"])
    assert counts == pytest.approx(float(values["CPM"]) / 60 * 100 / dead, rel=6e-4)
    assert sum(row[2] for row in rows) < counts
    assert round(sum(row[4] for row in rows) / counts, 3) == float(values["TDCR"])
    assert int(values["DPM"]) == pytest.approx(
        float(values["CPM"]) / float(values["TDCR"]), rel=2e-3
    )
    assert counts == pytest.approx(2018 / 60 * 100, abs=5 * 58)


async def test_a_reading_appears_in_pieces_while_counting_goes_on(tmp_path: Path) -> None:
    task = asyncio.create_task(simulator(tmp_path).measure(START))
    await asyncio.sleep(100.5)
    path = tmp_path / "P1 plate_1.csv"
    early = path.read_bytes().count(b"\n")
    await asyncio.sleep(100)

    assert 4 < early < 4 + 1079
    assert path.read_bytes().count(b"\n") == 4 + 1079
    await task


async def test_an_empty_counter_counts_its_background(tmp_path: Path) -> None:
    path = await simulator(tmp_path, empty=True).measure({**START, "count_s": 6000})

    assert path is not None
    counts = int(path.read_text("ascii").split("Counts;")[1].split("\n")[0])
    assert counts == pytest.approx(1800, abs=200)


async def test_a_second_file_of_one_title_gets_its_own_name(tmp_path: Path) -> None:
    counter = simulator(tmp_path)

    files = [await counter.measure(START), await counter.measure(START)]

    assert files == [tmp_path / "P1 plate_1.csv", tmp_path / "P1 plate_1 (2).csv"]


async def test_a_nonsense_start_time_contradicts_the_end_times(tmp_path: Path) -> None:
    path = await simulator(tmp_path, Fault("start_time_nonsense")).measure(START)

    assert path is not None
    assert b"\nStart Time 23:56:00\n" in path.read_bytes()


async def test_one_seed_gives_one_file(tmp_path: Path) -> None:
    first = await simulator(tmp_path).measure(START)
    other = tmp_path / "other"
    other.mkdir()
    begun = VirtualClock().monotonic_s()
    assert begun > 0
    second = await simulator(other).measure(START)

    assert first is not None
    assert second is not None
    assert [line for line in first.read_bytes().split(b"\n") if b"Time;" not in line][2:] == [
        line for line in second.read_bytes().split(b"\n") if b"Time;" not in line
    ][2:]


async def test_there_is_no_wire(tmp_path: Path) -> None:
    ours, theirs = pipe()

    await simulator(tmp_path).serve(theirs)

    await ours.aclose()
