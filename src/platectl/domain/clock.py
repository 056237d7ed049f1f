"""Time as the rest of platectl sees it: one port, satisfied by wall time or virtual time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


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
