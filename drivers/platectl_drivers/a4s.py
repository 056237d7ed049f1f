r"""Azenta A4S heat sealer over RS-232, 19200 8N1.

Responsible for one sealing stroke with its temperature and time. Source: PyLabRobot 0.2.2 ("full")
as described in shared/instruments-handlers.md 6.4: commands `*00DH=ttttzz!` (degrees),
`*00DT=ttttzz!` (tenths of a second), `*00GS=zz!` (seal); answers are told apart by their second
character (Y accepted, N rejected, X busy), and `*T..` status lines come unasked, several a second.
Maturity: paper; `info.unattested` names what no source states.

A message is taken to end at `!`, whether or not a `\r` follows, and an answer that names another
command (`*Y00DH` while `GS` is asked) is an old one. That a seal is done is believed only when the
system was seen at work (1) and then idle (0) or finished (4): the line before may still speak of
the last plate. Not responsible for the tray: the stroke takes it in and puts it out.

Looking costs nothing, since status comes unasked. A stroke in doubt is done when it is seen at work
and then seen to end, or when the system says finished and had not said so before it was ordered.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentFaultError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import integer, text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine, LineLink

REPLY_S: Final = 10.0
STATUS_S: Final = 70.0
START_S: Final = 20.0
#: tray in, press down and up, tray out, with much to spare
STROKE_S: Final = 60.0
BACKLOG_S: Final = 0.05
BACKLOG_LINES: Final = 100_000
IDLE: Final = 0
WORKING: Final = 1
ERROR: Final = 3
FINISHED: Final = 4
HEATER_READY: Final = 1
RANGE_C: Final = (50.0, 200.0)
RANGE_S: Final = (0.5, 10.0)


class Settings(BaseModel):
    """Patience of the driver."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heat_s: float = Field(default=600.0, gt=0, description="longest time to reach the temperature")
    ready_within_c: float = Field(
        default=5.0, gt=0, description="how near the target a heater that says ready must be"
    )


@dataclass(frozen=True, slots=True)
class SealerStatus:
    """One unasked status line."""

    temperature_c: float
    system: int
    heater: int
    error: int
    warning: int
    sensors: int


class A4S:
    """Drives one A4S; satisfies `platectl.hal.handling.Sealer`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="a4s",
        makes="Azenta A4S",
        interfaces=("Sealer",),
        wire="serial",
        lines=(SerialLine(19200),),
        source="PyLabRobot 0.2.2 (handlers 6.4)",
        unattested=(
            "meaning of zz",
            "what follows the second character of an answer",
            "order of the sensor bits of a status line, and its end after the remaining time",
            "whether setting a temperature switches the heater on",
            "meaning of error and warning codes",
        ),
        transcripts=("a4s_rejected", "a4s_seal"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._line = InstrumentLine(setup.open_stream, "A4S", tx_end=b"", rx_end=b"!")
        self._abort = Abort("A4S was aborted and reset")
        self._handed = Handed()
        self._before: SealerStatus | None = None
        self._reset = False
        self._ended: set[str] = set()

    async def connect(self) -> Identity:
        """Wait for one whole status line; nothing moves.

        Raises:
            LinkError: No readable status line came.
            InstrumentFaultError: It reports a standing error.
        """
        await self.aclose()
        self._abort.clear()
        refuse_error(await self._look())
        return Identity("A4S")

    async def observe(self) -> Identity:
        """Wait for one whole status line; nothing is sent.

        Raises:
            LinkError: No readable status line came.
        """
        await self._look()
        return Identity("A4S")

    async def take_over(self) -> Identity:
        """As `observe`; a stroke goes on and the heater stays as it is.

        Raises:
            InstrumentFaultError: It reports a standing error.
            LinkError: No readable status line came.
        """
        refuse_error(await self._look())
        return Identity("A4S")

    async def reconcile(self, action: Action) -> Verdict:
        """Follow the stroke while the sealer is at work, then judge by its status.

        Raises:
            LinkError: No readable status line came.
        """
        status = await self._look()
        evidence: dict[str, Any] = {"status": asdict(status)}
        if self._handed.never(action):
            return Verdict("not_done", {**evidence, "sent": "temperature and time at most"})
        if action.verb != "seal":
            return Verdict("unknown", evidence)
        if status.system == WORKING:
            status = await self._follow(action)
            evidence = {"status": asdict(status), "seen_at_work": True}
            if status.system == WORKING:
                return Verdict("running", evidence)
            if status.system in {IDLE, FINISHED} and not status.error and not self._reset:
                self._ended.add(action.id)
        if action.id in self._ended or self._has_finished(action, status):
            return Verdict("done", evidence)
        return Verdict("unknown", {**evidence, "sent_in_this_life": self._handed.did(action)})

    async def seal(self, *, temperature_c: float, duration_s: float) -> None:
        """Heat, seal, and wait until the stroke is over.

        Raises:
            RefusedError: Outside 50 to 200 C or 0.5 to 10 s, or finer than 1 C or 0.1 s; nothing
                moved.
            InstrumentFaultError: Rejected, busy or an error; the plate may be unsealed. `code`
                "aborted" after an abort.
            LinkError: The plate may be sealed and may be inside.
        """
        degrees, tenths = encode_seal(temperature_c, duration_s)
        self._abort.clear()
        self._handed.begin()
        await self._pass_over_backlog()
        await self._order(f"*00DH={degrees:04d}zz!")
        await self._order(f"*00DT={tenths:04d}zz!")
        self._before = await self._until(
            self._is_hot(temperature_c), self.settings.heat_s, "not_heating"
        )
        self._handed.hand()
        self._reset = False
        await self._order("*00GS=zz!")
        await self._until(lambda status: status.system == WORKING, START_S, "not_started")
        await self._until(
            lambda status: status.system in {IDLE, FINISHED}, duration_s + STROKE_S, "not_finished"
        )

    async def abort(self) -> None:
        """Reset: the stroke stops; the plate stays where it is."""
        self._abort.call()
        self._reset = True
        await self._line.shout(b"*00SR=zz!")

    async def aclose(self) -> None:
        """Close; heating stays as it is."""
        await self._line.aclose()

    def _is_hot(self, target_c: float) -> Callable[[SealerStatus], bool]:
        within_c = self.settings.ready_within_c
        return lambda status: (
            status.heater == HEATER_READY and abs(status.temperature_c - target_c) <= within_c
        )

    async def _until(
        self, is_so: Callable[[SealerStatus], bool], patience_s: float, code: str
    ) -> SealerStatus:
        due_s = asyncio.get_running_loop().time() + patience_s
        while not is_so(status := await self._status()):
            if asyncio.get_running_loop().time() > due_s:
                raise InstrumentFaultError(
                    f"A4S is {code} after {patience_s:g} s: {status}", code=code
                )
        return status

    async def _look(self) -> SealerStatus:
        """The newest status, on a new line if the old one is gone; says nothing."""
        return await self._line.look(self._newest, self._first)

    async def _newest(self) -> SealerStatus:
        await self._pass_over_backlog()
        return await self._latest()

    async def _first(self) -> SealerStatus:
        first = (await self._line.link.read_line(timeout_s=STATUS_S)).lstrip(b"\r\n")
        if first.startswith(b"*T"):
            return parse_status(text(first))
        return await self._latest()  # the port was opened in the middle of a line

    async def _latest(self) -> SealerStatus:
        """The next whole status line, also when it tells an error or comes after an abort."""
        link = self._line.link
        due_s = asyncio.get_running_loop().time() + STATUS_S
        while not (line := await self._hear(link, due_s)).startswith("*T"):
            pass
        return parse_status(line)

    async def _follow(self, action: Action) -> SealerStatus:
        """Read status until the sealer is not at work, or longer than any stroke has passed."""
        stroke_s = float(action.arguments.get("duration_s", RANGE_S[1])) + STROKE_S
        due_s = asyncio.get_running_loop().time() + stroke_s
        while (status := await self._latest()).system == WORKING:
            if asyncio.get_running_loop().time() > due_s:
                break
        return status

    def _has_finished(self, action: Action, status: SealerStatus) -> bool:
        """Whether the system says finished, and said otherwise before this order of this life."""
        return (
            self._handed.did(action)
            and not self._reset
            and self._before is not None
            and self._before.system != FINISHED
            and status.system == FINISHED
            and not status.error
        )

    async def _order(self, command: str) -> None:
        link = self._line.link
        self._abort.check()
        await link.send_line(command.encode("ascii"))
        due_s = asyncio.get_running_loop().time() + REPLY_S
        while True:
            line = await self._hear(link, due_s)
            answer = parse_answer(line, command)
            if answer == "Y":
                return
            if answer is not None:
                reason = "busy" if answer == "X" else "rejected"
                raise InstrumentFaultError(f"A4S {reason} {command}", code=reason)

    async def _status(self) -> SealerStatus:
        status = await self._latest()
        self._abort.check()
        refuse_error(status)
        return status

    async def _hear(self, link: LineLink, due_s: float) -> str:
        return text((await link.read_line_by(due_s)).lstrip(b"\r\n"))

    async def _pass_over_backlog(self) -> None:
        """Skip what it said since the last plate; a line that is just arriving is kept."""
        link = self._line.link
        with contextlib.suppress(ReplyTimeoutError):
            for _ in range(BACKLOG_LINES):
                await link.read_line(timeout_s=BACKLOG_S)


def encode_seal(temperature_c: float, duration_s: float) -> tuple[int, int]:
    """Whole degrees and tenths of a second.

    Raises:
        RefusedError: Outside what the maker allows, or finer than the wire can say.
    """
    if not (RANGE_C[0] <= temperature_c <= RANGE_C[1] and RANGE_S[0] <= duration_s <= RANGE_S[1]):
        raise RefusedError(
            f"cannot seal at {temperature_c:g} C for {duration_s:g} s; 50 to 200 C, 0.5 to 10 s"
        )
    degrees, tenths = round(temperature_c), round(duration_s * 10)
    if degrees != temperature_c or abs(tenths - duration_s * 10) > 1e-6:  # noqa: PLR2004  # rounding of floats only
        raise RefusedError(f"{temperature_c} C or {duration_s} s is finer than 1 C and 0.1 s")
    return degrees, tenths


def parse_answer(line: str, command: str) -> str | None:
    """Y, N or X when the line answers `command`; None for a status or the answer to another.

    Raises:
        MalformedReplyError: No message of this instrument.
    """
    found = re.match(r"\*([YNXTD])(\d\d[A-Z]{2})?", line)
    if found is None:
        raise MalformedReplyError(f"A4S answered {line[:40]!r}")
    kind, named = found.groups()
    if kind in "TD" or (named is not None and named != command[1:5]):
        return None
    return str(kind)


def parse_status(line: str) -> SealerStatus:
    """Decode `*T..=temp x10,system,heater,error,warning,sensors,remaining..zz`.

    Raises:
        MalformedReplyError: Not seven fields, or not numbers.
    """
    head, _, fields = line.partition("=")
    parts = fields.split(",")
    if not head.startswith("*T") or len(parts) != 7 or not re.match(r"\d", parts[6]):  # noqa: PLR2004  # the seven fields of the format
        raise MalformedReplyError(f"unreadable status line {line[:60]!r}")
    temperature, system, heater, error, warning, sensors = (integer(p) for p in parts[:6])
    return SealerStatus(temperature / 10.0, system, heater, error, warning, sensors)


def refuse_error(status: SealerStatus) -> None:
    """Turn a reported error into an exception.

    Raises:
        InstrumentFaultError: The error field is not 0, or the system is in its error state.
    """
    if status.error or status.system == ERROR:
        raise InstrumentFaultError(f"A4S reports error {status.error}", code=str(status.error))
