"""The simulated CVC 3000 and its relay, asked without the driver."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from platectl.domain.errors import ReplyTimeoutError
from platectl.domain.transcript import parse_transcript
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.replay import answers
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import WorldError
from platectl_simulators.cvc3000 import CVC3000Simulator

OPEN, CLOSED = b"\xa0\x01\x01\xa2", b"\xa0\x01\x00\xa1"
READY = ("ECHO 1", "REMOTE 1", "CVC 3000", "OUT_MODE 2")


class Manifold:
    """Stands in for the world."""

    def __init__(self, *, empty: bool = False) -> None:
        self._empty = empty
        self.switched: list[bool] = []

    def vacuum(self, position: str, *, on: bool) -> float:
        self.switched.append(on)
        if self._empty:
            raise WorldError("no_such_position", position)
        return 1.0


def stand(
    *faults: Fault, empty: bool = False, **settings: Any
) -> tuple[CVC3000Simulator, Manifold]:
    manifold = Manifold(empty=empty)
    world: Any = manifold
    setup = SimulatorSetup("v", world, VirtualClock(), "manifold", settings, FaultPlan(faults))
    return CVC3000Simulator(setup), manifold


class Talk:
    """A conversation with the simulated controller."""

    def __init__(self, subject: CVC3000Simulator) -> None:
        self._ours, theirs = pipe()
        self._serving = asyncio.create_task(subject.serve(theirs))

    async def ask(self, line: str) -> str | None:
        await self._ours.send(line.encode() + b"\r\n")
        try:
            return (await self._ours.receive(timeout_s=1)).decode().removesuffix("\r\n")
        except ReplyTimeoutError:
            return None

    async def aclose(self) -> None:
        await self._ours.aclose()
        await self._serving


class Relay:
    """The relay's side of a stand, as a simulator of its own."""

    def __init__(self, setup: SimulatorSetup) -> None:
        self.stand = CVC3000Simulator(setup)

    async def serve(self, stream: ByteStream) -> None:
        await self.stand.serve_relay(stream)


@pytest.mark.parametrize(
    ("story", "faults"),
    [
        # time passes in late answers: to START, and to OUT_VENT 2
        (
            "filtration",
            (
                Fault("late_reply", after=9, data={"delay_s": 60}),
                Fault("late_reply", after=15, data={"delay_s": 60}),
            ),
        ),
        ("catch_pot", (Fault("catch_pot_full"),)),
    ],
)
async def test_the_simulator_answers_exactly_what_was_recorded(
    transcripts: Path, story: str, faults: tuple[Fault, ...]
) -> None:
    turns = parse_transcript((transcripts / f"cvc3000_{story}.txt").read_text("ascii"))

    assert tuple(await answers(stand(*faults)[0], turns)) == turns


async def test_the_relay_says_nothing_to_what_was_recorded(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "cvc3000_relay.txt").read_text("ascii"))
    world: Any = Manifold()
    relay = Relay(
        SimulatorSetup("v", world, VirtualClock(), "manifold", {"relay": "x"}, FaultPlan())
    )

    assert tuple(await answers(relay, turns)) == turns
    assert not relay.stand.valve_open


async def test_set_commands_are_silent_without_echo_and_wrong_ones_always() -> None:
    talk = Talk(stand()[0])

    assert await talk.ask("REMOTE 1") is None
    assert await talk.ask("CVC 3000") is None
    assert await talk.ask("IN_CFG") == "1100010001000111"
    assert await talk.ask("ECHO 1") == "1"
    assert await talk.ask("OUT_SP_1 300") == "300"
    for wrong in ("OUT_SP_1 2000", "DANCE 1", "START", "", "in_pv_1", "OUT_VENT 3"):
        assert await talk.ask(wrong) is None
    assert await talk.ask("IN_ERR") == "000000001"
    assert await talk.ask("IN_SP_1") == "0300 mbar"
    assert await talk.ask("IN_ERR") == "000000001"
    await talk.aclose()


async def test_nothing_is_set_without_remote_control_and_the_newer_dialect() -> None:
    talk = Talk(stand()[0])

    assert await talk.ask("ECHO 1") == "1"
    assert await talk.ask("START 1") is None
    assert await talk.ask("REMOTE 1") == "1"
    assert await talk.ask("START 1") is None
    assert await talk.ask("CVC 3000") == "3"
    assert await talk.ask("START 1") == "1"
    await talk.aclose()


async def test_the_pressure_goes_down_is_held_and_comes_back() -> None:
    subject, manifold = stand()
    talk = Talk(subject)
    for line in (*READY, "OUT_SP_1 413", "START 1"):
        await talk.ask(line)

    assert await talk.ask("IN_STAT") == "100021"
    await asyncio.sleep(20)
    assert await talk.ask("IN_PV_1") == "0413.0 mbar"
    assert await talk.ask("IN_STAT") == "100022"
    await talk.ask("STOP 1")
    await asyncio.sleep(5)
    assert float((await talk.ask("IN_PV_1") or "").split()[0]) < 500  # nothing vents by itself
    await talk.ask("OUT_VENT 2")
    assert await talk.ask("IN_STAT") == "000120"
    await asyncio.sleep(10)
    assert await talk.ask("IN_PV_1") == "1013.0 mbar"
    assert await talk.ask("IN_STAT") == "000020"
    assert manifold.switched == [True, False]
    await talk.aclose()


async def test_the_valve_decides_whether_the_plate_is_drawn_and_state_survives_conversations() -> (
    None
):
    subject, manifold = stand(relay="x")
    talk = Talk(subject)
    for line in (*READY, "OUT_SP_1 413", "START 1"):
        await talk.ask(line)
    await talk.aclose()
    assert manifold.switched == []

    ours, theirs = pipe()
    serving = asyncio.create_task(subject.serve_relay(theirs))
    await ours.send(b"\x00\x07" + OPEN[:2])
    await asyncio.sleep(1)
    await ours.send(OPEN[2:] + b"\xa0\x02\x00\xa2")
    await asyncio.sleep(1)
    assert manifold.switched == [True]
    await ours.send(CLOSED)
    await ours.aclose()
    await serving

    assert manifold.switched == [True, False]
    assert subject.motor


async def test_without_a_plate_the_pressure_stays() -> None:
    subject, _ = stand(empty=True)
    talk = Talk(subject)
    for line in (*READY, "OUT_SP_1 413", "START 1"):
        await talk.ask(line)
    await asyncio.sleep(20)

    assert await talk.ask("IN_PV_1") == "1013.0 mbar"
    await talk.aclose()
