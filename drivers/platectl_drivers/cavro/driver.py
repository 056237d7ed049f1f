r"""Tecan Cavro XCalibur syringe pump over RS-232 or RS-485, 9600 8N1 (or 38400).

Responsible for initialisation and strokes through a three-port valve. Source: the operating manuals of the
XCalibur (733085-B), XP 3000 (725730C) and XLP 6000 (734237-C) as described in shared/instruments-handlers.md
6.7, and tecancavro, whose facts agree. Two protocols by setting: `oem` (STX, address, sequence, data, ETX,
check sum; a repeat is carried out once) and `dt` (`/` address data CR); both answer with a status byte, of which
only the answer to `Q` tells ready or busy. `Z` or `Y` initialise, `I` `O` `E` turn the valve, `V` is the speed in
steps a second, `A` an absolute position of 0 to 3000 steps, `R` runs, `T` ends, `?` tells the position, `&` the
firmware. Maturity: paper; `info.unattested` names what no source states.

Strokes are said as absolute positions, so that one that is said twice moves once, and each is checked by the
position afterwards. That also settles a stroke in doubt of this life: at its end it was done, at its
beginning it was not. A new process does not know where a stroke began, and says `unknown`. Not responsible for
fine positioning (`N1`), distribution valves, stored programs, inputs and outputs, or several pumps that share one port.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    RefusedError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Fate, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import integer
from platectl.transport.handed import Handed
from platectl_drivers.cavro.frame import Answer
from platectl_drivers.cavro.link import PumpLink

STEPS: Final = 3000
SPEEDS: Final = (5, 6000)
VALVE: Final = {"input": "I", "output": "O", "extra": "E"}
POLL_S: Final = 0.25
#: valve, ramps and initialisation, with much to spare
EXTRA_S: Final = 30.0
#: of a step, as floats have it
ROUNDING: Final = 1e-3
BROKEN: Final = 6
NOT_INITIALISED: Final = 7
#: errors that stay until the pump is initialised or repaired; the others vanish at the next command
STANDING: Final = frozenset({1, BROKEN, NOT_INITIALISED, 9, 10})
ERRORS: Final = {
    1: "initialisation failed", 2: "invalid command", 3: "invalid operand", 4: "invalid sequence",
    5: "fluid detection", BROKEN: "EEPROM failure", NOT_INITIALISED: "not initialised", 9: "plunger overload",
    10: "valve overload", 11: "plunger move not allowed", 15: "command while it moves",
}  # fmt: skip


class Settings(BaseModel):
    """The pump and its syringe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    syringe_ul: float | None = Field(default=None, gt=0, description="volume of the full stroke")
    framing: Literal["oem", "dt"] = "oem"
    switch: int = Field(default=0, ge=0, le=14, description="position of the address switch")
    initialise: Literal["Z", "Y"] = Field(
        default="Z", description="Z: input port on the left, Y: on the right"
    )
    force: Literal[0, 1, 2] = Field(default=0, description="0: full, 1: half, 2: a third")


class CavroXCalibur:
    """Drives one pump; satisfies `platectl.hal.liquids.SyringePump`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="cavro",
        makes="Tecan Cavro XCalibur",
        interfaces=("SyringePump",),
        wire="serial",
        lines=(SerialLine(9600), SerialLine(38400)),
        source="operating manuals 733085-B, 725730C and 734237-C, and tecancavro (handlers 6.7)",
        unattested=(
            "text of the firmware in the answer to &",
            "whether the position stays true after T",
            "whether the force after Z may stand without ports",
        ),
        transcripts=("cavro_dt", "cavro_oem"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._open_stream = setup.open_stream
        self._link: PumpLink | None = None
        self._one_at_a_time = asyncio.Lock()
        self._abort = Abort("the pump was told to stop")
        self._handed = Handed()
        #: by action, where the plunger stood and where it was sent
        self._strokes: dict[str, tuple[int, int]] = {}
        self._failed: set[str] = set()

    @property
    def capacity_ul(self) -> float:
        """Volume of the full stroke.

        Raises:
            RefusedError: The lab file does not name the syringe.
        """
        if self.settings.syringe_ul is None:
            raise RefusedError("the lab file does not say which syringe the pump has: syringe_ul")
        return self.settings.syringe_ul

    async def connect(self) -> Identity:
        """Ask status and firmware on a new line; nothing moves.

        Raises:
            LinkError: No usable answer.
            InstrumentFaultError: The EEPROM is broken.
        """
        await self.aclose()
        return await self._look(frozenset({BROKEN}))

    async def observe(self) -> Identity:
        """Ask status and firmware, on a new line if the old one is gone; what moves goes on.

        Raises:
            LinkError: No usable answer.
        """
        return await self._look(frozenset())

    async def take_over(self) -> Identity:
        """As `observe`; a plunger that has lost its zero is a fault.

        Raises:
            LinkError: No usable answer.
            InstrumentFaultError: `code` is the maker's number.
        """
        return await self._look(STANDING)

    async def reconcile(self, action: Action) -> Verdict:
        """Wait until the pump is ready, then compare the position with that before the stroke.

        Raises:
            LinkError: No usable answer.
        """
        await self.observe()
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "nothing"})
        status = await self._settled(EXTRA_S + STEPS / SPEEDS[0])
        position = await self._position()
        evidence: dict[str, Any] = {"position_steps": position, "error": status.error}
        if not status.ready:
            return Verdict("running", evidence)
        if status.error or action.id in self._failed or action.id not in self._strokes:
            sent = {"sent_in_this_life": self._handed.did(action)}
            return Verdict("unknown", {**evidence, **sent})
        start, end = self._strokes[action.id]
        fates: dict[int, Fate] = {end: "done", start: "not_done"}
        evidence |= {"start_steps": start, "end_steps": end}
        return Verdict(fates.get(position, "unknown"), evidence)

    async def initialise(self) -> None:
        """Find the plunger's zero; returns when the pump is ready.

        Raises:
            InstrumentFaultError: `code` is the maker's number; "aborted" after an abort.
            LinkError: The plunger may have moved.
        """
        self._abort.clear()
        self._handed.begin()
        force = str(self.settings.force or "")
        await self._run(f"{self.settings.initialise}{force}R", EXTRA_S)

    async def aspirate(
        self, *, volume_ul: float, flow_ul_per_s: float, port: str = "input"
    ) -> None:
        """Draw a volume from a port.

        Raises:
            RefusedError: No such port, not a number of steps, a speed that the pump does not have, or
                more than the syringe can hold; nothing moved.
            InstrumentFaultError: `code` is the maker's number, "position" if the plunger does not
                stand where it was sent, "aborted" after an abort.
            LinkError: The volume may be drawn.
        """
        await self._stroke(self._steps(volume_ul), flow_ul_per_s, port)

    async def dispense(
        self, *, volume_ul: float, flow_ul_per_s: float, port: str = "output"
    ) -> None:
        """Push a volume out of a port; raises as `aspirate`."""
        await self._stroke(-self._steps(volume_ul), flow_ul_per_s, port)

    async def held_ul(self) -> float:
        """What the syringe holds by the position of its plunger."""
        return await self._position() * self.capacity_ul / STEPS

    async def abort(self) -> None:
        """End the stroke; the plunger stays where it is, the valve ends its turn."""
        self._abort.call()
        if self._link is not None:
            with contextlib.suppress(LinkError):
                await self._link.send("TR")

    async def aclose(self) -> None:
        """Close; nothing to give back."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    def _steps(self, volume_ul: float) -> int:
        step_ul = self.capacity_ul / STEPS
        if not (math.isfinite(volume_ul) and 0 < volume_ul <= self.capacity_ul):
            raise RefusedError(f"cannot move {volume_ul:g} uL; up to {self.capacity_ul:g} uL")
        steps = round(volume_ul / step_ul)
        if abs(steps - volume_ul / step_ul) > ROUNDING:
            raise RefusedError(f"{volume_ul:g} uL is no number of steps of {step_ul:g} uL")
        return steps

    def _speed(self, flow_ul_per_s: float) -> int:
        speed = flow_ul_per_s * STEPS / self.capacity_ul
        low, high = SPEEDS
        if not low <= speed <= high:
            least, most = (s * self.capacity_ul / STEPS for s in SPEEDS)
            raise RefusedError(
                f"cannot pump {flow_ul_per_s:g} uL/s; {least:g} to {most:g} uL/s with this syringe"
            )
        return round(speed)

    async def _stroke(self, steps: int, flow_ul_per_s: float, port: str) -> None:
        speed = self._speed(flow_ul_per_s)
        if port not in VALVE:
            raise RefusedError(f"no port {port!r}; {', '.join(VALVE)}")
        self._abort.clear()
        self._handed.begin()
        status = await self._ask("Q")
        refuse_errors(status, only=STANDING)
        start = await self._position()
        end = start + steps
        if not 0 <= end <= STEPS:
            raise RefusedError(
                f"the plunger stands at {start} of {STEPS} steps and cannot go {steps}"
            )
        self._strokes[ACTION_ID.get()] = start, end
        self._failed.discard(ACTION_ID.get())
        try:
            await self._run(f"{VALVE[port]}V{speed}A{end}R", abs(steps) / speed + EXTRA_S)
            await self._stands_at(end)
        except InstrumentFaultError:
            self._failed.add(ACTION_ID.get())
            raise

    async def _stands_at(self, end: int) -> None:
        if (position := await self._position()) != end:
            raise InstrumentFaultError(
                f"the plunger stands at {position}, not at {end}", code="position"
            )

    async def _run(self, command: str, patience_s: float) -> None:
        """Say a command that moves, and wait until the pump is ready."""
        self._abort.check()
        self._handed.hand()
        refuse_errors(await self._ask(command))
        status = await self._settled(patience_s)
        self._abort.check()
        refuse_errors(status)
        if not status.ready:
            raise InstrumentFaultError(f"the pump is busy after {patience_s:g} s", code="busy")

    async def _settled(self, patience_s: float) -> Answer:
        due_s = asyncio.get_running_loop().time() + patience_s
        while not (status := await self._ask("Q")).ready:
            if asyncio.get_running_loop().time() > due_s:
                break
            await asyncio.sleep(POLL_S)
        return status

    async def _position(self) -> int:
        return integer((await self._ask("?")).data)

    async def _look(self, refused: frozenset[int]) -> Identity:
        if self._link is not None:
            try:
                return await self._identity(refused)
            except DisconnectedError:
                await self.aclose()
        stream = await self._open_stream()
        self._link = PumpLink(stream, self.settings.framing, self.settings.switch)
        return await self._identity(refused)

    async def _identity(self, refused: frozenset[int]) -> Identity:
        status = await self._ask("Q")
        firmware = (await self._ask("&")).data
        refuse_errors(status, only=refused)
        return Identity("Tecan Cavro XCalibur", firmware=firmware)

    async def _ask(self, command: str) -> Answer:
        if self._link is None:
            raise DisconnectedError("the pump is not connected")
        async with self._one_at_a_time:
            return await self._link.ask(command)


def refuse_errors(answer: Answer, *, only: frozenset[int] | None = None) -> None:
    """Turn an error (of those in `only`) into an exception.

    Raises:
        InstrumentFaultError: `code` is the maker's number.
    """
    if answer.error and (only is None or answer.error in only):
        reason = ERRORS.get(answer.error, "error that no source lists")
        raise InstrumentFaultError(f"Cavro: {reason} ({answer.error})", code=str(answer.error))
