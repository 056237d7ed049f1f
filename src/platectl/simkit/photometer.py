"""What a detector makes of light: photon noise, lamp noise, read noise and saturation."""

from __future__ import annotations

import math

import numpy as np

from platectl.simkit.world.matter import Array


class Photometer:
    """One detector with its lamp; draws all chance from `rng`.

    `lamp_sd` is the relative noise of the lamp, `gain` the counts for each photon, `read_noise`
    in counts; above `full_scale` counts there is no number any more.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        lamp_sd: float = 0.003,
        gain: float = 1.0,
        read_noise: float = 4.0,
        full_scale: float = math.inf,
    ) -> None:
        self._rng = rng
        self._lamp_sd = lamp_sd
        self._gain = gain
        self._read_noise = read_noise
        self._full_scale = full_scale

    def lamp(self) -> float:
        """Draw the factor of the lamp that all readings of one pass share."""
        return 1.0 + self._lamp_sd * float(self._rng.standard_normal())

    def measure(self, signals: Array, lamp: float | None = None) -> Array:
        """Measure expected signals in counts, same shape; inf above full scale."""
        lit = np.maximum(signals, 0.0) * (self.lamp() if lamp is None else lamp)
        counts = self._rng.poisson(lit / self._gain) * self._gain
        counts = counts + self._read_noise * self._rng.standard_normal(lit.shape)
        return np.where(counts > self._full_scale, math.inf, counts)
