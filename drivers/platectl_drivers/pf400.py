r"""Precise PF400 plate mover over TCP 10100 (TCP Command Server on the maker's controller).

Wire: one command a line, LF; in PC mode (`mode 0`) each answer is one line `code[ data]`, CR LF,
where code 0 is good and negative codes are the maker's. Source: command set as used by the
PyLabRobot and galago clients and the maker's command server 3.0C1. Maturity: paper.

Responsible for: power, control, homing when it is needed, picking and placing at taught stations,
and knowing whether the gripper may hold a plate. Not responsible for: teaching, approach heights
and paths, which belong to the stations on the robot, nor for which plate stands where.

The interpreter of a conversation does one command at a time, so `waitForEom` is never sent; the
end of a motion is seen in `wherej`, and `abort` sends `halt` in a second conversation. When an
answer is lost the conversation is closed and must be opened anew, because a late answer would be
taken for another. When a plate may be in the gripper nothing is picked until `connect`.

Unattested: that `pickplate`, `placeplate` and `HomeAll_IfNoPlate` answer when they are done; what
a halted `pickplate` answers; the text of `version`; the noise of a standing joint in `wherej`.
"""

from __future__ import annotations

import asyncio
import re
from typing import ClassVar, Final

import structlog
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
from platectl.transport.codec import number, text
from platectl.transport.line import LineLink

log = structlog.get_logger()

REPLY_S: Final = 5.0
MOTION_S: Final = 120.0
ABORT_S: Final = 3.0
FAREWELL_S: Final = 1.0
STILL_S: Final = 30.0
POLL_S: Final = 0.25
#: largest difference between two readings of a standing joint, mm or degrees
STILL_WITHIN: Final = 0.05
READY: Final = {"20", "21"}
HARD_STOP: Final = "15"
NOT_HOMED: Final = "-1021"
HOLDS_PLATE: Final = "plate_in_gripper"
#: refused before the arm moved; lost power and stops may come in mid-motion as well
BEFORE_MOTION: Final = {"-1009", "-1021", "-2800", "-2805", "-2820", "-2821"}
FAULTS: Final = {
    "-1009": "no robot is attached",
    "-1012": "a joint is out of its range",
    "-1021": "the robot is not homed",
    "-1025": "power did not come on in time",
    "-1028": "the hard emergency stop is pressed",
    "-1039": "the position is too close",
    "-1040": "the position is too far",
    "-1045": "the soft emergency stop is active",
    "-1046": "power is off",
    "-2805": "the command is unknown",
    "-2820": "the station has no such number",
    "-2821": "the station is not taught",
    "-3100": "a joint left its hard envelope",
    "-3105": "a motor stalled",
    "-3122": "the arm hit something (soft envelope); power is off",
}
_REPLY: Final = re.compile(r"(0|-[1-9]\d*)(?: (.*))?")


class Grip(BaseModel):
    """How plates are held, instead of what the robot has stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width_mm: float = Field(ge=60, le=145)
    speed_percent: int = Field(default=50, ge=1, le=100)
    force_n: float = Field(default=10.0, gt=0, le=30)


class Settings(BaseModel):
    """Taught stations by position, and how the arm moves and grips."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stations: dict[str, int] = Field(default_factory=dict, description="position -> station number")
    speed_percent: int | None = Field(default=None, ge=1, le=100, description="None: as stored")
    grip: Grip | None = None
    compliance: int = Field(
        default=0, ge=0, le=1, description="1: horizontally soft in the last mm"
    )
    torque_percent: int = Field(default=0, ge=0, le=100, description="of the soft axes")
    power_s: int = Field(default=10, ge=1, le=120)


class PF400:
    """Drives one PF400; satisfies `platectl.hal.handling.PlateMover`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="pf400",
        makes="Precise Automation / Brooks PF400",
        interfaces=("PlateMover",),
        wire="tcp",
        source="command server 3.0C1 and its clients PyLabRobot 0.2.2 and galago",
        unattested=(
            "pickplate, placeplate and homing answer at the end of the motion",
            "answer of a halted motion",
            "text of version",
        ),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._open_stream = setup.open_stream
        self._link: LineLink | None = None
        self._busy = False
        self._in_gripper = ""

    async def connect(self) -> Identity:
        """Enter PC mode, switch power on and take control; nothing moves, nothing is homed.

        Raises:
            InstrumentFaultError: An emergency stop, or power does not come on.
            LinkError: No usable answer; power may be on.
        """
        await self._drop()
        self._link = LineLink(await self._open_stream(), tx_end=b"\n", rx_end=b"\r\n")
        await self._ask("mode 0")
        version = await self._ask("version")
        await self._check_state({HARD_STOP: "the hard emergency stop is pressed"})
        await self._ask(f"hp 1 {self.settings.power_s}", timeout_s=self.settings.power_s + REPLY_S)
        await self._ask("attach 1")
        await self._check_state()
        if self.settings.speed_percent is not None:
            await self._ask(f"mspeed {self.settings.speed_percent}")
        if (grip := self.settings.grip) is not None:
            await self._ask(f"GraspData {grip.width_mm:g} {grip.speed_percent} {grip.force_n:g}")
        self._in_gripper = ""
        return Identity("PF400", firmware=version)

    async def move_plate(self, source: str, target: str) -> None:
        """Pick at one station and place at another; homes first if the robot says it must.

        Raises:
            RefusedError: A position has no station, or a plate may still be in the gripper;
                nothing moved.
            InstrumentFaultError: `no_plate` when nothing was gripped, `plate_in_gripper` when
                homing was refused for that reason; other codes are the maker's, and the message
                says where the plate is.
            LinkError: The plate may be anywhere between the two.
        """
        pick, place = self._station(source), self._station(target)
        if self._in_gripper:
            raise RefusedError(
                f"{self._in_gripper}; take it out of the gripper and connect the arm again"
            )
        gripped = await self._pick(pick, source)
        if not gripped:
            self._in_gripper = ""
            raise InstrumentFaultError(f"the PF400 found no plate at {source}", code="no_plate")
        self._in_gripper = f"the plate from {source} is in the gripper"
        try:
            await self._ask(f"placeplate {place} {self._softness}", timeout_s=MOTION_S)
        except InstrumentFaultError as error:
            raise InstrumentFaultError(
                f"{error}; {self._in_gripper}, not at {target}", code=error.code
            ) from error
        self._in_gripper = ""
        await self._stand_still()

    async def abort(self) -> None:
        """Halt in a second conversation, because the first is busy; power and control stay."""
        try:
            async with asyncio.timeout(ABORT_S):
                second = LineLink(await self._open_stream(), tx_end=b"\n", rx_end=b"\r\n")
                try:
                    await second.ask(b"halt", timeout_s=ABORT_S)
                finally:
                    await second.aclose()
        except (LinkError, TimeoutError) as error:
            log.warning("arm.halt.failed", error=str(error))

    async def aclose(self) -> None:
        """Give back control and close; power stays as it is."""
        link, self._link = self._link, None
        if link is None:
            return
        if self._busy:  # a verb still reads; it sees the end
            await link.aclose()
            return
        try:
            await link.ask(b"attach 0", timeout_s=FAREWELL_S)
            await link.send_line(b"exit")
        except LinkError as error:
            log.warning("arm.farewell.failed", error=str(error))
        await link.aclose()

    @property
    def _softness(self) -> str:
        return f"{self.settings.compliance} {self.settings.torque_percent}"

    def _station(self, position: str) -> int:
        if position not in self.settings.stations:
            raise RefusedError(f"no station of the PF400 is taught for {position}")
        return self.settings.stations[position]

    async def _check_state(self, forbidden: dict[str, str] | None = None) -> None:
        """Refuse one of the `forbidden` system states, or all but the ready ones."""
        state = await self._ask("sysState")
        if state in (forbidden or {}) or (forbidden is None and state not in READY):
            why = (forbidden or {}).get(state, "20 or 21 is ready")
            raise InstrumentFaultError(f"the PF400 is in system state {state}: {why}", code=state)

    async def _pick(self, station: int, source: str) -> bool:
        """Pick, after homing if the robot asks for it; whether a plate was gripped."""
        command = f"pickplate {station} {self._softness}"
        self._in_gripper = f"the plate from {source} may be in the gripper"
        try:
            try:
                answer = await self._ask(command, timeout_s=MOTION_S)
            except InstrumentFaultError as error:
                if error.code != NOT_HOMED:
                    raise
                await self._home()
                answer = await self._ask(command, timeout_s=MOTION_S)
        except InstrumentFaultError as error:
            where = "the plate is there or in the gripper"
            if error.code == HOLDS_PLATE:
                self._in_gripper = "a plate is in the gripper"
                where = "nothing was touched there"
            elif error.code in BEFORE_MOTION:
                self._in_gripper = ""
                where = "nothing was touched there"
            raise InstrumentFaultError(f"{error}; {source}: {where}", code=error.code) from error
        return parse_grip(answer)

    async def _home(self) -> None:
        if not parse_grip(await self._ask("HomeAll_IfNoPlate", timeout_s=MOTION_S)):
            raise InstrumentFaultError(
                "the PF400 does not home because it holds a plate", code=HOLDS_PLATE
            )

    async def _stand_still(self) -> None:
        """Poll the joints until two readings are alike."""
        before: tuple[float, ...] = ()
        for _ in range(round(STILL_S / POLL_S)):
            joints = parse_joints(await self._ask("wherej"))
            if len(before) == len(joints) and all(
                abs(a - b) <= STILL_WITHIN for a, b in zip(before, joints, strict=True)
            ):
                return
            before = joints
            await asyncio.sleep(POLL_S)
        raise ReplyTimeoutError(f"the PF400 still moves {STILL_S:g} s after placing")

    async def _ask(self, command: str, *, timeout_s: float = REPLY_S) -> str:
        """Ask; a conversation whose answer did not come whole is closed for good."""
        if self._link is None:
            raise DisconnectedError("the PF400 is not connected")
        line: bytes | None = None
        self._busy = True
        try:
            line = await self._link.ask(command.encode("ascii"), timeout_s=timeout_s)
            return parse_reply(line, command)
        except MalformedReplyError:
            line = None
            raise
        finally:
            self._busy = False
            if line is None:  # also when the caller was cancelled
                await self._drop()

    async def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()


def parse_reply(line: bytes, command: str) -> str:
    """Return the data of a good answer.

    Raises:
        InstrumentFaultError: A negative code.
        MalformedReplyError: Not `code[ data]`.
    """
    match = _REPLY.fullmatch(text(line))
    if not match:
        raise MalformedReplyError(f"the PF400 answered {line[:60]!r} to {command!r}")
    code = match[1]
    if code != "0":
        why = FAULTS.get(code, match[2] or "error")
        raise InstrumentFaultError(f"the PF400 refused {command!r}: {why} ({code})", code=code)
    return match[2] or ""


def parse_grip(answer: str) -> bool:
    """Whether `-1` (yes) or `0` (no) was answered.

    Raises:
        MalformedReplyError: Neither.
    """
    if answer not in {"-1", "0"}:
        raise MalformedReplyError(f"the PF400 answered {answer[:60]!r} instead of -1 or 0")
    return answer == "-1"


def parse_joints(answer: str) -> tuple[float, ...]:
    """Return the joints of `wherej` in millimetres and degrees.

    Raises:
        MalformedReplyError: Not numbers with blanks between.
    """
    return tuple(number(field) for field in answer.split(" "))
