r"""Thermo Cytomat automated incubator over RS-232, 9600 8N1.

Source: PyLabRobot 0.2.2 `storage.cytomat` and df-bio/open-cytomat, which cites the maker's document
(shared/instruments-handlers.md 5.2). A command is `cc:cc` and parameters, ended by `\r`; the answer
ends with `\r` too: `ok SS` with the status byte, `er CC`, or the command's code with its data.
Maturity: paper.

A move is told once. `ok` means that it began; the status byte is polled until it is no longer busy.
Healthy units now and then answer `er 01` (busy) or `er 02` (unknown command), to queries too: clients ask
ten times, 0.1 s apart, and so does this driver. A refused telegram moved nothing, so a move is told again as
well, but only after the status byte says that nothing runs and nothing has changed at the transfer station and on
the shovel.

Slots are named by three digits, counted through all stackers; a 2 C425 (`model: c2c_425`) takes stacker and level
instead, both from 00, and needs `stackers`.

A move in doubt is told from the status byte when nothing runs and no error stands: a plate that
should be on the transfer station, or away from it, is. That it was elsewhere before is known to the
life that sent the move; for another it follows from the refusals 31 and 32, if nobody put a plate
there by hand. A plate on the shovel belongs to a person.

Responsible for: moving plates between slots and the transfer station, temperature, climate. Not
responsible for: what is in which slot, and how stackers are configured (the maker's program does it;
a wrong configuration puts plates into the wrong level).

Unattested: `ll:it`, the command that sets the temperature, is in one client alone. The end of a telegram: CR by the
maker's document and for the 2 C425, CR LF in PyLabRobot for the others (`line_end: crlf`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.hal.cells import Climate
from platectl.hal.checks import check_slot, check_within
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Verdict, setpoint_verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.codec import number, text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine

REPLY_S: Final = 5.0
POLL_S: Final = 1.0
PAUSE_S: Final = 0.1
TRIES: Final = 10
QUIET_S: Final = 0.2
#: half of what a setpoint can differ by
SAME_C: Final = 0.05
BUSY, READY, WARNING, ERROR, SHOVEL, GATE, DOOR, STATION = 1, 2, 4, 8, 16, 32, 64, 128
SPURIOUS: Final = frozenset({"01", "02"})
REFUSALS: Final = {
    "01": "busy", "02": "unknown command", "03": "structure of the telegram", "04": "parameter",
    "05": "unknown location", "11": "position of the handler", "12": "shovel is extended",
    "21": "handler is occupied", "22": "handler is empty", "31": "transfer station is empty",
    "32": "transfer station is occupied", "33": "transfer station is not in position",
    "41": "gate is not configured", "42": "gate is not open", "51": "memory", "52": "access",
}  # fmt: skip
REGISTER: Final = {
    "01": "motor controllers", "02": "plate was not loaded on the shovel",
    "03": "plate was not unloaded from the shovel", "04": "shovel is not extended", "05": "time-out",
    "06": "gate is not open", "07": "gate is not closed", "08": "shovel is not retracted",
    "0A": "motor temperature", "0B": "motor", "0C": "transfer station did not turn",
    "0D": "heating or gas", "FF": "fatal",
}  # fmt: skip
_OK: Final = re.compile(r"ok ([0-9A-Fa-f]{2})")
_ER: Final = re.compile(r"er ([0-9A-Fa-f]{2})")


class Settings(BaseModel):
    """Number of slots through all stackers, the model, and the time granted to a move.

    `stackers` are the levels of each stacker, from the first one on; a 2 C425 needs them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Literal["c2c_425", "c2c_450", "c5c", "c6000", "c6002", "c24"] = "c6000"
    line_end: Literal["cr", "crlf"] = "cr"
    slots: int = Field(default=42, ge=1, le=999)
    stackers: tuple[Annotated[int, Field(ge=1, le=99)], ...] = ()
    move_s: float = Field(default=120.0, gt=0)
    lowest_c: float = 4.0
    highest_c: float = 50.0

    @model_validator(mode="after")
    def _has_stackers(self) -> Settings:
        if self.model == "c2c_425" and not self.stackers:
            raise ValueError("a 2 C425 needs the levels of its stackers; write stackers: [21, 21]")
        return self


class Cytomat:
    """Drives one incubator; satisfies `platectl.hal.cells.Incubator`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="cytomat",
        makes="Thermo Cytomat 2 C, 5 C, 6000, 6002, 24",
        interfaces=("Incubator",),
        wire="serial",
        lines=(SerialLine(9600),),
        source="PyLabRobot 0.2.2 storage.cytomat and df-bio/open-cytomat (handlers 5.2)",
        unattested=(
            "ll:it sets the temperature",
            "end of a telegram but for the 2 C425: CR in one client, CR LF in the other",
        ),
        transcripts=("cytomat_fetch",),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._setup = setup
        end = {"cr": b"\r", "crlf": b"\r\n"}[self.settings.line_end]
        self._line = InstrumentLine(setup.open_stream, "the incubator", tx_end=end, rx_end=b"\r")
        self._turn = asyncio.Lock()
        self._handed = Handed()
        self._occupied_before: dict[str, bool] = {}

    @property
    def slots(self) -> int:
        """Number of slots."""
        return sum(self.settings.stackers) or self.settings.slots

    async def connect(self) -> Identity:
        """Ask for the status; nothing moves.

        Raises:
            InstrumentFaultError: A standing error, with the error register's code.
            LinkError: No usable answer.
        """
        await self.aclose()
        await self._check(await self._look())
        return Identity("Cytomat")

    async def observe(self) -> Identity:
        """Ask for the status, whatever it is.

        Raises:
            LinkError: No usable answer.
        """
        await self._look()
        return Identity("Cytomat")

    async def take_over(self) -> Identity:
        """Ask for the status; a move goes on, the climate stays as it was set.

        Raises:
            InstrumentFaultError: A standing error, with the error register's code.
            LinkError: No usable answer.
        """
        await self._check(await self._look())
        return Identity("Cytomat")

    async def reconcile(self, action: Action) -> Verdict:
        """Wait for the end of a move and look where the plate is; read a setpoint back.

        Raises:
            LinkError: No usable answer.
        """
        status = await self._look()
        if action.verb == "set_temperature":
            return await self._compare(action)
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "no telegram that moves"})
        if action.verb not in {"store", "fetch"}:
            return Verdict("unknown", {"verb": action.verb})
        async with self._turn:
            status = await self._rest(status)
            evidence = await self._evidence(status)
        if status & BUSY:
            return Verdict("running", evidence)
        if status & (ERROR | SHOVEL):
            return Verdict("unknown", evidence)
        done = bool(status & STATION) == (action.verb == "fetch")
        if self._occupied_before.get(action.id) == (action.verb == "fetch"):
            done = False  # as it should be afterwards it was before, so the move was refused
        return Verdict("done" if done else "not_done", evidence)

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the nominal temperature."""
        limits = self.settings.lowest_c, self.settings.highest_c
        check_within(temperature_c, limits, "hold", "C")
        async with self._turn:
            telegram = f"ll:it {temperature_c:04.1f}"
            _check_ok(await self._query(telegram), telegram)  # to set it twice is harmless

    async def read_climate(self) -> Climate:
        """Temperature, CO2 and humidity as measured; None where nothing is fitted."""
        async with self._turn:
            temperature = await self._measured("ch:it")
            if temperature is None:
                raise MalformedReplyError("the incubator does not state its temperature")
            return Climate(
                temperature, await self._measured("ch:ic"), await self._measured("ch:ih")
            )

    async def store(self, slot: int) -> None:
        """From the transfer station into a slot. Errors as in the interface."""
        await self._move("mv:ts", slot)

    async def fetch(self, slot: int) -> None:
        """From a slot onto the transfer station. Errors as in the interface."""
        await self._move("mv:st", slot)

    async def abort(self) -> None:
        """There is no command that stops a move; it ends by itself."""

    async def aclose(self) -> None:
        """Close the conversation; harmless when repeated."""
        await self._line.aclose()

    # Moves --------------------------------------------------------------------------------------
    async def _look(self) -> int:
        """Status byte, on a new line if the old one is gone."""
        async with self._turn:
            return await self._line.look(self._status, self._status_anew)

    async def _status_anew(self) -> int:
        await self._line.link.drain(quiet_s=QUIET_S)
        return await self._status()

    async def _rest(self, status: int) -> int:
        """Wait until it was twice not busy, or for the time of a move; the last status byte."""
        deadline_s = self._setup.clock.monotonic_s() + self.settings.move_s
        before = status | BUSY
        while (status | before) & BUSY and self._setup.clock.monotonic_s() < deadline_s:
            await asyncio.sleep(POLL_S)
            before, status = status, await self._status()
        return status

    async def _evidence(self, status: int) -> dict[str, Any]:
        told: dict[str, Any] = {
            "status": f"{status:02X}",
            "busy": bool(status & BUSY),
            "transfer_station_occupied": bool(status & STATION),
            "shovel_occupied": bool(status & SHOVEL),
        }
        if status & ERROR:
            told["error_register"] = (await self._register("ch:be")).upper()
        return told

    async def _compare(self, action: Action) -> Verdict:
        """Compare the nominal temperature; setting it again is harmless."""
        async with self._turn:
            answer = await self._query("ch:it")
        nominal_c = _climate(answer, "ch:it")[0]
        return setpoint_verdict(action, nominal_c, {"nominal_c": nominal_c}, within_c=SAME_C)

    async def _move(self, command: str, slot: int) -> None:
        check_slot(slot, self.slots)
        self._handed.begin()
        async with self._turn:
            before = await self._status()
            if before & BUSY:
                raise InstrumentFaultError("the incubator is busy", code="01")
            self._handed.hand()
            self._occupied_before[ACTION_ID.get()] = bool(before & STATION)
            await self._begin(f"{command} {self._place(slot)}", before)
            deadline_s = self._setup.clock.monotonic_s() + self.settings.move_s
            while (status := await self._status()) & BUSY:
                if self._setup.clock.monotonic_s() > deadline_s:
                    raise ReplyTimeoutError(f"a move is not over after {self.settings.move_s:g} s")
                await asyncio.sleep(POLL_S)
            await self._check(status)

    def _place(self, slot: int) -> str:
        """A slot as the model names it."""
        if self.settings.model != "c2c_425":
            return f"{slot:03d}"
        stacker, level = 0, slot - 1
        while level >= self.settings.stackers[stacker]:
            level -= self.settings.stackers[stacker]
            stacker += 1
        return f"{stacker:02d} {level:02d}"

    async def _begin(self, telegram: str, before: int) -> None:
        """Tell a move, again after a refusal that healthy units give, if really nothing moved."""
        for tries in range(1, TRIES + 1):
            try:
                _check_ok(await self._ask(telegram), telegram)
            except InstrumentFaultError as refusal:
                if refusal.code not in SPURIOUS or tries == TRIES:
                    raise
                await asyncio.sleep(PAUSE_S)
                now = await self._status()
                if now & BUSY or (now ^ before) & (SHOVEL | STATION):
                    raise LinkError(
                        f"a move was refused ({refusal}), and yet something moves"
                    ) from refusal
            else:
                return

    async def _check(self, status: int) -> None:
        """Name a standing error.

        Raises:
            InstrumentFaultError: With the code of the error register.
        """
        if status & ERROR:
            code = (await self._register("ch:be")).upper()
            raise InstrumentFaultError(f"{REGISTER.get(code, 'fault')} ({code})", code=code)

    # Wire ---------------------------------------------------------------------------------------
    async def _status(self) -> int:
        return int(await self._register("ch:bs"), 16)

    async def _register(self, query: str) -> str:
        """Two digits of a register, which every unit has; a refusal says that the line is damaged."""
        try:
            answer = await self._query(query)
        except InstrumentFaultError as refusal:
            raise MalformedReplyError(f"{query} was refused: {refusal}") from refusal
        match = re.fullmatch(rf"{query[3:]} ([0-9A-Fa-f]{{2}})", answer)
        if not match:
            raise MalformedReplyError(f"{answer[:60]!r} is no answer to {query}")
        return match[1]

    async def _measured(self, query: str) -> float | None:
        try:
            answer = await self._query(query)
        except InstrumentFaultError as refusal:
            if refusal.code in {"02", "04"}:
                return None  # no such sensor
            raise
        return _climate(answer, query)[1]

    async def _query(self, telegram: str) -> str:
        """The answer to what is harmless to repeat, also when it comes only after refusals of a healthy unit."""
        for _ in range(TRIES - 1):
            try:
                return await self._ask(telegram)
            except InstrumentFaultError as refusal:
                if refusal.code not in SPURIOUS:
                    raise
                await asyncio.sleep(PAUSE_S)
        return await self._ask(telegram)

    async def _ask(self, telegram: str) -> str:
        link = self._line.link
        with contextlib.suppress(ReplyTimeoutError):
            while True:  # an answer that came too late belongs to nobody
                await link.read_line(timeout_s=0.0)
        answer = text((await link.ask(telegram.encode(), timeout_s=REPLY_S)).strip(b"\n"))
        if match := _ER.fullmatch(answer):
            code = match[1].upper()
            raise InstrumentFaultError(f"{REFUSALS.get(code, 'refused')} ({code})", code=code)
        return answer


def _check_ok(answer: str, telegram: str) -> None:
    if not _OK.fullmatch(answer):
        raise MalformedReplyError(f"{answer[:60]!r} is no answer to {telegram}")


def _climate(answer: str, query: str) -> tuple[float, float]:
    """Nominal and actual value.

    Raises:
        MalformedReplyError: Not the code of the query and two numbers.
    """
    words = answer.split(" ")
    if len(words) != 3 or words[0] != query[3:]:  # noqa: PLR2004  # code, nominal, actual
        raise MalformedReplyError(f"{answer[:60]!r} is no answer to {query}")
    return number(words[1]), number(words[2])
