"""Waits for the export of one data file in a folder where others lie too."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from platectl.domain.clock import Clock
from platectl.domain.errors import DisconnectedError, MalformedReplyError
from platectl.hal.stream import DropFolder
from platectl_drivers.flipr.export_file import data_file_of, is_whole

#: what a run that broke off may take to leave its export
GRACE_S: Final = 15.0
#: at the beginning of a file, within which its first lines end
HEAD_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Found:
    """One export as it was read last."""

    name: str
    data: bytes


class ExportWatch:
    """Looks for the export that names a data file; reads of foreign files no more than the head, once.

    `seen` names what belongs to the data file, whole or not, and `unreadable` says why nothing
    could be looked at; both are of the last look.
    """

    def __init__(self, folder: DropFolder, data_file: str, *, clock: Clock, poll_s: float) -> None:
        self._folder = folder
        self._data_file = data_file
        self._clock = clock
        self._poll_s = poll_s
        self._foreign: set[str] = set()
        self._before: dict[str, bytes] = {}
        self.unreadable = ""
        self.seen: list[str] = []

    async def whole(self, within_s: float) -> Found | None:
        """Wait for an export that is whole and has stopped growing; None when none comes in time.

        Raises:
            MalformedReplyError: Two whole files belong to the data file.
        """
        due_s = self._clock.monotonic_s() + within_s
        while True:
            found = await self.look()
            if found is not None or self._clock.monotonic_s() >= due_s:
                return found
            await asyncio.sleep(self._poll_s)

    async def remains(self) -> Found | None:
        """What a run that broke off has left after a moment of grace, whole or not."""
        with contextlib.suppress(MalformedReplyError):
            if (found := await self.whole(GRACE_S)) is not None:
                return found
        left = sorted((await self.present()).items())
        return Found(*left[0]) if left else None

    async def present(self) -> dict[str, bytes]:
        """Name and content of what belongs to the data file at present, whole or not."""
        ours: dict[str, bytes] = {}
        self.unreadable = ""
        try:
            for name in await self._folder.names():
                if name in self._foreign:
                    continue
                found = data_file_of(await self._folder.read(name, longest=HEAD_BYTES))
                if found == self._data_file:
                    ours[name] = await self._folder.read(name)
                elif found is not None:
                    self._foreign.add(name)
        except DisconnectedError as error:
            self.unreadable = str(error)
        self.seen = sorted(ours)
        return ours

    async def look(self) -> Found | None:
        """Return the export if it is whole and unchanged since the last look.

        Raises:
            MalformedReplyError: Two whole files belong to the data file.
        """
        ours = await self.present()
        whole = [name for name, data in ours.items() if is_whole(data)]
        if len(whole) > 1:
            raise MalformedReplyError(f"{' and '.join(whole)} both belong to {self._data_file}")
        settled = [name for name in whole if ours[name] == self._before.get(name)]
        self._before = ours
        return Found(settled[0], ours[settled[0]]) if settled else None
