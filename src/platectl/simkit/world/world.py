"""The world: what stands where, what is in every well, and what time does to it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from platectl.domain.clock import Clock
from platectl.domain.labware import LabwareKind
from platectl.simkit.faults import FaultPlan
from platectl.simkit.world import counting, pipetting
from platectl.simkit.world.chemistry import Chemistry
from platectl.simkit.world.matter import CAPACITY, Array, Components, Held, new_held
from platectl.simkit.world.places import Position, WorldError
from platectl.simkit.world.tips import Tips
from platectl.simkit.world.truth import Truth


class World:
    """Shared physical truth of one simulated lab.

    Every method takes effect at the present time of `clock`: matter is first carried forward to
    that time (binding, evaporation), then changed. All volumes are microlitres. `labware` is a
    run-wide name such as `P1.assay`. Random draws come from one generator for each instrument
    name, derived from `seed`, so that the order of instruments does not matter.
    """

    def __init__(
        self,
        truth: Truth,
        clock: Clock,
        *,
        seed: int = 0,
        catalogue: Mapping[str, LabwareKind],
        faults: Mapping[str, FaultPlan] | None = None,
    ) -> None:
        self.truth = truth
        self.clock = clock
        self.catalogue = catalogue
        self.components = Components()
        self.notices: dict[str, list[Mapping[str, Any]]] = {}
        self._seed = seed
        self._faults = dict(faults or {})
        self._rngs: dict[str, np.random.Generator] = {}
        self._positions: dict[str, Position] = {}
        self._labware: dict[str, Held] = {}
        self._bottles: dict[str, pipetting.Bottle] = {}
        self._racks: dict[str, dict[str, float]] = {}
        self.chemistry = Chemistry(truth, self.components, self.rng("lots"))

    def rng(self, instrument: str) -> np.random.Generator:
        """The random generator of one instrument."""
        if instrument not in self._rngs:
            sequence = np.random.SeedSequence([self._seed, zlib.crc32(instrument.encode())])
            self._rngs[instrument] = np.random.Generator(np.random.PCG64(sequence))
        return self._rngs[instrument]

    def faults(self, instrument: str) -> FaultPlan:
        """The faults of one instrument."""
        return self._faults.setdefault(instrument, FaultPlan())

    # What stands where ----------------------------------------------------------------------
    def add_position(
        self, name: str, *, temperature_c: float | None = None, dark: bool = False
    ) -> None:
        """Declare a place where labware can stand; None follows the room temperature."""
        self._positions[name] = Position(name, temperature_c, dark)

    def add_labware(self, labware: str, kind: str, position: str, *, barcode: str = "") -> None:
        """Put new, empty labware of a catalogue kind on a position (a person loads it)."""
        place = self._place(position)
        draws = (
            self.rng(f"evenness:{labware}").standard_normal(3) * self.truth.environment.gradient_sd
        )
        held = new_held(labware, self.catalogue[kind], barcode=barcode, now_s=self.clock.monotonic_s(),
                        temperature_c=self._temperature(place), evenness=counting.evenness(draws))  # fmt: skip
        self._labware[labware] = held
        if held.kind.role == "tip_rack":
            wells = held.kind.format.by_row()
            self._racks[labware] = dict(
                zip(wells, self.rng(f"tips:{labware}").standard_normal(len(wells)), strict=True)
            )
        self.set_down(labware, position)

    def remove_labware(self, labware: str) -> None:
        """Take labware out of the lab; unknown names are ignored."""
        held = self._labware.pop(labware, None)
        if held is not None and held.position is not None:
            self._place(held.position).stack.remove(held)

    def fill(
        self, labware: str, well: str, *, volume_ul: float, contents: Mapping[str, float]
    ) -> None:
        """Pour a prepared liquid into a well.

        `contents` maps a component to its concentration: molar for ligands, mg/mL for
        `membranes:<name>`, volume fraction for `dmso`, `cocktail`, `pei`; buffer is the rest.
        """
        held = self._carried(labware)
        index = self._well(held, well)
        held.volume_ul[index] += volume_ul
        held.amounts[:, index] += pipetting.prepared(self.components, contents) * volume_ul

    def load_bottle(
        self, instrument: str, *, liquid: str, volume_ul: float, contents: Mapping[str, float]
    ) -> None:
        """Connect a bottle to a bulk dispenser's line (replaces what was there)."""
        bias = self.rng(instrument).standard_normal() * self.truth.liquid_handling.bulk_bias
        self._bottles[instrument] = pipetting.Bottle(
            liquid, volume_ul, pipetting.prepared(self.components, contents), bias
        )

    def plate_at(self, position: str) -> str | None:
        """Name of the plate (not the lid) that stands at a position."""
        plate = self._place(position).plate()
        return plate.name if plate else None

    def top_at(self, position: str) -> str | None:
        """Name of the topmost labware at a position."""
        stack = self._place(position).stack
        return stack[-1].name if stack else None

    def barcode(self, labware: str) -> str:
        """Barcode of a labware."""
        return self._labware[labware].barcode

    def lift(self, position: str) -> str | None:
        """Take the topmost labware off a position (into a gripper); None when nothing is there."""
        place = self._place(position)
        if not place.stack:
            return None
        for held in place.stack:
            self._carry(held)
        held = place.stack.pop()
        held.position, held.temperature_c = None, self.truth.environment.room
        return held.name

    def set_down(self, labware: str, position: str) -> None:
        """Put gripped labware on a position; a lid may go onto a plate.

        Raises:
            WorldError: collision, no_such_position.
        """
        place, held = self._place(position), self._labware[labware]
        for below in place.stack:
            self._carry(below)
        if place.stack and (held.kind.role != "lid" or place.lidded()):
            raise WorldError("collision", f"{place.stack[-1].name} stands at {position}")
        self._carry(held)
        held.position, held.temperature_c = position, self._temperature(place)
        place.stack.append(held)

    # Liquids --------------------------------------------------------------------------------
    def new_tips(self, instrument: str, *, rack: str, wells: Sequence[str]) -> Tips:
        """Take tips from a rack; draws faults (`blocked_tip`, data: channel).

        Raises:
            WorldError: no_tips when one of the rack wells has no tip left.
        """
        left = self._racks.get(rack, {})
        if missing := [w for w in wells if w not in left]:
            raise WorldError("no_tips", f"{rack} has no tip at {missing[0]}")
        tips = Tips.fresh(instrument, rack, tuple(wells), np.array([left.pop(w) for w in wells]))
        fault = self.faults(instrument).strike("blocked_tip")
        if fault is not None:
            tips.blocked[int(fault.data.get("channel", 0)) % len(wells)] = True
        return tips

    def put_back_tips(self, tips: Tips, *, rack: str, wells: Sequence[str]) -> None:
        """Return tips to their rack; each keeps its bias."""
        for well, bias in zip(wells, tips.z_bias, strict=True):
            self._racks.setdefault(rack, {})[well] = float(bias)

    def aspirate(self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        """Draw from one well per channel (the same well may serve all channels of a trough).

        A well that holds less gives what it has, the rest is air. A trough has one well.

        Raises:
            WorldError: sealed, no_such_well.
        """
        held = self._open(labware)
        pipetting.draw(
            tips,
            held,
            self._wells(held, wells),
            volume_ul,
            self.truth.liquid_handling,
            self.rng(tips.instrument),
        )

    def dispense(self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        """Deliver from each channel into its well.

        Raises:
            WorldError: sealed, overflow, no_such_well.
        """
        held = self._open(labware)
        volumes, amounts = pipetting.deliver(
            tips, volume_ul, self.truth.liquid_handling, self.rng(tips.instrument)
        )
        self._pour(held, self._wells(held, wells), volumes, amounts)

    def bulk_prime(self, instrument: str, volume_ul: float) -> None:
        """Pump liquid from the bottle to waste."""
        self._bottle(instrument).take(volume_ul)

    def bulk_dispense(
        self, instrument: str, position: str, volumes_ul: Mapping[int, float]
    ) -> None:
        """Dispense columns (1-based) of the plate at a position from the instrument's bottle.

        Raises:
            WorldError: nothing_there, sealed, overflow, empty (bottle).
        """
        held = self._open(self._standing(position).name)
        bottle, handling = self._bottle(instrument), self.truth.liquid_handling
        for column, volume_ul in volumes_ul.items():
            index = self._wells(held, held.kind.format.column(column))
            noise = handling.bulk_cv * self.rng(instrument).standard_normal(len(index))
            volumes = np.maximum(volume_ul * (1 + bottle.bias) * (1 + noise), 0.0)
            bottle.take(float(volumes.sum()))
            self._pour(held, index, volumes, bottle.per_ul[:, None] * volumes)

    # Environment ----------------------------------------------------------------------------
    def set_temperature(self, position: str, temperature_c: float | None) -> None:
        """Set the temperature of a position from now on (None: room)."""
        place = self._place(position)
        if place.temperature_c == temperature_c:
            return
        for held in place.stack:
            self._carry(held)
        place.temperature_c = temperature_c
        for held in place.stack:
            held.temperature_c = self._temperature(place)

    def temperature_c(self, position: str) -> float:
        """Present temperature of a position."""
        return self._temperature(self._place(position))

    def shake(self, position: str) -> None:
        """Mix all wells of the plate at a position; wells are taken as mixed anyway."""
        self._carry(self._standing(position))

    def seal(self, position: str) -> None:
        """Heat-seal the plate at a position.

        Raises:
            WorldError: nothing_there.
        """
        held = self._standing(position)
        self._carry(held)
        held.sealed = True

    # Filtration and counting ------------------------------------------------------------------
    def vacuum(self, position: str, *, on: bool) -> float:
        """Switch the vacuum below a filter plate; while on, what is dispensed passes through.

        Returns the fraction of wells that are sealed enough to hold a vacuum (0 when no filter
        plate stands there); a simulator derives "pressure not reached" from it.
        """
        plate = self._place(position).plate()
        if plate is None or not plate.is_filter:
            return 0.0
        self._carry(plate)
        plate.vacuum = on
        standing = np.flatnonzero(plate.volume_ul > self.truth.filtration.holdup)
        if on and standing.size:
            volume, amounts = plate.volume_ul[standing].copy(), plate.amounts[:, standing].copy()
            plate.volume_ul[standing], plate.amounts[:, standing] = 0.0, 0.0
            self._filter(plate, standing, volume, amounts)
        return 1.0

    def count_rates(self, position: str, wells: Sequence[str]) -> Array:
        """Expected counts per minute above background of each well now, shape (n,).

        Includes efficiency, decay to the present date, quench of wet filters, missing cocktail,
        crosstalk from neighbours. Counting statistics, background and detectors are the
        counter's own business.

        Raises:
            WorldError: nothing_there, no_such_well.
        """
        held = self._standing(position)
        self._carry(held)
        dark = self._place(position).dark
        rates = counting.rates(held, self.truth, self.components, self.clock, dark=dark)
        return rates[self._wells(held, wells)]

    def efficiency(self, position: str, wells: Sequence[str]) -> Array:
        """Counting efficiency of each well, shape (n,)."""
        held = self._standing(position)
        return counting.efficiencies(held, self.truth, self.components)[self._wells(held, wells)]

    # Inside ------------------------------------------------------------------------------------
    def _pour(
        self, held: Held, wells: npt.NDArray[np.intp], volumes: Array, amounts: Array
    ) -> None:
        if held.is_filter and held.vacuum:
            self._filter(held, wells, volumes, amounts)
        else:
            after = held.volume_ul[wells] + volumes
            if held.kind.max_volume and float(after.max(initial=0.0)) > held.kind.max_volume * 1.05:
                raise WorldError("overflow", f"{held.name} overflows")
            held.volume_ul[wells] = after
            held.amounts[:, wells] += amounts
        cocktail = self.components.known("cocktail")
        if cocktail is not None and float(amounts[cocktail].max(initial=0.0)) > 1.0:
            held.lit_s = self.clock.monotonic_s()

    def _filter(
        self, held: Held, wells: npt.NDArray[np.intp], volumes: Array, amounts: Array
    ) -> None:
        filtration = self.truth.filtration
        draws = self.rng(f"filter:{held.name}").standard_normal(len(wells))
        recovery = np.clip(filtration.recovery + filtration.recovery_sd * draws, 0.0, 1.0)
        self.chemistry.pass_through(held, wells, volumes, amounts, recovery)

    def _place(self, position: str) -> Position:
        if position not in self._positions:
            raise WorldError("no_such_position", f"there is no position {position}")
        return self._positions[position]

    def _temperature(self, place: Position) -> float:
        return self.truth.environment.room if place.temperature_c is None else place.temperature_c

    def _standing(self, position: str) -> Held:
        plate = self._place(position).plate()
        if plate is None:
            raise WorldError("nothing_there", f"nothing stands at {position}")
        return plate

    def _carry(self, held: Held) -> None:
        lidded = held.position is not None and self._positions[held.position].lidded()
        self.chemistry.carry(held, self.clock.monotonic_s(), lidded=lidded)

    def _carried(self, labware: str) -> Held:
        if labware not in self._labware:
            raise WorldError("nothing_there", f"there is no {labware}")
        held = self._labware[labware]
        self._carry(held)
        return held

    def _open(self, labware: str) -> Held:
        held = self._carried(labware)
        if held.sealed:
            raise WorldError("sealed", f"{labware} is sealed")
        return held

    def _well(self, held: Held, well: str) -> int:
        if well not in held.wells:
            raise WorldError("no_such_well", f"{held.name} has no well {well}")
        return held.wells[well]

    def _wells(self, held: Held, wells: Sequence[str]) -> npt.NDArray[np.intp]:
        return np.array([self._well(held, w) for w in wells], dtype=np.intp)

    def _bottle(self, instrument: str) -> pipetting.Bottle:
        if instrument not in self._bottles:
            raise WorldError("empty", f"no bottle is connected to {instrument}")
        return self._bottles[instrument]

    def total(self, component: str) -> float:
        """Amount of a substance in all labware of the world (not bottles and waste)."""
        row = self.components.known(component)
        if row is None or row >= CAPACITY:
            return 0.0
        return float(
            sum(held.amounts[row].sum() + held.stuck[row].sum() for held in self._labware.values())
        )
