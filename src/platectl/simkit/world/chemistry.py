"""What time does to a labware: binding, dissociation on the filter, evaporation, drying."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from platectl.simkit.world.binding import Rates, carry_forward
from platectl.simkit.world.matter import Components, Held
from platectl.simkit.world.truth import Truth

Array = npt.NDArray[np.float64]


class Chemistry:
    """The laws of one world; lots are drawn once.

    Concentrations inside are nM, since fmol per microlitre is nM; times are minutes.
    """

    def __init__(self, truth: Truth, components: Components, rng: np.random.Generator) -> None:
        self._truth = truth
        self._components = components
        self._lot = {
            name: max(0.2, 1 + m.lot_cv * rng.standard_normal())
            for name, m in sorted(truth.membranes.items())
        }
        spread = truth.filtration.nsb_lot_cv * rng.standard_normal()
        self._nsb = truth.filtration.nsb_fraction * max(0.2, 1 + spread)

    def ligands(self) -> list[str]:
        """Ligands that are present somewhere and bind somewhere."""
        return [
            n for n in self._components.names if (found := self._truth.ligand(n)) and found.sites
        ]

    def carry(self, held: Held, now_s: float, *, lidded: bool) -> None:
        """Bring a labware to the present."""
        minutes = (now_s - held.since_s) / 60.0
        held.since_s = now_s
        if minutes <= 0 or not held.wells:
            return
        if not held.is_filter:
            self._bind(held, minutes)
        elif held.vacuum:
            self._wash_off(held, minutes)
        if not held.sealed:
            self._evaporate(held, minutes, lidded=lidded)

    def receptor_fmol(self, held: Held) -> Array:
        """Receptor in each well, shape (sites, wells)."""
        sites = self._truth.sites
        total = np.zeros((len(sites), len(held.wells)))
        for name, membranes in self._truth.membranes.items():
            row = self._components.known(f"membranes:{name}")
            if row is not None:
                for site, density in membranes.sites.items():
                    total[sites.index(site)] += held.amounts[row] * 1e-3 * density * self._lot[name]
        return total

    def _bind(self, held: Held, minutes: float) -> None:
        ligands, sites = self.ligands(), self._truth.sites
        receptor = self.receptor_fmol(held)
        if not ligands:
            return
        rows = [self._components.row(n) for n in ligands]
        active = np.flatnonzero(
            (receptor.sum(axis=0) > 0) & (held.amounts[rows].sum(axis=0) > 0) & (held.volume_ul > 0)
        )
        if not active.size:
            return
        volume = held.volume_ul[active]
        bound_rows = [[self._components.row(f"bound:{s}:{n}") for n in ligands] for s in sites]
        bound = np.stack([held.amounts[r][:, active] for r in bound_rows]) / volume
        after = carry_forward(bound, held.amounts[rows][:, active] / volume, receptor[:, active] / volume,
                              self._rates(ligands, held.temperature_c), minutes)  # fmt: skip
        for index, site_rows in enumerate(bound_rows):
            held.amounts[np.array(site_rows)[:, None], active] = after[index] * volume

    def _rates(self, ligands: list[str], temperature_c: float) -> Rates:
        sites = self._truth.sites
        kon, koff = np.zeros((len(sites), len(ligands), 1)), np.zeros((len(sites), len(ligands), 1))
        for column, name in enumerate(ligands):
            ligand = self._truth.ligand(name)
            for site, kd in ligand.sites.items() if ligand else ():
                if site in sites:
                    kon[sites.index(site), column] = ligand.kon(temperature_c) if ligand else 0.0
                    koff[sites.index(site), column] = kon[sites.index(site), column] * kd * 1e9
        return Rates(kon, koff)

    def _wash_off(self, held: Held, minutes: float) -> None:
        cold = self._truth.filtration.cold_factor
        rates = self._rates(self.ligands(), self._truth.environment.room)
        for column, name in enumerate(self.ligands()):
            for index, site in enumerate(self._truth.sites):
                row = self._components.known(f"bound:{site}:{name}")
                if row is not None:
                    held.stuck[row] *= math.exp(
                        -float(rates.koff[index, column, 0]) * cold * minutes
                    )

    def _evaporate(self, held: Held, minutes: float, *, lidded: bool) -> None:
        environment = self._truth.environment
        warmth = math.exp(0.058 * (held.temperature_c - 37.0))
        if held.is_filter:
            per_min = self._truth.filtration.holdup / (self._truth.filtration.dry_after / 60.0)
            held.volume_ul -= np.minimum(
                held.volume_ul, per_min * minutes * warmth / math.exp(0.058 * 3.0)
            )
            return
        inner, edge, corner = environment.evaporation_ul_per_h
        rates = np.full(len(held.wells), inner)
        if len(held.wells) > 1:
            grid = rates.reshape(held.kind.format.rows, held.kind.format.columns)
            grid[[0, -1], :] = edge
            grid[:, [0, -1]] = edge
            for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
                grid[row, column] = corner
        factor = warmth * (environment.lidded_factor if lidded else 1.0)
        held.volume_ul -= np.minimum(0.9 * held.volume_ul, rates * factor * minutes / 60.0)

    def pass_through(
        self,
        held: Held,
        wells: npt.NDArray[np.intp],
        volume_ul: Array,
        amounts: Array,
        recovery: Array,
    ) -> None:
        """Draw arriving liquid through filter wells: particles stay, free ligand mostly goes.

        The hold-up of the filter is mixed with what passes.
        """
        filtration = self._truth.filtration
        names = self._components.names
        particles = np.array([n.startswith(("bound:", "membranes:")) for n in names], dtype=bool)
        rows = np.flatnonzero(particles)
        held.stuck[np.ix_(rows, wells)] += amounts[rows] * recovery
        free = amounts[: len(names)].copy()
        for row in rows:
            name = names[row]
            free[row] = 0.0
            if name.startswith("bound:"):
                free[self._components.row(name.split(":", 2)[2])] -= amounts[row]
        free = np.maximum(free, 0.0)
        membranes = sum(
            (amounts[r] for r in rows if names[r].startswith("membranes:")),
            start=np.zeros(len(wells)),
        )
        share = np.where(membranes > 0, self._nsb, filtration.nsb_without_membranes)
        share = np.where(held.soaked[wells], share, share * filtration.nsb_factor_unsoaked)
        for name in self.ligands():
            ligand_row = self._components.row(name)
            kept = free[ligand_row] * share
            held.stuck[ligand_row, wells] += kept
            free[ligand_row] -= kept
        pei = self._components.known("pei")
        if pei is not None:
            held.soaked[wells] |= amounts[pei] > 0
        remaining = held.volume_ul[wells] + volume_ul
        keep = np.minimum(1.0, filtration.holdup / np.maximum(remaining, 1e-9))
        held.amounts[: len(names), wells] = (held.amounts[: len(names), wells] + free) * keep
        held.volume_ul[wells] = remaining * keep
