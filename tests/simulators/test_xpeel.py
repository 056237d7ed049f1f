"""The simulated XPeel, asked without the driver."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.domain.transcript import Turn
from platectl.simkit.faults import Fault


@pytest.mark.parametrize(
    ("name", "kind"), [("xpeel_peel", "low_tape"), ("xpeel_not_removed", "seal_not_removed")]
)
async def test_it_answers_as_recorded(transcripts: Path, name: str, kind: str) -> None:
    turns = recorded(transcripts, name)
    lab = LineLab("xpeel", Fault(kind))

    assert await lab.hears(turns) == [turn.data for turn in turns if turn.side == "<"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [("*stat", "*ready:00,00,00"), ("*tapeleft", "*tape:20,20\r\n*ready:00,00,00"),
     ("*reset", "*ack\r\n*ready:00,00,00"), ("*xpeel:01", "*ready:05,00,00"),
     ("*xpeel:45", "*ready:05,00,00"), ("*xpeel:4", "*ready:05,00,00"), ("*dance", "*ready:05,00,00"),
     ("*sealcheck", "*ack\r\n*ready:04,00,00")],
)  # fmt: skip
async def test_each_command_has_its_answer(said: str, answer: str) -> None:
    lab = LineLab("xpeel")
    lab.world.seal("spot")
    turns = [Turn(">", f"{said}\r\n".encode()), Turn("<", f"{answer}\r\n".encode())]

    assert b"".join(await lab.hears(turns)) == f"{answer}\r\n".encode()


async def test_a_bare_plate_and_an_empty_place_are_told_apart() -> None:
    lab = LineLab("xpeel")
    check = [Turn(">", b"*sealcheck\r\n"), Turn("<", b"*ack\r\n*ready:00,00,00\r\n")]

    assert await lab.hears(check) == [check[1].data]
    lab.world.lift("spot")
    assert await lab.hears(check) == [b"*ack\r\n*ready:06,00,00\r\n"]


async def test_one_motion_at_a_time() -> None:
    lab = LineLab("xpeel")
    turns = [
        Turn(">", b"*xpeel:41\r\n*xpeel:41\r\n"),
        Turn("<", b"*ack\r\n*ready:05,00,00\r\n*ready:00,00,00\r\n"),
    ]

    assert await lab.hears(turns) == [turns[1].data]
    assert lab.world.acts == [("peel", "spot")]
