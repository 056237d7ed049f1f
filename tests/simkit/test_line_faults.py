"""Faults of the line: each kind, its counting, and that without one nothing changes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.hal.stream import ByteStream
from platectl.simkit.line_faults import (
    DIRECTIONS,
    KINDS,
    FaultyStream,
    LineFault,
    LineFaults,
    random_line_fault,
)
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.serve import serve_tcp
from platectl.simkit.virtual_time import run_virtual
from platectl.simkit.world.truth import FaultEntry
from platectl.transport.tcp import TcpStream
from platectl_simulators.truth_file import default_truth


class Echo:
    """Answers every request, a number, with `<number>` in one piece; remembers what it did."""

    def __init__(self) -> None:
        self.heard = b""

    async def serve(self, stream: ByteStream) -> None:
        while True:
            try:
                data = await stream.receive()
                self.heard += data
                await stream.send(b"<" + data + b">")
            except DisconnectedError:
                return


@asynccontextmanager
async def line(*faults: LineFault, seed: int = 0) -> AsyncIterator[tuple[Any, Echo, LineFaults]]:
    """A connector with faults to an instrument that echoes."""
    plan, echo, opened, serving = LineFaults(faults, seed=seed), Echo(), [], []

    async def connect() -> ByteStream:
        ours, theirs = pipe()
        serving.append(asyncio.create_task(echo.serve(theirs)))
        return ours

    async def open_one() -> ByteStream:
        opened.append(await plan.on(connect)())
        return opened[-1]

    try:
        yield open_one, echo, plan
    finally:
        for stream in opened:
            await stream.aclose()
            await stream.aclose()
        await asyncio.gather(*serving)


async def ask(stream: ByteStream, data: bytes, timeout_s: float = 5.0) -> bytes:
    await stream.send(data)
    return await stream.receive(timeout_s=timeout_s)


async def test_dropped_bytes_are_never_executed() -> None:
    async with line(LineFault("drop", after=1)) as (connect, echo, _):
        stream = await connect()
        assert await ask(stream, b"one") == b"<one>"
        before_s = asyncio.get_running_loop().time()
        with pytest.raises(ReplyTimeoutError):
            await ask(stream, b"two")
        assert asyncio.get_running_loop().time() == pytest.approx(before_s + 5)
        assert await ask(stream, b"three") == b"<three>"
        assert echo.heard == b"onethree"


async def test_a_drop_at_a_byte_leaves_the_bytes_before_it() -> None:
    async with line(LineFault("drop", after=5, counts="bytes")) as (connect, echo, _):
        stream = await connect()
        await ask(stream, b"one")
        assert await ask(stream, b"two!") == b"<tw>"
        assert echo.heard == b"onetw"


@pytest.mark.parametrize(
    ("direction", "heard_s", "answered_s"), [("both", 2, 4), ("out", 2, 2), ("in", 0, 2)]
)
async def test_a_delay_is_that_of_each_piece(
    direction: Any, heard_s: float, answered_s: float
) -> None:
    fault = LineFault("delay", times=None, delay_s=2.0, direction=direction)
    async with line(fault) as (connect, echo, _):
        stream = await connect()
        await stream.send(b"x")
        await asyncio.sleep(0)
        assert asyncio.get_running_loop().time() == pytest.approx(heard_s)
        assert echo.heard == b"x"
        assert await stream.receive(timeout_s=5) == b"<x>"
        assert asyncio.get_running_loop().time() == pytest.approx(answered_s)


async def test_a_duplicate_comes_once_more() -> None:
    async with line(LineFault("duplicate")) as (connect, echo, _):
        stream = await connect()
        assert await ask(stream, b"x") == b"<x>"
        assert await stream.receive(timeout_s=1) == b"<x>"
        with pytest.raises(ReplyTimeoutError):
            await stream.receive(timeout_s=1)
        assert echo.heard == b"x"


async def test_what_is_garbled_depends_on_the_seed_only() -> None:
    found = []
    for seed in (1, 1, 2):
        async with line(LineFault("garble", flip=0xFF), seed=seed) as (connect, _, _plan):
            found.append(await ask(await connect(), b"abcdefghij"))
    assert found[0] == found[1] != found[2]
    wrong = [(a ^ b) for a, b in zip(found[0], b"<abcdefghij>", strict=True) if a != b]
    assert wrong == [0xFF, 0xFF]


async def test_a_truncated_answer_is_silent_until_the_next_request() -> None:
    async with line(LineFault("truncate")) as (connect, _, _plan):
        stream = await connect()
        assert await ask(stream, b"123456") == b"<123"
        with pytest.raises(ReplyTimeoutError):
            await stream.receive(timeout_s=1)
        assert await ask(stream, b"x") == b"<x>"


@pytest.mark.parametrize(("direction", "heard"), [("out", b"a"), ("in", b"ab")])
async def test_a_stalled_line_is_silent_and_open(direction: Any, heard: bytes) -> None:
    async with line(LineFault("stall", after=1, direction=direction)) as (connect, echo, _):
        stream = await connect()
        await ask(stream, b"a")
        for _ in range(3):
            with pytest.raises(ReplyTimeoutError):
                await ask(stream, b"b")
        waiting = asyncio.create_task(stream.receive())
        await asyncio.sleep(1e6)
        assert not waiting.done()
        assert echo.heard == heard
        await stream.aclose()
        with pytest.raises(DisconnectedError):
            await waiting
        assert await ask(await connect(), b"c") == b"<c>"


@pytest.mark.parametrize(("after", "heard"), [(0, b""), (3, b"abc"), (4, b"abcd"), (6, b"abcdef")])
async def test_a_line_breaks_at_that_byte(after: int, heard: bytes) -> None:
    async with line(LineFault("disconnect", after=after, counts="bytes")) as (connect, echo, _):
        stream = await connect()
        sent = b"abcd", b"ef", b"gh"
        with pytest.raises(DisconnectedError):
            [await ask(stream, request) for request in sent]
        await asyncio.sleep(1)
        assert echo.heard == heard
        for verb in (stream.send(b"x"), stream.receive(timeout_s=1)):
            with pytest.raises(DisconnectedError):
                await verb


async def test_what_came_before_the_break_is_heard() -> None:
    fault = LineFault("disconnect", after=2, counts="bytes", direction="in")
    async with line(LineFault("delay", direction="in"), fault) as (connect, _, _plan):
        stream = await connect()
        assert await ask(stream, b"abcd", timeout_s=100) == b"<a"
        with pytest.raises(DisconnectedError):
            await stream.receive(timeout_s=1)


async def test_a_late_answer_is_not_that_of_the_next_request() -> None:
    async with line(LineFault("answer_late", delay_s=8)) as (connect, echo, _):
        stream = await connect()
        with pytest.raises(ReplyTimeoutError):
            await ask(stream, b"1")
        assert echo.heard == b"1"
        assert await ask(stream, b"2") == b"<1>"
        assert await stream.receive(timeout_s=1) == b"<2>"


async def test_a_lost_reply_means_executed_but_not_answered() -> None:
    async with line(LineFault("lose_reply", times=2)) as (connect, echo, _):
        stream = await connect()
        for request in (b"1", b"2"):
            with pytest.raises(ReplyTimeoutError):
                await ask(stream, request)
        assert await ask(stream, b"3") == b"<3>"
        assert echo.heard == b"123"


async def test_all_conversations_of_a_wire_count_together_or_each_anew() -> None:
    async with line(LineFault("lose_reply", after=2)) as (connect, _, plan):
        await ask(await connect(), b"1")
        second = await connect()
        await ask(second, b"2")
        with pytest.raises(ReplyTimeoutError):
            await ask(second, b"3")
        assert (plan.count.sends, plan.count.out_bytes, plan.struck) == (3, 3, [1])
    async with line(LineFault("drop", after=1, times=None, anew=True)) as (connect, echo, _):
        for _ in range(2):
            stream = await connect()
            await ask(stream, b"1")
            with pytest.raises(ReplyTimeoutError):
                await ask(stream, b"2")
        assert echo.heard == b"11"


@given(
    st.lists(st.binary(min_size=1, max_size=20), max_size=8),
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(100, 200)), max_size=3),
)
def test_without_a_fault_that_is_due_every_byte_is_the_same(
    requests: list[bytes], later: list[tuple[Any, int]]
) -> None:
    async def main() -> None:
        async with line(*(LineFault(kind, after) for kind, after in later)) as (connect, echo, _):
            stream = await connect()
            answers = [await ask(stream, request) for request in requests]
            assert answers == [b"<" + request + b">" for request in requests]
            assert echo.heard == b"".join(requests)
            assert asyncio.get_running_loop().time() == 0

    run_virtual(main())


@given(
    st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=9),
    st.floats(0, 10),
    st.integers(0, 30),
    st.sampled_from([None, 1, 3]),
)
def test_delayed_pieces_come_whole_and_in_order(
    pieces: list[bytes], delay_s: float, after: int, times: int | None
) -> None:
    async def main() -> bytes:
        ours, theirs = pipe()
        fault = LineFault("delay", after, times, "bytes", "in", delay_s)
        stream = FaultyStream(ours, LineFaults([fault]))

        async def speak() -> None:
            for piece in pieces:
                await theirs.send(piece)
                await asyncio.sleep(0.3)
            await theirs.aclose()

        speaking, heard = asyncio.create_task(speak()), b""
        try:
            while True:
                try:
                    heard += await stream.receive(timeout_s=0.1)
                except ReplyTimeoutError:
                    continue
        except DisconnectedError:
            await speaking
            await stream.aclose()
            return heard

    assert run_virtual(main()) == b"".join(pieces)


@given(st.integers(0, 2**32))
def test_a_random_fault_is_a_fault_and_ends_in_silence_a_break_or_bytes(seed: int) -> None:
    async def main() -> None:
        fault = random_line_fault(random.Random(seed), sends=5)
        async with line(fault, seed=seed) as (connect, echo, plan):
            stream = await connect()
            for _ in range(8):
                try:
                    await ask(stream, b"x")
                except ReplyTimeoutError:
                    continue
                except DisconnectedError:
                    stream = await connect()
            assert plan.struck[0] >= 1
            assert len(echo.heard) <= 8

    assert random_line_fault(random.Random(seed)) == random_line_fault(random.Random(seed))
    run_virtual(main())


def test_a_fault_that_cannot_be_is_refused() -> None:
    for values in (
        {"kind": "explode"}, {"kind": "drop", "direction": "in"}, {"kind": "drop", "after": -1},
        {"kind": "drop", "times": 0}, {"kind": "delay", "delay_s": float("nan")},
        {"kind": "garble", "flip": 0}, {"kind": "garble", "flip": 256},
        {"kind": "drop", "counts": "words"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            LineFault(**values)
    assert set(DIRECTIONS) == set(KINDS)


def test_a_truth_file_may_have_faults_of_lines() -> None:
    entry = {"instrument": "shaker", "kind": "line_lose_reply", "after": 3}
    late = {"instrument": "shaker", "kind": "line_answer_late", "data": {"delay_s": 90}}
    stuck = {"instrument": "shaker", "kind": "elm_stuck"}
    faults = tuple(map(FaultEntry.model_validate, (entry, late, stuck)))
    truth = default_truth().model_copy(update={"faults": faults})

    assert truth.fault_plans()["shaker"].standing("line_lose_reply") is None
    assert truth.fault_plans()["shaker"].standing("elm_stuck") is not None
    assert list(truth.line_faults()) == ["shaker"]
    assert truth.line_faults()["shaker"].faults == (
        LineFault("lose_reply", after=3), LineFault("answer_late", delay_s=90),
    )  # fmt: skip
    for wrong in ({"kind": "line_explode"}, {"instrument": "world"}, {"data": {"delay": 3}},
                  {"data": {"delay_s": "long"}}):  # fmt: skip
        with pytest.raises(ValidationError):
            FaultEntry.model_validate({**entry, **wrong})


@pytest.mark.wall_time
async def test_it_stands_before_a_real_port() -> None:
    faults = (
        LineFault("duplicate"), LineFault("lose_reply", after=1),
        LineFault("answer_late", after=2, delay_s=0.05), LineFault("disconnect", after=3),
    )  # fmt: skip
    echo = Echo()
    async with serve_tcp(echo) as address:
        _, host, port = address.split(":")
        stream = FaultyStream(await TcpStream.open(host, int(port)), LineFaults(faults))
        assert await ask(stream, b"1") == b"<1>"
        assert await stream.receive(timeout_s=1) == b"<1>"
        with pytest.raises(ReplyTimeoutError):
            await ask(stream, b"2", timeout_s=0.1)
        assert await ask(stream, b"3", timeout_s=1) == b"<3>"
        with pytest.raises(DisconnectedError):
            await stream.send(b"4")
        await stream.aclose()
    assert echo.heard == b"123"


def test_it_is_a_byte_stream() -> None:
    stream: ByteStream = FaultyStream(PipeEnd(), LineFaults())
    assert isinstance(stream, ByteStream)
