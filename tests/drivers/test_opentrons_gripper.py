"""The Flex gripper in the run of its handler: against a recording, faults and the simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.line_bench import LineLab, chopped, driver_on, played, recorded

from platectl import registry
from platectl.domain.errors import InstrumentFaultError, LinkError, RefusedError, UserInputError
from platectl.hal.instrument import DriverSetup, Identity
from platectl.hal.liquids import DeckItem
from platectl.hal.recovery import ACTION_ID, Action
from platectl.simkit.faults import Fault

PLATE = DeckItem("P1", "corning_96_wellplate_360ul_flat", "C1")
STATIONS = {"it.C1": "C1", "it.C2": "C2"}


def gripper_of(handler: Any, **stations: str) -> Any:
    kind = registry.load(registry.DRIVERS, "opentrons_gripper")
    settings = kind.Settings(stations=stations or STATIONS)
    no_wire: Any = None
    return kind(DriverSetup("grip", no_wire, no_wire, settings, extras={"handler": handler}))


class Flex:
    """A handler whose robot has a gripper, and a plate on C1."""

    def __init__(self, *faults: Fault, **settings: Any) -> None:
        self.lab = LineLab("opentrons", *faults, simulated=settings, reply_s=5.0, wait_s=5.0)
        for position in STATIONS:
            self.lab.world.add_position(position)
        self.lab.world.set_down(self.lab.world.lift("spot") or "", "it.C1")
        self.lab.world.acts.clear()
        self.gripper = gripper_of(self.lab.driver)

    async def ready(self) -> Any:
        await self.lab.driver.connect()
        await self.gripper.connect()
        await self.lab.driver.load_deck([PLATE])
        return self.gripper

    async def moved(self) -> None:
        token = ACTION_ID.set("a1")
        try:
            await self.gripper.move_plate("it.C1", "it.C2")
        finally:
            ACTION_ID.reset(token)

    def action(self) -> Action:
        where = {"source": "it.C1", "target": "it.C2"}
        return Action("a1", "grip", "move_plate", where, self.lab.clock.now())

    def where(self) -> str | None:
        return self.lab.world.position_of("P1")

    async def close(self) -> None:
        await self.gripper.aclose()
        await self.lab.driver.aclose()
        await self.lab.simulator.settle()
        await self.lab.close()


@pytest.mark.parametrize("size", [1, 4000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    turns = chopped(recorded(transcripts, "opentrons_gripper_moves"), size)
    handler, recording = played("opentrons", turns)
    gripper = gripper_of(handler)

    await handler.connect()
    assert await gripper.connect() == Identity("Opentrons Flex Gripper")
    await handler.load_deck([PLATE])
    await gripper.move_plate("it.C1", "it.C2")
    await handler.aclose()

    assert recording.wrong == []


async def test_a_plate_is_carried_and_the_handler_knows_where_it_is() -> None:
    flex = Flex()
    gripper = await flex.ready()

    await gripper.move_plate("it.C1", "it.C2")
    said = len(flex.lab.said)
    await flex.lab.driver.note_move("P1", "C2")
    assert len(flex.lab.said) == said
    await gripper.move_plate("it.C2", "it.C1")

    assert flex.where() == "it.C1"
    assert flex.lab.clock.monotonic_s() > 40
    await flex.close()


async def test_what_nobody_knows_of_is_refused_before_anything_is_sent() -> None:
    flex = Flex()
    gripper = await flex.ready()
    said = len(flex.lab.said)

    with pytest.raises(RefusedError, match="knows of nothing on C2"):
        await gripper.move_plate("it.C2", "it.C1")
    with pytest.raises(RefusedError, match="does not reach 'hotel'"):
        await gripper.move_plate("it.C1", "hotel")

    assert len(flex.lab.said) == said
    await flex.close()


@pytest.mark.parametrize("handler", [None, object()])
async def test_a_gripper_needs_a_handler_that_has_one(handler: Any) -> None:
    with pytest.raises(UserInputError, match="uses"):
        await gripper_of(handler).connect()


@pytest.mark.parametrize(
    ("settings", "kind", "code"),
    [({"gripper": False}, "GripperNotAttachedError", "4000"), ({}, "FailedGripperPickupError", "4000")],
)  # fmt: skip
async def test_a_failed_move_leaves_the_plate_on_the_map(
    settings: dict[str, Any], kind: str, code: str
) -> None:
    flex = Flex(Fault("grip_failed"), **settings)
    gripper = await flex.ready()

    with pytest.raises(InstrumentFaultError, match=kind) as caught:
        await gripper.move_plate("it.C1", "it.C2")

    assert caught.value.code == code
    assert flex.where() == "it.C1"
    if not settings:
        await gripper.move_plate("it.C1", "it.C2")
        assert flex.where() == "it.C2"
    await flex.close()


@pytest.mark.parametrize(
    ("kind", "fate"), [("silent", "not_done"), ("reply_lost", "done"), ("garbled_reply", "done")]
)
async def test_a_move_in_doubt_is_looked_up_in_the_run(kind: str, fate: str) -> None:
    flex = Flex(Fault(f"{kind}:moveLabware"))
    await flex.ready()
    move = flex.action()
    with pytest.raises(LinkError):
        await flex.moved()
    await flex.lab.simulator.settle()

    verdict = await flex.gripper.reconcile(move)

    assert verdict.fate == fate
    assert flex.where() == ("it.C2" if fate == "done" else "it.C1")
    await flex.close()


async def test_after_a_death_the_heir_finds_the_move() -> None:
    flex = Flex()
    await flex.ready()
    move = flex.action()
    moving = asyncio.create_task(flex.moved())
    await asyncio.sleep(3)
    await flex.lab.stream.aclose()
    await asyncio.gather(moving, return_exceptions=True)
    heir = driver_on("opentrons", flex.lab.connect)
    gripper = gripper_of(heir)
    await heir.observe()

    assert (await gripper.reconcile(move)).fate == "running"
    await asyncio.sleep(30)
    assert (await gripper.reconcile(move)).fate == "done"
    await heir.take_over()
    await gripper.take_over()
    await gripper.move_plate("it.C2", "it.C1")

    assert flex.where() == "it.C1"
    await heir.aclose()
    await flex.close()


async def test_abort_stops_the_run_of_the_handler() -> None:
    flex = Flex()
    await flex.ready()
    moving = asyncio.create_task(flex.moved())
    await asyncio.sleep(3)

    await flex.gripper.abort()
    with pytest.raises(InstrumentFaultError):
        await moving

    assert flex.where() == "it.C1"
    await gripper_of(None).abort()
    await flex.close()


async def test_an_ot2_has_no_gripper() -> None:
    lab = LineLab(
        "opentrons", simulated={"robot_type": "ot2", "pipette_name": "p300_multi_gen2"},
        robot_type="ot2", pipette_name="p300_multi_gen2",
    )  # fmt: skip
    await lab.driver.connect()
    await lab.driver.load_deck([DeckItem("P1", "corning_96_wellplate_360ul_flat", "1")])

    with pytest.raises(InstrumentFaultError, match="NotSupportedOnRobotType") as caught:
        await gripper_of(lab.driver, a="1", b="2").move_plate("a", "b")

    assert caught.value.code == "4003"
    await lab.driver.aclose()
    await lab.simulator.settle()
    await lab.close()
