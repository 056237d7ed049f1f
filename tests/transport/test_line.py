"""Lines out of pieces: what has come already, what comes in time, what is left."""

from __future__ import annotations

import asyncio

import pytest

from platectl.domain.errors import DisconnectedError, OutcomeUnknownError, ReplyTimeoutError
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.transport.line import InstrumentLine, LineLink


async def test_with_no_time_it_takes_what_has_come_already() -> None:
    ours, theirs = pipe()
    link = LineLink(ours, tx_end=b"\n", rx_end=b"\n")
    with pytest.raises(ReplyTimeoutError):
        await link.read_line(timeout_s=0.0)
    await theirs.send(b"one\ntwo\nthr")

    assert await link.read_line(timeout_s=0.0) == b"one"
    assert await link.read_line(timeout_s=0.0) == b"two"
    with pytest.raises(ReplyTimeoutError, match="only b'thr' came"):
        await link.read_line(timeout_s=0.0)
    await theirs.send(b"ee\n")
    assert await link.read_line(timeout_s=0.0) == b"three"
    assert asyncio.get_running_loop().time() == pytest.approx(0.0, abs=1e-3)


async def test_draining_for_no_time_drops_what_stands_there_and_no_more() -> None:
    ours, theirs = pipe()
    link = LineLink(ours, tx_end=b"\n", rx_end=b"\n")
    await theirs.send(b"old\nolder\nbeg")
    dropped: list[bytes] = []

    await link.drain(quiet_s=0.0, on_line=dropped.append)
    await theirs.send(b"new\n")

    assert dropped == [b"old", b"older"]
    assert await link.read_line(timeout_s=1.0) == b"new"


async def test_what_talks_without_end_has_no_more_time_than_what_is_silent() -> None:
    ours, theirs = pipe()
    link = LineLink(ours, tx_end=b"\n", rx_end=b"\n")
    await theirs.send(b"one\ntwo\n")
    due_s = asyncio.get_running_loop().time() + 1.0
    heard = await link.read_line_by(due_s)
    await asyncio.sleep(1.0)

    with pytest.raises(ReplyTimeoutError, match="not of what it was asked"):
        await link.read_line_by(due_s)

    assert heard == b"one"


class Exchange:
    """Where lines are opened; the other ends are kept."""

    def __init__(self) -> None:
        self.theirs: list[PipeEnd] = []
        self.line = InstrumentLine(self.connect, "it", tx_end=b"\n", rx_end=b"\n")

    async def connect(self) -> PipeEnd:
        ours, theirs = pipe()
        await theirs.send(b"line %d\n" % len(self.theirs))
        self.theirs.append(theirs)
        return ours

    async def hear(self) -> bytes:
        return await self.line.link.read_line(timeout_s=1.0)


async def test_a_line_that_is_gone_is_opened_anew_and_is_in_step() -> None:
    it = Exchange()

    first = await it.line.look(it.hear)
    await it.theirs[0].aclose()
    with pytest.raises(DisconnectedError), it.line.exchange():
        await it.hear()
    out_of_step = it.line.out_of_step
    second = await it.line.look(it.hear)

    assert (first, out_of_step, second) == (b"line 0", True, b"line 1")
    assert not it.line.out_of_step


async def test_what_was_answered_is_in_step_though_its_outcome_is_unknown() -> None:
    it = Exchange()

    with pytest.raises(OutcomeUnknownError), it.line.exchange():
        raise OutcomeUnknownError("it says that it does not know")

    assert not it.line.out_of_step


async def test_nothing_is_shouted_into_a_line_that_is_not_open_and_a_broken_one_is_no_error() -> (
    None
):
    it = Exchange()

    await it.line.shout(b"stop")
    assert not it.theirs
    await it.line.open()
    await it.theirs[0].aclose()
    await it.line.shout(b"stop")
    await it.line.aclose()

    with pytest.raises(DisconnectedError, match="it is not connected"):
        await it.hear()


async def test_a_turn_that_was_given_up_while_it_fell_in_step_is_out_of_step() -> None:
    it = Exchange()
    await it.line.open()
    it.line.out_of_step = True

    async def turn() -> bytes:
        async with it.line.turn(lambda link: link.drain(quiet_s=1.0)) as link:
            await it.theirs[0].send(b"answer\n")
            return await link.read_line(timeout_s=1.0)

    first = asyncio.create_task(turn())
    await asyncio.sleep(0.5)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    assert it.line.out_of_step
    assert await turn() == b"answer"
    assert not it.line.out_of_step
