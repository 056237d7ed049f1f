"""From tritium in a well to counts per minute: efficiency, decay, quench, crosstalk, light."""

from __future__ import annotations

import math

import numpy as np

from platectl.domain.clock import Clock
from platectl.simkit.world.chemistry import Chemistry
from platectl.simkit.world.matter import Array, Components, Held
from platectl.simkit.world.truth import Truth

LEAST_COCKTAIL_UL = 20.0
WET_SHARE = 0.2  # of the hold-up; with more water than that a filter is quenched


def efficiencies(held: Held, truth: Truth, components: Components) -> Array:
    """Counting efficiency of all wells."""
    counting, cocktail = truth.counting, _cocktail_ul(held, components)
    value = counting.efficiency if held.is_filter else counting.efficiency_solution
    lit = cocktail >= LEAST_COCKTAIL_UL
    each = np.where(lit, value, counting.without_cocktail)
    if held.is_filter:
        wet = lit & (held.volume_ul - cocktail > WET_SHARE * truth.filtration.holdup)
        each = np.where(wet, each * counting.wet_factor, each)
    return np.minimum(each * held.signal, 1.0)


def tritium_dpm(held: Held, chemistry: Chemistry, clock: Clock) -> Array:
    """Disintegrations per minute in all wells: what is dissolved, bound, and kept by a filter."""
    now, cast = clock.now(), chemistry.cast()
    dpm = np.zeros(held.volume_ul.size)
    for column in cast.hot:
        row = cast.ligand_rows[column]
        fmol = held.amounts[row] + held.kept[row]
        if held.is_filter:
            fmol = fmol + held.kept[cast.bound[:, column]].sum(axis=0)
        dpm += chemistry.dpm_per_fmol(column, now) * fmol
    return dpm


def rates_cpm(
    held: Held, truth: Truth, chemistry: Chemistry, components: Components, clock: Clock
) -> Array:
    """Counts per minute above background of all wells, row-major."""
    counting = truth.counting
    cpm = tritium_dpm(held, chemistry, clock) * efficiencies(held, truth, components)
    if cpm.size > 1:
        rows, columns = held.kind.format.rows, held.kind.format.columns
        grid = np.zeros((rows + 2, columns + 2))
        grid[1:-1, 1:-1] = cpm.reshape(rows, columns)
        near = grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:]
        cpm = cpm + counting.crosstalk * near.ravel()
    faded = math.exp(-60.0 * held.cocktail_dark_min / counting.luminescence_decay)
    lit = _cocktail_ul(held, components) >= LEAST_COCKTAIL_UL
    return np.asarray(cpm + counting.luminescence_cpm * faded * lit)


def _cocktail_ul(held: Held, components: Components) -> Array:
    row = components.known("cocktail")
    if row is None or row >= len(held.amounts):
        return np.zeros(held.volume_ul.size)
    return np.asarray(held.amounts[row])
