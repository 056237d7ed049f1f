"""Mass-action binding of several ligands to several sites, in many wells at once.

For each site with free receptor R and ligands i: d(RL_i)/dt = kon_i L_i R - koff_i RL_i, with all
free concentrations by mass balance. One implicit Euler step is solved exactly: with R known every
RL_i follows in closed form, and R is the root of a monotone function found by Newton's method.
A full step and two half steps give the error and, extrapolated, second order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SMALLEST_STEP_MIN = 1e-4


@dataclass(frozen=True, slots=True)
class Rates:
    """Association (/nM/min) and dissociation (/min) rates, shape (sites, ligands, 1)."""

    kon: Array
    koff: Array


def carry_forward(
    bound_nm: Array, ligand_nm: Array, receptor_nm: Array, rates: Rates, minutes: float, *, tolerance: float = 3e-5
) -> Array:  # fmt: skip
    """Return bound concentrations after a time.

    Shapes: bound (sites, ligands, wells), total ligand (ligands, wells), total receptor
    (sites, wells). `tolerance` is the error allowed for one step as a share of the receptor.
    """
    scale = np.maximum(receptor_nm.max(initial=0.0), 1e-9)
    done, step = 0.0, min(minutes, 0.02)
    bound = bound_nm
    while done < minutes - 1e-9:
        step = min(step, minutes - done)
        once = _step(bound, ligand_nm, receptor_nm, rates, step)
        half = _step(bound, ligand_nm, receptor_nm, rates, step / 2)
        twice = _step(half, ligand_nm, receptor_nm, rates, step / 2)
        error = float(np.max(np.abs(twice - once), initial=0.0)) / scale
        if error > 3.0 * np.sqrt(tolerance) and step > SMALLEST_STEP_MIN:
            step /= 3
            continue
        bound = np.maximum(2.0 * twice - once, 0.0)
        done += step
        step *= float(np.clip(np.sqrt(np.sqrt(tolerance) * 0.3 / max(error, 1e-12)), 0.3, 3.0))
    return bound


def _step(bound: Array, ligand: Array, receptor: Array, rates: Rates, minutes: float) -> Array:
    elsewhere = bound.sum(axis=0, keepdims=True) - bound  # held by the other sites, shape of bound
    available = np.maximum(ligand[None] - elsewhere, 0.0)
    grown = minutes * rates.kon
    decayed = 1.0 + minutes * rates.koff
    pull = grown * available
    free = np.maximum(receptor - bound.sum(axis=1), 0.0)
    for _ in range(12):
        below = decayed + grown * free[:, None]
        each = (bound + pull * free[:, None]) / below
        slope = 1.0 + ((pull * decayed - bound * grown) / below**2).sum(axis=1)
        change = (free + each.sum(axis=1) - receptor) / slope
        free = np.maximum(free - change, 0.0)
        if float(np.max(np.abs(change), initial=0.0)) < 1e-11 + 1e-10 * float(
            receptor.max(initial=0.0)
        ):
            break
    below = decayed + grown * free[:, None]
    return np.asarray((bound + pull * free[:, None]) / below)
