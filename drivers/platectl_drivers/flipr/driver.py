"""Takes plates in, starts the protocol that fits, follows it and collects its export."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterable
from typing import ClassVar, Final, TypeVar

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentError,
    InstrumentFaultError,
    LinkError,
    RefusedError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.domain.wells import PlateFormat
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.reading import Addition, Frame, InjectionLimits, KineticRead, ReaderFeatures
from platectl_drivers.flipr.conversation import Conversation
from platectl_drivers.flipr.frames import items_of, sequence_of
from platectl_drivers.flipr.settings import Settings, fitting_protocol
from platectl_drivers.flipr.watch import ExportWatch
from platectl_drivers.flipr.wire import (
    LONGEST_BARCODE,
    Configuration,
    Status,
    check_condition,
    check_ok,
    parse_configuration,
    parse_status,
    write_command,
)

T = TypeVar("T")

REPLY_S: Final = 10.0
#: how often a status is asked for again before the conversation is given up
TRIES: Final = 3
TIPS: Final = "tips"
PLATE: Final = PlateFormat.of(96)
_TITLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")


class Flipr:
    """Drives one FLIPR Tetra; satisfies `platectl.hal.reading.PlateReader`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="flipr",
        makes="Molecular Devices FLIPR Tetra, by ScreenWorks",
        interfaces=("PlateReader",),
        wire="tcp",
        source="FLIPR Tetra user guide 0112-0109 H, the pages that are public (readers 4.1)",
        unattested=(
            "the TCP port: it must stand in the address",
            "how the status spells remote, online and the plates",
            "the flag of loadplate, and whether it answers before or after the movement",
            "the time between the answer to runexperiment and the first frame",
            "the layout of exported time sequences: platectl defines one",
        ),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self._settings = setup.settings
        self._clock = setup.clock
        self._folder = setup.folder
        self._talk = Conversation(setup.open_stream)
        self._configuration: Configuration | None = None
        self._aborted = asyncio.Event()
        self._running = False

    @property
    def features(self) -> ReaderFeatures:
        """What the declared protocols can do; a whole plate at once, with 96 tips."""
        protocols = list(self._settings.protocols.values())
        adding = [p for p in protocols if p.volume_ul is not None]
        set_c = self._settings.set_temperature_c or 0.0
        return ReaderFeatures(
            geometry="plate",
            excitation_nm=_range(x for p in protocols for x, _ in p.channels),
            emission_nm=_range(m for p in protocols for _, m in p.channels),
            least_interval_s=min((p.interval_s for p in protocols), default=0.0),
            temperature_c=(set_c, set_c),
            clock="instrument",
            delivery="after",
            injection=InjectionLimits(
                volume_ul=_range(p.volume_ul for p in adding),
                speed_ul_per_s=_range(p.speed_ul_per_s for p in adding),
                height_mm=_range(p.height_mm for p in adding),
                needs_tips=True,
            )
            if adding
            else None,
            no_injection="" if adding else "no declared protocol makes an addition",
            notes=(
                "a read must be contained exactly in one of the declared protocols",
                "an addition goes into all 96 wells, whatever wells are read",
                "the stage's temperature is set at the instrument; the declared one is taken for it",
            ),
        )

    def read_duration_s(self, read: KineticRead) -> float:
        """Preparation, baseline and record of the protocol that fits; refuses as `read_kinetic`."""
        protocol = fitting_protocol(read, self._settings.protocols)
        return protocol.preparation_s + protocol.baseline_s + protocol.record_s

    async def connect(self) -> Identity:
        """Ask version, status and configuration; nothing moves.

        Raises:
            InstrumentFaultError: `manual`, `offline`, or the fault that it states.
            LinkError: No usable answer; nothing was moved.
            UserInputError: The lab file gives no folder for the exports.
        """
        self._watch("")
        self._aborted.clear()
        await self._talk.begin()
        version = await self._ask("version", lambda answer: check_condition(answer, "version"))
        status = await self._status()
        self._configuration = await self._ask(
            "configuration", lambda a: parse_configuration(check_condition(a, "configuration"))
        )
        _check_health(status)
        return Identity(status.instrument, firmware=f"{version} of {status.version}")

    async def set_temperature(self, temperature_c: float | None) -> None:
        """Accept what the stage is set to; nothing else can be had from here.

        Raises:
            RefusedError: Another temperature than the one in the settings.
        """
        if temperature_c not in {None, self._settings.set_temperature_c}:
            raise RefusedError(
                f"{temperature_c:g} C must be set at the FLIPR and stated as set_temperature_c"
            )

    async def read_temperature_c(self) -> float:
        """Return what the lab file declares; no public command tells it.

        Raises:
            RefusedError: Nothing is declared.
        """
        if self._settings.set_temperature_c is None:
            raise RefusedError("the FLIPR does not tell its temperature over the wire")
        return self._settings.set_temperature_c

    async def open_drawer(self) -> None:
        """Put out whatever stands inside, onto the landing pads; harmless when nothing does."""
        self._aborted.clear()
        status = await self._ready()
        for place in ("re", "s1", "ti"):
            if status.plates[place] is not None:
                await self._move(write_command("removeplate", place))

    async def close_drawer(self) -> None:
        """Do nothing: a read takes in what it needs, because it knows the barcodes."""

    async def read_kinetic(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Take in plates and tips, run the protocol that fits, and yield what it exported.

        Raises:
            RefusedError: No declared protocol contains the read, or it cannot be asked for.
            InstrumentFaultError: A condition code or the fault that the status states, `aborted`,
                or another plate is inside (`plate`); the export of a run that broke off has been
                yielded as far as there is one.
            LinkError: As above; the run may go on. Says what the status said last.
        """
        protocol = fitting_protocol(read, self._settings.protocols)
        run = write_command("runexperiment", f"{self._settings.data_folder}\\{read.title}.fmd")
        watch = self._watch(run.partition("\t")[2])
        await self._check(read, watch)
        self._aborted.clear()
        await self._take_in(read)
        await self._do(write_command("openprotocol", protocol.path))
        try:
            begun_s, failure = await self._run(run, self.read_duration_s(read))
        except asyncio.CancelledError:
            await self.abort()
            raise
        found = None
        if failure is None and (found := await watch.whole(self._settings.export_s)) is None:
            failure = ReplyTimeoutError(
                f"the run is over, but no whole export came within {self._settings.export_s:g} s"
                + (f"; {watch.unreadable}" if watch.unreadable else "")
            )
        if failure is not None:
            found = await watch.remains()
        if found is not None and (
            sequence := sequence_of(found, read, protocol, broken=failure is not None)
        ):
            for item in items_of(sequence, read, begun_s=begun_s, name=found.name):
                yield item
            if failure is None and not sequence.ended:
                failure = InstrumentFaultError(f"{found.name}: the run was stopped", code="stopped")
        if failure is not None:
            raise failure

    async def abort(self) -> None:
        """Stop the experiment that this driver started, if there is one; that leads to a fault."""
        self._aborted.set()
        if self._running:
            await self._talk.shout("stopexperiment")

    async def aclose(self) -> None:
        """Close; plates and a run stay as they are."""
        await self._talk.aclose()

    # Before a run ---------------------------------------------------------------------------
    async def _check(self, read: KineticRead, watch: ExportWatch) -> None:
        if not _TITLE.fullmatch(read.title):
            raise RefusedError(f"{read.title!r} cannot be the name of a data file")
        if not read.bottom:
            raise RefusedError("a FLIPR reads through the bottom")
        if not read.wells or len(set(read.wells)) != len(read.wells):
            raise RefusedError("give each well once")
        if strange := [well for well in read.wells if well not in PLATE.by_row()]:
            raise RefusedError(f"{strange[0]} is no well of a 96-well plate")
        for barcode in (read.plate, read.injection.source if read.injection else TIPS):
            write_command("loadplate", barcode)
            if len(barcode) > LONGEST_BARCODE or " " in barcode:
                raise RefusedError(f"{barcode!r} cannot be a bar-code of this FLIPR")
        self._check_bands(read)
        there = sorted(await watch.present())
        if watch.unreadable:
            raise RefusedError(f"exports could not be collected: {watch.unreadable}")
        if there:
            raise RefusedError(f"{', '.join(there)} was exported before this read began")

    def _check_bands(self, read: KineticRead) -> None:
        if self._configuration is None:
            raise DisconnectedError("FLIPR is not connected")
        for channel in read.channels:
            for value, bands in (
                (channel.excitation_nm, self._configuration.excitation_nm),
                (channel.emission_nm, self._configuration.emission_nm),
            ):
                if not any(low <= value <= high for low, high in bands):
                    fitted = ", ".join(f"{low:g}-{high:g}" for low, high in bands) or "nothing"
                    raise RefusedError(f"{value:g} nm is not among what is fitted: {fitted} nm")

    async def _take_in(self, read: KineticRead) -> None:
        """Load what the read needs and is not inside yet.

        Raises:
            InstrumentFaultError: `plate`: something else is inside.
        """
        wanted = {"re": read.plate}
        if read.injection is not None:
            wanted |= {"s1": read.injection.source, "ti": TIPS}
        status = await self._ready()
        for place, barcode in wanted.items():
            inside = status.plates[place]
            if inside and inside != barcode and place != "ti":
                raise InstrumentFaultError(
                    f"{inside} is inside the FLIPR at {place}, not {barcode}", code="plate"
                )
        for place, barcode in wanted.items():
            if status.plates[place] is None:
                flag = self._settings.loadplate_flag
                await self._move(write_command("loadplate", place, flag, barcode))

    async def _move(self, command: str) -> None:
        """Have the plate handler do something; one that is busy has not begun, so ask again."""
        due_s = self._clock.monotonic_s() + self._settings.handler_s
        while True:
            try:
                await self._do(command, timeout_s=self._settings.handler_s)
                break
            except InstrumentFaultError as error:
                if error.code.lower() != "c10" or self._clock.monotonic_s() >= due_s:
                    raise
            await self._pause()
        while (await self._ready()).state == "busy":
            if self._clock.monotonic_s() >= due_s:
                raise ReplyTimeoutError(f"FLIPR is busy for long with {command!r}")
            await self._pause()

    # The run --------------------------------------------------------------------------------
    async def _run(self, command: str, duration_s: float) -> tuple[float, InstrumentError | None]:
        """Start the run, once, and follow it; say when it began and what broke it off, if anything.

        Raises:
            InstrumentFaultError: The start was refused with a condition code.
        """
        self._stop_if_aborted()
        begun_s, self._running = self._clock.monotonic_s(), True
        try:
            await self._do(command)
        except InstrumentFaultError:
            self._running = False
            raise
        except LinkError as error:
            known = await self._last_known()
            return begun_s, LinkError(f"no usable answer to runexperiment ({error}); {known}")
        begun_s = self._clock.monotonic_s()
        failure: InstrumentError | None = None
        try:
            await self._until_over(begun_s + duration_s)
        except InstrumentError as error:
            failure = error
        return begun_s, failure

    async def _until_over(self, over_s: float) -> None:
        """Follow the run; one that the status does not know yet counts as begun until its time."""
        seen = False
        while True:
            await self._pause()
            status = await self._status()
            seen = seen or status.running
            late_s = self._clock.monotonic_s() - over_s
            self._running = status.running or (not seen and late_s < 0)
            _check_health(status)
            if not self._running:
                return
            if late_s >= self._settings.margin_s:
                raise ReplyTimeoutError("the experiment runs on, beyond the time of its protocol")

    async def _last_known(self) -> str:
        try:
            status = await self._status()
        except InstrumentError as error:
            return f"the status could not be had either ({error})"
        running = "yes" if status.running else "no"
        return f"statusex then said exp_running {running}, inst_status {status.state}"

    # Words ----------------------------------------------------------------------------------
    async def _ready(self) -> Status:
        """Ask the status and check that commands are taken."""
        status = await self._status()
        _check_health(status)
        if status.running:
            raise InstrumentFaultError("FLIPR runs an experiment already", code="running")
        self._running = False
        return status

    async def _status(self) -> Status:
        """Ask the status, again after a broken conversation: that moves nothing."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(LinkError):
                return await self._ask("statusex", _read_status)
            await self._pause()
        return await self._ask("statusex", _read_status)

    async def _do(self, command: str, *, timeout_s: float = REPLY_S) -> None:
        await self._talk.ask(command, lambda a: check_ok(a, repr(command)), timeout_s=timeout_s)

    async def _ask(self, command: str, parse: Callable[[str], T]) -> T:
        return await self._talk.ask(command, parse, timeout_s=REPLY_S)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._settings.poll_s):
                await self._aborted.wait()
        except TimeoutError:
            return
        self._stop_if_aborted()

    def _stop_if_aborted(self) -> None:
        if self._aborted.is_set():
            raise InstrumentFaultError(
                "FLIPR was stopped; it has to be reset in ScreenWorks", code="aborted"
            )

    def _watch(self, data_file: str) -> ExportWatch:
        if self._folder is None:
            raise UserInputError("a FLIPR needs a folder into which ScreenWorks exports")
        return ExportWatch(self._folder, data_file, clock=self._clock, poll_s=self._settings.poll_s)


def _read_status(answer: str) -> Status:
    return parse_status(check_condition(answer, "statusex"))


def _check_health(status: Status) -> None:
    """Check that it takes commands.

    Raises:
        InstrumentFaultError: `manual`, `offline`, or what the status says is wrong.
    """
    if status.trouble:
        raise InstrumentFaultError(
            f"FLIPR states {status.trouble}; reset it in ScreenWorks", code=status.trouble
        )
    if not status.remote:
        raise InstrumentFaultError("ScreenWorks is not in Remote mode", code="manual")
    if not status.online:
        raise InstrumentFaultError("FLIPR is offline", code="offline")


def _range(values: Iterable[float | None]) -> tuple[float, float]:
    numbers = [value for value in values if value is not None]
    return (min(numbers), max(numbers)) if numbers else (0.0, 0.0)
