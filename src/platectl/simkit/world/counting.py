"""From tritium in a well to counts per minute: efficiency, decay, quench, crosstalk, light."""

from __future__ import annotations

from datetime import UTC, datetime, time

import numpy as np

from platectl.domain.clock import Clock
from platectl.domain.wells import PlateFormat
from platectl.simkit.world.matter import Array, Components, Held
from platectl.simkit.world.truth import Truth

DPM_PER_FMOL_CI = 2.22  # 1 Ci/mmol = 2.22 dpm/fmol
LEAST_COCKTAIL_UL = 20.0


def evenness(draws: Array) -> Array:
    """Factor of each well of a 96-well plate from draws for columns, rows and the rim."""
    plate = PlateFormat.of(96)
    rows, columns = np.divmod(np.arange(plate.size), plate.columns)
    rim = (rows == 0) | (rows == plate.rows - 1) | (columns == 0) | (columns == plate.columns - 1)
    return np.asarray(
        1 + draws[0] * (rows - 3.5) / 3.5 + draws[1] * (columns - 5.5) / 5.5 + draws[2] * rim
    )


def efficiencies(held: Held, truth: Truth, components: Components) -> Array:
    """Counting efficiency of all wells."""
    counting = truth.counting
    value = np.full(len(held.wells), counting.efficiency)
    row = components.known("cocktail")
    cocktail = held.amounts[row] if row is not None else np.zeros(len(held.wells))
    value[cocktail < LEAST_COCKTAIL_UL] = counting.without_cocktail
    if held.is_filter:
        wet = (held.volume_ul - cocktail > 0.2 * truth.filtration.holdup) & (
            cocktail >= LEAST_COCKTAIL_UL
        )
        value[wet] *= counting.wet_factor
        if len(held.evenness) == len(value):
            value = value * held.evenness
    return value


def rates(held: Held, truth: Truth, components: Components, clock: Clock, *, dark: bool) -> Array:
    """Counts per minute above background of all wells, row-major."""
    dpm = np.zeros(len(held.wells))
    for name, ligand in truth.ligands.items():
        if ligand.specific_activity is None:
            continue
        reference = datetime.combine(ligand.specific_activity_date, time(), tzinfo=UTC)
        days = (clock.now() - reference).total_seconds() / 86400.0
        activity = ligand.specific_activity * 2.0 ** (-days / truth.counting.half_life_days)
        dpm += _fmol(held, components, name) * DPM_PER_FMOL_CI * activity
    cpm = dpm * efficiencies(held, truth, components)
    if len(cpm) == PlateFormat.of(96).size:
        grid = np.pad(cpm.reshape(8, 12), 1)
        near = grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:]
        cpm = cpm + truth.counting.crosstalk * near.ravel()
    if held.lit_s is not None and not dark:
        age_s = clock.monotonic_s() - held.lit_s
        cpm = cpm + truth.counting.luminescence_cpm * np.exp(
            -age_s / truth.counting.luminescence_decay
        )
    return cpm


def _fmol(held: Held, components: Components, name: str) -> Array:
    """All of a ligand in each well: free, bound, and kept by a filter."""
    total = np.zeros(len(held.wells))
    for row, substance in enumerate(components.names):
        if substance.casefold() == name.casefold():
            total += held.amounts[row] + held.stuck[row]
        elif (
            held.is_filter
            and substance.startswith("bound:")
            and substance.split(":", 2)[2].casefold() == name.casefold()
        ):
            total += held.stuck[row]
    return total
