"""Takes plates in, starts the protocol that fits, follows it and collects its export."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
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
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.reading import Addition, Frame, KineticRead, ReaderFeatures
from platectl.hal.recovery import Action, Verdict
from platectl.transport.abort import Abort
from platectl_drivers.flipr.checks import check_bands, check_health, check_read, loads
from platectl_drivers.flipr.conversation import Conversation
from platectl_drivers.flipr.frames import collect
from platectl_drivers.flipr.recovery import HARMLESS, Inquest, Order
from platectl_drivers.flipr.settings import FmpProtocol, Settings, features_of, fitting_protocol
from platectl_drivers.flipr.watch import ExportWatch
from platectl_drivers.flipr.wire import (
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
        transcripts=("flipr_read", "flipr_refusals"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self._settings = setup.settings_as(Settings)
        self._clock = setup.clock
        self._folder = setup.folder
        self._talk = Conversation(setup.open_stream)
        self._configuration: Configuration | None = None
        self._abort = Abort("FLIPR was stopped; it has to be reset in ScreenWorks")
        self._running = False
        self._order: Order | None = None
        self._sent_s: float | None = None

    @property
    def features(self) -> ReaderFeatures:
        """What the declared protocols can do; a whole plate at once, with 96 tips."""
        return features_of(self._settings)

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
        self._abort.clear()
        await self._talk.begin()
        version = await self._ask("version", lambda answer: check_condition(answer, "version"))
        status = await self._status()
        self._configuration = await self._ask(
            "configuration", lambda a: parse_configuration(check_condition(a, "configuration"))
        )
        check_health(status)
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
        self._abort.clear()
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
        self._order = Order(read.title)
        protocol = fitting_protocol(read, self._settings.protocols)
        data_file = self._data_file(read.title)
        run = write_command("runexperiment", data_file)
        watch = self._watch(data_file)
        await self._check(read, watch)
        self._abort.clear()
        await self._take_in(read)
        await self._do(write_command("openprotocol", protocol.path))
        run_over = await self._stoppable(self._run(run, read))
        async for item in self._collect(watch, read, protocol, *run_over):
            yield item

    async def reattach(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Wait for the end of a run that was started before, and yield what it exported.

        It began when this driver started it; else as long before its end, if that was seen; else
        when the action was sent, which is early by the movements before it.

        Raises:
            RefusedError: It does not run, and nothing of this title was exported.
            InstrumentFaultError, LinkError: As for `read_kinetic`.
        """
        protocol = fitting_protocol(read, self._settings.protocols)
        check_read(read)
        watch = self._watch(self._data_file(read.title))
        self._abort.clear()
        run_over = await self._stoppable(self._rest_of(read, watch))
        async for item in self._collect(watch, read, protocol, *run_over):
            yield item

    async def observe(self) -> Identity:
        """Ask version and status; nothing moves, and a fault that stands is no matter here."""
        await self._talk.begin()
        version = await self._ask("version", lambda answer: check_condition(answer, "version"))
        status = await self._status()
        return Identity(status.instrument, firmware=f"{version} of {status.version}")

    async def take_over(self) -> Identity:
        """Ask what `connect` asks; a run that goes on goes on, and `abort` stops it from now on."""
        identity = await self.connect()
        self._running = (await self._status()).running
        return identity

    async def reconcile(self, action: Action) -> Verdict:
        """Tell a read from status and exports, and from what this driver itself has sent.

        What else it does may be repeated; plates that are to go out are asked for by status.
        """
        passed_s = (self._clock.now() - action.sent_at).total_seconds()
        self._sent_s = self._clock.monotonic_s() - passed_s
        if action.verb in HARMLESS:
            return Verdict("not_done", {"harmless": action.verb}, remembered=True)
        if action.verb != "read_kinetic":
            return Verdict("unknown", {"not_a_verb_of_this_reader": action.verb})
        title = str(action.arguments["title"])
        if self._order == Order(title):
            return Verdict("not_done", {"runexperiment": "was not sent"})
        await self._talk.begin()
        watch = self._watch(self._data_file(title))
        return await Inquest(action, self._settings, self._clock, watch, self._status).verdict()

    def _collect(
        self, watch: ExportWatch, read: KineticRead, protocol: FmpProtocol,
        begun_s: float, failure: InstrumentError | None,
    ) -> AsyncIterator[Frame | Addition]:  # fmt: skip
        within = self._settings.export_s
        return collect(watch, read, protocol, begun_s=begun_s, failure=failure, within_s=within)

    def _data_file(self, title: str) -> str:
        return f"{self._settings.data_folder}\\{title}.fmd"

    async def abort(self) -> None:
        """Stop the experiment that this driver started, if there is one; that leads to a fault."""
        self._abort.call()
        if self._running:
            await self._talk.shout("stopexperiment")

    async def aclose(self) -> None:
        """Close; plates and a run stay as they are."""
        await self._talk.aclose()

    # Before a run ---------------------------------------------------------------------------
    async def _check(self, read: KineticRead, watch: ExportWatch) -> None:
        check_read(read)
        if self._configuration is None:
            raise DisconnectedError("FLIPR is not connected")
        check_bands(read, self._configuration)
        there = sorted(await watch.present())
        if watch.unreadable:
            raise RefusedError(f"exports could not be collected: {watch.unreadable}")
        if there:
            raise RefusedError(f"{', '.join(there)} was exported before this read began")

    async def _take_in(self, read: KineticRead) -> None:
        for command in loads(read, await self._rested(), flag=self._settings.loadplate_flag):
            await self._move(command)

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
            await self._abort.pause(self._settings.poll_s)
        await self._rested(f" with {command!r}")

    async def _rested(self, what: str = "") -> Status:
        """Wait until the plate handler is at rest, also from what an earlier owner told it."""
        due_s = self._clock.monotonic_s() + self._settings.handler_s
        while (status := await self._ready()).state == "busy":
            if self._clock.monotonic_s() >= due_s:
                raise ReplyTimeoutError(f"FLIPR is busy for long{what}")
            await self._abort.pause(self._settings.poll_s)
        return status

    # The run --------------------------------------------------------------------------------
    async def _stoppable(self, run: Awaitable[T]) -> T:
        """Stop the experiment when nobody wants to wait for it any more."""
        try:
            return await run
        except asyncio.CancelledError:
            await self.abort()
            raise

    async def _run(self, command: str, read: KineticRead) -> tuple[float, InstrumentError | None]:
        """Start the run, once, and follow it; say when it began and what broke it off, if anything.

        Raises:
            InstrumentFaultError: The start was refused with a condition code.
        """
        self._abort.check()
        begun_s, self._running = self._clock.monotonic_s(), True
        self._order = Order(read.title, begun_s)
        try:
            await self._do(command)
        except InstrumentFaultError:
            self._running = False
            raise
        except LinkError as error:
            known = await self._last_known()
            return begun_s, LinkError(f"no usable answer to runexperiment ({error}); {known}")
        begun_s = self._clock.monotonic_s()
        self._order = Order(read.title, begun_s)
        return begun_s, await self._follow(begun_s + self.read_duration_s(read))

    async def _rest_of(
        self, read: KineticRead, watch: ExportWatch
    ) -> tuple[float, InstrumentError | None]:
        """Follow a run that was started before; as for `_run`.

        Raises:
            RefusedError: There is none, and nothing of it.
        """
        order, now_s = self._order, self._clock.monotonic_s()
        begun_s = order.begun_s if order is not None and order.title == read.title else None
        duration_s = self.read_duration_s(read)
        ends_s = now_s + duration_s if begun_s is None else begun_s + duration_s
        running = (await self._status()).running
        self._running = running or (begun_s is not None and now_s < ends_s)
        if self._running:
            failure = await self._follow(ends_s)
            if failure is None and begun_s is None:
                begun_s = self._clock.monotonic_s() - duration_s
        elif await watch.until_whole(self._settings.export_s) is None and not watch.ours:
            raise RefusedError(f"nothing runs, and nothing of {read.title!r} was exported")
        else:
            failure = None
        if begun_s is None:
            begun_s = self._sent_s if self._sent_s is not None else now_s - duration_s
        return begun_s, failure

    async def _follow(self, over_s: float) -> InstrumentError | None:
        """Follow a run to its end; say what broke it off, if anything."""
        try:
            await self._until_over(over_s)
        except InstrumentError as error:
            return error
        return None

    async def _until_over(self, over_s: float) -> None:
        """Follow the run; one that the status does not know yet counts as begun until its time."""
        seen = False
        while True:
            await self._abort.pause(self._settings.poll_s)
            status = await self._status()
            seen = seen or status.running
            late_s = self._clock.monotonic_s() - over_s
            self._running = status.running or (not seen and late_s < 0)
            check_health(status)
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
        check_health(status)
        if status.running:
            raise InstrumentFaultError("FLIPR runs an experiment already", code="running")
        self._running = False
        return status

    async def _status(self) -> Status:
        """Ask the status, again after a broken conversation: that moves nothing."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(LinkError):
                return await self._ask("statusex", _read_status)
            await self._abort.pause(self._settings.poll_s)
        return await self._ask("statusex", _read_status)

    async def _do(self, command: str, *, timeout_s: float = REPLY_S) -> None:
        await self._talk.ask(command, lambda a: check_ok(a, repr(command)), timeout_s=timeout_s)

    async def _ask(self, command: str, parse: Callable[[str], T]) -> T:
        return await self._talk.ask(command, parse, timeout_s=REPLY_S)

    def _watch(self, data_file: str) -> ExportWatch:
        if self._folder is None:
            raise UserInputError("a FLIPR needs a folder into which ScreenWorks exports")
        return ExportWatch(self._folder, data_file, clock=self._clock, poll_s=self._settings.poll_s)


def _read_status(answer: str) -> Status:
    return parse_status(check_condition(answer, "statusex"))
