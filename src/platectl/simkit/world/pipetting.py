"""Volumes as they really come: bias of a tip, random error, empty wells, bottles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from platectl.simkit.world.matter import Array, Components, Held, Indices, add_at
from platectl.simkit.world.places import WorldError
from platectl.simkit.world.tips import Tips
from platectl.simkit.world.truth import LiquidHandling

FRACTIONS = frozenset({"dmso", "pei", "cocktail", "ethanol"})
FMOL_PER_UL = 1e9  # of a molar solution
MENISCUS = 1.02  # what a well holds above its brim
NOTHING_UL = 1e-12


def prepared(components: Components, contents: Mapping[str, float]) -> Array:
    """Amounts per microlitre of a prepared liquid: fmol, micrograms of protein, microlitres, cells."""
    rows = {components.row(name): name for name in contents}
    per_ul = np.zeros(components.capacity)
    for row, name in rows.items():
        plain = name.startswith(("membranes:", "cells:")) or name in FRACTIONS  # mg/mL is ug/uL
        per_ul[row] += contents[name] * (1.0 if plain else FMOL_PER_UL)
    return per_ul


@dataclass(slots=True)
class Bottle:
    """What a bulk dispenser pumps from; `bias` is that of its line."""

    liquid: str
    volume_ul: float
    per_ul: Array
    bias: float
    connected_s: float

    def take(self, volume_ul: float) -> None:
        """Pump a volume out.

        Raises:
            WorldError: empty; then nothing was pumped.
        """
        if volume_ul > self.volume_ul:
            raise WorldError("empty", f"the bottle of {self.liquid} is empty")
        self.volume_ul -= volume_ul


def draw(
    tips: Tips,
    held: Held,
    wells: Indices,
    wanted_ul: Array,
    *,
    repeated: bool,
    suspended: Array | None = None,
) -> Array:
    """Aspirate and return the amounts drawn by each channel, (components, channels).

    Channels in the same well share what it has. `suspended` is the share of each component that
    is still afloat in the well.
    """
    there = held.volume_ul[wells]
    if repeated:
        asked = np.bincount(wells, wanted_ul, held.volume_ul.size)[wells]
        taken = wanted_ul * np.minimum(1.0, there / np.maximum(asked, NOTHING_UL))
    else:
        taken = np.minimum(wanted_ul, there)
    drawn = held.amounts[:, wells] * (taken / np.maximum(there, NOTHING_UL))
    if suspended is not None:
        drawn *= suspended[:, None]
    add_at(held.amounts, wells, -drawn, repeated=repeated)
    add_at(held.volume_ul, wells, -taken, repeated=repeated)
    tips.volume_ul = tips.volume_ul + taken
    return np.asarray(drawn)


def stroke_ul(
    tips: Tips, volume_ul: float, handling: LiquidHandling, rng: np.random.Generator
) -> Array:
    """Volume by which each plunger really draws."""
    errors = handling.at(volume_ul)
    noise = rng.standard_normal((2, len(tips.z_bias)))
    wanted = volume_ul * (1.0 + errors.bias * tips.z_bias) * (1.0 + errors.cv * noise[0])
    wanted += handling.additive * noise[1]
    return np.where(tips.blocked, 0.0, np.maximum(wanted, 0.0))


def share_delivered(
    tips: Tips, volume_ul: float, handling: LiquidHandling, rng: np.random.Generator
) -> Array:
    """Share of each tip's content that a dispense delivers.

    A part has an error of its own; the last part empties the tip but for a film.
    """
    channels = len(tips.volume_ul)
    if volume_ul >= tips.nominal_ul - 1e-6:
        share = np.full(channels, 1.0 - handling.carry_over)
    else:
        noise = handling.at(volume_ul).cv * rng.standard_normal(channels)
        share = np.clip(volume_ul / tips.nominal_ul * (1.0 + noise), 0.0, 1.0)
    return np.where(tips.blocked, 0.0, share)


def let_out(tips: Tips, volume_ul: float, volumes: Array, amounts: Array) -> None:
    """Take a delivered portion out of the tips."""
    tips.volume_ul = tips.volume_ul - volumes
    tips.amounts = tips.amounts - amounts
    emptied = volume_ul >= tips.nominal_ul - 1e-6
    tips.nominal_ul = 0.0 if emptied else tips.nominal_ul - volume_ul


def check_room(held: Held, wells: Indices, volumes: Array, *, repeated: bool) -> None:
    """Refuse what a well cannot take.

    Raises:
        WorldError: overflow.
    """
    brim = held.kind.max_volume * MENISCUS
    if not brim:
        return
    arriving = np.bincount(wells, volumes, held.volume_ul.size)[wells] if repeated else volumes
    over = held.volume_ul[wells] + arriving > brim
    if over.any():
        well = held.kind.format.by_row()[int(wells[over.argmax()])]
        raise WorldError("overflow", f"{held.name} overflows at {well}")
