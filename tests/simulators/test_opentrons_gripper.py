"""The simulated Flex carries labware, asked without the driver."""

from __future__ import annotations

from pathlib import Path

from tests.line_bench import LineLab, recorded

from platectl.hal.stream import ByteStream
from platectl.simkit.pipe import pipe
from platectl_simulators.opentrons_gripper import OpentronsGripperSimulator


async def test_it_answers_as_recorded_and_the_plate_is_there(transcripts: Path) -> None:
    turns = recorded(transcripts, "opentrons_gripper_moves")
    lab = LineLab("opentrons")
    for position in ("it.C1", "it.C2"):
        lab.world.add_position(position)
    lab.world.set_down(lab.world.lift("spot") or "", "it.C1")

    heard = await lab.hears(turns)

    assert heard == [turn.data for turn in turns if turn.side == "<"]
    assert lab.world.position_of("P1") == "it.C2"


async def test_the_gripper_itself_has_no_wire() -> None:
    ours: ByteStream
    ours, theirs = pipe()
    lab = LineLab("opentrons")

    await OpentronsGripperSimulator(lab.simulator._setup).serve(theirs)

    await ours.aclose()
