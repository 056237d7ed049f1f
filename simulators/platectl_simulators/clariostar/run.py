"""What a RUN command orders, and the records that fill while it is carried out."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from platectl.domain.wells import PlateFormat, parse_well
from platectl.simkit.world.matter import Array

WELLS: Final = PlateFormat.of(96).by_row()
PATH_BYTES, WELL_SCANS = 5, (0x04, 0x30)
SPIRAL: Final = 0x04
SEPARATOR: Final = b"\x27\x0f\x27\x0f"
SEPARATOR_AT: Final = 96
CHROMATIC_SIZE, BETWEEN_SIZE = 17, 3
#: seconds for a step to the next well, a unit of settling, a flash, and a spiral in the well
STEP_S, SETTLE_S, FLASH_S, SPIRAL_S = 0.06, 0.02, 0.01, 0.532
PREPARE_S: Final = 4.2

Scan = Callable[[Sequence[str], int, Array, float], Array]


@dataclass(frozen=True, slots=True)
class Order:
    """A run as it was commanded; wells row by row, chromatics as centres of their bands."""

    wells: tuple[str, ...]
    chromatics: tuple[tuple[float, float], ...]
    cycles: int
    cycle_s: float
    flashes: int
    settling: int
    spiral: bool

    @property
    def well_s(self) -> float:
        """Time for one well."""
        path_s = SPIRAL_S if self.spiral else 0.0
        return self.first_s + path_s + len(self.chromatics) * self.chromatic_s

    @property
    def first_s(self) -> float:
        """Time from well to well until the light is on."""
        return STEP_S + self.settling * SETTLE_S

    @property
    def chromatic_s(self) -> float:
        """Time for the flashes of one chromatic."""
        return self.flashes * FLASH_S


def parse_order(payload: bytes) -> Order:
    """Read a RUN of fluorescence on a 96-well plate.

    Raises:
        ValueError: Another layout.
    """
    if payload[SEPARATOR_AT : SEPARATOR_AT + 4] != SEPARATOR or payload[13:15] != b"\x0c\x08":
        raise ValueError("no run on a 96-well plate")
    mask = payload[16:64]
    path = payload[65] & 0x3F
    at = SEPARATOR_AT + 4 + (PATH_BYTES if path in WELL_SCANS else 0)
    settling, count = payload[at], payload[at + 5]
    at += 12
    size = count * CHROMATIC_SIZE + (count - 1) * BETWEEN_SIZE
    if not 1 <= count <= 5 or len(payload) != at + size + 19:  # noqa: PLR2004  # chromatics of a run
        raise ValueError("no run of fluorescence")
    chromatics = []
    for start in range(at, at + size, CHROMATIC_SIZE + BETWEEN_SIZE):
        ex_high, ex_low, _, em_high, em_low = struct.unpack(">5H", payload[start + 2 : start + 12])
        chromatics.append(((ex_high + ex_low) / 20, (em_high + em_low) / 20))
    cycles, flashes, cycle_s = struct.unpack(">BHH", payload[-6:-1])
    wells = tuple(well for i, well in enumerate(WELLS) if mask[i // 8] & (0x80 >> (i % 8)))
    if not wells or not cycles:
        raise ValueError("nothing to read")
    return Order(
        wells, tuple(chromatics), cycles, float(cycle_s), flashes, settling, path == SPIRAL
    )


@dataclass(slots=True)
class Record:
    """One cycle as far as it is read: values by chromatic and well, row by row; 0 is unread."""

    number: int
    start_s: int
    values: list[list[int]]
    complete: int = 0
    lamp: float = 1.0


class Reading:
    """A run in progress. There is no background task: `advance` does what is due by then.

    `scan` measures wells in one chromatic at their times with the lamp of the pass; `lamp` draws
    it. A cycle that takes longer than ordered delays the next one.
    """

    def __init__(
        self, order: Order, begun_s: float, *, scan: Scan, lamp: Callable[[], float]
    ) -> None:
        self.order = order
        self.begun_s = begun_s
        self.records: list[Record] = []
        self._scan, self._lamp = scan, lamp
        self._route = sorted(order.wells, key=lambda well: parse_well(well)[::-1])
        self._row_major = {well: i for i, well in enumerate(order.wells)}
        self._cycle_s = max(order.cycle_s, len(order.wells) * order.well_s)
        self._stopped_s: float | None = None

    @property
    def read_s(self) -> float:
        """When the first well begins."""
        return self.begun_s + PREPARE_S

    @property
    def end_s(self) -> float:
        """When the last well is read, or the run was stopped."""
        last_s = self.read_s + (self.order.cycles - 1) * self._cycle_s
        whole_s = last_s + len(self._route) * self.order.well_s
        return whole_s if self._stopped_s is None else min(whole_s, self._stopped_s)

    def stop(self, now_s: float) -> None:
        """Read no further well."""
        if self._stopped_s is None:
            self._stopped_s = now_s

    def advance(self, now_s: float) -> None:
        """Read all wells that are due."""
        due_s = min(now_s, self.end_s)
        while True:
            if self.records:
                self._fill(self.records[-1], due_s)
            begins_s = self.read_s + len(self.records) * self._cycle_s
            if len(self.records) == self.order.cycles or begins_s > due_s:
                return
            empty = [[0] * len(self._route) for _ in self.order.chromatics]
            start_s = int(begins_s - self.read_s)
            self.records.append(Record(len(self.records) + 1, start_s, empty, lamp=self._lamp()))

    def _fill(self, record: Record, due_s: float) -> None:
        order = self.order
        begun_s = self.read_s + (record.number - 1) * self._cycle_s
        done = record.complete // len(order.chromatics)
        # a well that ends just now is read, whatever the rounding
        ready = min(int((due_s - begun_s) / order.well_s + 1e-6), len(self._route))
        if ready <= done:
            return
        wells = self._route[done:ready]
        places = np.arange(done, ready, dtype=np.float64)
        first_s = begun_s + places * order.well_s + order.first_s
        for chromatic, row in enumerate(record.values):
            at_s = first_s + (chromatic + 0.5) * order.chromatic_s
            for well, value in zip(
                wells, self._scan(wells, chromatic, at_s, record.lamp), strict=True
            ):
                row[self._row_major[well]] = int(value)
        record.complete = ready * len(order.chromatics)
