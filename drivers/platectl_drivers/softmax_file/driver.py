"""Waits for the export of one read and turns it into frames."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    RefusedError,
)
from platectl.domain.wells import PlateFormat
from platectl.hal.checks import check_title, check_wells, check_within
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.reading import Addition, Frame, InjectionLimits, KineticRead, ReaderFeatures
from platectl.hal.recovery import Action, Verdict
from platectl.transport.drop_watch import DropWatch, Found, Patience, folder_of
from platectl_drivers.softmax_file.export_file import parse_export
from platectl_drivers.softmax_file.frames import Timing, columns_of, items_of, sections_of
from platectl_drivers.softmax_file.traces import read_traces
from platectl_drivers.softmax_file.watch import look

MODEL: Final = "FlexStation 3"
PLATE: Final = PlateFormat.of(96)
#: a Flex read's time points end here
LONGEST_S: Final = 9999.0
VOLUME_UL: Final = (1.0, 200.0)
#: rates 1 to 8, 16 uL/s each
SPEED_UL_PER_S: Final = (16.0, 128.0)
#: verbs that a person does, or that nobody does
HARMLESS: Final = frozenset({"open_drawer", "close_drawer", "set_temperature"})
#: the pipettor's height is set as a volume that would stand as high
HEIGHT_UL: Final = (1.0, 300.0)


class Settings(BaseModel):
    """Settings of one reader; the package says how the times that no export states are used.

    `source` and `tips` are the positions of its compound plate and tip rack. `set_temperature_c` is
    what the incubator is set to at the reader. `well_area_mm2` turns the
    pipettor's height, which is set as a volume, into millimetres.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = ""
    tips: str = ""
    sections: Literal["plate", "column"] = "plate"
    column_overhead_s: float = Field(default=15.0, ge=0)
    channel_s: float = Field(default=0.0, ge=0)
    transfer_lag_s: float = Field(default=0.0, ge=0)
    least_interval_s: float = Field(default=1.5, gt=0)
    well_area_mm2: float = Field(default=32.0, gt=0)
    set_temperature_c: float | None = None
    poll_s: float = Field(default=5.0, gt=0)
    margin_s: float = Field(default=3600.0, ge=0)


class SoftmaxFile:
    """Collects the reads of one FlexStation 3; satisfies `platectl.hal.reading.PlateReader`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="softmax_file",
        makes="Molecular Devices FlexStation 3, by SoftMax Pro export files",
        interfaces=("PlateReader",),
        wire="files",
        source="SoftMax Pro user guide, export formats; public export files (readers 1.8, 1.10)",
        unattested=(
            "what the header of an export says of a Flex read",
            "when a column began, the time between two wavelengths, the time of the transfer",
            "the text of a saturated well",
        ),
        transcripts=("softmax_file_plate_format", "softmax_file_time_format"),
    )
    Settings = Settings
    parse_export = staticmethod(parse_export)
    read_traces = staticmethod(read_traces)

    def __init__(self, setup: DriverSetup) -> None:
        self._settings = setup.settings_as(Settings)
        self._clock = setup.clock
        self._folder = setup.folder
        self._patience = Patience(setup.clock, self._settings.poll_s)
        #: when reads in doubt were ordered, by title, on the host's clock
        self._ordered_s: dict[str, float] = {}

    @property
    def features(self) -> ReaderFeatures:
        """Column after column with its own pipettor; a person presses start."""
        area, set_c = self._settings.well_area_mm2, self._settings.set_temperature_c or 0.0
        return ReaderFeatures(
            geometry="column",
            excitation_nm=(250.0, 850.0),
            emission_nm=(250.0, 850.0),
            least_interval_s=self._settings.least_interval_s,
            temperature_c=(set_c, set_c),
            clock="instrument",
            delivery="after",
            started_by="operator",
            injection=InjectionLimits(
                volume_ul=VOLUME_UL,
                speed_ul_per_s=SPEED_UL_PER_S,
                height_mm=(HEIGHT_UL[0] / area, HEIGHT_UL[1] / area),
                needs_tips=True,
            ),
            notes=(
                "the plate section in SoftMax Pro must be called as the title asked for",
                "a person sees to drawer and temperature; the declared temperature is taken for it",
                "the export states no absolute time",
            ),
        )

    def read_duration_s(self, read: KineticRead) -> float:
        """Columns times the time of a column, with tips and aspirating before each."""
        return len(columns_of(read)) * self._column_period_s(read)

    async def connect(self) -> Identity:
        """Look into the folder; the reader itself cannot be asked anything.

        Raises:
            DisconnectedError: The folder cannot be read.
            UserInputError: The lab file gives no folder.
        """
        await folder_of(self._folder, MODEL).names()
        return Identity(MODEL)

    async def set_temperature(self, temperature_c: float | None) -> None:
        """Accept what the reader is set to; nothing else can be had from here.

        Raises:
            RefusedError: Another temperature than the one in the settings.
        """
        if temperature_c not in {None, self._settings.set_temperature_c}:
            raise RefusedError(
                f"{temperature_c:g} C must be set in SoftMax Pro and stated as set_temperature_c"
            )

    async def read_temperature_c(self) -> float:
        """Return what the lab file declares; the reader states its own in the export only.

        Raises:
            RefusedError: Nothing is declared.
        """
        if self._settings.set_temperature_c is None:
            raise RefusedError("SoftMax Pro states the temperature in the export only")
        return self._settings.set_temperature_c

    async def open_drawer(self) -> None:
        """Refuse: a person opens the drawer.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError("the drawer of this reader is opened by a person")

    async def close_drawer(self) -> None:
        """Refuse: a person closes the drawer.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError("the drawer of this reader is closed by a person")

    async def read_kinetic(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Wait for the export with this title and yield what it holds, column after column.

        While waiting, a folder or file that cannot be read is tried again until the time is over.

        Raises:
            RefusedError: Outside `features`, or a file with the title is there already.
            InstrumentFaultError: `aborted`, the reader may go on; `incomplete`, some columns were
                not read, what was yielded is valid.
            ReplyTimeoutError: No whole file with the title in time; says what was found instead.
            MalformedReplyError: The file breaks its format, was read with other settings, or two
                whole files carry the title.
        """
        self._check(read)
        read = replace(read, columns=columns_of(read))
        begun_s = self._clock.monotonic_s()
        watch = self._watch(read.title)
        there = list(await watch.present())
        if watch.unreadable:
            raise RefusedError(f"exports could not be collected: {watch.unreadable}")
        if there:
            raise RefusedError(
                f"{', '.join(there)} carries the title {read.title!r} before anything was read"
            )
        async for item in self._collect(watch, read, begun_s):
            yield item

    async def reattach(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Wait for the export of a read that a person has started, or take it if it is there.

        Of a file that is there at once nobody saw when it came: its read is then taken to have
        begun when it was ordered. One that is not there is waited for as long as for a new read.
        """
        self._check(read)
        read = replace(read, columns=columns_of(read))
        begun_s = self._ordered_s.get(read.title, self._clock.monotonic_s())
        watch = self._watch(read.title)
        await watch.present()
        at_once = bool(watch.whole)
        async for item in self._collect(watch, read, begun_s, at_once=at_once):
            yield item

    async def observe(self) -> Identity:
        """Look into the folder; see `connect`."""
        return await self.connect()

    async def take_over(self) -> Identity:
        """Look into the folder; a reader that reads goes on."""
        return await self.connect()

    async def reconcile(self, action: Action) -> Verdict:
        """Say whether the export of a read is there, whole or growing.

        Without one it is `running`: a person started it before the action was sent, or will.

        Raises:
            DisconnectedError: The folder cannot be read.
        """
        if action.verb in HARMLESS:
            return Verdict("not_done", {"harmless": action.verb}, remembered=True)
        if action.verb != "read_kinetic":
            return Verdict("unknown", {"not_a_verb_of_this_reader": action.verb})
        title = str(action.arguments["title"])
        passed_s = (self._clock.now() - action.sent_at).total_seconds()
        self._ordered_s[title] = self._clock.monotonic_s() - passed_s
        watch = self._watch(title)
        await watch.must_read()
        whole = watch.whole
        evidence = {"title": title, "whole": whole, "sent_s_ago": passed_s, "seen": watch.seen()}
        if len(whole) > 1:
            return Verdict("unknown", evidence)
        return Verdict("done" if whole else "running", evidence)

    async def _collect(
        self, watch: DropWatch, read: KineticRead, begun_s: float, *, at_once: bool = False
    ) -> AsyncIterator[Frame | Addition]:
        timeout_s = self.read_duration_s(read) + self._settings.margin_s
        found = await self._patience.until_whole(watch, read.title, timeout_s)
        export = parse_export(found.data, found.name)
        per_column = self._settings.sections == "column"
        sections = sections_of(export, read, per_column=per_column, name=found.name)
        timing = self._timing(read, found, begun_s)
        if at_once:
            first_s = begun_s + self._settings.column_overhead_s
            timing = replace(timing, first_s=min(timing.first_s, first_s))
        for item in items_of(sections, read, timing, found.name):
            yield item

    async def abort(self) -> None:
        """Stop waiting; the reader cannot be stopped from here."""
        self._patience.abort.call()

    async def aclose(self) -> None:
        """Nothing to give back."""

    def _timing(self, read: KineticRead, found: Found, begun_s: float) -> Timing:
        """Count back from when the file was first seen; nothing was read before the wait began."""
        period_s = self._column_period_s(read)
        taken_s = len(read.columns) * period_s - self._settings.column_overhead_s
        return Timing(
            first_s=max(begun_s, found.seen_s - taken_s),
            column_period_s=period_s,
            channel_s=self._settings.channel_s,
            transfer_lag_s=self._settings.transfer_lag_s,
        )

    def _column_period_s(self, read: KineticRead) -> float:
        return read.baseline_s + read.record_s + self._settings.column_overhead_s

    def _check(self, read: KineticRead) -> None:
        check_title(read.title)
        self._check_wells(read)
        known = self.features
        for channel in read.channels:
            check_within(channel.excitation_nm, known.excitation_nm, "excite at", "nm")
            check_within(channel.emission_nm, known.emission_nm, "read at", "nm")
        times = (read.interval_s, read.baseline_s, read.record_s)
        if (
            not all(map(math.isfinite, times))
            or read.interval_s < known.least_interval_s
            or min(times) < 0
            or read.baseline_s + read.record_s > LONGEST_S
        ):
            raise RefusedError(
                f"an interval of {read.interval_s:g} s over {read.baseline_s:g} s and "
                f"{read.record_s:g} s; at least {known.least_interval_s:g} s, at most "
                f"{LONGEST_S:g} s in all"
            )
        self._check_injection(read, known.injection)

    def _check_wells(self, read: KineticRead) -> None:
        check_wells(read.wells)
        if not read.channels or len(set(read.channels)) != len(read.channels):
            raise RefusedError("give each channel once")
        if strange := [well for well in read.wells if well not in PLATE.by_row()]:
            raise RefusedError(f"{strange[0]} is no well of a 96-well plate")
        columns, order = {int(well[1:]) for well in read.wells}, columns_of(read)
        if set(order) != columns or len(order) != len(columns):
            raise RefusedError("columns must name every column of the wells once")
        neighbours = tuple(range(min(columns), max(columns) + 1))
        if self._settings.sections == "plate" and order != neighbours:
            raise RefusedError(
                "in one plate section the reader takes neighbouring columns from left to right; "
                "use sections: column for another order"
            )

    def _check_injection(self, read: KineticRead, limits: InjectionLimits | None) -> None:
        if read.injection is None or limits is None:
            return
        for value, range_, unit in (
            (read.injection.volume_ul, limits.volume_ul, "uL"),
            (read.injection.speed_ul_per_s, limits.speed_ul_per_s, "uL/s"),
            (read.injection.height_mm, limits.height_mm, "mm"),
        ):
            check_within(value, range_, "add", unit)

    def _watch(self, title: str) -> DropWatch:
        return DropWatch(folder_of(self._folder, MODEL), title, look, self._clock)
