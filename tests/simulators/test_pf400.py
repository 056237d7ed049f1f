"""The simulated PF400, asked without the driver."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from platectl.domain.transcript import parse_transcript
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.replay import answers
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import WorldError
from platectl_simulators.pf400 import PF400Simulator


class Shelf:
    """Stands in for the world."""

    def __init__(self, **at: str) -> None:
        self.at = at

    def takes_s(self, instrument: str, nominal_s: float, *, person: bool = False) -> float:
        del instrument, person
        return nominal_s

    def lift(self, position: str) -> str | None:
        return self.at.pop(position, None)

    def set_down(self, labware: str, position: str) -> None:
        if position in self.at:
            raise WorldError("collision", "taken")
        self.at[position] = labware


def arm(*faults: Fault, **at: str) -> PF400Simulator:
    world: Any = Shelf(**at)
    settings = {"stations": {"shaker1": 15, "combi_hot": 12}}
    return PF400Simulator(
        SimulatorSetup("arm", world, VirtualClock(), None, settings, FaultPlan(faults))
    )


class Talk:
    """A conversation with a simulated arm."""

    def __init__(self, subject: PF400Simulator) -> None:
        self._ours, theirs = pipe()
        self._serving = asyncio.create_task(subject.serve(theirs))

    @property
    def stream(self) -> PipeEnd:
        return self._ours

    async def ask(self, line: str) -> str:
        await self._ours.send(line.encode() + b"\n")
        return (await self._ours.receive(timeout_s=600)).decode().removesuffix("\r\n")

    async def ready(self) -> None:
        for line in ("mode 0", "hp 1 10", "attach 1", "home"):
            assert await self.ask(line) == "0"

    async def aclose(self) -> None:
        await self._ours.aclose()
        await self._serving


@pytest.mark.parametrize("story", ["move", "collision"])
async def test_the_simulator_answers_exactly_what_was_recorded(
    transcripts: Path, story: str
) -> None:
    turns = parse_transcript((transcripts / f"pf400_{story}.txt").read_text("ascii"))
    at = {"shaker1": "P1"} | ({"combi_hot": "P0"} if story == "collision" else {})

    assert tuple(await answers(arm(**at), turns)) == turns


async def test_a_conversation_begins_in_the_verbose_mode() -> None:
    talk = Talk(arm())

    assert await talk.ask("nop") == "Ok"
    assert await talk.ask("mode 0") == "0"
    assert await talk.ask("nop") == "0"
    await talk.aclose()


async def test_nothing_moves_without_power_control_and_homing() -> None:
    talk = Talk(arm(shaker1="P1"))
    await talk.ask("mode 0")

    assert await talk.ask("sysState") == "0 7"
    assert await talk.ask("attach 1") == "-1046"
    assert await talk.ask("pickplate 15 0 0") == "-1046"
    assert await talk.ask("hp 1 10") == "0"
    assert await talk.ask("sysState") == "0 20"
    assert await talk.ask("pickplate 15 0 0") == "-1009"
    assert await talk.ask("attach 1") == "0"
    assert await talk.ask("attach") == "0 -1"
    assert await talk.ask("pickplate 15 0 0") == "-1021"
    assert await talk.ask("home") == "0"
    assert await talk.ask("pickplate 15 0 0") == "0 -1"
    await talk.aclose()


async def test_what_the_arm_does_not_know_is_told() -> None:
    talk = Talk(arm())
    await talk.ready()

    assert (await talk.ask("dance")).startswith("-2805")
    assert (await talk.ask("pickplate 99 0 0")).startswith("-2821")
    assert (await talk.ask("pickplate")).startswith("-2800")
    assert (await talk.ask("moveoneaxis 9 1 1")).startswith("-2800")
    assert (await talk.ask("hp 7")).startswith("-2800")
    await talk.aclose()


async def test_a_move_is_acknowledged_when_it_is_queued_and_seen_in_wherej() -> None:
    clock = VirtualClock()
    talk = Talk(arm())
    await talk.ready()
    began_s = clock.monotonic_s()

    assert await talk.ask("MoveOneAxis 1 100 1") == "0"
    assert clock.monotonic_s() == began_s
    assert await talk.ask("state") == "0 3"
    await asyncio.sleep(1.5)
    assert (await talk.ask("wherej")).startswith("0 135.000 ")
    assert await talk.ask("waitForEom") == "0"
    assert clock.monotonic_s() == pytest.approx(began_s + 3)
    assert (await talk.ask("wherej")).startswith("0 100.000 ")
    await talk.aclose()


async def test_halt_waits_behind_waitforeom_but_not_in_a_second_conversation() -> None:
    clock = VirtualClock()
    subject = arm()
    talk, second = Talk(subject), Talk(subject)
    await talk.ready()
    await second.ask("mode 0")

    await talk.ask("moveoneaxis 1 100 1")
    waiting = asyncio.create_task(talk.ask("waitforeom"))
    await asyncio.sleep(1)
    began_s = clock.monotonic_s()
    assert await second.ask("halt") == "0"
    await waiting
    assert clock.monotonic_s() == pytest.approx(began_s)
    assert await talk.ask("state") == "0 1"
    assert (await talk.ask("hp"), await talk.ask("attach")) == ("0 1", "0 -1")
    await talk.aclose()
    await second.aclose()


async def test_a_third_conversation_is_closed_at_once() -> None:
    subject = arm()
    talks = [Talk(subject), Talk(subject)]
    for talk in talks:
        await talk.ask("nop")

    ours, theirs = pipe()
    await subject.serve(theirs)
    with pytest.raises(Exception, match="closed"):
        await ours.receive(timeout_s=1)

    for talk in talks:
        await talk.aclose()


async def test_a_second_pick_with_a_full_gripper_is_a_collision() -> None:
    subject = arm(shaker1="P1", combi_hot="P2")
    talk = Talk(subject)
    await talk.ready()

    assert await talk.ask("pickplate 15 0 0") == "0 -1"
    assert await talk.ask("pickplate 12 0 0") == "-3122"
    assert subject.carried == "P1"
    assert await talk.ask("sysState") == "0 7"
    await talk.aclose()


async def test_an_emergency_stop_holds_until_it_is_released_and_survives_conversations() -> None:
    subject = arm(Fault("hard_estop"), shaker1="P1")
    talk = Talk(subject)
    await talk.ready()
    assert await talk.ask("pickplate 15 0 0") == "-1028"
    await talk.aclose()

    talk = Talk(subject)
    await talk.ask("mode 0")
    assert await talk.ask("sysState") == "0 15"
    assert await talk.ask("hp 1 10") == "-1028"
    subject.release_stop()
    assert await talk.ask("hp 1 10") == "0"
    await talk.aclose()
