"""The driver of the CVC 3000 and its valve."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import ClassVar, Final, Literal

import structlog

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict, settable
from platectl.hal.serial_line import SerialLine
from platectl.transport.abort import Abort
from platectl.transport.codec import text
from platectl.transport.handed import Handed
from platectl.transport.line import LineLink
from platectl_drivers.cvc3000.settings import Settings
from platectl_drivers.cvc3000.valve import Valve
from platectl_drivers.cvc3000.wire import (
    parse_echo,
    parse_errors,
    parse_pressure,
    parse_version,
)

log = structlog.get_logger()

REPLY_S: Final = 2.0
QUIET_S: Final = 0.2
LONGEST_HOLD_S: Final = 86400.0
#: OUT_MODE: control to a set point until stopped
VACUUM_CONTROL: Final = 2
TO_ATMOSPHERE: Final = 2
LOWEST_SET_POINT_MBAR: Final = 1


class CVC3000Filtration:
    """Drives one controller and its valve; satisfies `platectl.hal.liquids.VacuumFiltration`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="cvc3000",
        makes="Vacuubrand CVC 3000 with an LCUS-1 relay valve",
        interfaces=("VacuumFiltration",),
        wire="serial",
        lines=(SerialLine(19200, rtscts=True),),
        source="PyLabware (cites manual 20901228) and galago lcus1_relay",
        unattested=("plumbing of the valve", "width of IN_ERR", "text of IN_VER"),
        transcripts=("cvc3000_catch_pot", "cvc3000_filtration", "cvc3000_relay"),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._open_stream = setup.open_stream
        self._valve = Valve(setup.extras.get("relay"), self.settings.relay_channel)
        self._link: LineLink | None = None
        self._turn = asyncio.Lock()
        self._abort = Abort("the vacuum was switched off by an abort")
        self._answer_lost = False
        self._pumping: bool | None = False
        self._in_control = False
        self._handed = Handed()

    @property
    def valve_commanded(self) -> Literal["open", "closed", "unknown"]:
        """What the valve was last told; nobody knows where it is. Without a relay: unknown."""
        return self._valve.commanded

    async def connect(self) -> Identity:
        """Close the valve, take remote control and choose pressure control; the pump stays as it is.

        Raises:
            InstrumentFaultError: A standing fault of the controller.
            LinkError: No usable answer; nothing was pumped.
        """
        await self._close_streams()
        self._in_control, self._pumping = True, False
        await self._valve.open()
        await self._valve.command(opened=False)
        await self._open_controller()
        version = await self._take_remote()
        await self._set("OUT_MODE", VACUUM_CONTROL)
        await self._check_errors()
        return parse_version(version)

    async def observe(self) -> Identity:
        """Ask the controller for its version; valve, pump and remote control stay as they are.

        Raises:
            LinkError: No usable answer; nothing was changed.
        """
        if self._link is not None:
            try:
                return parse_version(await self._ask("IN_VER"))
            except DisconnectedError:
                await self._link.aclose()
        else:
            self._pumping = None
        await self._open_controller()
        return parse_version(await self._ask("IN_VER"))

    async def take_over(self) -> Identity:
        """As `connect`, but the valve is told nothing and a pump that runs goes on.

        Raises:
            InstrumentFaultError, LinkError: As for `connect`.
        """
        identity = await self.observe()
        self._in_control = True
        await self._valve.open()
        await self._take_remote()
        with contextlib.suppress(ReplyTimeoutError):  # refused in silence while the pump runs
            await self._set("OUT_MODE", VACUUM_CONTROL)
        await self._check_errors()
        return identity

    async def reconcile(self, action: Action) -> Verdict:
        """Compare the pressure, as far as this life knows pump and valve.

        The sensor sits at the pump, the relay says nothing, and no attested query tells whether
        the pump runs. What is not certain may be switched again, which is harmless.

        Raises:
            LinkError: No usable answer.
        """
        await self.observe()
        if self._handed.never(action):
            return Verdict("not_done", {"sent": "set point and valve at most"})
        gauge_mbar = await self._gauge_mbar()
        evidence = {
            "gauge_mbar": gauge_mbar,
            "error_bits": await self._ask("IN_ERR"),
            "valve_commanded": self._valve.commanded if self._valve.fitted else "no valve",
            "pump_commanded": {True: "on", False: "off", None: "unknown"}[self._pumping],
        }
        joined = not self._valve.fitted or self._valve.commanded == "open"
        tolerance_mbar = self.settings.tolerance_mbar
        if action.verb == "start_vacuum":
            asked_mbar = float(action.arguments.get("gauge_mbar", self.settings.lowest_mbar))
            as_set = self._pumping is True and gauge_mbar <= asked_mbar + tolerance_mbar
        elif action.verb == "stop_vacuum":
            as_set = self._pumping is False and gauge_mbar >= -tolerance_mbar
        else:
            return Verdict("unknown", {**evidence, "verb": action.verb})
        done = as_set and joined and not self._abort.called
        return settable(evidence, as_set=done)

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
        self._abort.clear()
        self._handed.hand()
        await self._switch_off()

    async def abort(self) -> None:
        """Close the valve and stop the pump without waiting for an answer; nothing is vented."""
        self._abort.call()
        await self._valve.close_quietly()
        if self._link is None:
            return
        try:
            self._answer_lost = True
            await self._link.send_line(b"STOP 1")
        except LinkError as error:
            log.warning("pump.stop.failed", error=str(error))

    async def aclose(self) -> None:
        """Close the valve, stop the pump if it may have been started, give back control and close.

        Whoever only looked just closes.
        """
        if not self._in_control:
            await self._close_streams()
            return
        try:
            await self._valve.command(opened=False)
            if self._link is not None and not self._turn.locked():
                if self._pumping is not False:
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
        self._abort.clear()
        self._handed.begin()
        async with self._off_if_it_fails():
            await self._check_errors()
            await self._set("OUT_VENT", 0)
            await self._set("OUT_SP_1", set_point_mbar)
            await self._valve.command(opened=True)
            self._handed.hand()
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
            await self._abort.pause(self.settings.poll_s)

    async def _hold(self, gauge_mbar: float, hold_s: float) -> float:
        """Watch the vacuum for `hold_s`; it may rise by twice the tolerance."""
        lowest_mbar, end_s = 0.0, asyncio.get_running_loop().time() + hold_s
        while (left_s := end_s - asyncio.get_running_loop().time()) > 0:
            await self._abort.pause(min(left_s, self.settings.poll_s))
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
        self._abort.check()
        await self._check_errors()
        return await self._gauge_mbar()

    async def _switch_off(self) -> None:
        """Stop, vent the manifold through the open valve, close the valve in any case."""
        try:
            await self._set("STOP", 1)
            self._pumping = False
            await self._set("OUT_VENT", TO_ATMOSPHERE)
            await self._valve.command(opened=True)  # an abort may have closed it
            await self._wait_vented()
            await self._set("OUT_VENT", 0)
        except BaseException:
            await self._valve.close_quietly()
            raise
        await self._valve.command(opened=False)

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
            await self._valve.close_quietly()
            raise

    async def _gauge_mbar(self) -> float:
        absolute_mbar = parse_pressure(await self._ask("IN_PV_1"))
        return round(absolute_mbar - self.settings.atmosphere_mbar, 3)

    async def _check_errors(self) -> None:
        bits = await self._ask("IN_ERR")
        if found := parse_errors(bits):
            raise InstrumentFaultError(f"CVC 3000: {', '.join(found)} ({bits})", code=bits)

    # Wire ---------------------------------------------------------------------------------------
    async def _open_controller(self) -> None:
        self._link = LineLink(
            await self._open_stream(), tx_end=b"\r\n", rx_end=b"\r\n", longest=1024
        )
        self._answer_lost = True  # an earlier owner of the port may have left some

    async def _take_remote(self) -> str:
        """Have set commands answered, take control in the newer dialect, ask the version."""
        await self._set("ECHO", 1)
        await self._set("REMOTE", 1)
        await self._set("CVC", 3000, echo=3)
        return await self._ask("IN_VER")

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
            self._answer_lost = self._abort.called
            return text(line)

    async def _close_streams(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()
        await self._valve.aclose()
