"""What a status frame says."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import MalformedReplyError

STATUS: Final = 0x01
SIZE: Final = 16
RUNNING, BUSY = 0x10, 0x20
UNREAD: Final = 0x01
RUN: Final = 0x04
DRAWER_OPEN, PLATE, INITIALISED = 0x01, 0x02, 0x20


@dataclass(frozen=True, slots=True)
class Status:
    """State of the reader; temperatures are None while the sensors are off.

    `running` without `busy` is what the reader shows for a moment after a run, and for ever when
    it is stuck. `family` is the command in progress (0 for none), in an answer to a request for
    data a refusal. `unread` says that a run has left data which nobody has fetched.
    """

    running: bool
    busy: bool
    drawer_open: bool
    plate: bool
    initialised: bool
    bottom_c: float | None
    top_c: float | None
    family: int
    unread: bool

    @property
    def idle(self) -> bool:
        """Nothing moves, measures or waits to be cleared."""
        return not (self.running or self.busy)

    @property
    def reads(self) -> bool:
        """A run goes on; while wells are read `running` may be off."""
        return self.busy and self.family == RUN


def parse_status(payload: bytes) -> Status:
    """Read a status.

    Raises:
        MalformedReplyError: No status.
    """
    if len(payload) != SIZE or payload[0] != STATUS:
        raise MalformedReplyError(f"no status: {payload[:8].hex(' ')}")
    flags, data, mechanics = payload[1:4]
    bottom, top = struct.unpack(">HH", payload[11:15])
    return Status(
        running=bool(flags & RUNNING),
        busy=bool(flags & BUSY),
        drawer_open=bool(mechanics & DRAWER_OPEN),
        plate=bool(mechanics & PLATE),
        initialised=bool(mechanics & INITIALISED),
        bottom_c=bottom / 10 or None,
        top_c=top / 10 or None,
        family=payload[6],
        unread=bool(data & UNREAD),
    )
