"""What a detector makes of light: photons, the lamp, and its electronics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from platectl.simkit.world.matter import Array


@dataclass(slots=True)
class Photometer:
    """Noise of one detector.

    Photons are Poisson on counts over `gain`; the lamp's factor is common to all signals that are
    measured with it; `read_noise` is in counts. What exceeds `full_scale` comes back as infinity.
    """

    rng: np.random.Generator
    lamp_sd: float = 0.003
    gain: float = 1.0
    read_noise: float = 4.0
    full_scale: float = 65535.0

    def lamp(self) -> float:
        """Brightness of the lamp during one pass, relative to its mean."""
        return 1.0 + self.lamp_sd * float(self.rng.standard_normal())

    def measure(self, signals: Array, lamp: float | None = None) -> Array:
        """Measure expected counts; the same lamp factor links channels of one pass."""
        light = np.maximum(signals * (self.lamp() if lamp is None else lamp), 0.0)
        photons = self.rng.poisson(light / self.gain) * self.gain
        seen = photons + self.read_noise * self.rng.standard_normal(np.shape(signals))
        return np.asarray(np.where(seen > self.full_scale, np.inf, seen))
