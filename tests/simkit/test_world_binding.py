"""Binding in the world is mass action: against an ODE solver, closed forms and tables."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from platectl.simkit.world.binding import Rates, carry_forward

REFERENCE = Path("/work/shared/reference/closed-form")
KON = np.array([[6e-3, 6e-3, 0.1, 0.1], [6e-3, 6e-3, 0.1, 0.1]])  # /nM/min
KD = np.array([[5.0, 60.0, 4.6, 1.5], [1400.0, 18.0, 63.1, 20.0]])  # nM
RATES = Rates(KON[..., None], (KON * KD)[..., None])


def plate(receptor_scale: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Total ligand and receptor of 96 wells, in nM."""
    rng = np.random.default_rng(1)
    ligand = np.zeros((4, 96))
    ligand[0] = 3.0
    ligand[1] = rng.uniform(0, 5, 96)
    ligand[2] = 10 ** np.linspace(-2, 4, 96)
    ligand[3] = 10 ** rng.uniform(-1, 4, 96)
    return ligand, receptor_scale * np.array([np.full(96, 0.46), np.full(96, 0.06)])


def solved(
    ligand: np.ndarray[Any, Any],
    receptor: np.ndarray[Any, Any],
    minutes: float,
    kon: np.ndarray[Any, Any] = KON,
    start: np.ndarray[Any, Any] | None = None,
) -> np.ndarray[Any, Any]:
    """One well by an independent solver."""

    def slope(_: float, flat: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        bound = flat.reshape(kon.shape)
        free_ligand, free_receptor = ligand - bound.sum(0), receptor - bound.sum(1)
        rise = kon * free_ligand * free_receptor[:, None] - kon * KD[:, : kon.shape[1]] * bound
        return np.asarray(rise.ravel())

    first = np.zeros(kon.size) if start is None else start.ravel()
    found = solve_ivp(slope, (0, minutes), first, method="LSODA", rtol=1e-10, atol=1e-14)
    return np.asarray(found.y[:, -1].reshape(kon.shape))


@pytest.mark.parametrize("minutes", [0.2, 5.0, 120.0])
@pytest.mark.parametrize("receptor_scale", [0.01, 1.0, 30.0])
def test_four_ligands_on_two_sites_agree_with_lsoda(receptor_scale: float, minutes: float) -> None:
    ligand, receptor = plate(receptor_scale)
    bound = carry_forward(np.zeros((2, 4, 96)), ligand, receptor, RATES, minutes)
    for well in range(0, 96, 7):
        wanted = solved(ligand[:, well], receptor[:, well], minutes)
        assert np.abs(bound[..., well] - wanted).max() < 1e-4 * receptor[:, well].sum()


def test_time_in_many_small_pieces_gives_the_same() -> None:
    ligand, receptor = plate(1.0)
    once = carry_forward(np.zeros((2, 4, 96)), ligand, receptor, RATES, 120.0)
    state = np.zeros((2, 4, 96))
    for _ in range(60):
        state = carry_forward(state, ligand, receptor, RATES, 2.0)
    assert np.abs(state - once).max() < 1e-4 * receptor.sum(axis=0).max()


def test_a_late_competitor_displaces_what_is_bound() -> None:
    ligand, receptor = plate(1.0)
    ligand[1:] = 0.0
    before = carry_forward(np.zeros((2, 4, 96)), ligand, receptor, RATES, 120.0)
    ligand[3] = 10_000.0
    after = carry_forward(before, ligand, receptor, RATES, 30.0)
    wanted = solved(ligand[:, 0], receptor[:, 0], 30.0, start=before[..., 0])
    assert np.abs(after[..., 0] - wanted).max() < 1e-4 * 0.46
    # nothing can bind again: only dissociation is left
    assert after[0, 0, 0] == pytest.approx(before[0, 0, 0] * math.exp(-0.03 * 30), rel=2e-3)


@pytest.mark.parametrize(
    ("kon_molar", "minutes", "percent"),
    [(6e6, 60, 94.4), (6e6, 120, 99.7), (2.5e6, 120, 90.9), (2.5e6, 180, 97.3), (1e6, 120, 61.7)],
)
def test_approach_to_equilibrium_is_that_of_the_table(
    kon_molar: float, minutes: float, percent: float
) -> None:
    kon = np.full((1, 1, 1), kon_molar * 1e-9)
    ligand, receptor = np.full((1, 1), 3.0), np.full((1, 1), 1e-5)
    bound = carry_forward(np.zeros((1, 1, 1)), ligand, receptor, Rates(kon, 5.0 * kon), minutes)
    plateau = 1e-5 * 3.0 / 8.0
    assert 100 * bound[0, 0, 0] / plateau == pytest.approx(percent, abs=0.06)


def test_depletion_at_equilibrium_is_that_of_the_quadratic() -> None:
    total_l, total_r, kd = 3.0, 10 ** np.linspace(-3, 2, 40), 5.0
    kon = np.full((1, 1, 1), 0.1)
    ligand, receptor = np.full((1, 40), total_l), total_r[None]
    bound = carry_forward(np.zeros((1, 1, 40)), ligand, receptor, Rates(kon, kd * kon), 600.0)
    half = total_l + total_r + kd
    wanted = (half - np.sqrt(half**2 - 4 * total_l * total_r)) / 2
    assert bound[0, 0] == pytest.approx(wanted, rel=1e-4)


def rows(name: str) -> list[dict[str, float]]:
    path = REFERENCE / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with path.open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_equilibria_agree_with_the_reference_table() -> None:
    for row in rows("mass_action_competition.csv"):
        kd = np.array([row["Kd_nM"], row["Ki_nM"]])[None, :, None]
        kon = 5.0 / kd  # the rates do not matter in the end
        ligand = np.array([[row["L_total_nM"]], [row["I_total_nM"]]])
        receptor = np.array([[row["R_total_nM"]]])
        bound = carry_forward(np.zeros((1, 2, 1)), ligand, receptor, Rates(kon, kd * kon), 200.0)
        near = 1e-4 * row["R_total_nM"]
        assert bound[0, 0, 0] == pytest.approx(row["RL_nM"], abs=near)
        assert bound[0, 1, 0] == pytest.approx(row["RI_nM"], abs=near)


def test_competitive_kinetics_agree_with_the_reference_table() -> None:
    for row in rows("motulsky_mahan.csv"):
        kon = np.array([row["k1_per_M_min"], row["k3_per_M_min"]])[None, :, None] * 1e-9
        koff = np.array([row["k2_per_min"], row["k4_per_min"]])[None, :, None]
        ligand, trace = np.array([[row["L_nM"]], [row["I_nM"]]]), 1e-6
        bound = carry_forward(
            np.zeros((1, 2, 1)), ligand, np.full((1, 1), trace), Rates(kon, koff), row["t_min"]
        )
        share = row["bound"] / row["Bmax"]
        assert bound[0, 0, 0] / trace == pytest.approx(share, abs=1e-4)
