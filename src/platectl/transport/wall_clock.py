"""The real time."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class WallClock:
    """The `Clock` of real runs; `monotonic_s` is the time of asyncio's own loops."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)  # noqa: TID251  # this is the Clock

    def monotonic_s(self) -> float:
        """Return seconds since an arbitrary origin."""
        return time.monotonic()
