"""The BioShake driver: against recordings, odd chunks, faults and its simulator."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_bench import LineLab, chopped, replaying

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import Turn, parse_transcript
from platectl.hal.checks import tenths_of
from platectl.hal.instrument import Identity
from platectl.hal.recovery import ACTION_ID, Action
from platectl.simkit.faults import Fault
from platectl_drivers.bioshake import BioShake, parse_error_list


class Bench:
    """Stands in for the world: one nest at 22 C."""

    truth = SimpleNamespace(environment=SimpleNamespace(room=22.0))

    def __init__(self) -> None:
        self.nest_c = 22.0
        self.shaken_s: list[float] = []
        self.notices: dict[str, list[Mapping[str, Any]]] = {}

    def temperature_c(self, position: str) -> float:
        return self.nest_c

    def set_temperature(self, position: str, temperature_c: float) -> None:
        self.nest_c = temperature_c

    def shake(self, position: str) -> None:
        self.shaken_s.append(asyncio.get_running_loop().time())


class Lab(LineLab):
    """A driver and its simulator."""

    def __init__(self, *faults: Fault) -> None:
        self.bench = Bench()
        super().__init__("bioshake", *faults, world=self.bench)


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    text = (transcripts / "bioshake_shake.txt").read_text("ascii")
    driver = replaying("bioshake", chopped(parse_transcript(text), size))

    assert await driver.connect() == Identity("BIOSHAKE 3000-T elm", firmware="1.10.00")
    await driver.set_temperature(37.0)
    assert await driver.read_temperature_c() == 22.0
    await driver.shake(speed_rpm=600, duration_s=30)
    await driver.stop_heating()
    await driver.aclose()


async def test_a_stuck_clamp_is_named_from_the_error_list(transcripts: Path) -> None:
    text = (transcripts / "bioshake_stuck.txt").read_text("ascii")
    driver = replaying("bioshake", parse_transcript(text))
    await driver.connect()
    with pytest.raises(InstrumentFaultError, match="did not close") as caught:
        await driver.shake(speed_rpm=600, duration_s=30)
    assert caught.value.code == "304"
    await driver.aclose()


async def test_what_the_model_does_not_know_is_unsupported() -> None:
    turns = (
        Turn(">", b"getVersion\r"), Turn("<", b"1.0\r\n"), Turn(">", b"getDescription\r"),
        Turn("<", b"BIOSHAKE iQ\r\n"), Turn(">", b"setTempTarget370\r"), Turn("<", b"u -> no heater\r\n"),
    )  # fmt: skip
    driver = replaying("bioshake", turns)
    await driver.connect()
    with pytest.raises(InstrumentFaultError) as caught:
        await driver.set_temperature(37.0)
    assert caught.value.code == "unsupported"


async def test_a_plate_is_mixed_once_at_speed_and_released_after_the_duration() -> None:
    lab = Lab()
    await lab.driver.connect()
    before_s = lab.clock.monotonic_s()

    await lab.driver.shake(speed_rpm=600, duration_s=30)
    await lab.driver.shake(speed_rpm=200, duration_s=1)

    assert len(lab.bench.shaken_s) == 2
    assert lab.bench.shaken_s[0] - before_s >= 1.9
    assert 60 > lab.clock.monotonic_s() - before_s > 31
    assert lab.simulator._elm == "3"
    await lab.close()


async def test_the_nest_reaches_its_target_and_the_world_follows() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.set_temperature(37.0)
    await asyncio.sleep(60)
    assert await lab.driver.read_temperature_c() == pytest.approx(31.5, abs=0.1)
    await asyncio.sleep(600)
    assert await lab.driver.read_temperature_c() == 37.0
    assert lab.bench.nest_c == 37.0
    await lab.driver.stop_heating()
    await asyncio.sleep(600)
    assert await lab.driver.read_temperature_c() == 22.0
    await lab.close()


@pytest.mark.parametrize("temperature_c", [3.9, 70.1, -5.0, 37.05, float("nan"), float("inf")])
async def test_a_temperature_out_of_range_is_refused(temperature_c: float) -> None:
    with pytest.raises(RefusedError):
        await replaying("bioshake", ()).set_temperature(temperature_c)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault("elm_stuck"), "304"), (Fault("elm_stuck", after=1), "305"),
     (Fault("speed_error"), "102"), (Fault("not_home"), "105")],
)  # fmt: skip
async def test_a_fault_carries_the_makers_code_and_nothing_goes_on_shaking(
    fault: Fault, code: str
) -> None:
    lab = Lab(fault)
    await lab.driver.connect()
    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.shake(speed_rpm=600, duration_s=10)
    assert caught.value.code == code
    assert not lab.simulator._shaking
    await asyncio.sleep(5)
    await lab.driver.shake(speed_rpm=600, duration_s=10)
    await lab.close()


@pytest.mark.parametrize("after", range(2, 12))
@pytest.mark.parametrize(
    ("kind", "error"),
    [("silent", ReplyTimeoutError), ("reply_lost", ReplyTimeoutError),
     ("garbled_reply", MalformedReplyError), ("late_reply", ReplyTimeoutError)],
)  # fmt: skip
async def test_one_broken_answer_is_told_as_such_and_never_taken_for_the_next(
    kind: str, error: type[LinkError], after: int
) -> None:
    lab = Lab(Fault(kind, after=after, data={"delay_s": 7.0}))
    await lab.driver.connect()
    before_s = lab.clock.monotonic_s()
    with pytest.raises(error):
        await lab.driver.shake(speed_rpm=600, duration_s=1)
    assert lab.clock.monotonic_s() - before_s < 30

    await lab.driver.set_temperature(37.0)
    assert 22.0 <= await lab.driver.read_temperature_c() <= 37.0
    await lab.close()


async def test_a_broken_error_list_does_not_hide_the_fault() -> None:
    lab = Lab(Fault("elm_stuck"), Fault("silent", after=3))
    await lab.driver.connect()
    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.shake(speed_rpm=600, duration_s=1)
    assert caught.value.code == "e"
    await lab.close()


@pytest.mark.parametrize("at_s", [0.0, 0.1, 1.0, 2.4, 10.0, 33.0, 35.0])
async def test_abort_returns_at_once_stops_the_nest_and_the_verb_says_so(at_s: float) -> None:
    lab = Lab()
    await lab.driver.connect()
    verb = asyncio.create_task(lab.driver.shake(speed_rpm=600, duration_s=30))
    await asyncio.sleep(at_s)
    before_s = lab.clock.monotonic_s()
    if at_s == 0.0:
        await asyncio.sleep(0)

    await lab.driver.abort()
    assert lab.clock.monotonic_s() == before_s
    with pytest.raises(InstrumentFaultError) as caught:
        await verb

    assert caught.value.code == "aborted"
    assert lab.clock.monotonic_s() - before_s < 6
    assert not lab.simulator._shaking
    assert lab.simulator._elm == "1"
    await asyncio.sleep(5)
    await lab.driver.shake(speed_rpm=600, duration_s=5)
    await lab.close()


@given(st.integers(40, 700))
def test_every_tenth_of_a_degree_goes_through_unchanged(tenths: int) -> None:
    assert tenths_of(tenths / 10, (4.0, 70.0)) == tenths


@given(st.lists(st.integers(1, 999), max_size=5), st.sampled_from([";", ",", "; "]))
def test_error_lists_are_read_whatever_separates_them(codes: list[int], separator: str) -> None:
    assert parse_error_list("{" + separator.join(map(str, codes)) + "}") == codes


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
def test_what_has_no_braces_is_no_error_list(line: str) -> None:
    if not line.startswith("{"):
        with pytest.raises(MalformedReplyError):
            parse_error_list(line)


# After a death, and after a lost answer ----------------------------------------------------------


def shaken(lab: Lab, before_s: float = 0.0) -> Action:
    arguments = {"speed_rpm": 700.0, "duration_s": 60.0}
    sent_at = lab.clock.now() - timedelta(seconds=before_s)
    return Action("a1", "shaker", "shake", arguments, sent_at)


async def shake_as(driver: BioShake, action_id: str = "a1") -> None:
    token = ACTION_ID.set(action_id)
    try:
        await driver.shake(speed_rpm=700, duration_s=60)
    finally:
        ACTION_ID.reset(token)


LOOKS = (b"getVersion", b"getDescription", b"getShake", b"getElm", b"getTemp")


async def test_what_still_shakes_is_left_alone_and_finished_by_the_same_action() -> None:
    lab = Lab()
    await lab.driver.connect()
    action = shaken(lab)
    shaking = asyncio.create_task(shake_as(lab.driver))
    await asyncio.sleep(20)
    shaking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await shaking
    lab.said.clear()
    heir = lab.heir()
    await heir.observe()
    await heir.observe()

    verdict = await heir.reconcile(action)
    assert (verdict.fate, verdict.remembered) == ("not_done", True)
    assert verdict.evidence["shakes"] is True
    await heir.take_over()
    assert all(line.startswith(LOOKS) for line in lab.said)
    assert lab.simulator._state() == "0"

    await shake_as(heir)
    assert lab.clock.monotonic_s() == pytest.approx(60 + 6, abs=3)
    assert lab.simulator._state() == "3"
    assert lab.simulator._elm == "3"
    assert len(lab.bench.shaken_s) == 1
    await lab.close()


async def test_a_nest_at_home_does_not_tell_another_life_whether_it_shook() -> None:
    lab = Lab()
    lab.said.clear()
    heir = lab.heir()
    await heir.observe()

    verdict = await heir.reconcile(shaken(lab))

    assert verdict.fate == "unknown"
    assert verdict.evidence["getShakeState"] == "3"
    assert verdict.evidence["getElmState"] == "3"
    await heir.aclose()


@pytest.mark.parametrize(
    ("kind", "after", "fate", "remembered"),
    [
        ("reply_lost", 2, "not_done", False),  # the clamp
        ("silent", 4, "not_done", False),  # shakeOn
        ("reply_lost", 4, "not_done", True),  # shakeOn: it shakes
    ],
)
async def test_after_a_lost_answer_at_the_start(
    kind: str, after: int, fate: str, remembered: bool
) -> None:
    lab = Lab(Fault(kind, after=after))
    await lab.driver.connect()
    action = shaken(lab)
    with pytest.raises(LinkError):
        await shake_as(lab.driver)

    verdict = await lab.driver.reconcile(action)
    assert (verdict.fate, verdict.remembered) == (fate, remembered)
    await shake_as(lab.driver)

    assert lab.simulator._elm == "3"
    assert len(lab.bench.shaken_s) == 1
    await lab.close()


async def test_after_a_lost_answer_to_the_stop_only_the_rest_is_done() -> None:
    lab = Lab()
    await lab.driver.connect()
    action = shaken(lab)
    shaking = asyncio.create_task(shake_as(lab.driver))
    await asyncio.sleep(40)
    lab.simulator._setup.faults._faults = (Fault("reply_lost"),)
    with pytest.raises(LinkError):
        await shaking

    verdict = await lab.driver.reconcile(action)
    assert (verdict.fate, verdict.remembered) == ("not_done", True)
    assert verdict.evidence["time_is_over"] is True
    before_s = lab.clock.monotonic_s()
    await shake_as(lab.driver)

    assert lab.clock.monotonic_s() - before_s < 10
    assert lab.simulator._elm == "3"
    assert (await lab.driver.reconcile(action)).fate == "done"
    await lab.close()


async def test_an_aborted_shake_is_unknown() -> None:
    lab = Lab()
    await lab.driver.connect()
    action = shaken(lab)
    shaking = asyncio.create_task(shake_as(lab.driver))
    await asyncio.sleep(20)
    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError):
        await shaking
    await asyncio.sleep(10)

    assert (await lab.driver.reconcile(action)).fate == "unknown"
    other = Action("a2", "shaker", "dance", {}, action.sent_at)
    assert (await lab.driver.reconcile(other)).fate == "unknown"
    await lab.close()


async def test_a_temperature_may_always_be_set_again_and_a_dead_line_is_opened_anew() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.stream.aclose()
    action = Action("a1", "shaker", "set_temperature", {"temperature_c": 37.0}, lab.clock.now())

    verdict = await lab.driver.reconcile(action)

    assert (verdict.fate, verdict.remembered) == ("not_done", True)
    assert verdict.evidence == {"getTempTarget": "37.0"}
    await lab.driver.set_temperature(37.0)
    await lab.close()
