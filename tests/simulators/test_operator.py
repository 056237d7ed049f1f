"""The simulated person, asked without the driver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from platectl.app.truth import load_truth
from platectl.domain.errors import ReplyTimeoutError
from platectl.domain.transcript import parse_transcript
from platectl.files.lab import load_catalogue, load_lab
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.replay import answers
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World
from platectl_simulators.operator import OperatorSimulator

BUFFER: dict[str, float] = {}
LOAD: dict[str, Any] = {
    "remove": [],
    "place": [
        {
            "labware": "P1.assay", "kind": "assay_plate_96", "position": "bench",
            "barcode": "0042", "fills": [{"well": "A1", "volume_ul": 100.0, "contents": BUFFER}],
        },
        {"labware": "P1.lid", "kind": "lid_96", "position": "lid_park", "barcode": "", "fills": []},
    ],
    "bottles": [
        {"instrument": "combi", "liquid": "pei", "volume_ul": 9000.0, "contents": BUFFER},
        {"instrument": "combi", "liquid": "cocktail", "volume_ul": 500.0, "contents": BUFFER},
    ],
}  # fmt: skip


class Terminal:
    """A terminal with a simulated person before it."""

    def __init__(self, world: World, stream: PipeEnd) -> None:
        self.world = world
        self._stream = stream

    async def show(self, kind: str, name: str = "s1", /, **data: Any) -> None:
        fields = {
            "prompt": name, "kind": kind, "text": "?", "options": ["done", "cannot"], "data": data,
        }  # fmt: skip
        await self.send(fields)

    async def send(self, fields: Any) -> None:
        await self._stream.send(json.dumps(fields).encode() + b"\n")

    async def answer(self) -> tuple[str, str]:
        fields = json.loads(await self._stream.receive(timeout_s=86400))
        assert fields["person"] == "operator"
        return fields["option"], fields["note"]

    async def nothing(self, for_s: float) -> None:
        with pytest.raises(ReplyTimeoutError):
            await self._stream.receive(timeout_s=for_s)


@asynccontextmanager
async def terminal(*faults: Fault) -> AsyncIterator[Terminal]:
    world = World(load_truth(None), VirtualClock(), catalogue=load_catalogue(load_lab(None)[0]))
    for position in ("bench", "shaker1", "lid_park"):
        world.add_position(position)
    person = OperatorSimulator(
        SimulatorSetup("person", world, VirtualClock(), None, {}, FaultPlan(faults))
    )
    ours, theirs = pipe()
    serving = asyncio.create_task(person.serve(theirs))
    try:
        yield Terminal(world, ours)
    finally:
        await ours.aclose()
        await serving


async def test_the_simulator_answers_exactly_what_was_recorded(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "operator_prompts.txt").read_text("ascii"))
    world = World(load_truth(None), VirtualClock(), catalogue=load_catalogue(load_lab(None)[0]))
    world.add_position("lid_park")
    faults = FaultPlan([Fault("wrong_option"), Fault("wrong_id", after=1)])
    person = OperatorSimulator(
        SimulatorSetup("person", world, VirtualClock(), None, {"person": "Ada"}, faults)
    )

    assert tuple(await answers(person, turns)) == turns


async def test_loading_puts_things_down_one_after_another() -> None:
    clock = VirtualClock()
    async with terminal() as it:
        await it.show("load", **LOAD)
        await asyncio.sleep(20 + 8 + 1)
        assert it.world.top_at("bench") == "P1.assay"
        assert it.world.top_at("lid_park") is None

        assert await it.answer() == ("done", "")
        assert clock.monotonic_s() == pytest.approx(20 + 4 * 8)
        assert it.world.barcode("P1.assay") == "0042"
        assert it.world.top_at("lid_park") == "P1.lid"
        it.world.bulk_prime("combi", 9000)


async def test_the_second_bottle_of_a_line_waits_for_a_refill() -> None:
    async with terminal() as it:
        await it.show("load", **LOAD)
        await it.answer()
        await it.show("refill", instrument="combi", liquid="cocktail")
        assert await it.answer() == ("done", "")

        with pytest.raises(Exception, match="cocktail"):
            it.world.bulk_prime("combi", 600)


async def test_a_bottle_that_nobody_brought_cannot_be_connected_unless_it_is_described() -> None:
    async with terminal() as it:
        await it.show("refill", instrument="combi", liquid="cocktail")
        assert await it.answer() == ("cannot", "there is no bottle of cocktail")
        await it.show(
            "refill", instrument="combi", liquid="cocktail", volume_ul=100.0, contents=BUFFER
        )
        assert await it.answer() == ("done", "")


async def test_a_place_that_is_taken_is_told_and_what_was_done_stays() -> None:
    async with terminal() as it:
        it.world.add_labware("P0.lid", "lid_96", "lid_park")
        await it.show("load", **LOAD)
        option, note = await it.answer()

        assert option == "cannot"
        assert "P0.lid stands at lid_park" in note
        assert it.world.top_at("bench") == "P1.assay"


async def test_labware_of_the_plate_before_is_taken_away_first() -> None:
    async with terminal() as it:
        it.world.add_labware("P0.lid", "lid_96", "lid_park")
        await it.show("load", **{**LOAD, "remove": ["P0.lid", "P0.unknown"]})

        assert await it.answer() == ("done", "")


async def test_a_start_of_the_counter_is_a_note_for_it() -> None:
    async with terminal() as it:
        data = {"instrument": "counter", "title": "P1", "wells": ["A1"], "count_s": 60.0}
        await it.show("start_counter", **data)
        await it.answer()

        assert it.world.notices["counter.start"] == [data]


@pytest.mark.parametrize(
    ("data", "assay", "lid"),
    [
        ({"labware": "P1.lid", "position": "bench"}, "bench", "bench"),
        ({"position": "shaker1"}, "shaker1", "lid_park"),
    ],
)
async def test_a_person_may_put_something_elsewhere(
    data: dict[str, str], assay: str, lid: str
) -> None:
    async with terminal(Fault("wrong_place", data=data)) as it:
        await it.show("load", **LOAD)

        assert await it.answer() == ("done", "")
        assert it.world.position_of("P1.assay") == assay
        assert it.world.position_of("P1.lid") == lid


async def test_a_person_may_move_something_elsewhere() -> None:
    async with terminal(Fault("wrong_place", data={"position": "lid_park"})) as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        await it.show("move", source="bench", target="shaker1")

        assert await it.answer() == ("done", "")
        assert it.world.position_of("P1.assay") == "lid_park"


async def test_what_cannot_be_moved_is_put_back() -> None:
    async with terminal() as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        it.world.add_labware("P2.assay", "assay_plate_96", "shaker1")
        await it.show("move", source="bench", target="shaker1")

        assert (await it.answer())[0] == "cannot"
        assert it.world.position_of("P1.assay") == "bench"


async def test_a_withdrawn_prompt_is_left_where_it_stands_and_not_answered() -> None:
    async with terminal() as it:
        await it.show("load", **LOAD)
        await asyncio.sleep(20 + 8 + 1)
        await it.send({"cancel": "s1"})

        await it.nothing(for_s=3600)
        assert it.world.top_at("bench") == "P1.assay"
        assert it.world.top_at("lid_park") is None


async def test_prompts_that_come_together_are_done_one_after_another() -> None:
    clock = VirtualClock()
    async with terminal() as it:
        await it.show("confirm", "s1")
        await it.show("confirm", "s2")
        await it.answer()
        await it.answer()

        assert clock.monotonic_s() == pytest.approx(40)


async def test_what_cannot_be_read_is_not_answered() -> None:
    async with terminal() as it:
        await it.send("hello")
        await it.send({"cancel": "unknown"})
        await it.show("confirm")

        assert await it.answer() == ("done", "")
