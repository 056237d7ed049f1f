"""The Hidex drivers after a death: results that are kept are collected, others counted again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.drivers.test_hidex300 import PLATE, TITLE, count, counting
from tests.drivers.test_hidex300 import driver as driver_of
from tests.drivers.test_hidex_sense import COLUMNS, lab

from platectl.domain.errors import DisconnectedError, InstrumentFaultError, LinkError
from platectl.hal.instrument import DriverSetup
from platectl.hal.recovery import Action
from platectl.simkit.faults import Fault
from platectl.simkit.virtual_time import VirtualClock
from platectl_drivers.hidex_sense import HidexSense, Settings


def asked(title: str = "P1 run 7", verb: str = "count") -> Action:
    arguments = {"title": title, "wells": list(PLATE[:4]), "count_s": 120.0}
    return Action("a", "counter", verb, arguments, VirtualClock().now())


@pytest.mark.parametrize(
    ("after_s", "fate"), [(1.0, "not_done"), (500.0, "not_done"), (1000.0, "done")]
)
async def test_a_count_is_collected_by_the_next_owner_and_counted_once(
    tmp_path: Path, after_s: float, fate: str
) -> None:
    async with counting(tmp_path) as subject:
        first = asyncio.create_task(count(subject))
        await asyncio.sleep(after_s)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        heir = driver_of(tmp_path)
        await heir.observe()
        verdict = await heir.reconcile(asked())
        await heir.take_over()
        readings = await count(heir)

    assert (verdict.fate, verdict.remembered) == (fate, True)
    assert [reading.well for reading in readings] == list(PLATE[:4])
    assert len(list(tmp_path.iterdir())) == 1  # noqa: ASYNC240  # a folder of this test


async def test_what_a_folder_does_not_tell_is_not_told(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    with pytest.raises(DisconnectedError):
        await driver_of(folder).reconcile(asked())
    folder.mkdir()
    assert (await driver_of(folder).reconcile(asked(TITLE))).fate == "not_done"
    assert (await driver_of(folder).reconcile(asked(verb="dance"))).fate == "unknown"


async def test_an_assay_under_way_is_left_alone_and_the_next_count_waits_for_it() -> None:
    async with lab() as (subject, counter, said):
        counts: Any = {"title": "P1", "wells": ("A1", "B2"), "count_s": 120.0}
        first = asyncio.create_task(subject.count(**counts))
        await asyncio.sleep(60)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        setup = DriverSetup(
            "counter", VirtualClock(), subject._link._connect, Settings(columns=COLUMNS)
        )
        heir = HidexSense(setup)
        said.clear()

        await heir.observe()
        with pytest.raises(InstrumentFaultError, match="not idle but BUSY"):
            await heir.count(**counts)  # what it has not taken over it does not wait for
        verdict = await heir.reconcile(asked("P1"))
        other = await heir.reconcile(asked("P1", "dance"))
        await heir.take_over()
        assert not [data for side, data in said if side == ">" and not data.startswith(b"GET")]
        readings = await heir.count(**counts)
        await heir.aclose()

    assert (verdict.fate, verdict.remembered, other.fate) == ("not_done", True, "unknown")
    assert verdict.evidence["state"] == "BUSY"
    assert [reading.well for reading in readings] == ["A1", "B2"]
    assert counter._files == 2


async def test_a_lost_result_is_counted_again_over_a_new_line() -> None:
    async with lab(Fault("reply_lost:run_assay")) as (subject, counter, _):
        await subject.connect()
        with pytest.raises(LinkError):
            await subject.count(title="P1", wells=("A1",), count_s=120.0)
        assert (await subject.reconcile(asked("P1"))).fate == "not_done"
        (reading,) = await subject.count(title="P1", wells=("A1",), count_s=120.0)
        assert (reading.well, counter._files) == ("A1", 2)
