r"""Opentrons Vacuum Module over USB serial, 115200 8N1.

Responsible for the pressure below a filter plate. Source: the maker's driver in `opentrons` 10.1.0
(shared/instruments-handlers.md 2.2, 2.3). A line ends with ` \n` from the host; the answer is
`<code>[ fields] OK\n` or `ERRnnn:text OK\n`. One-shot `async ERRnnn:... OK\n` lines may come at any
time and are never thrown away: they raise at the next verb. Maturity: paper.
"""

from __future__ import annotations

import asyncio
import re
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import DisconnectedError, InstrumentFaultError, LinkError, MalformedReplyError, RefusedError
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.transport.codec import number, text
from platectl.transport.line import LineLink

REPLY_S: Final = 5.0
POLL_S: Final = 0.5
FAULTS: Final = {
    "003": "unhandled command", "004": "command cache full", "007": "a task is not ready",
    "400": "pressure not reached: no plate, a leak, or dry filters",
    "401": "the waste is full", "402": "the manifold was not vented",
}  # fmt: skip
_ERROR = re.compile(r"(?:async )?ERR(\d{3}):?(.*?)(?: OK)?")


class Settings(BaseModel):
    """Pressure limits and patience."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lowest_mbar: float = Field(default=-800.0, ge=-1013.25, lt=0)
    tolerance_mbar: float = Field(default=30.0, gt=0)
    reach_s: float = Field(default=20.0, gt=0, description="time-out for reaching the pressure")


class OpentronsVacuum:
    """Drives one module; satisfies `platectl.hal.liquids.VacuumFiltration`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="opentrons_vacuum",
        makes="Opentrons Vacuum Module",
        interfaces=("VacuumFiltration",),
        wire="serial",
        baud=115200,
        source="driver classes in opentrons 10.1.0 (handlers 2.3); firmware source not seen",
        unattested=("field order of M115",),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._open_stream = setup.open_stream
        self._link: LineLink | None = None
        self._one_at_a_time = asyncio.Lock()

    async def connect(self) -> Identity:
        """Ask who is there; nothing is switched."""
        self._link = LineLink(await self._open_stream(), tx_end=b" \n", rx_end=b"\n")
        return parse_identity(await self._ask("M115"))

    async def start_vacuum(self, *, gauge_mbar: float) -> None:
        """Switch on and return when the pressure is reached.

        Raises:
            RefusedError: Outside the limits; nothing was switched.
            InstrumentFaultError: 400 not reached, 401 waste full; the vacuum is off again.
            LinkError: The vacuum may be on.
        """
        if not self.settings.lowest_mbar <= gauge_mbar < 0:
            raise RefusedError(f"cannot draw {gauge_mbar:g} mbar; {self.settings.lowest_mbar:g} to 0 mbar")
        await self._ask(f"M120 S1 P{gauge_mbar:.1f} T{self.settings.reach_s:.0f}")
        left = self.settings.reach_s
        try:
            while (await self._pressure()) > gauge_mbar + self.settings.tolerance_mbar:
                if left <= 0:
                    raise InstrumentFaultError(f"vacuum: {FAULTS['400']} (400)", code="400")
                await asyncio.sleep(POLL_S)
                left -= POLL_S
        except InstrumentFaultError:
            await self._ask("M120 S0", pass_over_async=True)
            raise

    async def stop_vacuum(self) -> None:
        """Switch off and vent; harmless when it is off.

        Raises:
            InstrumentFaultError: 402 not vented, or a standing one-shot fault.
            LinkError: The vacuum may still be on.
        """
        await self._ask("M120 S0")
        await self._ask("M124 V1")
        await asyncio.sleep(1.0)
        await self._ask("M124 V0")

    async def apply_vacuum(self, *, gauge_mbar: float, hold_s: float) -> float:
        """Draw, hold and vent; return the lowest gauge pressure seen.

        Raises:
            RefusedError: Outside the limits; nothing was switched.
            InstrumentFaultError: Wells may be partly filtered.
            LinkError: Assume the wells were drawn through.
        """
        await self.start_vacuum(gauge_mbar=gauge_mbar)
        lowest = await self._pressure()
        await asyncio.sleep(hold_s)
        lowest = min(lowest, await self._pressure())
        await self.stop_vacuum()
        return lowest

    async def abort(self) -> None:
        """Switch the vacuum off without waiting for a turn."""
        if self._link is not None:
            try:
                await self._link.send_line(b"M120 S0")
            except LinkError:
                return

    async def aclose(self) -> None:
        """Close."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    async def _pressure(self) -> float:
        return parse_pressure(await self._ask("M121"))

    async def _ask(self, command: str, *, pass_over_async: bool = False) -> str:
        if self._link is None:
            raise DisconnectedError("vacuum module is not connected")
        code = command.split()[0]
        async with self._one_at_a_time:
            await self._link.send_line(command.encode("ascii"))
            pending: InstrumentFaultError | None = None
            while True:
                line = text(await self._link.read_line(timeout_s=REPLY_S))
                if line.startswith("async "):
                    pending = pending or fault_of(line)
                    continue
                if line.startswith("ERR"):
                    raise fault_of(line)
                if pending is not None and not pass_over_async:
                    raise pending
                return parse_answer(line, code)


def fault_of(line: str) -> InstrumentFaultError:
    """Turn an `ERR` line into a fault.

    Raises:
        MalformedReplyError: Not of that form.
    """
    match = _ERROR.fullmatch(line)
    if not match:
        raise MalformedReplyError(f"unreadable error line {line[:60]!r}")
    reason = FAULTS.get(match[1], match[2].strip() or "error")
    return InstrumentFaultError(f"vacuum: {reason} ({match[1]})", code=match[1])


def parse_answer(line: str, code: str) -> str:
    """Return the fields between the code and `OK`.

    Raises:
        MalformedReplyError: Another code, or no `OK`.
    """
    words = line.split()
    if len(words) < 2 or words[0] != code or words[-1] != "OK":  # noqa: PLR2004  # code and OK
        raise MalformedReplyError(f"{line[:60]!r} is no answer to {code}")
    return " ".join(words[1:-1])


def parse_pressure(fields: str) -> float:
    """Current gauge pressure in mbar from `T:… C:… A:… B:… H:… E:… D:… V:…`.

    Raises:
        MalformedReplyError: No field C, or not a number.
    """
    found = dict(word.split(":", 1) for word in fields.split() if ":" in word)
    if "C" not in found:
        raise MalformedReplyError(f"no pressure in {fields!r}")
    return number(found["C"])


def parse_identity(fields: str) -> Identity:
    """Decode `FW:… HW:… SerialNo:…`."""
    found = dict(word.split(":", 1) for word in fields.split() if ":" in word)
    return Identity(found.get("HW", "vacuum module"), found.get("SerialNo", ""), found.get("FW", ""))
