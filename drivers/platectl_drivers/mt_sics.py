r"""Mettler-Toledo balances that speak MT-SICS, over RS-232 (9600 8N1 as a rule) or TCP 4305.

Responsible for stable and immediate weighing, tare and zero. Source: the maker's MT-SICS reference
manuals (11780711 and 30014405) as described in shared/instruments-handlers.md 6.6, PyLabRobot's
Mettler-Toledo back-end and mp49/mettlerToledo: lines end with CR LF; `S` waits until the pan is at
rest, `SI` does not, both answer `S S mass unit` (`S D` if it moves); `T` answers `T S mass unit`, `Z`
answers `Z A`. Instead of a status letter `I` says not executable (busy, or no rest in time), `+` and `-`
over- and underload; `ES`, `ET`, `EL` alone are syntax, transmission and logic. `I0` lists the commands
line by line (`B` more follows, `A` the last), `I1` the levels, `I2` model and range, `I3` software, `I4`
the serial number; `TA` tells the tare, `@` resets, which answers as `I4` does. Maturity: paper.

An answer names its command, not its question: what is still under way after a broken exchange is passed
over by asking `I4`, once longer has passed than a pan may take to rest. Nothing but `g`, `mg` and `kg` is taken for a mass.
Not responsible for adjustment (`C…`), units, doors and the display.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentFaultError,
    MalformedReplyError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import integer, number, text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine, LineLink
from platectl.transport.line_instrument import LineInstrument

REPLY_S: Final = 5.0
QUIET_S: Final = 0.05
NEEDED: Final = frozenset({"S", "SI", "T", "Z"})
GRAMS: Final = {"g": 1.0, "mg": 1e-3, "kg": 1e3}
GENERAL: Final = {"ES": "syntax", "ET": "transmission", "EL": "logic"}
STATUS: Final = {"I": "busy", "+": "overload", "-": "underload", "L": "parameter"}
WEIGHT_FIELDS: Final = 4
LISTED_FIELDS: Final = 4


class Settings(BaseModel):
    """Patience of the driver."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settle_s: float = Field(default=60.0, gt=0, description="longest time until the pan is at rest")


@dataclass(frozen=True, slots=True)
class Weight:
    """One mass in grams, and whether the pan was at rest."""

    mass_g: float
    stable: bool


class MtSics(LineInstrument):
    """Drives one balance; satisfies `platectl.hal.weighing.Balance`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="mt_sics",
        makes="Mettler-Toledo balances with MT-SICS levels 0 and 1",
        interfaces=("Balance",),
        wire="serial",
        lines=(SerialLine(9600),),
        source="MT-SICS reference manuals 11780711 and 30014405, PyLabRobot, mp49/mettlerToledo (handlers 6.6)",
        unattested=(
            "whether a reset by @ leaves zero and tare as they are",
            "how long a balance waits for rest before it answers I",
            "whether I4 is answered before a command that still waits for rest",
        ),
        transcripts=("mt_sics_overload", "mt_sics_weighing"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._line = InstrumentLine(
            setup.open_stream, "the balance", tx_end=b"\r\n", rx_end=b"\r\n"
        )
        self._asking = False
        self._abort = Abort("the balance was reset")
        self._handed = Handed()

    async def connect(self) -> Identity:
        """Ask who it is and whether it has the commands of this driver; nothing changes.

        Raises:
            LinkError: No usable answer.
            InstrumentFaultError: `code` "unsupported" if it cannot weigh, tare and zero.
        """
        who = await super().connect()
        levels = quoted(await self._ask("I1", "I1"), "I1")
        listed = await self._commands()
        if lacks := NEEDED - listed:
            raise InstrumentFaultError(
                f"{who.model} of levels {levels} has no {', '.join(sorted(lacks))}",
                code="unsupported",
            )
        return who

    async def reconcile(self, action: Action) -> Verdict:
        """Tell the tare; who set it, and when, a balance does not say.

        Raises:
            LinkError: No usable answer.
        """
        await self.observe()
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "nothing"})
        if action.verb == "read_mass_g":
            return Verdict("not_done", {"changes": "nothing"})
        try:
            evidence = {"tare_g": parse_weight(await self._ask("TA", "TA"), "TA").mass_g}
        except InstrumentFaultError as error:
            return Verdict("unknown", {"tare": error.code})
        return Verdict("unknown", evidence)

    async def read_mass_g(self, *, stable: bool = True) -> float:
        """Weigh with `S`, or with `SI` if the pan need not be at rest.

        Raises:
            InstrumentFaultError: `code` "busy" (also without rest in time), "overload", "underload",
                "not_stable", "aborted" after an abort.
            LinkError: No usable answer.
        """
        self._abort.clear()
        line = await self._ask("S" if stable else "SI", "S", patience_s=self._patience(stable))
        weight = parse_weight(line, "S")
        if stable and not weight.stable:
            raise InstrumentFaultError(f"the pan moves: {line!r}", code="not_stable")
        return weight.mass_g

    async def tare(self) -> float:
        """Tare when the pan is at rest.

        Raises:
            InstrumentFaultError: `code` as `read_mass_g`; the tare is as it was.
            LinkError: The tare may have been taken.
        """
        self._abort.clear()
        self._handed.begin()
        line = await self._ask("T", "T", patience_s=self._patience(stable=True), sets=True)
        return parse_weight(line, "T").mass_g

    async def zero(self) -> None:
        """Set zero when the pan is at rest.

        Raises:
            InstrumentFaultError: `code` as `read_mass_g`; the zero is as it was.
            LinkError: The zero may have been set.
        """
        self._abort.clear()
        self._handed.begin()
        line = await self._ask("Z", "Z", patience_s=self._patience(stable=True), sets=True)
        refuse_status(line, "Z")
        if line != "Z A":
            self._line.out_of_step = True
            raise MalformedReplyError(f"the balance answered {line[:40]!r} to Z")

    async def abort(self) -> None:
        """Cancel what waits for rest; between verbs nothing is said."""
        self._abort.call()
        if self._asking:
            self._line.out_of_step = True
            await self._line.shout(b"@")

    def _patience(self, stable: bool) -> float:  # noqa: FBT001  # a word of the interface
        return REPLY_S + (self.settings.settle_s if stable else 0.0)

    async def _introduce(self) -> Identity:
        await self._line.link.drain(quiet_s=QUIET_S)
        return await self._identity()

    async def _identity(self) -> Identity:
        self._abort.clear()
        model = quoted(await self._ask("I2", "I2"), "I2")
        software = quoted(await self._ask("I3", "I3"), "I3")
        serial_number = quoted(await self._ask("I4", "I4"), "I4")
        return Identity(model, serial_number=serial_number, firmware=software)

    async def _commands(self) -> frozenset[str]:
        """All commands that the balance lists; the last line says `A`."""
        more, command = parse_listed(await self._ask("I0", "I0"))
        listed = {command}
        due_s = asyncio.get_running_loop().time() + REPLY_S
        with self._line.exchange():
            while more:
                more, command = parse_listed(await self._answer("I0", due_s))
                listed.add(command)
        return frozenset(listed)

    async def _ask(
        self, command: str, answers: str, *, patience_s: float = REPLY_S, sets: bool = False
    ) -> str:
        """Say one command and return the line that answers it, whatever its status."""
        link = self._line.link
        try:
            with self._line.exchange():
                await self._fall_in_step(link)
                if sets:
                    self._handed.hand()
                self._asking = True
                await link.send_line(command.encode("ascii"))
                return await self._answer(answers, asyncio.get_running_loop().time() + patience_s)
        finally:
            self._asking = False

    async def _answer(self, answers: str, due_s: float) -> str:
        """The next line that names the command; lines that name another are passed over."""
        while True:
            line = text(await self._line.link.read_line_by(due_s))
            self._abort.check()
            word = line.partition(" ")[0]
            if line in GENERAL:
                reason = GENERAL[line]
                raise InstrumentFaultError(f"the balance reports {line}: {reason}", code=reason)
            if word == answers:
                return line

    async def _fall_in_step(self, link: LineLink) -> None:
        """Pass over what was said unasked, and after a broken exchange over its answer."""
        await link.drain(quiet_s=QUIET_S)
        if not self._line.out_of_step:
            return
        await link.send_line(b"I4")
        due_s = asyncio.get_running_loop().time() + REPLY_S
        while not (await link.read_line_by(due_s)).startswith(b"I4 A "):
            pass
        self._line.out_of_step = False


def quoted(line: str, command: str) -> str:
    """The first text in quotes of an answer such as `I4 A "B021002593"`.

    Raises:
        MalformedReplyError: No such answer.
        InstrumentFaultError: Not executable now.
    """
    refuse_status(line, command)
    found = re.fullmatch(rf'{command} A "([^"]*)"(?: "[^"]*")*', line)
    if found is None:
        raise MalformedReplyError(f"the balance answered {line[:60]!r} to {command}")
    return found[1]


def parse_listed(line: str) -> tuple[bool, str]:
    """Whether more lines follow, and the command in a line such as `I0 B 0 "SI"`.

    Raises:
        MalformedReplyError: No such line.
        InstrumentFaultError: Not executable now.
    """
    refuse_status(line, "I0")
    words = line.split()
    if len(words) != LISTED_FIELDS or words[1] not in {"A", "B"}:
        raise MalformedReplyError(f"{line[:40]!r} lists no command")
    integer(words[2])
    if not re.fullmatch(r'"[^"]+"', words[3]):
        raise MalformedReplyError(f"{line[:40]!r} lists no command")
    return words[1] == "B", words[3].strip('"')


def parse_weight(line: str, command: str) -> Weight:
    """Decode `S S     100.00 g`; `S` and `A` are at rest, `D` is not.

    Raises:
        InstrumentFaultError: A status instead of a mass.
        MalformedReplyError: No mass of this command, or not in grams.
    """
    refuse_status(line, command)
    words = line.split()
    if len(words) != WEIGHT_FIELDS or words[0] != command or words[1] not in {"S", "D", "A"}:
        raise MalformedReplyError(f"{line[:40]!r} is no mass of {command}")
    if words[3] not in GRAMS:
        raise MalformedReplyError(f"the balance weighs in {words[3][:10]!r}; set it to g")
    return Weight(number(words[2]) * GRAMS[words[3]], words[1] != "D")


def refuse_status(line: str, command: str) -> None:
    """Turn a status that stands for no success into an exception.

    Raises:
        InstrumentFaultError: Busy, over- or underload, or a wrong parameter.
    """
    status = line.removeprefix(f"{command} ")
    if status in STATUS and line != status:
        raise InstrumentFaultError(
            f"the balance answers {line!r}: {STATUS[status]}", code=STATUS[status]
        )
