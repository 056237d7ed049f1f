r"""Azenta A4S heat sealer over RS-232, 19200 8N1.

Responsible for one sealing stroke with its temperature and time. Source: PyLabRobot 0.2.2 ("full")
as described in shared/instruments-handlers.md 6.4: commands `*00DH=ttttzz!` (degrees),
`*00DT=ttttzz!` (tenths of a second), `*00GS=zz!` (seal); answers are told apart by their second
character (Y accepted, N rejected, X busy), and `*T..` status lines come unasked. Maturity: paper.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.transport.codec import integer, text
from platectl.transport.line import LineLink

REPLY_S: Final = 10.0
STATUS_S: Final = 70.0
IDLE: Final = 0
FINISHED: Final = 4
ERROR: Final = 3
HEATER_READY: Final = 1


class Settings(BaseModel):
    """Patience of the driver."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heat_s: float = Field(default=600.0, gt=0, description="longest time to reach the temperature")


@dataclass(frozen=True, slots=True)
class SealerStatus:
    """One unasked status line."""

    temperature_c: float
    system: int
    heater: int
    error: int


class A4S:
    """Drives one A4S; satisfies `platectl.hal.handling.Sealer`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="a4s",
        makes="Azenta A4S",
        interfaces=("Sealer",),
        wire="serial",
        baud=19200,
        source="PyLabRobot 0.2.2 (handlers 6.4)",
        unattested=(
            "meaning of zz",
            "order of the sensor fields of a status line",
            "line end `!\\r`",
        ),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._open_stream = setup.open_stream
        self._link: LineLink | None = None

    async def connect(self) -> Identity:
        """Wait for one status line; nothing moves.

        Raises:
            ReplyTimeoutError: No status line came.
            InstrumentFaultError: It reports a standing error.
        """
        self._link = LineLink(await self._open_stream(), tx_end=b"", rx_end=b"!\r")
        await self._status(STATUS_S)
        return Identity("A4S")

    async def seal(self, *, temperature_c: float, duration_s: float) -> None:
        """Heat, seal, and wait until the stroke is over.

        Raises:
            RefusedError: Outside 50 to 200 C or 0.5 to 10 s; nothing moved.
            InstrumentFaultError: Rejected, busy or an error; the plate may be unsealed.
            LinkError: The plate may be sealed and may be inside.
        """
        if not 50.0 <= temperature_c <= 200.0 or not 0.5 <= duration_s <= 10.0:  # noqa: PLR2004  # limits of the maker
            raise RefusedError(
                f"cannot seal at {temperature_c:g} C for {duration_s:g} s; 50 to 200 C, 0.5 to 10 s"
            )
        await self._order(f"*00DH={round(temperature_c):04d}zz!")
        await self._order(f"*00DT={round(duration_s * 10):04d}zz!")
        waited = asyncio.get_running_loop().time() + self.settings.heat_s
        while (await self._status(STATUS_S)).heater != HEATER_READY:
            if asyncio.get_running_loop().time() > waited:
                raise InstrumentFaultError("A4S does not reach its temperature", code="not_heating")
        await self._order("*00GS=zz!")
        while (await self._status(STATUS_S)).system not in {IDLE, FINISHED}:
            pass

    async def abort(self) -> None:
        """Reset: the stroke stops; the plate stays where it is."""
        if self._link is not None:
            try:
                await self._link.send_line(b"*00SR=zz!")
            except LinkError:
                return

    async def aclose(self) -> None:
        """Close; heating stays as it is."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    async def _order(self, command: str) -> None:
        link = self._connected()
        await link.drain(quiet_s=0.01)
        await link.send_line(command.encode("ascii"))
        while True:
            line = text(await link.read_line(timeout_s=REPLY_S))
            kind = line[1:2]
            if kind == "Y":
                return
            if kind in {"N", "X"}:
                reason = "busy" if kind == "X" else "rejected"
                raise InstrumentFaultError(f"A4S {reason} {command}", code=reason)
            if kind not in {"T", "D"}:
                raise MalformedReplyError(f"A4S answered {line[:40]!r}")

    async def _status(self, timeout_s: float) -> SealerStatus:
        link = self._connected()
        loop = asyncio.get_running_loop()
        due = loop.time() + timeout_s
        while (left := due - loop.time()) > 0:
            line = text(await link.read_line(timeout_s=left))
            if line.startswith("*T"):
                status = parse_status(line)
                if status.error or status.system == ERROR:
                    raise InstrumentFaultError(
                        f"A4S reports error {status.error}", code=str(status.error)
                    )
                return status
        raise ReplyTimeoutError(f"no status line within {timeout_s:g} s")

    def _connected(self) -> LineLink:
        if self._link is None:
            raise DisconnectedError("A4S is not connected")
        return self._link


def parse_status(line: str) -> SealerStatus:
    """Decode `*T..=temp x10,system,heater,error,warning,...zz`.

    Raises:
        MalformedReplyError: Fewer than five fields, or not numbers.
    """
    _, sign, fields = line.partition("=")
    parts = fields.removesuffix("zz").split(",")
    if not sign or len(parts) < 5:  # noqa: PLR2004  # temperature, system, heater, error, warning
        raise MalformedReplyError(f"unreadable status line {line[:60]!r}")
    temperature, system, heater, error = (integer(p) for p in parts[:4])
    return SealerStatus(temperature / 10.0, system, heater, error)
