"""The BioShake driver takes nothing for a number that is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.reader_bench import replaying

from platectl.domain.errors import MalformedReplyError
from platectl.domain.transcript import Turn
from platectl.hal.recovery import Action
from platectl_drivers.bioshake import BioShake

MET = (
    Turn(">", b"getVersion\r"), Turn("<", b"1.0\r\n"),
    Turn(">", b"getDescription\r"), Turn("<", b"BIOSHAKE\r\n"),
)  # fmt: skip


@pytest.mark.parametrize("odd", [b"0_22.0", b" 22.0", b"nan", b"inf", b"2_2"])
async def test_a_temperature_is_read_strictly(odd: bytes) -> None:
    turns = (*MET, Turn(">", b"getTempActual\r"), Turn("<", odd + b"\r\n"))
    driver = replaying(BioShake, turns)
    await driver.connect()

    with pytest.raises(MalformedReplyError):
        await driver.read_temperature_c()
    await driver.aclose()


@pytest.mark.parametrize("odd", [b"0_3", b" 3", b"3.0"])
async def test_a_state_is_read_strictly_when_it_settles_a_doubt(odd: bytes) -> None:
    turns = (
        *MET,
        Turn(">", b"getShakeState\r"), Turn("<", odd + b"\r\n"),
        Turn(">", b"getShakeTargetSpeed\r"), Turn("<", b"600\r\n"),
        Turn(">", b"getElmState\r"), Turn("<", b"3\r\n"),
    )  # fmt: skip
    driver = replaying(BioShake, turns)
    action = Action("a1", "shaker", "shake", {}, datetime(2026, 1, 5, tzinfo=UTC))

    with pytest.raises(MalformedReplyError):
        await driver.reconcile(action)
    await driver.aclose()
