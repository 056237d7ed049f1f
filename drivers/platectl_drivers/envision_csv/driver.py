"""Waits for the export of one plate and takes one table of raw results from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    MalformedReplyError,
)
from platectl.hal.checks import check_counting, check_wells
from platectl.hal.counting import CounterFeatures, CountReading
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.reading import EndpointFeatures, EndpointRead, EndpointReading, Mode
from platectl.hal.recovery import Action, Verdict
from platectl.transport.drop_watch import DropWatch, Patience, States, expected, folder_of
from platectl_drivers.envision_csv.tables import Table, look, parse_export

MODEL: Final = "EnVision or EnSight"
MINUTE_S: Final = 60.0
#: how far a stated integration time may be from the one asked for
TIME_SHARE: Final = 0.01
OF_MODE: Final[dict[Mode, Literal["AU", "RFU", "CPS"]]] = {
    "absorbance": "AU", "fluorescence": "RFU", "luminescence": "CPS",
}  # fmt: skip


class Settings(BaseModel):
    """How a plate is told, which label is meant, and patience.

    `states` says what the export states of its plate: the title as bar-code, the bar-code in front of
    the title's last dash, or the title as the name of the file. `label` chooses among several tables of a
    plate: the name of the label (EnVision) or operation (Kaleido).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    states: States = "title"
    label: str = ""
    plate_wells: Literal[96, 384] = 96
    well_s: float = Field(default=0.5, ge=0, description="time of a well beside its integration")
    poll_s: float = Field(default=10.0, gt=0)
    margin_s: float = Field(default=3600.0, ge=0)


class EnvisionCsv:
    """Collects results of one reader; satisfies `Counter`, and `EndpointReader` of `platectl.hal.reading`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="envision_csv",
        makes="PerkinElmer EnVision, Revvity EnSight (Kaleido), by CSV exports",
        interfaces=("EndpointReader", "Counter"),
        wire="files",
        source="exports of EnVision Workstation 1.13/1.14 and Kaleido 3.0/3.5, published with allotropy (readers 5.6)",
        unattested=(
            "whether CPS are corrected for dead time or afterglow",
            "what stands for an overflow: anything that is no number is refused",
            "partial plates of Kaleido",
        ),
        transcripts=("envision_csv_kaleido", "envision_csv_luminescence"),
    )
    Settings = Settings
    parse_export = staticmethod(parse_export)

    def __init__(self, setup: DriverSetup) -> None:
        self._settings = setup.settings_as(Settings)
        self._folder, self._clock = setup.folder, setup.clock
        self._patience = Patience(setup.clock, self._settings.poll_s)

    @property
    def features(self) -> CounterFeatures:
        """As a counter: one well at a time; a person presses start."""
        return CounterFeatures(
            started_by="operator", detectors=1, overhead_s=self._settings.well_s,
            plate_formats=(self._settings.plate_wells,),
            notes=("luminescence in counts per second is what is taken as counts",),
        )  # fmt: skip

    @property
    def endpoints(self) -> EndpointFeatures:
        """Any label that is set up at the reader; a person presses start."""
        return EndpointFeatures(
            modes=("absorbance", "fluorescence", "luminescence"), wavelengths_nm=(0.0, 1000.0),
            integration_s=(0.0, 3600.0), well_s=self._settings.well_s, started_by="operator",
            plate_formats=(self._settings.plate_wells,),
        )  # fmt: skip

    async def connect(self) -> Identity:
        """Look into the folder; the reader itself cannot be asked anything.

        Raises:
            DisconnectedError: The folder cannot be read.
            UserInputError: The lab file gives no folder.
        """
        await folder_of(self._folder, MODEL).names()
        return Identity(MODEL)

    async def observe(self) -> Identity:
        """Look into the folder; see `connect`."""
        return await self.connect()

    async def take_over(self) -> Identity:
        """Look into the folder; a reader that reads goes on."""
        return await self.connect()

    async def count(
        self, *, title: str, wells: Sequence[str], count_s: float
    ) -> tuple[CountReading, ...]:
        """Collect a luminescence in counts per second, which a person has started.

        Counts are the rate times the stated integration time. Another time than `count_s` carries
        the flag `count_time`. Errors as for `read_endpoint`.
        """
        check_counting(wells, count_s)
        table = await self._collect(title, wells, "luminescence", count_s)
        return _counts(table, wells, count_s)

    async def read_endpoint(self, read: EndpointRead) -> EndpointReading:
        """Collect the table of one read, which a person has started.

        Wavelengths are those of the label that was chosen at the reader; the export names it.

        Raises:
            RefusedError: The title cannot be stated, or no wells; nothing was awaited.
            InstrumentFaultError: `abort` was called; the reader may go on.
            ReplyTimeoutError: No whole file in time; says what was found instead.
            MalformedReplyError: Damaged, of other wells, or not exactly one table is meant.
        """
        table = await self._collect(read.title, read.wells, read.mode, read.integration_s)
        return EndpointReading(
            read.wells, tuple(table.values[well] for well in read.wells), OF_MODE[read.mode],
            temperature_c=table.temperature_c, ended_at=table.ended_at,
            source=f"{table.source}: {table.label}",
        )  # fmt: skip

    async def reconcile(self, action: Action) -> Verdict:
        """Say whether the export is there; asking again collects it, or waits.

        Raises:
            DisconnectedError: The folder cannot be read.
        """
        if action.verb not in {"count", "read_endpoint"}:
            return Verdict("unknown", {"not_a_verb_of_this_reader": action.verb})
        title, wells = str(action.arguments["title"]), action.arguments["wells"]
        return await self._watch(title, wells).verdict(action)

    async def abort(self) -> None:
        """Stop waiting; the reader cannot be stopped from here."""
        self._patience.abort.call()

    async def aclose(self) -> None:
        """Nothing to give back."""

    def _watch(self, title: str, wells: Sequence[str]) -> DropWatch:
        """A bar-code may be that of several labware of a plate, which differ by their wells."""
        states = self._settings.states
        only = wells if states == "barcode" else None
        return DropWatch(
            folder_of(self._folder, MODEL), expected(title, states), lambda data: look(data, only),
            self._clock, by_name=states == "file",
        )  # fmt: skip

    async def _collect(
        self, title: str, wells: Sequence[str], mode: Mode, integration_s: float
    ) -> Table:
        check_wells(wells)
        timeout_s = len(wells) * (integration_s + self._settings.well_s) + self._settings.margin_s
        found = await self._patience.until_whole(self._watch(title, wells), title, timeout_s)
        table = self._meant(parse_export(found.data, found.name), title, mode, found.name)
        missing = [well for well in wells if well not in table.values]
        extra = [well for well in table.values if well not in set(wells)]
        if missing or extra:
            raise MalformedReplyError(
                f"{table.source}: wells missing: {', '.join(missing) or 'none'}; not asked for: "
                f"{', '.join(extra) or 'none'}"
            )
        return table

    def _meant(self, tables: Sequence[Table], title: str, mode: Mode, name: str) -> Table:
        """The one table of this plate, mode and label."""
        wanted = expected(title, self._settings.states)
        found = [
            table
            for table in tables
            if table.mode == mode
            and (self._settings.states == "file" or table.barcode == wanted)
            and table.label.startswith(self._settings.label)
        ]
        if len(found) != 1:
            there = "; ".join(f"{t.barcode}, {t.label} ({t.unit or t.mode})" for t in tables)
            raise MalformedReplyError(
                f"{name} has {len(found)} tables of {mode} of {wanted!r}, not one; set `label`; there is {there}"
            )
        return found[0]


def parse_counts(data: bytes, name: str) -> tuple[CountReading, ...]:
    """Read the one luminescence of a whole export as counts.

    Raises:
        MalformedReplyError: Damaged, or not exactly one table of luminescence.
    """
    tables = [table for table in parse_export(data, name) if table.mode == "luminescence"]
    if len(tables) != 1:
        raise MalformedReplyError(f"{name} has {len(tables)} tables of luminescence, not one")
    return _counts(tables[0], tuple(tables[0].values), None)


def _counts(table: Table, wells: Sequence[str], count_s: float | None) -> tuple[CountReading, ...]:
    live_s = table.integration_s
    if not live_s:
        raise MalformedReplyError(f"{table.source}: no integration time is stated")
    other = count_s is not None and abs(live_s - count_s) > TIME_SHARE * count_s
    if negative := [well for well in wells if table.values[well] < 0]:
        raise MalformedReplyError(f"{table.source}: counts below zero in {', '.join(negative)}")
    return tuple(
        CountReading(
            well, table.values[well] * MINUTE_S, round(table.values[well] * live_s), live_s,
            table.ended_at, source=table.source, flags=("count_time",) if other else (),
        )
        for well in wells
    )  # fmt: skip
