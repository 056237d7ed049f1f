"""Waits for the export of one data file in a folder where others lie too."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from platectl.domain.clock import Clock
from platectl.domain.errors import MalformedReplyError
from platectl.hal.stream import DropFolder
from platectl.transport.drop_watch import DropWatch, Found, Look
from platectl_drivers.flipr.export_file import data_file_of, is_whole

#: what a run that broke off may take to leave its export
GRACE_S: Final = 15.0
#: at the beginning of a file, within which its first lines end
HEAD_BYTES: Final = 65536


class ExportWatch(DropWatch):
    """Looks for the export that names a data file, and waits for it."""

    def __init__(self, folder: DropFolder, data_file: str, *, clock: Clock, poll_s: float) -> None:
        super().__init__(folder, data_file, _look, clock, head_bytes=HEAD_BYTES)
        self._poll_s = poll_s

    async def until_whole(self, within_s: float) -> Found | None:
        """Wait for an export that is whole and has stopped growing; None when none comes in time.

        Raises:
            MalformedReplyError: Two whole files belong to the data file.
        """
        due_s = self._clock.monotonic_s() + within_s
        while True:
            found = await self.take()
            if found is not None or self._clock.monotonic_s() >= due_s:
                return found
            await asyncio.sleep(self._poll_s)

    async def remains(self) -> Found | None:
        """What a run that broke off has left after a moment of grace, whole or not."""
        with contextlib.suppress(MalformedReplyError):
            if (found := await self.until_whole(GRACE_S)) is not None:
                return found
        left = sorted((await self.present()).items())
        return Found(*left[0], self._clock.monotonic_s()) if left else None


def _look(data: bytes) -> Look:
    data_file = data_file_of(data)
    stated = None if data_file is None else (data_file,)
    return Look(stated, is_whole(data), "is not whole", final=True)
