"""Waits for the export file of one measurement and turns it into readings."""

from __future__ import annotations

import asyncio
from collections import Counter as Multiset
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    MalformedReplyError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.hal.checks import check_counting, check_title
from platectl.hal.counting import CounterFeatures, CountReading
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Fate, Verdict
from platectl.hal.stream import DropFolder
from platectl_drivers.hidex300.export_file import Progress, parse_file, progress

MODEL: Final = "Hidex 300 SL"
LEAST_LIVE_FRACTION: Final = 0.9
#: at the beginning of a file, within which its title line ends
HEAD_BYTES: Final = 4096


class Settings(BaseModel):
    """Settings of one counter.

    `overhead_s` is what a reading takes beside counting; `margin_s` is granted on top of the
    expected time, and covers the person who has yet to press start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    poll_s: float = Field(default=30.0, gt=0)
    overhead_s: float = Field(default=102.0, ge=0)
    margin_s: float = Field(default=3600.0, ge=0)


class Hidex300:
    """Collects the results of one Hidex 300 SL; satisfies `platectl.hal.counting.Counter`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="hidex300",
        makes="Hidex 300 SL",
        interfaces=("Counter",),
        wire="files",
        source="22 export files of a metrology laboratory, published with metpyrad",
        unattested=(
            "files from microplates: the captured ones are from vials",
            "what a dead photomultiplier looks like in a file",
        ),
        transcripts=("hidex300_one_well",),
    )
    Settings = Settings
    parse_file = staticmethod(parse_file)

    def __init__(self, setup: DriverSetup) -> None:
        self._settings = setup.settings_as(Settings)
        self._clock = setup.clock
        self._folder = setup.folder
        self._aborted = asyncio.Event()

    @property
    def features(self) -> CounterFeatures:
        """One well at a time; a person presses start."""
        return CounterFeatures(
            started_by="operator",
            detectors=1,
            overhead_s=self._settings.overhead_s,
            notes=(
                "the title that is typed into the counter's software must be the one asked for",
            ),
        )

    async def connect(self) -> Identity:
        """Look into the folder; the counter itself cannot be asked anything.

        Raises:
            DisconnectedError: The folder cannot be read.
            UserInputError: The lab file gives no folder.
        """
        await self._drop().names()
        return Identity(MODEL)

    async def count(
        self, *, title: str, wells: Sequence[str], count_s: float
    ) -> tuple[CountReading, ...]:
        """Wait for the file with this title line and as many readings as wells, and read it.

        A reading whose counting time is not `count_s` carries the flag `count_time`. While
        waiting, a folder or file that cannot be read is tried again until the time is over.

        Raises:
            RefusedError: The title cannot stand in such a file, or no wells; nothing was awaited.
            InstrumentFaultError: `abort` was called; the counter may go on counting.
            ReplyTimeoutError: No whole file with the title in time; says what was found instead.
            MalformedReplyError: The file breaks its format, or holds other wells, or two whole
                files carry the title.
        """
        check_title(title)
        check_counting(wells, count_s)
        self._aborted.clear()
        whole_s = len(wells) * (count_s + self._settings.overhead_s) + self._settings.margin_s
        deadline_s = self._clock.monotonic_s() + whole_s
        watch = _Watch(self._drop(), title, len(wells))
        while (found := await watch.look()) is None:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                raise ReplyTimeoutError(
                    f"no whole file titled {title!r} within {whole_s:.0f} s; {watch.seen()}"
                )
            await self._pause(min(left_s, max(self._settings.poll_s, watch.missing * count_s)))
        name, data = found
        return _take(parse_file(data, name), name, wells, count_s)

    async def observe(self) -> Identity:
        """Look into the folder; see `connect`."""
        return await self.connect()

    async def take_over(self) -> Identity:
        """Look into the folder; a counter that counts goes on."""
        return await self.connect()

    async def reconcile(self, action: Action) -> Verdict:
        """Say whether the file of a count is there; calling `count` again collects it, or waits.

        Raises:
            DisconnectedError: The folder cannot be read.
            MalformedReplyError: Two whole files carry the title.
        """
        if action.verb != "count":
            return Verdict("unknown", {"not_a_verb_of_this_counter": action.verb})
        title = str(action.arguments["title"])
        watch = _Watch(self._drop(), title, len(action.arguments["wells"]))
        await watch.look()
        if watch.unreadable:
            raise DisconnectedError(f"the folder cannot be read: {watch.unreadable}")
        fate: Fate = "done" if watch.whole else "not_done"
        return Verdict(fate, {"title": title, "seen": watch.seen()}, remembered=True)

    async def abort(self) -> None:
        """Stop waiting; the counter cannot be stopped from here."""
        self._aborted.set()

    async def aclose(self) -> None:
        """Nothing to give back."""

    def _drop(self) -> DropFolder:
        if self._folder is None:
            raise UserInputError(
                "a Hidex 300 answers by files; give it an address like drop:FOLDER"
            )
        return self._folder

    async def _pause(self, duration_s: float) -> None:
        try:
            async with asyncio.timeout(duration_s):
                await self._aborted.wait()
        except TimeoutError:
            return
        raise InstrumentFaultError(
            "waiting for the file was given up; the counter goes on until somebody stops it",
            code="aborted",
        )


class _Watch:
    """Looks for one title in a folder; reads of foreign files no more than the head, once.

    `missing` is the number of readings that the file with the title still lacks, by which the
    next look can wait: a reading never takes less than its counting time.
    """

    def __init__(self, folder: DropFolder, title: str, readings: int) -> None:
        self._folder = folder
        self._title = title
        self._readings = readings
        self._foreign: dict[str, str] = {}
        self._before: dict[str, bytes] = {}
        self._grown: dict[str, Progress] = {}
        self.unreadable = ""
        self.missing = 0

    async def look(self) -> tuple[str, bytes] | None:
        """Return name and content of the file once it is whole and unchanged since the last look.

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
        furthest = max((grown.readings for grown in self._grown.values()), default=None)
        self.missing = 0 if furthest is None else max(0, self._readings - furthest)
        return (settled[0], ours[settled[0]]) if settled else None

    @property
    def whole(self) -> list[str]:
        """Names of the files with the title that had all readings at the last look."""
        return [n for n, p in self._grown.items() if p.whole and p.readings >= self._readings]

    async def _ours(self) -> dict[str, bytes]:
        ours: dict[str, bytes] = {}
        self.unreadable = ""
        try:
            for name in await self._folder.names():
                if name in self._foreign:
                    continue
                title = progress(await self._folder.read(name, longest=HEAD_BYTES)).title
                if title == self._title:
                    ours[name] = await self._folder.read(name)
                elif title is not None:
                    self._foreign[name] = title
        except DisconnectedError as error:
            self.unreadable = str(error)
        return ours

    def seen(self) -> str:
        """Say what is in the folder instead."""
        if self.unreadable:
            return f"the folder could not be read at last: {self.unreadable}"
        if self._grown:
            return "; ".join(
                f"{name} has {grown.readings} of {self._readings} readings"
                + (f" and {grown.further_lines} further lines" if grown.further_lines else "")
                for name, grown in self._grown.items()
            )
        others = ", ".join(f"{name} ({title[:40]!r})" for name, title in self._foreign.items())
        return f"files with other titles: {others}" if others else "the folder holds no file"


def _take(
    readings: Sequence[CountReading], name: str, wells: Sequence[str], count_s: float
) -> tuple[CountReading, ...]:
    """Check that every well asked for was read once, and nothing else; order as asked for."""
    found = Multiset(reading.well for reading in readings)
    if found != Multiset(wells):
        missing = ", ".join(sorted(set(wells) - set(found))) or "none"
        extra = ", ".join(sorted((found - Multiset(wells)).keys())) or "none"
        raise MalformedReplyError(f"{name}: wells missing: {missing}; not asked for: {extra}")
    by_well = {reading.well: _flag_time(reading, count_s) for reading in readings}
    return tuple(by_well[well] for well in wells)


def _flag_time(reading: CountReading, count_s: float) -> CountReading:
    """Flag a live time that no reading of `count_s` has; dead time takes a few per cent at most."""
    if LEAST_LIVE_FRACTION * count_s <= reading.live_s <= count_s:
        return reading
    return replace(reading, flags=(*reading.flags, "count_time"))
