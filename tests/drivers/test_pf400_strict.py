"""What the PF400 driver says and hears, byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.drivers.test_pf400 import STATIONS
from tests.reader_bench import replaying

from platectl.domain.errors import InstrumentFaultError
from platectl.domain.transcript import Turn, parse_transcript
from platectl_drivers.pf400 import PF400


async def test_an_answer_that_comes_byte_by_byte_is_heard_to_its_very_end(
    transcripts: Path,
) -> None:
    turns = parse_transcript((transcripts / "pf400_move.txt").read_text("ascii"))
    driver = replaying(PF400, turns, size=1, stations=STATIONS)

    await driver.connect()
    await driver.move_plate("shaker1", "combi_hot")
    with pytest.raises(InstrumentFaultError, match="no plate at shaker1"):
        await driver.move_plate("shaker1", "combi_hot")
    await driver.aclose()


@pytest.mark.parametrize("size", [1, 100])
async def test_an_abort_says_halt_and_hears_the_whole_answer(size: int) -> None:
    turns = (Turn(">", b"halt\n"), Turn("<", b"0\r\n"))
    heard: list[bytes] = []
    driver = replaying(PF400, turns, size=size, stations=STATIONS)
    opened = driver._open_stream

    async def noting() -> object:
        stream = await opened()
        receive = stream.receive

        async def noted(*, timeout_s: float | None = None) -> bytes:
            heard.append(await receive(timeout_s=timeout_s))
            return heard[-1]

        stream.receive = noted
        return stream

    driver._open_stream = noting
    await driver.abort()

    assert b"".join(heard) == b"0\r\n"
