"""Volumes as they really come: bias of a tip, random error, empty wells, bottles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from platectl.simkit.world.matter import CAPACITY, Array, Components, Held
from platectl.simkit.world.places import WorldError
from platectl.simkit.world.tips import Tips
from platectl.simkit.world.truth import LiquidHandling

FRACTIONS = {"dmso", "pei", "cocktail", "ethanol"}


def prepared(components: Components, contents: Mapping[str, float]) -> Array:
    """Amounts per microlitre of a prepared liquid: fmol, micrograms of protein, or microlitres."""
    per_ul = np.zeros(CAPACITY)
    for name, value in contents.items():
        factor = 1e9  # molar to fmol/uL
        if name.startswith("membranes:") or name in FRACTIONS:
            factor = 1.0  # mg/mL is ug/uL; a volume fraction is uL/uL
        per_ul[components.row(name)] += value * factor
    return per_ul


@dataclass(slots=True)
class Bottle:
    """What a bulk dispenser pumps from."""

    liquid: str
    volume_ul: float
    per_ul: Array
    bias: float

    def take(self, volume_ul: float) -> None:
        """Pump a volume out.

        Raises:
            WorldError: empty.
        """
        if volume_ul > self.volume_ul:
            raise WorldError("empty", f"the bottle of {self.liquid} is empty")
        self.volume_ul -= volume_ul


def draw(
    tips: Tips, held: Held, wells: npt.NDArray[np.intp], volume_ul: float, handling: LiquidHandling,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Aspirate into the tips, with their errors."""
    errors = handling.at(volume_ul)
    wanted = (
        volume_ul
        * (1 + errors.bias * tips.z_bias)
        * (1 + errors.cv * rng.standard_normal(len(wells)))
    )
    wanted += handling.additive * rng.standard_normal(len(wells))
    wanted = np.where(tips.blocked, 0.0, np.maximum(wanted, 0.0))
    if len(wells) > 1 and (wells == wells[0]).all():  # a trough
        there = float(held.volume_ul[wells[0]])
        taken = wanted * min(1.0, there / max(float(wanted.sum()), 1e-12))
        share = taken / max(there, 1e-12)
        drawn = held.amounts[:, wells[0], None] * share
        held.amounts[:, wells[0]] -= drawn.sum(axis=1)
        held.volume_ul[wells[0]] -= taken.sum()
    else:
        there_each = held.volume_ul[wells]
        taken = np.minimum(wanted, there_each)
        share = taken / np.maximum(there_each, 1e-12)
        drawn = held.amounts[:, wells] * share
        held.amounts[:, wells] -= drawn
        held.volume_ul[wells] -= taken
    tips.volume_ul += taken
    tips.amounts += drawn
    tips.nominal_ul += volume_ul


def deliver(
    tips: Tips, volume_ul: float, handling: LiquidHandling, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Dispense from the tips; a partial volume has an error of its own, a last one empties the tip."""
    share = np.full(len(tips.volume_ul), min(1.0, volume_ul / max(tips.nominal_ul, 1e-12)))
    last = volume_ul >= tips.nominal_ul - 1e-6
    if last:
        share *= 1.0 - handling.carry_over
    else:
        share = np.clip(
            share * (1 + handling.at(volume_ul).cv * rng.standard_normal(len(share))), 0.0, 1.0
        )
    volumes, amounts = tips.volume_ul * share, tips.amounts * share
    tips.volume_ul = tips.volume_ul - volumes
    tips.amounts = tips.amounts - amounts
    tips.nominal_ul = 0.0 if last else tips.nominal_ul - volume_ul
    return volumes, amounts
