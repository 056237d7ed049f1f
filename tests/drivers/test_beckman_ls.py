"""The Beckman LS driver: the framing that is public, declared data, and a line that is only heard."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.line_bench import LineLab, action, chopped, driver_on, recorded, replaying

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.wells import PlateFormat
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault
from platectl.simkit.pipe import PipeEnd, pipe
from platectl_drivers.beckman_ls import Message, following, parse_message

PLATE = PlateFormat.of(96)
#: numbers that a lab would take from its manual; these are invented
DATUMS = {"position": 912, "cpm": 920, "count_min": 931}
COUNT: dict[str, Any] = {"title": "P1-filter", "wells": ("A1", "A2", "A3"), "count_s": 60.0}
#: user number 5, after the manual
EXAMPLE = bytes.fromhex("01 29 21 53 21 44 49 20 35 22 40")


def message(sequence: int, kind: str, items: str) -> bytes:
    body = f"{chr(32 + sequence)}{kind}{items}"
    summed = f"{chr(32 + len(body) + 2)}{body}".encode("latin-1")
    checksum = sum(summed) % 256
    return b"\x01" + summed + bytes((32 + checksum // 64, 32 + checksum % 64)) + b"\r\n"


def item(number: int, letter: str, value: object) -> str:
    return f"{chr(32 + number // 64)}{chr(32 + number % 64)}{letter} {value}"


def sample(position: int, cpm: object = 120.0, minutes: object = 1.0, *more: str) -> str:
    told = [
        item(910, "I", 0),
        item(912, "I", position),
        item(920, "R", cpm),
        item(931, "R", minutes),
    ]
    return ";".join([*told, *more, item(911, "I", 0)])


async def counted(*faults: Fault, **changes: Any) -> Any:
    """Count three vials that a person has started."""
    lab = LineLab("beckman_ls", *faults, simulated={"datums": DATUMS}, datums=DATUMS)
    await lab.driver.connect()
    running = asyncio.create_task(lab.simulator.run())
    lab.world.notices["it.start"] = [{**COUNT, **changes}]
    try:
        return await lab.driver.count(**{**COUNT, **changes})
    finally:
        running.cancel()
        await lab.close()


class Pushed:
    """A driver that hears what a test says."""

    def __init__(self, **settings: Any) -> None:
        self.ends: list[PipeEnd] = []
        self.driver = driver_on("beckman_ls", self.open, **{"datums": DATUMS, **settings})

    async def open(self) -> ByteStream:
        ours, theirs = pipe()
        self.ends.append(theirs)
        return ours

    async def heard(self, *messages: bytes) -> Any:
        await self.driver.connect()
        counting = asyncio.create_task(self.driver.count(**{**COUNT, "wells": ("A1", "A2")}))
        await asyncio.sleep(1)
        for said in messages:
            await self.ends[-1].send(said)
        return await counting


# Framing ------------------------------------------------------------------------------------
def test_the_example_of_the_manual_is_read() -> None:
    assert parse_message(EXAMPLE) == Message(1, "S", ((100, "I", "5"),))
    assert message(1, "S", item(100, "I", 5)) == EXAMPLE + b"\r\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (EXAMPLE[1:], "begins no message"),
        (b"", "begins no message"),
        (EXAMPLE.replace(b" 5", b" 6"), "checksum"),
        (EXAMPLE[:-1] + b"A", "checksum"),
        (EXAMPLE.replace(b")", b"*"), "length of a message is 9, stated is 10"),
        (EXAMPLE + b" ", "length of a message is 10"),
        (EXAMPLE[:5], "no message of printable"),
        (EXAMPLE.replace(b"5", b"\x85"), "printable"),
        (message(0, "D", "x" * 92)[:-2], "printable"),
        (message(0, "D", "!DI")[:-2], "no datum"),
        (message(0, "D", "!DX 5")[:-2], "no datum"),
        (message(0, "D", "!DI5")[:-2], "no datum"),
        (message(0, "D", "!")[:-2], "no datum"),
    ],
)
def test_a_damaged_message_is_refused(line: bytes, error: str) -> None:
    with pytest.raises(MalformedReplyError, match=error):
        parse_message(line)


@settings(max_examples=40)
@given(
    st.integers(0, 94),
    st.lists(
        st.tuples(
            st.integers(0, 4095), st.sampled_from("BHIRT"),
            st.text(st.characters(min_codepoint=32, max_codepoint=58), max_size=10),
        ),
        max_size=5,
    ),
)  # fmt: skip
def test_any_message_is_read_as_it_was_written(
    sequence: int, items: list[tuple[int, str, str]]
) -> None:
    said = message(sequence, "D", ";".join(item(*one) for one in items))[:-2]

    assert parse_message(said) == Message(sequence, "D", tuple(items))


def test_the_sequence_runs_through_the_printable_characters() -> None:
    assert [following(n) for n in (0, 93, 94)] == [1, 94, 0]


# Recordings ---------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_a_recorded_run_is_heard(transcripts: Path, size: int) -> None:
    turns = chopped(recorded(transcripts, "beckman_ls_three_vials"), size)
    driver = replaying("beckman_ls", turns, datums=DATUMS)
    await driver.connect()

    readings = await driver.count(**COUNT)
    await driver.aclose()

    assert [(r.well, r.live_s, r.flags) for r in readings] == [
        (well, 60.0, ()) for well in COUNT["wells"]
    ]
    assert [r.cpm for r in readings] == [1498.0, 1552.0, 1564.0]


async def test_the_simulator_says_exactly_what_was_recorded(transcripts: Path) -> None:
    turns = recorded(transcripts, "beckman_ls_three_vials")
    lab = LineLab("beckman_ls", simulated={"datums": DATUMS})
    running = asyncio.create_task(lab.simulator.run())
    hearing = asyncio.create_task(lab.hears(turns))
    await asyncio.sleep(1)

    lab.world.notices["it.start"].append(COUNT)
    heard = await hearing
    running.cancel()
    await lab.close()

    assert heard == [turn.data for turn in turns if turn.side == "<"]


# Counting -----------------------------------------------------------------------------------
async def test_vials_are_counted_by_chance_around_their_rates() -> None:
    wells = PLATE.by_row()

    readings = await counted(wells=wells)

    expected = 1525.0 + 10.0 * np.arange(96)
    cpm = np.array([reading.cpm for reading in readings])
    assert [reading.well for reading in readings] == list(wells)
    assert abs(np.mean((cpm - expected) / np.sqrt(expected))) < 0.4
    assert readings[0].counts == round(readings[0].cpm)


@pytest.mark.parametrize("datums", [{}, {"position": 912}, {"cpm": 920, "count_min": 931}])
async def test_what_is_not_public_is_refused_unless_it_is_declared(datums: dict[str, int]) -> None:
    lab = LineLab("beckman_ls", datums=datums)
    await lab.driver.connect()

    with pytest.raises(RefusedError, match="is not public; declare `datums` from appendix C"):
        await lab.driver.count(**COUNT)

    assert lab.said == []
    await lab.close()


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (Fault("silent"), ReplyTimeoutError, "0 of 3 samples"),
        (Fault("reply_lost"), ReplyTimeoutError, "0 of 3 samples"),
        (Fault("lost_message"), MalformedReplyError, "one is lost or repeated"),
        (Fault("bad_checksum"), MalformedReplyError, "checksum"),
        (Fault("too_long"), MalformedReplyError, "no message of printable"),
        (Fault("stops"), MalformedReplyError, "ended after 1 samples"),
        (Fault("skips"), MalformedReplyError, "sample 3 came, 2 is next"),
    ],
    ids=lambda given: getattr(given, "kind", ""),
)
async def test_each_fault_ends_in_its_error(
    fault: Fault, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await counted(fault)


@pytest.mark.parametrize(
    ("items", "error"),
    [
        (sample(2), "sample 2 came, 1 is next"),
        (sample("0_1"), "not a whole number"),
        (sample(1, 60.0, "0_1"), "not a number"),
        (sample(1, "0_1"), "not a number"),
        (sample(1, "nan"), "not a number"),
        (sample(1, "12 cpm"), "not a number"),
        (sample(1, -1.0), "-1 cpm"),
        (sample(1, 1.0, 0), "in 0 s"),
        (sample(1, 1.0, 1.0, item(920, "R", 5)), "datum 920 stands twice"),
        (sample(1).replace("R 120", "T 120"), "declared as a number, and has type T"),
        (
            ";".join([item(910, "I", 0), item(912, "I", 1), item(911, "I", 0)]),
            "without cpm, count_min",
        ),
        (item(911, "I", 0), "a sample ends that did not begin"),
    ],
)
async def test_a_sample_that_is_not_as_declared_is_refused(items: str, error: str) -> None:
    lab = Pushed()

    with pytest.raises(MalformedReplyError, match=error):
        await lab.heard(message(0, "D", items))
    with pytest.raises(DisconnectedError):
        await lab.driver.count(**COUNT)
    await lab.driver.aclose()


async def test_another_counting_time_is_flagged_and_data_outside_samples_are_passed_over() -> None:
    lab = Pushed()

    readings = await lab.heard(
        message(93, "H", item(920, "R", 7)), message(94, "D", sample(1, 60.0, 2.0)),
        message(0, "D", sample(2)),
    )  # fmt: skip
    await lab.driver.aclose()

    assert [(r.cpm, r.counts, r.flags) for r in readings] == [
        (60.0, 120, ("count_time",)), (120.0, 120, ()),
    ]  # fmt: skip


async def test_a_counter_that_was_held_up_goes_on() -> None:
    lab = LineLab("beckman_ls", simulated={"datums": DATUMS}, datums=DATUMS)
    await lab.driver.connect()
    running = asyncio.create_task(lab.simulator.run())
    await lab.stream.send(b"\x13")
    lab.world.notices["it.start"] = [COUNT]
    await asyncio.sleep(300)

    readings = await lab.driver.count(**COUNT)
    running.cancel()
    await lab.close()

    assert b"\x11" in lab.said
    assert len(readings) == 3


async def test_listening_can_be_given_up_and_what_was_missed_is_counted_again() -> None:
    lab = Pushed()
    counting = asyncio.create_task(lab.heard())
    await asyncio.sleep(5)

    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError) as caught:
        await counting
    verdict = await lab.driver.reconcile(action("count", title="P1-filter"))
    other = await lab.driver.reconcile(action("dance"))
    await lab.driver.aclose()

    assert caught.value.code == "aborted"
    assert (verdict.fate, verdict.remembered, other.fate) == ("not_done", True, "unknown")


async def test_wells_are_given_once() -> None:
    lab = Pushed()
    await lab.driver.connect()

    with pytest.raises(RefusedError, match="each well once"):
        await lab.driver.count(**{**COUNT, "wells": ("A1", "A1")})
    await lab.driver.aclose()
