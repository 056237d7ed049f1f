r"""Fixed barcode readers that are triggered by a line and answer by one, over serial port or TCP.

Responsible for one code of what stands in front of the reader. Three dialects, by setting:

`keyence_bl` (BL-600, BL-700, BL-1300): CR ends a line; `LON` begins to read and is not answered, the code
comes as a line, `LOFF` ends reading; silence is no code; `ERROR` (as delivered) or `NG` is a read error, `ERRnn`
an error. `RMOTOR` is answered by `MOTORON`. Port: 9600 7E1. Source: user manuals of BL-600 (page 115), BL-700
and N-400, PyLabRobot's back-end (shared/instruments-handlers.md 6.5).
`keyence_sr` (SR-700, SR-750, SR-1000, SR-2000, SR-X300): the same with responses `OK,LON` or `ER,LON,ee`, which
may be switched off, and `KEYENCE` answered by `OK,KEYENCE,model,version`; a read error comes after `LOFF`.
Source: SR-750 manual pages 71 and 72, and public clients. TCP 9004 as a rule.
`dataman` (Cognex DMCC in its silent mode, as delivered): CR LF; `||>TRIGGER ON`, the code or the text for no read
as a line; `||>TRIGGER OFF`; `||>GET DEVICE.SERIAL-NUMBER` answered by the number alone. Source: DataMan
Communications and Programming Guide. TCP 23. Extended responses (`||[0]`) are refused with that advice.

None of these lines has a check sum, and none says which trigger it answers: a code is believed when it was read
twice in the same way, and after a broken exchange the reader is asked who it is, since it answers in order.
The text for no read can be changed in all three; `no_read` must name it, else it is taken for a code. Maturity:
paper. Not responsible for headers, several codes at a time, or tuning.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentFaultError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine, LineLink
from platectl.transport.line_instrument import LineInstrument

REPLY_S: Final = 5.0
QUIET_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words of one family: ends of lines, trigger, and who it is.

    `hello` has to match the whole answer of `ask`; its groups are model and firmware, or the serial
    number. `off_always` says that reading must be ended after a code too.
    """

    end: bytes
    on: str
    off: str
    ask: str
    hello: str
    off_always: bool = False


DIALECTS: Final = {
    "keyence_bl": Dialect(b"\r", "LON", "LOFF", "RMOTOR", "MOTORON", off_always=True),
    "keyence_sr": Dialect(b"\r", "LON", "LOFF", "KEYENCE", r"OK,KEYENCE,([^,]+),(.+)"),
    "dataman": Dialect(
        b"\r\n", "||>TRIGGER ON", "||>TRIGGER OFF", "||>GET DEVICE.SERIAL-NUMBER",
        r"(?P<serial>[A-Za-z0-9-]+)",
    ),
}  # fmt: skip
MAKES: Final = {
    "keyence_bl": "Keyence BL",
    "keyence_sr": "Keyence SR",
    "dataman": "Cognex DataMan",
}


class Settings(BaseModel):
    """Family and habits of the reader."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dialect: Literal["keyence_bl", "keyence_sr", "dataman"] = "keyence_sr"
    patience_s: float = Field(default=5.0, gt=0, description="longest time from trigger to code")
    no_read: tuple[str, ...] = Field(
        default=("ERROR", "NG"), description="what the reader says when it reads no code"
    )
    reads: int = Field(default=2, ge=1, description="how often a code must be read in the same way")


class LineScanner(LineInstrument):
    """Drives one reader; satisfies `platectl.hal.handling.BarcodeReader`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="line_scanner",
        makes="Keyence BL and SR, Cognex DataMan barcode readers",
        interfaces=("BarcodeReader",),
        wire="serial",
        lines=(SerialLine(9600, bytesize=7, parity="E"),),
        source="manuals of BL-600, BL-700, N-400, SR-750 and DataMan; PyLabRobot and public clients (handlers 6.5)",
        unattested=(
            "whether RMOTOR of a BL only asks",
            "form of a serial number of a DataMan beyond letters, digits and dashes",
            "whether readers answer who they are while they read",
        ),
        transcripts=("line_scanner_bl", "line_scanner_dataman", "line_scanner_sr"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._words = DIALECTS[self.settings.dialect]
        end = self._words.end
        self._line = InstrumentLine(setup.open_stream, "the reader", tx_end=end, rx_end=end)
        self._reading = False
        self._abort = Abort("reading was aborted")
        self._hello = ""
        self._handed = Handed()

    @property
    def lines(self) -> tuple[SerialLine, ...]:
        """Those of a BL; the manuals of the others state none for every model."""
        return self.info.lines if self.settings.dialect == "keyence_bl" else ()

    async def reconcile(self, action: Action) -> Verdict:
        """Tell that reading changes nothing; what was read is lost.

        Raises:
            LinkError: No usable answer.
        """
        await self.observe()
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "nothing"})
        return Verdict("unknown", {"changes": "nothing"})

    async def read(self) -> str:
        """Trigger until the code was read as often as it must be.

        Raises:
            InstrumentFaultError: `code` "no_read", "disagree", "aborted" after an abort, or the maker's.
            LinkError: No usable answer.
        """
        self._abort.clear()
        self._handed.begin()
        link = self._line.link
        try:
            with self._line.exchange():
                if self._line.out_of_step:
                    await link.send_line(self._words.off.encode("ascii"))
                    await self._who()
                self._handed.hand()
                self._reading = True
                codes = [await self._once(link) for _ in range(self.settings.reads)]
        finally:
            self._reading = False
        if len(set(codes)) != 1:
            raise InstrumentFaultError(f"read {' and '.join(codes)}", code="disagree")
        return codes[0]

    async def abort(self) -> None:
        """End reading; between verbs nothing is said."""
        self._abort.call()
        if self._reading:
            self._line.out_of_step = True
            await self._line.shout(self._words.off.encode("ascii"))

    async def _once(self, link: LineLink) -> str:
        """One trigger and its code; a reader that stays silent but is there has read none."""
        await link.drain(quiet_s=QUIET_S)
        self._abort.check()
        await link.send_line(self._words.on.encode("ascii"))
        try:
            code = await self._code(link)
        except ReplyTimeoutError:
            self._abort.check()
            await link.send_line(self._words.off.encode("ascii"))
            await self._who()
            raise InstrumentFaultError("no code was read in time", code="no_read") from None
        if self._words.off_always:
            await link.send_line(self._words.off.encode("ascii"))
        return code

    async def _code(self, link: LineLink) -> str:
        due_s = asyncio.get_running_loop().time() + self.settings.patience_s
        while True:
            line = await self._hear(link, due_s)
            self._abort.check()
            code = parse_code(line, self.settings.dialect, self.settings.no_read)
            if code is not None:
                return code

    async def _introduce(self) -> Identity:
        self._hello = ""
        return await self._identity()

    async def _identity(self) -> Identity:
        self._abort.clear()
        return await self._who()

    async def _who(self) -> Identity:
        """Ask who it is, and pass over all that was said before the answer."""
        link = self._line.link
        with self._line.exchange():
            await link.drain(quiet_s=QUIET_S)
            await link.send_line(self._words.ask.encode("ascii"))
            due_s = asyncio.get_running_loop().time() + REPLY_S
            while True:
                line = await self._hear(link, due_s)
                found = re.fullmatch(self._words.hello, line)
                if found is not None and self._hello in {"", line}:
                    break
        self._line.out_of_step, self._hello = False, line
        make = MAKES[self.settings.dialect]
        if "serial" in found.groupdict():
            return Identity(make, serial_number=found["serial"])
        model, firmware = found.groups() or ("", "")
        return Identity(f"{make} {model}".strip(), firmware=firmware)

    async def _hear(self, link: LineLink, due_s: float) -> str:
        return text((await link.read_line_by(due_s)).lstrip(b"\n"))


def parse_code(line: str, dialect: str, no_read: tuple[str, ...]) -> str | None:
    """The code in a line; None for one that only responds to a command, or an empty one.

    Raises:
        InstrumentFaultError: `code` "no_read", or that of the maker.
        MalformedReplyError: A response of the extended mode of a DataMan.
    """
    if line in no_read:
        raise InstrumentFaultError(f"the reader says {line}: no code", code="no_read")
    if dialect == "dataman":
        if line.startswith("||"):
            raise MalformedReplyError(f"{line[:40]!r}: set COM.DMCC-RESPONSE to 0 (silent)")
        return line or None
    if line in {"", "OK,LON", "OK,LOFF"}:
        return None
    if failed := re.fullmatch(r"ER,(LON|LOFF),(\d\d)|ERR(\d\d)", line):
        if failed[1] == "LOFF":
            return None
        number = failed[2] or failed[3]
        raise InstrumentFaultError(f"the reader reports {line}", code=number)
    return line
