"""A world with cells for readers: a made-up calcium answer to whatever is added, no scatter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from platectl.domain.labware import LabwareKind
from platectl.domain.wells import PlateFormat
from platectl.simkit.faults import FaultPlan
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World
from platectl.simkit.world.places import WorldError
from platectl_simulators.truth_file import default_truth

PLATE = PlateFormat.of(96)
CATALOGUE = {
    "cells": LabwareKind.model_validate({"role": "plate", "max_volume": "360 uL"}),
    "tips": LabwareKind.model_validate({"role": "tip_rack", "tip_volume": "300 uL"}),
}
REST = {340.0: 2200.0, 380.0: 5200.0}
#: counts that an addition adds at its height, and how it goes
RISE = {340.0: 2600.0, 380.0: -1900.0}
DECAY_S = 40.0


def expected(well: str, excitation_nm: float, since_s: float | None) -> float:
    """Counts of a well `since_s` after its addition; every well has its own level."""
    level = 1.0 + 0.002 * PLATE.index(well)
    rise = 0.0
    if since_s is not None and since_s >= 0:
        rise = RISE[excitation_nm] * np.exp(-since_s / DECAY_S)
    return float(level * (REST[excitation_nm] + rise))


class FuraBench(World):
    """A plate of cells at `read`, compounds at `source`, tips at `tips`."""

    def __init__(self, faults: Sequence[Any] = ()) -> None:
        super().__init__(
            default_truth(), VirtualClock(), catalogue=CATALOGUE,
            faults={"reader": FaultPlan(faults)},
        )  # fmt: skip
        self.added_s: dict[str, list[float]] = {}
        self.read_s: list[tuple[float, float, tuple[str, ...]]] = []
        for name in ("read", "source", "tips"):
            self.add_position(name, temperature_c=37.0)
        self.add_labware("P1", "cells", "read")
        self.add_labware("C1", "cells", "source")
        self.add_labware("T1", "tips", "tips")
        for well in PLATE.by_row():
            self.fill("P1", well, volume_ul=100.0, contents={})
            self.fill("C1", well, volume_ul=100.0, contents={"carbachol": 1e-4})

    def dispense(self, tips: Any, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        super().dispense(tips, labware, wells, volume_ul)
        for well in wells:
            self.added_s.setdefault(well, []).append(self.clock.monotonic_s())

    def fluorescence(
        self, position: str, wells: Sequence[str], *, excitation_nm: float, emission_nm: float,
        at_s: Any = None,
    ) -> np.ndarray:  # fmt: skip
        assert emission_nm == 510.0
        if self.plate_at(position) is None:
            raise WorldError("nothing_there", f"nothing stands at {position}")
        now_s = self.clock.monotonic_s()
        times = np.full(len(wells), now_s) if at_s is None else np.asarray(at_s)
        assert (times <= now_s).all()
        self.read_s.append((now_s, excitation_nm, tuple(wells)))
        return np.array([
            expected(well, excitation_nm, self._since(well, float(time)))
            for well, time in zip(wells, times, strict=True)
        ])  # fmt: skip

    def _since(self, well: str, time_s: float) -> float | None:
        added = self.added_s.get(well)
        return time_s - added[0] if added else None
