"""The simulated MT-SICS balance, asked without the driver."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.domain.transcript import Turn


@pytest.mark.parametrize("name", ["mt_sics_weighing", "mt_sics_overload"])
async def test_it_answers_as_recorded(transcripts: Path, name: str) -> None:
    turns = recorded(transcripts, name)

    heard = await LineLab("mt_sics").hears(turns)

    assert heard == [turn.data for turn in turns if turn.side == "<"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [("s", "ES"), ("S ", "ES"), ("X9", "ES"), ("TA", "TA A     0.0000 g"), ("TAC", "TAC A"),
     ("TI", "TI S    45.0000 g"), ("ZI", "ZI +"), ("@", 'I4 A "B021002593"')],
)  # fmt: skip
async def test_each_command_has_its_answer(said: str, answer: str) -> None:
    turns = [Turn(">", f"{said}\r\n".encode()), Turn("<", f"{answer}\r\n".encode())]

    assert await LineLab("mt_sics").hears(turns) == [f"{answer}\r\n".encode()]


async def test_while_it_waits_for_rest_nothing_else_is_weighed() -> None:
    turns = [
        Turn(">", b"T\r\nSI\r\nI4\r\n"),
        Turn("<", b'S I\r\nI4 A "B021002593"\r\nT S    45.0000 g\r\n'),
    ]

    assert await LineLab("mt_sics").hears(turns) == [turns[1].data]
