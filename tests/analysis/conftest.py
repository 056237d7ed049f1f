"""Plates with a known truth, and the shared reference numbers where they are present."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from platectl.analysis import BindingConditions, WellCount
from platectl.analysis.mass_action import free_receptor

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared" / "reference"
NIST = REPOSITORY / "tests" / "data" / "nist"

NAMES = ("cmpd 1", "haloperidol", "cmpd 2")
ROWS = {"A": 0, "B": 0, "C": 0, "D": 1, "E": 1, "F": 2, "G": 2, "H": 2}


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the shared reference data are not here")
    return SHARED


@pytest.fixture(scope="session")
def nist_folder() -> Path:
    return NIST


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="session")
def table(shared: Path) -> Callable[[str], list[dict[str, str]]]:
    return lambda name: read_rows(shared / name)


@pytest.fixture
def conditions() -> BindingConditions:
    return BindingConditions(
        site="sigma-1",
        radioligand="[3H](+)-pentazocine",
        tissue="guinea-pig brain",
        radioligand_molar=3e-9,
        radioligand_sd_log10=0.01,
        kd_molar=5e-9,
        kd_sd_log10=0.03,
        specific_activity_ci_per_mmol=28.0,
        efficiency=0.42,
        background_cpm=18.0,
        volume_ul=250.0,
        protein_ug=100.0,
        temperature_c=37.0,
        incubation_min=120.0,
        kon_per_molar_min=6e6,
        koff_per_min=0.03,
        nominal_radioligand_molar=3e-9,
    )


@dataclass
class Bench:
    """A bench that makes layout B10 plates by exact mass action with the errors of a real one."""

    conditions: BindingConditions
    rng: np.random.Generator
    ki: tuple[float, float, float] = (4.6e-9, 1.5e-9, 19.1e-9)
    bmax_molar: float = 115e-15 / 250e-6
    ns: float = 0.005
    dispense_cv: float = 0.03
    step_sd: float = 0.012
    top_sd: float = 0.012
    count_min: float = 2.0
    noise: bool = True

    def cpm(self, competitor_molar: float, ki_molar: float) -> float:
        c = self.conditions
        error = self.dispense_cv * self.rng.normal() if self.noise else 0.0
        receptor = self.bmax_molar * (1.0 + error)
        free = 0.0
        if np.isfinite(competitor_molar):
            totals = np.array([[c.radioligand_molar], [competitor_molar]])
            constants = np.array([[c.kd_molar * (1.0 + self.ns)], [ki_molar]])
            free = float(free_receptor(receptor, totals, constants)[0])
        held = free / c.kd_molar + self.ns
        rate = c.background_cpm + c.added_cpm * held / (1.0 + held)
        return self.rng.poisson(rate * self.count_min) / self.count_min if self.noise else rate

    def well(self, name: str, role: str, cpm: float) -> WellCount:
        return WellCount(name, role, None, None, None, 0, cpm, self.count_min, 120.0)

    def plate(self) -> list[WellCount]:
        wells = []
        for i, row in enumerate(ROWS):
            left, right = ("total", "nsb") if i < 4 else ("nsb", "total")
            for role, column in ((left, 1), (right, 12)):
                dose = 0.0 if role == "total" else np.inf
                wells.append(self.well(f"{row}{column}", role, self.cpm(dose, 1e-9)))
        for row, compound in ROWS.items():
            wells.extend(self.series(row, compound))
        return wells

    def series(self, row: str, compound: int) -> list[WellCount]:
        top = -6.0 if compound == 1 else -5.0
        error = self.rng.normal() * self.top_sd if self.noise else 0.0
        wells = []
        for step in range(10):
            if step and self.noise:
                error += self.rng.normal() * self.step_sd
            log_dose = top - 0.5 * step
            wells.append(
                replace(
                    self.well(
                        f"{row}{step + 2}",
                        "reference" if compound == 1 else "test",
                        self.cpm(10.0 ** (log_dose + error), self.ki[compound]),
                    ),
                    compound=NAMES[compound],
                    concentration_molar=10.0**log_dose,
                    series=row,
                    dilution_steps=step,
                )
            )
        return wells


@pytest.fixture
def bench(conditions: BindingConditions) -> Callable[..., Bench]:
    def make(seed: int = 1, **changes: object) -> Bench:
        return replace(Bench(conditions, np.random.default_rng(seed)), **changes)

    return make
