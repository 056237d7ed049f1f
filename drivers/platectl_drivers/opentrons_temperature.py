r"""Opentrons Temperature Module (gen1 and gen2) over USB serial, 115200 8N1.

Responsible for the temperature of one block, heated or cooled. Source: the maker's firmware
(Opentrons/opentrons-modules, temp-deck) and driver (`opentrons` 10.1.0), see shared/instruments-handlers.md 2.1. A line
ends with CR LF and is answered by `ok` twice, each on a line of its own, after one line of text where there is
something to tell: `T:37.000 C:22.125` (`T:none` while it is off) or `serial:.. model:.. version:..`. Blanks are
ignored, and so is what the firmware does not know: it answers `ok` too. Maturity: paper.

Since `ok` does not say that a command was understood, a setpoint is read back before it counts as set. It does not
announce that it is reached; who waits for it asks. `Temperature module overheated! Deactivating.` comes unasked and
again and again; it is a fault of the next verb. The later gen3 firmware has another dialect and is not spoken to.

An abort changes nothing: nothing moves, and a block that is let go spoils what stands on it. A setpoint in doubt is
read back, and setting it again is harmless.
"""

from __future__ import annotations

import asyncio
import re
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentFaultError,
    MalformedReplyError,
)
from platectl.hal.checks import check_temperature
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict, setpoint_verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.codec import number, text
from platectl.transport.line import InstrumentLine, LineLink
from platectl.transport.line_instrument import LineInstrument

REPLY_S: Final = 3.0
QUIET_S: Final = 0.3
#: half of what a setpoint can differ by
SAME_C: Final = 0.05
ACK: Final = "ok"
ACKS: Final = 2
TOO_HOT: Final = "Temperature module overheated!"
_STATE: Final = re.compile(r"T:(\S+) C:(\S+)")
_IDENTITY: Final = re.compile(r"serial:(\S+) model:(temp_deck\S*) version:(\S+)")


class Settings(BaseModel):
    """Range of the product."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_temperature_c: float = 4.0
    max_temperature_c: float = Field(default=95.0, le=99)


class OpentronsTemperature(LineInstrument):
    """Drives one Temperature Module; satisfies `platectl.hal.handling.ThermalNest`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="opentrons_temperature",
        makes="Opentrons Temperature Module GEN1, GEN2",
        interfaces=("ThermalNest",),
        wire="serial",
        lines=(SerialLine(115200),),
        source="maker's firmware (Opentrons/opentrons-modules) and driver in opentrons 10.1.0 (handlers 2.1)",
        unattested=("how often an overheated block says so", "setpoints with a decimal place"),
        transcripts=("opentrons_temperature_cool", "opentrons_temperature_overheated"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._line = InstrumentLine(
            setup.open_stream, "the Temperature Module", tx_end=b"\r\n", rx_end=b"\r\n", longest=4096,
        )  # fmt: skip
        self._overheated = False

    @property
    def temperature_range_c(self) -> tuple[float, float]:
        """Lowest and highest setpoint."""
        return self.settings.min_temperature_c, self.settings.max_temperature_c

    async def reconcile(self, action: Action) -> Verdict:
        """Read the setpoint back.

        Raises:
            LinkError: No usable answer.
        """
        await self.observe()
        target_c, actual_c = await self._state()
        evidence = {"target_c": target_c, "actual_c": actual_c}
        return setpoint_verdict(action, target_c, evidence, within_c=SAME_C)

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the target, and see that it was taken.

        Raises:
            RefusedError: Outside the range, or finer than 0.1 C; nothing changed.
            InstrumentFaultError: "overheated", or "not_taken": it tells another target.
            LinkError: The setpoint may have been taken.
        """
        check_temperature(temperature_c, self.temperature_range_c, places=1)
        await self._ask(f"M104 S{temperature_c:.1f}")
        target_c, _ = await self._state()
        if target_c is None or abs(target_c - temperature_c) >= SAME_C:
            raise InstrumentFaultError(
                f"the Temperature Module heads for {target_c} C, not {temperature_c} C",
                code="not_taken",
            )

    async def read_temperature_c(self) -> float:
        """Return the actual block temperature."""
        return (await self._state())[1]

    async def stop_heating(self) -> None:
        """Switch off, and see that it is.

        Raises:
            InstrumentFaultError: "overheated", or "not_taken": it still has a target.
            LinkError: It may be off.
        """
        await self._ask("M18")
        if (target_c := (await self._state())[0]) is not None:
            raise InstrumentFaultError(
                f"the Temperature Module still heads for {target_c} C", code="not_taken"
            )

    async def abort(self) -> None:
        """Nothing moves; the block keeps its temperature for what stands on it."""

    async def _identity(self) -> Identity:
        return parse_identity(await self._ask("M115"))

    async def _introduce(self) -> Identity:
        self._line.out_of_step = True  # what came before this conversation is passed over
        return await self._identity()

    async def _state(self) -> tuple[float | None, float]:
        """Target, if there is one, and actual temperature."""
        with self._line.exchange():
            return parse_state(await self._ask("M105"))

    async def _ask(self, command: str) -> str:
        """Send a line and return what is told before `ok` comes twice.

        Raises:
            InstrumentFaultError: "overheated".
            LinkError: No answer, or not one of the format.
        """
        async with self._line.turn(lambda link: link.drain(quiet_s=QUIET_S)) as link:
            told = await self._exchange(link, command)
        if self._overheated and command != "M115":
            self._overheated = False
            raise InstrumentFaultError(
                "the Temperature Module was too hot and switched itself off; take its power away",
                code="overheated",
            )
        return told

    async def _exchange(self, link: LineLink, command: str) -> str:
        await link.send_line(command.encode("ascii"))
        due_s = asyncio.get_running_loop().time() + REPLY_S
        told: list[str] = []
        acks = 0
        while acks < ACKS:
            line = text(await link.read_line_by(due_s))
            if line.startswith(TOO_HOT):
                self._overheated = True
            elif line == ACK:
                acks += 1
            else:
                told.append(line)
        if len(told) > 1 or (told and command not in {"M105", "M115"}):
            raise MalformedReplyError(f"the Temperature Module told {told} to {command}")
        return told[0] if told else ""


def parse_state(told: str) -> tuple[float | None, float]:
    """Read `T:37.000 C:22.125`: target (None for `none`) and actual temperature.

    Raises:
        MalformedReplyError: Anything else.
    """
    match = _STATE.fullmatch(told)
    if not match:
        raise MalformedReplyError(f"M105 told {told[:60]!r}")
    target_c = None if match[1] == "none" else number(match[1])
    return target_c, number(match[2])


def parse_identity(told: str) -> Identity:
    """Read `serial:.. model:temp_deck.. version:..`.

    Raises:
        MalformedReplyError: Anything else, also another module.
    """
    match = _IDENTITY.fullmatch(told)
    if not match:
        raise MalformedReplyError(f"M115 told {told[:60]!r}, which is no Temperature Module")
    return Identity(
        f"Opentrons Temperature Module {match[2]}", serial_number=match[1], firmware=match[3]
    )
