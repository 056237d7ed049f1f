"""The driver of the CVC 3000 and its valve."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import ClassVar, Final, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.stream import ByteStream, Connector
from platectl.transport.codec import text
from platectl.transport.line import LineLink
from platectl_drivers.cvc3000.wire import (
    parse_echo,
    parse_errors,
    parse_pressure,
    parse_version,
    relay_frame,
)

log = structlog.get_logger()

REPLY_S: Final = 2.0
QUIET_S: Final = 0.2
LONGEST_HOLD_S: Final = 86400.0
#: OUT_MODE: control to a set point until stopped
VACUUM_CONTROL: Final = 2
TO_ATMOSPHERE: Final = 2
LOWEST_SET_POINT_MBAR: Final = 1


class Settings(BaseModel):
    """How one pump stand is driven; the pressure counts as reached within `tolerance_mbar`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relay_channel: int = Field(default=1, ge=1, le=8)
    atmosphere_mbar: float = Field(default=1013.0, ge=500, le=1060)
    lowest_mbar: float = Field(default=-800.0, ge=-1060, lt=0)
    tolerance_mbar: float = Field(default=20.0, gt=0, le=200)
    reach_s: float = Field(default=30.0, gt=0, le=600)
    vent_s: float = Field(default=15.0, gt=0, le=120)
    poll_s: float = Field(default=0.5, gt=0, le=10)


class CVC3000Filtration:
    """Drives one controller and its valve; satisfies `platectl.hal.liquids.VacuumFiltration`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="cvc3000",
        makes="Vacuubrand CVC 3000 with an LCUS-1 relay valve",
        interfaces=("VacuumFiltration",),
        wire="serial",
        baud=19200,
        source="PyLabware (cites manual 20901228) and galago lcus1_relay",
        unattested=("plumbing of the valve", "width of IN_ERR", "text of IN_VER"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        assert isinstance(setup.settings, Settings)  # noqa: S101  # the registry built it from Settings
        self.settings = setup.settings
        self._open_stream = setup.open_stream
        self._open_relay: Connector | None = setup.extras.get("relay")
        self._link: LineLink | None = None
        self._relay: ByteStream | None = None
        self._valve: Literal["open", "closed", "unknown"] = "unknown"
        self._turn = asyncio.Lock()
        self._aborted = asyncio.Event()
        self._answer_lost = False
        self._pumping = False

    @property
    def valve_commanded(self) -> Literal["open", "closed", "unknown"]:
        """What the valve was last told; nobody knows where it is. Without a relay: unknown."""
        return self._valve

    async def connect(self) -> Identity:
        """Close the valve, take remote control and choose pressure control; the pump stays as it is.

        Raises:
            InstrumentFaultError: A standing fault of the controller.
            LinkError: No usable answer; nothing was pumped.
        """
        await self._close_streams()
        if self._open_relay is not None:
            self._relay = await self._open_relay()
            await self._command_valve(opened=False)
        self._link = LineLink(
            await self._open_stream(), tx_end=b"\r\n", rx_end=b"\r\n", longest=1024
        )
        self._answer_lost = True  # an earlier owner of the port may have left some
        await self._set("ECHO", 1)
        await self._set("REMOTE", 1)
        await self._set("CVC", 3000, echo=3)
        version = await self._ask("IN_VER")
        await self._set("OUT_MODE", VACUUM_CONTROL)
        await self._check_errors()
        return parse_version(version)

    async def apply_vacuum(self, *, gauge_mbar: float, hold_s: float) -> float:
        """Draw down, hold, stop and vent; return the lowest gauge pressure seen.

        Raises:
            RefusedError: Pressure or time outside the limits; nothing was switched.
            InstrumentFaultError: `not_reached`, `not_held`, `not_vented`, `aborted`, or the
                error bits; the pump is off, wells may be partly filtered.
            LinkError: Assume the wells were drawn through; the valve was told to close.
        """
        if not 0 <= hold_s <= LONGEST_HOLD_S:
            raise RefusedError(f"the vacuum is held for 0 to {LONGEST_HOLD_S:g} s, not {hold_s:g}")
        lowest_mbar = await self._draw_down(gauge_mbar)
        async with self._off_if_it_fails():
            lowest_mbar = min(lowest_mbar, await self._hold(gauge_mbar, hold_s))
        await self._switch_off()
        return lowest_mbar

    async def start_vacuum(self, *, gauge_mbar: float) -> None:
        """Open the valve, start the pump and return when the pressure is within the tolerance.

        Raises:
            RefusedError: Pressure outside the limits; nothing was switched.
            InstrumentFaultError: `not_reached`, `aborted` or the error bits; the vacuum is off.
            LinkError: The pump may be on; the valve was told to close.
        """
        await self._draw_down(gauge_mbar)

    async def stop_vacuum(self) -> None:
        """Stop the pump, vent through the open valve, close the valve; harmless when it is off.

        Raises:
            InstrumentFaultError: `not_vented`: the manifold may be under vacuum.
            LinkError: The pump may still be on; the valve was told to close.
        """
        self._aborted.clear()
        await self._switch_off()

    async def abort(self) -> None:
        """Close the valve and stop the pump without waiting for an answer; nothing is vented."""
        self._aborted.set()
        try:
            await self._command_valve(opened=False)
        except LinkError as error:
            log.warning("valve.close.failed", error=str(error))
        if self._link is None:
            return
        try:
            self._answer_lost = True
            await self._link.send_line(b"STOP 1")
        except LinkError as error:
            log.warning("pump.stop.failed", error=str(error))

    async def aclose(self) -> None:
        """Close the valve, stop the pump if it was started here, give back control and close."""
        try:
            await self._command_valve(opened=False)
            if self._link is not None and not self._turn.locked():
                if self._pumping:
                    await self._set("STOP", 1)
                await self._set("REMOTE", 0)
        except (LinkError, InstrumentFaultError) as error:
            log.warning("pump.farewell.failed", error=str(error))
        await self._close_streams()

    # Pressure -----------------------------------------------------------------------------------
    async def _draw_down(self, gauge_mbar: float) -> float:
        if not self.settings.lowest_mbar <= gauge_mbar < 0:
            raise RefusedError(
                f"gauge pressure {gauge_mbar:g} mbar is not between "
                f"{self.settings.lowest_mbar:g} and 0"
            )
        set_point_mbar = round(self.settings.atmosphere_mbar + gauge_mbar)
        if set_point_mbar < LOWEST_SET_POINT_MBAR:
            raise RefusedError(
                f"{gauge_mbar:g} mbar is below {LOWEST_SET_POINT_MBAR} mbar absolute"
            )
        self._aborted.clear()
        async with self._off_if_it_fails():
            await self._check_errors()
            await self._set("OUT_VENT", 0)
            await self._set("OUT_SP_1", set_point_mbar)
            await self._command_valve(opened=True)
            self._pumping = True
            await self._set("START", 1)
            return await self._reach(gauge_mbar)

    async def _reach(self, gauge_mbar: float) -> float:
        deadline_s = asyncio.get_running_loop().time() + self.settings.reach_s
        while True:
            actual_mbar = await self._watch()
            if actual_mbar <= gauge_mbar + self.settings.tolerance_mbar:
                return actual_mbar
            if asyncio.get_running_loop().time() >= deadline_s:
                raise InstrumentFaultError(
                    f"the pressure came to {actual_mbar:g} mbar only, not to {gauge_mbar:g}: "
                    "no plate, unsealed or leaking wells, or a dry filter",
                    code="not_reached",
                )
            await self._pause(self.settings.poll_s)

    async def _hold(self, gauge_mbar: float, hold_s: float) -> float:
        """Watch the vacuum for `hold_s`; it may rise by twice the tolerance."""
        lowest_mbar, end_s = 0.0, asyncio.get_running_loop().time() + hold_s
        while (left_s := end_s - asyncio.get_running_loop().time()) > 0:
            await self._pause(min(left_s, self.settings.poll_s))
            actual_mbar = await self._watch()
            if actual_mbar > gauge_mbar + 2 * self.settings.tolerance_mbar:
                raise InstrumentFaultError(
                    f"the vacuum fell to {actual_mbar:g} mbar; {gauge_mbar:g} was to be held",
                    code="not_held",
                )
            lowest_mbar = min(lowest_mbar, actual_mbar)
        return lowest_mbar

    async def _watch(self) -> float:
        """Gauge pressure now, after a look at the faults."""
        self._raise_if_aborted()
        await self._check_errors()
        return await self._gauge_mbar()

    async def _switch_off(self) -> None:
        """Stop, vent the manifold through the open valve, close the valve in any case."""
        try:
            await self._set("STOP", 1)
            self._pumping = False
            await self._set("OUT_VENT", TO_ATMOSPHERE)
            await self._command_valve(opened=True)  # an abort may have closed it
            await self._wait_vented()
            await self._set("OUT_VENT", 0)
        except BaseException:
            await self._close_valve_quietly()
            raise
        await self._command_valve(opened=False)

    async def _wait_vented(self) -> None:
        deadline_s = asyncio.get_running_loop().time() + self.settings.vent_s
        while await self._gauge_mbar() < -self.settings.tolerance_mbar:
            if asyncio.get_running_loop().time() >= deadline_s:
                raise InstrumentFaultError(
                    f"still under vacuum {self.settings.vent_s:g} s after venting began",
                    code="not_vented",
                )
            await asyncio.sleep(self.settings.poll_s)

    @contextlib.asynccontextmanager
    async def _off_if_it_fails(self) -> AsyncIterator[None]:
        """After a fault stop and vent; after anything else, a cancellation too, close the valve."""
        try:
            yield
        except InstrumentFaultError:
            try:
                await self._switch_off()
            except (InstrumentFaultError, LinkError) as error:  # the first fault is what counts
                log.warning("pump.off.failed", error=str(error))
            raise
        except BaseException:
            await self._close_valve_quietly()
            raise

    async def _gauge_mbar(self) -> float:
        absolute_mbar = parse_pressure(await self._ask("IN_PV_1"))
        return round(absolute_mbar - self.settings.atmosphere_mbar, 3)

    async def _check_errors(self) -> None:
        bits = await self._ask("IN_ERR")
        if found := parse_errors(bits):
            raise InstrumentFaultError(f"CVC 3000: {', '.join(found)} ({bits})", code=bits)

    def _raise_if_aborted(self) -> None:
        if self._aborted.is_set():
            raise InstrumentFaultError("the vacuum was switched off by an abort", code="aborted")

    async def _pause(self, duration_s: float) -> None:
        """Wait, or less when somebody aborts."""
        try:
            async with asyncio.timeout(duration_s):
                await self._aborted.wait()
        except TimeoutError:
            return
        self._raise_if_aborted()

    # Wire ---------------------------------------------------------------------------------------
    async def _command_valve(self, *, opened: bool) -> None:
        if self._relay is None:
            return
        self._valve = "unknown"
        await self._relay.send(relay_frame(self.settings.relay_channel, on=opened))
        self._valve = "open" if opened else "closed"

    async def _close_valve_quietly(self) -> None:
        try:
            await self._command_valve(opened=False)
        except LinkError as error:
            log.warning("valve.close.failed", error=str(error))

    async def _set(self, command: str, value: int, *, echo: int | None = None) -> None:
        """Give a set command and compare its echo.

        Raises:
            InstrumentFaultError: `not_taken`: another value is echoed.
            ReplyTimeoutError: No echo: refused, or the line is dead.
        """
        said = parse_echo(await self._ask(f"{command} {value}"), command)
        if said != (value if echo is None else echo):
            raise InstrumentFaultError(
                f"CVC 3000 made {said} of {command} {value}", code="not_taken"
            )

    async def _ask(self, command: str) -> str:
        """Ask; what came unasked or comes after a lost answer is dropped before the next question."""
        async with self._turn:
            if self._link is None:
                raise DisconnectedError("the CVC 3000 is not connected")
            await self._link.drain(quiet_s=QUIET_S if self._answer_lost else 0.0)
            self._answer_lost = True
            try:
                line = await self._link.ask(command.encode("ascii"), timeout_s=REPLY_S)
            except ReplyTimeoutError as error:
                raise ReplyTimeoutError(f"CVC 3000: no answer to {command!r}: {error}") from error
            self._answer_lost = self._aborted.is_set()
            return text(line)

    async def _close_streams(self) -> None:
        link, self._link = self._link, None
        relay, self._relay = self._relay, None
        self._valve = "unknown"
        if link is not None:
            await link.aclose()
        if relay is not None:
            await relay.aclose()
