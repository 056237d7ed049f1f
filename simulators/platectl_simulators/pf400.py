"""A simulated PF400: stations are world positions, the gripper carries one labware.

Source: the command set as its clients use it, and the maker's command server 3.0C1. Framing:
requests end with LF; answers are one line `code[ data]` with CR LF in PC mode, and words in the
verbose mode in which every conversation begins. Assumed, because nothing public says it:
`pickplate`, `placeplate` and homing answer when they are over; a halted one answers -1043.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

CONVERSATIONS: Final = 2
NO_ROBOT: Final = "-1009"
NOT_HOMED: Final = "-1021"
HARD_STOP: Final = "-1028"
HALTED: Final = "-1043"
NO_POWER: Final = "-1046"
MISMATCH: Final = "-2800 *Warning Parameter Mismatch*"
UNKNOWN: Final = "-2805 *Unknown command*"
NO_STATION: Final = "-2821 *Undefined station*"
COLLISION: Final = "-3122"
PARKED: Final = (170.0, 0.0, 180.0, -180.0, 75.0)
#: share of a pick or place before the fingers move
APPROACH: Final = 0.6
_AXIS: Final = re.compile(r"([1-5]) (-?\d+(?:\.\d+)?) \d+")

Joints = tuple[float, ...]


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    stations: dict[str, int] = Field(default_factory=dict)
    version: str = "TCP Command Server 3.0C1 05-27-2021"
    power_on_s: float = 2.0
    home_s: float = 15.0
    pick_s: float = 12.0
    place_s: float = 12.0
    axis_s: float = 3.0


@dataclass(frozen=True, slots=True)
class _Course:
    """The arm on its way."""

    start: Joints
    end: Joints
    since_s: float
    duration_s: float

    def at(self, now_s: float) -> Joints:
        done = min(1.0, (now_s - self.since_s) / self.duration_s) if self.duration_s else 1.0
        return tuple(a + (b - a) * done for a, b in zip(self.start, self.end, strict=True))


class PF400Simulator:
    """Answers the commands of up to two conversations; a third is closed at once.

    Power is off, the arm is not homed and nobody is in control when it is made; all of that, and
    a plate in the gripper, survives conversations. Picking takes the topmost labware. Setting
    down where something stands is a collision: -3122, power drops, the plate stays in the gripper.

    Faults, one occasion for each pick or place: `no_grip` (closes on nothing), `collision` (as
    above, also while picking), `power_lost` (-1046 after the fingers moved), `error` (`code`;
    refused in mid-motion, `command` if only one is meant), `hard_estop` (power drops in
    mid-motion: -1028 and system state 15 until `release_stop`; with `at_start` it is pressed from
    the beginning); and for each answer the wire faults `silent`, `garbled_reply`, `reply_lost`
    and `late_reply` (`delay_s`).
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._positions = {number: place for place, number in self._options.stations.items()}
        self._power = self._attached = self._homed = False
        begun = setup.faults.standing("hard_estop")
        self._stopped = begun is not None and bool(begun.data.get("at_start"))
        self._carried: str | None = None
        self._closed = False
        self._course = _Course(PARKED, PARKED, 0.0, 0.0)
        self._halt = asyncio.Event()
        self._talking = 0

    @property
    def carried(self) -> str | None:
        """What is in the gripper."""
        return self._carried

    def release_stop(self) -> None:
        """Pull the emergency stop out again; power stays off."""
        self._stopped = False

    def take_out(self) -> str | None:
        """Let a person take the labware out of the gripper."""
        carried, self._carried = self._carried, None
        return carried

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""
        if self._talking >= CONVERSATIONS:
            await stream.aclose()
            return
        verbose = True

        async def handle(line: bytes) -> None:
            nonlocal verbose
            words = line.decode("ascii", "replace").strip("\r").split(" ")
            if await is_silent(self._setup.faults):
                return
            if words == ["exit"]:
                await stream.aclose()
                return
            if words[0].lower() == "mode" and len(words) > 1:
                verbose = words[1] != "0"
            answer = await self._answer(words[0].lower(), words[1:])
            if verbose:
                answer = f"Ok {answer[2:]}".rstrip() if answer[0] == "0" else f"*{answer}*"
            await send_reply(stream, answer.encode() + b"\r\n", self._setup.faults)

        self._talking += 1
        try:
            await serve_lines(stream, handle, end=b"\n")
        finally:
            self._talking -= 1

    async def _answer(self, command: str, words: list[str]) -> str:
        table: dict[str, Callable[[list[str]], Awaitable[str]]] = {
            "hp": self._hp,
            "attach": self._attach,
            "home": self._home,
            "homeall": self._home,
            "homeall_ifnoplate": self._home_if_no_plate,
            "pickplate": self._pick,
            "placeplate": self._place,
            "moveoneaxis": self._move_one_axis,
            "waitforeom": self._wait_for_end,
        }
        if command in table:
            return await table[command](words)
        return self._at_once(command)

    def _at_once(self, command: str) -> str:
        if command == "halt":
            self._halt.set()
            self._stand()
        told = {
            **dict.fromkeys(("mode", "nop", "mspeed", "graspdata", "halt"), ""),
            "version": self._options.version,
            "sysstate": str(self._system_state()),
            "state": "3" if self._left_s() else "1",
            "isfullyclosed": "-1" if self._closed else "0",
            "wherej": " ".join(f"{joint:.3f}" for joint in self._joints()),
        }
        return f"0 {told[command]}".rstrip() if command in told else UNKNOWN

    def _system_state(self) -> int:
        if self._stopped:
            return 15
        if not self._power:
            return 7
        return 21 if self._attached else 20

    async def _hp(self, words: list[str]) -> str:
        match words:
            case []:
                return f"0 {self._power:d}"
            case ["0", *_]:
                self._drop_power()
                return "0"
            case ["1", *_] if self._stopped:
                return HARD_STOP
            case ["1", *_]:
                if not self._power:
                    await asyncio.sleep(self._options.power_on_s)
                self._power = True
                return "0"
        return MISMATCH

    async def _attach(self, words: list[str]) -> str:
        match words:
            case []:
                return "0 -1" if self._attached else "0 0"
            case ["0"]:
                self._attached = False
                return "0"
            case ["1"]:
                if not self._power:
                    return HARD_STOP if self._stopped else NO_POWER
                self._attached = True
                return "0"
        return MISMATCH

    # Motions ------------------------------------------------------------------------------------
    async def _home(self, words: list[str]) -> str:
        del words
        if not self._power or not self._attached:
            return self._not_ready() or NO_ROBOT
        problem = await self._go(PARKED, self._options.home_s)
        self._homed = problem is None
        return problem or "0"

    async def _home_if_no_plate(self, words: list[str]) -> str:
        if self._carried:
            return "0 0"
        answer = await self._home(words)
        return "0 -1" if answer == "0" else answer

    async def _pick(self, words: list[str]) -> str:
        position, problem = self._target(words)
        if problem:
            return problem
        joints, total_s = self._station_joints(words[0]), self._options.pick_s
        if wrong := await self._go(joints, APPROACH * total_s) or self._mishap("pickplate"):
            return wrong
        if self._carried:
            self._drop_power()
            return COLLISION
        gripped = not self._setup.faults.strike("no_grip") and self._grip(position)
        self._closed = not gripped
        if wrong := self._power_lost() or await self._go(PARKED, (1 - APPROACH) * total_s):
            return wrong
        return "0 -1" if gripped else "0 0"

    async def _place(self, words: list[str]) -> str:
        position, problem = self._target(words)
        if problem:
            return problem
        joints, total_s = self._station_joints(words[0]), self._options.place_s
        if wrong := await self._go(joints, APPROACH * total_s) or self._mishap("placeplate"):
            return wrong
        if wrong := self._let_go(position) or self._power_lost():
            return wrong
        return await self._go(PARKED, (1 - APPROACH) * total_s) or "0"

    async def _move_one_axis(self, words: list[str]) -> str:
        """Move an axis; acknowledged when it is queued."""
        if problem := self._not_ready():
            return problem
        match = _AXIS.fullmatch(" ".join(words))
        if not match:
            return MISMATCH
        joints = list(self._joints())
        joints[int(match[1]) - 1] = float(match[2])
        self._head_for(tuple(joints), self._options.axis_s)
        return "0"

    async def _wait_for_end(self, words: list[str]) -> str:
        """Park the interpreter of this conversation until the arm stands."""
        del words
        self._halt.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._left_s()):
                await self._halt.wait()
        return "0"

    def _target(self, words: list[str]) -> tuple[str, str | None]:
        """Position of the station that is meant, and what keeps the arm from going there."""
        if problem := self._not_ready():
            return "", problem
        if not words or not words[0].isascii() or not words[0].isdigit():
            return "", MISMATCH
        position = self._positions.get(int(words[0]))
        return position or "", None if position else NO_STATION

    def _not_ready(self) -> str | None:
        if self._stopped:
            return HARD_STOP
        if not self._power:
            return NO_POWER
        if not self._attached:
            return NO_ROBOT
        return None if self._homed else NOT_HOMED

    async def _go(self, joints: Joints, duration_s: float) -> str | None:
        """Move and wait for the end; the code of what stopped it, if anything did."""
        self._halt.clear()
        duration_s = self._setup.world.takes_s(self._setup.name, duration_s)
        self._head_for(joints, duration_s)
        try:
            async with asyncio.timeout(duration_s):
                await self._halt.wait()
        except TimeoutError:
            return None
        self._stand()
        return HALTED

    def _mishap(self, command: str) -> str | None:
        faults = self._setup.faults
        if faults.strike("hard_estop"):
            self._stopped = True
            self._drop_power()
            return HARD_STOP
        if faults.strike("collision"):
            self._drop_power()
            return COLLISION
        meant = faults.standing("error")
        if meant is None or meant.data.get("command", command) != command:
            return None
        return str(meant.data["code"]) if faults.strike("error") else None

    def _power_lost(self) -> str | None:
        if not self._setup.faults.strike("power_lost"):
            return None
        self._drop_power()
        return NO_POWER

    def _grip(self, position: str) -> bool:
        try:
            lifted = self._setup.world.lift(position)
        except WorldError:
            return False
        self._carried = lifted
        return lifted is not None

    def _let_go(self, position: str) -> str | None:
        if self._carried is None:
            return None
        try:
            self._setup.world.set_down(self._carried, position)
        except WorldError:
            self._drop_power()
            return COLLISION
        self._carried = None
        return None

    def _drop_power(self) -> None:
        self._power = self._attached = False
        self._stand()

    def _station_joints(self, number: str) -> Joints:
        n = float(number)
        return (60.0 + 5.0 * n, -45.0 + 4.0 * n, 90.0 + 3.0 * n, -90.0 + 2.0 * n, 82.0)

    def _joints(self) -> Joints:
        return self._course.at(self._setup.clock.monotonic_s())

    def _left_s(self) -> float:
        end_s = self._course.since_s + self._course.duration_s
        return max(0.0, end_s - self._setup.clock.monotonic_s())

    def _head_for(self, joints: Joints, duration_s: float) -> None:
        self._course = _Course(self._joints(), joints, self._setup.clock.monotonic_s(), duration_s)

    def _stand(self) -> None:
        self._head_for(self._joints(), 0.0)
