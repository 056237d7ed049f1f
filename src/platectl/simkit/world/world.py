"""The world: what stands where, what is in every well, and what time does to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from platectl.domain.clock import Clock
from platectl.domain.labware import LabwareKind
from platectl.simkit.faults import FaultPlan
from platectl.simkit.world.truth import Truth


class WorldError(Exception):
    """Something physically impossible was asked; the simulator turns it into its own fault.

    `reason` is one of: collision, nothing_there, no_such_position, no_such_well, overflow, empty,
    sealed, no_tips, tips_fitted.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class Tips:
    """Tips on a head: a fixed relative bias for each, blocked flags, and what they hold."""

    instrument: str
    size_ul: float
    bias: np.ndarray
    blocked: np.ndarray
    volume_ul: np.ndarray
    amounts: np.ndarray  # (components, channels)
    extra: dict[str, object] = field(default_factory=dict)


class World:
    """Shared physical truth of one simulated lab.

    Every method takes effect at the present time of `clock`: matter is first carried forward to
    that time (binding, evaporation, sedimentation), then changed. All volumes are microlitres.
    `labware` is a run-wide name such as `P1.assay`. Random draws come from one generator for
    each instrument name, derived from `seed`, so that the order of instruments does not matter.
    """

    def __init__(
        self,
        truth: Truth,
        clock: Clock,
        *,
        seed: int = 0,
        catalogue: Mapping[str, LabwareKind],
        faults: Mapping[str, FaultPlan] | None = None,
    ) -> None: ...

    def rng(self, instrument: str) -> np.random.Generator:
        """The random generator of one instrument."""
        raise NotImplementedError

    # What stands where -------------------------------------------------------------------
    def add_position(
        self, name: str, *, temperature_c: float | None = None, dark: bool = False
    ) -> None:
        """Declare a place where labware can stand; None follows the room temperature."""
        raise NotImplementedError

    def add_labware(
        self, labware: str, kind: str, position: str, *, barcode: str = ""
    ) -> None:
        """Put new, empty labware of a catalogue kind on a position (a person loads it)."""
        raise NotImplementedError

    def fill(
        self, labware: str, well: str, *, volume_ul: float, contents: Mapping[str, float]
    ) -> None:
        """Pour a prepared liquid into a well.

        `contents` maps a component to its concentration: molar for ligands, mg/mL for
        `membranes:<name>`, volume fraction for `dmso`, `cocktail`, `pei`; buffer is the rest.
        """
        raise NotImplementedError

    def load_bottle(
        self, instrument: str, *, liquid: str, volume_ul: float, contents: Mapping[str, float]
    ) -> None:
        """Connect a bottle to a bulk dispenser's line (replaces what was there)."""
        raise NotImplementedError

    def plate_at(self, position: str) -> str | None:
        """Name of the plate (not the lid) that stands at a position."""
        raise NotImplementedError

    def top_at(self, position: str) -> str | None:
        """Name of the topmost labware at a position."""
        raise NotImplementedError

    def barcode(self, labware: str) -> str:
        """Barcode of a labware."""
        raise NotImplementedError

    def lift(self, position: str) -> str | None:
        """Take the topmost labware off a position (into a gripper); None when nothing is there."""
        raise NotImplementedError

    def set_down(self, labware: str, position: str) -> None:
        """Put gripped labware on a position; a lid may go onto a plate.

        Raises:
            WorldError: collision, no_such_position.
        """
        raise NotImplementedError

    # Liquids ------------------------------------------------------------------------------
    def new_tips(self, instrument: str, *, rack: str, wells: Sequence[str]) -> Tips:
        """Take tips from a rack; draws each tip's bias and faults (`blocked_tip`).

        Raises:
            WorldError: no_tips when one of the rack wells has no tip left.
        """
        raise NotImplementedError

    def put_back_tips(self, tips: Tips, *, rack: str, wells: Sequence[str]) -> None:
        """Return tips to their rack, with their bias and a film of what they held."""
        raise NotImplementedError

    def aspirate(
        self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float
    ) -> None:
        """Draw from one well per channel (the same well may serve all channels of a trough).

        A well that holds less gives what it has, the rest is air. A trough has one well.

        Raises:
            WorldError: sealed, no_such_well.
        """
        raise NotImplementedError

    def dispense(
        self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float
    ) -> None:
        """Deliver from each channel into its well.

        Raises:
            WorldError: sealed, overflow, no_such_well.
        """
        raise NotImplementedError

    def bulk_prime(self, instrument: str, volume_ul: float) -> None:
        """Pump liquid from the bottle to waste."""
        raise NotImplementedError

    def bulk_dispense(self, instrument: str, position: str, volumes_ul: Mapping[int, float]) -> None:
        """Dispense columns (1-based) of the plate at a position from the instrument's bottle.

        Raises:
            WorldError: nothing_there, sealed, overflow, empty (bottle).
        """
        raise NotImplementedError

    # Environment ----------------------------------------------------------------------------
    def set_temperature(self, position: str, temperature_c: float | None) -> None:
        """Set the temperature of a position from now on (None: room)."""
        raise NotImplementedError

    def temperature_c(self, position: str) -> float:
        """Present temperature of a position."""
        raise NotImplementedError

    def shake(self, position: str) -> None:
        """Mix all wells of the plate at a position."""
        raise NotImplementedError

    def seal(self, position: str) -> None:
        """Heat-seal the plate at a position.

        Raises:
            WorldError: nothing_there.
        """
        raise NotImplementedError

    # Filtration and counting ------------------------------------------------------------------
    def vacuum(self, position: str, *, on: bool) -> float:
        """Switch the vacuum below a filter plate; while on, what is dispensed passes through.

        Returns the fraction of wells that are sealed enough to hold a vacuum (0 when no filter
        plate stands there); a simulator derives "pressure not reached" from it.
        """
        raise NotImplementedError

    def count_rates(self, position: str, wells: Sequence[str]) -> np.ndarray:
        """Expected counts per minute above background of each well now, shape (n,).

        Includes efficiency, decay to the present date, quench of wet filters, missing cocktail,
        crosstalk from neighbours. Counting statistics, background and detectors are the
        counter's own business.

        Raises:
            WorldError: nothing_there, no_such_well.
        """
        raise NotImplementedError

    def efficiency(self, position: str, wells: Sequence[str]) -> np.ndarray:
        """Counting efficiency of each well, shape (n,)."""
        raise NotImplementedError
