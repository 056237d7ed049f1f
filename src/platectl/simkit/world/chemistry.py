"""Who binds to what in one world: rows, rates and lots, and binding carried through time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time

import numpy as np

from platectl.simkit.world.binding import Rates, carry_forward
from platectl.simkit.world.matter import Array, Components, Held, Indices
from platectl.simkit.world.truth import Ligand, Truth

DPM_PER_FMOL = 2.22  # of 1 Ci/mmol
WARM_C = 37.0
LEAST_LOT = 0.2


@dataclass(frozen=True, slots=True)
class Cast:
    """The substances that matter, by row; made anew when a new name appears.

    `bound`, `kd_nm` and `leaving_per_min` (dissociation while warm) have shape (sites, ligands);
    `density` (sites, membranes) in fmol/ug. `hot` are the columns of radioactive ligands.
    """

    size: int
    ligands: tuple[Ligand, ...]
    ligand_rows: Indices
    bound: Indices
    membrane_rows: Indices
    density: Array
    kd_nm: Array
    leaving_per_min: Array
    sticky: Array
    hot: tuple[int, ...]

    def free(self, amounts: Array) -> Array:
        """Amounts of ligands that are not bound, shape (ligands, wells)."""
        bound: Array = amounts[self.bound].sum(axis=0)
        return np.maximum(amounts[self.ligand_rows] - bound, 0.0)


class Chemistry:
    """The laws of one world; lots are drawn once.

    Concentrations inside are nM, since fmol per microlitre is nM; times are minutes.
    """

    def __init__(
        self, truth: Truth, components: Components, rng: Callable[[str], np.random.Generator]
    ) -> None:
        self._truth = truth
        self._components = components

        def lot(name: str, cv: float) -> float:
            return max(LEAST_LOT, 1.0 + cv * float(rng(f"lot:{name}").standard_normal()))

        self._densities = {
            f"membranes:{name}".casefold(): (membranes, lot(name, membranes.lot_cv))
            for name, membranes in truth.membranes.items()
        }
        self.nsb_fraction = truth.filtration.nsb_fraction * lot("nsb", truth.filtration.nsb_lot_cv)
        self._cast: Cast | None = None

    def cast(self) -> Cast:
        """The substances that are known by now."""
        if self._cast is None or self._cast.size != len(self._components.names):
            self._cast = self._make_cast()
        return self._cast

    def _make_cast(self) -> Cast:
        truth, row, sites = self._truth, self._components.row, self._truth.sites
        known = [(name, truth.ligand(name)) for name in self._components.names]
        ligands = [(name, ligand) for name, ligand in known if ligand is not None]
        bound = [[row(f"bound:{site}:{name}") for name, _ in ligands] for site in sites]
        lots = [
            (row(name), *self._densities[name.casefold()])
            for name in self._components.names
            if name.casefold() in self._densities
        ]
        density = [[m.sites.get(s, 0.0) * 1e-3 * lot for _, m, lot in lots] for s in sites]
        kd = [[ligand.sites.get(s, np.inf) * 1e9 for _, ligand in ligands] for s in sites]
        kd_nm = np.array(kd, dtype=np.float64).reshape(len(sites), len(ligands))
        kon = np.array([ligand.kon(WARM_C) for _, ligand in ligands])
        sticky = np.zeros(self._components.capacity)
        for name, ligand in ligands:
            sticky[row(name)] = ligand.sticky
        return Cast(
            size=len(self._components.names),
            ligands=tuple(ligand for _, ligand in ligands),
            ligand_rows=np.array([row(name) for name, _ in ligands], dtype=np.intp),
            bound=np.array(bound, dtype=np.intp).reshape(len(sites), len(ligands)),
            membrane_rows=np.array([r for r, _, _ in lots], dtype=np.intp),
            density=np.array(density, dtype=np.float64).reshape(len(sites), len(lots)),
            kd_nm=kd_nm,
            leaving_per_min=np.where(np.isfinite(kd_nm), kd_nm, 0.0) * kon,
            sticky=sticky,
            hot=tuple(i for i, (_, ligand) in enumerate(ligands) if ligand.specific_activity),
        )

    def bind(self, held: Held, minutes: float) -> None:
        """Let ligands and receptors of a labware meet for a time."""
        cast = self.cast()
        if not cast.membrane_rows.size or not cast.ligand_rows.size:
            return
        protein = held.amounts[cast.membrane_rows]
        if not protein.any():
            return
        wells = np.flatnonzero(protein.any(axis=0) & (held.volume_ul > 0))
        total = held.amounts[np.ix_(cast.ligand_rows, wells)]
        there = np.flatnonzero(total.any(axis=1))
        if not wells.size or not there.size:
            return
        volume = held.volume_ul[wells]
        at = cast.bound[:, there, None], wells
        receptor = cast.density @ protein[:, wells]
        after = carry_forward(
            held.amounts[at] / volume,
            total[there] / volume,
            receptor / volume,
            self._rates(cast, there, held.temperature_c),
            minutes,
        )
        held.amounts[at] = after * volume

    def receptor_fmol(self, held: Held) -> Array:
        """Receptor in each well, shape (sites, wells)."""
        cast = self.cast()
        return np.asarray(cast.density @ held.amounts[cast.membrane_rows])

    def dpm_per_fmol(self, column: int, now: datetime) -> float:
        """Disintegrations per minute and fmol of a ligand of the cast, at a date."""
        ligand = self.cast().ligands[column]
        reference = datetime.combine(ligand.specific_activity_date, time(), tzinfo=UTC)
        days = (now - reference).total_seconds() / 86400.0
        half_lives = days / self._truth.counting.half_life_days
        return DPM_PER_FMOL * (ligand.specific_activity or 0.0) * float(2.0**-half_lives)

    @staticmethod
    def _rates(cast: Cast, there: Indices, temperature_c: float) -> Rates:
        kd = cast.kd_nm[:, there]
        binds = np.isfinite(kd)
        kon = binds * np.array([cast.ligands[i].kon(temperature_c) for i in there])
        return Rates(kon[..., None], (kon * np.where(binds, kd, 0.0))[..., None])
