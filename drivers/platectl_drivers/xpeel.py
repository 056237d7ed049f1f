r"""Brooks/Azenta XPeel automated plate seal remover over RS-232, 9600 8N1.

Responsible for one peel with its place, speed and time. Source: the maker's user manual 440140 (pages 45
to 52 and 56) as cited by shared/instruments-handlers.md 6.3, whose facts several public clients share: lower
case lines that begin with `*` and end with CR LF; a command that moves answers `*ack` at once and
`*ready:ee,ee,ee` at its end, with three codes of the last action; `*stat` answers with the ready line
alone. `*xpeel:AB` peels: A 1 to 8 are begin at -2, 0, +2, +4 mm from the default, fast before slow, 9 is custom;
B 1 to 4 are 2.5, 5, 7.5 and 10 s for the tape to adhere. Codes 20 and 21 warn of tape, all others are errors.
Maturity: paper; `info.unattested` names what no source states.

A ready line does not say of which action it speaks: only one that comes after the `*ack` of the peel, on a line
that was quiet before, ends it. Reading `*stat` after a crash shows how the last action ended, not which it was,
so a peel in doubt is done only when its own ready line is heard; otherwise a person must look. Whether a seal
is on the plate cannot be asked without moving it (`*sealcheck`). Not responsible for the check for plates, the
thresholds of the seal sensor and the custom place: they are set at the instrument.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine

REPLY_S: Final = 5.0
QUIET_S: Final = 0.05
ADHERE_S: Final = {2.5: 1, 5.0: 2, 7.5: 3, 10.0: 4}
BEGIN_MM: Final = {-2.0: 1, 0.0: 3, 2.0: 5, 4.0: 7}
#: codes of a field of two digits in the ready line
CODES: Final = 3
CODE_DIGITS: Final = 2
WARNINGS: Final = {"20": "fewer than 30 seals left", "21": "room for fewer than 30 seals left"}
ERRORS: Final = {
    "01": "conveyor stalled", "02": "elevator stalled", "03": "take-up spool stalled",
    "04": "seal not removed", "05": "illegal command", "06": "no plate found", "07": "tape out or torn",
    "08": "parameters not saved", "09": "stop button pressed", "10": "seal sensor unplugged or broken",
    "51": "cover open or hardware stop", "52": "circuit fault; take the power away",
}  # fmt: skip
#: errors of the instrument, whatever it last did
STANDING: Final = frozenset({"51", "52"})


class Settings(BaseModel):
    """Patience of the driver."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    peel_s: float = Field(default=90.0, gt=0, description="longest time of one peel")


class XPeel:
    """Drives one XPeel; satisfies `platectl.hal.handling.Peeler`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="xpeel",
        makes="Brooks/Azenta XPeel",
        interfaces=("Peeler",),
        wire="serial",
        lines=(SerialLine(9600),),
        source="user manual 440140, pages 45-52 and 56, as several public clients cite it (handlers 6.3)",
        unattested=(
            "whether *stat is answered while it moves",
            "whether *reset stops a peel that is under way; no command to stop is public",
            "whether a refused command answers its ready line without *ack",
            "how long a peel takes beyond the time to adhere",
        ),
        transcripts=("xpeel_not_removed", "xpeel_peel"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._line = InstrumentLine(setup.open_stream, "the XPeel", tx_end=b"\r\n", rx_end=b"\r\n")
        self._abort = Abort("the XPeel was aborted and reset")
        self._handed = Handed()
        #: by action, until when its own ready line may come on the link that acknowledged it
        self._underway: dict[str, float] = {}
        self._ended: dict[str, tuple[str, ...]] = {}

    async def connect(self) -> Identity:
        """Ask for the status on a new line; nothing moves.

        Raises:
            LinkError: No readable ready line came.
            InstrumentFaultError: The cover is open, or a circuit is faulty.
        """
        await self.aclose()
        return await self.take_over()

    async def observe(self) -> Identity:
        """Ask for the status; nothing changes.

        Raises:
            LinkError: No readable ready line came.
        """
        await self._status()
        return Identity("XPeel")

    async def take_over(self) -> Identity:
        """As `observe`; a peel goes on.

        Raises:
            InstrumentFaultError: The cover is open, or a circuit is faulty.
            LinkError: No readable ready line came.
        """
        self._abort.clear()
        refuse_errors(await self._status(), only=STANDING)
        return Identity("XPeel")

    async def reconcile(self, action: Action) -> Verdict:
        """Hear the end of a peel that this life saw acknowledged; of others tell the status.

        Raises:
            LinkError: No readable ready line came.
        """
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "nothing"})
        if action.id in self._underway:
            with contextlib.suppress(LinkError):
                self._ended[action.id] = await self._ready(self._underway[action.id])
            self._underway.pop(action.id, None)
        if (codes := self._ended.get(action.id)) is not None:
            good = not errors_of(codes)
            return Verdict(
                "done" if good else "unknown", {"ready": list(codes), "acknowledged": True}
            )
        codes = await self._status()
        sent = {"sent_in_this_life": self._handed.did(action)}
        return Verdict("unknown", {"last_action": list(codes), **sent})

    async def peel(
        self, *, adhere_s: float, begin_mm: float = 0.0, fast: bool = False
    ) -> tuple[str, ...]:
        """Peel, and wait until the plate is out again.

        Raises:
            RefusedError: Not 2.5, 5, 7.5 or 10 s, or not -2, 0, 2 or 4 mm; nothing moved.
            InstrumentFaultError: `code` is the maker's, of two digits; "aborted" after an abort.
            LinkError: The plate may be open and may be inside.
        """
        command = encode_peel(adhere_s, begin_mm, fast=fast)
        self._abort.clear()
        self._handed.begin()
        self._ended.pop(ACTION_ID.get(), None)
        await self._fall_in_step()
        self._handed.hand()
        with self._line.exchange():
            await self._line.link.send_line(command)
            await self._acknowledged()
            due_s = asyncio.get_running_loop().time() + adhere_s + self.settings.peel_s
            self._underway[ACTION_ID.get()] = due_s
            codes = await self._ready(due_s)
        self._underway.pop(ACTION_ID.get(), None)
        self._abort.check()
        self._ended[ACTION_ID.get()] = codes
        refuse_errors(codes)
        return tuple(WARNINGS[code] for code in codes if code in WARNINGS)

    async def abort(self) -> None:
        """Reset, since no command to stop is public; the plate stays where it is."""
        self._abort.call()
        self._line.out_of_step = True
        self._underway.clear()
        await self._line.shout(b"*reset")

    async def aclose(self) -> None:
        """Close; nothing to give back."""
        self._underway.clear()
        await self._line.aclose()

    async def _status(self) -> tuple[str, ...]:
        """How the last action ended, on a new line if the old one is gone."""
        return await self._line.look(self._ask_status, self._ask_anew)

    async def _ask_anew(self) -> tuple[str, ...]:
        self._underway.clear()
        return await self._ask_status()

    async def _ask_status(self) -> tuple[str, ...]:
        link = self._line.link
        with self._line.exchange():
            await link.drain(quiet_s=QUIET_S)
            await link.send_line(b"*stat")
            due_s = asyncio.get_running_loop().time() + self.settings.peel_s
            return await self._ready(due_s)

    async def _fall_in_step(self) -> None:
        """Pass over what came unasked, and after a broken exchange over its ready line."""
        link = self._line.link
        await link.drain(quiet_s=QUIET_S)
        if self._line.out_of_step:
            await self._ask_status()
            await link.drain(quiet_s=REPLY_S)
            self._line.out_of_step = False

    async def _acknowledged(self) -> None:
        """Wait for `*ack`; a ready line with an error instead of it refuses the command."""
        due_s = asyncio.get_running_loop().time() + REPLY_S
        while (line := await self._hear(due_s)) != "*ack":
            if line.startswith("*ready"):
                refuse_errors(parse_ready(line))

    async def _ready(self, due_s: float) -> tuple[str, ...]:
        """The codes of the next ready line; other lines are passed over."""
        while not (line := await self._hear(due_s)).startswith("*ready"):
            pass
        return parse_ready(line)

    async def _hear(self, due_s: float) -> str:
        line = text(await self._line.link.read_line_by(due_s))
        if not line.startswith("*"):
            raise MalformedReplyError(f"the XPeel said {line[:40]!r}")
        return line


def encode_peel(adhere_s: float, begin_mm: float, *, fast: bool) -> bytes:
    """The command without its end.

    Raises:
        RefusedError: A time or a place that the instrument does not have.
    """
    if adhere_s not in ADHERE_S or begin_mm not in BEGIN_MM:
        raise RefusedError(
            f"cannot peel {begin_mm:g} mm from the default after {adhere_s:g} s;"
            " -2, 0, 2 or 4 mm and 2.5, 5, 7.5 or 10 s"
        )
    place = BEGIN_MM[begin_mm] + (0 if fast else 1)
    return f"*xpeel:{place}{ADHERE_S[adhere_s]}".encode("ascii")


def parse_ready(line: str) -> tuple[str, ...]:
    """The three codes of a line such as `*ready:04,20,00`.

    Raises:
        MalformedReplyError: No such line.
    """
    head, _, fields = line.partition(":")
    codes = tuple(fields.split(","))
    if head != "*ready" or len(codes) != CODES or not all(map(_is_code, codes)):
        raise MalformedReplyError(f"unreadable ready line {line[:40]!r}")
    return codes


def _is_code(field: str) -> bool:
    return len(field) == CODE_DIGITS and field.isascii() and field.isdigit()


def errors_of(codes: tuple[str, ...]) -> tuple[str, ...]:
    """The codes that are neither good nor a warning."""
    return tuple(code for code in codes if code != "00" and code not in WARNINGS)


def refuse_errors(codes: tuple[str, ...], *, only: frozenset[str] | None = None) -> None:
    """Turn the first error (of those in `only`) into an exception.

    Raises:
        InstrumentFaultError: `code` is the maker's, of two digits.
    """
    standing = [code for code in errors_of(codes) if only is None or code in only]
    if standing:
        reason = ERRORS.get(standing[0], "error that no source lists")
        raise InstrumentFaultError(f"XPeel: {reason} ({standing[0]})", code=standing[0])
