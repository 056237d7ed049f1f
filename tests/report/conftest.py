"""A run with one synthetic plate of known truth, counted without any instrument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from platectl.analysis import BindingConditions, WellCount, analyse_competition_plate
from platectl.analysis.mass_action import free_receptor
from platectl.domain.layout import WellPlan
from platectl.report.model import PlateReport, RunReport, TimelineRow, WindowRow

CONDITIONS = BindingConditions(
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
NASTY = 'x<b>&"y"</b>'
NAMES = ("(+)-igmesine", "haloperidol", NASTY)
ROWS = {"A": 0, "B": 0, "C": 0, "D": 1, "E": 1, "F": 2, "G": 2, "H": 2}
KI = (4.6e-9, 1.5e-9, 19.1e-9)


def _cpm(c: BindingConditions, rng: np.random.Generator, dose: float, ki: float) -> float:
    receptor = 4.6e-10 * (1.0 + 0.03 * rng.normal())
    free = 0.0
    if np.isfinite(dose):
        totals = np.array([[c.radioligand_molar], [dose]])
        free = float(free_receptor(receptor, totals, np.array([[c.kd_molar * 1.005], [ki]]))[0])
    held = free / c.kd_molar + 0.005
    rate = c.background_cpm + c.added_cpm * held / (1.0 + held)
    return float(rng.poisson(rate * 2.0) / 2.0)


def wells(c: BindingConditions, *, ki: tuple[float, ...] = KI, seed: int = 1) -> list[WellCount]:
    """Layout B10: controls in columns 1 and 12, a series per row."""
    rng = np.random.default_rng(seed)
    made = []
    for i, (row, compound) in enumerate(ROWS.items()):
        for role, column in (("total", 1 if i < 4 else 12), ("nsb", 12 if i < 4 else 1)):
            dose = 0.0 if role == "total" else np.inf
            cpm = _cpm(c, rng, dose, 1e-9)
            made.append(WellCount(f"{row}{column}", role, None, None, None, 0, cpm, 2.0, 120.0))
        top = 1e-6 if compound == 1 else 1e-5
        for step in range(10):
            dose = top * 10.0 ** (-0.5 * step)
            cpm = _cpm(c, rng, dose, ki[compound])
            role = "reference" if compound == 1 else "test"
            name = f"{row}{step + 2}"
            made.append(
                WellCount(name, role, NAMES[compound], dose, row, step, cpm, 2.0, 120.0 + i)
            )
    return made


def plate_report(
    name: str = "P1", counted: list[WellCount] | None = None, c: BindingConditions = CONDITIONS
) -> PlateReport:
    counted = wells(c) if counted is None else counted
    plans = tuple(
        WellPlan(
            well=w.well,
            role=w.role if w.role != "excluded" else "test",
            compound=w.compound,
            concentration_molar=w.concentration_molar,
            series=w.series,
        )
        for w in counted
    )
    readings = {
        w.well: {
            "cpm": w.gross_cpm,
            "counts": round(w.gross_cpm * 2),
            "live_s": 119.8,
            "source": f"Count_{name}.csv:{line}",
            "flags": ("low_tdcr",) if w.well == "C5" else (),
        }
        for line, w in enumerate(counted, start=12)
    }
    return PlateReport(name, f"BC-{name}", plans, readings, analyse_competition_plate(counted, c))


def run_report(*plates: PlateReport, run: str = "R-0001", simulated: bool = True) -> RunReport:
    steps = tuple(
        TimelineRow(
            f"{p.name}.S{i}", f"step {i}", p.name, ("arm", ("flex", "shaker1", "counter")[i % 3]),
            600.0 * i, 600.0 * i + 420.0, 600.0 * i - 30.0,
        )
        for p in plates
        for i in range(18)
    )  # fmt: skip
    return RunReport(
        run=run,
        title="Sigma-1 competition",
        protocol="sigma1-competition",
        lab="demo",
        simulated=simulated,
        started="2026-03-01T18:00:00Z",
        finished="2026-03-02T01:10:00Z",
        status="finished",
        plates=plates,
        steps=steps,
        windows=(
            WindowRow("incubation", "P1", 7230.0, None, hard=True),
            WindowRow("drying", "P1", 900.0, "15.0 min, at least 30.0 min wanted", hard=False),
            WindowRow("counting", "P1", None, None, hard=True),
        ),
        conditions=(("membranes", "lot 7 <guinea pig>"),),
        files={"protocol.yaml": "ab" * 32},
        warnings=("The seal of P1 was applied by hand.",),
        versions={"platectl": "0.1.0"},
        run_hash="cd" * 32,
    )


@pytest.fixture(scope="session")
def plate() -> PlateReport:
    return plate_report()


@pytest.fixture(scope="session")
def run(plate: PlateReport) -> RunReport:
    return run_report(plate)


@pytest.fixture
def make_plate() -> Callable[..., PlateReport]:
    def make(
        name: str = "P1",
        *,
        ki: tuple[float, ...] = KI,
        seed: int = 1,
        change: Callable[[WellCount], WellCount] = lambda w: w,
        **conditions: object,
    ) -> PlateReport:
        c = replace(CONDITIONS, **conditions)
        return plate_report(name, [change(w) for w in wells(c, ki=ki, seed=seed)], c)

    return make


@pytest.fixture
def make_run() -> Callable[..., RunReport]:
    return run_report
