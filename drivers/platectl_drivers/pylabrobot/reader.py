"""A PyLabRobot `PlateReader`: single reads, and kinetic reads pass by pass, paced by the host's clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError, RefusedError
from platectl.hal.instrument import DriverInfo, DriverSetup
from platectl.hal.reading import (
    Addition,
    EndpointFeatures,
    EndpointRead,
    EndpointReading,
    Frame,
    KineticRead,
    Mode,
    ReaderFeatures,
    ReadFlag,
)
from platectl.hal.recovery import Action, Fate, Verdict
from platectl.transport.abort import Abort
from platectl.transport.handed import Handed
from platectl_drivers.pylabrobot.bridged import Bridged, BridgeSettings, bridged_info, number

FORMAT_WELLS: Final = 96
UNITS: Final[Mapping[Mode, Literal["AU", "RFU", "RLU"]]] = {
    "absorbance": "AU", "fluorescence": "RFU", "luminescence": "RLU",
}  # fmt: skip


class ReaderSettings(BridgeSettings):
    """What the reader can do; PyLabRobot does not state it.

    `plate` is what makes the kind of plate that it reads, `pass_s` the time of one pass over a plate
    in one channel, `focal_mm` the focal height, `bottom` the side from which its backend reads
    fluorescence, `keywords` further arguments by method, such as `read_luminescence`.
    """

    plate: str = "pylabrobot.resources.cor_96_wellplate_360uL_Fb"
    focal_mm: float = Field(default=4.5, gt=0)
    pass_s: float = Field(default=20.0, gt=0)
    bottom: bool = False
    modes: tuple[Mode, ...] = ("absorbance", "fluorescence", "luminescence")
    excitation_nm: tuple[float, float] = (230.0, 999.0)
    emission_nm: tuple[float, float] = (230.0, 999.0)
    keywords: dict[str, dict[str, Any]] = Field(default_factory=dict)


class PyLabRobotReader(Bridged):
    """Drives one reader; satisfies `PlateReader` and `EndpointReader` of `platectl.hal.reading`.

    It has no pipettor and no thermostat through PyLabRobot. A read changes nothing, and the child
    keeps nothing of it: after a broken line it is read anew.
    """

    info: ClassVar[DriverInfo] = bridged_info(
        "reader", "BMG, BioTek, Tecan and Molecular Devices readers", "PlateReader", "EndpointReader", recorded="read",
    )  # fmt: skip
    Settings = ReaderSettings
    settings: ReaderSettings
    device = "reader"

    def __init__(self, setup: DriverSetup) -> None:
        super().__init__(setup)
        self._abort = Abort("the read was aborted")
        self._handed = Handed()

    @property
    def features(self) -> ReaderFeatures:
        """What the settings say; whole plates, no addition, no thermostat."""
        s = self.settings
        return ReaderFeatures(
            geometry="plate", excitation_nm=s.excitation_nm, emission_nm=s.emission_nm,
            least_interval_s=s.pass_s, temperature_c=(math.nan, math.nan), clock="host",
            delivery="during", bottom=s.bottom, no_injection="PyLabRobot 0.2.2 offers no addition during a read",
        )  # fmt: skip

    def read_duration_s(self, read: KineticRead) -> float:
        """Time of all passes."""
        return (read.passes - 1) * read.interval_s + self._pass_s(read)

    @property
    def endpoints(self) -> EndpointFeatures:
        """What the settings say; the time of integration is the backend's."""
        s = self.settings
        low, high = (
            min(s.excitation_nm[0], s.emission_nm[0]),
            max(s.excitation_nm[1], s.emission_nm[1]),
        )
        return EndpointFeatures(s.modes, (low, high), (0.0, 0.0), s.pass_s / FORMAT_WELLS)

    def _pass_s(self, read: KineticRead) -> float:
        return len(read.channels) * self.settings.pass_s

    async def set_temperature(self, temperature_c: float | None) -> None:
        """Off is all that it can be.

        Raises:
            RefusedError: Any temperature.
        """
        if temperature_c is not None:
            raise RefusedError("PyLabRobot 0.2.2 cannot heat a reader")

    async def read_temperature_c(self) -> float:
        """Not known through PyLabRobot.

        Raises:
            InstrumentFaultError: `unsupported`, always.
        """
        raise InstrumentFaultError("PyLabRobot 0.2.2 does not read it", code="unsupported")

    async def reconcile(self, action: Action) -> Verdict:
        """As of all; a single read may be repeated, of a longer one only whether it was asked for.

        Raises:
            LinkError: No usable answer now.
        """
        if action.verb not in {"read_kinetic", "read_endpoint"}:
            return await super().reconcile(action)
        await self.observe()
        evidence = {"a pass was asked for in this life": self._handed.did(action)}
        if action.verb == "read_endpoint":
            return Verdict("not_done", evidence, remembered=True)
        fate: Fate = "not_done" if self._handed.never(action) else "unknown"
        return Verdict(fate, evidence)

    async def open_drawer(self) -> None:
        """Put the carriage out; errors as `PlateReader`."""
        await self._act("open")

    async def close_drawer(self) -> None:
        """Take the carriage in; errors as `PlateReader`."""
        await self._act("close")

    async def abort(self) -> None:
        """Stop after the pass under way, which the child is told to cancel."""
        self._abort.call()
        await super().abort()

    async def read_kinetic(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Read pass by pass; errors as `PlateReader`."""
        self._check(read)
        self._abort.clear()
        self._handed.begin()
        await self._resume()
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        for index in range(read.passes):
            late_s = begun_s + index * read.interval_s - loop.time()
            if late_s > 0:
                await self._abort.pause(late_s)
            for channel in range(len(read.channels)):
                self._abort.check()
                yield await self._pass(read, index, channel)

    async def read_endpoint(self, read: EndpointRead) -> EndpointReading:
        """Read each well once; errors as `EndpointReader`."""
        if read.mode not in self.settings.modes or not read.wells or read.integration_s:
            raise RefusedError(f"cannot read {read.mode} of {len(read.wells)} wells as asked")
        if read.mode != "luminescence":
            _check_nm(read.excitation_nm, self.settings.excitation_nm)
        given: dict[str, Any] = {}
        if read.mode == "absorbance":
            given = {"wavelength_nm": read.excitation_nm}
        elif read.mode == "fluorescence":
            _check_nm(read.emission_nm, self.settings.emission_nm)
            given = {"excitation_nm": read.excitation_nm, "emission_nm": read.emission_nm}
        self._handed.begin()
        await self._resume()
        values, flags, temperature_c = await self._values(read.mode, read.wells, **given)
        return EndpointReading(
            read.wells, values, UNITS[read.mode], flags, temperature_c, source=read.title
        )

    def reattach(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Nothing is kept of a read.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(f"the bridge keeps nothing of {read.title!r}; it can be read anew")

    def _check(self, read: KineticRead) -> None:
        if read.injection is not None:
            raise RefusedError(self.features.no_injection)
        if not read.wells or not read.channels or read.passes < 1:
            raise RefusedError("there is nothing to read")
        if read.passes > 1 and read.interval_s < self._pass_s(read):
            raise RefusedError(
                f"every {read.interval_s:g} s is too fast; a pass takes {self._pass_s(read):g} s"
            )
        if read.bottom != self.settings.bottom:
            side = "below" if self.settings.bottom else "above"
            raise RefusedError(f"this reader reads from {side} only")
        for channel in read.channels:
            _check_nm(channel.excitation_nm, self.settings.excitation_nm)
            _check_nm(channel.emission_nm, self.settings.emission_nm)

    async def _pass(self, read: KineticRead, index: int, channel: int) -> Frame:
        what = read.channels[channel]
        began_s = self._setup.clock.monotonic_s()
        values, flags, temperature_c = await self._values(
            "fluorescence", read.wells, excitation_nm=what.excitation_nm,
            emission_nm=what.emission_nm,
        )  # fmt: skip
        middle_s = (began_s + self._setup.clock.monotonic_s()) / 2
        return Frame(
            index, channel, read.wells, (middle_s,) * len(read.wells), values, flags, temperature_c,
            source=f"pass {index} of {read.title}, channel {channel}",
        )  # fmt: skip

    async def _values(
        self, mode: Mode, wells: Sequence[str], **given: Any
    ) -> tuple[tuple[float, ...], dict[str, ReadFlag], float | None]:
        """One value for each well, what is missing, and the temperature if it is told."""
        self._handed.hand()
        told = await self._query(mode, wells=wells, **given)
        values = told.get("values") if isinstance(told, dict) else None
        if not isinstance(values, list) or len(values) != len(wells):
            raise MalformedReplyError(f"not {len(wells)} values: {str(told)[:80]}")
        flags: dict[str, ReadFlag] = {
            well: "missing" for well, value in zip(wells, values, strict=True) if value is None
        }
        found = tuple(math.nan if value is None else number(value) for value in values)
        temperature_c = told.get("temperature_c")
        return found, flags, None if temperature_c is None else number(temperature_c)


def _check_nm(nm: float, limits: tuple[float, float]) -> None:
    """Refuse a wavelength that it does not have, or that PyLabRobot would round."""
    if not limits[0] <= nm <= limits[1] or nm != int(nm):
        raise RefusedError(f"no whole {nm:g} nm; {limits[0]:g} to {limits[1]:g} nm")
