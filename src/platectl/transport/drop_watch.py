"""Waiting for the one file of a title in a folder where others lie too, or for a line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from platectl.domain.clock import Clock
from platectl.domain.errors import (
    DisconnectedError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.hal.checks import check_title
from platectl.hal.recovery import Action, Verdict
from platectl.hal.stream import DropFolder
from platectl.transport.abort import Abort
from platectl.transport.line import LineLink

#: what a file states that tells which plate it is of: the whole title, the bar-code before the last dash of
#: the title, or the title as its own name without what follows the last dot
States = Literal["title", "barcode", "file"]


#: a whole file that comes when the time is over is looked at once more after so long
SETTLING_S: Final = 1.0
#: how soon somebody who listens to a line hears that he is to stop
LISTEN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """What can be said of a file without reading its numbers.

    `stated` are the plates that it states so far, None while none can be known yet; `final` says that
    it will state no other. `said` is how far it has grown, in words, and `left_s` how long it cannot
    be whole yet. `wrong` says why it is no such file at all.
    """

    stated: tuple[str, ...] | None
    whole: bool
    said: str
    wrong: str = ""
    final: bool = False
    left_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """A whole file that has stopped growing, and when it was first seen, on the host's clock."""

    name: str
    data: bytes
    seen_s: float


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
    """Looks for the file that states what is wanted; foreign files are read no more than once.

    With `head_bytes`, which hold all that a file states, foreign files are not read beyond them. What
    lay in the folder at the first look and is no such file is passed over; what comes later, and has
    stopped growing, is an error, so that a wrong export setting is known at once. `by_name` wants the
    name of a file, without what follows the last dot, and not what it states.

    `unreadable` says why nothing could be looked at, at the last look.
    """

    def __init__(
        self, folder: DropFolder, wanted: str, look: Callable[[bytes], Look], clock: Clock, *,
        by_name: bool = False, head_bytes: int = -1,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._wanted = wanted
        self._look = look
        self._clock = clock
        self._by_name = by_name
        self._head_bytes = head_bytes
        self._foreign: dict[str, str] = {}
        self._before: dict[str, bytes] | None = None
        self._grown: dict[str, Look] = {}
        self._unknown: dict[str, str] = {}
        self._first_seen_s: dict[str, float] = {}
        self.unreadable = ""

    async def take(self) -> Found | None:
        """Return the file once it is whole and unchanged since the last time.

        Raises:
            MalformedReplyError: Two whole files are of the title, or a file came that is none of its kind.
        """
        found = await self.present()
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
        if not whole or found[whole[0]] != before.get(whole[0]):
            return None
        return Found(whole[0], found[whole[0]], self._first_seen_s[whole[0]])

    @property
    def ours(self) -> list[str]:
        """Names of the files of the title at the last look, whole or not."""
        return list(self._grown)

    @property
    def whole(self) -> list[str]:
        """Names of the files of the title that were whole at the last look."""
        return [name for name, look in self._grown.items() if look.whole and not look.wrong]

    @property
    def left_s(self) -> float:
        """How long none of them can be whole yet."""
        return min((look.left_s for look in self._grown.values()), default=0.0)

    async def present(self) -> dict[str, bytes]:
        """Names and contents of the files of the title now, whole or not."""
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
                self._first_seen_s.setdefault(name, self._clock.monotonic_s())
                data = await self._folder.read(name, longest=self._head_bytes)
                look = self._look(data)
                if self._by_name or look.wrong or self._wanted in (look.stated or ()):
                    if self._head_bytes >= 0:
                        data = await self._folder.read(name)
                        look = self._look(data)
                    found[name], grown[name] = data, look
                elif look.stated is not None and (look.whole or look.final):
                    self._foreign[name] = ", ".join(look.stated) or look.said
                else:
                    self._unknown[name] = look.said
        except DisconnectedError as error:
            self.unreadable = str(error)
        self._grown = grown
        return found

    async def must_read(self) -> None:
        """Look, and insist that it was possible; nothing settles by it.

        Raises:
            DisconnectedError: The folder, or a file in it, cannot be read.
        """
        await self.present()
        if self.unreadable:
            raise DisconnectedError(f"the folder cannot be read: {self.unreadable}")

    async def verdict(self, action: Action) -> Verdict:
        """Whether the file of an action is there; asking again collects it, or waits for it.

        Raises:
            DisconnectedError: As `must_read`.
        """
        await self.must_read()
        evidence = {"title": str(action.arguments["title"]), "seen": self.seen()}
        return Verdict("done" if self.whole else "not_done", evidence, remembered=True)

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
    """Waits for a file or a line as long as it may take, unless it is told to stop."""

    def __init__(self, clock: Clock, poll_s: float = LISTEN_S) -> None:
        self._clock = clock
        self._poll_s = poll_s
        self.abort = Abort("waiting was given up; the instrument goes on until somebody stops it")

    async def until_whole(self, watch: DropWatch, title: str, timeout_s: float) -> Found:
        """Return the file.

        Raises:
            InstrumentFaultError: `abort` was called; code "aborted".
            ReplyTimeoutError: No whole file in time; says what was found instead.
            MalformedReplyError: As for `DropWatch.take`.
        """
        self.abort.clear()
        deadline_s = self._clock.monotonic_s() + timeout_s
        while (found := await watch.take()) is None:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0 and (not watch.whole or left_s <= -SETTLING_S):
                raise ReplyTimeoutError(
                    f"no whole file of {title!r} within {timeout_s:.0f} s; {watch.seen()}"
                )
            wait_s = min(left_s, max(self._poll_s, watch.left_s))
            await self.abort.pause(wait_s if left_s > 0 else SETTLING_S)
        return found

    async def next_line(self, link: LineLink, until_s: float, so_far: str) -> bytes:
        """Return the next line of an instrument that speaks when it pleases, before `until_s` of the clock.

        Raises:
            InstrumentFaultError: `abort` was called; code "aborted".
            ReplyTimeoutError: None in time; says what came `so_far`.
        """
        while (left_s := until_s - self._clock.monotonic_s()) > 0:
            self.abort.check()
            with contextlib.suppress(ReplyTimeoutError):
                return await link.read_line(timeout_s=min(left_s, LISTEN_S))
        raise ReplyTimeoutError(f"{so_far} came within the expected time")


def folder_of(folder: DropFolder | None, what: str) -> DropFolder:
    """The folder into which an instrument drops its files.

    Raises:
        UserInputError: The lab file gives none.
    """
    if folder is None:
        raise UserInputError(f"{what} answers by files; give it an address like drop:FOLDER")
    return folder
