"""A simulated Multidrop Combi: fills the columns of the plate on its nest, one after another.

Source: pylabrobot pull request 964, citing table 3-3 of the instrument manual. Framing: commands
end with CR, answer lines with CR LF; ESC stops an action between two columns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, unnoticed
from platectl.simkit.wire_faults import is_silent, send_reply

ESC: Final = b"\x1b"
CODE_LENGTH: Final = 3
COLUMN_S: Final = 1.2
PRIME_UL_PER_S: Final = 500.0
ABORTED: Final = 0
UNKNOWN, ARGUMENTS, UNPRIMED, NO_VESSEL, SHIELD, NOTHING_TO_DO = 2, 3, 14, 15, 16, 17
NO_PLATE_TYPE, UNDEFINED_PLATE, NO_CASSETTE, LIMITS, SPEED, TOO_LOW, ORDER = (
    18,
    19,
    24,
    32,
    34,
    35,
    37,
)
#: factory plate types: columns, height in 1/100 mm
PLATES: Final = (
    (12, 1500), (12, 2200), (12, 4400),
    (24, 750), (24, 1000), (24, 1500), (24, 2200), (24, 4400),
    (48, 500), (48, 1050),
)  # fmt: skip
#: volume limits of the cassettes in 1/10 µL
CASSETTES: Final = ((50, 25000), (5, 500), (5, 25000), (5, 25000))


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    firmware: str = "2.00.29"
    serial_number: str = "836-4191"


class MultidropCombiSimulator:
    """Answers remote commands; acts on the plate at `setup.position` from its own bottle.

    Remembers its settings and whether it is primed over reconnects; RST forgets both. What runs
    goes on when a conversation ends; its end goes to whoever is on the line by then, and the next
    command waits for it. It does not
    see what stands on the nest or hangs on the line: what goes beside a plate ends with status 0
    and is written to `world.notices[f"{name}.mishap"]`.

    Faults: `not_primed` (an action finds the tubing dry, until primed again), `shield_open`,
    `vessel_missing` (at PRI), `standing_error` (`code`, 12 unless told: VER ends with it until
    EAK), and the wire faults `silent`, `garbled_reply`, `reply_lost`, `late_reply`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._escape = asyncio.Event()
        self._remote = False
        self._error = 0
        self._turn = asyncio.Lock()
        self._line: ByteStream | None = None
        self._forget()

    def _forget(self) -> None:
        self._primed = False
        self._plate, self._cassette, self._height = PLATES[0], CASSETTES[0], 1650
        self._amounts: dict[int, int] = {}

    async def serve(self, stream: ByteStream) -> None:
        """Take lines and ESC at any time; work through the lines one by one."""
        lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._line = stream
        work = asyncio.create_task(self._work(lines))
        buffer = b""
        try:
            while True:
                *before, buffer = (buffer + await stream.receive()).split(ESC)
                for piece in before:
                    self._queue(piece, lines)
                    self._escape.set()
                buffer = self._queue(buffer, lines)
        except DisconnectedError:
            lines.put_nowait(None)
        await work

    def _queue(self, data: bytes, lines: asyncio.Queue[bytes | None]) -> bytes:
        """Queue whole lines and return the rest; a new command ends an old escape."""
        *whole, rest = data.split(b"\r")
        for line in whole:
            self._escape.clear()
            lines.put_nowait(line.strip(b"\n "))
        return rest

    async def _work(self, lines: asyncio.Queue[bytes | None]) -> None:
        while (line := await lines.get()) is not None:
            if not line or await is_silent(self._setup.faults):
                continue
            command = line.decode("ascii", "replace").upper()
            if not self._remote and command[:CODE_LENGTH] not in {"VER", "EAK"}:
                continue
            try:
                async with self._turn:
                    await self._answer(command)
            except DisconnectedError:
                continue

    async def _answer(self, command: str) -> None:
        """Echo, act, and end with the status."""
        code, words = command[:CODE_LENGTH], command[CODE_LENGTH:].split()
        numbers = [int(word) for word in words if word.isdecimal()]
        data: list[str] = []
        await asyncio.sleep(0.02)
        if len(numbers) != len(words):
            status = ARGUMENTS
        elif code == "VER":
            status = self._version(data)
        else:
            status = await self._run(code, numbers)
        answer = "".join(f"{text}\r\n" for text in (code, *data, f"{code} END {status}"))
        if self._line is not None:
            await send_reply(self._line, answer.encode("ascii"), self._setup.faults)

    def _version(self, data: list[str]) -> int:
        self._remote = True
        if (standing := self._setup.faults.strike("standing_error")) is not None:
            self._error = int(standing.data.get("code", 12))
        if not self._error:
            data.append(f"MultidropCombi {self._options.firmware} {self._options.serial_number}")
        return self._error

    async def _run(self, code: str, numbers: list[int]) -> int:
        actions: Mapping[str, Callable[..., Coroutine[Any, Any, int]]] = {
            "PRI": self._prime, "DIS": self._dispense,
        }  # fmt: skip
        settings: Mapping[str, Callable[..., int]] = {
            "EAK": self._acknowledge, "QIT": self._quit, "RST": self._restart,
            "SPL": self._set_plate, "SCT": self._set_cassette, "SPS": self._set_speed,
            "SDH": self._set_height, "SDO": self._set_order, "SCV": self._set_volume,
        }  # fmt: skip
        try:
            if code in actions:
                return await actions[code](*numbers)
            return settings[code](*numbers) if code in settings else UNKNOWN
        except TypeError:  # another number of arguments than the command takes
            return ARGUMENTS

    def _acknowledge(self) -> int:
        self._error = 0
        return 0

    def _quit(self) -> int:
        self._remote = False
        return 0

    def _restart(self) -> int:
        self._remote = False
        self._forget()
        return 0

    def _set_plate(self, index: int) -> int:
        if index >= len(PLATES):
            return UNDEFINED_PLATE if index < 30 else NO_PLATE_TYPE  # noqa: PLR2004  # 10 to 29 are the user's
        self._plate = PLATES[index]
        return 0

    def _set_cassette(self, index: int) -> int:
        if index >= len(CASSETTES):
            return NO_CASSETTE
        self._cassette = CASSETTES[index]
        return 0

    def _set_speed(self, percent: int) -> int:
        return 0 if 1 <= percent <= 100 else SPEED  # noqa: PLR2004  # per cent

    def _set_height(self, height: int) -> int:
        if not 500 <= height <= 5500:  # noqa: PLR2004  # travel in 1/100 mm
            return ARGUMENTS
        self._height = height
        return 0

    def _set_order(self, order: int) -> int:
        return 0 if order in {0, 1} else ORDER

    def _set_volume(self, column: int, amount: int) -> int:
        columns = self._plate[0]
        if column > columns:
            return ARGUMENTS
        if amount and not self._cassette[0] <= amount <= self._cassette[1]:
            return LIMITS
        chosen = range(1, columns + 1) if column == 0 else (column,)
        self._amounts.update(dict.fromkeys(chosen, amount))
        return 0

    async def _prime(self, amount: int, mode: int = 0) -> int:
        if mode not in {0, 1, 2, 3} or not amount:
            return ARGUMENTS
        if self._setup.faults.strike("vessel_missing"):
            return NO_VESSEL
        if self._setup.faults.strike("shield_open"):
            return SHIELD
        volume_ul = amount / 10
        with unnoticed(self._setup):
            self._setup.world.bulk_prime(self._setup.name, volume_ul)
        if await self._stopped_within(1.0 + volume_ul / PRIME_UL_PER_S):
            return ABORTED
        self._primed = True
        return 0

    async def _dispense(self) -> int:
        amounts = {c: a for c, a in sorted(self._amounts.items()) if a and c <= self._plate[0]}
        if self._setup.faults.strike("not_primed"):
            self._primed = False
        if self._setup.faults.strike("shield_open"):
            return SHIELD
        if not self._primed:
            return UNPRIMED
        if not amounts:
            return NOTHING_TO_DO
        if self._height < self._plate[1]:
            return TOO_LOW
        for column, amount in amounts.items():
            if await self._stopped_within(COLUMN_S):
                return ABORTED
            self._fill(column, amount / 10)
        return 0

    def _fill(self, column: int, volume_ul: float) -> None:
        name, position = self._setup.name, self._setup.position or self._setup.name
        with unnoticed(self._setup):
            self._setup.world.bulk_dispense(name, position, {column: volume_ul})

    async def _stopped_within(self, duration_s: float) -> bool:
        try:
            async with asyncio.timeout(duration_s):
                await self._escape.wait()
        except TimeoutError:
            return False
        return True
