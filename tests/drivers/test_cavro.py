"""The Cavro driver: against recordings, odd chunks, faults and its simulator."""

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
    RefusedError,
)
from platectl.domain.transcript import Turn
from platectl.hal.instrument import Identity
from platectl.simkit.faults import Fault
from platectl_drivers.cavro.frame import (
    Answer,
    check_sum,
    dt_block,
    oem_block,
    parse_dt,
    parse_oem,
    take_dt,
    take_oem,
)

WHO = Identity("Tecan Cavro XCalibur", firmware="30029-E")
GIVE = {"volume_ul": 50.0, "flow_ul_per_s": 50.0}
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def pump_lab(*faults: Fault, **settings: Any) -> LineLab:
    how = {"syringe_ul": 1000.0, **settings}
    lab = LineLab("cavro", *faults, simulated={"syringe_ul": 1000.0}, **how)
    lab.world.load_bottle("it", liquid="buffer", volume_ul=1e6, contents={})
    lab.world.note(lab.simulator, ("draw", "push"))
    return lab


async def filled(*faults: Fault, **settings: Any) -> LineLab:
    lab = pump_lab(*faults, **settings)
    await lab.driver.connect()
    await lab.driver.initialise()
    await lab.driver.aspirate(volume_ul=500.0, flow_ul_per_s=500.0)
    lab.world.acts.clear()
    return lab


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("framing", ["dt", "oem"])
async def test_the_driver_says_exactly_what_was_recorded(
    transcripts: Path, framing: str, size: int
) -> None:
    turns = chopped(recorded(transcripts, f"cavro_{framing}"), size)
    driver = replaying("cavro", turns, framing=framing, switch=1, syringe_ul=1000.0)

    assert await driver.connect() == WHO
    await driver.initialise()
    await driver.aspirate(volume_ul=500.0, flow_ul_per_s=1000.0)
    await driver.dispense(volume_ul=50.0, flow_ul_per_s=100.0)
    await driver.aclose()


def test_no_fault_of_the_line_fools_the_terminal_protocol() -> None:
    def play(stage: Stage) -> Scene:
        stage.world.load_bottle("it", liquid="buffer", volume_ul=1e6, contents={})

        async def fill(driver: Any) -> None:
            await driver.initialise()
            await driver.aspirate(volume_ul=500.0, flow_ul_per_s=200.0)

        return stage.play(
            "cavro", "dispense", GIVE, prepare=fill, acts=("draw", "push"), syringe_ul=1000.0, framing="dt"
        )  # fmt: skip

    assert defects_of("dt", row_of(play)) == []


@pytest.mark.parametrize("framing", ["dt", "oem"])
async def test_what_is_drawn_is_held_and_given(framing: str) -> None:
    lab = pump_lab(framing=framing)
    await lab.driver.connect()
    await lab.driver.initialise()
    await lab.driver.aspirate(volume_ul=1000.0, flow_ul_per_s=500.0)
    await lab.driver.dispense(volume_ul=100.0, flow_ul_per_s=50.0)
    await lab.driver.dispense(volume_ul=1.0, flow_ul_per_s=50.0, port="extra")

    assert await lab.driver.held_ul() == pytest.approx(899.0)
    assert lab.world.acts == [("draw", "1000.0"), ("push", "100.0"), ("push", "1.0")]
    await lab.close()


@pytest.mark.parametrize(
    "how",
    [{"volume_ul": 0.0}, {"volume_ul": -1.0}, {"volume_ul": 1001.0}, {"volume_ul": float("nan")},
     {"volume_ul": 0.5}, {"flow_ul_per_s": 1.0}, {"flow_ul_per_s": 2001.0}, {"flow_ul_per_s": float("nan")},
     {"port": "bypass"}],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["aspirate", "dispense"])
async def test_what_it_cannot_do_is_refused_before_anything_is_sent(
    verb: str, how: dict[str, Any]
) -> None:
    driver = replaying("cavro", (), syringe_ul=1000.0)

    with pytest.raises(RefusedError):
        await getattr(driver, verb)(**{**GIVE, **how})


async def test_a_syringe_that_nobody_named_moves_nothing() -> None:
    with pytest.raises(RefusedError, match="syringe_ul"):
        await replaying("cavro", ()).dispense(**GIVE)


async def test_more_than_it_holds_is_refused_and_nothing_moves() -> None:
    lab = await filled()

    with pytest.raises(RefusedError):
        await lab.driver.dispense(volume_ul=501.0, flow_ul_per_s=50.0)
    with pytest.raises(RefusedError):
        await lab.driver.aspirate(volume_ul=501.0, flow_ul_per_s=50.0)

    assert lab.world.acts == []
    await lab.close()


async def test_before_initialisation_nothing_moves() -> None:
    lab = pump_lab()
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.aspirate(**GIVE)

    assert caught.value.code == "7"
    with pytest.raises(InstrumentFaultError):
        await lab.heir().take_over()
    await lab.close()


@pytest.mark.parametrize(("kind", "code"), [("plunger_overload", "9"), ("valve_overload", "10")])
async def test_an_overload_is_a_fault_until_the_next_initialisation(kind: str, code: str) -> None:
    lab = await filled(Fault(kind, after=1))
    with pytest.raises(InstrumentFaultError) as caught:
        await lab.as_action("dispense", **GIVE)
    assert caught.value.code == code
    assert (await lab.driver.reconcile(action("dispense", **GIVE))).fate == "unknown"

    with pytest.raises(InstrumentFaultError):
        await lab.driver.dispense(**GIVE)
    await lab.driver.connect()
    await lab.driver.initialise()

    assert await lab.driver.held_ul() == 0.0
    await lab.close()


async def test_an_initialisation_that_fails_is_a_fault() -> None:
    lab = pump_lab(Fault("init_error"))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.initialise()

    assert caught.value.code == "1"
    await lab.driver.initialise()
    await lab.close()


async def test_a_plunger_that_does_not_stand_where_it_was_sent_is_a_fault() -> None:
    said = ["Q", "&", "Q", "?", "IV1500A150R", "Q", "?"]
    told = [b"`", b"`x", b"`", b"`0", b"@", b"`", b"`149"]
    turns = [
        turn
        for command, answer in zip(said, told, strict=True)
        for turn in (Turn(">", dt_block(0, command)), Turn("<", b"/0" + answer + b"\x03\r\n"))
    ]
    driver = replaying("cavro", turns, framing="dt", syringe_ul=1000.0)
    await driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await driver.aspirate(volume_ul=50.0, flow_ul_per_s=500.0)

    assert caught.value.code == "position"


async def test_a_broken_memory_refuses_the_connection() -> None:
    turns = [
        Turn(">", b"/1Q\r"),
        Turn("<", b"/0f\x03\r\n"),
        Turn(">", b"/1&\r"),
        Turn("<", b"/0f\x03\r\n"),
    ]
    with pytest.raises(InstrumentFaultError) as caught:
        await replaying("cavro", turns, framing="dt").connect()

    assert caught.value.code == "6"


async def test_a_lost_answer_is_repeated_and_the_stroke_is_made_once() -> None:
    lab = await filled()
    lab.from_now(Fault("reply_lost", after=2, times=3))
    before = len(lab.said)

    for _ in range(6):
        await lab.driver.dispense(**GIVE)

    repeats = [block for block in lab.said[before:] if block[2] & 0x08]
    assert len(repeats) == 3
    assert lab.world.acts == [("push", "50.0")] * 6
    await lab.close()


async def test_a_repeat_is_not_said_after_an_abort() -> None:
    lab = await filled()
    lab.from_now(Fault("reply_lost", after=2, times=None))
    giving = asyncio.create_task(lab.driver.dispense(**GIVE))
    await asyncio.sleep(0.5)

    await lab.driver.abort()
    with pytest.raises(LinkError):
        await giving

    assert b"TR" in lab.said[-1]
    lab.from_now()
    await asyncio.sleep(60)
    assert 480 < await lab.driver.held_ul() < 500
    await lab.close()


@pytest.mark.parametrize("framing", ["dt", "oem"])
async def test_an_abort_stops_the_plunger_where_it_is(framing: str) -> None:
    lab = await filled(framing=framing)
    giving = asyncio.create_task(lab.as_action("dispense", volume_ul=500.0, flow_ul_per_s=50.0))
    await asyncio.sleep(5)

    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError) as caught:
        await giving

    assert caught.value.code == "aborted"
    held_ul = await lab.driver.held_ul()
    assert 230 < held_ul < 290
    assert (await lab.driver.reconcile(action("dispense"))).fate == "unknown"
    await asyncio.sleep(60)
    assert await lab.driver.held_ul() == held_ul
    await lab.close()


@pytest.mark.parametrize("after_s", [0.3, 3.0, 60.0])
async def test_after_a_broken_line_the_position_tells(after_s: float) -> None:
    lab = await filled()
    giving = asyncio.create_task(lab.as_action("dispense", volume_ul=500.0, flow_ul_per_s=50.0))
    await asyncio.sleep(0.2)
    await lab.stream.aclose()
    with pytest.raises(DisconnectedError):
        await giving
    await asyncio.sleep(after_s)

    verdict = await lab.driver.reconcile(action("dispense"))

    assert verdict.fate == "done"
    assert (verdict.evidence["start_steps"], verdict.evidence["end_steps"]) == (1500, 0)
    assert (await lab.heir().reconcile(action("dispense"))).fate == "unknown"
    assert lab.world.acts == [("push", "500.0")]
    await lab.close()


async def test_a_stroke_that_was_not_heard_was_not_done() -> None:
    lab = await filled(framing="dt")
    said = len(lab.said)
    lab.from_now(Fault("silent", after=2))
    with pytest.raises(LinkError):
        await lab.as_action("dispense", **GIVE)

    verdict = await lab.driver.reconcile(action("dispense", **GIVE))

    assert verdict.fate == "not_done"
    assert len(lab.said) > said
    assert lab.world.acts == []
    await lab.close()


async def test_a_stroke_that_was_never_sent_was_not_done() -> None:
    lab = await filled()
    await lab.stream.aclose()
    with pytest.raises(DisconnectedError):
        await lab.as_action("dispense", **GIVE)

    assert (await lab.driver.reconcile(action("dispense", **GIVE))).fate == "not_done"
    await lab.close()


def test_blocks_are_those_of_the_manuals() -> None:
    assert dt_block(1, "ZR") == b"/2ZR\r"
    assert oem_block(1, 1, "Q") == b"\x0221Q\x03S"
    assert oem_block(1, 1, "Q", repeat=True) == b"\x0229Q\x03\x5b"
    assert dt_block(14, "Q") == b"/?Q\r"
    assert parse_dt(b"/0`") == Answer(ready=True, error=0)
    assert parse_dt(b"/0G") == Answer(ready=False, error=7)


@given(st.integers(0, 15), st.booleans(), TEXT, st.binary(max_size=10), st.binary(max_size=5))
def test_oem_answers_are_read_as_they_were_written(
    error: int, ready: bool, data: str, before: bytes, after: bytes
) -> None:
    body = b"\x020" + bytes((0x40 | error | (0x20 if ready else 0),)) + data.encode() + b"\x03"
    noise = before.replace(b"\x02", b"").replace(b"\x03", b"")
    buffer = bytearray(noise + body + bytes((check_sum(body),)) + after)

    block = take_oem(buffer)

    assert block is not None
    assert parse_oem(block) == Answer(ready, error, data)
    assert bytes(buffer) == after


@given(st.integers(0, 15), st.booleans(), TEXT)
def test_terminal_answers_are_read_as_they_were_written(error: int, ready: bool, data: str) -> None:
    line = b"/0" + bytes((0x40 | error | (0x20 if ready else 0),)) + data.encode()
    buffer = bytearray(line + b"\x03\r\n/0")

    if "/0" not in data:
        assert take_dt(buffer) == line
        assert bytes(buffer) == b"/0"
    assert parse_dt(line) == Answer(ready, error, data)


@given(st.integers(0, 5), st.integers(1, 255))
def test_no_flipped_bit_passes_the_check_sum(place: int, flip: int) -> None:
    block = bytearray(b"\x020`7\x03" + bytes((check_sum(b"\x020`7\x03"),)))
    block[place] ^= flip

    with pytest.raises(MalformedReplyError):
        parse_oem(bytes(block))


@pytest.mark.parametrize(
    "line", [b"", b"/0", b"/1`", b"0`", b"/0\x20", b"/0\xe0", b"/0\x50", b"/0`\x07"]
)
def test_no_line_is_read_leniently(line: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        parse_dt(line)


@pytest.mark.parametrize(
    "body", [b"\x02\x03", b"\x020\x03", b"\x021`\x03", b"\x020\x20\x03", b"\x020`\x07\x03"]
)
def test_no_block_is_read_leniently(body: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        parse_oem(body + bytes((check_sum(body),)))


def test_a_piece_of_a_block_is_malformed() -> None:
    for size in range(5):
        with pytest.raises(MalformedReplyError):
            parse_oem(b"\x020`\x03Q"[:size])


@pytest.mark.parametrize("odd", [b"1_0", b" 10", b"", b"1.0", b"ten"])
async def test_no_position_is_read_leniently(odd: bytes) -> None:
    turns = [
        Turn(">", b"/1Q\r"), Turn("<", b"/0`\x03\r\n"), Turn(">", b"/1&\r"), Turn("<", b"/0`\x03\r\n"),
        Turn(">", b"/1?\r"), Turn("<", b"/0`" + odd + b"\x03\r\n"),
    ]  # fmt: skip
    driver = replaying("cavro", turns, framing="dt", syringe_ul=1000.0)
    await driver.connect()

    with pytest.raises(MalformedReplyError):
        await driver.held_ul()
