"""The simulated BioShake, asked without the driver."""

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
from platectl.simkit.world import World
from platectl_simulators.bioshake import BioShakeSimulator
from platectl_simulators.truth_file import default_truth


def world(*, plate: bool = True) -> World:
    kind = LabwareKind.model_validate({"role": "plate", "max_volume": "360 uL"})
    made = World(default_truth(), VirtualClock(), catalogue={"plate": kind})
    made.add_position("nest")
    if plate:
        made.add_labware("P1", "plate", "nest")
    return made


def simulator(*faults: Fault, room: World | None = None) -> BioShakeSimulator:
    setup = SimulatorSetup("shaker", room or world(), VirtualClock(), "nest", {}, FaultPlan(faults))
    return BioShakeSimulator(setup)


async def ask(subject: BioShakeSimulator, *commands: str, pause_s: float = 0.0) -> list[str]:
    ours, theirs = pipe()
    serving = asyncio.create_task(subject.serve(theirs))
    heard = []
    for command in commands:
        await ours.send(f"{command}\r".encode())
        heard.append((await ours.receive(timeout_s=10)).decode().removesuffix("\r\n"))
        await asyncio.sleep(pause_s)
    await ours.aclose()
    await serving
    return heard


@pytest.mark.parametrize(("story", "faults"), [("shake", ()), ("stuck", (Fault("elm_stuck"),))])
async def test_the_simulator_answers_exactly_what_was_recorded(
    transcripts: Path, story: str, faults: tuple[Fault, ...]
) -> None:
    turns = parse_transcript((transcripts / f"bioshake_{story}.txt").read_text("ascii"))
    room = world()
    room.set_temperature("nest", 22.0)
    assert await paced(simulator(*faults, room=room), turns) == turns


async def test_the_nest_of_the_world_follows_whenever_it_is_spoken_to() -> None:
    room = world()
    await ask(simulator(room=room), "stt370", "ton", *["gta"] * 60, pause_s=10)
    assert room.temperature_c("nest") == pytest.approx(37.0, abs=0.05)


async def test_the_clamp_must_be_locked_before_and_rest_after_shaking() -> None:
    said = await ask(simulator(), "son", "selp", "ssts600", "son", "seup", "soff", "seup")
    assert said == ["e", "ok", "ok", "ok", "e", "ok", "e"]


async def test_the_clamp_opens_three_seconds_after_the_stop() -> None:
    said = await ask(simulator(), "selp", "son", "soff", "gsst", "seup", "gesas", pause_s=3)
    assert said == ["ok", "ok", "ok", "3", "ok", "u -> gesas"]


async def test_shaking_survives_a_reconnection() -> None:
    subject = simulator()
    await ask(subject, "selp", "son", pause_s=3)
    assert await ask(subject, "gsst") == ["0"]


async def test_a_nest_that_lost_its_home_finds_it_at_the_next_stop() -> None:
    said = await ask(
        simulator(Fault("not_home")),
        "selp",
        "son",
        "soff",
        "gsst",
        "gel",
        "soff",
        "gsst",
        pause_s=3,
    )
    assert said[3:] == ["1", "{105}", "ok", "3"]


async def test_a_plate_that_is_missing_is_not_noticed_but_noted() -> None:
    room = world(plate=False)
    assert await ask(simulator(room=room), "selp", "son", "gsst", pause_s=3) == ["ok", "ok", "0"]
    assert [note["reason"] for note in room.notices["shaker.mishap"]] == ["nothing_there"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [("zzz", "u -> zzz"), ("", "u -> "), ("7", "u -> 7"), ("shakeOn5", "u -> shakeOn5"),
     ("setShakeTargetSpeed", "u -> setShakeTargetSpeed"), ("ssts199", "e"), ("ssts3001", "e"),
     ("stt701", "e"), ("setTempTargetx", "u -> setTempTargetx"), ("\nv", "1.10.00")],
)  # fmt: skip
async def test_odd_commands_have_their_answers(command: str, answer: str) -> None:
    assert await ask(simulator(), command) == [answer]
