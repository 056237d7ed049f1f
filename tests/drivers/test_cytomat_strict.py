"""The Cytomat driver takes nothing but what the command set has."""

from __future__ import annotations

import pytest

from platectl.domain.errors import MalformedReplyError
from platectl_drivers.cytomat import _OK, _climate


def test_nominal_and_actual_keep_their_places() -> None:
    assert _climate("it 37.0 36.5", "ch:it") == (37.0, 36.5)


@pytest.mark.parametrize(
    "answer",
    ["it 37.0", "it 37.0 36.5 1", "ic 37.0 36.5", "ch 37.0 36.5", "it 0_37.0 36.5", "it 37.0 3_6",
     "it nan 36.5", "it 37.0 inf", "it  36.5", ""],
)  # fmt: skip
def test_no_other_climate_is_read(answer: str) -> None:
    with pytest.raises(MalformedReplyError):
        _climate(answer, "ch:it")


@pytest.mark.parametrize("answer", ["or 00", "o 00", "ok 0", "ok 000", "ok", "oK 00"])
def test_nothing_else_is_an_acknowledgement(answer: str) -> None:
    assert _OK.fullmatch("ok 00")
    assert not _OK.fullmatch(answer)
