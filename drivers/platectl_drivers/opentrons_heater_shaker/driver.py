"""The module: latch, shaking, heating, and what it can say of an action in doubt."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import asdict
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentError,
    InstrumentFaultError,
    MalformedReplyError,
)
from platectl.hal.checks import check_shaking, check_temperature
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict, setpoint_verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine, LineLink
from platectl.transport.line_instrument import LineInstrument
from platectl.transport.shakes import Shakes
from platectl_drivers.opentrons_heater_shaker.codec import (
    Speed,
    Warmth,
    parse_answer,
    parse_error,
    parse_identity,
    parse_latch,
    parse_speed,
    parse_warmth,
)

REPLY_S: Final = 5.0
#: what the maker's driver grants to a movement
MOVE_S: Final = 40.0
RAMP_S: Final = 30.0
POLL_S: Final = 0.5
WATCH_S: Final = 10.0
#: half of what a setpoint can differ by
SAME_C: Final = 0.005
IDENTIFY: Final = "M115"
HOME, OPEN, CLOSE = "G28", "M242", "M243"
MOVES: Final = frozenset({HOME, OPEN, CLOSE})


class Settings(BaseModel):
    """Ranges of the product; the speed counts as reached within `tolerance_rpm`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_speed_rpm: float = Field(default=200.0, gt=0)
    max_speed_rpm: float = Field(default=3000.0, gt=0)
    tolerance_rpm: float = Field(default=50.0, gt=0)
    min_temperature_c: float = Field(default=37.0, ge=0)
    max_temperature_c: float = Field(default=95.0, le=100)


class HeaterShaker(LineInstrument):
    """Drives one Heater-Shaker; satisfies `platectl.hal.handling.Shaker`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="opentrons_heater_shaker",
        makes="Opentrons Heater-Shaker Module",
        interfaces=("Shaker",),
        wire="serial",
        lines=(SerialLine(115200),),
        source="maker's firmware (Opentrons/opentrons-modules) and driver in opentrons 10.1.0 (handlers 2.2)",
        unattested=(
            "time of homing and of the latch",
            "target that M123 tells while it goes home",
            "whether an error that answers a command ends with OK",
        ),
        transcripts=("opentrons_heater_shaker_latch", "opentrons_heater_shaker_shake"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._line = InstrumentLine(
            setup.open_stream, "the Heater-Shaker", tx_end=b" \n", rx_end=b"\n", longest=4096
        )
        self._abort = Abort("the Heater-Shaker was aborted; the plate stays latched")
        self._faults: deque[InstrumentFaultError] = deque()
        self._handed = Handed()
        self._shakes = Shakes(setup.clock, self._handed, self._abort)

    @property
    def speed_range_rpm(self) -> tuple[float, float]:
        """Slowest and fastest speed."""
        return self.settings.min_speed_rpm, self.settings.max_speed_rpm

    @property
    def temperature_range_c(self) -> tuple[float, float]:
        """Lowest and highest setpoint."""
        return self.settings.min_temperature_c, self.settings.max_temperature_c

    async def connect(self) -> Identity:
        """Ask who is there, and whether a plate can be brought; nothing moves.

        Raises:
            InstrumentFaultError: `latch`: it is not open, and an arm would meet it.
            LinkError: No usable answer; nothing was moved.
        """
        identity = await super().connect()
        if (latch := parse_latch(await self._ask("M241"))) != "IDLE_OPEN":
            raise InstrumentFaultError(
                f"the latch is {latch}; open it with the button of the Heater-Shaker", code="latch"
            )
        return identity

    async def reconcile(self, action: Action) -> Verdict:
        """Read speed, latch and setpoint back; what still shakes can be finished by `shake`.

        Raises:
            LinkError: No usable answer.
        """
        await self.observe()
        if action.verb in {"set_temperature", "stop_heating"}:
            warmth = await self._warmth()
            return setpoint_verdict(action, warmth.target_c, asdict(warmth), within_c=SAME_C)
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "the latch was closed at most"})
        if action.verb != "shake":
            return Verdict("unknown", {"verb": action.verb})
        speed, latch = await self._speed(), parse_latch(await self._ask("M241"))
        evidence = {**asdict(speed), "latch": latch}
        if speed.target_rpm > 0:
            return self._shakes.goes_on(action, evidence)
        released, sound = latch == "IDLE_OPEN", not self._faults
        return self._shakes.stands(action, evidence, released=released, sound=sound)

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target and switch the heater on.

        Raises:
            RefusedError: Outside the range, or finer than 0.01 C; nothing changed.
            InstrumentFaultError: With the maker's code; the heater may be off.
            LinkError: The setpoint may have been taken.
        """
        check_temperature(temperature_c, self.temperature_range_c, places=2)
        self._raise_faults()
        await self._ask(f"M104 S{temperature_c:.2f}")

    async def read_temperature_c(self) -> float:
        """Return the actual nest temperature."""
        return (await self._warmth()).actual_c

    async def stop_heating(self) -> None:
        """Switch the heater off."""
        await self._ask("M106")

    async def shake(self, *, speed_rpm: float, duration_s: float) -> None:
        """Close the latch, shake for the duration, go home, open the latch.

        Raises:
            RefusedError: Speed outside the range, or no duration; nothing moved.
            InstrumentFaultError: The plate may be shaken for part of the time and is told to stop;
                it may be latched. `code` is the maker's, `latch`, `not_reached`, `stopped` or "aborted".
            LinkError: The plate may still be shaking.
        """
        check_shaking(speed_rpm, duration_s, self.speed_range_rpm)
        left_s = self._shakes.left_s(duration_s)
        try:
            if left_s is None:
                self._raise_faults()
                await self._move_latch(CLOSE, "IDLE_CLOSED")
                await self._turn(int(speed_rpm), duration_s)
            else:
                await self._turn(None, left_s)
            await self._move_latch(OPEN, "IDLE_OPEN")
        except InstrumentFaultError:
            self._abort.check()
            raise
        self._raise_faults()

    async def abort(self) -> None:
        """Go home without waiting for a turn; the plate stays latched."""
        self._abort.call()
        self._line.out_of_step = True
        await self._line.shout(HOME.encode("ascii"))

    async def _move_latch(self, command: str, wanted: str) -> None:
        self._abort.check()
        await self._ask(command)
        if (latch := parse_latch(await self._ask("M241"))) != wanted:
            raise InstrumentFaultError(f"the latch is {latch} after {command}", code="latch")

    async def _turn(self, speed_rpm: int | None, left_s: float) -> None:
        """Shake for what is left of the time, and go home; None: it turns already."""
        try:
            if speed_rpm is not None:
                await self._start(speed_rpm)
            if left_s > 0:
                await self._watch(left_s)
            self._abort.check()
        except InstrumentFaultError:
            if not self._abort.called:
                with contextlib.suppress(InstrumentError):
                    await self._ask(HOME)
            raise
        self._shakes.end()
        await self._ask(HOME)

    async def _start(self, speed_rpm: int) -> None:
        self._abort.check()
        self._shakes.begin()
        await self._ask(f"M3 S{speed_rpm}")
        due_s = asyncio.get_running_loop().time() + RAMP_S
        while (
            abs((now := await self._speed()).actual_rpm - speed_rpm) > self.settings.tolerance_rpm
        ):
            self._raise_faults()
            if asyncio.get_running_loop().time() > due_s:
                raise InstrumentFaultError(
                    f"the nest turns at {now.actual_rpm} rpm, not at {speed_rpm}",
                    code="not_reached",
                )
            await self._abort.pause(POLL_S)

    async def _watch(self, left_s: float) -> None:
        """Let it shake, and see that it does."""
        end_s = asyncio.get_running_loop().time() + left_s
        while (left_s := end_s - asyncio.get_running_loop().time()) > 0:
            await self._abort.pause(min(left_s, WATCH_S))
            now = await self._speed()
            self._raise_faults()
            if now.target_rpm == 0 or now.actual_rpm == 0:
                raise InstrumentFaultError("the nest stopped by itself", code="stopped")

    def _raise_faults(self) -> None:
        self._abort.check()
        if self._faults:
            raise self._faults.popleft()

    async def _identity(self) -> Identity:
        return parse_identity(await self._ask(IDENTIFY))

    async def _speed(self) -> Speed:
        return parse_speed(await self._ask("M123"))

    async def _warmth(self) -> Warmth:
        return parse_warmth(await self._ask("M105"))

    async def _ask(self, command: str) -> str:
        """Send a command and return the fields of its answer.

        Raises:
            InstrumentFaultError: The answer is an error.
            LinkError: No answer, or not one of the format.
        """
        async with self._line.turn(self._fall_in_step) as link:
            if command.startswith(("M3 ", CLOSE, OPEN)):
                self._abort.check()
            return await self._exchange(link, command)

    async def _fall_in_step(self, link: LineLink) -> None:
        await self._exchange(link, IDENTIFY, in_step=False)

    async def _exchange(self, link: LineLink, command: str, *, in_step: bool = True) -> str:
        """One question and its answer; out of step, what comes before the answer is passed over."""
        code = command.split(maxsplit=1)[0]
        await link.send_line(command.encode("ascii"))
        limit_s = MOVE_S if code in MOVES or not in_step else REPLY_S
        due_s = asyncio.get_running_loop().time() + limit_s
        while True:
            line = text(await link.read_line_by(due_s))
            error = parse_error(line)
            if line.startswith("async ") and error is not None:
                self._faults.append(error)
            elif error is not None and in_step:
                raise error
            elif error is None:
                answered, fields = parse_answer(line)
                if answered == code:
                    return fields
                if in_step and answered not in {IDENTIFY, *MOVES}:
                    raise MalformedReplyError(f"the Heater-Shaker answered {line[:60]!r} to {code}")
