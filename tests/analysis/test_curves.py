"""The public Python API on plain arrays: one curve, potency, doses of effect, kinetics."""

from __future__ import annotations

import inspect
import math
from typing import get_type_hints

import numpy as np
import pytest
from benchmarks import models_page

from platectl import analysis
from platectl.analysis import (
    MODELS,
    AnalysisError,
    compare_potency,
    fit_curve,
    fit_curves,
    profile_interval,
)
from platectl.analysis.binding_models import CompetitionSetting, competition_mass_action
from platectl.analysis.compare import aic, log_likelihood
from platectl.analysis.dose_response import FOUR_PARAMETER, log_logistic
from platectl.analysis.effective_dose import effective_dose, observed_covariance
from platectl.analysis.fit import FitOptions, fit
from platectl.analysis.kinetic_models import competitive_kinetics, motulsky_mahan
from platectl.analysis.weighting import Weighting

X = np.repeat(np.linspace(-10.5, -5.0, 12), 3)
TRUTH = (1200.0, 140.0, -8.1, -1.0)
DOSE = np.repeat([0.0, 0.94, 1.88, 3.75, 7.5, 15.0, 30.0], 4)


def noisy(seed: int, theta: tuple[float, ...] = TRUTH, sd: float = 20.0) -> np.ndarray:
    clean = FOUR_PARAMETER.curve(X, np.array(theta))
    return clean + sd * np.random.default_rng(seed).normal(size=X.size)


def test_a_curve_is_fitted_by_the_name_of_its_model_and_from_lists() -> None:
    y = noisy(1)

    by_name = fit_curve("4PL", X.tolist(), y.tolist(), weighting="Y")

    full = fit(FOUR_PARAMETER, X, y, options=FitOptions(weighting=Weighting("Y")))
    assert by_name.free_values == pytest.approx(full.free_values)
    assert profile_interval(by_name, "LogIC50").bounded


def test_groups_share_what_they_are_told_to_share() -> None:
    y = np.concatenate((noisy(1), noisy(2, (1200.0, 140.0, -7.1, -1.0))))
    groups = ["a"] * X.size + ["b"] * X.size

    shared = ("Top", "Bottom", "HillSlope")

    together = fit_curve("4PL", np.tile(X, 2), y, groups=groups, shared=shared)

    assert together["LogIC50[a]"].value == pytest.approx(-8.1, abs=0.1)
    assert together["LogIC50[b]"].value == pytest.approx(-7.1, abs=0.1)
    assert together.df == y.size - 5


def test_constants_and_limits_are_kept() -> None:
    y = noisy(3)

    held = fit_curve("4PL", X, y, fixed={"Bottom": 150.0}, bounds={"Top": (0.0, 1000.0)})
    started = fit_curve("one-site", X, y, start={"Top": 1000.0, "Bottom": 0.0, "LogIC50": -8.0})

    assert held["Bottom"].value == 150.0
    assert held.status == "hit constraint"
    assert started.status == "converged"


def test_a_competitor_may_be_absent_or_displace_everything() -> None:
    setting = CompetitionSetting(3e-9, 5e-9, 6e12, 18.0)
    model = competition_mass_action(setting)
    molar = np.concatenate(
        ([0.0] * 4, np.repeat(10.0 ** np.linspace(-10.0, -5.0, 8), 3), [np.inf] * 4)
    )
    with np.errstate(all="ignore"):  # an infinite dose is meant
        clean = model.curve(molar, np.array((-8.0, -9.5, 0.005)))

    noisy_cpm = clean + np.random.default_rng(2).normal(0.0, 5.0, clean.size)
    start = {"LogKi": -7.0, "LogBmax": -9.0, "NS": 0.01}

    found = fit_curve(model, molar, noisy_cpm, start=start)

    assert found["LogKi"].value == pytest.approx(-8.0, abs=0.05)


def test_the_page_of_curves_is_what_the_code_says_and_every_curve_has_equation_and_source() -> None:
    assert models_page.PAGE.read_text() == models_page.page(), (
        "run python -m benchmarks.models_page --write"
    )
    for name, model in models_page.models():
        assert model.equation, name
        assert model.source, name


@pytest.mark.parametrize("name", sorted(analysis.__all__))
def test_everything_public_is_documented_and_typed(name: str) -> None:
    thing = getattr(analysis, name)
    if not callable(thing):
        return

    assert inspect.getdoc(thing), name
    if inspect.isfunction(thing):
        hints = get_type_hints(thing)
        assert set(hints) == {*inspect.signature(thing).parameters, "return"}


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AnalysisError, match="one-site, two-site, 4PL"):
        fit_curve("6PL", X, noisy(1))
    with pytest.raises(AnalysisError, match="No model is called"):
        fit_curves("6PL", X, noisy(1)[None])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_of_the_catalogue_finds_its_own_curve(name: str) -> None:
    model = MODELS[name]
    truths = {
        "one-site": (X, (1200.0, 140.0, -8.1)),
        "two-site": (X, (1200.0, 140.0, -9.3, -6.9, 0.5)),
        "4PL": (X, TRUTH),
        "5PL": (X, (1200.0, 140.0, -8.1, -1.0, 0.7)),
        "bell-shaped": (X, (0.1, 1.0, -8.3, -6.0)),
        "LL.3": (DOSE, (2.5, 8.0, 3.0)),
        "LL.4": (DOSE, (2.5, 0.5, 8.0, 3.0)),
        "LL.5": (DOSE, (2.5, 0.5, 8.0, 3.0, 0.8)),
        "dissociation": (DOSE, (900.0, 100.0, 0.2)),
        "two-phase dissociation": (DOSE, (900.0, 100.0, 1.0, 0.1, 0.5)),
    }
    x, theta = truths[name]
    y = model.curve(x, np.array(theta))
    scatter = 1e-4 * float(np.ptp(y))

    found = fit_curve(name, x, y + scatter * np.random.default_rng(4).normal(size=y.size))

    assert found.ss < 4.0 * y.size * scatter**2


def test_parallel_curves_have_a_relative_potency() -> None:
    y = np.concatenate((noisy(1), noisy(2, (1200.0, 140.0, -9.1, -1.0))))
    groups = ["old"] * X.size + ["new"] * X.size

    found = compare_potency(np.tile(X, 2), y, groups, reference="old")

    assert found.test.p > 0.05
    assert found.test.df_extra == 3
    assert found.equivalent
    assert found.potency.lower < 10.0 < found.potency.upper
    assert found.hill_ratio.lower < 1.0 < found.hill_ratio.upper


def test_curves_of_different_slope_are_not_parallel() -> None:
    y = np.concatenate((noisy(1), noisy(2, (1200.0, 140.0, -8.1, -2.0))))
    groups = ["old"] * X.size + ["new"] * X.size

    found = compare_potency(
        np.tile(X, 2), y, groups, reference="old", options=FitOptions(weighting=Weighting("Y"))
    )

    assert found.test.p < 1e-6
    assert not found.equivalent
    assert found.hill_ratio.value == pytest.approx(2.0, rel=0.2)


def test_relative_potency_needs_a_pair() -> None:
    with pytest.raises(AnalysisError, match="two groups"):
        compare_potency(X, noisy(1), ["a"] * X.size, reference="a")
    y = np.concatenate((noisy(1), noisy(2, (1200.0, 140.0, -8.1, 1.0))))
    groups = ["a"] * X.size + ["b"] * X.size
    with pytest.raises(AnalysisError, match="different signs"):
        compare_potency(np.tile(X, 2), y, groups, reference="a")


def grown(seed: int, *, asymmetric: bool = False) -> tuple[np.ndarray, np.ndarray]:
    theta = (2.5, 0.5, 8.0, 3.0, 0.8) if asymmetric else (2.5, 0.5, 8.0, 3.0)
    clean = log_logistic(asymmetric=asymmetric).curve(DOSE, np.array(theta))
    return DOSE, clean + 0.3 * np.random.default_rng(seed).normal(size=DOSE.size)


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("percent", [10.0, 50.0, 90.0])
def test_an_effective_dose_has_its_effect(percent: float, *, asymmetric: bool) -> None:
    fitted = fit(log_logistic(asymmetric=asymmetric), *grown(1, asymmetric=asymmetric))

    found = effective_dose(fitted, percent)

    upper, lower = fitted["d"].value, fitted["c"].value
    effect = float(fitted.predict(np.array([found.dose]))[0])
    assert effect == pytest.approx(upper - percent / 100.0 * (upper - lower), rel=1e-9)
    assert found.lower < found.dose < found.upper


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("percent", [10.0, 50.0, 90.0])
def test_an_effective_dose_of_a_rising_curve_is_counted_from_the_response_without_dose(
    percent: float, *, asymmetric: bool
) -> None:
    model = log_logistic(asymmetric=asymmetric)
    dose, falling = grown(1, asymmetric=asymmetric)
    start = {"b": -2.5, "c": 2.0, "d": 9.5, "e": 3.0, "f": 1.0}
    fitted = fit(model, dose, 10.0 - falling, start={n: start[n] for n in model.parameters})

    found = effective_dose(fitted, percent)

    assert fitted["b"].value < 0.0
    low, high = fitted["c"].value, fitted["d"].value
    effect = float(fitted.predict(np.array([found.dose]))[0])
    assert effect == pytest.approx(low + percent / 100.0 * (high - low), rel=1e-9)
    assert found.percent == percent


def test_ed10_lies_below_ed90_whichever_way_the_curve_goes() -> None:
    dose, falling = grown(3)

    for y in (falling, 10.0 - falling):
        fitted = fit_curve("LL.4", dose, y)
        assert effective_dose(fitted, 10.0).dose < effective_dose(fitted, 90.0).dose


def test_the_error_of_an_effective_dose_of_a_rising_curve_is_that_of_its_mirror() -> None:
    dose, falling = grown(2)
    start = {"b": -2.5, "c": 2.0, "d": 9.5, "e": 3.0}

    down = effective_dose(fit(log_logistic(), dose, falling), 20.0)
    up = effective_dose(fit(log_logistic(), dose, 10.0 - falling, start=start), 20.0)

    assert (up.dose, up.standard_error) == pytest.approx((down.dose, down.standard_error), rel=1e-5)


def test_the_error_of_an_effective_dose_is_the_delta_method() -> None:
    fitted = fit(log_logistic(), *grown(2))

    half = effective_dose(fitted, 50.0)

    assert half.dose == pytest.approx(fitted["e"].value)
    assert half.standard_error == pytest.approx(fitted["e"].standard_error)


def test_effective_doses_are_refused_where_there_are_none() -> None:
    fitted = fit(log_logistic(), *grown(2))

    with pytest.raises(AnalysisError, match="between 0 and 100"):
        effective_dose(fitted, 100.0)
    with pytest.raises(AnalysisError, match="log-logistic"):
        effective_dose(fit_curve("4PL", X, noisy(1)), 50.0)


def test_observed_and_usual_covariance_agree_where_residuals_are_small() -> None:
    y = FOUR_PARAMETER.curve(X, np.array(TRUTH))
    fitted = fit_curve("4PL", X, y + 0.01 * np.random.default_rng(1).normal(size=y.size))

    assert observed_covariance(fitted) == pytest.approx(fitted.covariance, rel=2e-3)


def test_likelihood_is_that_of_normal_residuals() -> None:
    fitted = fit_curve("4PL", X, noisy(1))

    variance = fitted.ss / fitted.points
    density = -0.5 * (math.log(2.0 * math.pi * variance) + np.square(fitted.residuals) / variance)
    assert log_likelihood(fitted) == pytest.approx(float(density.sum()))
    assert aic(fitted) == pytest.approx(10.0 - 2.0 * log_likelihood(fitted))


def test_rates_of_a_competitor_come_from_its_competition_over_time() -> None:
    time_min = np.tile([2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0], 3)
    competitor = np.repeat([0.0, 5e-9, 5e-8], 7)
    x = np.stack((np.full(21, 3e-9), competitor, time_min))
    clean = motulsky_mahan(
        time_min,
        k1_per_molar_min=6e6,
        k2_per_min=0.03,
        k3_per_molar_min=2e6,
        k4_per_min=0.02,
        radioligand_molar=3e-9,
        competitor_molar=competitor,
        bmax=2000.0,
    )
    model = competitive_kinetics(6e6, 0.03, competitor_rate_unit=1e6)

    found = fit_curve(model, x, clean + np.random.default_rng(1).normal(size=21))

    assert found.status == "converged"
    assert 10.0 ** found["LogK3"].value == pytest.approx(2.0, rel=0.03)
    assert 10.0 ** found["LogK4"].value == pytest.approx(0.02, rel=0.03)
    assert found["Bmax"].value == pytest.approx(2000.0, rel=0.01)
