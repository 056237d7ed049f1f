"""Labware with what it holds, and the list of everything that can be held."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from platectl.domain.labware import LabwareKind

Array = npt.NDArray[np.float64]
CAPACITY = 48


class Components:
    """Names of all substances; each is a row of every amounts matrix.

    Ligands are in fmol (bound part included), membranes in micrograms of protein, `dmso`, `pei` and
    `cocktail` in microlitres; `bound:<site>:<ligand>` in fmol.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._rows: dict[str, int] = {}

    def row(self, name: str) -> int:
        """Row of a substance; a new name gets the next row."""
        if name not in self._rows:
            if len(self.names) >= CAPACITY:
                raise ValueError(f"more than {CAPACITY} substances in one world")
            self._rows[name] = len(self.names)
            self.names.append(name)
        return self._rows[name]

    def known(self, name: str) -> int | None:
        """Row of a substance if it was ever seen."""
        return self._rows.get(name)


@dataclass(slots=True)
class Held:
    """One labware: volumes (wells,), amounts (components, wells), and its state."""

    name: str
    kind: LabwareKind
    barcode: str
    wells: dict[str, int]
    volume_ul: Array
    amounts: Array
    since_s: float
    temperature_c: float
    position: str | None = None
    sealed: bool = False
    vacuum: bool = False
    soaked: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    stuck: Array = field(
        default_factory=lambda: np.zeros(0)
    )  # (components, wells) kept by the filter
    evenness: Array = field(default_factory=lambda: np.ones(0))
    lit_s: float | None = None  # when the cocktail came

    @property
    def is_filter(self) -> bool:
        """Whether liquid passes through when there is a vacuum below."""
        return self.kind.role == "filter_plate"


def new_held(
    name: str,
    kind: LabwareKind,
    *,
    barcode: str,
    now_s: float,
    temperature_c: float,
    evenness: Array,
) -> Held:
    """Return empty labware."""
    wells = (
        {}
        if kind.role in {"tip_rack", "lid"}
        else {w: i for i, w in enumerate(kind.format.by_row())}
    )
    n = len(wells)
    return Held(
        name, kind, barcode, wells, np.zeros(n), np.zeros((CAPACITY, n)), now_s, temperature_c,
        soaked=np.zeros(n, dtype=np.bool_), stuck=np.zeros((CAPACITY, n)), evenness=evenness[:n],
    )  # fmt: skip
