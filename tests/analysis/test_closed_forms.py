"""Exact tables: mass action, IC50 to Ki, competitive kinetics, counting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from platectl.analysis import AnalysisError
from platectl.analysis.binding_models import (
    CompetitionSetting,
    competition_mass_action,
    heterologous_with_depletion,
)
from platectl.analysis.counting import (
    cpm_per_molar,
    decayed_specific_activity,
    dpm_from_cpm,
    fmol_from_dpm,
    molar_from_fmol,
    net_rate_sd,
    pmol_per_mg,
    poisson_limits,
)
from platectl.analysis.ki import (
    cheng_prusoff,
    goldstein_barrett,
    ic50_from_ki,
    munson_rodbard,
)
from platectl.analysis.kinetic_models import motulsky_mahan
from platectl.analysis.mass_action import equilibrium, free_receptor

Table = Callable[[str], list[dict[str, str]]]
NANO = 1e-9


def test_mass_action_meets_the_exact_table(table: Table) -> None:
    for row in table("closed-form/mass_action_competition.csv"):
        v = {name: float(value) for name, value in row.items()}

        found = equilibrium(
            v["R_total_nM"] * NANO,
            np.array([v["L_total_nM"], v["I_total_nM"]]) * NANO,
            np.array([v["Kd_nM"], v["Ki_nM"]]) * NANO,
        )

        assert found.free_receptor_molar / NANO == pytest.approx(v["R_free_nM"], rel=1e-9)
        assert found.bound_molar / NANO == pytest.approx([v["RL_nM"], v["RI_nM"]], rel=1e-9)
        assert found.free_molar / NANO == pytest.approx([v["L_free_nM"], v["I_free_nM"]], rel=1e-9)


def test_mass_action_is_exact_where_the_cubic_fails() -> None:
    """One ligand has a closed form; a second at zero concentration must not matter."""
    for receptor in (1e-15, 1e-9, 1e-3):
        for kd in (1e-15, 1e-9, 1e-3):
            free = free_receptor(receptor, np.array([receptor, 0.0]), np.array([kd, 1e-9]))
            exact = 2.0 * kd * receptor / (kd + np.sqrt(kd * kd + 4.0 * kd * receptor))
            assert float(free) == pytest.approx(exact, rel=1e-9)


def test_ki_corrections_meet_the_exact_table(table: Table) -> None:
    for row in table("closed-form/ic50_to_ki_corrections.csv"):
        v = {name: float(value) * NANO for name, value in row.items()}
        bound, total, kd = v["RL0_nM"], v["L_total_nM"], v["Kd_nM"]
        assay = {"radioligand_molar": total, "kd_molar": kd}
        free = {"free_zero_molar": total - bound, "free_half_molar": total - 0.5 * bound}
        y0 = bound / (total - bound)
        ic50 = v["IC50_total_nM"]

        assert cheng_prusoff(ic50, **assay) == pytest.approx(v["Ki_ChengPrusoff"], rel=1e-9)
        assert goldstein_barrett(ic50, **free, kd_molar=kd) == pytest.approx(
            v["Ki_GoldsteinBarrett_totalI"], rel=1e-9
        )
        assert goldstein_barrett(v["IC50_free_nM"], **free, kd_molar=kd) == pytest.approx(
            v["Ki_GoldsteinBarrett_freeI"], rel=1e-9
        )
        assert munson_rodbard(ic50, **assay, bound_over_free=y0) == pytest.approx(
            v["Ki_MunsonRodbard"], rel=1e-9
        )
        assert ic50_from_ki(v["Ki_true_nM"], **assay, bound_over_free=y0) == pytest.approx(
            ic50, rel=1e-9
        )


def test_munson_rodbard_agrees_with_mass_action_without_tables() -> None:
    receptor, total, kd, ki = 2e-9, 4e-9, 4.8e-9, 5e-9
    zero = equilibrium(receptor, [total, 0.0], [kd, ki])
    y0 = float(zero.bound_molar[0] / zero.free_molar[0])
    ic50 = ic50_from_ki(ki, radioligand_molar=total, kd_molar=kd, bound_over_free=y0)

    half = equilibrium(receptor, [total, ic50], [kd, ki])

    assert half.bound_molar[0] == pytest.approx(0.5 * zero.bound_molar[0], rel=1e-12)


def test_competitive_kinetics_meet_the_exact_table(table: Table) -> None:
    for row in table("closed-form/motulsky_mahan.csv"):
        v = {name: float(value) for name, value in row.items()}

        bound = motulsky_mahan(
            v["t_min"],
            k1_per_molar_min=v["k1_per_M_min"],
            k2_per_min=v["k2_per_min"],
            k3_per_molar_min=v["k3_per_M_min"],
            k4_per_min=v["k4_per_min"],
            radioligand_molar=v["L_nM"] * NANO,
            competitor_molar=v["I_nM"] * NANO,
            bmax=v["Bmax"],
        )

        assert float(bound) == pytest.approx(v["bound"], rel=1e-9)


def test_competitive_kinetics_end_in_equilibrium() -> None:
    bound = motulsky_mahan(
        1e6,
        k1_per_molar_min=6e6,
        k2_per_min=0.03,
        k3_per_molar_min=2e6,
        k4_per_min=0.004,
        radioligand_molar=3e-9,
        competitor_molar=np.array([0.0, 2e-9, 1e-6]),
        bmax=100.0,
    )

    occupied = 3e-9 / (3e-9 + 5e-9 * (1.0 + np.array([0.0, 2e-9, 1e-6]) / 2e-9))
    assert bound == pytest.approx(100.0 * occupied, rel=1e-9)


def test_competitive_kinetics_without_competitor_and_equal_rates_is_plain_association() -> None:
    bound = motulsky_mahan(
        30.0,
        k1_per_molar_min=6e6,
        k2_per_min=0.03,
        k3_per_molar_min=2e6,
        k4_per_min=6e6 * 3e-9 + 0.03,
        radioligand_molar=3e-9,
        competitor_molar=0.0,
    )

    rate = 6e6 * 3e-9 + 0.03
    assert float(bound) == pytest.approx(0.375 * (1.0 - np.exp(-rate * 30.0)), rel=1e-12)


def test_counting_meets_the_exact_table(table: Table) -> None:
    for row in table("closed-form/counting_conversion.csv"):
        v = {name: float(value) for name, value in row.items()}
        activity = decayed_specific_activity(v["SA_ref_Ci_per_mmol"], days=v["days_since_ref"])
        dpm = dpm_from_cpm(
            v["cpm_gross"], background_cpm=v["cpm_background"], efficiency=v["efficiency"]
        )
        fmol = fmol_from_dpm(dpm, specific_activity_ci_per_mmol=activity)
        volume_ul = 1e3 * v["volume_mL"]

        assert activity == pytest.approx(v["SA_today_Ci_per_mmol"], rel=1e-9)
        assert dpm == pytest.approx(v["dpm"], rel=1e-9)
        assert fmol == pytest.approx(v["fmol"], rel=1e-9)
        assert molar_from_fmol(fmol, volume_ul=volume_ul) / NANO == pytest.approx(
            v["nM_in_volume"], rel=1e-9
        )
        assert pmol_per_mg(fmol, protein_ug=v["protein_ug"]) == pytest.approx(
            v["pmol_per_mg"], rel=1e-9
        )


def test_counting_constants_without_tables() -> None:
    factor = cpm_per_molar(efficiency=0.42, specific_activity_ci_per_mmol=28.0, volume_ul=250.0)

    assert factor * 3e-9 == pytest.approx(19_580, abs=1.0)
    assert decayed_specific_activity(28.0, days=4500.0) == pytest.approx(14.0)


def test_garwood_limits() -> None:
    assert poisson_limits(0) == pytest.approx((0.0, 3.688879), rel=1e-6)
    assert poisson_limits(10) == pytest.approx((4.795389, 18.390356), rel=1e-6)
    with pytest.raises(AnalysisError, match="whole numbers"):
        poisson_limits(-1)


def test_net_rate_sd() -> None:
    assert net_rate_sd(400.0, count_min=1.0, background_cpm=0.0) == pytest.approx(20.0)
    assert net_rate_sd(
        400.0, count_min=2.0, background_cpm=18.0, background_min=10.0
    ) == pytest.approx(np.sqrt(201.8))


@pytest.mark.parametrize(
    "call",
    [
        lambda: dpm_from_cpm(100.0, background_cpm=18.0, efficiency=0.0),
        lambda: fmol_from_dpm(1.0, specific_activity_ci_per_mmol=0.0),
        lambda: molar_from_fmol(1.0, volume_ul=0.0),
        lambda: pmol_per_mg(1.0, protein_ug=-1.0),
        lambda: net_rate_sd(1.0, count_min=0.0, background_cpm=1.0),
        lambda: cheng_prusoff(-1.0, radioligand_molar=1.0, kd_molar=1.0),
        lambda: equilibrium(-1.0, [1.0], [1.0]),
        lambda: equilibrium(1.0, [1.0], [0.0]),
    ],
)
def test_impossible_quantities_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(AnalysisError):
        call()


def test_prism_depletion_agrees_with_exact_mass_action_while_the_competitor_is_in_excess() -> None:
    setting = CompetitionSetting(3e-9, 5e-9, 6.5e12, 0.0)
    exact = competition_mass_action(setting)
    prism = heterologous_with_depletion(setting.added_cpm, 5e-9 * 6.5e12)
    doses = np.array([1e-8, 1e-7, 1e-6])
    receptor, ns = 1e-12, 0.005

    ours = exact.curve(doses, np.array([-8.0, np.log10(receptor), ns]))
    theirs = prism.curve(np.log10(doses), np.array([-8.0, receptor * 6.5e12, ns]))

    assert ours == pytest.approx(theirs, rel=1e-4)
