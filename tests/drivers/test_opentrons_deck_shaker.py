"""The driver of a Heater-Shaker on the deck: against recordings, faults and its simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.drivers.test_opentrons_deck_block import LISTED, listing
from tests.line_bench import LineLab, action, chopped, played, recorded, replaying

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
)
from platectl.domain.transcript import Turn
from platectl.hal.recovery import Action
from platectl.simkit.faults import Fault

NAME = "opentrons_deck_shaker"
SHAKE = {"speed_rpm": 600, "duration_s": 25}


def shaken(lab: LineLab) -> Action:
    return Action("a1", "it", "shake", SHAKE, lab.clock.now())


@pytest.mark.parametrize("size", [1, 5000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    turns = chopped(recorded(transcripts, "opentrons_deck_shaker_shake"), size)
    driver, recording = played(NAME, turns)

    assert (await driver.connect()).serial_number == "HSV1020230504001"
    await driver.set_temperature(37.0)
    await driver.shake(**SHAKE)
    await driver.stop_heating()
    await driver.aclose()
    assert recording.wrong + recording.left() == []


async def test_a_stuck_latch_is_a_fault_and_nothing_turns(transcripts: Path) -> None:
    turns = [Turn(t.side, t.data) for t in recorded(transcripts, "opentrons_deck_shaker_latch")]
    driver = replaying(NAME, turns)
    await driver.connect()

    with pytest.raises(InstrumentFaultError, match="ERR125") as caught:
        await driver.shake(**SHAKE)

    assert caught.value.code == "2000"
    await driver.aclose()


async def test_a_plate_is_mixed_once_and_released_after_the_duration() -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()

    await lab.driver.shake(**SHAKE)

    assert lab.world.acts == [("shake", "spot")]
    assert 40 > lab.clock.monotonic_s() > 30
    await lab.driver.connect()
    await lab.close()


async def test_a_slow_command_is_followed_and_posted_once() -> None:
    lab = LineLab(NAME, wait_s=0.5)
    await lab.driver.connect()

    await lab.driver.shake(**SHAKE)

    posted = [said for said in lab.said if said.startswith(b"POST")]
    assert len(posted) == 4
    assert any(said.startswith(b"GET /commands/command-1 ") for said in lab.said)
    await lab.close()


async def test_a_latch_in_the_way_of_an_arm_refuses_the_connection_but_not_a_look() -> None:
    lab = LineLab(NAME, simulated={"latch": "idle_closed"})

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.connect()

    assert caught.value.code == "latch"
    await lab.heir().take_over()
    await lab.close()


async def test_a_nest_that_stops_by_itself_is_noticed() -> None:
    lab = LineLab(NAME, Fault("stall", data={"after_s": 5.0}))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.shake(**SHAKE)

    assert caught.value.code == "stopped"
    await lab.driver.shake(**SHAKE)
    await lab.close()


@pytest.mark.parametrize(
    ("kind", "after", "fate", "remembered"),
    [("reply_lost", 0, "not_done", False),  # the latch
     ("silent", 1, "not_done", False),  # the speed
     ("reply_lost", 1, "not_done", True),  # it shakes
     ("late_reply", 1, "not_done", True),
     ("garbled_reply", 2, "not_done", True),  # it stands, and the latch is closed
     ("reply_lost", 3, "done", False)],
)  # fmt: skip
async def test_after_a_lost_answer(kind: str, after: int, fate: str, remembered: bool) -> None:
    lab = LineLab(NAME, Fault(kind, after=after))
    await lab.driver.connect()
    begun = shaken(lab)
    with pytest.raises(LinkError):
        await lab.as_action("shake", **SHAKE)

    verdict = await lab.driver.reconcile(begun)

    assert (verdict.fate, verdict.remembered) == (fate, remembered)
    if fate == "not_done":
        await lab.as_action("shake", **SHAKE)
    assert lab.world.acts == [("shake", "spot")]
    await lab.close()


async def test_what_still_shakes_is_left_alone_and_finished_by_the_same_action() -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()
    begun = shaken(lab)
    shaking = asyncio.create_task(lab.as_action("shake", **SHAKE))
    await asyncio.sleep(15)
    shaking.cancel()
    await asyncio.gather(shaking, return_exceptions=True)
    lab.said.clear()
    lab.driver = lab.heir()

    verdict = await lab.driver.reconcile(begun)
    await lab.driver.take_over()
    assert (verdict.fate, verdict.remembered, verdict.evidence["shakes"]) == (
        "not_done",
        True,
        True,
    )
    assert all(said.startswith(b"GET /modules ") for said in lab.said)
    await lab.as_action("shake", **SHAKE)

    assert lab.clock.monotonic_s() == pytest.approx(25 + 6, abs=3)
    assert lab.world.acts == [("shake", "spot")]
    await lab.close()


async def test_a_nest_that_stands_does_not_tell_another_life_whether_it_shook() -> None:
    lab = LineLab(NAME)

    assert (await lab.driver.reconcile(shaken(lab))).fate == "unknown"
    assert (await lab.driver.reconcile(action("dance"))).fate == "unknown"
    await lab.driver.set_temperature(40.0)
    told = await lab.driver.reconcile(action("set_temperature", temperature_c=40.0))
    assert told.fate == "done"
    await lab.close()


@pytest.mark.parametrize("at_s", [0.0, 1.0, 2.3, 15.0, 28.5, 31.5])
async def test_abort_stops_the_nest_and_the_verb_says_so(at_s: float) -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()
    verb = asyncio.create_task(lab.as_action("shake", **SHAKE))
    await asyncio.sleep(at_s)

    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError) as caught:
        await verb

    assert caught.value.code == "aborted"
    await asyncio.sleep(20)
    assert lab.simulator._rpm == 0
    await lab.driver.shake(**SHAKE)
    await lab.close()


async def test_a_command_that_fails_has_the_code_of_the_robot() -> None:
    lab = LineLab(NAME, Fault("fails", data={"code": "3010"}))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match="it did not") as caught:
        await lab.driver.set_temperature(40.0)

    assert caught.value.code == "3010"
    await lab.driver.set_temperature(40.0)
    await lab.close()


async def test_an_active_run_refuses_with_its_name() -> None:
    lab = LineLab(NAME, Fault("run_active"))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.stop_heating()

    assert caught.value.code == "RunActive"
    await lab.close()


async def test_abort_on_a_dead_line_is_harmless() -> None:
    async def gone() -> Any:
        raise DisconnectedError("no robot")

    lab = LineLab(NAME)
    await lab.driver.connect()
    lab.driver._robot._connect = gone

    await lab.driver.abort()
    await lab.close()


@pytest.mark.parametrize("live", [{}, {"targetSpeed": "600"}, {"targetSpeed": True}])
async def test_a_speed_in_doubt_is_read_strictly(live: dict[str, Any]) -> None:
    module = {**LISTED, "moduleModel": "heaterShakerModuleV1", "data": live}
    driver = replaying(NAME, listing(module))

    with pytest.raises(MalformedReplyError):
        await driver.reconcile(action("shake", **SHAKE))


async def test_two_of_a_kind_need_a_serial_number() -> None:
    module = {**LISTED, "moduleModel": "heaterShakerModuleV1"}

    with pytest.raises(InstrumentFaultError, match="T1, T1") as caught:
        await replaying(NAME, listing(module, module)).observe()

    assert caught.value.code == "which_module"
