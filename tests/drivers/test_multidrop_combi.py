"""The Multidrop Combi driver: against recordings, odd chunks, faults and its simulator."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.line_bench import LineLab, chopped, driver_on, replaying

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import parse_transcript
from platectl.hal.instrument import Identity
from platectl.hal.recovery import ACTION_ID, Action
from platectl.simkit.faults import Fault
from platectl_drivers.multidrop_combi import (
    Settings,
    parse_end,
    parse_version,
    tenths,
    volume_commands,
)

WHOLE = dict.fromkeys(range(1, 13), 25.0)


class Bench:
    """Stands in for the world."""

    def __init__(self) -> None:
        self.primed_ul: list[float] = []
        self.filled: list[tuple[str, str, dict[int, float]]] = []
        self.notices: dict[str, list[Mapping[str, Any]]] = {}

    def bulk_prime(self, instrument: str, volume_ul: float) -> None:
        self.primed_ul.append(volume_ul)

    def bulk_dispense(
        self, instrument: str, position: str, volumes_ul: Mapping[int, float]
    ) -> None:
        self.filled.append((instrument, position, dict(volumes_ul)))


class Lab(LineLab):
    """A driver and its simulator."""

    def __init__(self, *faults: Fault, **settings: Any) -> None:
        self.bench = Bench()
        super().__init__("multidrop_combi", *faults, world=self.bench, **settings)

    async def killed(self, verb: asyncio.Task[None]) -> Any:
        """Cut the line of the driver in mid-verb; return its successor's driver."""
        await self.driver._link.aclose()
        with contextlib.suppress(LinkError):
            await verb
        self.said.clear()
        return self.heir()


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    text = (transcripts / "multidrop_combi_two_columns.txt").read_text("ascii")
    driver = replaying("multidrop_combi", chopped(parse_transcript(text), size), speed_percent=80)

    assert await driver.connect() == Identity("Multidrop Combi", "836-4191", "2.00.29")
    await driver.prime(volume_ul=500)
    await driver.dispense_columns({12: 12.5, 1: 25.0}, height_mm=14.4)
    await driver.dispense_columns(dict.fromkeys(range(1, 13), 200.0), height_mm=14.4)
    await driver.aclose()


async def test_a_standing_error_is_acknowledged_and_dry_tubing_is_said_plainly(
    transcripts: Path,
) -> None:
    text = (transcripts / "multidrop_combi_not_primed.txt").read_text("ascii")
    driver = replaying("multidrop_combi", parse_transcript(text))

    await driver.connect()
    with pytest.raises(InstrumentFaultError, match="not primed") as caught:
        await driver.dispense_columns(dict.fromkeys(range(1, 13), 40.0), height_mm=16)
    assert caught.value.code == "14"
    await driver.aclose()


async def test_columns_are_filled_one_after_another() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=800)
    before_s = lab.clock.monotonic_s()

    await lab.driver.dispense_columns({3: 25.0, 1: 200.0}, height_mm=14.4)

    assert lab.bench.primed_ul == [800.0]
    assert lab.bench.filled == [("it", "spot", {1: 200.0}), ("it", "spot", {3: 25.0})]
    assert 2.4 <= lab.clock.monotonic_s() - before_s < 4
    await lab.close()


async def test_columns_of_an_earlier_stroke_are_not_filled_again() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=800)
    await lab.driver.dispense_columns(WHOLE, height_mm=14.4)
    lab.bench.filled.clear()

    await lab.driver.dispense_columns({2: 30.0}, height_mm=14.4)

    assert lab.bench.filled == [("it", "spot", {2: 30.0})]
    await lab.close()


@pytest.mark.parametrize(
    ("volumes_ul", "height_mm"),
    [
        ({}, 14.4),
        ({0: 25.0}, 14.4),
        ({13: 25.0}, 14.4),
        ({1: 0.0}, 14.4),
        ({1: 4.9}, 14.4),
        ({1: 2500.1}, 14.4),
        ({1: 25.04}, 14.4),
        ({1: float("nan")}, 14.4),
        (WHOLE, 0.0),
        (WHOLE, 44.1),
    ],
)
async def test_what_is_out_of_range_is_refused_before_anything_is_sent(
    volumes_ul: dict[int, float], height_mm: float
) -> None:
    driver = replaying("multidrop_combi", ())

    with pytest.raises(RefusedError):
        await driver.dispense_columns(volumes_ul, height_mm=height_mm)


@pytest.mark.parametrize("volume_ul", [0.0, -5.0, 500.05, 10001.0, float("nan"), float("inf")])
async def test_priming_out_of_range_is_refused(volume_ul: float) -> None:
    with pytest.raises(RefusedError):
        await replaying("multidrop_combi", ()).prime(volume_ul=volume_ul)


@pytest.mark.parametrize(("fault", "code"), [("not_primed", "14"), ("shield_open", "16")])
async def test_a_fault_of_the_stroke_carries_the_status(fault: str, code: str) -> None:
    lab = Lab(Fault(fault, after=1 if fault == "shield_open" else 0))
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.dispense_columns(WHOLE, height_mm=14.4)

    assert caught.value.code == code
    assert not lab.bench.filled
    await lab.driver.prime(volume_ul=500)
    await lab.driver.dispense_columns(WHOLE, height_mm=14.4)
    await lab.close()


async def test_a_missing_vessel_stops_priming() -> None:
    lab = Lab(Fault("vessel_missing"))
    await lab.driver.connect()
    with pytest.raises(InstrumentFaultError, match="vessel"):
        await lab.driver.prime(volume_ul=500)
    await lab.close()


STROKE = 8  # requests before DIS: VER, PRI, SPL, SCT, SPS, SDH, SDO, SCV


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("silent", ReplyTimeoutError),
        ("reply_lost", ReplyTimeoutError),
        ("garbled_reply", MalformedReplyError),
    ],
)
async def test_a_broken_answer_to_the_stroke_is_in_doubt_and_never_sent_again(
    kind: str, error: type[LinkError]
) -> None:
    lab = Lab(Fault(kind, after=STROKE))
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    before_s = lab.clock.monotonic_s()

    with pytest.raises(error):
        await lab.driver.dispense_columns(WHOLE, height_mm=14.4)

    assert lab.clock.monotonic_s() - before_s < 130
    assert len(lab.bench.filled) == (0 if kind == "silent" else 12)
    await lab.driver.dispense_columns({1: 10.0}, height_mm=14.4)
    assert lab.bench.filled[-1] == ("it", "spot", {1: 10.0})
    await lab.close()


async def test_a_late_end_is_not_taken_for_the_end_of_the_next_stroke() -> None:
    lab = Lab(Fault("late_reply", after=STROKE, data={"delay_s": 118.0}))
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    with pytest.raises(ReplyTimeoutError):
        await lab.driver.dispense_columns(WHOLE, height_mm=14.4)
    await asyncio.sleep(10.0)
    before_s = lab.clock.monotonic_s()

    await lab.driver.dispense_columns(WHOLE, height_mm=14.4)

    assert lab.clock.monotonic_s() - before_s > 14
    assert len(lab.bench.filled) == 24
    await lab.close()


@pytest.mark.parametrize("kind", ["silent", "reply_lost", "garbled_reply"])
async def test_connecting_survives_one_broken_answer(kind: str) -> None:
    lab = Lab(Fault(kind))
    assert (await lab.driver.connect()).firmware == "2.00.29"
    await lab.close()


async def test_abort_in_mid_plate_returns_at_once_and_the_stroke_ends_as_aborted() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    stroke = asyncio.create_task(lab.driver.dispense_columns(WHOLE, height_mm=14.4))
    await asyncio.sleep(5.0)
    before_s = lab.clock.monotonic_s()

    await lab.driver.abort()
    assert lab.clock.monotonic_s() == before_s
    with pytest.raises(InstrumentFaultError, match="stays") as caught:
        await stroke

    assert caught.value.code == "aborted"
    assert 2 <= len(lab.bench.filled) <= 5
    await lab.driver.dispense_columns({1: 10.0}, height_mm=14.4)
    await lab.close()


async def test_after_an_abort_that_nobody_answers_the_stroke_does_not_wait_its_full_time() -> None:
    lab = Lab(Fault("silent", after=STROKE))
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    stroke = asyncio.create_task(lab.driver.dispense_columns(WHOLE, height_mm=14.4))
    await asyncio.sleep(5.0)

    await lab.driver.abort()
    with pytest.raises(ReplyTimeoutError):
        await stroke

    assert lab.clock.monotonic_s() < 15
    await lab.close()


def test_the_cassette_limits_the_volumes() -> None:
    assert driver_on("multidrop_combi", None, cassette=1).volume_range_ul == (0.5, 50.0)
    assert driver_on("multidrop_combi", None, cassette=2, max_ul=100).volume_range_ul == (
        0.5,
        100.0,
    )
    with pytest.raises(ValidationError):
        Settings(cassette=1, max_ul=100)


@given(st.integers(1, 25000))
def test_every_tenth_of_a_microlitre_goes_through_unchanged(amount: int) -> None:
    assert tenths(amount / 10) == amount


@given(st.dictionaries(st.integers(1, 12), st.integers(50, 25000), min_size=1))
def test_volume_commands_leave_exactly_the_wanted_columns_set(amounts: dict[int, int]) -> None:
    held = dict.fromkeys(range(1, 13), 777)
    for command in volume_commands({c: a / 10 for c, a in amounts.items()}, 12):
        _, column, amount = command.split()
        held.update(dict.fromkeys(range(1, 13) if column == "0" else [int(column)], int(amount)))
    assert {c: a for c, a in held.items() if a} == amounts


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_only_an_end_line_is_an_end(line: str) -> None:
    try:
        status = parse_end(line, "DIS")
    except MalformedReplyError:
        return
    assert status is None or line.upper().startswith("DIS END ")


@pytest.mark.parametrize("lines", [(), ("",), ("Multidrop 384 1.0",), ("MultidropCombi 2.00",)])
def test_another_instrument_is_not_taken_for_a_combi(lines: tuple[str, ...]) -> None:
    with pytest.raises(MalformedReplyError):
        parse_version(lines)


# After a death, and after a lost answer ----------------------------------------------------------

STROKED = Action("a1", "combi", "dispense_columns", {}, datetime(2026, 1, 1, tzinfo=UTC))


async def stroke_as(lab: Lab, action_id: str) -> None:
    token = ACTION_ID.set(action_id)
    try:
        await lab.driver.dispense_columns(WHOLE, height_mm=14.4)
    finally:
        ACTION_ID.reset(token)


async def test_observing_a_running_stroke_says_nothing_and_leaves_remote_mode_alone() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    heir = await lab.killed(await begun(lab))

    await heir.observe()
    await heir.observe()
    await heir.aclose()

    assert lab.said == []
    await asyncio.sleep(20)
    assert len(lab.bench.filled) == 12
    await lab.close()


async def begun(lab: Lab) -> asyncio.Task[None]:
    stroke = asyncio.create_task(stroke_as(lab, "a1"))
    await asyncio.sleep(5.0)
    return stroke


async def test_another_life_waits_for_the_stroke_and_cannot_say_what_became_of_it() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    heir = await lab.killed(await begun(lab))
    await heir.observe()

    verdict = await heir.reconcile(STROKED)

    assert len(lab.bench.filled) == 12
    assert verdict.fate == "unknown"
    assert verdict.evidence == {
        "answers_ver": True, "late_end": "DIS END 0", "sent_in_this_life": False,
    }  # fmt: skip
    assert lab.said == [b"VER\r"]
    assert (await heir.take_over()).firmware == "2.00.29"
    await heir.dispense_columns({1: 10.0}, height_mm=14.4)
    await lab.close()


async def test_a_stroke_whose_set_up_broke_off_was_not_done() -> None:
    lab = Lab(Fault("silent", after=STROKE - 3))
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    with pytest.raises(ReplyTimeoutError):
        await stroke_as(lab, "a1")

    assert (await lab.driver.reconcile(STROKED)).fate == "not_done"
    await stroke_as(lab, "a1")
    assert len(lab.bench.filled) == 12
    await lab.close()


@pytest.mark.parametrize("kind", ["silent", "reply_lost", "garbled_reply"])
async def test_a_stroke_without_a_readable_end_is_unknown(kind: str) -> None:
    lab = Lab(Fault(kind, after=STROKE))
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    with pytest.raises(LinkError):
        await stroke_as(lab, "a1")

    verdict = await lab.driver.reconcile(STROKED)

    assert verdict.fate == "unknown"
    assert verdict.evidence["sent_in_this_life"] is True
    await lab.close()


@pytest.mark.parametrize(("aborted", "fate"), [(False, "done"), (True, "unknown")])
async def test_a_late_end_settles_it_unless_somebody_pressed_stop(aborted: bool, fate: str) -> None:
    lab = Lab(Fault("late_reply", after=STROKE, data={"delay_s": 118.0}))
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    stroke = asyncio.create_task(stroke_as(lab, "a1"))
    await asyncio.sleep(5.0)
    if aborted:
        await lab.driver.abort()
    with pytest.raises(LinkError):
        await stroke

    verdict = await lab.driver.reconcile(STROKED)

    assert verdict.fate == fate
    assert verdict.evidence["late_end"] == "DIS END 0"
    assert (await lab.driver.reconcile(STROKED)).fate == fate
    await lab.close()


async def test_a_line_that_is_gone_is_opened_again_and_brings_the_late_end() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.prime(volume_ul=500)
    await lab.killed(await begun(lab))

    assert (await lab.driver.reconcile(STROKED)).fate == "done"
    assert len(lab.bench.filled) == 12
    await lab.driver.dispense_columns({1: 10.0}, height_mm=14.4)
    await lab.close()


async def test_a_mute_instrument_says_nothing_of_an_action() -> None:
    lab = Lab(Fault("silent", after=1, times=None))
    await lab.driver.connect()

    with pytest.raises(ReplyTimeoutError):
        await lab.driver.reconcile(STROKED)
    await lab.close()


async def test_a_standing_error_is_told_and_not_acknowledged() -> None:
    lab = Lab(Fault("standing_error"))
    heir = lab.heir()
    await heir.observe()

    verdict = await heir.reconcile(STROKED)

    assert verdict.fate == "unknown"
    assert verdict.evidence["standing_error"] == "12"
    assert b"EAK\r" not in lab.said
    await heir.take_over()
    assert lab.said.count(b"EAK\r") == 1
    await lab.close()
