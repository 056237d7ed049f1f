"""Cells in the wells of one plate: dye, responses, and what washing does to them.

The response is phenomenological and defined in the ratio, so that the truth of an EC50 is direct:
R(t) = R0 + sum of A s(t - t0), where s rises and decays, peaks at 1 and ends on a plateau. The
amplitude follows the concentration that an addition brings about; a second addition to the same
receptor adds the increase alone. Alternatively a population of cells follows the Li-Rinzel
equations, driven by IP3 in proportion to the same amplitude.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from platectl.simkit.world.li_rinzel import Population
from platectl.simkit.world.matter import Array, Components, Held, Indices
from platectl.simkit.world.truth import Truth
from platectl.simkit.world.truth_cells import CellLine, Fura2

PREFIX = "cells:"
ESTER, PROBENECID = "fura2_am", "probenecid"
IONOMYCIN, EGTA, CALCIUM = "ionomycin", "egta", "calcium"
NOMINAL_ESTER_NM = 5000.0
NOMINAL_CELLS = 50_000.0
FULL_UPTAKE = 1.1
WARM_C = 37.0
ENOUGH_PROBENECID_NM = 1e6
ENOUGH_IONOMYCIN_NM = 1e3
ENOUGH_EGTA_NM = 2e6
ENOUGH_CALCIUM_NM = 5e6
EMPTYING_S, FILLING_S = 60.0, 8.0
NEAR_SATURATION = 0.995
SIGMA1 = "sigma1"


@dataclass(slots=True)
class Stimulus:
    """One addition: when, and how far the ratio will rise in each well."""

    at_s: float
    amplitude: Array


@dataclass(slots=True)
class Clamp:
    """Wells whose calcium follows the medium: from when, and to which ratio (NaN: not clamped)."""

    since_s: Array
    target: Array
    from_ratio: Array
    tau_s: Array


@dataclass(slots=True)
class CellPlate:
    """State of the cells of one plate; arrays have one element for each well."""

    line: CellLine
    dye_physics: Fura2
    cells: Array
    ester: Array
    dye: Array
    leaked: Array
    response: Array
    loading: Array
    occupied: dict[str, Array] = field(default_factory=dict)
    potentiation: Array = field(default_factory=lambda: np.zeros(0))
    stimuli: list[Stimulus] = field(default_factory=list)
    clamp: Clamp | None = None
    population: Population | None = None
    disturbed_s: Array = field(default_factory=lambda: np.zeros(0))
    jolt: Array = field(default_factory=lambda: np.zeros(0))

    # Time ---------------------------------------------------------------------------------------
    def carry(self, held: Held, minutes: float, truth: Truth, components: Components) -> None:
        """Uptake of ester, hydrolysis, leak, and the onset of modulators."""
        line = self.line
        speed = line.q10 ** ((held.temperature_c - WARM_C) / 10.0)
        outside = concentration_nm(held, components, ESTER) / NOMINAL_ESTER_NM
        room = np.maximum(FULL_UPTAKE - self.ester - self.dye, 0.0)
        taken = room * -np.expm1(-line.uptake * speed * outside * minutes)
        # ester taken up during the interval is hydrolysed from its middle on
        old, new = line.hydrolysis * speed * minutes, line.hydrolysis * speed * minutes / 2.0
        split = -np.expm1(-old) * self.ester - np.expm1(-new) * taken
        self.ester = self.ester + taken - split
        protected = concentration_nm(held, components, PROBENECID) >= ENOUGH_PROBENECID_NM
        leak = np.where(protected, line.leak_probenecid, line.leak) * speed
        lost = self.dye * -np.expm1(-leak * minutes)
        self.dye = self.dye + split - lost
        self.leaked = self.leaked + lost
        self._modulate(held, minutes, truth, components)

    def _modulate(self, held: Held, minutes: float, truth: Truth, components: Components) -> None:
        target, onset_s = np.zeros(self.cells.size), np.full(self.cells.size, np.inf)
        for name, modulator in truth.modulators.items():
            if not components.present(name, held):
                continue
            blocked = 1.0 + self._blocked(held, truth, components, SIGMA1)
            dose = concentration_nm(held, components, name) * 1e-9 / blocked
            bell = dose / (dose + modulator.ec50) / (1.0 + (dose / modulator.ic50) ** 2)
            stronger = modulator.effect * bell > target
            target = np.where(stronger, modulator.effect * bell, target)
            onset_s = np.where(stronger, modulator.onset, onset_s)
        self.potentiation += (target - self.potentiation) * -np.expm1(-60.0 * minutes / onset_s)

    # Additions ----------------------------------------------------------------------------------
    def added(
        self, held: Held, wells: Indices, now_s: float, truth: Truth, components: Components,
        jolt: Array,
    ) -> None:  # fmt: skip
        """Something was added to wells: agonists stimulate, ionomycin lets calcium follow."""
        self.disturbed_s[wells], self.jolt[wells] = now_s, jolt
        amplitude = np.zeros(self.cells.size)
        receptors = {agonist.receptor for agonist in truth.agonists.values()}
        for receptor in receptors:
            share = self._occupancy(held, truth, components, receptor)
            before = self.occupied.get(receptor, np.zeros(self.cells.size))
            rise = np.zeros(self.cells.size)
            rise[wells] = np.maximum(share[wells] - before[wells], 0.0)
            self.occupied[receptor] = np.maximum(before, np.where(rise > 0, share, before))
            amplitude += rise
        if amplitude.any():
            amplitude *= self.line.full_response * self.response * (1.0 + self.potentiation)
            self.stimuli.append(Stimulus(now_s, amplitude))
            if self.population is not None:
                every = np.arange(amplitude.size, dtype=np.intp)
                self.population.stimulate(every, now_s, amplitude)
        self._clamp_wells(held, wells, now_s, truth, components)

    def _occupancy(self, held: Held, truth: Truth, components: Components, receptor: str) -> Array:
        """Response of a receptor as a share of the full one: Hill, with competitive antagonists."""
        blocked = 1.0 + self._blocked(held, truth, components, receptor)
        best = np.zeros(self.cells.size)
        for name, agonist in truth.agonists.items():
            if agonist.receptor != receptor or not components.present(name, held):
                continue
            dose = concentration_nm(held, components, name) * 1e-9 / blocked / agonist.ec50
            scaled = np.power(dose, agonist.hill)
            best = np.maximum(best, agonist.emax * scaled / (1.0 + scaled))
        return best

    def _blocked(self, held: Held, truth: Truth, components: Components, receptor: str) -> Array:
        total = np.zeros(self.cells.size)
        for name, antagonist in truth.antagonists.items():
            if antagonist.receptor == receptor and components.present(name, held):
                total += concentration_nm(held, components, name) * 1e-9 / antagonist.kb
        return total

    def _clamp_wells(
        self, held: Held, wells: Indices, now_s: float, truth: Truth, components: Components
    ) -> None:
        open_now = concentration_nm(held, components, IONOMYCIN)[wells] >= ENOUGH_IONOMYCIN_NM
        if not open_now.any():
            return
        egta = concentration_nm(held, components, EGTA)[wells] >= ENOUGH_EGTA_NM
        calcium = concentration_nm(held, components, CALCIUM)[wells] >= ENOUGH_CALCIUM_NM
        here = wells[open_now & (egta | calcium)]
        if not here.size:
            return
        if self.clamp is None:
            nothing = np.full(self.cells.size, np.nan)
            self.clamp = Clamp(nothing.copy(), nothing.copy(), nothing.copy(), nothing.copy())
        empty = egta[open_now & (egta | calcium)]
        dye = truth.fura2
        full = dye.rmin + NEAR_SATURATION * (dye.rmax - dye.rmin)
        self.clamp.from_ratio[here] = self.ratio(here, np.full(here.size, now_s))
        self.clamp.since_s[here] = now_s
        self.clamp.target[here] = np.where(empty, dye.rmin, full)
        self.clamp.tau_s[here] = np.where(empty, EMPTYING_S, FILLING_S)

    def washed(self, share_left: Array, lost: Array) -> None:
        """Liquid was drawn: leaked dye goes with it, and some cells."""
        self.leaked = self.leaked * share_left
        self.cells = self.cells * (1.0 - lost)

    # The signal ---------------------------------------------------------------------------------
    def ratio(self, wells: Indices, at_s: Array) -> Array:
        """True ratio of the cells of some wells, each at its own time."""
        if self.population is not None:
            value = self._ratio_of_share(self.population.bound(wells, at_s))
        else:
            value = np.full(wells.size, self.line.resting_ratio)
            for stimulus in self.stimuli:
                value += stimulus.amplitude[wells] * course(self.line, at_s - stimulus.at_s)
        if self.clamp is not None:
            held = np.isfinite(self.clamp.target[wells])
            gone = np.maximum(at_s - np.nan_to_num(self.clamp.since_s[wells]), 0.0)
            with np.errstate(invalid="ignore"):
                left = np.exp(-gone / self.clamp.tau_s[wells])
                target = self.clamp.target[wells]
                clamped = target + (self.clamp.from_ratio[wells] - target) * left
            value = np.where(held, clamped, value)
        return value

    def _ratio_of_share(self, share: Array) -> Array:
        dye = self.dye_physics
        above = dye.rmin * dye.free_380 * (1.0 - share) + dye.rmax * dye.bound_380 * share
        return np.asarray(above / (dye.free_380 * (1.0 - share) + dye.bound_380 * share))


def concentration_nm(held: Held, components: Components, name: str) -> Array:
    """Concentration of a dissolved component in each well, nM; fmol per microlitre is nM."""
    row = components.known(name)
    if row is None or row >= len(held.amounts):
        return np.zeros(held.volume_ul.size)
    return np.asarray(held.amounts[row] / np.maximum(held.volume_ul, 1e-9))


def course(line: CellLine, since_s: Array) -> Array:
    """Shape of a response over the time since the addition: 0 before, 1 at its peak."""
    shape = line.rise, line.decay, line.plateau
    return np.asarray(_raw(*shape, np.maximum(since_s, 0.0)) / _peak(*shape)[1])


def peak(line: CellLine) -> tuple[float, float]:
    """Time after the addition and height of the raw shape's maximum."""
    return _peak(line.rise, line.decay, line.plateau)


def _raw(rise: float, decay: float, plateau: float, t: Array) -> Array:
    rising, falling = np.exp(-t / rise), np.exp(-t / decay)
    return np.asarray((1.0 - plateau) * (falling - rising) + plateau * (1.0 - rising))


@lru_cache(maxsize=64)
def _peak(rise: float, decay: float, plateau: float) -> tuple[float, float]:
    grid = np.linspace(0.0, 20.0 * rise + decay, 4001)
    values = _raw(rise, decay, plateau, grid)
    at = int(values.argmax())
    return float(grid[at]), float(values[at])


def seed_cells(
    held: Held, line: CellLine, dye: Fura2, day: float, rng: np.random.Generator, counts: Array
) -> CellPlate:
    """Cells as they stand after a night in the incubator."""
    n = held.volume_ul.size
    noise = rng.standard_normal((2, n))
    return CellPlate(
        line=line,
        dye_physics=dye,
        population=Population(n, line, dye) if line.model == "li_rinzel" else None,
        cells=counts,
        ester=np.zeros(n),
        dye=np.zeros(n),
        leaked=np.zeros(n),
        response=np.maximum(day * (1.0 + line.well_cv * noise[0]), 0.1),
        loading=np.maximum(1.0 + line.loading_cv * noise[1], 0.2),
        potentiation=np.zeros(n),
        disturbed_s=np.full(n, -np.inf),
        jolt=np.ones(n),
    )
