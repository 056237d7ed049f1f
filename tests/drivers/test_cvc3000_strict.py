"""The CVC 3000 driver hears whole lines, however slowly they come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.reader_bench import Patient

from platectl.domain.errors import InstrumentFaultError, ReplyTimeoutError
from platectl.domain.transcript import parse_transcript
from platectl.hal.instrument import DriverSetup
from platectl.hal.stream import ByteStream
from platectl.simkit.virtual_time import VirtualClock
from platectl_drivers.cvc3000 import CVC3000Filtration

FEED_S = 0.2


class LateFeed(Patient):
    """A recording in which the last byte of each answer comes later than the rest."""

    late = b""

    async def send(self, data: bytes) -> None:
        assert not self.late, f"said {data!r} before the line was over"
        await super().send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        if not self.late:
            data = await super().receive(timeout_s=timeout_s)
            self.late = data[-1:]
            return data[:-1]
        if timeout_s is not None and timeout_s < FEED_S:
            await asyncio.sleep(timeout_s)
            raise ReplyTimeoutError("the feed is not there yet")
        await asyncio.sleep(FEED_S)
        data, self.late = self.late, b""
        return data


async def test_a_line_whose_feed_comes_late_is_heard_to_its_very_end(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "cvc3000_catch_pot.txt").read_text("ascii"))

    async def connect() -> ByteStream:
        return LateFeed(turns)

    driver = CVC3000Filtration(
        DriverSetup("v", VirtualClock(), connect, CVC3000Filtration.Settings())
    )
    await driver.connect()
    with pytest.raises(InstrumentFaultError, match="catch pot full"):
        await driver.start_vacuum(gauge_mbar=-500)
    await driver.aclose()
