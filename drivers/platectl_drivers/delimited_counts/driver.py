"""Waits for the file of one plate, or hears its lines, and turns them into readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from platectl.domain.errors import (
    LinkError,
    MalformedReplyError,
)
from platectl.hal.checks import check_counting
from platectl.hal.counting import CounterFeatures, CountReading
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.drop_watch import DropWatch, Patience, expected, folder_of
from platectl.transport.line import InstrumentLine, LineLink
from platectl_drivers.delimited_counts.layout import (
    Counted,
    Line,
    Settings,
    in_order,
    look,
    parse_lines,
    read_file,
    take,
)

MODEL: Final = "counter with delimited counts"


class DelimitedCounts:
    """Collects the results of one counter; satisfies `platectl.hal.counting.Counter`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="delimited_counts",
        makes="Packard TopCount, Wallac MicroBeta and TriLux, Packard Tri-Carb, by delimited lines that a lab declares",
        interfaces=("Counter",),
        wire="files",
        lines=(SerialLine(9600, bytesize=7, parity="E"),),
        source="Tricarb Monitor documentation; Taylor & Francis 10.1201/9781482269802-25 (readers 5.4, 5.5)",
        unattested=(
            "every layout: no verbatim file is public, so that the lab file declares it",
            "whether rates are corrected for dead time or normalised: they are taken as they stand",
        ),
        transcripts=(
            "delimited_counts_microbeta",
            "delimited_counts_topcount",
            "delimited_counts_tricarb",
        ),
    )
    Settings = Settings
    parse_lines = staticmethod(parse_lines)
    read_file = staticmethod(read_file)

    def __init__(self, setup: DriverSetup) -> None:
        self._settings = setup.settings_as(Settings)
        self._setup = setup
        self._folder = setup.folder
        self._patience = Patience(setup.clock, self._settings.poll_s)
        end = self._settings.end.encode()
        self._line = InstrumentLine(setup.open_stream, "the counter", tx_end=b"", rx_end=end)

    @property
    def features(self) -> CounterFeatures:
        """Detectors and overhead as declared; a person presses start."""
        return CounterFeatures(
            started_by="operator", detectors=self._settings.detectors, overhead_s=self._settings.overhead_s,
            plate_formats=(self._settings.plate_wells,),
            notes=("the counter's software must write the layout that the lab file declares",),
        )  # fmt: skip

    async def connect(self) -> Identity:
        """Look into the folder, or open the line; the counter cannot be asked anything.

        Raises:
            DisconnectedError: Folder or line cannot be opened.
        """
        if self._folder is not None:
            await self._folder.names()
        else:
            await self._line.open()
        return Identity(MODEL)

    async def observe(self) -> Identity:
        """As `connect`; nothing is ever sent."""
        return await self.connect()

    async def take_over(self) -> Identity:
        """As `connect`; a counter that counts goes on."""
        return await self.connect()

    async def count(
        self, *, title: str, wells: Sequence[str], count_s: float
    ) -> tuple[CountReading, ...]:
        """Collect the readings of these wells, which a person has started.

        A reading whose stated counting time is not `count_s` carries the flag `count_time`.

        Raises:
            RefusedError: No file can state the title, or no wells; nothing was awaited.
            InstrumentFaultError: `abort` was called; the counter may go on counting.
            ReplyTimeoutError: No whole result in time; says what was found instead.
            MalformedReplyError: Something is not as declared, or of other wells or another plate.
        """
        check_counting(wells, count_s)
        groups = -(-len(wells) // self._settings.detectors)
        timeout_s = groups * (count_s + self._settings.overhead_s) + self._settings.margin_s
        if self._folder is None:
            return await self._heard(title, wells, count_s, timeout_s)
        watch = self._watch(title, wells)
        found = await self._patience.until_whole(watch, title, timeout_s)
        counted = parse_lines(found.data, found.name, self._settings, count_s)
        if self._settings.states != "file":
            self._of_plate(counted, title, found.name)
        return in_order(counted, wells, found.name)

    async def reconcile(self, action: Action) -> Verdict:
        """Say whether the file of a count is there; calling `count` again collects it, or waits.

        Lines that came while nobody listened are lost, and the plate has to be counted again.

        Raises:
            DisconnectedError: The folder cannot be read.
        """
        if action.verb != "count":
            return Verdict("unknown", {"not_a_verb_of_this_counter": action.verb})
        title, wells = str(action.arguments["title"]), action.arguments["wells"]
        if self._folder is None:
            await self.connect()
            return Verdict("not_done", {"title": title, "lines": "are not kept"}, remembered=True)
        return await self._watch(title, wells).verdict(action)

    async def abort(self) -> None:
        """Stop waiting; the counter cannot be stopped from here."""
        self._patience.abort.call()

    async def aclose(self) -> None:
        """Close the line, if there is one."""
        await self._line.aclose()

    # A file ---------------------------------------------------------------------------------
    def _watch(self, title: str, wells: Sequence[str]) -> DropWatch:
        states = self._settings.states
        return DropWatch(
            folder_of(self._folder, MODEL), expected(title, states),
            lambda data: look(data, self._settings, wells), self._setup.clock, by_name=states == "file",
        )  # fmt: skip

    def _of_plate(self, counted: Sequence[Counted], title: str, name: str) -> None:
        """Every line states the plate."""
        wanted = expected(title, self._settings.states)
        if wrong := next((item for item in counted if item.plate != wanted), None):
            raise MalformedReplyError(
                f"{wrong.reading.source}: of plate {wrong.plate!r}, while {name} is of {wanted!r}"
            )

    # A line ---------------------------------------------------------------------------------
    async def _heard(
        self, title: str, wells: Sequence[str], count_s: float, timeout_s: float
    ) -> tuple[CountReading, ...]:
        """Hear as many lines as there are wells, and nothing that came before."""
        link = self._line.link
        self._patience.abort.clear()
        deadline_s = self._setup.clock.monotonic_s() + timeout_s
        counted: list[Counted] = []
        states_plate = "plate" in self._settings.columns
        try:
            await link.drain(quiet_s=0.0)
            for number, well in enumerate(wells, start=1):
                line = await self._next(link, number, len(wells), deadline_s)
                counted.append(take(line, self._settings, count_s))
                if not states_plate and counted[-1].reading.well != well:
                    raise line.error(f"well {counted[-1].reading.well} came, {well} is next")
            if states_plate:
                self._of_plate(counted, title, "the line")
            return in_order(counted, wells, "the line")
        except LinkError:
            await self.aclose()  # what the counter goes on to say belongs to nobody
            raise

    async def _next(self, link: LineLink, number: int, of: int, deadline_s: float) -> Line:
        data = await self._patience.next_line(link, deadline_s, f"{number - 1} of {of} wells")
        try:
            return Line("line", number, data.decode(self._settings.encoding))
        except UnicodeDecodeError as error:
            raise MalformedReplyError(f"line:{number}: not text: {data[:40]!r}") from error
