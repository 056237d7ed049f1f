"""The driver of barcode readers: against recordings, odd chunks, faults and its simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_bench import LineLab, action, chopped, recorded, replaying

from platectl.conformance.stage import Scene, Stage
from platectl.conformance.strikes import defects_of, row_of
from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import Turn
from platectl.hal.instrument import Identity
from platectl.simkit.faults import Fault
from platectl_drivers.line_scanner import parse_code

DIALECTS = ("keyence_bl", "keyence_sr", "dataman")
WHO = {
    "keyence_bl": Identity("Keyence BL"),
    "keyence_sr": Identity("Keyence SR SR-750", firmware="1.12"),
    "dataman": Identity("Cognex DataMan", serial_number="1A1833XN012345"),
}
NO_READ = ("ERROR", "NG")


def labelled_lab(dialect: str, *faults: Fault, code: str = "P0000042", **settings: Any) -> LineLab:
    told = {"dialect": dialect}
    lab = LineLab("line_scanner", *faults, simulated=told, dialect=dialect, **settings)
    lab.world.remove_labware("P1")
    lab.world.add_labware("P1", "assay_plate_96", "spot", barcode=code)
    return lab


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_driver_says_exactly_what_was_recorded(
    transcripts: Path, dialect: str, size: int
) -> None:
    turns = recorded(transcripts, f"line_scanner_{dialect.removeprefix('keyence_')}")
    driver = replaying("line_scanner", chopped(turns, size), dialect=dialect)

    assert await driver.connect() == WHO[dialect]
    assert await driver.read() == "P0000042"
    await driver.aclose()


@pytest.mark.parametrize("dialect", ["keyence_bl", "dataman"])
def test_no_fault_of_the_line_fools_the_other_dialects(dialect: str) -> None:
    def play(stage: Stage) -> Scene:
        stage.world.add_position("gate")
        stage.world.add_labware("P1", "assay_plate_96", "gate", barcode="P0000042")
        return stage.play(
            "line_scanner", "read", {}, position="gate", acts=("scan",),
            simulated={"dialect": dialect}, dialect=dialect,
        )  # fmt: skip

    assert defects_of(dialect, row_of(play)) == []


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_each_plate_is_read_for_itself(dialect: str) -> None:
    lab = labelled_lab(dialect)
    await lab.driver.connect()
    assert await lab.driver.read() == "P0000042"

    lab.world.remove_labware("P1")
    lab.world.add_labware("P2", "assay_plate_96", "spot", barcode="P0000043")

    assert await lab.driver.read() == "P0000043"
    await lab.close()


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_no_plate_no_label_and_no_luck_are_no_read(dialect: str) -> None:
    lab = labelled_lab(dialect, Fault("no_code"), code="")
    await lab.driver.connect()
    for _ in range(2):
        with pytest.raises(InstrumentFaultError) as caught:
            await lab.driver.read()
        assert caught.value.code == "no_read"

    lab.world.remove_labware("P1")
    with pytest.raises(InstrumentFaultError):
        await lab.driver.read()
    lab.world.add_labware("P1", "assay_plate_96", "spot", barcode="P0000042")

    assert await lab.driver.read() == "P0000042"
    await lab.close()


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_code_that_is_not_read_twice_alike_is_none(dialect: str) -> None:
    lab = labelled_lab(dialect, Fault("misread", after=1))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match="P0000042 and X9999999") as caught:
        await lab.driver.read()

    assert caught.value.code == "disagree"
    assert await lab.driver.read() == "P0000042"
    await lab.close()


async def test_once_is_enough_if_the_lab_says_so() -> None:
    lab = labelled_lab("keyence_sr", reads=1)
    await lab.driver.connect()

    assert await lab.driver.read() == "P0000042"

    assert lab.said.count(b"LON\r") == 1
    await lab.close()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", ["silent", "reply_lost", "garbled_reply", "late_reply"])
async def test_after_a_broken_answer_the_next_plate_gets_its_own_code(
    dialect: str, kind: str
) -> None:
    lab = labelled_lab(dialect, Fault(kind, after=1, data={"delay_s": 20.0}))
    await lab.driver.connect()
    try:
        first = await lab.driver.read()
    except (LinkError, InstrumentFaultError):
        first = "P0000042"

    lab.world.remove_labware("P1")
    lab.world.add_labware("P2", "assay_plate_96", "spot", barcode="P0000043")
    await asyncio.sleep(60)

    assert first == "P0000042"
    assert await lab.driver.read() == "P0000043"
    await lab.close()


async def test_a_dead_line_is_no_missing_code() -> None:
    lab = labelled_lab("keyence_bl", Fault("silent", after=1, times=None))
    await lab.driver.connect()

    with pytest.raises(ReplyTimeoutError):
        await lab.driver.read()

    await lab.close()


async def test_a_code_from_before_is_not_taken_for_this_one() -> None:
    turns = [
        Turn(">", b"KEYENCE\r"), Turn("<", b"OK,KEYENCE,SR-1000,2.0\r"), Turn("<", b"OLD\r"),
        Turn(">", b"LON\r"), Turn("<", b"OK,LON\rP1\r"),
        Turn(">", b"LON\r"), Turn("<", b"OK,LON\rP1\r"),
    ]  # fmt: skip
    driver = replaying("line_scanner", turns)
    await driver.connect()

    assert await driver.read() == "P1"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_abort_ends_reading(dialect: str) -> None:
    lab = labelled_lab(dialect)
    await lab.driver.connect()
    reading = asyncio.create_task(lab.driver.read())
    await asyncio.sleep(0.1)

    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError) as caught:
        await reading

    assert caught.value.code == "aborted"
    assert await lab.driver.read() == "P0000042"
    said = list(lab.said)
    await lab.driver.abort()
    assert lab.said == said
    await lab.close()


async def test_what_was_read_is_lost_with_its_line_and_changed_nothing() -> None:
    lab = labelled_lab("keyence_sr")
    await lab.driver.connect()
    await lab.as_action("read")
    assert (await lab.heir().reconcile(action("read"))).evidence == {"changes": "nothing"}

    await lab.driver.connect()
    lab.driver = lab.heir()
    await lab.driver.take_over()
    await lab.stream.aclose()
    with pytest.raises(DisconnectedError):
        await lab.as_action("read")

    assert (await lab.driver.reconcile(action("read"))).fate in {"not_done", "unknown"}
    await lab.close()


@pytest.mark.parametrize(
    ("line", "dialect", "code"),
    [("ERROR", "keyence_sr", "no_read"), ("NG", "keyence_bl", "no_read"), ("ERROR", "dataman", "no_read"),
     ("ER,LON,20", "keyence_sr", "20"), ("ERR99", "keyence_bl", "99")],
)  # fmt: skip
def test_errors_are_told_with_their_code(line: str, dialect: str, code: str) -> None:
    with pytest.raises(InstrumentFaultError) as caught:
        parse_code(line, dialect, NO_READ)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("line", "dialect"),
    [("", "keyence_bl"), ("OK,LON", "keyence_sr"), ("OK,LOFF", "keyence_sr"), ("ER,LOFF,20", "keyence_sr"),
     ("", "dataman")],
)  # fmt: skip
def test_responses_are_no_codes(line: str, dialect: str) -> None:
    assert parse_code(line, dialect, NO_READ) is None


@pytest.mark.parametrize("line", ["||[0]", "||0:1[0]", "||:::2[0]P1"])
def test_extended_responses_are_refused_with_advice(line: str) -> None:
    with pytest.raises(MalformedReplyError, match="silent"):
        parse_code(line, "dataman", NO_READ)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40))
def test_any_other_line_is_a_code_as_it_stands(line: str) -> None:
    if not line.startswith(("ER", "OK", "||")):
        for dialect in DIALECTS:
            assert parse_code(line, dialect, NO_READ) == line


@given(st.binary(min_size=1, max_size=20))
async def test_no_garbage_is_a_code(noise: bytes) -> None:
    opening = [Turn(">", b"KEYENCE\r"), Turn("<", b"OK,KEYENCE,SR-1000,2.0\r")]
    heard = Turn("<", bytes(byte | 0x80 for byte in noise) + b"\r")
    driver = replaying("line_scanner", [*opening, Turn(">", b"LON\r"), heard], reads=1)
    await driver.connect()

    with pytest.raises(MalformedReplyError):
        await driver.read()
