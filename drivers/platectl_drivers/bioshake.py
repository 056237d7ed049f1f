r"""QInstruments BioShake over RS-232, 9600 8N1.

Responsible for shaking, clamping (ELM) and heating one plate. Source: command tables of PyLabRobot
0.2.2, janelia bioshake_device_python and galago, which agree (shared/instruments-handlers.md 5.1).
A command ends with `\r`; every answer is one line with `\r\n`: `ok`, a value, `e` (failed) or
`u -> text` (unknown here). Maturity: paper; `info.unattested` names what no source states.

`shake` switches on, waits on the host's clock and switches off, rather than using the runtime
command, so that an abort always has something to stop and the time is the run's time. An abort
brakes and goes home; the emergency stop would lose the home position, and an arm would then meet
a nest that stands anywhere.

A nest that still shakes after a death is not stopped by looking at it. `reconcile` answers
`not_done` with `remembered`, and `shake` under the same `ACTION_ID` waits for the rest of the time
only, brakes and releases the plate. There is no attested query for whether heating is on, so a
temperature is set again, which is harmless.

Answers do not say what they answer. After a broken conversation and after an abort the driver
asks for the description, and takes nothing for an answer that came before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
)
from platectl.hal.checks import check_shaking, tenths_of
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import integer, number, text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine, LineLink
from platectl.transport.line_instrument import LineInstrument
from platectl.transport.shakes import Shakes

REPLY_S: Final = 5.0
RAMP_S: Final = 20.0
POLL_S: Final = 0.5
SETTLE_S: Final = 3.0
QUIET_S: Final = 0.3
RUNNING: Final = 0
HOME: Final = 3
#: running, accelerating, decelerating to another speed: it goes on until it is told to stop
SHAKING: Final = {0, 5, 6}
UNLOCKED: Final = "3"
ERRORS: Final = {
    101: "motor controller", 102: "speed not reached", 103: "not initialised", 104: "initialisation",
    105: "no home position after the stop", 201: "temperature sensor", 202: "sensor bus",
    203: "sensor identity", 204: "temperature measurement", 300: "clamp", 301: "clamp", 303: "clamp not open",
    304: "clamp did not close in time", 305: "clamp did not open in time", 306: "clamp motor overload",
    307: "clamp motor overload",
}  # fmt: skip


class Settings(BaseModel):
    """Ranges of the model at hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_speed_rpm: float = Field(default=200.0, gt=0)
    max_speed_rpm: float = Field(default=3000.0, gt=0)
    min_temperature_c: float = Field(default=4.0, ge=0)
    max_temperature_c: float = 70.0
    has_clamp: bool = True


class BioShake(LineInstrument):
    """Drives one BioShake; satisfies `platectl.hal.handling.Shaker`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="bioshake",
        makes="QInstruments BioShake",
        interfaces=("Shaker",),
        wire="serial",
        lines=(SerialLine(9600),),
        source="PyLabRobot 0.2.2, janelia bioshake_device_python and galago, which agree (handlers 5.1)",
        unattested=("order and separators of the error list", "when the error list is emptied"),
        transcripts=("bioshake_shake", "bioshake_stuck"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._line = InstrumentLine(setup.open_stream, "BioShake", tx_end=b"\r", rx_end=b"\r\n")
        self._handed = Handed()
        self._abort = Abort("BioShake was aborted; the plate stays clamped")
        self._shakes = Shakes(setup.clock, self._handed, self._abort)
        self._description = ""

    @property
    def speed_range_rpm(self) -> tuple[float, float]:
        """Slowest and fastest speed."""
        return self.settings.min_speed_rpm, self.settings.max_speed_rpm

    @property
    def temperature_range_c(self) -> tuple[float, float]:
        """Lowest and highest setpoint."""
        return self.settings.min_temperature_c, self.settings.max_temperature_c

    async def reconcile(self, action: Action) -> Verdict:
        """Read state, speed and clamp back; what still shakes can be finished by `shake`.

        Raises:
            LinkError: No usable answer.
        """
        await self.observe()
        if action.verb in {"set_temperature", "stop_heating"}:
            return Verdict("not_done", await self._told("getTempTarget"), remembered=True)
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "clamp and speed at most"})
        if action.verb != "shake":
            return Verdict("unknown", {"verb": action.verb})
        clamp = ("getElmState",) if self.settings.has_clamp else ()
        evidence = await self._told("getShakeState", "getShakeTargetSpeed", *clamp)
        if (state := integer(evidence["getShakeState"])) in SHAKING:
            return self._shakes.goes_on(action, evidence)
        released = state == HOME and evidence.get("getElmState", UNLOCKED) == UNLOCKED
        return self._shakes.stands(action, evidence, released=released, at_home=state == HOME)

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target and switch heating on.

        Raises:
            RefusedError: Outside the range, or finer than 0.1 C; nothing changed.
            InstrumentFaultError: Heating is as it was, perhaps with the new target.
            LinkError: The setpoint may have been taken.
        """
        await self._do(f"setTempTarget{tenths_of(temperature_c, self.temperature_range_c)}")
        await self._do("tempOn")

    async def read_temperature_c(self) -> float:
        """Return the actual nest temperature."""
        return await self._value("getTempActual")

    async def stop_heating(self) -> None:
        """Switch heating off."""
        await self._do("tempOff")

    async def shake(self, *, speed_rpm: float, duration_s: float) -> None:
        """Clamp, shake for the duration, stop at home, release.

        Raises:
            RefusedError: Speed outside the range, or no duration; nothing moved.
            InstrumentFaultError: The plate may be shaken for part of the time and is told to
                stop; it may be clamped. `code` "aborted" after an abort.
            LinkError: The plate may still be shaking.
        """
        check_shaking(speed_rpm, duration_s, self.speed_range_rpm)
        left_s = self._shakes.left_s(duration_s)
        if left_s is None:
            if self.settings.has_clamp:
                await self._do("setElmLockPos")
            await self._do(f"setShakeTargetSpeed{int(speed_rpm)}")
            await self._start_and_shake(duration_s)
        else:
            await self._shake_on(left_s)
        await asyncio.sleep(SETTLE_S)
        if self.settings.has_clamp:
            self._abort.check()
            await self._do("setElmUnlockPos")

    async def abort(self) -> None:
        """Brake and go home without waiting for a turn; the plate stays clamped."""
        self._abort.call()
        self._line.out_of_step = True
        await self._line.shout(b"shakeOff")

    async def _introduce(self) -> Identity:
        self._description = ""
        await self._line.link.drain(quiet_s=QUIET_S)
        return await self._identity()

    async def _identity(self) -> Identity:
        version = await self._ask("getVersion")
        self._description = self._description or await self._ask("getDescription")
        return Identity(self._description, firmware=version)

    async def _told(self, *queries: str) -> dict[str, Any]:
        """What each query answers, or the code with which it fails."""
        told: dict[str, Any] = {}
        for query in queries:
            try:
                told[query] = await self._ask(query)
            except InstrumentFaultError as error:
                told[query] = error.code
        return told

    async def _start_and_shake(self, duration_s: float) -> None:
        self._shakes.begin()
        try:
            await self._do("shakeOn")
            await self._until_state(RUNNING)
        except InstrumentFaultError:
            with contextlib.suppress(InstrumentError):
                await self._do("shakeOff")
            raise
        await self._shake_on(duration_s)

    async def _shake_on(self, left_s: float) -> None:
        """Wait for what is left of the time, brake and wait for home."""
        try:
            await self._abort.pause(max(left_s, 0.0))
            self._shakes.end()
            await self._do("shakeOff")
            await self._until_state(HOME)
        except InstrumentFaultError:
            with contextlib.suppress(InstrumentError):
                await self._do("shakeOff")
            raise

    async def _until_state(self, wanted: int) -> None:
        due_s = asyncio.get_running_loop().time() + RAMP_S
        while integer(await self._ask("getShakeState")) != wanted:
            self._abort.check()
            if asyncio.get_running_loop().time() > due_s:
                raise await self._fault("getShakeState")
            await asyncio.sleep(POLL_S)

    async def _do(self, command: str) -> None:
        if (answer := await self._ask(command)) != "ok":
            self._line.out_of_step = True
            raise MalformedReplyError(f"BioShake answered {answer!r} to {command}")

    async def _value(self, command: str) -> float:
        with self._line.exchange():
            return number(await self._ask(command))

    async def _ask(self, command: str) -> str:
        answer = await self._exchange(command)
        if answer == "e":
            raise await self._fault(command)
        if answer.startswith("u ->"):
            raise InstrumentFaultError(f"BioShake does not know {command}", code="unsupported")
        return answer

    async def _exchange(self, command: str) -> str:
        async with self._line.turn(self._fall_in_step) as link:
            if command == "shakeOn":
                self._abort.check()
            return text(await link.ask(command.encode("ascii"), timeout_s=REPLY_S))

    async def _fall_in_step(self, link: LineLink) -> None:
        """Pass over whatever still comes from before."""
        await link.drain(quiet_s=QUIET_S)
        if not self._description:
            return
        due_s = asyncio.get_running_loop().time() + REPLY_S
        await link.send_line(b"getDescription")
        wanted = self._description.encode("ascii")
        while await link.read_line_by(due_s) != wanted:
            pass

    async def _fault(self, command: str) -> InstrumentFaultError:
        try:
            codes = parse_error_list(await self._exchange("getErrorList"))
        except LinkError as error:
            self._line.out_of_step = True
            return InstrumentFaultError(f"BioShake failed at {command}: {error}", code="e")
        reasons = ", ".join(f"{ERRORS.get(c, 'error')} ({c})" for c in codes) or "no reason given"
        return InstrumentFaultError(
            f"BioShake failed at {command}: {reasons}", code=str(codes[0]) if codes else "e"
        )


def parse_error_list(answer: str) -> list[int]:
    """Codes of a list like `{101;304}`; the separators are not attested.

    Raises:
        MalformedReplyError: Something else than whole numbers in braces.
    """
    if not re.fullmatch(r"\{[\d;, ]*\}", answer):
        raise MalformedReplyError(f"{answer[:60]!r} is not a list of errors")
    return [int(code) for code in re.findall(r"\d+", answer)]
