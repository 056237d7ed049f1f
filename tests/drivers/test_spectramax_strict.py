"""The SpectraMax driver takes nothing but what the reader's answers have, and says its own exactly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.drivers.test_spectramax import CHANNELS, PAIRS, kinetic
from tests.reader_bench import replaying

from platectl.domain.errors import MalformedReplyError
from platectl.domain.transcript import Turn
from platectl.simkit.pipe import pipe
from platectl_drivers.spectramax import SpectraMax, wire

BLOCK = "0\t37.0\nL: 340\t510\n1: 1.0\t2.0\nL: 380\t510\n1: 3.0\t4.0\n"


def asked(*turns: tuple[str, bytes]) -> Any:
    """A driver on a recording in which it is open already."""
    opening = (Turn(">", b"!\r"), Turn("<", b"OK\r\n>"))
    return replaying(SpectraMax, (*opening, *(Turn(side, data) for side, data in turns)))


@pytest.mark.parametrize(
    "told", [b"37.0", b"37.0 36.5 1", b"0_37 36.5", b"37.0 0_36.5", b"37.0 nan"]
)
async def test_no_other_temperature_is_read(told: bytes) -> None:
    driver = asked((">", b"!TEMP\r"), ("<", b"OK\r\n>" + told + b"\r\n>"))
    await driver._call()

    with pytest.raises(MalformedReplyError):
        await driver._temperatures()
    await driver.aclose()


@pytest.mark.parametrize("told", [b"37.0 0_37.0", b"37.0 3_7", b"37.0 nan"])
async def test_the_temperature_before_a_read_is_read_strictly(told: bytes) -> None:
    driver = asked((">", b"!TEMP\r"), ("<", b"OK\r\n>" + told + b"\r\n>"))
    await driver._call()
    driver._target_c = 37.0

    async def closed() -> str:
        return "CLOSED"

    driver._until_idle = closed
    with pytest.raises(MalformedReplyError):
        await driver._ready()
    await driver.aclose()


async def test_a_transfer_without_data_is_malformed() -> None:
    driver = asked((">", b"!TRANSFER\r"), ("<", b"OK\r\n>"))
    await driver._call()

    with pytest.raises(MalformedReplyError, match="without data"):
        await driver._next_block(kinetic(), 1e6)
    await driver.aclose()


async def test_an_abort_says_its_word_and_its_end() -> None:
    driver = asked((">", b"!CANCEL\r"))
    await driver._call()
    said: list[bytes] = []
    send = driver._stream.send

    async def noted(data: bytes) -> None:
        said.append(data)
        await send(data)

    driver._stream.send = noted
    await driver.abort()

    assert said == [b"!CANCEL\r"]
    await driver.aclose()


async def test_bytes_without_an_end_are_not_heard_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LONGEST", 1000)
    ours, theirs = pipe()

    async def babble() -> None:
        while True:
            await theirs.send(b"x" * 400)
            await asyncio.sleep(0.1)

    babbling = asyncio.create_task(babble())
    with pytest.raises(MalformedReplyError, match="more than"):
        await wire.read_fields(ours, timeout_s=60)
    babbling.cancel()
    await asyncio.gather(babbling, return_exceptions=True)


def test_a_block_is_read() -> None:
    block = wire.parse_block(BLOCK, PAIRS)

    assert [values["A1"] for values in block.values] == [1.0, 3.0]
    assert len(block.values) == len(CHANNELS)


@pytest.mark.parametrize(
    "text",
    [BLOCK[: BLOCK.index("L: 380")],
     BLOCK + "L: 340\t510\n1: 1.0\t2.0\n",
     BLOCK.replace("380\t510", "390\t510"),
     BLOCK.replace("380\t510", "510\t380"),
     BLOCK.replace("380\t510", "380"),
     BLOCK.replace("0\t37.0", "0"),
     BLOCK.replace("L: 340\t510\n", "")],
)  # fmt: skip
def test_no_other_block_is_read(text: str) -> None:
    with pytest.raises(MalformedReplyError):
        wire.parse_block(text, PAIRS)
