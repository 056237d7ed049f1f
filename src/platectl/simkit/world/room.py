"""The room of a simulated lab: what stands where, and what time and surroundings do to it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from platectl.domain.clock import Clock
from platectl.domain.labware import LabwareKind
from platectl.simkit.faults import FaultPlan
from platectl.simkit.world import environment, filtration
from platectl.simkit.world.chemistry import Chemistry
from platectl.simkit.world.matter import Array, Components, Held, Indices, locate, new_held
from platectl.simkit.world.places import Position, WorldError
from platectl.simkit.world.tips import Rack
from platectl.simkit.world.truth import Truth

LABWARE_G = 45.0
WATER_G_PER_UL = 0.9967e-3  # as a balance in air weighs it at 22 C


class Room:
    """Positions and labware; matter is carried forward to the present before anything changes.

    Fault of the world (instrument `world` in the truth file): `uneven_plate` gives labware, when
    it is added, a strong gradient (data: `labware`, optional).
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
        self._racks: dict[str, Rack] = {}
        self._waste = np.zeros(0)
        self.chemistry = Chemistry(truth, self.components, self.rng)

    def rng(self, instrument: str) -> np.random.Generator:
        """The random generator of one instrument."""
        if instrument not in self._rngs:
            sequence = np.random.SeedSequence([self._seed, zlib.crc32(instrument.encode())])
            self._rngs[instrument] = np.random.Generator(np.random.PCG64(sequence))
        return self._rngs[instrument]

    def takes_s(self, instrument: str, nominal_s: float, *, person: bool = False) -> float:
        """How long something takes this time that takes `nominal_s` as a rule; see `Timing`."""
        timing = self.truth.timing
        spread = timing.people_sd if person else timing.instruments_sd
        if not spread or not nominal_s:
            return nominal_s
        rng = self.rng(f"{instrument}:pace")
        return nominal_s * math.exp(spread * float(rng.standard_normal()))

    def faults(self, instrument: str) -> FaultPlan:
        """The faults of one instrument."""
        return self._faults.setdefault(instrument, FaultPlan())

    # What stands where ----------------------------------------------------------------------
    def add_position(
        self, name: str, *, temperature_c: float | None = None, dark: bool = False
    ) -> None:
        """Declare a place where labware can stand; None follows the room temperature.

        Declaring it again changes it; what stands there stays.
        """
        place = self._positions.setdefault(name, Position(name))
        place.dark = dark
        for held in place.stack:
            self._carry(held)
            held.dark = dark
        self.set_temperature(name, temperature_c)

    def add_labware(self, labware: str, kind: str, position: str, *, barcode: str = "") -> None:
        """Put new, empty labware of a catalogue kind on a position (a person loads it).

        Raises:
            WorldError: collision, no_such_position.
        """
        held = new_held(
            labware,
            self.catalogue[kind],
            barcode=barcode,
            now_s=self.clock.monotonic_s(),
            components=self.components,
        )
        self._make_imperfect(held)
        self._stand(held, position)
        self._labware[labware] = held
        if held.kind.role == "tip_rack":
            wells = held.kind.format.by_row()
            spread = self.rng(f"tips:{labware}").standard_normal(len(wells))
            self._racks[labware] = Rack(wells, spread)

    def remove_labware(self, labware: str) -> None:
        """Take labware out of the lab; unknown names are ignored."""
        held = self._labware.pop(labware, None)
        self._racks.pop(labware, None)
        if held is not None and held.position is not None:
            self._place(held.position).stack.remove(held)

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

    def position_of(self, labware: str) -> str | None:
        """Where a labware stands; None when it is carried, or not in the lab."""
        held = self._labware.get(labware)
        return None if held is None else held.position

    def lift(self, position: str) -> str | None:
        """Take the topmost labware off a position (into a gripper); None when nothing is there."""
        place = self._place(position)
        if not place.stack:
            return None
        for held in place.stack:
            self._carry(held)
        held = place.stack.pop()
        held.position, held.temperature_c, held.dark = None, self.truth.environment.room, False
        return held.name

    def set_down(self, labware: str, position: str) -> None:
        """Put gripped labware on a position; a lid may go onto a plate.

        Raises:
            WorldError: collision, no_such_position.
        """
        held = self._labware[labware]
        self._carry(held)
        self._stand(held, position)

    def _stand(self, held: Held, position: str) -> None:
        place = self._place(position)
        if place.stack and (held.kind.role != "lid" or place.lidded()):
            raise WorldError("collision", f"{place.stack[-1].name} stands at {position}")
        for below in place.stack:
            self._carry(below)
        held.position, held.dark = position, place.dark
        held.temperature_c = self._temperature(place)
        place.stack.append(held)
        if place.vacuum and held.is_filter:
            self._pull(held)

    # Surroundings ---------------------------------------------------------------------------
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
        """Mix all wells of the plate at a position."""
        held = self._standing(position)
        self._carry(held)
        held.mixed_s = self.clock.monotonic_s()

    def seal(self, position: str) -> None:
        """Heat-seal the plate at a position.

        Raises:
            WorldError: nothing_there.
        """
        held = self._standing(position)
        self._carry(held)
        held.sealed = True

    def peel(self, position: str) -> bool:
        """Take the seal off the plate at a position; whether there was one.

        Raises:
            WorldError: nothing_there.
        """
        held = self._standing(position)
        self._carry(held)
        was_sealed, held.sealed = held.sealed, False
        return was_sealed

    def is_sealed(self, position: str) -> bool:
        """Whether the plate at a position carries a seal."""
        return self._standing(position).sealed

    def mass_g(self, position: str) -> float:
        """Mass of what stands at a position: each labware weighs 45 g, its liquids are water."""
        stack = self._place(position).stack
        for held in stack:
            self._carry(held)
        return sum(LABWARE_G + WATER_G_PER_UL * float(held.volume_ul.sum()) for held in stack)

    def vacuum(self, position: str, *, on: bool) -> float:
        """Switch the vacuum below a filter plate; while on, what is dispensed passes through.

        Returns the fraction of wells that are sealed enough to hold a vacuum (0 when no filter
        plate stands there); a simulator derives "pressure not reached" from it.
        """
        place = self._place(position)
        plate = place.plate()
        place.vacuum = on
        if plate is None or not plate.is_filter:
            return 0.0
        self._carry(plate)
        if on:
            self._pull(plate)
        return 1.0

    # Inside ---------------------------------------------------------------------------------
    def _make_imperfect(self, held: Held) -> None:
        surroundings, wells = self.truth.environment, held.volume_ul.size
        if not wells:
            return
        fault = self.faults("world").standing("uneven_plate")
        struck = fault is not None and fault.data.get("labware", held.name) == held.name
        struck = struck and self.faults("world").strike("uneven_plate") is not None
        spread = surroundings.uneven_sd if struck else surroundings.gradient_sd
        rng = self.rng(f"plate:{held.name}")
        spots = 1.0 + self.truth.counting.efficiency_cv * rng.standard_normal(wells)
        held.signal = environment.unevenness(held, spread, rng) * spots
        held.evaporation_ul_per_h = environment.evaporation_ul_per_h(held, surroundings)

    def _carry(self, held: Held) -> None:
        """Bring a labware to the present."""
        self.chemistry.cast()  # names what can be bound by now, before room is made for it
        held.fit(self.components)
        now_s = self.clock.monotonic_s()
        minutes = (now_s - held.since_s) / 60.0
        held.since_s = now_s
        if minutes <= 0 or not held.volume_ul.size:
            return
        self.chemistry.bind(held, minutes)
        if held.is_filter:
            filtration.let_go(held, minutes, truth=self.truth, chemistry=self.chemistry)
        if held.cells is not None:
            held.cells.carry(held, minutes, self.truth, self.components)
        environment.evaporate(held, minutes, self.truth, lidded=self._lidded(held))
        if held.dark:
            held.cocktail_dark_min += minutes

    def _pull(self, plate: Held) -> None:
        """Draw through what stands in the wells of a filter plate."""
        wells = np.flatnonzero(plate.volume_ul > self.truth.filtration.holdup)
        if not wells.size:
            return
        volume, amounts = plate.volume_ul[wells], plate.amounts[:, wells]
        plate.volume_ul[wells], plate.amounts[:, wells] = 0.0, 0.0
        self._filter(plate, wells, volume, amounts)

    def _filter(self, plate: Held, wells: Indices, volumes: Array, amounts: Array) -> None:
        drained = filtration.pass_through(
            plate,
            wells,
            volumes,
            amounts,
            truth=self.truth,
            chemistry=self.chemistry,
            components=self.components,
            rng=self.rng(f"filter:{plate.name}"),
        )
        self._discard(drained)

    def _discard(self, amounts: Array) -> None:
        self._waste = self.components.fit(self._waste)
        self._waste[: len(amounts)] += amounts

    def _place(self, position: str) -> Position:
        if position not in self._positions:
            raise WorldError("no_such_position", f"there is no position {position}")
        return self._positions[position]

    def _temperature(self, place: Position) -> float:
        return self.truth.environment.room if place.temperature_c is None else place.temperature_c

    def _lidded(self, held: Held) -> bool:
        return held.position is not None and self._positions[held.position].lidded()

    def _standing(self, position: str) -> Held:
        plate = self._place(position).plate()
        if plate is None:
            raise WorldError("nothing_there", f"nothing stands at {position}")
        return plate

    def _carried(self, labware: str) -> Held:
        if labware not in self._labware:
            raise WorldError("nothing_there", f"there is no {labware}")
        held = self._labware[labware]
        self._carry(held)
        return held

    def _open(self, labware: str) -> Held:
        held = self._carried(labware)
        if held.sealed or self._lidded(held):
            raise WorldError("sealed", f"{labware} is {'sealed' if held.sealed else 'under a lid'}")
        return held

    def _wells(self, held: Held, wells: Sequence[str]) -> tuple[Indices, bool]:
        try:
            return locate(held, wells)
        except KeyError as error:
            raise WorldError("no_such_well", f"{held.name} has no well {error.args[0]}") from None
