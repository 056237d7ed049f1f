"""The faults that every line of every simulated instrument can have."""

from __future__ import annotations

import asyncio

from platectl.hal.stream import ByteStream
from platectl.simkit.faults import FaultPlan


async def is_silent(faults: FaultPlan) -> bool:
    """Whether a request is not even noticed (`silent`)."""
    return faults.strike("silent") is not None


async def send_reply(stream: ByteStream, data: bytes, faults: FaultPlan) -> None:
    """Send an answer, unless it is lost (`reply_lost`), late (`late_reply`) or garbled."""
    if faults.strike("reply_lost"):
        return
    if (late := faults.strike("late_reply")) is not None:
        await asyncio.sleep(float(late.data.get("delay_s", 30.0)))
    if faults.strike("garbled_reply"):
        data = bytes(byte ^ 0x80 if 0x20 <= byte < 0x7F else byte for byte in data)  # noqa: PLR2004  # printable bytes lose their meaning, line ends stay
    await stream.send(data)
