"""Time as the rest of platectl sees it: one port, satisfied by wall time or virtual time."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

#: times this close are one moment; a timer may come so much before its time by the clock
MOMENT_S: Final = 1e-6


class Clock(Protocol):
    """Tells the time; durations and deadlines use `monotonic_s`, records use `now`.

    Sleeping is `asyncio.sleep`, which follows the same clock because virtual time replaces the
    event loop.
    """

    def now(self) -> datetime:
        """Return the aware UTC time."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds since an arbitrary origin; never goes back."""
        ...
