"""Being told to stop while a verb is under way."""

from __future__ import annotations

import asyncio
import contextlib

from platectl.domain.errors import InstrumentFaultError


class Abort:
    """Whether the verb under way was told to stop; each verb begins with `clear`.

    `says` is what its error tells of the world then.
    """

    def __init__(self, says: str) -> None:
        self._says = says
        self._called = asyncio.Event()

    @property
    def called(self) -> bool:
        """Whether it was told to stop since the last verb began."""
        return self._called.is_set()

    def clear(self) -> None:
        """A verb begins."""
        self._called.clear()

    def call(self) -> None:
        """Tell it to stop."""
        self._called.set()

    def check(self) -> None:
        """Go no further once it was told to stop.

        Raises:
            InstrumentFaultError: It was; `code` "aborted".
        """
        if self.called:
            raise InstrumentFaultError(self._says, code="aborted")

    async def pause(self, duration_s: float) -> None:
        """Wait, or less when it is told to stop; errors as `check`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(duration_s):
                await self._called.wait()
        self.check()
