"""Interfaces of instruments that move liquid: handlers, bulk dispensers and filtration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from platectl.hal.instrument import Instrument

Channels = Literal["full", "column", "row", "single"]


@dataclass(frozen=True, slots=True)
class DeckItem:
    """One labware on a handler's deck: run-wide name, catalogue name on the robot, slot."""

    labware: str
    load_name: str
    slot: str


@dataclass(frozen=True, slots=True)
class PipettingLimits:
    """Volumes in microlitres that a handler can aspirate with its tips, and its channel sets."""

    min_volume_ul: float
    max_volume_ul: float
    channels: tuple[Channels, ...]


class LiquidHandler(Instrument, Protocol):
    """A pipetting robot with one head; a set of channels acts as one.

    A well argument names the well of the first (top left) channel: `A1` for the full head,
    the top well of a column, the left well of a row, the well itself for a single channel.
    """

    @property
    def limits(self) -> PipettingLimits:
        """Volume limits and channel sets of this configuration."""
        ...

    async def load_deck(self, items: Sequence[DeckItem]) -> None:
        """Tell the robot what stands where; nothing moves.

        Raises:
            InstrumentFaultError: Unknown labware or slot taken; the deck description is unusable.
            LinkError: The description may be incomplete; nothing moved.
        """
        ...

    async def use_channels(self, channels: Channels) -> None:
        """Choose the set of channels for the tips that are picked up next; nothing moves."""
        ...

    async def pick_up_tips(self, rack: str, well: str) -> None:
        """Fit tips.

        Raises:
            InstrumentFaultError: No tips were fitted.
            LinkError: Tips may be fitted or half fitted.
        """
        ...

    async def drop_tips(self) -> None:
        """Discard the tips into the waste.

        Raises:
            InstrumentFaultError: Tips are still fitted.
            LinkError: Unknown whether tips are fitted.
        """
        ...

    async def return_tips(self, rack: str, well: str) -> None:
        """Put the tips back into their rack for later use on the same wells.

        Raises:
            InstrumentFaultError: Tips are still fitted.
            LinkError: Unknown whether tips are fitted.
        """
        ...

    async def aspirate(
        self, labware: str, well: str, *, volume_ul: float, flow_ul_per_s: float, height_mm: float
    ) -> None:
        """Draw liquid at `height_mm` above the well bottom.

        Raises:
            RefusedError: Outside `limits`; nothing moved.
            InstrumentFaultError: Nothing was drawn.
            LinkError: The volume may have been drawn.
        """
        ...

    async def dispense(
        self, labware: str, well: str, *, volume_ul: float, flow_ul_per_s: float, height_mm: float
    ) -> None:
        """Deliver liquid at `height_mm` above the well bottom. Repeating the call dispenses again.

        Raises:
            RefusedError: Outside `limits`; nothing moved.
            InstrumentFaultError: Nothing was delivered.
            LinkError: Assume the volume was delivered.
        """
        ...

    async def note_move(self, labware: str, slot: str | None) -> None:
        """Tell the robot that an arm or a person put `labware` on `slot`, or took it off (None).

        Raises:
            InstrumentFaultError: The robot believes the slot is taken; its map is unchanged.
            LinkError: The robot's map is unknown.
        """
        ...


class TipFinisher(Instrument, Protocol):
    """A handler that can get the last drop off its tips."""

    async def blow_out(
        self, labware: str, well: str, *, flow_ul_per_s: float, height_mm: float
    ) -> None:
        """Push out what is left in the tips, at `height_mm` above the well bottom.

        Raises:
            InstrumentFaultError: The drop may still hang there.
            LinkError: The drop may have been delivered.
        """
        ...

    async def touch_tip(self, labware: str, well: str) -> None:
        """Wipe the tips at the wall of the well.

        Raises:
            InstrumentFaultError: A drop may still hang there.
            LinkError: The drop may have been wiped off.
        """
        ...


class BulkDispenser(Instrument, Protocol):
    """A dispenser that fills whole columns from one bottle."""

    @property
    def volume_range_ul(self) -> tuple[float, float]:
        """Smallest and largest volume per well."""
        ...

    async def prime(self, *, volume_ul: float) -> None:
        """Fill the tubing; the liquid goes to waste.

        Raises:
            InstrumentFaultError: The tubing may be partly filled.
            LinkError: Assume the liquid was used.
        """
        ...

    async def dispense_columns(self, volumes_ul: Mapping[int, float], *, height_mm: float) -> None:
        """Fill each well of the given columns (1-based) with that column's volume.

        Returns when the instrument reports the stroke complete. Repeating the call dispenses
        again. `height_mm` is the height of the plate that stands on the nest.

        Raises:
            RefusedError: A volume, column or height outside the limits; nothing moved.
            InstrumentFaultError: The maker's code says why; columns before the fault may be full.
            LinkError: Assume all columns were filled.
        """
        ...


class VacuumFiltration(Instrument, Protocol):
    """A vacuum manifold with pressure control."""

    async def apply_vacuum(self, *, gauge_mbar: float, hold_s: float) -> float:
        """Draw down to a gauge pressure (negative), hold it, vent; return the lowest pressure reached.

        Raises:
            RefusedError: Pressure outside the limits; nothing was switched.
            InstrumentFaultError: Pressure not reached, waste full or not vented; wells may be
                partly filtered.
            LinkError: Assume the wells were drawn through.
        """
        ...

    async def start_vacuum(self, *, gauge_mbar: float) -> None:
        """Switch the vacuum on and return when the pressure is reached.

        Raises:
            InstrumentFaultError: Pressure not reached or waste full; the vacuum is off again.
            LinkError: The vacuum may be on.
        """
        ...

    async def stop_vacuum(self) -> None:
        """Switch off and vent; harmless when it is off.

        Raises:
            InstrumentFaultError: The manifold could not be vented.
            LinkError: The vacuum may still be on.
        """
        ...


class SyringePump(Instrument, Protocol):
    """One syringe with a valve, such as a custom injector."""

    @property
    def capacity_ul(self) -> float:
        """Volume of the full stroke."""
        ...

    async def initialise(self) -> None:
        """Find the plunger's zero; what the syringe holds leaves it.

        Raises:
            InstrumentFaultError: The maker's code says why; the plunger may be anywhere.
            LinkError: The plunger may have moved.
        """
        ...

    async def aspirate(
        self, *, volume_ul: float, flow_ul_per_s: float, port: str = "input"
    ) -> None:
        """Draw a volume from a port.

        Raises:
            RefusedError: Outside of what the syringe holds or finer than its steps; nothing moved.
            InstrumentFaultError: The maker's code says why; part of the volume may be drawn.
            LinkError: The volume may be drawn.
        """
        ...

    async def dispense(
        self, *, volume_ul: float, flow_ul_per_s: float, port: str = "output"
    ) -> None:
        """Push a volume out of a port; raises as `aspirate`."""
        ...

    async def held_ul(self) -> float:
        """What the syringe holds by the position of its plunger."""
        ...
