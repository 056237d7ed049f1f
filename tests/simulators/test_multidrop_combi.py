"""The simulated Multidrop Combi, asked without the driver."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platectl.domain.transcript import Turn, parse_transcript
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.replay import answers
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import WorldError
from platectl_simulators.multidrop_combi import MultidropCombiSimulator


class Bench:
    """Stands in for the world."""

    def __init__(self, *, empty: bool = False) -> None:
        self._empty = empty
        self.columns: list[int] = []
        self.notices: dict[str, list[Mapping[str, Any]]] = {}

    def bulk_prime(self, instrument: str, volume_ul: float) -> None:
        pass

    def bulk_dispense(
        self, instrument: str, position: str, volumes_ul: Mapping[int, float]
    ) -> None:
        if self._empty:
            raise WorldError("nothing_there", "nothing stands on the nest")
        self.columns += volumes_ul


def simulator(*faults: Fault, bench: Any = None) -> MultidropCombiSimulator:
    setup = SimulatorSetup("combi", bench or Bench(), VirtualClock(), "nest", {}, FaultPlan(faults))
    return MultidropCombiSimulator(setup)


@pytest.mark.parametrize(
    ("story", "faults"),
    [("two_columns", ()), ("not_primed", (Fault("standing_error"),))],
)
async def test_the_simulator_answers_exactly_what_was_recorded(
    transcripts: Path, story: str, faults: tuple[Fault, ...]
) -> None:
    text = (transcripts / f"multidrop_combi_{story}.txt").read_text("ascii")
    turns = parse_transcript(text)

    assert tuple(await answers(simulator(*faults), turns)) == turns


async def ask(subject: MultidropCombiSimulator, *commands: str) -> list[str]:
    """Return the last line of each answer."""
    ours, theirs = pipe()
    serving = asyncio.create_task(subject.serve(theirs))
    ends = []
    for command in commands:
        await ours.send(f"{command}\r".encode())
        heard = b""
        while b" END " not in heard or not heard.endswith(b"\r\n"):
            heard += await ours.receive(timeout_s=300)
        ends.append(heard.decode().split("\r\n")[-2])
    await ours.aclose()
    await serving
    return ends


async def test_a_plate_that_is_missing_is_not_noticed_but_noted() -> None:
    bench = Bench(empty=True)

    ends = await ask(simulator(bench=bench), "VER", "PRI 5000", "SCV 3 250", "DIS")

    assert ends[-1] == "DIS END 0"
    assert [note["reason"] for note in bench.notices["combi.mishap"]] == ["nothing_there"]


@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("ZZZ", "ZZZ END 2"),
        ("SCV 1", "SCV END 3"),
        ("SCV 1 x", "SCV END 3"),
        ("SCV 1 30000", "SCV END 32"),
        ("SPL 12", "SPL END 19"),
        ("SPL 30", "SPL END 18"),
        ("SCT 4", "SCT END 24"),
        ("SPS 0", "SPS END 34"),
        ("SDO 2", "SDO END 37"),
        ("SDH 100", "SDH END 3"),
        ("DIS", "DIS END 14"),
    ],
)
async def test_wrong_commands_end_with_their_status(command: str, end: str) -> None:
    assert (await ask(simulator(), "VER", command))[-1] == end


async def test_a_head_below_the_plate_and_an_empty_plan_are_refused_at_the_stroke() -> None:
    ends = await ask(simulator(), "VER", "PRI 5000", "DIS", "SPL 1", "SDH 1650", "SCV 0 100", "DIS")
    assert (ends[2], ends[-1]) == ("DIS END 17", "DIS END 35")


async def test_priming_survives_a_reconnection_but_not_a_restart() -> None:
    subject = simulator()
    await ask(subject, "VER", "PRI 5000", "SCV 0 100")
    assert (await ask(subject, "DIS"))[-1] == "DIS END 0"
    await ask(subject, "RST")
    assert (await ask(subject, "VER", "SCV 0 100", "DIS"))[-1] == "DIS END 14"


async def test_escape_stops_between_two_columns() -> None:
    bench = Bench()
    subject = simulator(bench=bench)
    await ask(subject, "VER", "PRI 5000", "SCV 0 100")
    ours, theirs = pipe()
    serving = asyncio.create_task(subject.serve(theirs))
    await ours.send(b"DIS\r")
    await asyncio.sleep(3.0)
    await ours.send(b"\x1b")
    assert (await ours.receive(timeout_s=1.0)).endswith(b"DIS END 0\r\n")
    await ours.aclose()
    await serving
    assert bench.columns == [1, 2]


async def test_commands_in_one_piece_are_answered_in_order() -> None:
    heard = await answers(
        simulator(), [Turn(">", b"VER\rSPS 80\r"), Turn("<", b"." * 76)], timeout_s=10
    )
    assert heard[1].data.endswith(b"SPS\r\nSPS END 0\r\n")
