"""The FLIPR driver after a death: looking, verdicts, and following a run that somebody else began."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.drivers.test_flipr import READ, SETTINGS, WELLS, Lab, lab

from platectl.domain.errors import DisconnectedError, LinkError, RefusedError
from platectl.hal.instrument import DriverSetup
from platectl.hal.reading import Addition, Frame, KineticRead
from platectl.hal.recovery import Action
from platectl.simkit.faults import Fault
from platectl.transport.drop_folder import DropDirectory
from platectl_drivers.flipr import Flipr

QUERIES = {"version", "statusex", "configuration"}


def heir_of(room: Lab, folder: Path) -> Flipr:
    """A driver as the next process builds it."""
    settings = Flipr.Settings.model_validate(SETTINGS)
    drop = DropDirectory(folder, in_thread=False)
    return Flipr(DriverSetup("reader", room.clock, room.connect, settings, drop))


def ordered(room: Lab, read: KineticRead = READ, *, at: datetime | None = None) -> Action:
    arguments = {"title": read.title, "labware": read.plate, "wells": list(read.wells),
                 "injects": read.injection is not None}  # fmt: skip
    return Action("read:1", "reader", "read_kinetic", arguments, at or room.clock.now())


async def dies_after(room: Lab, seconds: float, read: KineticRead = READ) -> Action:
    """Begin a read, and lose the driver without a farewell."""
    action = ordered(room, read)

    async def owner() -> list[Any]:
        return [piece async for piece in room.driver.read_kinetic(read)]

    room.driver.abort = _nothing  # type: ignore[method-assign]  # a killed process says nothing
    task = asyncio.create_task(owner())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await room.stream.aclose()
    return action


async def _nothing() -> None:
    return


async def rest(driver: Flipr, read: KineticRead = READ) -> tuple[list[Frame], list[Addition]]:
    frames: list[Frame] = []
    additions: list[Addition] = []
    async with aclosing(driver.reattach(read)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            (frames if isinstance(piece, Frame) else additions).append(piece)  # type: ignore[arg-type]
    return frames, additions


def assert_whole(room: Lab, frames: list[Frame], additions: list[Addition], slack_s: float) -> None:
    """All frames and one addition for each well, at their true times; nothing was done twice."""
    assert [(f.index, f.channel) for f in frames] == [(i, c) for i in range(41) for c in (0, 1)]
    (addition,) = additions
    assert set(addition.at_s) == set(WELLS) == set(room.bench.added_s)
    assert all(len(times) == 1 for times in room.bench.added_s.values())
    assert room.said("runexperiment") == 1
    true = [at for at, _, _ in room.bench.read_s]
    assert [frame.at_s[0] for frame in frames] == pytest.approx(true, abs=slack_s)
    late_s = frames[0].at_s[0] - true[0]
    assert addition.at_s["A1"] - room.bench.added_s["A1"][0] == pytest.approx(late_s, abs=1e-3)


@pytest.mark.parametrize("after_s", [25.0, 45.0, 95.0])
async def test_a_run_in_progress_is_followed_by_the_next_owner(
    tmp_path: Path, after_s: float
) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        action = await dies_after(room, after_s)
        room.heard.clear()
        heir = heir_of(room, tmp_path)

        await heir.observe()
        verdict = await heir.reconcile(action)
        await heir.take_over()
        assert set(room.heard) == QUERIES
        frames, additions = await rest(heir)

        assert verdict.fate == "running"
        assert verdict.evidence["inside"]["re"] == "P1"
        room.heard.append("runexperiment")
        assert_whole(room, frames, additions, slack_s=3.0)
        await heir.aclose()


async def test_a_run_that_is_over_is_fetched_by_the_next_owner(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        action = await dies_after(room, 40.0)
        await asyncio.sleep(3600)
        heir = heir_of(room, tmp_path)
        await heir.observe()

        verdict = await heir.reconcile(action)
        await heir.take_over()
        frames, additions = await rest(heir)

        assert (verdict.fate, verdict.evidence["whole_export"]) == ("done", "P1 run 7.txt")
        assert_whole(room, frames, additions, slack_s=40.0)  # the movements before it
        with pytest.raises(RefusedError, match="nothing of 'other' was exported"):
            await rest(heir, replace(READ, title="other"))
        await heir.aclose()


async def test_a_lost_answer_in_the_run_is_no_end_of_it(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        action = ordered(room)

        async def cut() -> None:
            await asyncio.sleep(30)
            room.reachable = False
            await room.stream.aclose()

        cutting = asyncio.create_task(cut())
        *_, error = await room.read()
        await cutting
        assert isinstance(error, LinkError)
        with pytest.raises(DisconnectedError):
            await room.driver.reconcile(action)
        room.reachable = True

        assert (await room.driver.reconcile(action)).fate == "running"
        assert_whole(room, *await rest(room.driver), slack_s=1e-3)


@pytest.mark.parametrize("kind", ["reply_lost", "silent"])
async def test_a_start_without_an_answer_is_followed_or_left_to_a_person(
    tmp_path: Path, kind: str
) -> None:
    async with lab(tmp_path, Fault(kind, data={"command": "runexperiment"})) as room:
        await room.driver.connect()
        action = ordered(room)
        *_, error = await room.read()
        assert isinstance(error, LinkError)

        fate = (await room.driver.reconcile(action)).fate

        if kind == "silent":
            assert fate == "unknown"
            assert not room.bench.added_s
        else:
            assert fate == "running"
            assert_whole(room, *await rest(room.driver), slack_s=11.0)


async def test_a_break_before_the_start_was_sent_is_no_read(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("reply_lost", data={"command": "openprotocol"})) as room:
        await room.driver.connect()
        action = ordered(room)
        *_, error = await room.read()
        assert isinstance(error, LinkError)

        assert (await room.driver.reconcile(action)).fate == "not_done"
        frames, additions, error = await room.read()
        assert error is None
        assert_whole(room, frames, additions, slack_s=1e-3)


@pytest.mark.parametrize("after_s", [0.0, 1.0, 7.0])
async def test_without_a_place_that_the_start_needs_nothing_was_begun(
    tmp_path: Path, after_s: float
) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        action = await dies_after(room, after_s)
        heir = heir_of(room, tmp_path)
        await heir.observe()

        verdict = await heir.reconcile(action)
        assert (verdict.fate, room.said("runexperiment")) == ("not_done", 0)
        await heir.take_over()
        room.driver = heir
        frames, additions, error = await room.read()

        assert error is None
        assert_whole(room, frames, additions, slack_s=1e-3)
        assert room.said("loadplate") == 3


async def test_what_is_not_provable_is_unknown(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        sent_at = room.clock.now()
        heir = heir_of(room, tmp_path)
        await heir.observe()
        await asyncio.sleep(200)

        empty = await heir.reconcile(ordered(room, at=sent_at))
        loaded = await dies_after(room, 15.0)  # all is inside, and the start was not sent
        assert room.said("runexperiment") == 0
        inside = await heir.reconcile(loaded)

        assert (empty.fate, inside.fate) == ("unknown", "unknown")
        strange = Action("a", "reader", "dance", {}, sent_at)
        assert (await heir.reconcile(strange)).fate == "unknown"
        await heir.aclose()


async def test_a_run_on_another_plate_is_not_taken_for_it(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        await dies_after(room, 40.0)
        heir = heir_of(room, tmp_path)
        await heir.observe()
        other = ordered(room, replace(READ, title="P2 run 1", plate="P2"))

        assert (await heir.reconcile(other)).fate == "unknown"
        await heir.aclose()


@pytest.mark.parametrize("kind", ["growing_export", "no_export"])
async def test_a_run_without_a_whole_export_is_neither_done_nor_undone(
    tmp_path: Path, kind: str
) -> None:
    async with lab(tmp_path, Fault(kind)) as room:
        await room.driver.connect()
        action = await dies_after(room, 40.0)
        await asyncio.sleep(100)
        heir = heir_of(room, tmp_path)
        await heir.take_over()
        await heir.open_drawer()

        verdict = await heir.reconcile(replace(action, sent_at=room.clock.now()))

        assert verdict.fate == ("unknown" if kind == "growing_export" else "not_done")
        assert (await heir.reconcile(action)).fate == "unknown"
        await heir.aclose()


async def test_a_folder_that_cannot_be_read_gives_no_verdict(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    async with lab(folder) as room:
        await room.driver.connect()
        folder.rmdir()
        heir = heir_of(room, folder)
        await heir.observe()
        with pytest.raises(DisconnectedError, match="exports cannot be read"):
            await heir.reconcile(ordered(room))
        folder.mkdir()
        assert (await heir.reconcile(ordered(room))).fate == "not_done"
        await heir.aclose()


async def test_plates_may_be_put_out_again_and_a_run_taken_over_can_be_stopped(
    tmp_path: Path,
) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        await dies_after(room, 40.0)
        heir = heir_of(room, tmp_path)
        await heir.observe()
        drawer = Action("a", "reader", "open_drawer", {}, room.clock.now())
        verdict = await heir.reconcile(drawer)
        assert (verdict.fate, verdict.remembered) == ("not_done", True)

        await heir.abort()
        assert room.said("stopexperiment") == 0
        await heir.take_over()
        await heir.abort()
        await asyncio.sleep(1)
        assert room.said("stopexperiment") == 1
        await heir.aclose()
