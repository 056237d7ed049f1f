"""The simulated Heater-Shaker, asked without the driver."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.domain.transcript import Turn
from platectl.simkit.faults import Fault

NAME = "opentrons_heater_shaker"


async def said(lab: LineLab, *exchanges: tuple[str, str]) -> list[str]:
    turns = [
        Turn(side, f"{line}\n".encode()) for pair in exchanges for side, line in zip("><", pair, strict=True)
    ]  # fmt: skip
    return [data.decode().rstrip("\n") for data in await lab.hears(turns)]


@pytest.mark.parametrize(("story", "faults"), [("shake", ()), ("latch", (Fault("latch_stuck"),))])
async def test_it_answers_as_recorded(
    transcripts: Path, story: str, faults: tuple[Fault, ...]
) -> None:
    turns = recorded(transcripts, f"{NAME}_{story}")
    lab = LineLab(NAME, *faults)
    lab.world.set_temperature("spot", 22.0)

    assert await lab.hears(turns) == [turn.data for turn in turns if turn.side == "<"]


@pytest.mark.parametrize(
    ("exchanges"),
    [
        (("M3 S600", "ERR126:plate lock:not closed (required) OK"),),
        (("G28", "ERR126:plate lock:not closed (required) OK"),),
        (("M243", "M243 OK"), ("M3 S199", "ERR120:main motor:illegal speed OK")),
        (("M243", "M243 OK"), ("M3 S600", "M3 OK"), ("M242", "ERR123:main motor:not home (required) OK")),
        (("M243", "M243 OK"), ("M243", "M243 OK"), ("M241", "M241 STATUS:IDLE_CLOSED OK")),
        (("M104 S101", "ERR212:heater:constant out of range OK"),),
        (("M106", "M106 OK"), ("M42", "ERR003:unhandled gcode OK"), ("hello", "ERR003:unhandled gcode OK")),
    ],
)  # fmt: skip
async def test_each_command_has_its_answer(exchanges: tuple[tuple[str, str], ...]) -> None:
    assert await said(LineLab(NAME), *exchanges) == [answer for _, answer in exchanges]


async def test_queries_are_answered_while_the_latch_moves() -> None:
    heard = await said(
        LineLab(NAME), ("M243\nM241", "M241 STATUS:CLOSING OK\nM243 OK"), ("M241", "M241 STATUS:IDLE_CLOSED OK")
    )  # fmt: skip

    assert heard == ["M241 STATUS:CLOSING OK\nM243 OK", "M241 STATUS:IDLE_CLOSED OK"]


async def test_an_empty_nest_shakes_and_is_noted() -> None:
    lab = LineLab(NAME)
    lab.world.lift("spot")
    turns = [
        Turn(">", b"M243\n"), Turn("<", b"M243 OK\n"), Turn(">", b"M3 S600\n"), Turn("<", b"M3 OK\n"),
        Turn(">", b"G28\n", 5.0), Turn("<", b"G28 OK\n"),
    ]  # fmt: skip

    await lab.hears(turns)

    assert [note["reason"] for note in lab.world.notices["it.mishap"]] == ["nothing_there"]
