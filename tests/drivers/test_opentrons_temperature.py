"""The Temperature Module driver: against recordings, odd chunks, faults and its simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_bench import LineLab, action, chopped, recorded, replaying

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import Turn
from platectl.hal.instrument import Identity
from platectl.simkit.faults import Fault
from platectl_drivers.opentrons_temperature import parse_identity, parse_state

NAME = "opentrons_temperature"
WHO = b"serial:T1 model:temp_deck_v20 version:v2\r\n"
OKS = b"ok\r\nok\r\n"
MET = [Turn(">", b"M115\r\n"), Turn("<", WHO + OKS)]
COOL = action("set_temperature", temperature_c=4.0)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    turns = recorded(transcripts, "opentrons_temperature_cool")
    driver = replaying(NAME, chopped(turns, size))

    identity = await driver.connect()
    assert identity == Identity(
        "Opentrons Temperature Module temp_deck_v20", "TDV20P20210119A01", "v2.1.0"
    )
    await driver.set_temperature(4.0)
    assert await driver.read_temperature_c() == 6.436
    await driver.stop_heating()
    await driver.aclose()


async def test_an_overheated_block_is_a_fault_once(transcripts: Path) -> None:
    turns = recorded(transcripts, "opentrons_temperature_overheated")
    again = [Turn(">", b"M105\r\n"), Turn("<", b"T:none C:40.000\r\n" + OKS)]
    driver = replaying(NAME, [*turns, *again])
    await driver.connect()

    with pytest.raises(InstrumentFaultError, match="too hot") as caught:
        await driver.read_temperature_c()

    assert caught.value.code == "overheated"
    assert await driver.read_temperature_c() == 40.0
    await driver.aclose()


async def test_an_overheated_block_may_be_looked_at() -> None:
    turns = [MET[0], Turn("<", b"Temperature module overheated! Deactivating.\r\n" + WHO + OKS)]
    more = [Turn(">", b"M105\r\n"), Turn("<", b"T:none C:99.100\r\n" + OKS)]
    driver = replaying(NAME, [*turns, *more])

    await driver.observe()
    with pytest.raises(InstrumentFaultError, match="too hot"):
        await driver.read_temperature_c()


async def test_the_block_reaches_its_target_and_the_world_follows() -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()

    await lab.driver.set_temperature(4.0)
    await lab.driver.set_temperature(4.0)
    await asyncio.sleep(1800)

    assert await lab.driver.read_temperature_c() == 4.0
    assert lab.world.temperature_c("spot") == 4.0
    await lab.driver.abort()
    await lab.driver.aclose()
    await asyncio.sleep(1800)
    await lab.driver.connect()
    assert await lab.driver.read_temperature_c() == 4.0
    await lab.driver.stop_heating()
    await lab.driver.stop_heating()
    await lab.close()


@pytest.mark.parametrize(
    "temperature_c", [3.9, 95.1, -5.0, 37.05, float("nan"), float("inf"), float("-inf")]
)
async def test_what_is_out_of_range_is_refused_before_anything_is_sent(
    temperature_c: float,
) -> None:
    with pytest.raises(RefusedError):
        await replaying(NAME, ()).set_temperature(temperature_c)


async def test_a_command_that_is_acknowledged_and_not_understood_is_a_fault() -> None:
    lab = LineLab(NAME, Fault("deaf"))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match="heads for None C, not 37") as caught:
        await lab.driver.set_temperature(37.0)

    assert caught.value.code == "not_taken"
    await lab.driver.set_temperature(37.0)
    await lab.close()


async def test_a_block_that_does_not_let_go_is_a_fault() -> None:
    turns = [
        *MET, Turn(">", b"M18\r\n"), Turn("<", OKS),
        Turn(">", b"M105\r\n"), Turn("<", b"T:37.000 C:36.900\r\n" + OKS),
    ]  # fmt: skip
    driver = replaying(NAME, turns)
    await driver.connect()

    with pytest.raises(InstrumentFaultError, match="still heads for 37") as caught:
        await driver.stop_heating()

    assert caught.value.code == "not_taken"


@pytest.mark.parametrize(
    ("kind", "error"),
    [("silent", ReplyTimeoutError), ("reply_lost", ReplyTimeoutError),
     ("garbled_reply", MalformedReplyError), ("late_reply", ReplyTimeoutError)],
)  # fmt: skip
@pytest.mark.parametrize("after", [1, 2])
async def test_one_broken_answer_is_told_as_such_and_never_taken_for_the_next(
    kind: str, error: type[LinkError], after: int
) -> None:
    lab = LineLab(NAME, Fault(kind, after=after, data={"delay_s": 3.2}))
    await lab.driver.connect()
    with pytest.raises(error):
        await lab.as_action("set_temperature", temperature_c=4.0)

    verdict = await lab.driver.reconcile(COOL)

    taken = (kind, after) != ("silent", 1)
    assert (verdict.fate, verdict.remembered) == ("done" if taken else "not_done", not taken)
    await lab.driver.set_temperature(37.0)
    await lab.close()


@pytest.mark.parametrize(
    ("verb", "arguments", "fate"),
    [("set_temperature", {"temperature_c": 4.0}, "done"), ("set_temperature", {"temperature_c": 4.1}, "not_done"),
     ("set_temperature", {}, "not_done"), ("stop_heating", {}, "not_done"), ("dance", {}, "unknown")],
)  # fmt: skip
async def test_a_setpoint_in_doubt_is_read_back_on_a_new_line(
    verb: str, arguments: dict[str, Any], fate: str
) -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()
    await lab.driver.set_temperature(4.0)
    await lab.stream.aclose()

    assert (await lab.driver.reconcile(action(verb, **arguments))).fate == fate
    await lab.driver.stop_heating()
    assert (await lab.driver.reconcile(action("stop_heating"))).fate == "done"
    assert lab.said.count(b"M115\r\n") == 4
    await lab.close()


async def test_a_look_changes_nothing() -> None:
    lab = LineLab(NAME)

    await lab.driver.observe()
    await lab.driver.take_over()

    assert set(lab.said) == {b"M115\r\n"}
    await lab.close()


async def test_without_a_line_nothing_is_said() -> None:
    driver = replaying(NAME, ())

    await driver.abort()
    with pytest.raises(DisconnectedError):
        await driver.read_temperature_c()


@pytest.mark.parametrize(
    "told",
    [b"T:4.0 C:5.0\r\nT:4.0 C:5.0\r\n" + OKS, b"hello\r\n" + OKS, OKS, b"T:4.0 C:0_5.0\r\n" + OKS,
     b"T:0_4.0 C:5.0\r\n" + OKS, b"T:4.0 C:5.0 \r\n" + OKS, b"T:None C:5.0\r\n" + OKS],
)  # fmt: skip
async def test_nothing_unexpected_becomes_a_temperature(told: bytes) -> None:
    driver = replaying(NAME, [*MET, Turn(">", b"M105\r\n"), Turn("<", told)])
    await driver.connect()

    with pytest.raises(MalformedReplyError):
        await driver.read_temperature_c()


async def test_a_warning_instead_of_nothing_is_malformed() -> None:
    warned = b"Target temperature too high\r\n" + OKS
    driver = replaying(NAME, [*MET, Turn(">", b"M104 S37.0\r\n"), Turn("<", warned)])
    await driver.connect()

    with pytest.raises(MalformedReplyError):
        await driver.set_temperature(37.0)


@given(st.none() | st.floats(-9, 99), st.floats(-9, 99))
def test_temperatures_are_read_as_written(target: float | None, actual: float) -> None:
    told = "none" if target is None else f"{target:.3f}"

    read = parse_state(f"T:{told} C:{actual:.3f}")

    assert read[0] == (None if target is None else pytest.approx(target, abs=0.000501))
    assert read[1] == pytest.approx(actual, abs=0.000501)


@pytest.mark.parametrize(
    "told",
    ["", "serial:a model:b version:c", "serial:a model:temp_deck_v20", "serial:a model:temp_deck_v20 version:c d"],
)  # fmt: skip
def test_another_module_is_not_taken_for_a_temperature_module(told: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_identity(told)
