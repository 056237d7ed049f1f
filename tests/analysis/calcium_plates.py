"""Synthetic calcium plates of known truth: traces by formula, photons, lamp and well noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.calcium import CalciumConditions, WellTrace

FloatArray = NDArray[np.float64]
RMIN, RMAX, SF2, SB2, KD = 0.35, 7.6, 5600.0, 980.0, 224e-9
REST, FULL = 0.65, 2.0
ROWS = "ABCDEFGH"


def course(t: FloatArray) -> FloatArray:
    """Rise 3 s, decay 45 s, plateau 15 %, peak 1."""
    grid = np.linspace(0, 60, 6001)

    def raw(x: FloatArray) -> FloatArray:
        x = np.maximum(x, 0.0)
        made: FloatArray = 0.85 * (np.exp(-x / 45) - np.exp(-x / 3)) + 0.15 * (1 - np.exp(-x / 3))
        return made

    return raw(t) / raw(grid).max()


def counts(ratio: FloatArray, load: float) -> tuple[FloatArray, FloatArray]:
    above = ratio * SF2 - RMIN * SF2
    share = above / (above + RMAX * SB2 - ratio * SB2)
    f340 = load * (RMIN * SF2 * (1 - share) + RMAX * SB2 * share) + 210
    f380 = load * (SF2 * (1 - share) + SB2 * share) + 260
    return f340, f380


class Plate:
    """Layout F96: two tests, the reference, controls and calibrators."""

    def __init__(self, seed: int, *, dead_s: float = 0.0, step: float = 10**0.5) -> None:
        self.rng = np.random.default_rng(seed)
        self.dead_s, self.step = dead_s, step
        self.wells: list[WellTrace] = []
        self.truth: dict[str, float] = {}

    def read(self, well: str, role: str, height: float, **what: object) -> None:
        rng = self.rng
        height *= 1 + 0.08 * rng.standard_normal()
        load = 1 + 0.12 * rng.standard_normal()
        t = np.concatenate((np.arange(-30.0, 0.0, 2.0), np.arange(0.0, 121.0, 2.0)))
        t = t[(t < 0) | (t > self.dead_s)]
        lamp = 1 + 0.003 * rng.standard_normal(t.size)
        end = {"rmin": RMIN, "rmax": RMIN + 0.995 * (RMAX - RMIN)}.get(role)

        def channel(index: int, at: FloatArray) -> FloatArray:
            ratio = REST + height * course(at)
            if end is not None:
                ratio = np.where(at > 0, end + (REST - end) * np.exp(-np.maximum(at, 0) / 20), REST)
            light = counts(ratio, 0.0 if role == "unloaded" else load)[index] * lamp[: at.size]
            seen: FloatArray = rng.poisson(np.maximum(light, 0)) + 4 * rng.standard_normal(at.size)
            return seen

        late = np.arange(600.0, 609.0, 2.0)
        self.wells.append(
            WellTrace(
                well=well,
                role=role,
                compound=what.get("compound"),  # type: ignore[arg-type]
                concentration_molar=what.get("molar"),  # type: ignore[arg-type]
                series=what.get("series"),  # type: ignore[arg-type]
                dilution_steps=int(what.get("steps", 0)),  # type: ignore[call-overload]
                t340_s=t + 1000.0,
                f340=channel(0, t),
                t380_s=t + 1000.4,
                f380=channel(1, t + 0.4),
                addition_s=1000.0,
                late340=channel(0, late),
                late380=channel(1, late),
            )
        )

    def series(
        self, role: str, compound: str, columns: tuple[int, ...], top: float,
        response: Callable[[float], float],
    ) -> None:  # fmt: skip
        for column in columns:
            error = 0.012 * self.rng.standard_normal()
            for step, row in enumerate(ROWS):
                error += 0.012 * self.rng.standard_normal() if step else 0.0
                nominal = top / self.step**step
                what = {"compound": compound, "molar": nominal, "series": f"{compound}.{column}"}
                height = FULL * response(nominal * 10**error)
                self.read(f"{row}{column}", role, height, steps=step, **what)

    def controls(self, high: float, low: float, *, low_role: str = "vehicle") -> None:
        for row in ROWS:
            left = row in "ABCD"
            for column, is_low in ((1, left), (12, not left)):
                role = low_role if is_low else "positive"
                self.read(f"{row}{column}", role, FULL * (low if is_low else high))
        for row in "ABC":
            self.read(f"{row}11", "unloaded", 0.0)
        for row in "DEF":
            self.read(f"{row}11", "rmax", 0.0)
        for row in "GH":
            self.read(f"{row}11", "rmin", 0.0)


def conditions(mode: str = "agonist", stimulus: float | None = None) -> CalciumConditions:
    return CalciumConditions(mode, "sh_sy5y", "carbachol", stimulus, KD, 37.0, 37.0)


def hill(ec50: float, top: float = 1.0) -> Callable[[float], float]:
    return lambda dose: top * dose / (dose + ec50)


def agonist_plate(seed: int, *, dead_s: float = 0.0) -> Plate:
    plate = Plate(seed, dead_s=dead_s)
    plate.series("test", "oxo", (2, 3, 4), 30e-6, hill(0.8e-6, 0.95))
    plate.series("test", "inert", (5, 6, 7), 30e-6, lambda _: 0.0)
    plate.series("reference", "carbachol", (8, 9, 10), 100e-6, hill(1.7e-6))
    plate.controls(1.0, 0.0)
    return plate


def modulator_plate(seed: int) -> Plate:
    plate = Plate(seed, step=4.0)

    def bell(dose: float) -> float:
        return 0.2 * (1 + 0.6 * dose / (dose + 3e-9) / (1 + (dose / 1e-6) ** 2))

    plate.series("test", "bell", (2, 3, 4), 10e-6, bell)
    plate.series("test", "inert", (5, 6, 7), 10e-6, lambda _: 0.2)
    plate.series("reference", "carbachol", (8, 9, 10), 100e-6, hill(1.7e-6))
    plate.controls(0.33, 0.2, low_role="stimulus")
    for well in ("A11",):
        plate.wells = [w for w in plate.wells if w.well != well]
    plate.read("A11", "vehicle", 0.0)
    plate.read("X1", "vehicle", 0.0)
    return plate
