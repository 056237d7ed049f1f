"""The simulated A4S, asked without the driver."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.line_bench import paced

from platectl.domain.labware import LabwareKind
from platectl.domain.transcript import parse_transcript
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World, WorldError
from platectl_simulators.a4s import A4SSimulator
from platectl_simulators.truth_file import default_truth


def world(*, plate: bool = True) -> World:
    kind = LabwareKind.model_validate({"role": "plate", "max_volume": "360 uL"})
    made = World(default_truth(), VirtualClock(), catalogue={"plate": kind})
    made.add_position("tray")
    if plate:
        made.add_labware("P1", "plate", "tray")
        made.fill("P1", "A1", volume_ul=50, contents={})
    return made


def simulator(*faults: Fault, room: World | None = None) -> A4SSimulator:
    setup = SimulatorSetup("sealer", room or world(), VirtualClock(), "tray", {}, FaultPlan(faults))
    return A4SSimulator(setup)


async def listen(subject: A4SSimulator, seconds: float, *commands: str) -> list[str]:
    """Say the commands, and return all lines of so many seconds."""
    ours, theirs = pipe()
    serving = asyncio.create_task(subject.serve(theirs))
    for command in commands:
        await ours.send(command.encode())
    await asyncio.sleep(seconds)
    heard = await ours.receive(timeout_s=1)
    await ours.aclose()
    await serving
    return heard.decode().split("\r")[:-1]


def answers_in(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("*T")]


HOT = ("*00DH=0170zz!", "*00DT=0030zz!")


@pytest.mark.parametrize(("story", "faults"), [("seal", ()), ("rejected", (Fault("rejected"),))])
async def test_the_simulator_says_exactly_what_was_recorded(
    transcripts: Path, story: str, faults: tuple[Fault, ...]
) -> None:
    turns = parse_transcript((transcripts / f"a4s_{story}.txt").read_text("ascii"))
    assert await paced(simulator(*faults), turns) == turns


async def test_it_reports_once_a_minute_when_idle_and_twice_a_second_when_busy() -> None:
    assert len(await listen(simulator(), 599)) == 10
    assert len(await listen(simulator(), 10, *HOT)) >= 20


async def test_the_plate_of_the_world_is_sealed_at_the_press() -> None:
    room = world()
    subject = simulator(room=room)
    await listen(subject, 60, *HOT)
    await listen(subject, 7.9, "*00GS=zz!")
    room.load_bottle("b", liquid="water", volume_ul=1e4, contents={})
    room.bulk_dispense("b", "tray", {1: 10.0})
    await listen(subject, 60)
    with pytest.raises(WorldError) as caught:
        room.bulk_dispense("b", "tray", {1: 10.0})
    assert caught.value.reason == "sealed"


async def test_a_stroke_goes_on_while_nobody_listens() -> None:
    subject = simulator()
    await listen(subject, 60, *HOT)
    await listen(subject, 1, "*00GS=zz!")
    await asyncio.sleep(30)
    assert (await listen(subject, 1))[0].split(",")[1] == "4"


async def test_a_reset_ends_the_stroke_before_the_press() -> None:
    room = world()
    subject = simulator(room=room)
    await listen(subject, 60, *HOT)
    await listen(subject, 5, "*00GS=zz!")
    assert answers_in(await listen(subject, 60, "*00SR=zz!")) == ["*Y00SR!"]
    room.load_bottle("b", liquid="x", volume_ul=1e4, contents={})
    room.bulk_dispense("b", "tray", {1: 10.0})


async def test_a_plate_that_is_missing_is_not_noticed_but_noted() -> None:
    room = world(plate=False)
    subject = simulator(room=room)
    await listen(subject, 60, *HOT)
    lines = await listen(subject, 60, "*00GS=zz!")
    assert lines[-1].split(",")[1] == "4"
    assert [note["reason"] for note in room.notices["sealer.mishap"]] == ["nothing_there"]


async def test_a_cold_sealer_does_not_seal_and_a_busy_one_takes_no_order() -> None:
    subject = simulator()
    assert answers_in(await listen(subject, 1, "*00GS=zz!")) == ["*N00GS!"]
    await listen(subject, 60, *HOT)
    said = answers_in(await listen(subject, 1, "*00GS=zz!", "*00DT=0010zz!"))
    assert said == ["*Y00GS!", "*X00DT!"]


@pytest.mark.parametrize(
    "command",
    [
        "*00DH=0049zz!",
        "*00DH=0201zz!",
        "*00DH=170zz!",
        "*00DT=0004zz!",
        "*00DT=zz!",
        "*00ZZ=zz!",
        "!",
    ],
)
async def test_odd_commands_are_rejected(command: str) -> None:
    said = answers_in(await listen(simulator(), 1, command))
    assert len(said) == 1
    assert said[0].startswith("*N")
