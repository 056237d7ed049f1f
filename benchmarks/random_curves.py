"""Random curves of each model: a design, a truth drawn at random, and noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from platectl.analysis.binding_models import (
    CompetitionSetting,
    competition_mass_action,
    heterologous_with_depletion,
    saturation_naive,
    saturation_with_depletion,
)
from platectl.analysis.dose_response import one_site_ki
from platectl.analysis.kinetic_models import (
    association,
    association_plate,
    competitive_kinetics,
)
from platectl.analysis.model import Model
from platectl.analysis.models import MODELS

SETTING = CompetitionSetting(3e-9, 5e-9, 6.5e12, 18.0)
LOG_MOLAR = np.repeat(np.linspace(-10.5, -5.0, 12), 3)
FINE = np.repeat(np.linspace(-11.0, -4.0, 15), 3)
DOSE = np.repeat([0.0, 0.47, 0.94, 1.88, 3.75, 7.5, 15.0, 30.0, 60.0], 4)
MINUTES = np.repeat([0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0], 2)
ADDED_NM = np.repeat([0.3, 0.6, 1.2, 2.5, 5.0, 10.0, 20.0, 40.0], 3)
Draw = Callable[[np.random.Generator], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Family:
    """A model, its design, how its truth is drawn, and noise as a share of the curve's span.

    `start` moves the truth to a start for a model that cannot guess; None if it can.
    """

    model: Model
    x: np.ndarray
    draw: Draw
    noise: float = 0.02
    start: float | None = None

    def curve(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Truth, the curve without noise, and with noise."""
        truth = np.array(self.draw(rng))
        clean = self.model.curve(self.x, truth)
        sd = self.noise * float(np.ptp(clean))
        return truth, clean, clean + sd * rng.normal(size=clean.size)

    def guess(self, truth: np.ndarray) -> np.ndarray | None:
        """The start to give, or None where the model guesses."""
        return None if self.start is None else truth * self.start


def _plateaus(rng: np.random.Generator) -> tuple[float, float]:
    return rng.uniform(800.0, 1500.0), rng.uniform(50.0, 200.0)


def _hill(rng: np.random.Generator) -> float:
    return -float(np.exp(rng.normal(0.0, 0.2)))


def _saturation(rng: np.random.Generator, kd: float, added: float) -> tuple[float, ...]:
    return (
        rng.uniform(1500.0, 3000.0),
        kd * rng.uniform(0.7, 1.5),
        rng.uniform(0.003, 0.008) * added,
    )


def _totals(added: np.ndarray) -> np.ndarray:
    kinds = np.repeat([1.0, 0.0], added.size)
    return np.stack((np.tile(added, 2), kinds))


def _competition_times() -> np.ndarray:
    competitor = np.repeat([0.0, 2e-9, 1e-8, 5e-8], MINUTES.size)
    return np.stack((np.full(competitor.size, 3e-9), competitor, np.tile(MINUTES, 4)))


def _plate_times() -> np.ndarray:
    ligand = np.repeat([1.5, 6.0, 1.5, 6.0], MINUTES.size)
    kind = np.repeat([1.0, 1.0, 0.0, 0.0], MINUTES.size)
    return np.stack((ligand, np.tile(MINUTES, 4), kind))


FAMILIES: dict[str, Family] = {
    "one site": Family(
        MODELS["one-site"], LOG_MOLAR, lambda r: (*_plateaus(r), r.uniform(-9.5, -6.0))
    ),
    "one site, Ki": Family(
        one_site_ki(3e-9, 5e-9), LOG_MOLAR, lambda r: (*_plateaus(r), r.uniform(-9.5, -6.0))
    ),
    "4PL": Family(
        MODELS["4PL"], LOG_MOLAR, lambda r: (*_plateaus(r), r.uniform(-9.0, -6.5), _hill(r))
    ),
    "5PL": Family(
        MODELS["5PL"],
        FINE,
        lambda r: (*_plateaus(r), r.uniform(-8.5, -6.5), _hill(r), float(r.uniform(0.6, 1.6))),
        noise=0.01,
    ),
    "two sites": Family(
        MODELS["two-site"],
        FINE,
        lambda r: (*_plateaus(r), r.uniform(-9.5, -8.8), r.uniform(-6.8, -6.0), r.uniform(0.3, 0.7)),
        noise=0.01,
    ),
    "bell-shaped": Family(
        MODELS["bell-shaped"],
        FINE,
        lambda r: (r.uniform(0.0, 0.2), r.uniform(0.8, 1.5), r.uniform(-9.0, -8.0), r.uniform(-6.5, -5.5)),
    ),
    "LL.3": Family(
        MODELS["LL.3"], DOSE, lambda r: (r.uniform(1.5, 3.5), r.uniform(6.0, 9.0), r.uniform(2.0, 8.0))
    ),
    "LL.4": Family(
        MODELS["LL.4"],
        DOSE,
        lambda r: (r.uniform(1.5, 3.5), r.uniform(0.2, 1.0), r.uniform(6.0, 9.0), r.uniform(2.0, 8.0)),
    ),
    "LL.5": Family(
        MODELS["LL.5"],
        DOSE,
        lambda r: (
            r.uniform(1.5, 3.0),
            r.uniform(0.2, 1.0),
            r.uniform(6.0, 9.0),
            r.uniform(3.0, 6.0),
            r.uniform(0.7, 1.3),
        ),
        noise=0.005,
    ),
    "exact competition": Family(
        competition_mass_action(SETTING),
        10.0**LOG_MOLAR,
        lambda r: (r.uniform(-9.3, -7.0), r.uniform(-9.6, -9.0), r.uniform(0.003, 0.008)),
        start=0.98,
    ),
    "competition with depletion": Family(
        heterologous_with_depletion(SETTING.added_cpm, 5e-9 * 6.5e12),
        LOG_MOLAR,
        lambda r: (r.uniform(-9.3, -7.0), r.uniform(1500.0, 4000.0), r.uniform(0.003, 0.008)),
        start=0.98,
    ),
    "saturation": Family(
        saturation_naive(), _totals(ADDED_NM), lambda r: _saturation(r, 5.0, 6225.0)
    ),
    "saturation with depletion": Family(
        saturation_with_depletion(),
        _totals(6225.0 * ADDED_NM),
        lambda r: _saturation(r, 31000.0, 1.0),
    ),
    "association": Family(
        association(1e6),
        np.stack((np.repeat([1.5e-9, 6e-9], MINUTES.size), np.tile(MINUTES, 2))),
        lambda r: (r.uniform(2.0, 7.0), r.uniform(0.01, 0.04), r.uniform(1500.0, 2500.0)),
        start=0.8,
    ),
    "association, plate": Family(
        association_plate(18.0, 6225.0),
        _plate_times(),
        lambda r: (r.uniform(0.4, 1.0), r.uniform(-2.0, -1.3), r.uniform(1500.0, 2500.0), r.uniform(20.0, 50.0)),
    ),
    "dissociation": Family(
        MODELS["dissociation"],
        MINUTES,
        lambda r: (r.uniform(700.0, 1200.0), r.uniform(50.0, 150.0), r.uniform(0.02, 0.08)),
    ),
    "dissociation, two phases": Family(
        MODELS["two-phase dissociation"],
        np.repeat(np.concatenate((np.arange(0.0, 10.0), np.arange(10.0, 121.0, 10.0))), 3),
        lambda r: (
            r.uniform(700.0, 1200.0),
            r.uniform(50.0, 150.0),
            r.uniform(0.3, 0.6),
            r.uniform(0.02, 0.05),
            r.uniform(0.35, 0.65),
        ),
        noise=0.005,
    ),
    "competitive kinetics": Family(
        competitive_kinetics(6e6, 0.03, competitor_rate_unit=1e6),
        _competition_times(),
        lambda r: (r.uniform(0.0, 1.0), r.uniform(-2.0, -1.0), r.uniform(1500.0, 2500.0)),
    ),
}  # fmt: skip
