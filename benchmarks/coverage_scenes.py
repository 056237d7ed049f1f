"""Competition curves whose makers break the assumptions of a least-squares interval, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from platectl.analysis.dose_response import FOUR_PARAMETER, ONE_SITE
from platectl.analysis.model import Model
from platectl.analysis.weighting import UNWEIGHTED, Weighting

DOSES = np.linspace(-10.5, -5.0, 12)
X = np.repeat(DOSES, 3)
TOP, BOTTOM, MIDDLE = 1200.0, 140.0, -8.0
SD = 30.0
CV = 0.05
Maker = Callable[[np.random.Generator, int], np.ndarray]


def curve(x: np.ndarray, middle: float | np.ndarray = MIDDLE, hill: float = -1.0) -> np.ndarray:
    """The competition curve of all scenes."""
    return BOTTOM + (TOP - BOTTOM) / (1.0 + 10.0 ** ((middle - x) * hill))


@dataclass(frozen=True, slots=True)
class Scene:
    """What is simulated, and how it is fitted.

    Attributes:
        assumption: What fails, in words.
        make: Curves from a generator and their number, shape (curves, points).
        truth: LogIC50 that an interval should hold.
        model: Fitted model.
        weighting: Fitted weighting.
        x: Doses, log10 molar.
        fixed: Parameters held.
    """

    assumption: str
    make: Maker
    truth: float = MIDDLE
    model: Model = FOUR_PARAMETER
    weighting: Weighting = UNWEIGHTED
    x: np.ndarray = field(default_factory=lambda: X)
    fixed: tuple[tuple[str, float], ...] = ()


def _normal(x: np.ndarray, middle: float = MIDDLE, hill: float = -1.0) -> Maker:
    return lambda rng, n: curve(x, middle, hill) + SD * rng.normal(size=(n, x.size))


def _proportional(rng: np.random.Generator, n: int) -> np.ndarray:
    return curve(X) * (1.0 + CV * rng.normal(size=(n, X.size)))


def _poisson(rng: np.random.Generator, n: int) -> np.ndarray:
    counts: np.ndarray = rng.poisson(2.0 * curve(X), size=(n, X.size)) / 2.0
    return counts


def _student(rng: np.random.Generator, n: int) -> np.ndarray:
    return curve(X) + SD / np.sqrt(3.0) * rng.standard_t(3.0, size=(n, X.size))


def _outliers(rng: np.random.Generator, n: int) -> np.ndarray:
    wild = rng.random((n, X.size)) < 0.03
    return curve(X) + SD * rng.normal(size=(n, X.size)) * np.where(wild, 10.0, 1.0)


def _same_dilution(rng: np.random.Generator, n: int) -> np.ndarray:
    steps = 0.03 * rng.normal(size=(n, DOSES.size))
    doses = DOSES + steps[:, ::-1].cumsum(axis=1)[:, ::-1]
    return curve(np.repeat(doses, 3, axis=1)) + SD * rng.normal(size=(n, X.size))


def _own_dilutions(rng: np.random.Generator, n: int) -> np.ndarray:
    steps = 0.03 * rng.normal(size=(n, 3, DOSES.size))
    doses = DOSES + steps[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
    clean = curve(np.swapaxes(doses, 1, 2).reshape(n, -1))
    return clean + SD * rng.normal(size=(n, X.size))


def _repeated_counts(rng: np.random.Generator, n: int) -> np.ndarray:
    per_dose = np.repeat(rng.normal(size=(n, DOSES.size)), 3, axis=1)
    return curve(X) + SD * (0.95 * per_dose + 0.3 * rng.normal(size=(n, X.size)))


def _days(rng: np.random.Generator, n: int) -> np.ndarray:
    middle = MIDDLE + 0.1 * rng.normal(size=(n, 1))
    return curve(X, middle) + SD * rng.normal(size=(n, X.size))


def _edge(rng: np.random.Generator, n: int) -> np.ndarray:
    slope = 1.0 + 0.05 * rng.normal(size=(n, 1)) * np.linspace(-1.0, 1.0, X.size)
    return curve(X) * slope + SD * rng.normal(size=(n, X.size))


def _two_sites(rng: np.random.Generator, n: int) -> np.ndarray:
    clean = 0.5 * curve(X, MIDDLE - 0.8) + 0.5 * curve(X, MIDDLE + 0.8)
    return clean + SD * rng.normal(size=(n, X.size))


SINGLE = np.linspace(-10.5, -5.0, 8)
SHORT = np.repeat(np.linspace(-10.5, -7.5, 8), 3)
FEW = np.repeat(np.linspace(-10.5, -5.0, 5), 2)
HIGH = {"Top": TOP + 40.0, "Bottom": BOTTOM + 20.0}

SCENES = (
    Scene("none: constant normal error", _normal(X)),
    Scene("none: constant CV, weighting Y2", _proportional, weighting=Weighting("Y2")),
    Scene("none: Poisson counts, weighting Y", _poisson, weighting=Weighting("Y")),
    Scene("few points: 5 doses in duplicate", _normal(FEW), x=FEW),
    Scene("few points: 8 doses, no replicates", _normal(SINGLE), x=SINGLE),
    Scene("incomplete: top dose only 0.5 log above IC50", _normal(SHORT), x=SHORT),
    Scene("incomplete: IC50 0.5 log above the top dose", _normal(SHORT, -7.0), truth=-7.0, x=SHORT),
    Scene("weights: constant CV, fitted without weights", _proportional),
    Scene("weights: Poisson counts, fitted without weights", _poisson),
    Scene("weights: constant error, fitted with Y2", _normal(X), weighting=Weighting("Y2")),
    Scene("normality: Student t with 3 df, same SD", _student),
    Scene("normality: 3 % of points with 10 times the SD", _outliers),
    Scene("independence: replicates are recounts of one well", _repeated_counts),
    Scene("doses: one dilution series for all replicates, SD 0.03 log per step", _same_dilution),
    Scene("doses: a dilution series for each replicate, SD 0.03 log per step", _own_dilutions),
    Scene("day: LogIC50 differs between runs, SD 0.1 log", _days),
    Scene("plate: gradient along the doses, SD 5 % from end to middle", _edge),
    Scene("model: Hill slope is -1.3, held at -1", _normal(X, hill=-1.3), model=ONE_SITE),
    Scene("model: two sites 1.6 log apart, fitted as 4PL", _two_sites),
    Scene(
        "constants: plateaus held at controls that are 40 and 20 cpm too high",
        _normal(X),
        fixed=tuple(HIGH.items()),
    ),
)
