"""Labware with what it holds, and the list of everything that can be held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from platectl.domain.labware import LabwareKind
from platectl.domain.wells import PlateFormat

if TYPE_CHECKING:
    from platectl.simkit.world.cells import CellPlate

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

GROWTH = 16
NOT_FOR_LIQUID = frozenset({"tip_rack", "lid"})


class Components:
    """Names of all substances, in any case; each is a row of every amounts matrix.

    Ligands are in fmol (bound part included), membranes in micrograms of protein, `dmso`, `pei` and
    `cocktail` in microlitres; `bound:<site>:<ligand>` in fmol. Matrices have `capacity` rows, which
    grows with the number of names.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.capacity = GROWTH
        self._rows: dict[str, int] = {}

    def row(self, name: str) -> int:
        """Row of a substance; a new name gets the next row."""
        key = name.casefold()
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self.names)
            self.names.append(name)
            self.capacity = -(-len(self.names) // GROWTH) * GROWTH
        return row

    def known(self, name: str) -> int | None:
        """Row of a substance if it was ever seen."""
        return self._rows.get(name.casefold())

    def present(self, name: str, held: Held) -> bool:
        """Whether a labware holds any of a substance."""
        row = self.known(name)
        return row is not None and row < len(held.amounts) and bool(held.amounts[row].any())

    def fit(self, amounts: Array) -> Array:
        """Return amounts with a row for every substance known by now."""
        missing = self.capacity - len(amounts)
        if missing <= 0:
            return amounts
        return np.concatenate((amounts, np.zeros((missing, *amounts.shape[1:]))))


@dataclass(slots=True, eq=False)
class Held:
    """One labware: volumes (wells,), amounts (components, wells), and its state.

    `kept` is what a filter holds back: membranes, `bound:` rows, and in the rows of ligands only
    what sticks to the filter itself; `holds` says in which rows there is any. `signal` is the factor of each well's counting efficiency.
    `cocktail_dark_min` is the time in the dark since cocktail came; `mixed_s` is when the content
    of a source was last stirred.
    """

    name: str
    kind: LabwareKind
    barcode: str
    volume_ul: Array
    amounts: Array
    kept: Array
    holds: npt.NDArray[np.bool_]
    soaked: npt.NDArray[np.bool_]
    signal: Array
    evaporation_ul_per_h: Array
    since_s: float
    mixed_s: float
    temperature_c: float
    position: str | None = None
    dark: bool = False
    sealed: bool = False
    cells: CellPlate | None = None
    cocktail_dark_min: float = 0.0

    @property
    def is_filter(self) -> bool:
        """Whether liquid passes through when there is a vacuum below."""
        return self.kind.role == "filter_plate"

    def fit(self, components: Components) -> None:
        """Make room for substances that are new in the world."""
        if len(self.amounts) < components.capacity:
            self.amounts = components.fit(self.amounts)
            self.kept = components.fit(self.kept)
            self.note_kept()

    def note_kept(self) -> None:
        """See in which rows a filter holds anything."""
        self.holds = np.asarray(self.kept.any(axis=1))


def new_held(
    name: str, kind: LabwareKind, *, barcode: str, now_s: float, components: Components
) -> Held:
    """Return empty labware at no position."""
    n = 0 if kind.role in NOT_FOR_LIQUID else kind.format.size
    rows = components.capacity
    return Held(
        name=name,
        kind=kind,
        barcode=barcode,
        volume_ul=np.zeros(n),
        amounts=np.zeros((rows, n)),
        kept=np.zeros((rows, n)),
        holds=np.zeros(rows, dtype=np.bool_),
        soaked=np.zeros(n, dtype=np.bool_),
        signal=np.ones(n),
        evaporation_ul_per_h=np.zeros(n),
        since_s=now_s,
        mixed_s=now_s,
        temperature_c=0.0,
    )


def locate(held: Held, wells: Sequence[str]) -> tuple[Indices, bool]:
    """Return the row-major indices of wells, and whether a well occurs twice.

    Raises:
        KeyError: The labware has no such well.
    """
    if held.kind.role in NOT_FOR_LIQUID:
        raise KeyError(wells[0] if wells else "")
    return _locate(held.kind.wells, tuple(wells))


@lru_cache(maxsize=8)
def _numbers(size: int) -> dict[str, int]:
    return {well: number for number, well in enumerate(PlateFormat.of(size).by_row())}


@lru_cache(maxsize=2048)
def _locate(size: int, wells: tuple[str, ...]) -> tuple[Indices, bool]:
    numbers = _numbers(size)
    indices = np.array([numbers[well] for well in wells], dtype=np.intp)
    indices.flags.writeable = False
    return indices, len(set(wells)) < len(wells)


def turns(wells: Indices, *, repeated: bool) -> list[Indices]:
    """Split channels into groups in which no well occurs twice."""
    if not repeated:
        return [np.arange(len(wells), dtype=np.intp)]
    groups: list[list[int]] = []
    seen: dict[int, int] = {}
    for channel, well in enumerate(wells.tolist()):
        turn = seen.get(well, 0)
        seen[well] = turn + 1
        if turn == len(groups):
            groups.append([])
        groups[turn].append(channel)
    return [np.array(group, dtype=np.intp) for group in groups]


def add_at(total: Array, wells: Indices, parts: Array, *, repeated: bool) -> None:
    """Add parts to columns (or elements) of a total; a repeated well gets the sum of its parts."""
    if not repeated:
        total[..., wells] += parts
    elif (wells == wells[0]).all():  # a trough
        total[..., wells[0]] += parts.sum(axis=-1)
    else:
        for turn in turns(wells, repeated=True):
            total[..., wells[turn]] += parts[..., turn]
