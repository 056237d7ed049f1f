"""Waits for the export file of one measurement and turns it into readings."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    MalformedReplyError,
)
from platectl.hal.checks import check_counting, check_title
from platectl.hal.counting import CounterFeatures, CountReading
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.transport.drop_watch import DropWatch, Look, Patience, folder_of
from platectl_drivers.hidex300.export_file import parse_file, progress

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
        self._patience = Patience(setup.clock, self._settings.poll_s)

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
        await folder_of(self._folder, MODEL).names()
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
        timeout_s = len(wells) * (count_s + self._settings.overhead_s) + self._settings.margin_s
        watch = self._watch(title, len(wells), count_s)
        found = await self._patience.until_whole(watch, title, timeout_s)
        return _take(parse_file(found.data, found.name), found.name, wells, count_s)

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
        """
        if action.verb != "count":
            return Verdict("unknown", {"not_a_verb_of_this_counter": action.verb})
        title, wells = str(action.arguments["title"]), action.arguments["wells"]
        return await self._watch(title, len(wells), float(action.arguments["count_s"])).verdict(
            action
        )

    async def abort(self) -> None:
        """Stop waiting; the counter cannot be stopped from here."""
        self._patience.abort.call()

    async def aclose(self) -> None:
        """Nothing to give back."""

    def _watch(self, title: str, readings: int, count_s: float) -> DropWatch:
        folder = folder_of(self._folder, MODEL)
        look = partial(_look, readings=readings, count_s=count_s)
        return DropWatch(folder, title, look, self._clock, head_bytes=HEAD_BYTES)


def _look(data: bytes, readings: int, count_s: float) -> Look:
    """How far a file has grown; a reading never takes less than its counting time."""
    grown = progress(data)
    said = f"has {grown.readings} of {readings} readings"
    if grown.further_lines:
        said += f" and {grown.further_lines} further lines"
    return Look(
        None if grown.title is None else (grown.title,),
        whole=grown.whole and grown.readings >= readings, said=said, final=True,
        left_s=max(0, readings - grown.readings) * count_s,
    )  # fmt: skip


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
