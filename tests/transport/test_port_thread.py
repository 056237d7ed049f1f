"""The thread of a port, driven by a port that is watched."""

from __future__ import annotations

import asyncio
import threading

import pytest

from platectl.domain.errors import DisconnectedError
from platectl.transport.port_thread import PortThread

pytestmark = pytest.mark.wall_time


class WatchedPort:
    """Answers what is written at once; tells how often it was read."""

    def __init__(self) -> None:
        self.reads = 0
        self._said = bytearray()
        self._woken = threading.Event()

    def read(self) -> bytes:
        self.reads += 1
        if not self._said:
            self._woken.wait(5)
            self._woken.clear()
        data = bytes(self._said)
        self._said.clear()
        return data

    def interrupt(self) -> None:
        self._woken.set()

    def write_now(self, data: bytes) -> int:
        self._said += data
        return len(data)

    def write(self, data: bytes) -> int:
        return self.write_now(data)

    def close(self) -> None:
        self._said.clear()


async def test_an_answer_that_is_on_its_way_from_the_thread_is_not_read_for_again() -> None:
    port = WatchedPort()
    stream = await PortThread.open("watched", lambda: port)

    for number in range(1, 6):
        await stream.send(b"hello")
        while stream._wanted:
            pass  # the event loop is busy until the thread has read
        assert await stream.receive(timeout_s=2) == b"hello"
        assert not stream._wanted
        assert port.reads == number

    await stream.aclose()


async def test_whatever_is_wrong_at_opening_reaches_who_waits() -> None:
    def broken() -> WatchedPort:
        raise ValueError("not a valid baudrate: 7")

    with pytest.raises(DisconnectedError, match=r"watched: ValueError.*baudrate: 7"):
        async with asyncio.timeout(5):
            await PortThread.open("watched", broken)
