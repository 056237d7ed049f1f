"""The simulated Liconic, asked without the driver."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.domain.transcript import Turn

SLOTS = {str(n): f"it.{n}" for n in range(1, 45)}


def lab(slot: int = 25) -> LineLab:
    made = LineLab("liconic", simulated={"slots": SLOTS})
    for position in SLOTS.values():
        made.world.add_position(position)
    made.world.set_temperature("it.1", 37.0)
    made.world.set_down(made.world.lift("spot") or "", f"it.{slot}")
    return made


async def said(made: LineLab, *exchanges: tuple[str, str]) -> list[str]:
    turns = [
        turn
        for command, answer in (("CR", "CC"), *exchanges)
        for turn in (Turn(">", f"{command}\r".encode()), Turn("<", f"{answer}\r\n".encode()))
    ]
    return [data.decode().strip() for data in await made.hears(turns)][1:]


@pytest.mark.parametrize("story", ["liconic_fetch", "liconic_no_plate"])
async def test_it_answers_as_recorded(transcripts: Path, story: str) -> None:
    turns = recorded(transcripts, story)

    assert await lab().hears(turns) == [turn.data for turn in turns if turn.side == "<"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [("RD 1915", "0"), ("RD 1814", "0"), ("RD 1813", "0"), ("RD 1812", "0"), ("RD DM890", "00370"),
     ("RD 9999", "E0"), ("WR DM7 1", "E0"), ("WR DM0 x", "E1"), ("ST 1", "E0"), ("dance", "E1"), ("CQ", "CF"),
     ("ST 1900", "OK")],
)  # fmt: skip
async def test_each_command_has_its_answer(command: str, answer: str) -> None:
    assert await said(lab(), (command, answer)) == [answer]


async def test_nothing_is_answered_before_the_conversation_is_open() -> None:
    turns = [
        Turn(">", b"RD 1915\rCR\r"), Turn("<", b"CC\r\n"), Turn(">", b"CQ\rRD 1915\rCR\r"),
        Turn("<", b"CF\r\nCC\r\n"),
    ]  # fmt: skip

    assert await lab().hears(turns) == [turns[1].data, turns[3].data]


@pytest.mark.parametrize(
    "words", [{"DM0": 3}, {"DM5": 23}, {"DM5": 0}, {"DM23": 787}, {"DM25": 20}]
)
async def test_data_words_that_do_not_fit_the_cassette_are_an_error(words: dict[str, int]) -> None:
    right = {"DM0": 2, "DM5": 3, "DM23": 788, "DM25": 22} | words
    writes = [(f"WR {word} {value}", "OK") for word, value in right.items()]

    heard = await said(
        lab(), ("ST 1801", "OK"), *writes, ("ST 1905", "OK"), ("RD 1814", "1"), ("RD DM200", "00012"),
        ("RD 1915", "0"), ("ST 1900", "OK"), ("RD 1814", "0"),
    )  # fmt: skip

    assert heard[-5:] == ["1", "00012", "0", "OK", "0"]
