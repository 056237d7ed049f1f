"""The module: pressure, venting, and what it can say of a vacuum in doubt."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import asdict
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict, settable
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import text
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine
from platectl.transport.line_instrument import LineInstrument
from platectl_drivers.opentrons_vacuum.codec import (
    PumpState,
    parse_answer,
    parse_error,
    parse_identity,
    parse_state,
)

LOWEST_MBAR: Final = -800.0
LONGEST_HOLD_S: Final = 86400.0
REPLY_S: Final = 5.0
IDENTIFY: Final = "M115"


class Settings(BaseModel):
    """How one module is driven; the pressure counts as reached within `tolerance_mbar`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tolerance_mbar: float = Field(default=20.0, gt=0, le=200)
    reach_s: int = Field(default=20, gt=0, le=600)
    vent_s: float = Field(default=10.0, gt=0, le=120)
    poll_s: float = Field(default=0.5, gt=0, le=10)


class OpentronsVacuum(LineInstrument):
    """Drives one Vacuum Module; satisfies `platectl.hal.liquids.VacuumFiltration`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="opentrons_vacuum",
        makes="Opentrons Vacuum Module",
        interfaces=("VacuumFiltration",),
        wire="serial",
        source="vendor's driver in the opentrons package 10.1.0",
        lines=(SerialLine(115200),),
        unattested=(
            "time that venting takes",
            "M120 S1 without D holds until switched off",
            "whether ERR400 is an answer or an async line",
        ),
        transcripts=(
            "opentrons_vacuum_filtration",
            "opentrons_vacuum_refusals",
            "opentrons_vacuum_waste_full",
        ),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._line = InstrumentLine(
            setup.open_stream, "the Vacuum Module", tx_end=b" \n", rx_end=b"\n", longest=4096
        )
        self._faults: deque[InstrumentFaultError] = deque()
        self._asked: deque[str] = deque()
        self._late: set[str] = set()
        self._abort = Abort("the vacuum was switched off by an abort")
        self._handed = Handed()

    async def reconcile(self, action: Action) -> Verdict:
        """Read pump, pressure and vent back; a fault line that comes meanwhile waits for a verb.

        Raises:
            LinkError: No usable answer.
        """
        await self.observe()
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "the vent was closed at most"})
        try:
            state = await self._state()
        except InstrumentFaultError as error:
            return Verdict("unknown", {"error": error.code})
        evidence = asdict(state)
        tolerance_mbar = self.settings.tolerance_mbar
        if action.verb == "start_vacuum":
            asked_mbar = float(action.arguments.get("gauge_mbar", LOWEST_MBAR))
            as_set = state.on and state.gauge_mbar <= asked_mbar + tolerance_mbar
        elif action.verb == "stop_vacuum":
            as_set = not (state.on or state.vent_open) and state.gauge_mbar >= -tolerance_mbar
        else:
            return Verdict("unknown", {**evidence, "verb": action.verb})
        return settable(evidence, as_set=as_set)

    async def apply_vacuum(self, *, gauge_mbar: float, hold_s: float) -> float:
        """Draw down, hold, switch off and vent; return the lowest gauge pressure seen.

        Raises:
            RefusedError: Pressure or time outside the limits; nothing was switched.
            InstrumentFaultError: `not_reached`, `not_held`, `not_vented`, `aborted` or the
                maker's code; the vacuum is off, wells may be partly filtered.
            LinkError: Assume the wells were drawn through.
        """
        if not 0 <= hold_s <= LONGEST_HOLD_S:
            raise RefusedError(f"the vacuum is held for 0 to {LONGEST_HOLD_S:g} s, not {hold_s:g}")
        lowest_mbar = await self._draw_down(gauge_mbar)
        try:
            lowest_mbar = min(lowest_mbar, await self._hold(gauge_mbar, hold_s))
        except InstrumentFaultError:
            await self._off_after_fault()
            raise
        await self._switch_off()
        self._raise_faults()
        return lowest_mbar

    async def start_vacuum(self, *, gauge_mbar: float) -> None:
        """Switch on and return when the pressure is within the tolerance.

        Raises:
            RefusedError: Pressure outside the limits; nothing was switched.
            InstrumentFaultError: The vacuum is off again: `not_reached`, `aborted` or the code.
            LinkError: The vacuum may be on.
        """
        await self._draw_down(gauge_mbar)

    async def stop_vacuum(self) -> None:
        """Switch off, vent, and only then raise what the module complained about meanwhile.

        Raises:
            InstrumentFaultError: `not_vented` or ERR402: still under vacuum. Other codes come
                from the time under vacuum; the manifold is off and vented.
            LinkError: The vacuum may still be on.
        """
        self._abort.clear()
        self._handed.hand()
        await self._switch_off()
        self._raise_faults()

    async def abort(self) -> None:
        """Switch off and open the vent without waiting; the next answers are read by the next verb."""
        self._abort.call()
        try:
            for command in ("M120 S0", "M124 V1"):
                await self._send(command)
        except LinkError:
            return

    async def _draw_down(self, gauge_mbar: float) -> float:
        if not LOWEST_MBAR <= gauge_mbar < 0:
            raise RefusedError(
                f"gauge pressure {gauge_mbar:g} mbar is not between {LOWEST_MBAR:g} and 0"
            )
        if round(gauge_mbar, 2) != gauge_mbar:
            raise RefusedError(f"gauge pressure {gauge_mbar!r} mbar is finer than 0.01 mbar")
        self._abort.clear()
        self._handed.begin()
        await self._ask("M124 V0")
        self._raise_faults()
        self._handed.hand()
        try:
            await self._ask(f"M120 S1 P{gauge_mbar:.2f} T{self.settings.reach_s}")
            return await self._reach(gauge_mbar)
        except InstrumentFaultError:
            await self._off_after_fault()
            raise

    async def _reach(self, gauge_mbar: float) -> float:
        deadline_s = asyncio.get_running_loop().time() + self.settings.reach_s + REPLY_S
        while True:
            state = await self._state()
            self._raise_faults()
            if state.on and state.gauge_mbar <= gauge_mbar + self.settings.tolerance_mbar:
                return state.gauge_mbar
            if asyncio.get_running_loop().time() >= deadline_s:
                raise InstrumentFaultError(
                    f"the pressure came to {state.gauge_mbar:g} mbar only, not to {gauge_mbar:g}",
                    code="not_reached",
                )
            await self._abort.pause(self.settings.poll_s)

    async def _hold(self, gauge_mbar: float, hold_s: float) -> float:
        """Watch the vacuum for `hold_s`; it may rise by twice the tolerance."""
        lowest_mbar, end_s = 0.0, asyncio.get_running_loop().time() + hold_s
        while (left_s := end_s - asyncio.get_running_loop().time()) > 0:
            await self._abort.pause(min(left_s, self.settings.poll_s))
            state = await self._state()
            self._raise_faults()
            if not state.on or state.gauge_mbar > gauge_mbar + 2 * self.settings.tolerance_mbar:
                raise InstrumentFaultError(
                    f"the vacuum fell to {state.gauge_mbar:g} mbar; {gauge_mbar:g} was to be held",
                    code="not_held",
                )
            lowest_mbar = min(lowest_mbar, state.gauge_mbar)
        return lowest_mbar

    async def _off_after_fault(self) -> None:
        """Switch off; a second fault stays for the next verb, the first is about to be raised."""
        try:
            await self._switch_off()
        except InstrumentFaultError as error:
            self._faults.append(error)

    async def _switch_off(self) -> None:
        """Pump off, vent open until the manifold is at room pressure, vent closed."""
        await self._ask("M120 S0")
        await self._ask("M124 V1")
        deadline_s = asyncio.get_running_loop().time() + self.settings.vent_s
        while (await self._state()).gauge_mbar < -self.settings.tolerance_mbar:
            if asyncio.get_running_loop().time() >= deadline_s:
                raise self._faults.popleft() if self._faults else InstrumentFaultError(
                    f"still under vacuum {self.settings.vent_s:g} s after the vent was opened",
                    code="not_vented",
                )  # fmt: skip
            await asyncio.sleep(self.settings.poll_s)
        await self._ask("M124 V0")

    async def _introduce(self) -> Identity:
        self._asked.clear()
        self._late.clear()
        return await self._identity()

    async def _identity(self) -> Identity:
        return parse_identity(await self._ask(IDENTIFY))

    async def _state(self) -> PumpState:
        return parse_state(await self._ask("M121"))

    def _raise_faults(self) -> None:
        self._abort.check()
        if self._faults:
            raise self._faults.popleft()

    async def _send(self, command: str) -> None:
        link = self._line.link
        self._asked.append(command.split(maxsplit=1)[0])
        await link.send_line(command.encode("ascii"))

    async def _ask(self, command: str) -> str:
        """Send a command and return the fields of its answer; async lines are kept for later.

        Raises:
            InstrumentFaultError: The answer is an error.
            LinkError: No answer, or not one of the format.
        """
        code = command.split(maxsplit=1)[0]
        if self._late and code != IDENTIFY:
            await self._ask(IDENTIFY)
        await self._send(command)
        ahead = len(self._asked) - 1
        deadline_s = asyncio.get_running_loop().time() + REPLY_S
        try:
            while True:
                answer = self._take(text(await self._line.link.read_line_by(deadline_s)))
                if answer is None:
                    continue
                if ahead == 0:
                    break
                ahead -= 1
                if isinstance(answer, InstrumentFaultError):
                    self._faults.append(answer)
        except LinkError:
            self._late.update(self._asked)  # whatever still comes for these comes late
            self._asked.clear()
            raise
        if code == IDENTIFY:
            self._late &= {IDENTIFY}
        if isinstance(answer, InstrumentFaultError):
            raise answer
        return answer

    def _take(self, line: str) -> str | InstrumentFaultError | None:
        """Return the answer to the oldest open question; None for async and late lines."""
        error = parse_error(line)
        if error is not None:
            if line.startswith("async ") or self._late or not self._asked:
                self._faults.append(error)
                return None
            self._asked.popleft()
            return error
        code, fields = parse_answer(line)
        if self._asked and self._asked[0] == code:
            self._asked.popleft()
            return fields
        if code in self._late:
            return None
        raise MalformedReplyError(f"the Vacuum Module answered {line[:60]!r}, which nobody asked")
