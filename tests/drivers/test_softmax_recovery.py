"""The FlexStation by files after a death: the export is waited for, or collected, by the next owner."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.drivers.test_softmax_file import READ, driver, reading
from tests.fura_bench import FuraBench

from platectl.domain.errors import DisconnectedError
from platectl.hal.reading import Addition, Frame
from platectl.hal.recovery import Action
from platectl.simkit.virtual_time import VirtualClock
from platectl_drivers.softmax_file import SoftmaxFile


def ordered(at: datetime | None = None, **changes: Any) -> Action:
    arguments = {"title": READ.title, "labware": READ.plate, "wells": list(READ.wells),
                 "injects": True, **changes}  # fmt: skip
    return Action("read:1", "reader", "read_kinetic", arguments, at or VirtualClock().now())


async def dies_after(subject: SoftmaxFile, seconds: float) -> Action:
    action = ordered()

    async def owner() -> list[Any]:
        return [piece async for piece in subject.read_kinetic(READ)]

    task = asyncio.create_task(owner())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return action


@pytest.mark.parametrize(
    ("after_s", "fate"), [(3.0, "running"), (100.0, "running"), (298.5, "running"),
                          (400.0, "done"), (30000.0, "done")],
)  # fmt: skip
async def test_the_next_owner_collects_the_read_once(
    tmp_path: Path, after_s: float, fate: str
) -> None:
    bench = FuraBench()
    async with reading(tmp_path, bench=bench) as subject:
        action = await dies_after(subject, after_s)
        heir = driver(tmp_path)
        await heir.observe()
        verdict = await heir.reconcile(action)
        await heir.take_over()
        pieces = [piece async for piece in heir.reattach(READ)]

    assert verdict.fate == fate
    frames = [piece for piece in pieces if isinstance(piece, Frame)]
    added = {w: at for p in pieces if isinstance(p, Addition) for w, at in p.at_s.items()}
    assert len({(f.index, f.channel, f.wells) for f in frames}) == len(frames) == 3 * 41 * 2
    assert set(added) == set(bench.added_s)
    assert all(len(times) == 1 for times in bench.added_s.values())
    shift = [added[well] - bench.added_s[well][0] for well in READ.wells]
    assert np.ptp(shift) < 1e-6
    assert abs(shift[0]) < 12  # the person pressed start 10 s after the order


async def test_what_the_folder_does_not_tell_is_not_told(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    subject = driver(folder)
    with pytest.raises(DisconnectedError, match="folder cannot be read"):
        await subject.reconcile(ordered())
    folder.mkdir()
    assert (await subject.reconcile(ordered())).fate == "running"
    verdict = await subject.reconcile(replace(ordered(), verb="set_temperature"))
    assert (verdict.fate, verdict.remembered) == ("not_done", True)
    assert (await subject.reconcile(replace(ordered(), verb="dance"))).fate == "unknown"


async def test_two_exports_of_a_title_are_for_a_person_to_judge(tmp_path: Path) -> None:
    async with reading(tmp_path) as subject:
        action = await dies_after(subject, 400.0)
        export = tmp_path / "P1 run 7.txt"
        (tmp_path / "copy.txt").write_bytes(export.read_bytes())
        verdict = await driver(tmp_path).reconcile(action)

    assert (verdict.fate, len(verdict.evidence["whole"])) == ("unknown", 2)


async def test_a_read_that_is_started_long_after_the_death_is_waited_for(tmp_path: Path) -> None:
    heir, night_s = driver(tmp_path), 30000.0
    action = ordered()
    await asyncio.sleep(night_s)
    assert (await heir.reconcile(action)).fate == "running"
    await heir.take_over()
    bench = FuraBench()
    async with reading(tmp_path, bench=bench):
        pieces = [piece async for piece in heir.reattach(READ)]

    added = {w: at for p in pieces if isinstance(p, Addition) for w, at in p.at_s.items()}
    assert added.keys() == bench.added_s.keys()
    assert all(abs(added[well] - bench.added_s[well][0]) < 12 for well in READ.wells)


async def test_what_is_asked_later_does_not_move_when_a_read_was_ordered(tmp_path: Path) -> None:
    bench = FuraBench()
    async with reading(tmp_path, bench=bench) as subject:
        action = await dies_after(subject, 30000.0)
        heir = driver(tmp_path)
        await heir.reconcile(action)
        for later in (ordered(title="P1 run 8"), replace(ordered(), verb="set_temperature")):
            await heir.reconcile(later)
        pieces = [piece async for piece in heir.reattach(READ)]

    added = {w: at for p in pieces if isinstance(p, Addition) for w, at in p.at_s.items()}
    assert all(abs(added[well] - bench.added_s[well][0]) < 12 for well in READ.wells)
