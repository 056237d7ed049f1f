"""The simulated module on the deck, asked without the driver."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.domain.transcript import Turn


async def test_it_answers_as_recorded(transcripts: Path) -> None:
    turns = recorded(transcripts, "opentrons_deck_block_cool")
    lab = LineLab("opentrons_deck_block")
    lab.world.set_temperature("spot", 22.0)

    assert await lab.hears(turns) == [turn.data for turn in turns if turn.side == "<"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [("GET", "/modules", "", b"422"), ("GET", "/dance", "Opentrons-Version: 4\r\n", b"404"),
     ("GET", "/commands/none", "Opentrons-Version: 4\r\n", b"404")],
)  # fmt: skip
async def test_what_the_server_does_not_know_it_refuses(
    method: str, path: str, headers: str, status: bytes
) -> None:
    said = f"{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n".encode()

    heard = await LineLab("opentrons_deck_block").hears([Turn(">", said), Turn("<", b"x" * 12)])

    assert heard[0] == b"HTTP/1.1 " + status
