"""What a filter keeps of what passes it, and what it lets go again while it is wet."""

from __future__ import annotations

import numpy as np

from platectl.simkit.world.chemistry import Chemistry
from platectl.simkit.world.matter import Array, Components, Held, Indices
from platectl.simkit.world.truth import Truth

NEVER_CLEAN_UL = 1e-9


def pass_through(
    held: Held,
    wells: Indices,
    volume_ul: Array,
    amounts: Array,
    *,
    truth: Truth,
    chemistry: Chemistry,
    components: Components,
    rng: np.random.Generator,
) -> Array:
    """Draw liquid through filter wells and return what went to the waste, (components,).

    Membranes with what is bound to them stay, but for those that slip through. Of the free ligand
    a small share sticks to the filter; the rest mixes with the hold-up of the filter, and what is
    more than the hold-up leaves. `wells` has no well twice.
    """
    filtration, cast = truth.filtration, chemistry.cast()
    held.fit(components)
    arriving = components.fit(amounts)
    spread = filtration.recovery_sd * rng.standard_normal(len(wells))
    recovery = np.clip(filtration.recovery + spread, 0.0, 1.0)
    bound = cast.bound.ravel()
    particles = np.concatenate((bound, cast.membrane_rows))
    caught = arriving[particles] * recovery
    held.kept[np.ix_(particles, wells)] += caught
    waste = np.zeros(components.capacity)
    lost = arriving[particles] - caught
    waste[cast.membrane_rows] += lost[bound.size :].sum(axis=1)
    slipped = lost[: bound.size].sum(axis=1).reshape(cast.bound.shape).sum(axis=0)
    waste[cast.ligand_rows] += slipped

    liquid = arriving.copy()
    liquid[cast.ligand_rows] = free = cast.free(arriving)
    liquid[particles] = 0.0
    sticking = free * _sticking(held, wells, arriving, truth, chemistry)
    liquid[cast.ligand_rows] -= sticking
    held.kept[np.ix_(cast.ligand_rows, wells)] += sticking
    held.note_kept()
    pei = components.known("pei")
    if pei is not None:
        held.soaked[wells] |= arriving[pei] > 0

    mixed = held.amounts[:, wells] + liquid
    volume = held.volume_ul[wells] + volume_ul
    stays = np.minimum(1.0, filtration.holdup / np.maximum(volume, NEVER_CLEAN_UL))
    held.amounts[:, wells] = mixed * stays
    held.volume_ul[wells] = volume * stays
    return np.asarray(waste + (mixed * (1.0 - stays)).sum(axis=1))


def _sticking(
    held: Held, wells: Indices, arriving: Array, truth: Truth, chemistry: Chemistry
) -> Array:
    filtration = truth.filtration
    membranes = arriving[chemistry.cast().membrane_rows].any(axis=0)
    share = np.where(membranes, chemistry.nsb_fraction, filtration.nsb_without_membranes)
    share = np.where(held.soaked[wells], share, share * filtration.nsb_factor_unsoaked)
    return np.minimum(share, 1.0)


def let_go(held: Held, minutes: float, *, truth: Truth, chemistry: Chemistry) -> None:
    """Let bound ligand dissociate into the hold-up of wet wells; a later wash takes it away."""
    cast = chemistry.cast()
    site, column = np.nonzero(held.holds[cast.bound])
    if not site.size:
        return
    row = cast.bound[site, column]
    slowed_min = truth.filtration.cold_factor * minutes
    gone = -np.expm1(-slowed_min * cast.leaving_per_min[site, column])
    freed = held.kept[row] * gone[:, None] * (held.volume_ul > 0)
    held.kept[row] -= freed
    np.add.at(held.amounts, cast.ligand_rows[column], freed)
