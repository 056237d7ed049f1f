"""The arm: moves, abort, and what it can say of a move in doubt."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, ClassVar, Final

import structlog

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Verdict
from platectl.transport.handed import Handed
from platectl.transport.line import LineLink
from platectl_drivers.pf400.codec import parse_grip, parse_joints, parse_reply
from platectl_drivers.pf400.settings import Settings

log = structlog.get_logger()

REPLY_S: Final = 5.0
MOTION_S: Final = 120.0
ABORT_S: Final = 3.0
FAREWELL_S: Final = 1.0
STILL_S: Final = 30.0
POLL_S: Final = 0.25
#: an arm that stood for so long has finished what it was told
AT_REST_S: Final = 2.0
#: largest difference between two readings of a standing joint, mm or degrees
STILL_WITHIN: Final = 0.05
READY: Final = {"20", "21"}
HARD_STOP: Final = "15"
NOT_HOMED: Final = "-1021"
HOLDS_PLATE: Final = "plate_in_gripper"
#: refused before the arm moved; lost power and stops may come in mid-motion as well
BEFORE_MOTION: Final = {"-1009", "-1021", "-2800", "-2805", "-2820", "-2821"}


class PF400:
    """Drives one PF400; satisfies `platectl.hal.handling.PlateMover`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="pf400",
        makes="Precise Automation / Brooks PF400",
        interfaces=("PlateMover",),
        wire="tcp",
        source="command server 3.0C1 and its clients PyLabRobot 0.2.2, galago and AD-SDL/pf400_module (codes)",
        unattested=(
            "pickplate, placeplate and homing answer at the end of the motion",
            "answer of a halted motion",
            "answer of IsFullyClosed",
            "text of version",
        ),
        transcripts=("pf400_collision", "pf400_move"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._open_stream = setup.open_stream
        self._link: LineLink | None = None
        self._busy = False
        self._in_gripper = ""
        self._in_control = False
        self._handed = Handed()
        self._stages: dict[str, str] = {}

    async def connect(self) -> Identity:
        """Enter PC mode, switch power on and take control; nothing moves, nothing is homed.

        Raises:
            InstrumentFaultError: An emergency stop, or power does not come on.
            LinkError: No usable answer; power may be on.
        """
        await self._drop()
        identity = await self.observe()
        await self._take_control()
        self._in_gripper = ""
        return identity

    async def observe(self) -> Identity:
        """Enter PC mode in a conversation of its own and ask for the version; takes no control.

        Raises:
            LinkError: No usable answer; nothing was changed.
        """
        if self._link is not None:
            with contextlib.suppress(DisconnectedError):
                return Identity("PF400", firmware=await self._ask("version"))
        self._in_control = False
        self._link = LineLink(await self._open_stream(), tx_end=b"\n", rx_end=b"\r\n")
        await self._ask("mode 0")
        return Identity("PF400", firmware=await self._ask("version"))

    async def take_over(self) -> Identity:
        """As `connect`, after the arm has come to rest; every move in doubt is settled by now.

        Raises:
            InstrumentFaultError, LinkError: As for `connect`; also when it does not come to rest.
        """
        identity = await self.observe()
        if not await self._at_rest():
            raise ReplyTimeoutError(f"the PF400 still moves after {MOTION_S:g} s")
        await self._take_control()
        self._in_gripper = ""
        return identity

    async def reconcile(self, action: Action) -> Verdict:
        """Wait until the arm stands, and tell what this life knows of the move.

        Raises:
            LinkError: No usable answer now.
        """
        await self.observe()
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "nothing that moves the arm"})
        if action.verb != "move_plate":
            return Verdict("unknown", {"verb": action.verb})
        standing = await self._at_rest()
        stage = self._stages.get(action.id, "not known to this life")
        evidence = {"stands": standing, "stage": stage, **await self._look()}
        if not standing:
            return Verdict("running", evidence)
        if stage == "homing":  # the pick had been refused
            self._in_gripper = ""
            return Verdict("not_done", evidence)
        if stage == "placed" and evidence["system_state"] in READY:
            return Verdict("done", evidence)
        return Verdict("unknown", evidence)

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
        self._handed.begin()
        if self._link is not None and not self._in_control:  # it was opened anew to look
            await self._take_control()
        gripped = await self._pick(pick, source)
        if not gripped:
            self._in_gripper = ""
            raise InstrumentFaultError(f"the PF400 found no plate at {source}", code="no_plate")
        self._in_gripper = f"the plate from {source} is in the gripper"
        self._stages[ACTION_ID.get()] = "placing"
        try:
            await self._ask(f"placeplate {place} {self._softness}", timeout_s=MOTION_S)
        except InstrumentFaultError as error:
            raise InstrumentFaultError(
                f"{error}; {self._in_gripper}, not at {target}", code=error.code
            ) from error
        self._in_gripper = ""
        self._stages[ACTION_ID.get()] = "placed"
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
        """Give back control, if it was taken, and close; power stays as it is."""
        link, self._link = self._link, None
        if link is None:
            return
        if self._busy or not self._in_control:  # a verb that still reads sees the end
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
        self._handed.hand()
        self._stages[ACTION_ID.get()] = "picking"
        try:
            try:
                answer = await self._ask(command, timeout_s=MOTION_S)
            except InstrumentFaultError as error:
                if error.code != NOT_HOMED:
                    raise
                self._stages[ACTION_ID.get()] = "homing"
                await self._home()
                self._stages[ACTION_ID.get()] = "picking"
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
        if not await self._alike(1, STILL_S):
            raise ReplyTimeoutError(f"the PF400 still moves {STILL_S:g} s after placing")

    async def _at_rest(self) -> bool:
        """Wait until the joints were alike for a while; whether they were within the time."""
        return await self._alike(round(AT_REST_S / POLL_S), MOTION_S)

    async def _alike(self, times: int, within_s: float) -> bool:
        before: tuple[float, ...] = ()
        seen = 0
        for _ in range(round(within_s / POLL_S)):
            joints = parse_joints(await self._ask("wherej"))
            alike = len(before) == len(joints) and all(
                abs(a - b) <= STILL_WITHIN for a, b in zip(before, joints, strict=True)
            )
            seen = seen + 1 if alike else 0
            if seen == times:
                return True
            before = joints
            await asyncio.sleep(POLL_S)
        return False

    async def _look(self) -> dict[str, Any]:
        """What can be asked of a standing arm."""
        found: dict[str, Any] = {
            "system_state": await self._ask("sysState"),
            "power": await self._ask("hp"),
            "joints": list(parse_joints(await self._ask("wherej"))),
        }
        try:
            found["gripper_fully_closed"] = await self._ask("IsFullyClosed")
        except InstrumentFaultError as refusal:
            found["gripper_fully_closed"] = refusal.code
        return found

    async def _take_control(self) -> None:
        await self._check_state({HARD_STOP: "the hard emergency stop is pressed"})
        self._in_control = True
        await self._ask(f"hp 1 {self.settings.power_s}", timeout_s=self.settings.power_s + REPLY_S)
        await self._ask("attach 1")
        await self._check_state()
        if self.settings.speed_percent is not None:
            await self._ask(f"mspeed {self.settings.speed_percent}")
        if (grip := self.settings.grip) is not None:
            await self._ask(f"GraspData {grip.width_mm:g} {grip.speed_percent} {grip.force_n:g}")

    async def _ask(self, command: str, *, timeout_s: float = REPLY_S) -> str:
        """Ask, after dropping what came unasked.

        A conversation whose answer did not come whole is closed for good.
        """
        if self._link is None:
            raise DisconnectedError("the PF400 is not connected")
        line: bytes | None = None
        self._busy = True
        try:
            await self._link.drain(quiet_s=0.0)
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
