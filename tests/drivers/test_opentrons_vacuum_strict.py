"""The Vacuum Module's answers are read to their last character."""

from __future__ import annotations

import pytest
from tests.conftest import TRANSCRIPTS

from platectl.domain.errors import MalformedReplyError
from platectl.domain.transcript import parse_transcript
from platectl_drivers.opentrons_vacuum.codec import parse_answer, parse_identity, parse_state

SAID = [
    turn.data.decode("ascii").strip()
    for turn in parse_transcript(
        (TRANSCRIPTS / "opentrons_vacuum_filtration.txt").read_text("ascii")
    )
    if turn.side == "<"
]
STATE = next(parse_answer(line)[1] for text in SAID for line in text.split("\n") if line.startswith("M121"))  # fmt: skip
IDENTITY = next(parse_answer(text)[1] for text in SAID if text.startswith("M115"))


@pytest.mark.parametrize("more", [" X:1", " "])
def test_nothing_may_follow_an_answer_or_its_fields(more: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_answer(SAID[0] + more)
    with pytest.raises(MalformedReplyError):
        parse_state(STATE + more)
    with pytest.raises(MalformedReplyError):
        parse_identity(IDENTITY + more)
