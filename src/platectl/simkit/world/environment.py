"""What a room does to a plate: evaporation, drying, darkness, and unevenness."""

from __future__ import annotations

import math

import numpy as np

from platectl.simkit.world.matter import Array, Held
from platectl.simkit.world.truth import Environment, Truth

VAPOUR_PER_C = 0.058  # relative rise of the vapour pressure of water for each degree
EVAPORATION_AT_C = 37.0
DRYING_AT_C = 40.0
LEAST_LEFT = 0.1  # evaporation never takes more than the rest of a well's volume at once


def rim(rows: int, columns: int) -> Array:
    """Sides of each well that are outside: 0 inside, 1 at an edge, 2 in a corner; row-major."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    sides = ((row == 0) | (row == rows - 1)).astype(float)
    return np.asarray(sides + ((column == 0) | (column == columns - 1)))


def evaporation_ul_per_h(held: Held, environment: Environment) -> Array:
    """Evaporation from each open well at 37 C."""
    if held.volume_ul.size <= 1:
        return np.full(held.volume_ul.size, environment.evaporation_ul_per_h[0])
    shape = held.kind.format
    outside = rim(shape.rows, shape.columns).astype(int)
    return np.asarray(np.array(environment.evaporation_ul_per_h)[outside])


def unevenness(held: Held, spread: float, rng: np.random.Generator) -> Array:
    """Factor of each well: gradients over columns and rows, and an edge effect."""
    if held.volume_ul.size <= 1:
        return np.ones(held.volume_ul.size)
    shape = held.kind.format
    down, across, edge = spread * rng.standard_normal(3)
    row, column = np.divmod(np.arange(shape.size), shape.columns)
    half_rows, half_columns = (shape.rows - 1) / 2, (shape.columns - 1) / 2
    slope = down * (row - half_rows) / half_rows + across * (column - half_columns) / half_columns
    return np.asarray(1.0 + slope + edge * (rim(shape.rows, shape.columns) > 0))


def evaporate(held: Held, minutes: float, truth: Truth, *, lidded: bool) -> None:
    """Let liquid evaporate; what is dissolved stays. A filter also dries out."""
    environment = truth.environment
    cover = environment.sealed_factor if held.sealed else 1.0
    cover *= environment.lidded_factor if lidded else 1.0
    warmth = math.exp(VAPOUR_PER_C * (held.temperature_c - EVAPORATION_AT_C))
    lost = held.evaporation_ul_per_h * (cover * warmth * minutes / 60.0)
    if not held.is_filter:
        held.volume_ul -= np.minimum((1.0 - LEAST_LEFT) * held.volume_ul, lost)
        return
    filtration = truth.filtration
    warmth = math.exp(VAPOUR_PER_C * (held.temperature_c - DRYING_AT_C))
    drying = filtration.holdup / (filtration.dry_after / 60.0) * warmth * cover * minutes
    standing = held.volume_ul > filtration.holdup
    after = np.where(
        standing,
        np.maximum(held.volume_ul - lost, filtration.holdup),
        np.maximum(held.volume_ul - drying, 0.0),
    )
    held.volume_ul[:] = after
