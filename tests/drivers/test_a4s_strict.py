"""The A4S driver takes nothing but what the format has."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reader_bench import replaying

from platectl.domain.errors import MalformedReplyError
from platectl.domain.transcript import Turn, parse_transcript
from platectl_drivers.a4s import A4S, parse_status

STATUS = "*T00=220,1,2,0,4,58,0zz"


def test_each_field_of_a_status_keeps_its_place() -> None:
    found = parse_status("*T00=220,1,2,3,4,58,0zz")

    assert (found.system, found.heater, found.error, found.warning) == (1, 2, 3, 4)


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("odd", ["0_1", " 1", "1.0", "nan", ""])
def test_no_field_of_a_status_is_read_leniently(place: int, odd: str) -> None:
    fields = STATUS.partition("=")[2].split(",")
    fields[place] = odd

    with pytest.raises(MalformedReplyError):
        parse_status("*T00=" + ",".join(fields))


@pytest.mark.parametrize("line", [STATUS + ",1", STATUS.replace(",58", "")])
def test_a_status_has_seven_fields(line: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_status(line)


async def test_a_message_ends_at_its_mark_whether_or_not_a_return_follows(
    transcripts: Path,
) -> None:
    turns = parse_transcript((transcripts / "a4s_seal.txt").read_text("ascii"))
    bare = [Turn(t.side, t.data.replace(b"!\r", b"!") if t.side == "<" else t.data) for t in turns]
    driver = replaying(A4S, bare)

    await driver.connect()
    await driver.seal(temperature_c=50, duration_s=1.2)
    await driver.aclose()
