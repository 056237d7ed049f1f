"""From ratio and dye to counts at 340 and 380 nm, and back to calcium; what dissolved dyes absorb."""

from __future__ import annotations

import numpy as np

from platectl.simkit.world.cells import NOMINAL_CELLS, CellPlate, concentration_nm
from platectl.simkit.world.matter import Array, Components, Held, Indices
from platectl.simkit.world.places import WorldError
from platectl.simkit.world.truth import Truth
from platectl.simkit.world.truth_cells import Fura2

CHANNELS_NM = (340.0, 380.0)
TOLERANCE_NM = 5.0
COLUMN_UL = 100.0
JOLT_S = 1.5
WELL_MM2, WELLS = 32.0, 96  # floor of a well; smaller on plates of more wells
PLASTIC = 0.042
# the band by which the height of water is measured
WATER_NM, WATER_WIDTH_NM, WATER_PER_CM = 977.0, 25.0, 0.18


def channel_of(excitation_nm: float) -> int:
    """0 for 340 nm and 1 for 380 nm.

    Raises:
        WorldError: no_such_channel; this world knows no other excitation of Fura-2.
    """
    for index, known in enumerate(CHANNELS_NM):
        if abs(excitation_nm - known) <= TOLERANCE_NM:
            return index
    raise WorldError(
        "no_such_channel", f"nothing is known about excitation at {excitation_nm:g} nm"
    )


def calcium_nm(dye: Fura2, ratio: Array) -> Array:
    """Calcium from the ratio (Grynkiewicz): Kd beta (R-Rmin)/(Rmax-R), nM; infinite at Rmax."""
    with np.errstate(divide="ignore"):
        value = dye.kd * 1e9 * dye.beta * (ratio - dye.rmin) / np.maximum(dye.rmax - ratio, 0.0)
    return np.asarray(np.maximum(value, 0.0))


def bound_share(dye: Fura2, ratio: Array) -> Array:
    """Share of the dye that holds calcium at a ratio: R = (S1(1-b)+T1 b)/(S2(1-b)+T2 b)."""
    free_340, bound_340 = dye.rmin * dye.free_380, dye.rmax * dye.bound_380
    above = ratio * dye.free_380 - free_340
    below = above + bound_340 - ratio * dye.bound_380
    return np.asarray(np.clip(above / below, 0.0, 1.0))


def counts(
    held: Held, cells: CellPlate, wells: Indices, at_s: Array, channel: int, truth: Truth,
    components: Components,
) -> Array:  # fmt: skip
    """Expected counts of wells at their times in one channel; reading bleaches them."""
    dye = truth.fura2
    free, bound = (
        (dye.rmin * dye.free_380, dye.rmax * dye.bound_380)
        if channel == 0
        else (dye.free_380, dye.bound_380)
    )
    share = bound_share(dye, cells.ratio(wells, at_s))
    inside = cells.dye[wells] * (free * (1.0 - share) + bound * share)
    inside *= cells.cells[wells] / NOMINAL_CELLS
    outside = cells.leaked[wells] * bound * dye.medium_seen
    thin = np.minimum(COLUMN_UL / np.maximum(held.volume_ul[wells], 1.0), 1.25)
    signal = (inside + outside) * cells.loading[wells] * thin * held.signal[wells]
    since = at_s - cells.disturbed_s[wells]
    shaken = (since >= 0) & (since < JOLT_S)
    signal = np.where(shaken, signal * cells.jolt[wells], signal)
    cells.dye[wells] *= 1.0 - dye.bleaching
    background = dye.background_340 if channel == 0 else dye.background_380
    return np.asarray(signal + background + glow(held, wells, channel, truth, components))


def absorbance(
    held: Held, wells: Indices, wavelength_nm: float, truth: Truth, components: Components
) -> Array:
    """Absorbance of wells read from above: plastic, and what is dissolved along the liquid's height."""
    area_mm2 = WELL_MM2 * WELLS / held.volume_ul.size
    path_cm = held.volume_ul[wells] / area_mm2 / 10.0
    per_cm = np.full(wells.size, WATER_PER_CM * _band(wavelength_nm, WATER_NM, WATER_WIDTH_NM))
    for name, dye in truth.absorbers.items():
        molar = concentration_nm(held, components, name)[wells] * 1e-9
        per_cm += molar * dye.per_molar_cm * _band(wavelength_nm, dye.peak_nm, dye.width_nm)
    return np.asarray(PLASTIC + per_cm * path_cm)


def _band(wavelength_nm: float, peak_nm: float, width_nm: float) -> float:
    return float(np.exp(-0.5 * ((wavelength_nm - peak_nm) / width_nm) ** 2))


def without_cells(
    held: Held, wells: Indices, channel: int, truth: Truth, components: Components
) -> Array:
    """Expected counts of wells that hold no cells: background, and what shines, by its height."""
    dye = truth.fura2
    shining = glow(held, wells, channel, truth, components) * held.volume_ul[wells] / COLUMN_UL
    return np.asarray((dye.background_340, dye.background_380)[channel] + shining)


def glow(held: Held, wells: Indices, channel: int, truth: Truth, components: Components) -> Array:
    """Counts of compounds that shine themselves."""
    total = np.zeros(wells.size)
    for name, shine in truth.autofluorescence.items():
        per_um = shine.at_340 if channel == 0 else shine.at_380
        total += per_um * concentration_nm(held, components, name)[wells] * 1e-3
    return total
