"""Waiting for the export with the right title in a folder where others lie too."""

from __future__ import annotations

from dataclasses import dataclass

from platectl.domain.clock import Clock
from platectl.domain.errors import DisconnectedError, MalformedReplyError
from platectl.hal.stream import DropFolder
from platectl_drivers.softmax_file.export_text import Progress, progress


@dataclass(frozen=True, slots=True)
class Found:
    """A whole file that has stopped growing, and when it was first seen, on the host's clock."""

    name: str
    data: bytes
    seen_s: float


class Watch:
    """Looks for plate sections of one title; reads whole foreign files only once.

    Sections of a title are the one called so and, for `sections: column`, those called so with a
    column after it.
    """

    def __init__(self, folder: DropFolder, title: str, clock: Clock) -> None:
        self._folder = folder
        self._title = title
        self._clock = clock
        self._foreign: dict[str, str] = {}
        self._before: dict[str, bytes] = {}
        self._first_seen_s: dict[str, float] = {}
        self._grown: dict[str, Progress] = {}
        self.unreadable = ""

    async def look(self) -> Found | None:
        """Return the file once it is whole and unchanged since the last look.

        Raises:
            MalformedReplyError: Two whole files carry the title.
        """
        ours = await self._ours()
        self._grown = {name: progress(data) for name, data in ours.items()}
        whole = self.whole
        if len(whole) > 1:
            raise MalformedReplyError(
                f"{' and '.join(whole)} both carry the title {self._title!r}; "
                "move the one that is not meant out of the folder"
            )
        settled = [name for name in whole if ours[name] == self._before.get(name)]
        self._before = ours
        if not settled:
            return None
        return Found(settled[0], ours[settled[0]], self._first_seen_s[settled[0]])

    @property
    def whole(self) -> list[str]:
        """Names of the files with the title that were whole at the last look."""
        return [name for name, grown in self._grown.items() if grown.whole]

    async def whole_now(self) -> list[str]:
        """Names of the files with the title that are whole, though they may not have settled."""
        ours = await self._ours()
        self._grown = {name: progress(data) for name, data in ours.items()}
        return self.whole

    async def present(self) -> list[str]:
        """Names of the files that carry the title at present, whole or not."""
        return sorted(await self._ours())

    async def _ours(self) -> dict[str, bytes]:
        ours: dict[str, bytes] = {}
        self.unreadable = ""
        try:
            for name in await self._folder.names():
                if name in self._foreign:
                    continue
                self._first_seen_s.setdefault(name, self._clock.monotonic_s())
                data = await self._folder.read(name)
                grown = progress(data)
                if any(self._carries(plate) for plate in grown.plates):
                    ours[name] = data
                elif grown.whole:
                    self._foreign[name] = ", ".join(map(repr, grown.plates)) or "no plate"
        except DisconnectedError as error:
            self.unreadable = str(error)
        return ours

    def _carries(self, plate: str) -> bool:
        return plate == self._title or (
            plate.startswith(f"{self._title} ") and plate[len(self._title) + 1 :].isdecimal()
        )

    def seen(self) -> str:
        """Say what is in the folder instead."""
        if self.unreadable:
            return f"the folder could not be read at last: {self.unreadable}"
        if self._grown:
            return "; ".join(
                f"{name} has {grown.ended} of {grown.announced} blocks"
                for name, grown in self._grown.items()
            )
        others = ", ".join(f"{name} ({plates[:60]})" for name, plates in self._foreign.items())
        return f"files with other titles: {others}" if others else "the folder holds no such file"
