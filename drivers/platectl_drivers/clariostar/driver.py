"""The reader: drawer, temperature, kinetic reads."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import ClassVar, Final

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.checks import tenths_of
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.reading import Addition, Frame, KineticRead, ReaderFeatures
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl_drivers.clariostar.data import DATA, Record, parse_record
from platectl_drivers.clariostar.link import FrameLink
from platectl_drivers.clariostar.recovery import Order, verdict_of
from platectl_drivers.clariostar.run import ACCEPTED, Run, run_payload
from platectl_drivers.clariostar.settings import (
    RANGE_C,
    START_S,
    Settings,
    duration_s,
    features,
    pace_s,
    plan_run,
)
from platectl_drivers.clariostar.status import STATUS, Status, parse_status
from platectl_drivers.clariostar.watch import Watch

ASK_STATUS, ASK_FIRMWARE, FIRMWARE = b"\x80", bytes.fromhex("05090000000000"), 0x0A
INITIALISE, CLEAR = bytes.fromhex("010000100200"), bytes.fromhex("0e0b1200000419")
OPEN, CLOSE = bytes.fromhex("030100000000"), bytes.fromhex("030000000000")
CURRENT, UNREAD = bytes.fromhex("0502ffffffff00"), bytes.fromhex("05020000000000")
STOP: Final = b"\x0b\x00"
HEAT: Final = 0x06
OFF, SENSORS_ONLY = 0, 1
POLL_S, IDLE_S, STUCK_S = 0.4, 60.0, 6.0
#: a run in which nothing new came for so long beyond a cycle is given up
STANDSTILL_S: Final = 30.0


class Clariostar:
    """Drives one reader; satisfies `platectl.hal.reading.PlateReader`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="clariostar",
        makes="BMG CLARIOstar Plus",
        interfaces=("PlateReader",),
        wire="serial",
        lines=(SerialLine(125000),),
        source="BioCam/pylabrobot fork with captures of March 2026, and hoxbio/bmg-clariostar (readers 2)",
        unattested=(
            "record number and start time of a record",
            "kinetic cycles of fluorescence: captured for absorbance only",
            "how values are counted in more than one chromatic",
            "which unread record comes first after several cycles",
            "how long a well takes",
        ),
        usb=("0403:BB68",),
        transcripts=("clariostar_captured", "clariostar_drawer", "clariostar_read"),
        firmware="1.35",
        seen_on="2026-03-11",
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._setup = setup
        self._clock = setup.clock
        self._link: FrameLink | None = None
        self._one_at_a_time = asyncio.Lock()
        self._abort = Abort("the reader was aborted")
        self._target_c: float | None = None
        self._order: Order | None = None
        #: when reads in doubt were ordered, by title, on the host's clock
        self._sent_s: dict[str, float] = {}

    @property
    def features(self) -> ReaderFeatures:
        """Well by well; nothing can be added over the wire."""
        return features(self.settings)

    def read_duration_s(self, read: KineticRead) -> float:
        """Start, all cycles, end."""
        return duration_s(read)

    async def connect(self) -> Identity:
        """Ask status and firmware; nothing moves. A run that is stuck is cleared.

        Raises:
            LinkError: No usable answer; nothing moved.
        """
        await self._call()
        identity, status = await self._who()
        if status.running and not status.busy:
            await self._wired.query(CLEAR, STATUS)
        return identity

    async def observe(self) -> Identity:
        """Ask status and firmware; a run that is stuck stays so."""
        await self._call()
        return (await self._who())[0]

    async def take_over(self) -> Identity:
        """Ask status and firmware; a run goes on, and what it has measured can be had."""
        return await self.observe()

    async def reconcile(self, action: Action) -> Verdict:
        """Tell from the status, and for a read from what this driver itself has sent.

        A read is `done` or `not_done` only for the driver that sent RUN, or did not.
        """
        title = str(action.arguments.get("title", ""))
        status, record = await self._status_anew(), None
        if action.verb == "read_kinetic":
            passed_s = (self._clock.now() - action.sent_at).total_seconds()
            self._sent_s[title] = self._clock.monotonic_s() - passed_s
            record = await self._current() if status.reads else None
        order = self._order if self._order and self._order.title == title else None
        return verdict_of(action, status, order if not self._abort.called else None, record)

    async def _status_anew(self) -> Status:
        """Ask the status, over a new conversation where the old one is gone or silent."""
        if self._link is not None:
            with contextlib.suppress(LinkError):
                return await self._status()
        await self._call()
        return await self._status()

    async def _current(self) -> Record | None:
        answer = await self._wired.query(CURRENT, DATA, STATUS)
        return parse_record(answer) if answer[0] == DATA else None

    async def _call(self) -> None:
        await self.aclose()
        self._link = FrameLink(await self._setup.open_stream(), self._clock)

    async def _who(self) -> tuple[Identity, Status]:
        status = await self._status()
        firmware = await self._wired.query(ASK_FIRMWARE, FIRMWARE)
        if len(firmware) < 8:  # noqa: PLR2004  # the version stands in bytes 6 and 7
            raise MalformedReplyError(f"no firmware: {firmware.hex(' ')}")
        (version,) = struct.unpack(">H", firmware[6:8])
        return Identity("CLARIOstar Plus", firmware=f"{version / 1000:.2f}"), status

    async def set_temperature(self, temperature_c: float | None) -> None:
        """Set the chamber; None switches heating and sensors off.

        Raises:
            RefusedError: Outside the range, or finer than 0.1 C; nothing changed.
            LinkError: The setpoint may have been taken.
        """
        tenths = OFF if temperature_c is None else tenths_of(temperature_c, RANGE_C)
        async with self._one_at_a_time:
            await self._heat(tenths)
            self._target_c = temperature_c

    async def read_temperature_c(self) -> float:
        """Return the temperature at the bottom of the chamber; switches the sensors on.

        Raises:
            InstrumentFaultError: The sensors stay off.
            LinkError: The conversation broke; nothing changed.
        """
        async with self._one_at_a_time:
            status = await self._status()
            if status.bottom_c is None and self._target_c is None:
                await self._heat(SENSORS_ONLY)
                status = await self._status()
        if status.bottom_c is None:
            raise InstrumentFaultError("the temperature sensors are off", code="temperature")
        return status.bottom_c

    async def open_drawer(self) -> None:
        """Drawer out; harmless when it is out. Errors as in the interface."""
        await self._drawer(OPEN, out=True)

    async def close_drawer(self) -> None:
        """Drawer in; harmless when it is in. Errors as in the interface."""
        await self._drawer(CLOSE, out=False)

    async def read_kinetic(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Read over time, one frame for each record and chromatic. Errors as in the interface.

        Faults of its own: `drawer_open`, `no_plate`, `temperature` before the run; `ended` when the
        run is over before its last record, `aborted` after an abort.
        """
        self._order = Order(read.title)
        run = plan_run(read, self.settings)
        async with self._one_at_a_time:
            self._abort.clear()
            await self._ready()
            async for frame in self._to_the_end(self._run(read, run)):
                yield frame

    async def reattach(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Follow the run that was started before, and take what it left unread at its end.

        Records that were over before come last, at their reckoned times; what the reader does not
        give any more is flagged missing.

        Raises:
            RefusedError: Nothing runs, and there are no unread data.
            InstrumentFaultError, LinkError: As for `read_kinetic`.
        """
        plan_run(read, self.settings)
        async with self._one_at_a_time:
            self._abort.clear()
            status = await self._status_anew()
            if status.idle and not status.unread:
                raise RefusedError(f"the reader keeps nothing of {read.title!r}")
            order = self._order
            sent_s = order.sent_s if order and order.title == read.title else None
            sent_s = self._sent_s.get(read.title) if sent_s is None else sent_s
            now_s = self._clock.monotonic_s()
            begun_s = (now_s if sent_s is None else sent_s) + START_S
            async for frame in self._to_the_end(self._follow(read, begun_s, joined=True)):
                yield frame

    async def _to_the_end(self, run: AsyncGenerator[Frame, None]) -> AsyncIterator[Frame]:
        """Hand the frames on; a run that nobody wants to follow any more is stopped.

        After a broken conversation it is not: it can be followed in another one.
        """
        try:
            async with aclosing(run) as frames:
                async for frame in frames:
                    yield frame
        except LinkError:
            raise
        except BaseException:
            await self._stop()
            raise

    async def abort(self) -> None:
        """Stop the test without waiting for a turn or an answer."""
        self._abort.call()
        await self._stop()

    async def aclose(self) -> None:
        """Close; the temperature stays as it is. Harmless when repeated."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    # A read -------------------------------------------------------------------------------------
    async def _ready(self) -> None:
        status = await self._initialised()
        if status.drawer_open:
            raise InstrumentFaultError("the drawer is open", code="drawer_open")
        if not status.plate:
            raise InstrumentFaultError("there is no plate in the reader", code="no_plate")
        if self._target_c is None:
            return
        actual_c = status.bottom_c
        if actual_c is None or abs(actual_c - self._target_c) > self.settings.tolerance_c:
            shown = "unknown" if actual_c is None else f"{actual_c:.1f} C"
            raise InstrumentFaultError(
                f"the chamber is at {shown}, {self._target_c:.1f} C wanted", code="temperature"
            )

    async def _run(self, read: KineticRead, run: Run) -> AsyncGenerator[Frame, None]:
        self._abort.check()
        order = self._order = Order(read.title, self._clock.monotonic_s())
        await self._wired.once(run_payload(run), ACCEPTED)
        order.accepted = True
        async for frame in self._follow(read, self._clock.monotonic_s() + START_S):
            yield frame

    async def _follow(
        self, read: KineticRead, begun_s: float, *, joined: bool = False
    ) -> AsyncGenerator[Frame, None]:
        watch = Watch(
            read,
            pace_s=pace_s(self.settings, len(read.channels)),
            begun_s=begun_s,
            source=self._setup.name,
            joined=joined,
        )
        watch.changed_s = max(begun_s, self._clock.monotonic_s())
        while await self._look(watch, read):
            for frame in watch.over():
                yield frame
            await asyncio.sleep(POLL_S)
        await self._until_idle()
        await self._fetch_last(watch, read)
        for frame in watch.over(ended=True):
            yield frame
        if not watch.complete:
            latest = watch.progress[0]
            raise InstrumentFaultError(
                f"the run was over at record {latest} of {read.passes}", code="ended"
            )

    async def _look(self, watch: Watch, read: KineticRead) -> bool:
        """See how far the run is; False when it is over."""
        answer = await self._wired.query(CURRENT, DATA, STATUS)
        self._abort.check()
        now_s = self._clock.monotonic_s()
        still_s = now_s - watch.changed_s
        if answer[0] == DATA:
            watch.see(parse_record(answer), now_s, self._wired.at_s)
            if still_s > read.interval_s + STANDSTILL_S:
                raise ReplyTimeoutError(f"nothing new came for {still_s:.0f} s")
            return not watch.last_is_whole
        status = parse_status(answer)
        if status.busy and still_s > read.interval_s + STANDSTILL_S:
            raise ReplyTimeoutError(f"no data came for {still_s:.0f} s")
        return status.busy or (status.running and still_s < read.interval_s + STUCK_S)

    async def _fetch_last(self, watch: Watch, read: KineticRead) -> None:
        """Take unread records until none is wanting; each answer is the next one."""
        for _ in range(read.passes):
            if watch.served:
                return
            try:
                answer = await self._wired.once(UNREAD, DATA, STATUS)
            except (ReplyTimeoutError, MalformedReplyError):
                continue  # that record is lost here, but most of them were seen during the run
            if answer[0] == STATUS:
                return
            watch.see(parse_record(answer), self._clock.monotonic_s(), None)

    async def _stop(self) -> None:
        if self._link is not None:
            with contextlib.suppress(LinkError):
                await self._link.tell(STOP)

    # Exchanges ----------------------------------------------------------------------------------
    @property
    def _wired(self) -> FrameLink:
        if self._link is None:
            raise DisconnectedError("the reader is not connected")
        return self._link

    async def _status(self) -> Status:
        return parse_status(await self._wired.query(ASK_STATUS, STATUS))

    async def _heat(self, tenths: int) -> None:
        await self._wired.query(struct.pack(">BH", HEAT, tenths), STATUS)

    async def _drawer(self, command: bytes, *, out: bool) -> None:
        async with self._one_at_a_time:
            self._abort.clear()
            if (await self._initialised()).drawer_open == out:
                return
            await self._wired.once(command, STATUS)
            if (await self._until_idle()).drawer_open != out:
                where = "in" if out else "out"
                raise InstrumentFaultError(f"the drawer stayed {where}", code="drawer")

    async def _initialised(self) -> Status:
        """Wait until nothing moves, and have the reader find its positions if it has not."""
        status = await self._until_idle()
        if not status.initialised:
            await self._wired.once(INITIALISE, STATUS)
            status = await self._until_idle()
        return status

    async def _until_idle(self) -> Status:
        """Wait until nothing moves; what only says that it runs is cleared.

        Raises:
            ReplyTimeoutError: It goes on and on.
        """
        begun_s = rested_s = self._clock.monotonic_s()
        while not (status := await self._status()).idle:
            now_s = self._clock.monotonic_s()
            if now_s - begun_s > IDLE_S:
                raise ReplyTimeoutError(f"the reader is not idle after {IDLE_S:g} s")
            if status.busy:
                rested_s = now_s
            elif now_s - rested_s > STUCK_S:
                await self._wired.query(CLEAR, STATUS)
                rested_s = now_s
            await asyncio.sleep(POLL_S)
        return status
