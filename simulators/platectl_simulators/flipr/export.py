"""Writes time sequences in the layout that platectl's export template has.

What ScreenWorks exports by itself is not public. The layout: a title line with version 1; `Data
file`, `Protocol`, `Wells` with all wells by row, optionally `Addition (s)` with a time for each
well; for each pair of wavelengths a line `Excitation (nm)`, value, `Emission (nm)`, value and a
line for each frame with its time and the wells' values, empty for none and `SAT` when saturated;
at last `End`, or `Stopped`. Fields are separated by tabs, times are seconds since the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from platectl.domain.wells import PlateFormat

WELLS = PlateFormat.of(96).by_row()


@dataclass(slots=True)
class Recording:
    """What a run has recorded so far; `exposures` by channel, each a time and 96 values."""

    data_file: str
    protocol: str
    channels: tuple[tuple[float, float], ...]
    exposures: list[list[tuple[float, Sequence[float]]]] = field(default_factory=list)
    added_s: float | None = None
    stopped: bool = False

    def __post_init__(self) -> None:
        self.exposures = [[] for _ in self.channels]


def write_sequence(run: Recording, *, with_addition: bool) -> bytes:
    """Write a whole export."""
    lines = [
        ["FLIPR time sequence", "1"],
        ["Data file", run.data_file],
        ["Protocol", run.protocol],
        ["Wells", *WELLS],
    ]
    if run.added_s is not None and with_addition:
        lines.append(["Addition (s)", *[f"{run.added_s:.3f}"] * len(WELLS)])
    for (excitation, emission), block in zip(run.channels, run.exposures, strict=True):
        lines.append(["Excitation (nm)", f"{excitation:g}", "Emission (nm)", f"{emission:g}"])
        lines += [[f"{time:.3f}", *map(_cell, values)] for time, values in block]
    lines.append(["Stopped" if run.stopped else "End"])
    return "".join("\t".join(line) + "\r\n" for line in lines).encode("ascii")


def _cell(value: float) -> str:
    return "SAT" if math.isinf(value) else f"{value:.1f}"
