"""The simulated Cavro pump, asked without the driver."""

from __future__ import annotations

import functools
import operator
from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.domain.transcript import Turn


def lab(switch: int = 0) -> LineLab:
    made = LineLab("cavro", simulated={"syringe_ul": 1000.0, "switch": switch})
    made.world.load_bottle("it", liquid="buffer", volume_ul=1e6, contents={})
    return made


def oem(number: int, data: str) -> bytes:
    block = b"\x021" + bytes((0x30 | number,)) + data.encode() + b"\x03"
    return block + bytes((functools.reduce(operator.xor, block),))


@pytest.mark.parametrize("framing", ["dt", "oem"])
async def test_it_answers_as_recorded(transcripts: Path, framing: str) -> None:
    turns = recorded(transcripts, f"cavro_{framing}")

    assert await lab(1).hears(turns) == [turn.data for turn in turns if turn.side == "<"]


@pytest.mark.parametrize(
    ("said", "answers"),
    [("A100R", "g"), ("X9R", "b"), ("ZR", "@"), ("Z9R", "`"), ("?", "g0"), ("&", "g30029-E"), ("TR", "g")],
)  # fmt: skip
async def test_before_initialisation_each_command_has_its_answer(said: str, answers: str) -> None:
    turns = [Turn(">", f"/1{said}\r".encode()), Turn("<", f"/0{answers}\x03\r\n".encode())]

    assert await lab().hears(turns) == [turns[1].data]


async def test_wrong_operands_are_told_when_it_is_asked() -> None:
    turns = [
        Turn(">", b"/1ZR\r"), Turn("<", b"/0@\x03\r\n"), Turn(">", b"/1A10R\r", 1.0), Turn("<", b"/0O\x03\r\n"),
        Turn(">", b"/1A3001R\r", 5.0), Turn("<", b"/0`\x03\r\n"), Turn(">", b"/1Q\r"), Turn("<", b"/0c\x03\r\n"),
        Turn(">", b"/1BA10R\r"), Turn("<", b"/0`\x03\r\n"), Turn(">", b"/1Q\r"), Turn("<", b"/0k\x03\r\n"),
    ]  # fmt: skip

    assert await lab().hears(turns) == [turn.data for turn in turns if turn.side == "<"]


async def test_a_repeat_is_carried_out_once_and_the_terminal_is_ignored() -> None:
    subject = lab()
    start = [Turn(">", oem(1, "ZR")), Turn("<", b"\x020@\x03q"), Turn(">", oem(2, "Q"), 5.0),
             Turn("<", b"\x020`\x03Q")]  # fmt: skip
    await subject.hears(start)
    subject.world.note(subject.simulator, ("draw",))

    await subject.hears([Turn(">", oem(3, "IA300R")), Turn("<", b"\x020@\x03q")])
    repeat = [Turn(">", oem(3 | 8, "IA300R"), 2.0), Turn("<", b"\x020`\x03Q")]
    line = [Turn(">", b"/1IA0R\r" + oem(4, "?"), 2.0), Turn("<", b"\x020`300\x03b")]

    assert await subject.hears(repeat) == [b"\x020`\x03Q"]
    assert await subject.hears(line) == [b"\x020`300\x03b"]
    assert subject.world.acts == [("draw", "100.0")]


async def test_a_block_with_a_wrong_check_sum_is_not_answered() -> None:
    broken = bytes((*oem(1, "Q")[:-1], 0x7F))
    turns = [Turn(">", broken + oem(2, "Q")), Turn("<", b"\x020g\x03V")]

    assert await lab().hears(turns) == [b"\x020g\x03V"]
