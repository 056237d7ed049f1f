"""The simulated Hidex Sense adapter, asked without the driver."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platectl.domain.transcript import parse_transcript
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.replay import answers
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import WorldError
from platectl_simulators.hidex_sense import HidexSenseSimulator
from platectl_simulators.hidex_sense.detectors import Detectors
from platectl_simulators.hidex_sense.workbook import write_workbook


class Bench:
    """Stands in for the world."""

    def __init__(self, *, empty: bool = False) -> None:
        self._empty = empty

    def rng(self, instrument: str) -> np.random.Generator:
        return np.random.default_rng(11)

    def plate_at(self, position: str) -> str | None:
        return None if self._empty else "P1.filter"

    def barcode(self, labware: str) -> str:
        return "FILTER0042"

    def count_rates(self, position: str, wells: Sequence[str]) -> np.ndarray:
        if self._empty:
            raise WorldError("nothing_there", "no plate")
        return np.full(len(wells), 1500.0)


def setup(*faults: Fault, empty: bool = False, **settings: Any) -> SimulatorSetup:
    bench: Any = Bench(empty=empty)
    return SimulatorSetup("counter", bench, VirtualClock(), "counter", settings, FaultPlan(faults))


@pytest.mark.parametrize(
    ("story", "faults", "settings"),
    [
        ("two_wells", (), {"wells": ["A1", "C1"]}),
        ("refusals", (Fault("busy_but_executes", after=1),), {"assays": {"other": 60}}),
    ],
)
async def test_the_simulator_answers_exactly_what_was_recorded(
    transcripts: Path, story: str, faults: tuple[Fault, ...], settings: dict[str, Any]
) -> None:
    turns = parse_transcript((transcripts / f"hidex_sense_{story}.txt").read_text("ascii"))

    assert tuple(await answers(HidexSenseSimulator(setup(*faults, **settings)), turns)) == turns


async def test_each_detector_serves_its_share_of_the_columns() -> None:
    clock = VirtualClock()
    detectors = Detectors(setup(), number=6, overhead_s=7.5, background_cpm=18)

    plate = [f"{row}{column}" for row in "ABCDEFGH" for column in range(1, 13)]
    counts = await detectors.count(plate, 120)

    assert [count.well for count in counts] == plate
    assert clock.monotonic_s() == pytest.approx(16 * 127.5)
    assert detectors.duration_s(plate, 120) == pytest.approx(16 * 127.5)
    together = [count.well for count in counts if count.ended == counts[0].ended]
    assert together == ["A1", "A3", "A5", "A7", "A9", "A11"]


async def test_normalisation_takes_the_detector_out_of_the_rate_but_not_of_the_counts() -> None:
    detectors = Detectors(setup(), number=6, overhead_s=0, background_cpm=0)

    counts = await detectors.count([f"A{c}" for c in range(1, 13)], 600_000)

    cpm = np.array([count.cpm for count in counts])
    raw = np.array([count.counts / 10_000 for count in counts])
    assert cpm == pytest.approx(1500, rel=2e-3)
    assert 0.003 < raw.std() / raw.mean() < 0.03


async def test_an_empty_carrier_counts_background() -> None:
    detectors = Detectors(setup(empty=True), number=12, overhead_s=0, background_cpm=18)

    counts = await detectors.count(["A1", "A2"], 60_000)

    assert [count.cpm for count in counts] == pytest.approx([18, 18], rel=0.05)


def test_a_workbook_depends_on_its_rows_only() -> None:
    rows = [["Well", "CPM"], ["A1", 1234567], ["B & C", 0.5]]

    data = write_workbook(rows)

    assert data == write_workbook(rows)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.testzip() is None
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        texts = archive.read("xl/sharedStrings.xml").decode()
    assert "<v>1234567</v>" in sheet
    assert "<v>0.50</v>" in sheet
    assert "<t>B &amp; C</t>" in texts
