"""The dispenser: verbs, abort, and what it can say of an action in doubt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.hal.stream import ByteStream
from platectl.transport.codec import text
from platectl.transport.handed import Handed
from platectl.transport.line import LineLink
from platectl_drivers.multidrop_combi.codec import (
    MODEL,
    fault,
    is_echo,
    late_end,
    parse_end,
    parse_version,
    setup_commands,
    tenths,
    volume_commands,
)
from platectl_drivers.multidrop_combi.settings import Settings

ESC: Final = b"\x1b"
QUIET_S: Final = 0.3
SETTING_S: Final = 5.0
STROKE_S: Final = 120.0
#: the longest action that may still run when another life asks: a prime of 10 mL
BUSY_S: Final = 160.0
AFTER_ABORT_S: Final = 5.0
PRIME_UL: Final = (1.0, 10000.0)
#: the command of a verb that pours
POURING: Final = {"dispense_columns": "DIS", "prime": "PRI"}
COLUMNS: Final = {96: 12, 384: 24, 1536: 48}
_EVENT: Final = "SRE "  # an event line may stand between any others


class MultidropCombi:
    """Drives one Multidrop Combi; satisfies `platectl.hal.liquids.BulkDispenser`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="multidrop_combi",
        makes="Thermo Scientific Multidrop Combi",
        interfaces=("BulkDispenser",),
        wire="serial",
        source="pylabrobot pull request 964, citing the instrument manual, table 3-3",
        lines=(SerialLine(9600, xonxoff=True),),
        unattested=(
            "what ends an action that ESC stopped; PRI in 1/10 µL; volume 0 skips a column",
            "volume limits of the factory cassettes",
        ),
        usb=("0AB6:0344",),
        transcripts=("multidrop_combi_not_primed", "multidrop_combi_two_columns"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._open_stream = setup.open_stream
        self._stream: ByteStream | None = None
        self._link: LineLink | None = None
        self._in_step = False
        self._aborted = False
        self._waiting: asyncio.Timeout | None = None
        self._in_control = False
        self._handed = Handed()
        self._escaped = False
        self._late_end: tuple[str, int] | None = None

    @property
    def volume_range_ul(self) -> tuple[float, float]:
        """Smallest and largest volume per well with the mounted cassette."""
        return self.settings.volume_range_ul

    async def connect(self) -> Identity:
        """Take remote control; a standing error is acknowledged once. Nothing moves.

        Raises:
            InstrumentFaultError: The error stands again after it was acknowledged.
            LinkError: No usable answer; nothing was moved.
        """
        await self._open()
        return await self._take_control(SETTING_S)

    async def observe(self) -> Identity:
        """Open the line and listen; nothing is sent, and nobody says which instrument it is.

        Raises:
            LinkError: The port cannot be opened or is gone.
        """
        await self._listen()
        return Identity("Multidrop Combi")

    async def take_over(self) -> Identity:
        """As `connect`, but what still runs is waited for.

        Raises:
            InstrumentFaultError, LinkError: As for `connect`.
        """
        await self._listen()
        return await self._take_control(BUSY_S)

    async def reconcile(self, action: Action) -> Verdict:
        """Wait until nothing runs; a stroke is done only if its own late end is heard.

        Raises:
            LinkError: VER is not answered within the time of the longest action.
        """
        await self._listen()
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "at most what sets up; nothing that pours"})
        if action.verb not in POURING:
            return Verdict("unknown", {"verb": action.verb})
        evidence = await self._look()
        ours, wanted = self._handed.did(action), (POURING[action.verb], 0)
        if ours and self._late_end == wanted and not self._escaped:
            return Verdict("done", evidence)
        return Verdict("unknown", {**evidence, "sent_in_this_life": ours})

    async def prime(self, *, volume_ul: float) -> None:
        """Fill the tubing into the prime vessel.

        Raises:
            RefusedError: Not a multiple of 0.1 µL or out of range; nothing moved.
            InstrumentFaultError: The tubing may be partly filled.
            LinkError: Assume the liquid was used; it is not sent again.
        """
        low, high = PRIME_UL
        if not low <= volume_ul <= high:
            raise RefusedError(f"priming takes {low:g} to {high:g} µL, not {volume_ul:g}")
        amount = tenths(volume_ul)
        await self._begin()
        await self._pour(f"PRI {amount}", timeout_s=60.0 + volume_ul / 100.0)

    async def dispense_columns(self, volumes_ul: Mapping[int, float], *, height_mm: float) -> None:
        """Set up the plate and fill the given columns in one stroke; repeating dispenses again.

        Raises:
            RefusedError: A volume, column or height outside the limits; nothing moved.
            InstrumentFaultError: The code is the status; after `aborted`, or a fault of DIS,
                columns before it may be full. Faults of other commands come before any flow.
            LinkError: Assume all columns were filled; the stroke is not sent again.
        """
        commands = [*setup_commands(self.settings, height_mm), *self._volumes(volumes_ul)]
        await self._begin()
        for command in commands:
            await self._do(command)
        await self._pour("DIS", timeout_s=STROKE_S)

    async def abort(self) -> None:
        """Send ESC past whatever runs; columns that were filled stay filled."""
        self._aborted = self._escaped = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time() + AFTER_ABORT_S)
        if self._stream is not None:
            with contextlib.suppress(LinkError):
                await self._stream.send(ESC)

    async def aclose(self) -> None:
        """Leave remote mode, if it was taken, and close."""
        link, self._link, self._stream = self._link, None, None
        if link is not None:
            if self._in_control:
                with contextlib.suppress(LinkError):
                    await link.send_line(b"QIT")
                    await link.read_line(timeout_s=1.0)
            await link.aclose()
        self._in_control = False

    def _volumes(self, volumes_ul: Mapping[int, float]) -> list[str]:
        columns = COLUMNS[self.settings.wells]
        low, high = self.volume_range_ul
        if not volumes_ul:
            raise RefusedError("no column was given")
        for column, volume_ul in volumes_ul.items():
            if not 1 <= column <= columns:
                raise RefusedError(f"column {column} is not on a plate of {columns} columns")
            if not low <= volume_ul <= high:
                raise RefusedError(
                    f"column {column}: {volume_ul:g} µL; this cassette gives {low:g} to {high:g}"
                )
        return volume_commands(volumes_ul, columns)

    async def _begin(self) -> None:
        """Start a verb: forget an old abort, and get back into step after a broken answer."""
        self._handed.begin()
        self._aborted = False
        if not self._in_step:
            await self._synchronise()

    async def _pour(self, command: str, *, timeout_s: float) -> None:
        """Send what pours, once; from here on it is in doubt until its end is heard."""
        self._handed.hand()
        self._late_end, self._escaped = None, self._aborted
        await self._do(command, timeout_s=timeout_s)

    async def _open(self) -> LineLink:
        if self._link is not None:
            await self._link.aclose()
        self._stream, self._aborted = await self._open_stream(), False
        self._link = LineLink(self._stream, tx_end=b"\r", rx_end=b"\r\n", longest=4096)
        self._in_step = False
        return self._link

    async def _listen(self) -> None:
        """Read what still comes, on a new line if the old one is gone."""
        link = self._link or await self._open()
        try:
            await link.drain(quiet_s=QUIET_S, on_line=self._hear)
        except DisconnectedError:
            await (await self._open()).drain(quiet_s=QUIET_S, on_line=self._hear)

    def _hear(self, line: bytes) -> None:
        self._late_end = late_end(line) or self._late_end

    async def _look(self) -> dict[str, Any]:
        """Ask VER until it is answered, which means that nothing runs."""
        self._aborted = False
        evidence: dict[str, Any] = {"answers_ver": True}
        try:
            await self._synchronise(BUSY_S)
        except InstrumentFaultError as standing:
            evidence["standing_error"] = standing.code
        if self._late_end is not None:
            evidence["late_end"] = "{} END {}".format(*self._late_end)
        return evidence

    async def _take_control(self, patience_s: float) -> Identity:
        self._in_control = True
        try:
            return await self._synchronise(patience_s)
        except DisconnectedError:
            raise
        except InstrumentError:
            await self._acknowledge()
            return await self._synchronise()

    async def _synchronise(self, patience_s: float = SETTING_S) -> Identity:
        """Pass over what is left of older answers, then ask for the version.

        Raises:
            InstrumentFaultError: A standing error.
            LinkError: Still no usable answer.
        """
        await self._connected().drain(quiet_s=QUIET_S, on_line=self._hear)
        lines = await self._do("VER", timeout_s=patience_s, stale=True)
        for line in lines:
            self._hear(line.encode("ascii"))
        return parse_version(lines)

    async def _acknowledge(self) -> None:
        """Clear the error; a failure shows in the question after it."""
        try:
            await self._connected().drain(quiet_s=QUIET_S)
            await self._do("EAK", stale=True)
        except (InstrumentFaultError, ReplyTimeoutError, MalformedReplyError):
            return

    async def _do(
        self, command: str, *, timeout_s: float = SETTING_S, stale: bool = False
    ) -> tuple[str, ...]:
        """Send one command and return its data lines; `stale` skips ends of older commands."""
        if self._aborted:
            raise InstrumentFaultError("aborted before the command was sent", code="aborted")
        link, code, data = self._connected(), command[:3], list[str]()
        self._in_step = False
        await link.send_line(command.encode("ascii"))
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            line = text(await self._next_line(link, deadline_s, command))
            status = parse_end(line, code, stale=stale)
            if status is not None:
                break
            if not is_echo(line, command) and not line.startswith(_EVENT):
                if code != "VER":
                    raise MalformedReplyError(f"{MODEL} answered {line[:60]!r} to {command!r}")
                data.append(line)
        self._in_step = True
        if self._aborted:
            raise InstrumentFaultError(
                f"{command} was aborted; what had been dispensed stays", code="aborted"
            )
        if status:
            raise fault(command, status)
        return tuple(data)

    async def _next_line(self, link: LineLink, deadline_s: float, command: str) -> bytes:
        left_s = deadline_s - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await link.read_line(timeout_s=max(left_s, 0.001))
        except TimeoutError:
            raise ReplyTimeoutError(f"no answer to {command} after the abort") from None
        finally:
            self._waiting = None

    def _connected(self) -> LineLink:
        if self._link is None:
            raise DisconnectedError(f"{MODEL} is not connected")
        return self._link
