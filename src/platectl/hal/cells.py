"""Interfaces of instruments for living plates: washers and incubators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from platectl.hal.instrument import Instrument


@dataclass(frozen=True, slots=True)
class WasherLimits:
    """What a washer can do: volumes in microlitres per well, its buffer lines, its heights.

    `rate` and `flow` are the least and the highest step of aspirating and dispensing; volumes and heights
    are multiples of their steps, and tubing is filled with whole millilitres.
    """

    volume_ul: tuple[float, float]
    buffers: tuple[str, ...]
    aspirate_height_mm: tuple[float, float]
    filtration: bool
    rate: tuple[int, int]
    flow: tuple[int, int]
    prime_ml: tuple[float, float]
    volume_step_ul: float = 1.0
    height_step_mm: float = 0.1


class PlateWasher(Instrument, Protocol):
    """A plate washer: aspirates to a height, dispenses from buffer lines, whole plates only."""

    @property
    def limits(self) -> WasherLimits:
        """Volumes, lines and heights."""
        ...

    async def aspirate(self, *, height_mm: float, rate: int) -> None:
        """Draw all wells down to `height_mm` above the bottom; `rate` 1 (gentle) to 5.

        Raises:
            RefusedError: Outside `limits`; nothing moved.
            InstrumentFaultError: With the maker's code; wells may be partly drawn.
            LinkError: Assume the wells were drawn.
        """
        ...

    async def dispense(self, *, buffer: str, volume_ul: float, flow: int) -> None:
        """Fill all wells from a buffer line. Repeating the call dispenses again.

        Raises:
            RefusedError: Outside `limits`; nothing moved.
            InstrumentFaultError: With the maker's code (no fluid, waste full); wells may be partly filled.
            LinkError: Assume the volume was delivered.
        """
        ...

    async def wash(
        self, *, buffer: str, cycles: int, volume_ul: float, aspirate_height_mm: float,
        rate: int, flow: int, final_aspirate: bool,
    ) -> None:  # fmt: skip
        """Aspirate and dispense `cycles` times; with `final_aspirate` the wells end at that height.

        Raises:
            RefusedError: Outside `limits`; nothing moved.
            InstrumentFaultError: With the maker's code; some cycles may be done.
            LinkError: Assume that all cycles were done.
        """
        ...

    async def prime(self, *, buffer: str, volume_ml: float) -> None:
        """Fill the tubing of a buffer line; the liquid goes to waste.

        Raises:
            InstrumentFaultError: With the maker's code; the tubing may be partly filled.
            LinkError: Assume the liquid was used.
        """
        ...

    async def filter_plate(self, *, hold_s: float) -> None:
        """Draw a filter plate on the vacuum carrier through for `hold_s` (whole seconds).

        Raises:
            RefusedError: No vacuum carrier is fitted, or time outside the limits; nothing moved.
            InstrumentFaultError: With the maker's code; wells may be partly filtered.
            LinkError: Assume that the wells were drawn through.
        """
        ...


@dataclass(frozen=True, slots=True)
class Climate:
    """Actual state of an incubator; None where it has no sensor."""

    temperature_c: float
    co2_percent: float | None = None
    humidity_percent: float | None = None


class Incubator(Instrument, Protocol):
    """An automated incubator with numbered slots and one transfer station."""

    @property
    def slots(self) -> int:
        """Number of slots; they are counted from 1."""
        ...

    async def set_temperature(self, temperature_c: float) -> None:
        """Set the temperature; returns at once, repeating is harmless.

        Raises:
            RefusedError: Outside the range; nothing changed.
            LinkError: The setpoint may have been taken.
        """
        ...

    async def read_climate(self) -> Climate:
        """Return what its sensors say."""
        ...

    async def store(self, slot: int) -> None:
        """Take the plate from the transfer station into a slot.

        Raises:
            RefusedError: No such slot; nothing moved.
            InstrumentFaultError: `code` says where it stopped; the plate is on the station, the
                shovel or in the slot.
            LinkError: The plate may be anywhere between the two.
        """
        ...

    async def fetch(self, slot: int) -> None:
        """Put the plate of a slot onto the transfer station. Errors as for `store`."""
        ...
