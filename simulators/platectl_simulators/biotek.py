"""A simulated BioTek reader: letters, acknowledged parameters, definitions and data with checksums.

Written from shared/instruments-readers.md 3. Assumed where no source speaks: letters without a parameter are
answered while it reads, all others wait for the end; the data come whole when the last well was read; the abort
letter ends a read and nothing follows; a definition with a wrong checksum is forgotten, so that a start is
refused as without one; a carrier that is out is taken in by a read. Faults: `refuse` (data: `letter`, `code`),
`stale_bytes` (before an acknowledgement), `bad_checksum` (of the data), `asterisks` (data: `wells`), `cold` (data:
`by_c`), `other_baud` (answers nothing), and those of every line.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from platectl.domain.errors import DisconnectedError
from platectl.domain.wells import well_name
from platectl.hal.stream import ByteStream
from platectl.simkit.photometer import Photometer
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

ACK, ETX = 0x06, 0x03
GOOD, NOT_DEFINED = "0000", "2D06"
CARRIER_S, WELL_S, LUMINOUS = 4.0, 0.51, 1.35
FULL_SCALE, OPAQUE, DARK_PER_S, ABSORBANCE_SD = 99999.0, 4.0, 8.0, 0.001
#: letters with a parameter: how many characters it has, 0 if ETX ends it
PARAMETERS: Final = {"y": 0, "t": 0, "D": 0, "g": 5, "&": 2, "i": 1}
#: letters that are answered while it reads
AT_ONCE: Final = "Ceh"
_HEAD: Final = re.compile(r"\d{4}01(\d\d)(\d\d)(\d\d)(\d\d)0001200100001100100000")
_ABSORBANCE: Final = re.compile(r"10600008(\d{4})")
_FLUORESCENCE: Final = re.compile(r"135000100200200(\d{4})000(\d{4})0+21001")
_LUMINESCENCE: Final = re.compile(r"12300(\d\d)(\d\d)200200-001000-003000+1351")


@dataclass(frozen=True, slots=True)
class _Definition:
    rows: range
    columns: range
    mode: Literal["absorbance", "fluorescence", "luminescence"]
    first_nm: float = 0.0
    second_nm: float = 0.0
    integration_s: float = 0.0


class BioTekSimulator:
    """One reader; its state and a read survive reconnects."""

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._rng = setup.world.rng(setup.name)
        self._photometer = Photometer(self._rng, full_scale=FULL_SCALE)
        self._definition: _Definition | None = None
        self._reading: asyncio.Task[None] | None = None
        self._stream: ByteStream | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""
        self._stream = stream
        heard: asyncio.Queue[int | None] = asyncio.Queue()
        listening = asyncio.create_task(self._listen(stream, heard))
        try:
            with contextlib.suppress(DisconnectedError):
                while (byte := await heard.get()) is not None:
                    await self._hear(chr(byte), heard, stream)
            if self._reading is not None:
                await asyncio.gather(self._reading, return_exceptions=True)
        except asyncio.CancelledError:
            self._stop()
            raise
        finally:
            listening.cancel()

    async def _listen(self, stream: ByteStream, heard: asyncio.Queue[int | None]) -> None:
        """Put bytes in the queue; the abort letter does not wait its turn."""
        while True:
            try:
                data = await stream.receive()
            except DisconnectedError:
                heard.put_nowait(None)
                return
            if data == b"x":
                self._stop()
                continue
            for byte in data:
                heard.put_nowait(byte)

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    async def _hear(
        self, letter: str, heard: asyncio.Queue[int | None], stream: ByteStream
    ) -> None:
        if letter not in f"{AT_ONCE}JAO" and letter not in PARAMETERS:
            return  # a stray ETX, or no letter
        if letter not in AT_ONCE and self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
        if await is_silent(self._setup.faults) or self._setup.faults.standing("other_baud"):
            return
        faults = self._setup.faults
        if letter not in PARAMETERS:
            status, said = await self._do(letter, "")
            await send_reply(stream, f"\x06{said}{status}\x03".encode("ascii"), faults)
            return
        stale = b"0000\x03" if faults.strike("stale_bytes") else b""
        await send_reply(stream, stale + bytes((ACK,)), faults)
        status, said = await self._do(letter, await _parameter(letter, heard))
        await send_reply(stream, f"{said}{status}\x03".encode("ascii"), faults)

    async def _do(self, letter: str, parameter: str) -> tuple[str, str]:
        """Do a command: its status and what it says."""
        refused = self._setup.faults.standing("refuse")
        if refused and refused.data["letter"] == letter and self._setup.faults.strike("refuse"):
            return str(refused.data.get("code", "2D06")), ""
        if letter in "JA":
            await asyncio.sleep(CARRIER_S)
        elif letter == "g":
            self._heat(int(parameter) / 1000.0)
        elif letter == "D":
            self._definition = _understood(parameter)
            size = self._definition and len(self._definition.rows) * len(self._definition.columns)
            return GOOD, f"0350000000000000010{round(1000 * WELL_S * (size or 0)):014}"
        elif letter == "O":
            return self._begin(), ""
        said: dict[str, Callable[[], str]] = {
            "C": lambda: "20260042        ",
            "e": lambda: "1650200  Version 1.04   ",
            "h": lambda: f"{self._tenths():03}",
        }
        return GOOD, said[letter]() if letter in said else ""

    @property
    def _position(self) -> str:
        return self._setup.position or self._setup.name

    def _heat(self, target_c: float) -> None:
        fault = self._setup.faults.standing("cold")
        reached = target_c - (float(fault.data.get("by_c", 5.0)) if fault else 0.0)
        self._setup.world.set_temperature(self._position, reached if target_c else None)

    def _tenths(self) -> int:
        return round(10 * self._setup.world.temperature_c(self._position))

    # Reading --------------------------------------------------------------------------------
    def _begin(self) -> str:
        definition, self._definition = self._definition, None
        if definition is None:
            return NOT_DEFINED
        self._reading = asyncio.create_task(self._read(definition))
        return GOOD

    async def _read(self, definition: _Definition) -> None:
        """Go over the rows in turns from the left and from the right, then say all values."""
        head, rows = f"000:00:00.0,{self._tenths():03}", []
        well_s = WELL_S + LUMINOUS * definition.integration_s
        for turn, row in enumerate(definition.rows):
            columns = list(definition.columns)[:: -1 if turn % 2 else 1]
            await asyncio.sleep(well_s * len(columns))
            wells = [well_name(row - 1, column - 1) for column in columns]
            values = self._values(definition, wells, well_s)
            cells = zip(columns, values, strict=True)
            rows.append("".join(f",{row:02},{column:02},{value}" for column, value in cells))
        summed = head + "".join(f"{row}\r\n" for row in rows) + f"{self._tenths():03}\x1a"
        checksum = sum(summed.encode("ascii")) % 256
        if self._setup.faults.strike("bad_checksum"):
            checksum = (checksum + 1) % 256
        data = f"01,1,\r{summed}{checksum:03}\x1a{GOOD}\x03".encode("ascii")
        if self._stream is not None:
            with contextlib.suppress(DisconnectedError):
                await send_reply(self._stream, data, self._setup.faults)

    def _values(self, definition: _Definition, wells: list[str], well_s: float) -> list[str]:
        fault = self._setup.faults.standing("asterisks")
        blank = set(fault.data.get("wells", ())) if fault else set()
        absorbs = definition.mode == "absorbance"
        seen = self._seen(definition, wells, well_s)
        full = OPAQUE if absorbs else FULL_SCALE
        return [
            "*" * 7 if well in blank or not value <= full
            else f"{value:+.4f}" if absorbs else f"{max(0, round(value)):07}"
            for well, value in zip(wells, seen.tolist(), strict=True)
        ]  # fmt: skip

    def _seen(self, definition: _Definition, wells: list[str], well_s: float) -> np.ndarray:
        """What the detector makes of a row that has just been read; an empty carrier is dark."""
        world, position, n = self._setup.world, self._position, len(wells)
        dark = np.zeros(n)
        with contextlib.suppress(WorldError):
            if definition.mode == "absorbance":
                light = world.absorbance(position, wells, wavelength_nm=definition.first_nm)
                return light + ABSORBANCE_SD * self._rng.standard_normal(n)
            if definition.mode == "luminescence":
                dark = world.count_rates(position, wells) / 60.0
            else:
                now_s = self._setup.clock.monotonic_s()
                at_s = np.asarray(now_s - well_s * (n - 0.5 - np.arange(n)), dtype=np.float64)
                light = world.fluorescence(
                    position, wells, excitation_nm=definition.first_nm,
                    emission_nm=definition.second_nm, at_s=at_s,
                )  # fmt: skip
                return self._photometer.measure(light)
        if definition.mode == "luminescence":
            rates = np.maximum(dark, 0.0) + DARK_PER_S
            return np.asarray(self._rng.poisson(rates * definition.integration_s), dtype=float)
        return dark if definition.mode == "absorbance" else self._photometer.measure(dark)


async def _parameter(letter: str, heard: asyncio.Queue[int | None]) -> str:
    """Wait for a parameter; a definition ends where it says, and an ETX after it is passed over."""
    said, size = "", PARAMETERS[letter]
    while True:
        byte = await heard.get()
        if byte is None:
            raise DisconnectedError("the conversation ended in a parameter")
        if byte == ETX:
            return said
        said += chr(byte)
        if letter == "D" and len(said) == 4 and said.isdecimal():  # noqa: PLR2004  # its length
            size = 4 + int(said)
        if size and len(said) == size:
            return said


def _understood(parameter: str) -> _Definition | None:
    """A definition whose length and checksum are right, and whose kind is known."""
    body, stated = parameter[4:-3], parameter[-3:]
    head = _HEAD.match(parameter)
    if head is None or f"{sum(body.encode('ascii')) % 256:03}" != stated:
        return None
    top, left, bottom, right = map(int, head.groups())
    rows, columns = range(top, bottom + 1), range(left, right + 1)
    rest = parameter[head.end() : -3]
    if match := _ABSORBANCE.fullmatch(rest):
        return _Definition(rows, columns, "absorbance", float(match[1]))
    if match := _FLUORESCENCE.fullmatch(rest):
        return _Definition(rows, columns, "fluorescence", float(match[1]), float(match[2]))
    if match := _LUMINESCENCE.fullmatch(rest):
        integration_s = int(match[1]) / 5 + int(match[2]) / 50
        return _Definition(rows, columns, "luminescence", integration_s=integration_s)
    return None
