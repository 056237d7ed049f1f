"""The simulated Vacuum Module, asked without the driver."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from platectl.domain.transcript import Turn, parse_transcript
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.replay import answers
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl_simulators.opentrons_vacuum import OpentronsVacuumSimulator


class Bench:
    """Stands in for the world."""

    def __init__(self, sealed: float) -> None:
        self._sealed = sealed

    def vacuum(self, position: str, *, on: bool) -> float:
        return self._sealed


def simulator(*faults: Fault, sealed: float = 1.0) -> OpentronsVacuumSimulator:
    bench: Any = Bench(sealed)
    setup = SimulatorSetup("manifold", bench, VirtualClock(), "flex.D1", {}, FaultPlan(faults))
    return OpentronsVacuumSimulator(setup)


def without_pressures(turns: tuple[Turn, ...]) -> list[bytes]:
    """Answers with the measured pressures blanked: their course is the simulator's own."""
    return [re.sub(rb"([CAB]):-?\d+\.\d\d", rb"\1:#", turn.data) for turn in turns]


async def test_the_simulator_refuses_exactly_as_recorded(transcripts: Path) -> None:
    text = (transcripts / "opentrons_vacuum_refusals.txt").read_text("ascii")
    turns = parse_transcript(text)
    subject = simulator(Fault("vent_failed"))
    assert tuple(await answers(subject, turns)) == turns


async def conversation(
    subject: OpentronsVacuumSimulator, turns: tuple[Turn, ...], pauses_s: float
) -> tuple[Turn, ...]:
    ours, theirs = pipe()
    serving = asyncio.create_task(subject.serve(theirs))
    heard = []
    for turn in turns:
        if turn.side == ">":
            await ours.send(turn.data)
            heard.append(turn)
        else:
            await asyncio.sleep(pauses_s)
            heard.append(Turn("<", await ours.receive(timeout_s=60)))
    await ours.aclose()
    await serving
    return tuple(heard)


@pytest.mark.parametrize(
    ("story", "faults"),
    [
        ("filtration", ()),
        ("waste_full", (Fault("waste_full", data={"after_s": 3.998}),)),
    ],
)
async def test_the_simulator_agrees_with_the_recording_but_for_measured_pressures(
    transcripts: Path, story: str, faults: tuple[Fault, ...]
) -> None:
    text = (transcripts / f"opentrons_vacuum_{story}.txt").read_text("ascii")
    turns = parse_transcript(text)

    heard = await conversation(simulator(*faults), turns, pauses_s=2.0)

    assert without_pressures(heard) == without_pressures(turns)


async def ask(end: Any, request: str) -> str:
    await end.send(f"{request} \n".encode())
    reply: bytes = await end.receive(timeout_s=10)
    return reply.decode()


async def test_the_gauge_approaches_its_target_with_its_time_constant() -> None:
    ours, theirs = pipe()
    serving = asyncio.create_task(simulator().serve(theirs))
    await ask(ours, "M120 S1 P-300.00")
    await asyncio.sleep(0.795)
    match = re.search(r"C:(-?[\d.]+)", await ask(ours, "M121"))
    assert match
    assert float(match[1]) == pytest.approx(-300 * 0.632, abs=1.0)
    await ours.aclose()
    await serving


async def test_too_few_sealed_wells_end_in_one_unasked_line() -> None:
    ours, theirs = pipe()
    serving = asyncio.create_task(simulator(sealed=0.5).serve(theirs))
    assert await ask(ours, "M120 S1 P-300 T10") == "M120 OK\n"
    assert await ours.receive(timeout_s=11) == b"async ERR400:pressure not reached OK\n"
    assert " E:0 " in await ask(ours, "M121")
    await ours.aclose()
    await serving


async def test_the_vacuum_survives_a_reconnection() -> None:
    subject = simulator()
    for request, reply in (("M120 S1 P-300", "M120 OK"), ("M121", " E:1 ")):
        ours, theirs = pipe()
        serving = asyncio.create_task(subject.serve(theirs))
        assert reply in await ask(ours, request)
        await ours.aclose()
        await serving


@pytest.mark.parametrize("request_", ["M120", "M120 S2", "M120 S1 P5", "M124", "M121 X", "G28"])
async def test_nonsense_is_an_unhandled_gcode(request_: str) -> None:
    ours, theirs = pipe()
    serving = asyncio.create_task(simulator().serve(theirs))
    assert (await ask(ours, request_)).startswith("ERR003:")
    await ours.aclose()
    await serving
