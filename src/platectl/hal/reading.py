"""Interfaces of plate readers: fluorescence over time, with or without a pipettor, and single reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from platectl.hal.instrument import Instrument

Geometry = Literal["plate", "column", "well"]
ReadFlag = Literal["saturated", "below_range", "missing"]
Mode = Literal["absorbance", "fluorescence", "luminescence"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One excitation and emission pair, wavelengths in nanometres."""

    excitation_nm: float
    emission_nm: float


@dataclass(frozen=True, slots=True)
class Injection:
    """An addition that the reader's own pipettor makes during the read.

    Each well gets `volume_ul` from the same well of the plate `source`, `baseline_s` after the
    well's first reading. `height_mm` is that of the tip above the well bottom.
    """

    source: str
    volume_ul: float
    speed_ul_per_s: float
    height_mm: float


@dataclass(frozen=True, slots=True)
class KineticRead:
    """What is to be read.

    Each well is read in every channel once per `interval_s`, for `baseline_s` before and
    `record_s` after the addition. Without `injection` nothing is added and the two times are one.
    A reader whose geometry is `column` reads the columns one after another, in the order of
    `columns` (1-based, all that hold `wells`). `title` identifies the result.
    """

    title: str
    plate: str
    wells: tuple[str, ...]
    channels: tuple[Channel, ...]
    interval_s: float
    baseline_s: float
    record_s: float
    injection: Injection | None = None
    columns: tuple[int, ...] = ()
    bottom: bool = True

    @property
    def passes(self) -> int:
        """Readings of each well in each channel."""
        return int((self.baseline_s + self.record_s) / self.interval_s) + 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One reading of some wells in one channel.

    `index` counts the readings of these wells in this channel from 0; `channel` is the index in
    `KineticRead.channels`. `at_s` is the time of each well's reading on the host's monotonic
    clock, `values` the raw signal; a value is NaN where there is no number, and `flags` says why.
    A flagged value is kept as it came. `source` names the file and line, or the exchange.
    """

    index: int
    channel: int
    wells: tuple[str, ...]
    at_s: tuple[float, ...]
    values: tuple[float, ...]
    flags: Mapping[str, ReadFlag] = field(default_factory=dict)
    temperature_c: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Addition:
    """When the reader's pipettor delivered into each well, on the host's monotonic clock."""

    at_s: Mapping[str, float]
    source: str = ""


@dataclass(frozen=True, slots=True)
class ExportedTrace:
    """One well over time in one channel, as an export of a reader's software states it.

    `times_s` are those of the file, counted from the first point of the well's own read (0 in an
    endpoint read); both channels of a point may carry the same time. `values` are NaN where
    `flags`, by the index of the point, says why. `source` names the file and the plate section.
    `added_s` is when something was added to the well, by the same clock; None if the file does not say.
    """

    plate: str
    well: str
    channel: Channel
    times_s: tuple[float, ...]
    values: tuple[float, ...]
    flags: Mapping[int, ReadFlag]
    temperature_c: float | None
    source: str
    added_s: float | None = None


@dataclass(frozen=True, slots=True)
class InjectionLimits:
    """What a reader's pipettor can do; it draws from a plate that stands at its source nest."""

    volume_ul: tuple[float, float]
    speed_ul_per_s: tuple[float, float]
    height_mm: tuple[float, float]
    needs_tips: bool


@dataclass(frozen=True, slots=True)
class ReaderFeatures:
    """What a reader can do.

    `bottom` says whether it reads from below; one that does not reads from above only.
    `injection` is None for a reader that cannot add during a read; `no_injection` says why in
    one sentence. `clock` says who sets the cadence: the instrument, or the host read by read.
    `delivery` says whether frames come during the read or all after it.
    """

    geometry: Geometry
    excitation_nm: tuple[float, float]
    emission_nm: tuple[float, float]
    least_interval_s: float
    temperature_c: tuple[float, float]
    clock: Literal["instrument", "host"]
    delivery: Literal["during", "after"]
    started_by: Literal["driver", "operator"] = "driver"
    bottom: bool = True
    injection: InjectionLimits | None = None
    no_injection: str = ""
    plate_formats: tuple[int, ...] = (96,)
    notes: tuple[str, ...] = ()


class PlateReader(Instrument, Protocol):
    """A fluorescence reader for kinetic reads.

    Lifetime of a read: `read_kinetic` yields frames and at most one `Addition` per well; what was
    yielded is valid whatever happens afterwards. Closing the generator stops the read.
    """

    @property
    def features(self) -> ReaderFeatures:
        """What it can do."""
        ...

    def read_duration_s(self, read: KineticRead) -> float:
        """Time from the start of a read to its last frame, for planning."""
        ...

    async def set_temperature(self, temperature_c: float | None) -> None:
        """Set the chamber's temperature, None for off; returns at once, repeating is harmless.

        Raises:
            RefusedError: Outside the range; nothing changed.
            LinkError: The setpoint may have been taken.
        """
        ...

    async def read_temperature_c(self) -> float:
        """Return the actual chamber temperature."""
        ...

    async def open_drawer(self) -> None:
        """Put the carriage out, for a plate to be set down or taken; harmless when it is out.

        Raises:
            InstrumentFaultError: The carriage is where it was, or stuck.
            LinkError: The carriage may be moving.
        """
        ...

    async def close_drawer(self) -> None:
        """Take the carriage in; harmless when it is in. Errors as for `open_drawer`."""
        ...

    def read_kinetic(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Read a plate over time; the injection happens at most once for each well.

        Raises:
            RefusedError: Outside `features`; nothing was sent.
            InstrumentFaultError: Refused or broken off with the maker's code: `drawer_open`,
                `temperature`, `lamp` or that code. What was yielded is valid. If an `Addition`
                of a well was not yielded although its time has passed, it is in doubt.
            LinkError: The conversation broke; the instrument may still be reading and injecting.
        """
        ...

    def reattach(self, read: KineticRead) -> AsyncIterator[Frame | Addition]:
        """Follow a read that was started before, by an earlier owner or before a broken line.

        Starts and injects nothing. Gives all that the instrument kept, also what was given
        before: frames keep their `index` and `channel`, so that a repeated one is recognised.

        Raises:
            RefusedError: The instrument keeps nothing of a read, or none of this title.
            InstrumentFaultError, LinkError: As for `read_kinetic`.
        """
        ...


@dataclass(frozen=True, slots=True)
class EndpointRead:
    """Each well once. `title` identifies the result.

    `excitation_nm` is also the wavelength of an absorbance; a luminescence has none, and is
    collected for `integration_s`. Fluorescence has both wavelengths.
    """

    title: str
    plate: str
    wells: tuple[str, ...]
    mode: Mode
    excitation_nm: float = 0.0
    emission_nm: float = 0.0
    integration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class EndpointReading:
    """What each well gave, in the order of the wells asked for; NaN where `flags` says why.

    `unit` is AU, RFU, RLU (counts of one integration) or CPS (counts per second). `ended_at` is
    the instrument's own local time, empty if it states none.
    """

    wells: tuple[str, ...]
    values: tuple[float, ...]
    unit: Literal["AU", "RFU", "RLU", "CPS"]
    flags: Mapping[str, ReadFlag] = field(default_factory=dict)
    temperature_c: float | None = None
    ended_at: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class EndpointFeatures:
    """What can be read once; `well_s` is the time of one well without integration, for planning."""

    modes: tuple[Mode, ...]
    wavelengths_nm: tuple[float, float]
    integration_s: tuple[float, float]
    well_s: float
    started_by: Literal["driver", "operator"] = "driver"
    plate_formats: tuple[int, ...] = (96,)


class EndpointReader(Instrument, Protocol):
    """A reader that reads a plate once. Reading changes nothing that counts; it may be repeated."""

    @property
    def endpoints(self) -> EndpointFeatures:
        """What it can read."""
        ...

    async def read_endpoint(self, read: EndpointRead) -> EndpointReading:
        """Read each well once, or collect the result of a read that was started by hand.

        Raises:
            RefusedError: Outside `endpoints`; nothing was sent.
            InstrumentFaultError: Refused or broken off, with the maker's code.
            ReplyTimeoutError: No whole result in the expected time plus its margin.
            MalformedReplyError: The result breaks its format, or is of another plate.
        """
        ...
