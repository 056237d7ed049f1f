"""The XPeel driver: against recordings, odd chunks, faults and its simulator."""

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
from platectl_drivers.xpeel import encode_peel, errors_of, parse_ready

PEELED = action("peel", adhere_s=2.5)
STATUS = [Turn(">", b"*stat\r\n"), Turn("<", b"*ready:00,00,00\r\n")]


def sealed_lab(*faults: Fault) -> LineLab:
    lab = LineLab("xpeel", *faults)
    lab.world.seal("spot")
    lab.world.acts.clear()
    return lab


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    driver = replaying("xpeel", chopped(recorded(transcripts, "xpeel_peel"), size))

    assert await driver.connect() == Identity("XPeel")
    assert await driver.peel(adhere_s=5.0) == ("fewer than 30 seals left",)
    await driver.aclose()


async def test_a_seal_that_stays_on_is_a_fault(transcripts: Path) -> None:
    driver = replaying("xpeel", recorded(transcripts, "xpeel_not_removed"))
    await driver.connect()

    with pytest.raises(InstrumentFaultError, match="seal not removed") as caught:
        await driver.peel(adhere_s=2.5, begin_mm=-2, fast=True)

    assert caught.value.code == "04"
    await driver.aclose()


async def test_each_plate_is_peeled_once() -> None:
    lab = sealed_lab()
    await lab.driver.connect()

    assert await lab.driver.peel(adhere_s=10.0) == ()

    assert not lab.world.is_sealed("spot")
    assert lab.clock.monotonic_s() >= 30.0
    assert lab.world.acts == [("peel", "spot")]
    await lab.close()


@pytest.mark.parametrize(
    ("kind", "code"),
    [("conveyor_stalled", "01"), ("seal_not_removed", "04"), ("out_of_tape", "07"), ("stop_button", "09"),
     ("cover_open", "51")],
)  # fmt: skip
async def test_an_error_at_the_end_is_a_fault_and_the_seal_is_on(kind: str, code: str) -> None:
    lab = sealed_lab(Fault(kind))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.as_action("peel", adhere_s=2.5)

    assert caught.value.code == code
    assert lab.world.is_sealed("spot")
    verdict = await lab.driver.reconcile(PEELED)
    assert (verdict.fate, verdict.evidence["ready"][0]) == ("unknown", code)
    await lab.driver.peel(adhere_s=2.5)
    assert not lab.world.is_sealed("spot")
    await lab.close()


async def test_no_plate_is_a_fault() -> None:
    lab = sealed_lab()
    lab.world.lift("spot")
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.peel(adhere_s=2.5)

    assert caught.value.code == "06"
    await lab.close()


@pytest.mark.parametrize("code", ["51", "52"])
async def test_an_open_cover_refuses_the_connection_but_not_a_look(code: str) -> None:
    turns = [STATUS[0], Turn("<", f"*ready:{code},00,00\r\n".encode())]

    with pytest.raises(InstrumentFaultError) as caught:
        await replaying("xpeel", turns).connect()

    assert caught.value.code == code
    assert await replaying("xpeel", turns).observe() == Identity("XPeel")


async def test_what_went_wrong_last_time_does_not_refuse_the_connection() -> None:
    turns = [STATUS[0], Turn("<", b"*ready:04,21,00\r\n")]

    assert await replaying("xpeel", turns).connect() == Identity("XPeel")


async def test_a_command_that_is_refused_without_acknowledgement_is_a_fault() -> None:
    turns = [*STATUS, Turn(">", b"*xpeel:41\r\n"), Turn("<", b"*ready:05,00,00\r\n")]
    driver = replaying("xpeel", turns)
    await driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await driver.peel(adhere_s=2.5)

    assert caught.value.code == "05"


async def test_lines_of_the_front_panel_are_passed_over() -> None:
    turns = [
        Turn("<", b"*poweron\r\n*homing\r\n*ready:00,00,00\r\n"), *STATUS,
        Turn("<", b"*manual\r\n*ready:04,00,00\r\n"),
        Turn(">", b"*xpeel:41\r\n"), Turn("<", b"*manual\r\n*ready:00,00,00\r\n*ack\r\n*manual\r\n"),
        Turn("<", b"*ready:21,00,00\r\n"),
    ]  # fmt: skip
    driver = replaying("xpeel", turns)
    await driver.connect()

    assert await driver.peel(adhere_s=2.5) == ("room for fewer than 30 seals left",)


@pytest.mark.parametrize(
    ("adhere_s", "begin_mm"),
    [(2.4, 0), (0, 0), (12.5, 0), (2.5, 1), (2.5, -4), (float("nan"), 0), (2.5, float("nan"))],
)
async def test_what_it_does_not_have_is_refused_before_anything_is_sent(
    adhere_s: float, begin_mm: float
) -> None:
    with pytest.raises(RefusedError):
        await replaying("xpeel", ()).peel(adhere_s=adhere_s, begin_mm=begin_mm)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("silent", ReplyTimeoutError), ("reply_lost", ReplyTimeoutError),
     ("garbled_reply", MalformedReplyError), ("late_reply", ReplyTimeoutError)],
)  # fmt: skip
async def test_a_broken_answer_is_in_doubt_and_the_peel_is_not_sent_again(
    kind: str, error: type[LinkError]
) -> None:
    lab = sealed_lab(Fault(kind, after=1, data={"delay_s": 12.0}))
    await lab.driver.connect()
    with pytest.raises(error):
        await lab.as_action("peel", adhere_s=2.5)

    verdict = await lab.driver.reconcile(PEELED)
    await asyncio.sleep(200)

    assert verdict.fate == "unknown"
    assert lab.said.count(b"*xpeel:41\r\n") == 1
    assert lab.world.acts == ([] if kind == "silent" else [("peel", "spot")])
    await lab.driver.peel(adhere_s=2.5)
    await lab.close()


async def test_a_peel_whose_own_ready_line_comes_late_was_done() -> None:
    turns = [
        *STATUS, Turn(">", b"*xpeel:41\r\n"), Turn("<", b"*ack\r\n"), Turn("<", b"garbage\r\n"),
        Turn("<", b"*ready:20,00,00\r\n"),
    ]  # fmt: skip
    lab = LineLab("xpeel")
    lab.driver = replaying("xpeel", turns)
    await lab.driver.connect()
    with pytest.raises(MalformedReplyError):
        await lab.as_action("peel", adhere_s=2.5)

    verdict = await lab.driver.reconcile(PEELED)

    assert verdict.fate == "done"
    assert verdict.evidence["ready"] == ["20", "00", "00"]


async def test_after_a_death_the_status_is_told_and_nothing_claimed() -> None:
    lab = sealed_lab()
    await lab.driver.connect()
    peeling = asyncio.create_task(lab.as_action("peel", adhere_s=2.5))
    await asyncio.sleep(5)
    await lab.stream.aclose()
    with pytest.raises(DisconnectedError):
        await peeling
    heir = lab.heir()

    await heir.observe()
    verdict = await heir.reconcile(PEELED)

    assert (verdict.fate, verdict.evidence["sent_in_this_life"]) == ("unknown", False)
    assert set(lab.said[2:]) == {b"*stat\r\n"}
    await asyncio.sleep(60)
    assert not lab.world.is_sealed("spot")
    await lab.close()


async def test_a_peel_that_was_never_sent_was_not_done() -> None:
    lab = sealed_lab()
    await lab.driver.connect()
    await lab.stream.aclose()
    with pytest.raises(DisconnectedError):
        await lab.as_action("peel", adhere_s=2.5)

    assert (await lab.driver.reconcile(PEELED)).fate == "not_done"
    await lab.close()


async def test_an_abort_resets_and_the_verb_says_so() -> None:
    lab = sealed_lab()
    await lab.driver.connect()
    peeling = asyncio.create_task(lab.as_action("peel", adhere_s=2.5))
    await asyncio.sleep(5)

    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError) as caught:
        await peeling

    assert caught.value.code == "aborted"
    assert lab.world.is_sealed("spot")
    assert (await lab.driver.reconcile(PEELED)).fate == "unknown"
    await lab.driver.peel(adhere_s=2.5)
    assert not lab.world.is_sealed("spot")
    await lab.close()


@pytest.mark.parametrize(
    ("begin_mm", "fast", "place"),
    [(-2, True, 1), (-2, False, 2), (0, True, 3), (0, False, 4), (2, True, 5), (2, False, 6), (4, True, 7),
     (4, False, 8)],
)  # fmt: skip
@pytest.mark.parametrize(("adhere_s", "code"), [(2.5, 1), (5.0, 2), (7.5, 3), (10.0, 4)])
def test_place_speed_and_time_are_one_digit_each(
    begin_mm: float, fast: bool, place: int, adhere_s: float, code: int
) -> None:
    assert encode_peel(adhere_s, begin_mm, fast=fast) == f"*xpeel:{place}{code}".encode()


@given(st.lists(st.integers(0, 99), min_size=3, max_size=3))
def test_ready_lines_are_read_as_they_were_written(codes: list[int]) -> None:
    told = tuple(f"{code:02d}" for code in codes)

    assert parse_ready(f"*ready:{','.join(told)}") == told
    assert errors_of(told) == tuple(code for code in told if code not in {"00", "20", "21"})


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
def test_any_other_line_is_malformed(line: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_ready(line)


@pytest.mark.parametrize(
    "fields", ["00,00", "00,00,00,00", "0,00,00", "00,00,0_", "00,00, 0", "00,00,+1", "00;00;00", "", "٠٠,00,00"]
)  # fmt: skip
def test_no_code_is_read_leniently(fields: Any) -> None:
    with pytest.raises(MalformedReplyError):
        parse_ready(f"*ready:{fields}")
