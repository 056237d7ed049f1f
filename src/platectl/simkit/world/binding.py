"""Mass-action binding of several ligands to several sites, in many wells at once.

For each site with free receptor R and ligands i: d(RL_i)/dt = kon_i L_i R - koff_i RL_i, with all
free concentrations by mass balance. One implicit Euler step is solved exactly: with R known every
RL_i follows in closed form, and R is the root of a monotone concave function, found by Newton's
method. One, two, three and four such steps over the same time are extrapolated to fourth order;
the last two columns of the table give the error, and the error the next step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FIRST_STEP_MIN = 0.05
LEAST_STEP_MIN = 1e-6
ORDER = 4
NEWTON_STEPS = 40
NEWTON_CLOSE = 1e-7


@dataclass(frozen=True, slots=True)
class Rates:
    """Association (/nM/min) and dissociation (/min) rates, shape (sites, ligands, 1)."""

    kon: Array
    koff: Array


def carry_forward(
    bound_nm: Array,
    ligand_nm: Array,
    receptor_nm: Array,
    rates: Rates,
    minutes: float,
    *,
    tolerance: float = 1e-4,
) -> Array:
    """Return bound concentrations after a time.

    Shapes: bound (sites, ligands, wells), total ligand (ligands, wells), total receptor
    (sites, wells). `tolerance` is the error allowed for one step as a share of the receptor of
    a well.
    """
    scale = np.maximum(receptor_nm.sum(axis=0), 1e-12)
    done, step = 0.0, FIRST_STEP_MIN
    bound = bound_nm
    while done < minutes * (1 - 1e-12):
        step = min(step, minutes - done)
        after, error_nm = _extrapolated(bound, ligand_nm, receptor_nm, rates, step)
        error = float((error_nm / scale).max(initial=0.0)) / tolerance
        if error <= 1.0 or step <= LEAST_STEP_MIN:
            bound = np.maximum(after, 0.0)
            done += step
        step *= min(4.0, max(0.2, 0.85 * max(error, 1e-9) ** (-1.0 / ORDER)))
    return bound


def _extrapolated(
    bound: Array, ligand: Array, receptor: Array, rates: Rates, minutes: float
) -> tuple[Array, Array]:
    """Take one step of fourth order; returns the state and the error estimate.

    Rows of the table are independent, so that the n-th parts of all rows are taken together.
    """
    parts = np.arange(1, ORDER + 1)
    part_min = (minutes / parts)[:, None, None, None]
    states = np.broadcast_to(bound, (ORDER, *bound.shape)).copy()
    for taken in range(ORDER):  # the first `taken` rows are over
        states[taken:] = _implicit_step(states[taken:], ligand, receptor, rates, part_min[taken:])
    previous: list[Array] = []
    row: list[Array] = []
    for number, state in zip(parts.tolist(), states, strict=True):
        row = [state]
        for k, coarser in enumerate(previous, start=1):
            row.append(row[-1] + (row[-1] - coarser) * ((number - k) / k))
        previous = row
    return row[-1], np.abs(row[-1] - row[-2])


def _implicit_step(
    bound: Array, ligand: Array, receptor: Array, rates: Rates, minutes: Array
) -> Array:
    """One step from each state; shapes: bound (states, sites, ligands, wells), minutes (states, 1, 1, 1)."""
    # What other sites hold is taken from the start of the step; the extrapolation corrects it.
    several = bound.shape[1] > 1
    elsewhere = bound.sum(axis=1, keepdims=True) - bound if several else 0.0
    grown = minutes * rates.kon
    decayed = 1.0 + minutes * rates.koff
    pull = grown * np.maximum(ligand - elsewhere, 0.0)
    curve = pull * decayed - bound * grown
    close = NEWTON_CLOSE * receptor + 1e-15
    free = np.maximum(receptor - bound.sum(axis=2), 0.0)
    below = decayed + grown * free[:, :, None]
    each = (bound + pull * free[:, :, None]) / below
    for _ in range(NEWTON_STEPS):
        excess = free + each.sum(axis=2) - receptor
        if (np.abs(excess) <= close).all():
            break
        free = np.maximum(free - excess / (1.0 + (curve / (below * below)).sum(axis=2)), 0.0)
        below = decayed + grown * free[:, :, None]
        each = (bound + pull * free[:, :, None]) / below
    return np.asarray(each)
