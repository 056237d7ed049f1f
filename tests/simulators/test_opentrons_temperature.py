"""The simulated Temperature Module, asked without the driver."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.domain.transcript import Turn
from platectl.simkit.faults import Fault

NAME = "opentrons_temperature"


@pytest.mark.parametrize(
    ("story", "faults"), [("cool", ()), ("overheated", (Fault("overheated"),))]
)
async def test_it_answers_as_recorded(
    transcripts: Path, story: str, faults: tuple[Fault, ...]
) -> None:
    turns = recorded(transcripts, f"opentrons_temperature_{story}")
    lab = LineLab(NAME, *faults)
    lab.world.set_temperature("spot", 22.0)

    assert await lab.hears(turns) == [turn.data for turn in turns if turn.side == "<"]


@pytest.mark.parametrize(
    ("said", "told"),
    [("hello", []), ("M104", []), ("M104 S37", []), ("M 104 S 3 7", []), ("M18", []), ("", []),
     ("M104 S200", ["Target temperature too high, setting to TEMPERATURE_MAX degrees"]),
     ("M104 S-20", ["Target temperature too low, setting to TEMPERATURE_MIN degrees"])],
)  # fmt: skip
async def test_each_line_is_acknowledged_twice(said: str, told: list[str]) -> None:
    answer = "".join(f"{line}\r\n" for line in (*told, "ok", "ok")).encode()

    heard = await LineLab(NAME).hears([Turn(">", f"{said}\r\n".encode()), Turn("<", answer)])

    assert heard == [answer]
