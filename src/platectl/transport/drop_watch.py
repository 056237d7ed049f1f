"""Waiting for the one file of a title in a folder where others lie too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from platectl.domain.clock import Clock
from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.checks import check_title
from platectl.hal.stream import DropFolder

#: what a file states that tells which plate it is of: the whole title, the bar-code before the last dash of
#: the title, or the title as its own name without what follows the last dot
States = Literal["title", "barcode", "file"]


@dataclass(frozen=True, slots=True)
class Look:
    """What can be said of a file without reading its numbers.

    `stated` are the plates that it states so far, None while none can be known yet. `said` is how
    far it has grown, in words. `wrong` says why it is no such file at all.
    """

    stated: tuple[str, ...] | None
    whole: bool
    said: str
    wrong: str = ""


def expected(title: str, states: States) -> str:
    """What the file of a title states.

    Raises:
        RefusedError: No such file can state this title.
    """
    check_title(title)
    code, _, of = title.rpartition("-")
    if states == "barcode" and not (code and of):
        raise RefusedError(f"the title {title!r} has no bar-code before a dash")
    return code if states == "barcode" else title


class DropWatch:
    """Looks for the file of one title; whole foreign files are read once only.

    What lay in the folder at the first look and is no such file is passed over; what comes later, and has
    stopped growing, is an error, so that a wrong export setting is known at once.
    """

    def __init__(
        self, folder: DropFolder, title: str, states: States, look: Callable[[bytes], Look]
    ) -> None:
        self._folder = folder
        self._wanted = expected(title, states)
        self._by_name = states == "file"
        self._look = look
        self._foreign: dict[str, str] = {}
        self._before: dict[str, bytes] | None = None
        self._grown: dict[str, Look] = {}
        self._unknown: dict[str, str] = {}
        self.unreadable = ""

    async def take(self) -> tuple[str, bytes] | None:
        """Return name and content of the file once it is whole and unchanged since the last look.

        Raises:
            MalformedReplyError: Two whole files carry the title, or a file came that is none of its kind.
        """
        found = await self._ours()
        first, before = self._before is None, self._before or {}
        self._before = found
        for name, look in list(self._grown.items()):
            if first and self._by_name:
                continue  # a bad file of this name is told once it has stopped growing
            if look.wrong and (first or found[name] == before.get(name)):
                if not first:
                    raise MalformedReplyError(f"{name}: {look.wrong}")
                self._foreign[name] = look.wrong
                del self._grown[name], found[name]
        whole = self.whole
        if len(whole) > 1:
            raise MalformedReplyError(
                f"{' and '.join(whole)} are both of {self._wanted!r}; "
                "move the one that is not meant out of the folder"
            )
        settled = [name for name in whole if found[name] == before.get(name)]
        return (settled[0], found[settled[0]]) if settled else None

    @property
    def whole(self) -> list[str]:
        """Names of the files of the title that were whole at the last look."""
        return [name for name, look in self._grown.items() if look.whole and not look.wrong]

    async def _ours(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        self.unreadable = ""
        grown: dict[str, Look] = {}
        self._unknown = {}
        try:
            for name in await self._folder.names():
                if name in self._foreign:
                    continue
                if self._by_name and name.rpartition(".")[0] != self._wanted:
                    self._foreign[name] = "another name"
                    continue
                data = await self._folder.read(name)
                look = self._look(data)
                if self._by_name or look.wrong or self._wanted in (look.stated or ()):
                    found[name], grown[name] = data, look
                elif look.whole and look.stated is not None:
                    self._foreign[name] = ", ".join(look.stated) or look.said
                else:
                    self._unknown[name] = look.said
        except DisconnectedError as error:
            self.unreadable = str(error)
        self._grown = grown
        return found

    def seen(self) -> str:
        """Say what is in the folder instead."""
        if self.unreadable:
            return f"the folder could not be read at last: {self.unreadable}"
        if self._grown:
            return "; ".join(f"{n} {look.wrong or look.said}" for n, look in self._grown.items())
        named = {**self._foreign, **self._unknown}
        others = ", ".join(f"{name} ({what[:60]})" for name, what in named.items())
        return f"other files: {others}" if others else "the folder holds no such file"


class Patience:
    """Waits for a file as long as it may take, unless it is told to stop."""

    def __init__(self, clock: Clock, poll_s: float) -> None:
        self._clock = clock
        self._poll_s = poll_s
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Stop waiting."""
        self._stopped.set()

    async def until_whole(
        self, watch: DropWatch, title: str, timeout_s: float
    ) -> tuple[str, bytes]:
        """Return name and content of the file.

        Raises:
            InstrumentFaultError: `stop` was called; code "aborted".
            ReplyTimeoutError: No whole file in time; says what was found instead.
            MalformedReplyError: As for `DropWatch.take`.
        """
        self._stopped.clear()
        deadline_s = self._clock.monotonic_s() + timeout_s
        while (found := await watch.take()) is None:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                raise ReplyTimeoutError(
                    f"no whole file of {title!r} within {timeout_s:.0f} s; {watch.seen()}"
                )
            await self._pause(min(left_s, self._poll_s))
        return found

    async def _pause(self, duration_s: float) -> None:
        try:
            async with asyncio.timeout(duration_s):
                await self._stopped.wait()
        except TimeoutError:
            return
        raise InstrumentFaultError(
            "waiting for the file was given up; the instrument goes on until somebody stops it",
            code="aborted",
        )
