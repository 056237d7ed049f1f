"""A world that notes what is done in it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from platectl.app.truth import load_truth
from platectl.domain.labware import LabwareKind
from platectl.domain.wells import PlateFormat
from platectl.files.lab import load_catalogue, load_lab
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import Truth, World

PLATE: Final = PlateFormat.of(96)
ACTS: Final = (
    "lift", "set_down", "shake", "seal", "peel", "vacuum", "new_tips", "put_back_tips", "aspirate",
    "dispense", "bulk_prime", "bulk_dispense", "aspirate_plate", "fluorescence", "count_rates",
)  # fmt: skip
READS: Final = ("fluorescence", "count_rates")

Act = tuple[str, str]


@functools.cache
def _truth() -> Truth:
    return load_truth(None)


@functools.cache
def _catalogue() -> Mapping[str, LabwareKind]:
    lab, _ = load_lab(None)
    return load_catalogue(lab)


class Journal(World):
    """A world that notes what is done in it; cells and counts are made up and never change."""

    def __init__(self) -> None:
        super().__init__(_truth(), VirtualClock(), catalogue=_catalogue())
        self.acts: list[Act] = []
        self.note(self, ACTS)

    def note(self, owner: Any, methods: Iterable[str]) -> None:
        """Note the calls of these methods as acts, in the order in which they happen."""
        for name in methods:
            setattr(owner, name, self._noting(name, getattr(owner, name)))

    def place(self, labware: str, kind: str, position: str, *, volume_ul: float = 0.0) -> None:
        """Put labware on a new position, its wells filled."""
        self.add_position(position)
        self.add_labware(labware, kind, position)
        if volume_ul:
            for well in self.catalogue[kind].format.by_row():
                self.fill(labware, well, volume_ul=volume_ul, contents={"dmso": 0.01})

    def fluorescence(self, position: str, wells: Sequence[str], **how: Any) -> Any:
        """Counts of each well, the same at any time."""
        del position
        rest = 2200.0 if how["excitation_nm"] < 360.0 else 5200.0
        return np.array([rest * (1.0 + 0.002 * PLATE.index(well)) for well in wells])

    def count_rates(self, position: str, wells: Sequence[str]) -> Any:
        """Counts per minute of each well, the same at any time."""
        del position
        return np.array([1500.0 + 10.0 * PLATE.index(well) for well in wells])

    def _noting(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **how: Any) -> Any:
            before = len(self.acts)
            result = act(*args, **how)
            if result is None and name == "lift":
                return result
            del self.acts[before:]  # what it did by others of these methods is its own
            if name in READS:
                self.acts += [(name, f"{args[0]} {well} {_words(how)}") for well in args[1]]
            else:
                self.acts.append((name, f"{_words(args)} {_words(how)}".strip()))
            return result

        return noted


def _words(values: Any) -> str:
    """Arguments in short; lists of wells by their number, tips and times not at all."""
    if isinstance(values, Mapping):
        return " ".join(f"{k}={_words((v,))}" for k, v in values.items() if k != "at_s")
    short = (f"{len(v)} wells" if isinstance(v, list | tuple) else v for v in values)
    return " ".join(str(v) for v in short if isinstance(v, str | int | float | dict))
