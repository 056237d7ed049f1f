r"""Liconic STX store or incubator over RS-232, 9600 8E1 with RTS/CTS.

Source: PyLabRobot `storage.liconic`, galago `tools/liconic` and AD-SDL/liconic_module (shared/instruments-handlers.md
5.3). Its controller is a PLC: a line ends with `\r`, the answer with `\r\n`; `CR` opens (`CC`) and `CQ` closes (`CF`)
the conversation, `ST n` and `RS n` set and reset a flag, `RD x` reads, `WR DMn v` writes, answered by `OK`, a
value, or `E0` to `E5`. Opening the port needs a break of more than 100 ms: write `break_ms=200` into the address.
Maturity: paper.

Where a plate goes is told by four data words before each access: cassette, level (both from 1), motor steps of a
level and levels of the cassette. A move is told once, by one flag; then the ready flag is polled, and the error
flag while it is not ready. `E` answers refuse a command, and nothing moved.

A move in doubt cannot be told from the flags that are attested. Units with a plate sensor at the transfer station can
say it (`transfer_sensor`, a flag that its authors did not test: try it before it is switched on); then it is
judged as at a Cytomat, otherwise a person looks.

Slots are counted through all cassettes, the lowest level of the first being 1. Not responsible for: what is in which
slot, the shaker, gases, the internal barcode reader, and clearing errors, which is done at the unit.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.cells import Climate
from platectl.hal.checks import check_temperature
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Verdict, settable
from platectl.hal.serial_line import SerialLine
from platectl.transport.codec import text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine, LineLink

REPLY_S: Final = 5.0
CLOSING_S: Final = 1.0
READY_S: Final = 15.0
POLL_S: Final = 2.0
QUIET_S: Final = 0.2
#: what the maker asks for between a break and the first command
AFTER_BREAK_S: Final = 0.15
STEPS_PER_MM: Final = 1713 / 50
ACTIVATE, END, IMPORT, EXPORT = "ST 1801", "ST 1903", "ST 1904", "ST 1905"
READY, ERROR, PLATE = "RD 1915", "RD 1814", "RD 1813"
REFUSALS: Final = {
    "E0": "unknown timer, counter or data word", "E1": "unknown command", "E2": "its program is lost",
    "E3": "hardware", "E4": "write-protected", "E5": "base unit",
}  # fmt: skip
HANDLING: Final = {
    "00001": "not done in time", "00007": "gate does not open", "00008": "gate does not close",
    "00009": "lift", "00010": "somebody turned the carousel by hand", "00011": "slot cannot be reached",
    "00012": "no such level", "00013": "a plate stands on the transfer station", "00014": "lift does not start",
    "00015": "a plate is on the shovel", "00016": "no plate on the shovel",
}  # fmt: skip
#: by the third digit from the right, in which procedure it stopped
PROCEDURES: Final = {
    "1": "while storing", "2": "while fetching", "3": "while removing", "4": "while reading a barcode",
    "5": "while placing", "6": "while setting", "7": "while getting",
}  # fmt: skip
_WORD: Final = re.compile(r"\d{5}")


class Cassette(BaseModel):
    """One cassette: number of levels and their distance in mm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: int = Field(ge=1, le=99)
    pitch_mm: float = Field(gt=5, le=150)

    @property
    def steps(self) -> int:
        """Motor steps from one level to the next."""
        return round(self.pitch_mm * STEPS_PER_MM)


class Settings(BaseModel):
    """Cassettes in their order, what is fitted, and the time granted to a move; default is an STX44."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cassettes: tuple[Cassette, ...] = Field(
        default=(Cassette(levels=22, pitch_mm=23), Cassette(levels=22, pitch_mm=23)), min_length=1
    )
    climate: bool = Field(default=True, description="false for units that hold no temperature")
    humidity: bool = False
    co2: bool = False
    transfer_sensor: bool = Field(default=False, description="flag 1813 tells of a plate there")
    move_s: float = Field(default=90.0, gt=0)
    lowest_c: float = Field(default=4.0, ge=0)
    highest_c: float = 50.0


class Liconic:
    """Drives one store; satisfies `platectl.hal.cells.Incubator`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="liconic",
        makes="Liconic STX44, STX110, STX220, STX280, STX500, STX1000",
        interfaces=("Incubator",),
        wire="serial",
        lines=(SerialLine(9600, parity="E", rtscts=True, break_ms=200),),
        source="PyLabRobot storage.liconic, galago tools/liconic and AD-SDL/liconic_module (handlers 5.3)",
        unattested=(
            "CR in a conversation that is open",
            "how soon the ready flag falls after a move is told",
            "flag 1813 (transfer_sensor): published as untested",
            "DM984 (co2): published as untested",
        ),
        transcripts=("liconic_fetch", "liconic_no_plate"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._line = InstrumentLine(setup.open_stream, "the Liconic", tx_end=b"\r", rx_end=b"\r\n")
        self._turn = asyncio.Lock()
        self._handed = Handed()
        self._plate_before: dict[str, bool] = {}

    @property
    def slots(self) -> int:
        """Number of slots in all cassettes."""
        return sum(cassette.levels for cassette in self.settings.cassettes)

    async def connect(self) -> Identity:
        """Open the conversation and activate the handling; nothing moves.

        Raises:
            InstrumentFaultError: A standing error, with its code.
            LinkError: No usable answer.
        """
        await self.aclose()
        return await self.take_over()

    async def observe(self) -> Identity:
        """Open the conversation and ask whether it is ready, whatever it says.

        Raises:
            LinkError: No usable answer.
        """
        async with self._turn:
            await self._look()
        return Identity("Liconic STX")

    async def take_over(self) -> Identity:
        """Activate the handling; a move goes on, the climate stays as it was set.

        Raises:
            InstrumentFaultError: A standing error, with its code.
            LinkError: No usable answer.
        """
        async with self._turn:
            await self._look()
            await self._raise_error()
            await self._tell(ACTIVATE)
            await self._until_ready(max(READY_S, self.settings.move_s))
        return Identity("Liconic STX")

    async def reconcile(self, action: Action) -> Verdict:
        """Wait for the end of a move and ask the sensor of the transfer station; read a setpoint back.

        Raises:
            LinkError: No usable answer.
        """
        async with self._turn:
            await self._look()
            if action.verb == "set_temperature":
                return await self._compare(action)
            if self._handed.never(action):
                return Verdict("not_done", {"sent": "data words at most"})
            if action.verb in {"store", "fetch"}:
                return await self._reconcile_move(action)
        return Verdict("unknown", {"verb": action.verb})

    async def set_temperature(self, temperature_c: float) -> None:
        """Write the setpoint.

        Raises:
            RefusedError: No climate, outside the range or finer than 0.1 C; nothing changed.
            InstrumentFaultError: `code` E0 to E5; nothing changed.
            LinkError: The setpoint may have been taken.
        """
        if not self.settings.climate:
            raise RefusedError("this Liconic holds no temperature")
        limits = self.settings.lowest_c, self.settings.highest_c
        check_temperature(temperature_c, limits, places=1)
        async with self._turn:
            await self._tell(f"WR DM890 {round(temperature_c * 10):05d}")

    async def read_climate(self) -> Climate:
        """Temperature, CO2 and humidity as measured; None where nothing is fitted.

        Raises:
            RefusedError: The unit measures no temperature.
            LinkError: No usable answer.
        """
        if not self.settings.climate:
            raise RefusedError("this Liconic measures no temperature")
        async with self._turn:
            return Climate(
                await self._word("DM982") / 10.0,
                await self._word("DM984") / 100.0 if self.settings.co2 else None,
                await self._word("DM983") / 10.0 if self.settings.humidity else None,
            )

    async def store(self, slot: int) -> None:
        """From the transfer station into a slot. Errors as in the interface."""
        await self._move(IMPORT, slot)

    async def fetch(self, slot: int) -> None:
        """From a slot onto the transfer station. Errors as in the interface."""
        await self._move(EXPORT, slot)

    async def abort(self) -> None:
        """There is no command that stops a move; it ends by itself."""

    async def aclose(self) -> None:
        """Close the conversation; harmless when repeated."""
        with contextlib.suppress(LinkError):
            await self._line.link.ask(b"CQ", timeout_s=CLOSING_S)
        await self._line.aclose()

    # Moves --------------------------------------------------------------------------------------
    async def _move(self, flag: str, slot: int) -> None:
        cassette, level = self._place(slot)
        self._handed.begin()
        async with self._turn:
            await self._raise_error()
            if not await self._flag(READY):
                raise InstrumentFaultError("the Liconic is busy", code="busy")
            if self.settings.transfer_sensor:
                self._plate_before[ACTION_ID.get()] = await self._flag(PLATE)
            shape = self.settings.cassettes[cassette - 1]
            for word, value in (
                ("DM0", cassette), ("DM23", shape.steps), ("DM25", shape.levels), ("DM5", level),
            ):  # fmt: skip
                await self._tell(f"WR {word} {value}")
            self._handed.hand()
            await self._tell(flag)
            await asyncio.sleep(POLL_S)
            await self._until_ready(self.settings.move_s)
            await self._tell(END)

    def _place(self, slot: int) -> tuple[int, int]:
        """Cassette and level of a slot, both from 1."""
        level = slot
        for number, cassette in enumerate(self.settings.cassettes, start=1):
            if 1 <= level <= cassette.levels:
                return number, level
            level -= cassette.levels
        raise RefusedError(f"slot {slot} is not between 1 and {self.slots}")

    async def _reconcile_move(self, action: Action) -> Verdict:
        """Wait for the end, and tell a move by what stands on the transfer station now and stood there before."""
        ours = self._handed.did(action)
        evidence: dict[str, Any] = {"sent_in_this_life": ours}
        try:
            await self._until_ready(self.settings.move_s)
        except InstrumentFaultError as error:
            return Verdict("unknown", {**evidence, "error": error.code})
        except ReplyTimeoutError:
            return Verdict("running" if ours else "unknown", {**evidence, "ready": False})
        if not self.settings.transfer_sensor:
            return Verdict("unknown", evidence)
        there, wanted = await self._flag(PLATE), action.verb == "fetch"
        moved = there == wanted and self._plate_before.get(action.id) != wanted
        evidence["plate_on_transfer_station"] = there
        return Verdict("done" if moved else "not_done", evidence)

    async def _until_ready(self, limit_s: float) -> None:
        deadline_s = asyncio.get_running_loop().time() + limit_s
        while not await self._flag(READY):
            await self._raise_error()
            if asyncio.get_running_loop().time() > deadline_s:
                raise ReplyTimeoutError(f"the Liconic is not ready after {limit_s:g} s")
            await asyncio.sleep(POLL_S)

    async def _raise_error(self) -> None:
        """Name a standing error.

        Raises:
            InstrumentFaultError: `code` has five digits.
        """
        if await self._flag(ERROR):
            code = f"{await self._word('DM200'):05d}"
            reason = HANDLING.get(code) or PROCEDURES.get(code[2], "error that no source lists")
            raise InstrumentFaultError(f"Liconic: {reason} ({code})", code=code)

    async def _compare(self, action: Action) -> Verdict:
        """Compare the setpoint; writing it again is harmless."""
        asked_c = action.arguments.get("temperature_c")
        set_c = await self._word("DM890") / 10.0
        same = asked_c is not None and round(float(asked_c), 1) == set_c
        return settable({"set_c": set_c}, as_set=same)

    # Wire ---------------------------------------------------------------------------------------
    async def _look(self) -> None:
        """Ask whether it is ready, on a new line if the old one is gone."""
        await self._line.look(lambda: self._flag(READY), self._look_anew)

    async def _look_anew(self) -> bool:
        await asyncio.sleep(AFTER_BREAK_S)
        self._line.out_of_step = True
        return await self._flag(READY)

    async def _flag(self, query: str) -> bool:
        answer = await self._ask(query)
        if answer not in {"0", "1"}:
            raise self._malformed(query, answer)
        return answer == "1"

    async def _word(self, name: str) -> int:
        answer = await self._ask(f"RD {name}")
        if not _WORD.fullmatch(answer):
            raise self._malformed(name, answer)
        return int(answer)

    async def _tell(self, command: str) -> None:
        answer = await self._ask(command)
        if answer != "OK":
            raise self._malformed(command, answer)

    def _malformed(self, asked: str, answer: str) -> MalformedReplyError:
        self._line.out_of_step = True
        return MalformedReplyError(f"{answer[:60]!r} is no answer to {asked}")

    async def _ask(self, command: str) -> str:
        """Send a line and return its answer.

        Raises:
            InstrumentFaultError: `code` E0 to E5: it was refused.
            LinkError: No usable answer.
        """
        async with self._line.turn(self._open_conversation) as link:
            answer = text(await link.ask(command.encode("ascii"), timeout_s=REPLY_S))
        if answer in REFUSALS:
            raise InstrumentFaultError(
                f"the Liconic refused {command}: {REFUSALS[answer]}", code=answer
            )
        return answer

    async def _open_conversation(self, link: LineLink) -> None:
        """Open it, or fall in step again: what comes before `CC` is passed over."""
        await link.drain(quiet_s=QUIET_S)
        due_s = asyncio.get_running_loop().time() + REPLY_S
        await link.send_line(b"CR")
        while await link.read_line_by(due_s) != b"CC":
            pass
