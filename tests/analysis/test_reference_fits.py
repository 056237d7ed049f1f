"""Every shared expected fit, within the tolerances of its README."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from platectl.analysis.binding_models import saturation_naive, saturation_with_depletion
from platectl.analysis.compare import aicc, extra_sum_of_squares, paired_t
from platectl.analysis.dose_response import FOUR_PARAMETER, ONE_SITE, log_logistic, one_site_ki
from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.kinetic_models import DISSOCIATION, association
from platectl.analysis.profile import profile_interval
from platectl.analysis.quality import control_statistics
from platectl.analysis.residuals import lack_of_fit
from platectl.analysis.weighting import Weighting

SHARED = Path(__file__).resolve().parents[3] / "shared" / "reference"


def rows(name: str) -> list[dict[str, str]]:
    if not (SHARED / name).is_file():
        return []
    with (SHARED / name).open(newline="") as handle:
        return list(csv.DictReader(handle))


EXPECTED = [*rows("expected_fits.csv"), *rows("expected_drc_exact_ls.csv")]
WITH_ERROR = [row for row in EXPECTED if row["se"]]
pytestmark = pytest.mark.skipif(not EXPECTED, reason="the shared reference data are not here")

PAPER_NAMES = {
    "LogIC50_haloperidol": "LogIC50[haloperidol]",
    "LogIC50_cmpdA": "LogIC50[cmpdA]",
    "LogEC50": "LogIC50",
}


def columns(name: str, *keys: str) -> list[np.ndarray]:
    data = rows(name)
    return [np.array([float(row[key]) for row in data]) for key in keys]


def competition(compound: str) -> tuple[np.ndarray, np.ndarray]:
    data = [row for row in rows("competition_cpm.csv") if row["compound"] == compound]
    x = [float(row["log10_M"]) for row in data] if compound not in {"TOTAL", "NSB"} else []
    return np.array(x), np.array([float(row["cpm"]) for row in data])


def saturation_x(ligand: str) -> tuple[np.ndarray, np.ndarray]:
    data = rows("saturation_cpm.csv")
    added, cpm = columns("saturation_cpm.csv", ligand, "cpm")
    return np.stack((added, [float(row["kind"] == "total") for row in data])), cpm


CACHE: dict[tuple[str, str], Fit] = {}


def fitted(case: str, weighting: str) -> Fit:
    key = (case, weighting)
    if key not in CACHE:
        CACHE[key] = fit_case(case, FitOptions(weighting=Weighting(weighting)))
    return CACHE[key]


def fit_case(case: str, options: FitOptions) -> Fit:
    kind, _, compound = case.partition("_")
    sigmoids = {"comp3": ONE_SITE, "comp4": FOUR_PARAMETER, "compKi": one_site_ki(4e-9, 4.8e-9)}
    if kind in sigmoids:
        return fit(sigmoids[kind], *competition(compound), options=options)
    if kind == "compC":
        held = {"Top": competition("TOTAL")[1].mean(), "Bottom": competition("NSB")[1].mean()}
        return fit(ONE_SITE, *competition(compound), options=FitOptions(fixed=held))
    if kind == "comp":
        return fit_global()
    return fit_saturation(compound, options) if kind == "sat" else fit_other(kind, options)


def fit_global(shared: tuple[str, ...] = ("Top", "Bottom")) -> Fit:
    names = ("haloperidol", "cmpdA")
    x, y = (np.concatenate(part) for part in zip(*map(competition, names), strict=True))
    groups = [name for name in names for _ in range(36)]
    return fit(ONE_SITE, x, y, groups=groups, options=FitOptions(shared=shared))


def fit_saturation(kind: str, options: FitOptions) -> Fit:
    if kind == "naive":
        return fit(saturation_naive(), *saturation_x("nM_added"), options=options)
    return fit(saturation_with_depletion(), *saturation_x("cpm_added"), options=options)


def fit_other(kind: str, options: FitOptions) -> Fit:
    match kind:
        case "association":
            ligand, time_min, cpm = columns("association_cpm.csv", "L_nM", "min", "cpm")
            x = np.stack((ligand * 1e-9, time_min))
            return fit(association(1e6), x, cpm, start=np.array((3.0, 0.05, 1500.0)))
        case "dissociation":
            held = FitOptions(fixed={"Plateau": 0.0})
            return fit(DISSOCIATION, *columns("dissociation_cpm.csv", "min", "cpm"), options=held)
        case "agonist":
            x, y = columns("agonist_delta_ratio.csv", "log10_M", "delta_ratio")
            return fit(FOUR_PARAMETER, x, y, options=options)
        case "dnase":
            conc, density = columns("R_DNase_run1.csv", "conc", "density")
            return fit(FOUR_PARAMETER, np.log10(conc), density)
    raise AssertionError(kind)


def ryegrass(*, lower: bool = True) -> Fit:
    dose, length = columns("drc_ryegrass.csv", "conc", "rootl")
    return fit(log_logistic(lower=lower), dose, length)


def subject_of(row: dict[str, str]) -> Fit:
    if row["case"] == "ryegrass":
        return ryegrass(lower=row["model"] == "LL.4")
    return fitted(row["case"], row["weighting"])


def label(row: dict[str, str]) -> str:
    return "-".join((row["case"], row["model"], row["weighting"], row["parameter"]))


@pytest.mark.parametrize("row", WITH_ERROR, ids=label)
def test_an_expected_parameter_is_met(row: dict[str, str]) -> None:
    subject = subject_of(row)
    name = PAPER_NAMES.get(row["parameter"], row["parameter"])
    error = float(row["se"])

    found = subject[name]
    profile = profile_interval(subject, name)

    assert subject.status == "converged"
    assert (subject.points, subject.df) == (int(row["n"]), int(row["df"]))
    assert subject.ss == pytest.approx(float(row["SS"]), rel=1e-6)
    assert np.sqrt(subject.residual_variance) == pytest.approx(float(row["sy.x"]), rel=1e-6)
    assert aicc(subject) == pytest.approx(float(row["AICc"]), abs=1e-4)
    assert found.value == pytest.approx(float(row["estimate"]), abs=1e-3 * error)
    assert found.standard_error == pytest.approx(error, rel=1e-3)
    for side, value in (
        ("wald_lo", found.wald_lower),
        ("wald_hi", found.wald_upper),
        ("prof_lo", profile.lower),
        ("prof_hi", profile.upper),
    ):
        assert value == pytest.approx(float(row[side]), abs=2e-3 * error)


def expected(case: str, parameter: str) -> float:
    (row,) = [r for r in EXPECTED if r["case"] == case and r["parameter"] == parameter]
    return float(row["estimate"])


@pytest.mark.parametrize("compound", ["haloperidol", "cmpdA"])
def test_hill_tests_are_met(compound: str) -> None:
    simple, full = fitted(f"comp3_{compound}", "none"), fitted(f"comp4_{compound}", "none")

    test = extra_sum_of_squares(simple, full)

    case = f"hillF_{compound}"
    assert test.f == pytest.approx(expected(case, "F"), rel=1e-5)
    assert test.p == pytest.approx(expected(case, "p"), rel=1e-5)
    assert aicc(simple) - aicc(full) == pytest.approx(
        expected(case, "AICc(3par)-AICc(4par)"), abs=1e-6
    )


def test_sharing_plateaus_is_tested_as_expected() -> None:
    test = extra_sum_of_squares(fit_global(), fit_global(shared=()))

    assert test.f == pytest.approx(expected("comp_global", "F"), rel=1e-6)
    assert test.p == pytest.approx(expected("comp_global", "p"), rel=1e-6)
    assert (test.df_extra, test.df_full) == (2, 66)


def test_control_statistics_are_met() -> None:
    s = control_statistics(competition("TOTAL")[1], competition("NSB")[1])

    assert s.z_prime == pytest.approx(expected("qc", "Zprime"), rel=1e-10)
    assert s.robust_z_prime == pytest.approx(expected("qc", "robust_Zprime_medMAD"), rel=1e-10)
    assert s.signal_window == pytest.approx(expected("qc", "signal_window_AGM"), rel=1e-10)
    assert s.ssmd == pytest.approx(expected("qc", "SSMD"), rel=1e-10)
    assert s.signal_to_background == pytest.approx(expected("qc", "S_over_B"), rel=1e-10)
    assert 100.0 * s.cv_high == pytest.approx(expected("qc", "CV_total_pct"), rel=1e-10)
    assert 100.0 * s.cv_low == pytest.approx(expected("qc", "CV_nsb_pct"), rel=1e-10)


@pytest.mark.parametrize("weighting", ["none", "Y2"])
def test_kd_follows_from_kd_in_counts(weighting: str) -> None:
    kd = fitted("sat_depletion", weighting)["KdCPM"].value / (24.9 * 250.0)

    (row,) = [r for r in EXPECTED if r["model"] == f"derived_{weighting}"]
    assert kd == pytest.approx(float(row["estimate"]), rel=1e-6)


def test_ryegrass_lack_of_fit_is_that_of_drc() -> None:
    test = lack_of_fit(ryegrass())

    assert test is not None
    assert test.f == pytest.approx(0.2410626985, rel=1e-5)
    assert test.p == pytest.approx(0.8664830426, rel=1e-6)


def test_dnase_is_that_of_r() -> None:
    conc, density = columns("R_DNase_run1.csv", "conc", "density")
    full = fitted("dnase_run1", "none")
    options = FitOptions(fixed={"Bottom": 0.0})
    simple = fit(FOUR_PARAMETER, np.log10(conc), density, options=options)

    top, middle, hill = simple["Top"], simple["LogIC50"], simple["HillSlope"]
    profile = profile_interval(simple, "Top")
    test = extra_sum_of_squares(simple, full)

    assert top.value == pytest.approx(2.34518, abs=1e-5)
    assert top.standard_error == pytest.approx(0.07815, abs=1e-5)
    assert middle.value * np.log(10.0) == pytest.approx(1.48309, abs=1e-5)
    assert middle.standard_error * np.log(10.0) == pytest.approx(0.08135, abs=1e-5)
    assert np.log(10.0) / hill.value / np.log(10.0) == pytest.approx(1.04146, abs=1e-5)
    assert profile.lower == pytest.approx(2.19354, abs=1e-3)
    assert profile.upper == pytest.approx(2.53880, abs=1e-3)
    assert test.f == pytest.approx(0.2098, abs=1e-4)
    assert test.p == pytest.approx(0.6551, abs=1e-4)


def test_paired_bmax_is_that_of_graphpad() -> None:
    control, treated = columns("graphpad_faq1765_paired_bmax.csv", "control_Bmax", "treated_Bmax")

    test = paired_t(control, treated)

    assert test.p == pytest.approx(0.0150, abs=5e-5)
    assert test.lower == pytest.approx(149.70, abs=0.02)
    assert test.upper == pytest.approx(490.30, abs=0.02)
