"""Lines out of pieces: what has come already, what comes in time, what is left."""

from __future__ import annotations

import asyncio

import pytest

from platectl.domain.errors import ReplyTimeoutError
from platectl.simkit.pipe import pipe
from platectl.transport.line import LineLink


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
