"""The fitting engine: starts, weights, groups, bounds, status, profiles, comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.analysis import AnalysisError
from platectl.analysis.binding_models import (
    CompetitionSetting,
    competition_dose_slope,
    competition_mass_action,
)
from platectl.analysis.compare import compare_aicc, extra_sum_of_squares, paired_t
from platectl.analysis.dose_response import (
    FIVE_PARAMETER,
    FOUR_PARAMETER,
    ONE_SITE,
    TWO_SITES,
    log_logistic,
    one_site_ki,
)
from platectl.analysis.fit import FitOptions, fit
from platectl.analysis.mass_action import equilibrium
from platectl.analysis.model import Model, central_differences
from platectl.analysis.outliers import rout_outliers
from platectl.analysis.profile import profile_interval
from platectl.analysis.report import report
from platectl.analysis.residuals import few_runs_probability, normality_p, runs_test
from platectl.analysis.weighting import Weighting, given_weights

X = np.repeat(np.linspace(-11.0, -5.0, 12), 3)
TRUTH = np.array((1200.0, 140.0, -8.1, -1.0))


def noisy(seed: int, theta: np.ndarray = TRUTH, sd: float = 20.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return FOUR_PARAMETER.curve(X, theta) + sd * rng.normal(size=X.size)


SETTING = CompetitionSetting(3e-9, 5e-9, 6.5e12, 18.0)


@pytest.mark.parametrize(
    ("model", "theta"),
    [
        (FOUR_PARAMETER, TRUTH),
        (ONE_SITE, TRUTH[:3]),
        (one_site_ki(3e-9, 5e-9), TRUTH[:3]),
    ],
)
def test_analytic_derivatives_are_right(model: Model, theta: np.ndarray) -> None:
    analytic = model.jacobian(X, theta)

    numeric = central_differences(model.curve, X, theta)

    assert analytic == pytest.approx(numeric, rel=1e-6, abs=1e-6)


def test_mass_action_derivatives_are_right() -> None:
    model = competition_mass_action(SETTING)
    x = np.concatenate((10.0 ** np.linspace(-11.0, -5.0, 13), [0.0, np.inf]))
    theta = np.array((-8.3, np.log10(4.6e-10), 0.005))

    analytic = model.jacobian(x, theta)
    numeric = central_differences(model.curve, x, theta)
    slope = competition_dose_slope(SETTING, x[:13], theta)
    up, down = (model.curve(x[:13] * 10.0**step, theta) for step in (1e-5, -1e-5))

    assert analytic == pytest.approx(numeric, rel=1e-5, abs=1e-5)
    assert slope == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("hill", [-0.6, -1.0, -2.5, 1.0])
@pytest.mark.parametrize("middle", [-10.0, -8.1, -6.0])
def test_guesses_lead_to_the_truth(hill: float, middle: float) -> None:
    truth = np.array((1200.0, 140.0, middle, hill))

    found = fit(FOUR_PARAMETER, X, FOUR_PARAMETER.curve(X, truth))

    assert found.free_values == pytest.approx(truth, rel=1e-6)
    assert found.status == "converged"


def test_five_parameters_with_no_asymmetry_are_four() -> None:
    five = np.append(TRUTH, 1.0)

    assert FIVE_PARAMETER.curve(X, five) == pytest.approx(FOUR_PARAMETER.curve(X, TRUTH))


def test_two_sites_are_found_and_preferred() -> None:
    truth = np.array((1200.0, 140.0, -9.5, -6.8, 0.5))
    y = TWO_SITES.curve(X, truth) + 10.0 * np.random.default_rng(1).normal(size=X.size)
    two, one = fit(TWO_SITES, X, y), fit(ONE_SITE, X, y)

    test, aicc = extra_sum_of_squares(one, two), compare_aicc(one, two)

    middles = sorted((two["LogIC50Hi"].value, two["LogIC50Lo"].value))
    assert middles == pytest.approx([-9.5, -6.8], abs=0.1)
    assert test.p < 1e-6
    assert aicc.difference > 10.0
    assert aicc.first_probability < 0.01


def test_counting_weights_are_those_of_the_final_curve() -> None:
    weighting = Weighting("counting", count_min=2.0, cv=0.03, background_cpm=18.0)

    found = fit(FOUR_PARAMETER, X, noisy(1), options=FitOptions(weighting=weighting))

    variance = found.fitted / 2.0 + (0.03 * (found.fitted - 18.0)) ** 2
    assert found.weights == pytest.approx(1.0 / variance, rel=1e-6)


def test_measured_standard_deviations_weight_the_points() -> None:
    y = noisy(2)
    sd = np.linspace(10.0, 30.0, y.size)

    by_sd = fit(ONE_SITE, X, y, options=FitOptions(weighting=Weighting("sd", values=sd)))
    by_weight = fit(ONE_SITE, X, y, options=FitOptions(weighting=given_weights(sd**-2.0)))

    assert by_sd.free_values == pytest.approx(by_weight.free_values, rel=1e-9)


def test_a_weighting_that_divides_by_zero_is_refused() -> None:
    with pytest.raises(AnalysisError, match="away from zero"):
        Weighting("Y2").weights(np.array([1.0, 0.0]))
    with pytest.raises(AnalysisError, match="one value for each point"):
        fit(ONE_SITE, X, noisy(1), options=FitOptions(weighting=Weighting("sd")))


def test_a_bound_that_holds_is_reported() -> None:
    options = FitOptions(bounds={"Bottom": (200.0, 1000.0)})

    found = fit(ONE_SITE, X, noisy(3), options=options)

    assert found.status == "hit constraint"
    assert found["Bottom"].value == 200.0
    assert found["Bottom"].fixed


def test_undetermined_parameters_are_ambiguous_and_unbounded() -> None:
    flat = np.full(X.size, 500.0) + np.random.default_rng(4).normal(size=X.size)
    start = {"Top": 501.0, "Bottom": 499.0, "LogIC50": 30.0}

    found = fit(ONE_SITE, X, flat, start=start)
    interval = profile_interval(fit(ONE_SITE, X, flat), "LogIC50")

    assert found.status == "ambiguous"
    assert found["LogIC50"].standard_error == np.inf
    assert not interval.bounded


def test_a_slope_between_two_doses_has_an_open_side() -> None:
    y = np.where(X < -8.0, 1000.0, 100.0) + np.random.default_rng(5).normal(size=X.size)

    interval = profile_interval(fit(FOUR_PARAMETER, X, y), "HillSlope")

    assert interval.lower == -np.inf


def test_a_single_dose_is_ambiguous() -> None:
    found = fit(ONE_SITE, np.full(X.size, -7.0), noisy(1))

    assert found.status == "ambiguous"


def test_a_constant_response_is_ambiguous_and_not_an_error() -> None:
    found = fit(ONE_SITE, X, np.full(X.size, 7.0))

    assert found.status != "converged"
    assert found.fitted == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X, np.append(noisy(1)[:-1], np.nan)),
        (X[:-1], noisy(1)),
        (X[:2], noisy(1)[:2]),
        (np.append(X[:-1], np.nan), noisy(1)),
    ],
)
def test_unusable_points_are_refused(x: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(AnalysisError):
        fit(ONE_SITE, x, y)


def test_unknown_parameters_are_refused() -> None:
    y = noisy(1)

    with pytest.raises(AnalysisError, match="no parameter 'Ki'"):
        fit(ONE_SITE, X, y, options=FitOptions(fixed={"Ki": 1.0}))
    with pytest.raises(AnalysisError, match="No start"):
        fit(ONE_SITE, X, y, start={"Top": 1.0})
    with pytest.raises(AnalysisError, match="not a free parameter"):
        profile_interval(fit(ONE_SITE, X, y), "Ki")


def test_fits_of_different_points_or_weights_are_not_compared() -> None:
    one, other = fit(ONE_SITE, X, noisy(1)), fit(FOUR_PARAMETER, X, noisy(2))
    weighted = fit(FOUR_PARAMETER, X, noisy(1), options=FitOptions(weighting=Weighting("Y")))

    for rival in (other, weighted):
        with pytest.raises(AnalysisError, match="can be compared"):
            extra_sum_of_squares(one, rival)
    with pytest.raises(AnalysisError, match="fuller model"):
        extra_sum_of_squares(one, one)
    with pytest.raises(AnalysisError, match="two or more pairs"):
        paired_t(np.ones(1), np.ones(1))


def test_groups_with_all_shared_are_one_group() -> None:
    y = noisy(6)
    groups = ["a", "b"] * 18

    shared = fit(
        ONE_SITE, X, y, groups=groups, options=FitOptions(shared=("Top", "Bottom", "LogIC50"))
    )
    single = fit(ONE_SITE, X, y)

    assert shared.free_values == pytest.approx(single.free_values, rel=1e-7)
    assert shared.ss == pytest.approx(single.ss)


def test_rout_finds_the_planted_point_and_spares_clean_data() -> None:
    y = noisy(7)
    y[10] += 400.0

    assert rout_outliers(fit(ONE_SITE, X, y)) == (10,)
    clean = sum(bool(rout_outliers(fit(ONE_SITE, X, noisy(seed)))) for seed in range(100))
    assert clean <= 8


def test_runs_and_normality() -> None:
    fine = np.linspace(-11.0, -5.0, 40)
    bent = FOUR_PARAMETER.curve(fine, np.array((1200.0, 140.0, -8.1, -0.4)))

    assert runs_test(fit(ONE_SITE, fine, bent)).p < 0.01
    assert few_runs_probability(5, 5, 2) == pytest.approx(2.0 / 252.0)
    assert few_runs_probability(5, 5, 10) == pytest.approx(1.0)
    rng = np.random.default_rng(8)
    assert normality_p(rng.normal(size=50)) > 0.01
    assert normality_p(rng.exponential(size=50)) < 0.01
    assert normality_p(np.ones(3)) is None


def test_normality_is_that_of_scipy() -> None:
    from scipy.stats import normaltest

    values = np.random.default_rng(9).gamma(3.0, size=40)

    assert normality_p(values) == pytest.approx(float(normaltest(values).pvalue), rel=1e-9)


def test_a_report_states_everything() -> None:
    subject = report(
        fit(FOUR_PARAMETER, X, noisy(1), options=FitOptions(fixed={"HillSlope": -1.0}))
    )

    assert subject.constraints == ("HillSlope = -1",)
    assert {p.name for p in subject.profiles} == {"Top", "Bottom", "LogIC50"}
    assert 0.99 < subject.r2 < 1.0
    assert subject.lack_of_fit.df_pure == 24
    assert len(subject.covariance) == 3


def test_a_band_holds_the_curve() -> None:
    subject = fit(FOUR_PARAMETER, X, noisy(1))

    lower, upper = subject.band(X)

    assert (lower < subject.fitted).all()
    assert (upper > subject.fitted).all()


def test_log_logistic_takes_dose_zero() -> None:
    dose = np.repeat([0.0, 1.0, 2.0, 4.0, 8.0, 16.0], 3)
    truth = np.array((2.5, 0.5, 8.0, 3.0))
    model = log_logistic()

    found = fit(model, dose, model.curve(dose, truth))

    assert found.free_values == pytest.approx(truth, rel=1e-6)


SEEDS = st.integers(0, 10_000)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_profile_interval_contains_its_estimate(seed: int) -> None:
    subject = fit(FOUR_PARAMETER, X, noisy(seed, sd=60.0))

    for name in FOUR_PARAMETER.parameters:
        interval = profile_interval(subject, name)
        assert interval.lower < interval.value < interval.upper


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(1e-3, 1e3), st.floats(-3.0, 3.0))
def test_estimates_follow_the_scales(seed: int, factor: float, shift: float) -> None:
    y = noisy(seed)

    one = fit(ONE_SITE, X, y)
    other = fit(ONE_SITE, X + shift, factor * y)

    expected = one.free_values * np.array((factor, factor, 1.0)) + np.array((0.0, 0.0, shift))
    assert other.free_values == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(seed: int, random: object) -> None:
    y = noisy(seed)
    order = list(range(y.size))
    random.shuffle(order)
    options = FitOptions(weighting=Weighting("Y"))

    one = fit(ONE_SITE, X, y, options=options)
    other = fit(ONE_SITE, X[order], y[order], options=options)

    assert other.free_values == pytest.approx(one.free_values, rel=1e-7)
    assert other.covariance == pytest.approx(one.covariance, rel=1e-5)


POSITIVE = st.floats(-14.0, -2.0).map(lambda e: 10.0**e)


@settings(max_examples=200, deadline=None)
@given(POSITIVE, st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=4))
def test_mass_is_conserved(receptor: float, ligands: list[tuple[float, float]]) -> None:
    total, constant = np.array(ligands).T

    found = equilibrium(receptor, total, constant)

    assert found.free_molar + found.bound_molar == pytest.approx(total, rel=1e-12)
    held = float(found.free_receptor_molar + found.bound_molar.sum())
    assert held == pytest.approx(receptor, rel=1e-11)


@settings(max_examples=100, deadline=None)
@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_more_competitor_never_binds_more_radioligand(
    receptor: float, radioligand: float, kd: float, ki: float
) -> None:
    doses = 10.0 ** np.linspace(-13.0, -3.0, 21)

    found = equilibrium(receptor, np.stack((np.full(21, radioligand), doses)), [kd, ki])

    bound = found.bound_molar[0]
    assert (np.diff(bound) <= 1e-12 * bound[0]).all()
