"""Precise PF400 plate mover over TCP 10100 (TCS on the Guidance Programming Language).

Responsible for picking and placing between taught stations; teaching and paths are the robot's.
Source: language of the maker as used by the PyLabRobot and galago clients
(shared/instruments-handlers.md 6.1). In PC mode every answer is one line `code[ data]`, code 0 is
good. Maturity: paper. Unattested: that `pickplate` and `placeplate` answer when the motion is over,
and the layout of the `version` answer.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.transport.codec import text
from platectl.transport.line import LineLink

REPLY_S: Final = 5.0
MOTION_S: Final = 120.0
READY: Final = {"20", "21"}
_REPLY = re.compile(r"(-?\d+)(?: (.*))?")
FAULTS: Final = {
    -1009: "no robot is attached",
    -1012: "a joint is out of its range",
    -1021: "the robot is not homed",
    -1025: "power did not come on in time",
    -1028: "the hard emergency stop is pressed",
    -1039: "the position is too close",
    -1040: "the position is too far",
    -1045: "the soft emergency stop is active",
    -1046: "power is off",
    -3100: "a joint left its hard envelope",
    -3105: "a motor stalled",
    -3122: "the arm hit something (soft envelope)",
}


class Settings(BaseModel):
    """Taught stations by position, and grip parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stations: dict[str, int] = Field(default_factory=dict)
    compliance: int = Field(default=0, ge=0, le=1)
    torque_percent: int = Field(default=0, ge=0, le=100)
    power_s: int = Field(default=10, ge=1)


class PF400:
    """Drives one PF400; satisfies `platectl.hal.handling.PlateMover`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="pf400",
        makes="Precise Automation / Brooks PF400",
        interfaces=("PlateMover",),
        wire="tcp",
        source="TCS command set as used by PyLabRobot 0.2.2 and galago (handlers 6.1)",
        unattested=("pickplate and placeplate answer at the end of the motion", "version answer"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._open_stream = setup.open_stream
        self._link: LineLink | None = None
        self._homed = False

    async def connect(self) -> Identity:
        """PC mode, power, attach; nothing moves.

        Raises:
            InstrumentFaultError: Emergency stop, or power does not come on.
        """
        self._link = LineLink(await self._open_stream(), tx_end=b"\n", rx_end=b"\r\n")
        await self._ask("mode 0")
        version = await self._ask("version")
        state = await self._ask("sysState")
        if state not in READY:
            raise InstrumentFaultError(
                f"PF400 is in system state {state}; 20 or 21 is ready", code=state
            )
        await self._ask(f"hp 1 {self.settings.power_s}", timeout_s=self.settings.power_s + REPLY_S)
        await self._ask("attach 1")
        return Identity("PF400", firmware=version)

    async def move_plate(self, source: str, target: str) -> None:
        """Pick at one station and place at another; homes first if that was not done yet.

        Raises:
            RefusedError: A position has no station; nothing moved.
            InstrumentFaultError: `no_plate` when nothing was gripped; other codes say where the
                plate is: at the source when picking failed, in the gripper when placing failed.
            LinkError: The plate may be anywhere between the two.
        """
        numbers = [self._station(source), self._station(target)]
        if not self._homed:
            await self._ask("home", timeout_s=MOTION_S)
            self._homed = True
        grip = f"{self.settings.compliance} {self.settings.torque_percent}"
        if (await self._ask(f"pickplate {numbers[0]} {grip}", timeout_s=MOTION_S)) != "-1":
            raise InstrumentFaultError(f"PF400 found no plate at {source}", code="no_plate")
        try:
            await self._ask(f"placeplate {numbers[1]} {grip}", timeout_s=MOTION_S)
        except InstrumentFaultError as error:
            raise InstrumentFaultError(
                f"{error}; the plate is in the gripper", code=error.code
            ) from error

    async def abort(self) -> None:
        """Halt over a second conversation, because the first may be busy with a motion."""
        try:
            second = LineLink(await self._open_stream(), tx_end=b"\n", rx_end=b"\r\n")
            try:
                await second.send_line(b"halt")
                await second.read_line(timeout_s=1.0)
            finally:
                await second.aclose()
        except LinkError:
            return

    async def aclose(self) -> None:
        """Release control and close."""
        link, self._link = self._link, None
        if link is not None:
            try:
                await link.send_line(b"attach 0")
                await link.read_line(timeout_s=1.0)
                await link.send_line(b"exit")
            except LinkError:
                pass
            await link.aclose()

    def _station(self, position: str) -> int:
        if position not in self.settings.stations:
            raise RefusedError(f"no station is taught for {position}")
        return self.settings.stations[position]

    async def _ask(self, command: str, *, timeout_s: float = REPLY_S) -> str:
        if self._link is None:
            raise DisconnectedError("PF400 is not connected")
        return parse_reply(
            await self._link.ask(command.encode("ascii"), timeout_s=timeout_s), command
        )


def parse_reply(line: bytes, command: str) -> str:
    """Return the data of a good answer.

    Raises:
        InstrumentFaultError: A negative code.
        MalformedReplyError: Not `code[ data]`.
    """
    match = _REPLY.fullmatch(text(line))
    if not match:
        raise MalformedReplyError(f"PF400 answered {line[:60]!r} to {command!r}")
    code = int(match[1])
    if code != 0:
        raise InstrumentFaultError(
            f"PF400 refused {command!r}: {FAULTS.get(code, 'error')} ({code})", code=str(code)
        )
    return match[2] or ""
