"""The simulated module on the deck, asked without the driver."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.simkit.faults import Fault


@pytest.mark.parametrize(("story", "faults"), [("shake", ()), ("latch", (Fault("latch_stuck"),))])
async def test_it_answers_as_recorded(
    transcripts: Path, story: str, faults: tuple[Fault, ...]
) -> None:
    turns = recorded(transcripts, f"opentrons_deck_shaker_{story}")
    lab = LineLab("opentrons_deck_shaker", *faults)
    lab.world.set_temperature("spot", 22.0)

    assert await lab.hears(turns) == [turn.data for turn in turns if turn.side == "<"]
