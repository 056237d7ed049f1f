"""Many curves at once: the numbers of one curve at a time, for easy and for hard curves."""

from __future__ import annotations

import numpy as np
import pytest

from platectl.analysis import AnalysisError
from platectl.analysis.batch import fit_curve_stream, fit_curves
from platectl.analysis.batch_levels import collapse
from platectl.analysis.batch_models import BATCH_MODELS
from platectl.analysis.batch_profile import profile_curves
from platectl.analysis.dose_response import FIVE_PARAMETER, FOUR_PARAMETER, ONE_SITE
from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.kinetic_models import DISSOCIATION
from platectl.analysis.model import Model, central_differences
from platectl.analysis.profile import profile_interval
from platectl.analysis.weighting import Weighting, given_weights

X = np.repeat(np.linspace(-10.5, -5.0, 12), 3)
MINUTES = np.repeat(np.array([0.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 90.0]), 2)


def curves(count: int, seed: int = 1, sd: float = 25.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    theta = (
        rng.uniform(800.0, 1500.0, count),
        rng.uniform(50.0, 200.0, count),
        rng.uniform(-9.0, -6.5, count),
        -np.exp(rng.normal(0.0, 0.25, count)),
    )
    clean = [FOUR_PARAMETER.curve(X, np.array(row)) for row in zip(*theta, strict=True)]
    return np.array(clean) + sd * rng.normal(size=(count, X.size))


def decays(count: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    rows = [(900.0 + 50.0 * k, 100.0, 0.02 + 0.004 * k) for k in range(count)]
    clean = [DISSOCIATION.curve(MINUTES, np.array(row)) for row in rows]
    return np.array(clean) + 12.0 * rng.normal(size=(count, MINUTES.size))


def one_by_one(
    model: Model, x: np.ndarray, y: np.ndarray, options: FitOptions | None = None
) -> list[Fit]:
    return [fit(model, x, row, options=options or FitOptions()) for row in y]


def assert_same(many, each: list[Fit]) -> None:
    for row, single in enumerate(each):
        assert many.status[row] == single.status
        assert many.ss[row] == pytest.approx(single.ss, rel=1e-10)
        assert many.df[row] == single.df
        for i, parameter in enumerate(single.parameters):
            error = parameter.standard_error or 1.0
            assert many.estimates[row, i] == pytest.approx(parameter.value, abs=1e-6 * error)
            assert many.standard_errors[row, i] == pytest.approx(parameter.standard_error, rel=1e-6)
            assert many.wald_lower[row, i] == pytest.approx(parameter.wald_lower, abs=1e-5 * error)
            assert many.wald_upper[row, i] == pytest.approx(parameter.wald_upper, abs=1e-5 * error)
            assert many.dependency[row, i] == pytest.approx(parameter.dependency, abs=1e-6)


@pytest.mark.parametrize(
    ("model", "x", "y"),
    [
        (FOUR_PARAMETER, X, curves(20)),
        (ONE_SITE, X, curves(20)),
        (DISSOCIATION, MINUTES, decays(10)),
    ],
    ids=["four parameters", "one site", "dissociation"],
)
def test_many_curves_have_the_numbers_of_one(model: Model, x: np.ndarray, y: np.ndarray) -> None:
    assert_same(fit_curves(model, x, y), one_by_one(model, x, y))


@pytest.mark.parametrize("kind", ["Y", "Y2", "counting", "relative"])
def test_weights_come_from_the_curve_at_its_fixed_point(kind: str) -> None:
    weighting = Weighting(kind, count_min=2.0, cv=0.03, background_cpm=18.0, floor=5.0)
    y = curves(8)

    many = fit_curves(FOUR_PARAMETER, X, y, weighting=weighting)

    assert_same(many, one_by_one(FOUR_PARAMETER, X, y, FitOptions(weighting=weighting)))


def test_given_weights_and_measured_deviations_may_differ_by_curve() -> None:
    y, rng = curves(6), np.random.default_rng(3)
    sd = rng.uniform(10.0, 40.0, y.shape)

    by_sd = fit_curves(FOUR_PARAMETER, X, y, weighting=Weighting("sd", values=sd))
    by_weight = fit_curves(FOUR_PARAMETER, X, y, weighting=given_weights(sd**-2.0))
    common = fit_curves(FOUR_PARAMETER, X, y, weighting=given_weights(sd[0] ** -2.0))

    each = [
        fit(FOUR_PARAMETER, X, row, options=FitOptions(weighting=given_weights(own**-2.0)))
        for row, own in zip(y, sd, strict=True)
    ]
    assert_same(by_weight, each)
    assert by_sd.estimates == pytest.approx(by_weight.estimates)
    assert common.estimates[0] == pytest.approx(by_weight.estimates[0], rel=1e-8)


def test_missing_points_are_left_out() -> None:
    y = curves(6)
    y[1, 3], y[2, :5], y[3, ::3] = np.nan, np.nan, np.nan

    many = fit_curves(FOUR_PARAMETER, X, y)

    known = [~np.isnan(row) for row in y]
    each = [fit(FOUR_PARAMETER, X[k], row[k]) for k, row in zip(known, y, strict=True)]
    assert_same(many, each)


def test_curves_without_points_or_without_a_design_are_not_errors() -> None:
    y = curves(3)
    y[0], y[1] = np.nan, 5.0

    many = fit_curves(FOUR_PARAMETER, X, y)
    one_dose = fit_curves(FOUR_PARAMETER, np.full(X.size, -7.0), y[2:])

    assert many.status.tolist() == ["not converged", "ambiguous", "converged"]
    assert np.isnan(many.estimates[0]).all()
    assert one_dose.status.tolist() == ["ambiguous"]


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_units_and_the_order_of_points_do_not_matter(factor: float) -> None:
    y, order = curves(3), np.random.default_rng(1).permutation(X.size)
    plain = fit_curves(FOUR_PARAMETER, X, y)

    other = fit_curves(FOUR_PARAMETER, X[order], factor * y[:, order])

    assert other.estimate("Top") == pytest.approx(factor * plain.estimate("Top"), rel=1e-9)
    assert other.estimate("LogIC50") == pytest.approx(plain.estimate("LogIC50"), rel=1e-9)
    assert other.converged.all()


def test_too_few_points_give_no_number() -> None:
    y = curves(3)
    y[1, 3:] = np.nan

    many = fit_curves(FOUR_PARAMETER, X, y)

    assert np.isnan(many.estimates[1]).all()
    assert many.status.tolist() == ["converged", "not converged", "converged"]


@pytest.mark.parametrize(
    "fixed",
    [
        {"HillSlope": -1.0},
        {"Bottom": 120.0},
        {"Top": 1100.0},
        {"Top": 1100.0, "Bottom": 120.0},
        {"LogIC50": -7.5},
        {"LogIC50": -7.5, "HillSlope": -1.0},
    ],
    ids=str,
)
def test_parameters_may_be_held(fixed: dict[str, float]) -> None:
    y = curves(6)

    many = fit_curves(FOUR_PARAMETER, X, y, fixed=fixed)

    for row, single in enumerate(one_by_one(FOUR_PARAMETER, X, y, FitOptions(fixed=fixed))):
        assert many.ss[row] <= single.ss * (1.0 + 1e-9)
        if single.status == "converged" and single.ss <= many.ss[row] * (1.0 + 1e-9):
            errors = [p.standard_error for p in single.parameters]
            assert many.standard_errors[row] == pytest.approx(errors, rel=1e-5)
            values = [p.value for p in single.parameters]
            assert many.estimates[row] == pytest.approx(values, rel=1e-6)


def hard_curves(count: int) -> np.ndarray:
    """Noise of all sizes, slopes from flat to a step, middles in and out of the range."""
    rng = np.random.default_rng(11)
    hill = np.exp(rng.normal(0.0, 1.0, count)) * rng.choice([-1.0, 1.0], count)
    middle, sd = rng.uniform(-11.0, -4.0, count), np.exp(rng.uniform(0.0, 6.0, count))
    rows = [
        FOUR_PARAMETER.curve(X, np.array((1000.0, 100.0, m, h)))
        for m, h in zip(middle, hill, strict=True)
    ]
    return np.array(rows) + sd[:, None] * rng.normal(size=(count, X.size))


@pytest.mark.parametrize("model", [FOUR_PARAMETER, ONE_SITE], ids=["four", "three"])
def test_no_hard_curve_loses_against_multistart(model: Model) -> None:
    y = hard_curves(120)

    many = fit_curves(model, X, y)

    each = one_by_one(model, X, y)
    assert (many.ss <= np.array([single.ss for single in each]) * (1.0 + 1e-9)).all()


def test_the_batch_alone_says_which_curves_it_could_not_settle() -> None:
    y = hard_curves(120)

    alone = fit_curves(FOUR_PARAMETER, X, y, thorough=False)

    each = one_by_one(FOUR_PARAMETER, X, y)
    lowest = np.array([single.ss for single in each])
    assert (alone.ss <= lowest * (1.0 + 1e-9))[alone.converged].all()
    assert alone.scalar == 0


def test_flat_and_exact_curves_are_not_errors() -> None:
    exact = FOUR_PARAMETER.curve(X, np.array((1000.0, 100.0, -7.5, -1.0)))
    y = np.stack((np.full(X.size, 7.0), exact))

    many = fit_curves(FOUR_PARAMETER, X, y)

    assert many.status[0] != "converged"
    assert many.status[1] == "converged"
    assert many.estimates[1] == pytest.approx([1000.0, 100.0, -7.5, -1.0], rel=1e-6)


def test_the_higher_plateau_is_the_top() -> None:
    y = curves(4)
    rising = y[:, ::-1]

    many = fit_curves(FOUR_PARAMETER, X, rising)

    assert (many.estimate("Top") > many.estimate("Bottom")).all()
    assert (many.estimate("HillSlope") > 0.0).all()


def test_replicates_collapse_without_loss() -> None:
    rng = np.random.default_rng(5)
    x, y = np.repeat([1.0, 2.0, 4.0], 4), rng.normal(size=(5, 12))
    weights, curve = rng.uniform(0.5, 2.0, (5, 12)), np.repeat([0.3, 0.1, -0.2], 4)

    levels = collapse(x, y, weights)

    whole = (weights * (y - curve) ** 2).sum(axis=1)
    about_means = (levels.weight * (levels.mean - curve[::4, None]) ** 2).sum(axis=0)
    assert about_means + levels.scatter.sum(axis=0) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("name", sorted(BATCH_MODELS))
def test_slopes_of_batch_models_are_right(name: str) -> None:
    family = BATCH_MODELS[name]
    x = np.linspace(0.5, 40.0, 9) if family.model is DISSOCIATION else np.linspace(-10.0, -5.0, 9)
    shape = np.array((0.05,)) if family.model is DISSOCIATION else np.array((-7.4, -1.3))
    shape = shape[: len(family.model.parameters) - 2]

    u = family.fraction(x[:, None], shape[:, None])
    slopes = family.slopes(x[:, None], shape[:, None], u)

    theta = np.concatenate(((1.0, 0.0), shape))
    numeric = central_differences(family.model.curve, x, theta)
    assert u[:, 0] == pytest.approx(family.model.curve(x, theta), rel=1e-12)
    for i, slope in enumerate(slopes):
        assert slope[:, 0] == pytest.approx(numeric[:, 2 + i], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["none", "Y2"])
def test_profile_intervals_are_those_of_one_curve(kind: str) -> None:
    y, weighting = curves(6), Weighting(kind)
    many = fit_curves(FOUR_PARAMETER, X, y, weighting=weighting)

    found = profile_curves(many, y)

    each = one_by_one(FOUR_PARAMETER, X, y, FitOptions(weighting=weighting))
    for name in FOUR_PARAMETER.parameters:
        for row, single in enumerate(each):
            interval = profile_interval(single, name)
            near = 1e-4 * single[name].standard_error
            assert found[name].lower[row] == pytest.approx(interval.lower, abs=near)
            assert found[name].upper[row] == pytest.approx(interval.upper, abs=near)


def test_profile_intervals_of_held_and_of_fewer_parameters() -> None:
    y = curves(4)
    many = fit_curves(FOUR_PARAMETER, X, y, fixed={"Bottom": 100.0})

    found = profile_curves(many, y, ("LogIC50",))

    options = FitOptions(fixed={"Bottom": 100.0})
    for row, single in enumerate(one_by_one(FOUR_PARAMETER, X, y, options)):
        interval = profile_interval(single, "LogIC50")
        near = 1e-4 * single["LogIC50"].standard_error
        assert found["LogIC50"].lower[row] == pytest.approx(interval.lower, abs=near)
    with pytest.raises(AnalysisError, match="not a free parameter"):
        profile_curves(many, y, ("Bottom",))
    with pytest.raises(AnalysisError, match="4 fits and 3 curves"):
        profile_curves(many, y[:3])


def test_an_open_side_is_infinite() -> None:
    x = np.repeat(np.linspace(-11.0, -5.0, 12), 3)
    step = np.where(x < -8.0, 1000.0, 100.0)
    y = (step + np.random.default_rng(5).normal(size=x.size))[None]

    found = profile_curves(fit_curves(FOUR_PARAMETER, x, y), y, ("HillSlope",))

    assert found["HillSlope"].lower[0] == -np.inf
    assert found["HillSlope"].scalar == 1


def test_a_stream_gives_the_blocks_one_after_another() -> None:
    y = curves(9)

    parts = list(fit_curve_stream(FOUR_PARAMETER, X, (y[i : i + 3] for i in (0, 3, 6))))

    whole = fit_curves(FOUR_PARAMETER, X, y)
    together = np.concatenate([part.estimates for part in parts])
    assert together == pytest.approx(whole.estimates, rel=1e-7)


def test_what_cannot_be_fitted_is_refused() -> None:
    y = curves(2)

    with pytest.raises(AnalysisError, match="no batch form"):
        fit_curves(FIVE_PARAMETER, X, y)
    with pytest.raises(AnalysisError, match="points"):
        fit_curves(FOUR_PARAMETER, X[:-1], y)
    with pytest.raises(AnalysisError, match="finite"):
        fit_curves(FOUR_PARAMETER, X, np.where(y > 1200.0, np.inf, y))
    with pytest.raises(AnalysisError, match="no parameter 'Ki'"):
        fit_curves(FOUR_PARAMETER, X, y, fixed={"Ki": 1.0})
    with pytest.raises(AnalysisError, match="one value for each point"):
        fit_curves(FOUR_PARAMETER, X, y, weighting=Weighting("sd"))
    times = np.ones(X.size)
    with pytest.raises(AnalysisError, match="one counting time"):
        fit_curves(FOUR_PARAMETER, X, y, weighting=Weighting("poisson", count_min=times))
    assert len(fit_curves(FOUR_PARAMETER, X, y[:0])) == 0
