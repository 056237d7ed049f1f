"""The A4S driver: against recordings, odd chunks, faults and its simulator."""

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
from tests.line_bench import LineLab, replaying

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import Turn, parse_transcript
from platectl.hal.instrument import Identity
from platectl.hal.recovery import ACTION_ID, Action
from platectl.simkit.faults import Fault
from platectl_drivers.a4s import SealerStatus, encode_seal, parse_answer, parse_status


class Bench:
    """Stands in for the world."""

    def __init__(self) -> None:
        self.sealed_s: list[float] = []
        self.notices: dict[str, list[Mapping[str, Any]]] = {}

    def seal(self, position: str) -> None:
        self.sealed_s.append(asyncio.get_running_loop().time())


class Lab(LineLab):
    """A driver and its simulator."""

    def __init__(self, *faults: Fault, **settings: Any) -> None:
        self.bench = Bench()
        super().__init__("a4s", *faults, world=self.bench, **settings)


def chopped(turns: tuple[Turn, ...], size: int) -> tuple[Turn, ...]:
    """Cut what the instrument says into pieces.

    The very last byte, `CR`, stays with the `!` at which a message ends: a recording lets nobody
    speak before all of it was heard.
    """
    pieces: list[Turn] = []
    for turn in turns:
        if turn.side == ">":
            pieces.append(turn)
            continue
        cut = [turn.data[i : i + size] for i in range(0, len(turn.data), size)]
        if cut[-1] == b"\r":
            cut[-2:] = [b"".join(cut[-2:])]
        pieces += [Turn("<", data) for data in cut]
    return tuple(pieces)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    text = (transcripts / "a4s_seal.txt").read_text("ascii")
    driver = replaying("a4s", chopped(parse_transcript(text), size))

    assert await driver.connect() == Identity("A4S")
    await driver.seal(temperature_c=50, duration_s=1.2)
    await driver.aclose()


async def test_a_rejected_order_is_told_as_such(transcripts: Path) -> None:
    text = (transcripts / "a4s_rejected.txt").read_text("ascii")
    driver = replaying("a4s", parse_transcript(text))
    await driver.connect()
    with pytest.raises(InstrumentFaultError) as caught:
        await driver.seal(temperature_c=170, duration_s=3)
    assert caught.value.code == "rejected"
    await driver.aclose()


async def test_each_plate_is_heated_and_pressed_once() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.seal(temperature_c=170, duration_s=3)
    assert len(lab.bench.sealed_s) == 1
    assert lab.bench.sealed_s[0] >= 37 + 8

    await asyncio.sleep(3600)
    before_s = lab.clock.monotonic_s()
    await lab.driver.seal(temperature_c=170, duration_s=3)

    assert len(lab.bench.sealed_s) == 2
    assert 19 <= lab.clock.monotonic_s() - before_s < 25
    await lab.driver.seal(temperature_c=120, duration_s=0.5)
    assert len(lab.bench.sealed_s) == 3
    await lab.close()


async def test_the_end_of_the_last_plate_is_not_taken_for_the_end_of_this_one() -> None:
    status = "*T00=1700,{},1,0,0,58,0zz!\r"
    turns = (
        Turn("<", status.format(4).encode()), Turn(">", b"*00DH=0170zz!"), Turn("<", b"*Y00DH!\r"),
        Turn(">", b"*00DT=0030zz!"), Turn("<", b"*Y00DT!\r" + status.format(4).encode()),
        Turn(">", b"*00GS=zz!"), Turn("<", b"*Y00GS!\r" + status.format(4).encode() * 2),
    )  # fmt: skip
    driver = replaying("a4s", turns)
    await driver.connect()
    with pytest.raises(DisconnectedError):
        await driver.seal(temperature_c=170, duration_s=3)


async def test_a_heater_that_says_ready_far_from_the_target_is_not_ready() -> None:
    lab = Lab(heat_s=5.0)
    await lab.driver.connect()
    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.seal(temperature_c=170, duration_s=3)
    assert caught.value.code == "not_heating"
    assert not lab.bench.sealed_s
    await lab.close()


@pytest.mark.parametrize("start", [b",0,1,0,0,58,0zz!\r", b"!\r", b"\r", b"\xff\x80!\r"])
async def test_a_port_opened_in_mid_line_is_no_error(start: bytes) -> None:
    driver = replaying("a4s", (Turn("<", start + b"*T00=220,0,0,0,0,58,0zz!\r"),))
    assert await driver.connect() == Identity("A4S")


async def test_a_standing_error_refuses_the_connection() -> None:
    driver = replaying("a4s", (Turn("<", b"*T00=220,3,0,7,0,58,0zz!\r"),))
    with pytest.raises(InstrumentFaultError) as caught:
        await driver.connect()
    assert caught.value.code == "7"


@pytest.mark.parametrize(
    ("temperature_c", "duration_s"),
    [(49.9, 3), (201, 3), (170.5, 3), (170, 0.4), (170, 10.1), (170, 1.25), (float("nan"), 3),
     (170, float("nan")), (float("inf"), 3)],
)  # fmt: skip
async def test_what_is_out_of_range_is_refused_before_anything_is_sent(
    temperature_c: float, duration_s: float
) -> None:
    with pytest.raises(RefusedError):
        await replaying("a4s", ()).seal(temperature_c=temperature_c, duration_s=duration_s)


@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize("kind", ["rejected", "busy"])
async def test_what_it_does_not_accept_leaves_the_plate_unsealed(kind: str, after: int) -> None:
    lab = Lab(Fault(kind, after=after))
    await lab.driver.connect()
    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.seal(temperature_c=170, duration_s=3)
    assert caught.value.code == kind
    assert not lab.bench.sealed_s
    await lab.driver.seal(temperature_c=170, duration_s=3)
    assert len(lab.bench.sealed_s) == 1
    await lab.close()


async def test_a_heater_error_is_a_fault_until_the_reset() -> None:
    lab = Lab(Fault("heater_error"))
    await lab.driver.connect()
    for _ in range(2):
        with pytest.raises(InstrumentFaultError) as caught:
            await lab.driver.seal(temperature_c=170, duration_s=3)
        assert caught.value.code == "2"
    await lab.driver.abort()
    await lab.driver.seal(temperature_c=170, duration_s=3)
    assert len(lab.bench.sealed_s) == 1
    await lab.close()


@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize(
    ("kind", "error"),
    [("silent", ReplyTimeoutError), ("reply_lost", ReplyTimeoutError),
     ("garbled_reply", MalformedReplyError), ("late_reply", ReplyTimeoutError)],
)  # fmt: skip
async def test_a_broken_answer_is_in_doubt_in_time_and_the_order_is_not_sent_again(
    kind: str, error: type[LinkError], after: int
) -> None:
    lab = Lab(Fault(kind, after=after, data={"delay_s": 12.0}))
    await lab.driver.connect()
    before_s = lab.clock.monotonic_s()
    with pytest.raises(error):
        await lab.driver.seal(temperature_c=170, duration_s=3)
    assert lab.clock.monotonic_s() - before_s < 120

    await asyncio.sleep(60)
    done = 1 if after == 2 and kind != "silent" else 0
    assert len(lab.bench.sealed_s) == done
    await lab.driver.seal(temperature_c=170, duration_s=3)
    assert len(lab.bench.sealed_s) == done + 1
    await lab.close()


@pytest.mark.parametrize("at_s", [0.01, 5.0, 40.0, 47.0])
async def test_abort_returns_at_once_and_the_verb_says_so(at_s: float) -> None:
    lab = Lab()
    await lab.driver.connect()
    verb = asyncio.create_task(lab.driver.seal(temperature_c=170, duration_s=3))
    await asyncio.sleep(at_s)
    before_s = lab.clock.monotonic_s()

    await lab.driver.abort()
    assert lab.clock.monotonic_s() == before_s
    with pytest.raises(InstrumentFaultError) as caught:
        await verb

    assert caught.value.code == "aborted"
    assert lab.clock.monotonic_s() - before_s < 2
    sealed = len(lab.bench.sealed_s)
    await asyncio.sleep(60)
    assert len(lab.bench.sealed_s) == sealed == (1 if at_s == 47.0 else 0)
    await lab.driver.seal(temperature_c=170, duration_s=3)
    await lab.close()


@given(st.integers(50, 200), st.integers(5, 100))
def test_every_degree_and_tenth_of_a_second_goes_through_unchanged(degrees: int, tens: int) -> None:
    assert encode_seal(degrees, tens / 10) == (degrees, tens)


@given(st.integers(-200, 2500), *[st.integers(0, 99)] * 5, st.sampled_from(["0zz", "12zz", "3"]))
def test_status_lines_are_read_as_they_were_written(
    tenths: int, system: int, heater: int, error: int, warning: int, sensors: int, end: str
) -> None:
    line = f"*T00={tenths},{system},{heater},{error},{warning},{sensors},{end}"
    assert parse_status(line) == SealerStatus(tenths / 10, system, heater, error, warning, sensors)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_any_other_line_is_malformed_or_no_answer(line: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_status(line)
    if not line.startswith("*"):
        with pytest.raises(MalformedReplyError):
            parse_answer(line, "*00GS=zz!")


@pytest.mark.parametrize(
    ("line", "answer"),
    [("*Y00GS", "Y"), ("*Ygs", "Y"), ("*Y", "Y"), ("*N00GSzz", "N"), ("*X", "X"),
     ("*Y00DH", None), ("*T00=1", None), ("*D00GS", None)],
)  # fmt: skip
def test_an_answer_that_names_another_command_is_an_old_one(line: str, answer: str | None) -> None:
    assert parse_answer(line, "*00GS=zz!") == answer


# After a death, and after a lost answer ----------------------------------------------------------

SEALED = Action(
    "a1", "sealer", "seal", {"temperature_c": 170.0, "duration_s": 2.0},
    datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


async def seal_as(lab: Lab, action_id: str = "a1") -> None:
    token = ACTION_ID.set(action_id)
    try:
        await lab.driver.seal(temperature_c=170, duration_s=2)
    finally:
        ACTION_ID.reset(token)


async def killed(lab: Lab, after_s: float) -> Any:
    """Let the program die so long after it ordered the seal; heating takes 37 s."""
    await lab.driver.connect()
    sealing = asyncio.create_task(seal_as(lab))
    await asyncio.sleep(37.5 + after_s)
    await lab.stream.aclose()
    with contextlib.suppress(LinkError):
        await sealing
    lab.said.clear()
    return lab.heir()


async def test_a_stroke_that_is_seen_to_end_was_done() -> None:
    lab = Lab()
    heir = await killed(lab, 5)
    await heir.observe()
    await heir.observe()
    assert not lab.bench.sealed_s

    verdict = await heir.reconcile(SEALED)

    assert verdict.fate == "done"
    assert verdict.evidence["seen_at_work"] is True
    assert (await heir.reconcile(SEALED)).fate == "done"
    assert len(lab.bench.sealed_s) == 1
    assert lab.said == []
    await lab.close()


async def test_a_stroke_that_had_ended_before_anybody_looked_is_unknown() -> None:
    lab = Lab()
    heir = await killed(lab, 5)
    await asyncio.sleep(60)
    await heir.observe()

    verdict = await heir.reconcile(SEALED)

    assert verdict.fate == "unknown"
    assert verdict.evidence["status"]["system"] == 4
    assert verdict.evidence["sent_in_this_life"] is False
    assert lab.said == []
    await lab.close()


async def test_control_is_taken_over_while_it_seals() -> None:
    lab = Lab()
    heir = await killed(lab, 5)

    assert await heir.take_over() == Identity("A4S")
    assert lab.said == []
    await heir.reconcile(SEALED)
    await heir.seal(temperature_c=170, duration_s=2)

    assert len(lab.bench.sealed_s) == 2
    await lab.close()


async def test_a_stroke_that_does_not_end_is_running() -> None:
    lab = Lab()
    await lab.driver.connect()
    lab.simulator._system, lab.simulator._begun_s = 1, 1e9

    assert (await lab.driver.reconcile(SEALED)).fate == "running"
    await lab.close()


@pytest.mark.parametrize(
    ("after", "fate"), [(0, "not_done"), (1, "not_done"), (2, "done")]
)  # temperature, time, seal
async def test_after_a_lost_answer_the_status_tells(after: int, fate: str) -> None:
    lab = Lab(Fault("reply_lost", after=after))
    await lab.driver.connect()
    with pytest.raises(ReplyTimeoutError):
        await seal_as(lab)

    assert (await lab.driver.reconcile(SEALED)).fate == fate
    assert len(lab.bench.sealed_s) == (1 if fate == "done" else 0)
    if fate == "not_done":
        await seal_as(lab)
    await lab.close()


async def test_an_order_that_was_not_heard_is_unknown() -> None:
    lab = Lab(Fault("silent", after=2))
    await lab.driver.connect()
    with pytest.raises(ReplyTimeoutError):
        await seal_as(lab)

    assert (await lab.driver.reconcile(SEALED)).fate == "unknown"
    await lab.close()


async def test_a_finish_that_is_new_in_this_life_settles_it() -> None:
    lab = Lab()
    await killed(lab, 2)
    await asyncio.sleep(60)

    assert (await lab.driver.reconcile(SEALED)).fate == "done"
    await lab.close()


async def test_after_a_reset_the_end_of_a_stroke_proves_nothing() -> None:
    lab = Lab()
    await lab.driver.connect()
    sealing = asyncio.create_task(seal_as(lab))
    await asyncio.sleep(42)
    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError):
        await sealing

    assert (await lab.driver.reconcile(SEALED)).fate == "unknown"
    other = Action("a2", "sealer", "dance", {}, SEALED.sent_at)
    assert (await lab.driver.reconcile(other)).fate == "unknown"
    await lab.close()
