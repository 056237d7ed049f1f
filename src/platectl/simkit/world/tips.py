"""Tips on a head: their bias, their faults, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from platectl.simkit.world.matter import CAPACITY, Array


@dataclass(slots=True)
class Tips:
    """A set of tips, one for each channel.

    `nominal_ul` is what the robot believes to have drawn; `volume_ul` what is really in.
    """

    instrument: str
    rack: str
    wells: tuple[str, ...]
    z_bias: Array
    blocked: npt.NDArray[np.bool_]
    volume_ul: Array
    amounts: Array
    nominal_ul: float = 0.0

    @classmethod
    def fresh(cls, instrument: str, rack: str, wells: tuple[str, ...], z_bias: Array) -> Tips:
        """Return empty tips."""
        n = len(wells)
        return cls(
            instrument,
            rack,
            wells,
            z_bias,
            np.zeros(n, dtype=np.bool_),
            np.zeros(n),
            np.zeros((CAPACITY, n)),
        )
