r"""QInstruments BioShake over RS-232, 9600 8N1.

Responsible for shaking, clamping (ELM) and heating one plate. Source: command tables of PyLabRobot
0.2.2, janelia bioshake_device_python and galago, which agree (shared/instruments-handlers.md 5.1).
A command ends with `\r`; every answer is one line with `\r\n`: `ok`, a value, `e` (failed) or
`u -> text` (unknown here). Maturity: paper; `info.unattested` names what no source states.

`shake` switches on, waits on the host's clock and switches off, rather than using the runtime
command, so that an abort always has something to stop and the time is the run's time. An abort
brakes and goes home; the emergency stop would lose the home position, and an arm would then meet
a nest that stands anywhere.

Answers do not say what they answer. After a broken conversation and after an abort the driver
asks for the description, and takes nothing for an answer that came before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.transport.codec import integer, number, text
from platectl.transport.line import LineLink

REPLY_S: Final = 5.0
RAMP_S: Final = 20.0
POLL_S: Final = 0.5
SETTLE_S: Final = 3.0
QUIET_S: Final = 0.3
RUNNING: Final = 0
HOME: Final = 3
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


class BioShake:
    """Drives one BioShake; satisfies `platectl.hal.handling.Shaker`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="bioshake",
        makes="QInstruments BioShake",
        interfaces=("Shaker",),
        wire="serial",
        baud=9600,
        source="PyLabRobot 0.2.2, janelia bioshake_device_python and galago, which agree (handlers 5.1)",
        unattested=("order and separators of the error list", "when the error list is emptied"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._open_stream = setup.open_stream
        self._link: LineLink | None = None
        self._one_at_a_time = asyncio.Lock()
        self._aborted = asyncio.Event()
        self._description = ""
        self._out_of_step = False

    @property
    def speed_range_rpm(self) -> tuple[float, float]:
        """Slowest and fastest speed."""
        return self.settings.min_speed_rpm, self.settings.max_speed_rpm

    async def connect(self) -> Identity:
        """Ask version and description; nothing moves.

        Raises:
            LinkError: No usable answer; nothing was moved.
        """
        await self.aclose()
        self._out_of_step, self._description = False, ""
        self._link = LineLink(await self._open_stream(), tx_end=b"\r", rx_end=b"\r\n")
        await self._link.drain(quiet_s=QUIET_S)
        version = await self._ask("getVersion")
        self._description = await self._ask("getDescription")
        return Identity(self._description, firmware=version)

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target and switch heating on.

        Raises:
            RefusedError: Outside the range, or finer than 0.1 C; nothing changed.
            InstrumentFaultError: Heating is as it was, perhaps with the new target.
            LinkError: The setpoint may have been taken.
        """
        low, high = self.settings.min_temperature_c, self.settings.max_temperature_c
        if not low <= temperature_c <= high:
            raise RefusedError(f"cannot hold {temperature_c:g} C; {low:g} to {high:g} C")
        await self._do(f"setTempTarget{encode_temperature(temperature_c)}")
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
        low, high = self.speed_range_rpm
        if not low <= speed_rpm <= high or speed_rpm != int(speed_rpm):
            raise RefusedError(
                f"cannot shake at {speed_rpm:g} rpm; whole numbers from {low:g} to {high:g}"
            )
        if not (math.isfinite(duration_s) and duration_s > 0):
            raise RefusedError(f"cannot shake for {duration_s:g} s")
        self._aborted.clear()
        if self.settings.has_clamp:
            await self._do("setElmLockPos")
        await self._do(f"setShakeTargetSpeed{int(speed_rpm)}")
        await self._shake_for(duration_s)
        await asyncio.sleep(SETTLE_S)
        if self.settings.has_clamp:
            self._stop_if_aborted()
            await self._do("setElmUnlockPos")

    async def abort(self) -> None:
        """Brake and go home without waiting for a turn; the plate stays clamped."""
        self._aborted.set()
        self._out_of_step = True
        if self._link is not None:
            with contextlib.suppress(LinkError):
                await self._link.send_line(b"shakeOff")

    async def aclose(self) -> None:
        """Close; heating stays as it is."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    async def _shake_for(self, duration_s: float) -> None:
        try:
            await self._do("shakeOn")
            await self._until_state(RUNNING)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(duration_s):
                    await self._aborted.wait()
            self._stop_if_aborted()
            await self._do("shakeOff")
            await self._until_state(HOME)
        except InstrumentFaultError:
            with contextlib.suppress(InstrumentError):
                await self._do("shakeOff")
            raise

    async def _until_state(self, wanted: int) -> None:
        due_s = asyncio.get_running_loop().time() + RAMP_S
        while integer(await self._ask("getShakeState")) != wanted:
            self._stop_if_aborted()
            if asyncio.get_running_loop().time() > due_s:
                raise await self._fault("getShakeState")
            await asyncio.sleep(POLL_S)

    def _stop_if_aborted(self) -> None:
        if self._aborted.is_set():
            raise InstrumentFaultError(
                "BioShake was aborted; the plate stays clamped", code="aborted"
            )

    async def _do(self, command: str) -> None:
        if (answer := await self._ask(command)) != "ok":
            self._out_of_step = True
            raise MalformedReplyError(f"BioShake answered {answer!r} to {command}")

    async def _value(self, command: str) -> float:
        try:
            return number(await self._ask(command))
        except MalformedReplyError:
            self._out_of_step = True
            raise

    async def _ask(self, command: str) -> str:
        answer = await self._exchange(command)
        if answer == "e":
            raise await self._fault(command)
        if answer.startswith("u ->"):
            raise InstrumentFaultError(f"BioShake does not know {command}", code="unsupported")
        return answer

    async def _exchange(self, command: str) -> str:
        if self._link is None:
            raise DisconnectedError("BioShake is not connected")
        async with self._one_at_a_time:
            try:
                while self._out_of_step:
                    self._out_of_step = False
                    await self._fall_in_step(self._link)
                if command == "shakeOn":
                    self._stop_if_aborted()
                return text(await self._link.ask(command.encode("ascii"), timeout_s=REPLY_S))
            except LinkError:
                self._out_of_step = True
                raise

    async def _fall_in_step(self, link: LineLink) -> None:
        """Pass over whatever still comes from before."""
        await link.drain(quiet_s=QUIET_S)
        if not self._description:
            return
        due_s = asyncio.get_running_loop().time() + REPLY_S
        await link.send_line(b"getDescription")
        wanted = self._description.encode("ascii")
        while await link.read_line(timeout_s=due_s - asyncio.get_running_loop().time()) != wanted:
            pass

    async def _fault(self, command: str) -> InstrumentFaultError:
        try:
            codes = parse_error_list(await self._exchange("getErrorList"))
        except LinkError as error:
            self._out_of_step = True
            return InstrumentFaultError(f"BioShake failed at {command}: {error}", code="e")
        reasons = ", ".join(f"{ERRORS.get(c, 'error')} ({c})" for c in codes) or "no reason given"
        return InstrumentFaultError(
            f"BioShake failed at {command}: {reasons}", code=str(codes[0]) if codes else "e"
        )


def encode_temperature(temperature_c: float) -> int:
    """Temperature in tenths of a degree.

    Raises:
        RefusedError: Finer than a tenth.
    """
    tenths = round(temperature_c * 10)
    if abs(tenths - temperature_c * 10) > 1e-6:  # noqa: PLR2004  # rounding of floats only
        raise RefusedError(f"{temperature_c} C is finer than 0.1 C")
    return tenths


def parse_error_list(answer: str) -> list[int]:
    """Codes of a list like `{101;304}`; the separators are not attested.

    Raises:
        MalformedReplyError: Something else than whole numbers in braces.
    """
    if not re.fullmatch(r"\{[\d;, ]*\}", answer):
        raise MalformedReplyError(f"{answer[:60]!r} is not a list of errors")
    return [int(code) for code in re.findall(r"\d+", answer)]
