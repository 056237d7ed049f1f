"""The world: liquids in motion, and what a counter sees of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from platectl.domain.clock import Clock
from platectl.domain.labware import LabwareKind
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.world import counting, photophysics, pipetting
from platectl.simkit.world.cells import PREFIX, CellPlate, seed_cells
from platectl.simkit.world.matter import Array, Held, Indices, add_at, turns
from platectl.simkit.world.places import WorldError
from platectl.simkit.world.room import Room
from platectl.simkit.world.tips import Tips
from platectl.simkit.world.truth import Truth
from platectl.simkit.world.truth_cells import CellLine

COCKTAIL_CAME_UL = 1.0
FLOOR_MM2 = 32.0  # of a well of 96; a millimetre holds as many microlitres
GENTLE_RATE, GENTLE_MM = 2, 0.3


class World(Room):
    """Shared physical truth of one simulated lab.

    Every method takes effect at the present time of `clock`: matter is first carried forward to
    that time (binding, evaporation, sedimentation), then changed. All volumes are microlitres.
    `labware` is a run-wide name such as `P1.assay`. Random draws come from one generator for
    each instrument name, derived from `seed`, so that the order of instruments does not matter.

    Faults of an instrument that the world obeys: `blocked_tip` (counted by picking up; data:
    `channel`, an index or a rack well; the tip delivers nothing for its life), `bubble` (counted
    by aspirating; data: `channel` as before; that stroke draws 30 to 90 %), `stirrer_stopped`
    (standing; membranes settle in the bottle of that dispenser). Of the world itself:
    `uneven_plate`, see `Room`.
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
        super().__init__(truth, clock, seed=seed, catalogue=catalogue, faults=faults)
        self._bottles: dict[str, pipetting.Bottle] = {}

    # Prepared liquids -----------------------------------------------------------------------
    def fill(
        self, labware: str, *wells: str, volume_ul: float, contents: Mapping[str, float]
    ) -> None:
        """Pour a prepared liquid into wells, `volume_ul` into each.

        `contents` maps a component to its concentration: molar for ligands, mg/mL for
        `membranes:<name>`, per microlitre for `cells:<name>`, volume fraction for `dmso`,
        `cocktail`, `pei`; buffer is the rest. Cells are at once attached.

        Raises:
            WorldError: nothing_there, no_such_well, overflow.
        """
        prepared = pipetting.prepared(self.components, contents)
        held = self._carried(labware)
        per_ul = self.components.fit(prepared)
        index, _ = self._wells(held, wells)
        volumes = np.full(len(wells), volume_ul)
        self._pour(held, index, volumes, per_ul[:, None] * volumes, repeated=False)
        self._attach(held, index, contents, volume_ul)

    def load_bottle(
        self, instrument: str, *, liquid: str, volume_ul: float, contents: Mapping[str, float]
    ) -> None:
        """Connect a bottle to a bulk dispenser's line (replaces what was there)."""
        self._bottles[instrument] = pipetting.Bottle(
            liquid,
            volume_ul,
            pipetting.prepared(self.components, contents),
            self.truth.liquid_handling.bulk_bias * float(self.rng(instrument).standard_normal()),
            self.clock.monotonic_s(),
        )

    # Tips -----------------------------------------------------------------------------------
    def new_tips(self, instrument: str, *, rack: str, wells: Sequence[str]) -> Tips:
        """Take tips from a rack; draws faults (`blocked_tip`).

        Raises:
            WorldError: no_tips when one of the rack wells has no tip left; all stay there then.
        """
        if rack not in self._racks:
            raise WorldError("no_tips", f"there is no rack {rack}")
        tips = self._racks[rack].take(instrument, rack, wells, self.components)
        fault, channel = self._struck("blocked_tip", tips)
        if fault is not None:
            tips.blocked[channel] = True
        return tips

    def put_back_tips(self, tips: Tips, *, rack: str, wells: Sequence[str]) -> None:
        """Return tips to their rack, with their bias, their faults and what is left in them.

        Raises:
            WorldError: nothing_there, collision.
        """
        if rack not in self._racks:
            raise WorldError("nothing_there", f"there is no rack {rack}")
        self._racks[rack].put_back(tips, wells)

    def aspirate(self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        """Draw from one well per channel (the same well may serve all channels of a trough).

        A well that holds less gives what it has, the rest is air. A trough has one well.

        Raises:
            WorldError: nothing_there, sealed, no_such_well.
        """
        held = self._open(labware)
        index, repeated = self._wells(held, wells)
        handling, rng = self.truth.liquid_handling, self.rng(tips.instrument)
        wanted = pipetting.stroke_ul(tips, volume_ul, handling, rng)
        fault, channel = self._struck("bubble", tips)
        if fault is not None:
            wanted[channel] *= rng.uniform(0.3, 0.9)
        afloat = self._afloat(held.mixed_s) if held.kind.role == "reservoir" else None
        drawn = pipetting.draw(tips, held, index, wanted, repeated=repeated, suspended=afloat)
        sticky = self.chemistry.cast().sticky
        if sticky.any():
            lost = drawn * self.components.fit(sticky)[:, None]
            drawn = drawn - lost
            self._discard(lost.sum(axis=1))
        tips.amounts = self.components.fit(tips.amounts) + drawn
        tips.nominal_ul += volume_ul

    def dispense(self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        """Deliver from each channel into its well.

        Raises:
            WorldError: nothing_there, sealed, overflow, no_such_well; the tips keep their content.
        """
        held = self._open(labware)
        index, repeated = self._wells(held, wells)
        tips.amounts = self.components.fit(tips.amounts)
        handling, rng = self.truth.liquid_handling, self.rng(tips.instrument)
        share = pipetting.share_delivered(tips, volume_ul, handling, rng)
        volumes, amounts = tips.volume_ul * share, tips.amounts * share
        self._pour(held, index, volumes, amounts, repeated=repeated)
        pipetting.let_out(tips, volume_ul, volumes, amounts)

    # Bulk dispensers ------------------------------------------------------------------------
    def bulk_prime(self, instrument: str, volume_ul: float) -> None:
        """Pump liquid from the bottle to waste.

        Raises:
            WorldError: empty (bottle).
        """
        bottle = self._bottle(instrument)
        bottle.take(volume_ul)
        self._discard(bottle.per_ul * volume_ul)

    def bulk_dispense(
        self, instrument: str, position: str, volumes_ul: Mapping[int, float]
    ) -> None:
        """Dispense columns (1-based) of the plate at a position from the instrument's bottle.

        The standing fault `worn_tubing` (`share`) gives only that share of each volume.

        Raises:
            WorldError: nothing_there, sealed, overflow, empty (bottle), no_such_well; columns
                before the one that failed are done.
        """
        held = self._open(self._standing(position).name)
        bottle, handling = self._bottle(instrument), self.truth.liquid_handling
        rng, per_ul = self.rng(instrument), self.components.fit(bottle.per_ul)
        if self.faults(instrument).standing("stirrer_stopped") is not None:
            per_ul = per_ul * self._afloat(bottle.connected_s)
        worn = self.faults(instrument).standing("worn_tubing")
        share = 1.0 if worn is None else float(worn.data.get("share", 0.8))
        for column, volume_ul in volumes_ul.items():
            index, _ = self._wells(held, held.kind.format.column(column))
            noise = 1.0 + handling.bulk_cv * rng.standard_normal(len(index))
            volumes = np.maximum(share * volume_ul * (1.0 + bottle.bias) * noise, 0.0)
            pipetting.check_room(held, index, volumes, repeated=False)
            bottle.take(float(volumes.sum()))
            self._pour(held, index, volumes, per_ul[:, None] * volumes, repeated=False)

    # Cells ----------------------------------------------------------------------------------
    def aspirate_plate(
        self, instrument: str, position: str, *, height_mm: float, rate: int
    ) -> None:
        """Draw all wells of a plate down to what stands below `height_mm` (a washer's manifold).

        A hard rate or a low height takes cells along.

        Raises:
            WorldError: nothing_there, sealed.
        """
        held = self._open(self._standing(position).name)
        noise = 1.0 + 0.1 * self.rng(instrument).standard_normal(held.volume_ul.size)
        left = np.minimum(held.volume_ul, FLOOR_MM2 * height_mm * np.maximum(noise, 0.2))
        share = left / np.maximum(held.volume_ul, 1e-9)
        self._discard((held.amounts * (1.0 - share)).sum(axis=1))
        held.amounts *= share
        held.volume_ul = left
        if held.cells is not None:
            harm = max(rate - GENTLE_RATE, 0) + max(GENTLE_MM / height_mm - 1.0, 0.0)
            lost = held.cells.line.loose * 10.0**harm
            held.cells.washed(share, np.full(left.size, min(lost, 0.9)))

    def fluorescence(
        self,
        position: str,
        wells: Sequence[str],
        *,
        excitation_nm: float,
        emission_nm: float,  # noqa: ARG002  # one emission filter, 510 nm
        at_s: Array | None = None,
    ) -> Array:
        """Expected counts, free of the detector's noise, of the plate at a position, shape (n,).

        `at_s` is each well's own time on the clock; it may lie a little back, to when the plate was
        last changed, and not ahead. Reading bleaches. A plate without cells shows
        background and what shines by itself, the more of it the higher it stands in the wells.

        Raises:
            WorldError: nothing_there, no_such_well, no_such_channel.
        """
        held, index = self._seen(position, wells)
        channel = photophysics.channel_of(excitation_nm)
        when = np.full(len(index), self.clock.monotonic_s()) if at_s is None else np.asarray(at_s)
        if held.cells is None:
            return photophysics.without_cells(held, index, channel, self.truth, self.components)
        return photophysics.counts(
            held, held.cells, index, when, channel, self.truth, self.components
        )

    def absorbance(self, position: str, wells: Sequence[str], *, wavelength_nm: float) -> Array:
        """Expected absorbance of each well from above, shape (n,). Errors as for `count_rates`."""
        held, index = self._seen(position, wells)
        return photophysics.absorbance(held, index, wavelength_nm, self.truth, self.components)

    def true_ratio(self, labware: str, at_s: float | None = None) -> Array:
        """Ratio of the cells of all wells at a time (None: now), row-major."""
        cells = self._cells(labware)
        now_s = self.clock.monotonic_s() if at_s is None else at_s
        every = np.arange(cells.cells.size, dtype=np.intp)
        return cells.ratio(every, np.full(every.size, now_s))

    def calcium_nm(self, labware: str, at_s: float | None = None) -> Array:
        """Calcium in the cells of all wells at a time (None: now), row-major, nM."""
        return photophysics.calcium_nm(self.truth.fura2, self.true_ratio(labware, at_s))

    def true_features(self, labware: str) -> dict[str, dict[str, float]]:
        """Calcium of each well at rest and at the peak after its first stimulus, molar.

        It may be asked after the run is over, when the clock has stopped.

        Raises:
            WorldError: nothing_there.
        """
        cells = self._labware[labware].cells if labware in self._labware else None
        if cells is None:
            raise WorldError("nothing_there", f"{labware} has no cells")
        every = np.arange(cells.cells.size, dtype=np.intp)
        first = min((s.at_s for s in cells.stimuli), default=0.0)
        rest = photophysics.calcium_nm(
            self.truth.fura2, np.full(every.size, cells.line.resting_ratio)
        )
        times = first + np.arange(0.0, 40.0, 0.25)
        ratios = np.array([cells.ratio(every, np.full(every.size, t)) for t in times])
        top = photophysics.calcium_nm(self.truth.fura2, ratios.max(axis=0))
        names = self._labware[labware].kind.format.by_row()
        return {well: {"calcium_baseline": 1e-9 * float(r), "calcium_peak": 1e-9 * float(p)}
                for well, r, p in zip(names, rest, top, strict=True)}  # fmt: skip

    # Counting -------------------------------------------------------------------------------
    def count_rates(self, position: str, wells: Sequence[str]) -> Array:
        """Expected counts per minute above background of each well now, shape (n,).

        Includes efficiency, decay to the present date, quench of wet filters, missing cocktail,
        crosstalk from neighbours, and the light of cocktail that has not been in the dark.
        Counting statistics, background and detectors are the counter's own business.

        Raises:
            WorldError: nothing_there, no_such_well.
        """
        held, index = self._seen(position, wells)
        return counting.rates_cpm(held, self.truth, self.chemistry, self.components, self.clock)[
            index
        ]

    def efficiency(self, position: str, wells: Sequence[str]) -> Array:
        """Counting efficiency of each well, shape (n,). Errors as for `count_rates`."""
        held, index = self._seen(position, wells)
        return counting.efficiencies(held, self.truth, self.components)[index]

    def _seen(self, position: str, wells: Sequence[str]) -> tuple[Held, Indices]:
        held = self._standing(position)
        self._carry(held)
        return held, self._wells(held, wells)[0]

    # Looking inside, for tests --------------------------------------------------------------
    def total(self, component: str) -> float:
        """Amount of a substance in labware, bottles and waste (not in tips)."""
        row = self.components.known(component)
        if row is None:
            return 0.0
        total = float(self.components.fit(self._waste)[row])
        total += sum(
            float(self.components.fit(b.per_ul)[row]) * b.volume_ul for b in self._bottles.values()
        )
        cast = self.chemistry.cast()
        rows = [row, *cast.bound[:, cast.ligand_rows == row].ravel()]
        for held in self._labware.values():
            held.fit(self.components)
            total += float(held.amounts[row].sum() + held.kept[rows].sum())
        return total

    def contents(self, labware: str, component: str) -> Array:
        """Amount of a substance in each well now, row-major, with what a filter keeps of it."""
        held, row = self._carried(labware), self.components.row(component)
        held.fit(self.components)
        return np.asarray(held.amounts[row] + held.kept[row])

    def volumes_ul(self, labware: str) -> Array:
        """Volume in each well now, row-major."""
        return self._carried(labware).volume_ul.copy()

    # Inside ---------------------------------------------------------------------------------
    def _cells(self, labware: str) -> CellPlate:
        cells = self._carried(labware).cells
        if cells is None:
            raise WorldError("nothing_there", f"{labware} has no cells")
        return cells

    def _attach(
        self, held: Held, wells: Indices, contents: Mapping[str, float], volume_ul: float
    ) -> None:
        for name, per_ul in contents.items():
            if not name.startswith(PREFIX):
                continue
            line = self.truth.cells.get(name.removeprefix(PREFIX), CellLine())
            if held.cells is None:
                day = 1.0 + line.day_cv * float(self.rng("cells:day").standard_normal())
                rng = self.rng(f"cells:{held.name}")
                held.cells = seed_cells(
                    held, line, self.truth.fura2, day, rng, np.zeros(held.volume_ul.size)
                )
            held.cells.cells[wells] += per_ul * volume_ul
            held.amounts[self.components.row(name)] = 0.0  # attached, not afloat

    def _pour(
        self, held: Held, wells: Indices, volumes: Array, amounts: Array, *, repeated: bool
    ) -> None:
        under_vacuum = held.position is not None and self._positions[held.position].vacuum
        if held.is_filter and under_vacuum:
            for turn in turns(wells, repeated=repeated):
                self._filter(held, wells[turn], volumes[turn], amounts[:, turn])
        else:
            pipetting.check_room(held, wells, volumes, repeated=repeated)
            add_at(held.volume_ul, wells, volumes, repeated=repeated)
            add_at(held.amounts, wells, amounts, repeated=repeated)
            held.mixed_s = self.clock.monotonic_s()
        if held.cells is not None:
            jolt = 1.0 - 0.03 * self.rng(f"cells:{held.name}").random(len(wells))
            now_s = self.clock.monotonic_s()
            held.cells.added(held, wells, now_s, self.truth, self.components, jolt)
        cocktail = self.components.known("cocktail")
        if cocktail is not None and (amounts[cocktail] > COCKTAIL_CAME_UL).any():
            held.cocktail_dark_min = 0.0

    def _afloat(self, mixed_s: float) -> Array:
        """Share of each component that has not settled since its source was mixed."""
        minutes = (self.clock.monotonic_s() - mixed_s) / 60.0
        cast, afloat = self.chemistry.cast(), np.ones(self.components.capacity)
        afloat[cast.membrane_rows] = math.exp(-self.truth.liquid_handling.settling * minutes)
        return afloat

    def _struck(self, kind: str, tips: Tips) -> tuple[Fault | None, int]:
        """The fault that strikes one of these tips now, and its channel."""
        plan = self.faults(tips.instrument)
        fault = plan.standing(kind)
        if fault is None:
            return None, 0
        channel = fault.data.get("channel", 0)
        if isinstance(channel, str) and channel not in tips.wells:
            return None, 0
        fault = plan.strike(kind)
        if fault is None:
            return None, 0
        channel = fault.data.get("channel", 0)
        at = tips.wells.index(channel) if isinstance(channel, str) else int(channel)
        return fault, at % len(tips.wells)

    def _bottle(self, instrument: str) -> pipetting.Bottle:
        if instrument not in self._bottles:
            raise WorldError("empty", f"no bottle is connected to {instrument}")
        return self._bottles[instrument]
