"""The CLARIOstar driver takes no frame that is too short, too long or of another kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reader_bench import replaying

from platectl.domain.errors import MalformedReplyError
from platectl.domain.transcript import Turn, parse_transcript
from platectl_drivers.clariostar import Clariostar
from platectl_drivers.clariostar.frame import decode, encode
from platectl_drivers.clariostar.link import TRIES
from platectl_drivers.clariostar.status import parse_status

FRAME = encode(bytes.fromhex("0125042600"))


@pytest.mark.parametrize("length", range(len(FRAME)))
def test_no_beginning_of_a_frame_is_one(length: int) -> None:
    with pytest.raises(MalformedReplyError):
        decode(FRAME[:length])


@pytest.mark.parametrize("longer", [-1, 1])
def test_a_frame_is_as_long_as_it_states_though_its_sum_is_right(longer: int) -> None:
    body = bytes((FRAME[0], 0, len(FRAME) + longer, *FRAME[3:-4]))

    with pytest.raises(MalformedReplyError, match="no whole frame"):
        decode(body + sum(body).to_bytes(3, "big") + FRAME[-1:])


def test_a_status_is_of_its_own_kind(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "clariostar_captured.txt").read_text("ascii"))
    status = decode(turns[1].data)

    assert parse_status(status).initialised is bool(status[3] & 0x20)
    for kind in (0x00, 0x02, 0x03):
        with pytest.raises(MalformedReplyError):
            parse_status(bytes((kind,)) + status[1:])


async def met(transcripts: Path, change: bytes, longer: bytes) -> Clariostar:
    """A driver that connects; each answer about the firmware is `change`d, or has more behind it."""
    turns = list(parse_transcript((transcripts / "clariostar_read.txt").read_text("ascii")))
    about = next(i for i, t in enumerate(turns) if t.side == "<" and decode(t.data)[0] == 0x0A)
    asked = [turns[about - 1], Turn("<", (change or turns[about].data) + longer)]
    driver: Clariostar = replaying(Clariostar, [*turns[: about - 1], *asked * TRIES])
    return driver


async def test_a_firmware_without_a_version_is_malformed(transcripts: Path) -> None:
    driver = await met(transcripts, encode(bytes.fromhex("0a05462600")), b"")

    with pytest.raises(MalformedReplyError, match="no firmware"):
        await driver.connect()


async def test_what_follows_a_frame_makes_it_an_answer_to_nothing(transcripts: Path) -> None:
    driver = await met(transcripts, b"", b"\x02\x00")

    with pytest.raises(MalformedReplyError, match="after the frame"):
        await driver.connect()
    await driver.aclose()
