"""Exact equilibrium of one receptor with any number of competing ligands.

Mass balance in the free receptor R (molar), with total ligands A_i and constants K_i:
`R + sum_i A_i R/(K_i + R) = R_T`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray

_EPS = float(np.finfo(np.float64).eps)
_MAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class Equilibrium:
    """Free and bound concentrations in molar, each of the broadcast shape of the inputs.

    `bound_molar` and `free_molar` have a leading axis over the ligands.
    """

    free_receptor_molar: FloatArray
    bound_molar: FloatArray
    free_molar: FloatArray


def free_receptor(
    receptor_molar: ArrayLike, ligand_molar: FloatArray, dissociation_molar: FloatArray
) -> FloatArray:
    """Free receptor in molar by Newton's method, shape of the ligands without the first axis.

    The left side of the balance rises and is concave in R, so Newton's method started at
    `R_T/(1 + sum A_i/K_i)`, which lies below the root, climbs to it and never passes it: no
    bracket is needed. It stops when the balance holds to a few units of rounding of R_T.
    An infinite ligand leaves no free receptor.

    Args:
        receptor_molar: Total receptor, broadcast against one ligand.
        ligand_molar: Total ligands, shape (ligands, ...); may be infinite.
        dissociation_molar: Dissociation constants, broadcast against `ligand_molar`.
    """
    saturated = np.isinf(ligand_molar)
    endless = bool(saturated.any())
    total = np.where(saturated, 0.0, ligand_molar) if endless else ligand_molar
    free = receptor_molar / (1.0 + (total / dissociation_molar).sum(axis=0))
    limit = 4.0 * _EPS * np.asarray(receptor_molar)
    for _ in range(_MAX_STEPS):
        room = dissociation_molar + free
        held = total / room
        excess = free * (1.0 + held.sum(axis=0)) - receptor_molar
        free = free - excess / (1.0 + (held * dissociation_molar / room).sum(axis=0))
        if not (np.abs(excess) > limit).any():
            break
    return np.where(saturated.any(axis=0), 0.0, free) if endless else np.asarray(free)


def equilibrium(
    receptor_molar: ArrayLike, ligand_molar: ArrayLike, dissociation_molar: ArrayLike
) -> Equilibrium:
    """Solve the balance and give every species.

    Args:
        receptor_molar: Total receptor; zero or more.
        ligand_molar: Total ligands, shape (ligands, ...); finite, zero or more.
        dissociation_molar: Dissociation constants, same leading axis; above zero.

    Raises:
        AnalysisError: A concentration is negative or not finite, or a constant is not positive.
    """
    receptor = np.asarray(receptor_molar, dtype=np.float64)
    total = np.asarray(ligand_molar, dtype=np.float64)
    constant = np.asarray(dissociation_molar, dtype=np.float64)
    if constant.ndim < total.ndim:
        constant = constant.reshape(constant.shape + (1,) * (total.ndim - constant.ndim))
    for name, values in (("receptor", receptor), ("ligand", total)):
        if not np.isfinite(values).all() or (values < 0.0).any():
            message = f"The total {name} concentration must be finite and not negative."
            raise AnalysisError(message)
    if not np.isfinite(constant).all() or (constant <= 0.0).any():
        message = "Dissociation constants must be finite and above zero."
        raise AnalysisError(message)
    free = free_receptor(receptor, total, constant)
    free_ligand = total / (1.0 + free / constant)
    return Equilibrium(free, free_ligand * free / constant, free_ligand)
