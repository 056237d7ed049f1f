"""The counting part: six or twelve detectors over one plate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from platectl.domain.wells import PlateFormat
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import WorldError

PLATE: Final = PlateFormat.of(96)
FACTOR_SPREAD: Final = 0.01


@dataclass(frozen=True, slots=True)
class Count:
    """One counted well; `cpm` is normalised by the factor of its detector."""

    well: str
    cpm: float
    counts: int
    ended: datetime


class Detectors:
    """Detectors side by side, each serving neighbouring columns, one well after another.

    Every detector has an efficiency of its own, close to one, that the instrument knows and
    divides out.
    """

    def __init__(
        self, setup: SimulatorSetup, *, number: int, overhead_s: float, background_cpm: float
    ) -> None:
        self._setup = setup
        self._overhead_s = overhead_s
        self._background_cpm = background_cpm
        self._rng = setup.world.rng(setup.name)
        self._factors = self._rng.normal(1.0, FACTOR_SPREAD, number)
        served = PLATE.by_column()
        share = len(served) // number
        self._served = [served[i * share : (i + 1) * share] for i in range(number)]

    async def count(self, wells: Sequence[str], count_s: float) -> list[Count]:
        """Count wells, one of each detector at a time, and take the time that it takes."""
        wanted = set(wells)
        counted: dict[str, Count] = {}
        for group in zip(*self._served, strict=True):
            at_once = [(i, well) for i, well in enumerate(group) if well in wanted]
            if at_once:
                await asyncio.sleep(count_s + self._overhead_s)
                for count in self._group(at_once, count_s):
                    counted[count.well] = count
        return [counted[well] for well in PLATE.by_row() if well in counted]

    def duration_s(self, wells: Sequence[str], count_s: float) -> float:
        """Time that `count` takes."""
        wanted = set(wells)
        groups = sum(not wanted.isdisjoint(group) for group in zip(*self._served, strict=True))
        return groups * (count_s + self._overhead_s)

    def _group(self, at_once: Sequence[tuple[int, str]], count_s: float) -> list[Count]:
        indices = [index for index, _ in at_once]
        wells = [well for _, well in at_once]
        position = self._setup.position or self._setup.name
        try:
            rates_cpm = np.maximum(self._setup.world.count_rates(position, wells), 0.0)
        except WorldError:  # nothing stands there, and the counter does not notice
            rates_cpm = np.zeros(len(wells))
        if dead := self._setup.faults.standing("dead_detector"):
            rates_cpm[np.array(indices) == int(dead.data.get("detector", 0))] = 0.0
        factors = self._factors[indices]
        expected = (rates_cpm * factors + self._background_cpm) / 60 * count_s
        ended = self._setup.clock.now()
        return [
            Count(well, round(int(n) * 60 / count_s / float(factor), 2), int(n), ended)
            for well, n, factor in zip(wells, self._rng.poisson(expected), factors, strict=True)
        ]
