"""`platectl.analysis` on arrays without a lab: what cannot be fitted is refused by name, what is not known is no number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.analysis.calcium_plates import agonist_plate
from tests.analysis.calcium_plates import conditions as calcium_conditions
from tests.bad_data.bench import bundled_layout, clean_cpm

from platectl.analysis import (
    AnalysisError,
    BindingConditions,
    Weighting,
    WellCount,
    analyse_competition_plate,
    analyse_kinetics_plate,
    analyse_saturation_plate,
    compare_potency,
    extra_sum_of_squares,
    fit_curve,
    fit_curve_stream,
    fit_curves,
    potency,
    profile_curves,
    profile_interval,
)
from platectl.analysis.calcium import analyse_calcium_plate
from platectl.app.evaluation.binding import conditions_of, well_counts
from platectl.domain.codes import Code
from platectl.files.protocol import load_protocol
from platectl.files.samples import load_samples
from platectl.planning.plates import plan_plates

X = np.repeat(np.linspace(-10.0, -5.0, 8), 2)
Y = 100.0 + 900.0 / (1.0 + 10.0 ** (X + 7.5)) + np.random.default_rng(0).normal(0.0, 10.0, X.size)
GROUPS = ["a"] * 8 + ["b"] * 8


def put(values: np.ndarray, place: int, value: Any) -> Any:
    found = values.tolist()
    found[place] = value
    return found


#: what was done -> (name of the finding, x, y); fits of one curve
CURVES: dict[str, tuple[str, Any, Any]] = {
    "a response that is not a number": ("not-finite", X, put(Y, 3, math.nan)),
    "an infinite response": ("not-finite", X, put(Y, 3, math.inf)),
    "a response of None": ("not-finite", X, put(Y, 3, None)),
    "a masked response": ("not-finite", X, np.ma.masked_greater(Y, 900.0)),
    "a dose that is not a number": ("not-finite", put(X, 3, math.nan), Y),
    "the logarithm of zero": ("not-finite", put(X, 3, -math.inf), Y),
    "the logarithm of infinity": ("not-finite", put(X, 3, math.inf), Y),
    "nothing": ("points-few", [], []),
    "one point": ("points-few", [-7.0], [5.0]),
    "fewer points than parameters": ("points-few", X[:2], Y[:2]),
    "other lengths": ("array-shape", X, Y[:-1]),
    "a table of responses": ("array-shape", X, Y.reshape(2, -1)),
    "numbers without a list": ("array-shape", -7.0, 5.0),
    "ragged rows": ("array-shape", [[1.0, 2.0], [3.0]], [1.0, 2.0, 3.0]),
    "words": ("not-a-number", X, ["high"] * X.size),
    "one word": ("not-a-number", X, put(Y, 3, "lost")),
    "numbers as text": ("not-a-number", X, [str(v) for v in Y]),
    "yes and no": ("not-a-number", X, Y > 500.0),
    "complex numbers": ("not-a-number", X, Y * 1j),
    "dates": ("not-a-number", X, np.array(["2026-01-06"] * X.size, dtype="datetime64[D]")),
    "one dose": ("dose-impossible", np.full(X.size, -7.0), Y),
    "a constant response": ("response-constant", X, np.full(X.size, 500.0)),
    "no response": ("response-constant", X, np.zeros(X.size)),
    "a scale beyond squares": ("out-of-scale", X, Y * 1e300),
    "a scale below squares": ("out-of-scale", X, Y * 1e-300),
    "doses beyond squares": ("out-of-scale", X * 1e200, Y),
}


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(AnalysisError) as refused:
        act()
    assert str(refused.value).endswith(".")
    return str(refused.value.code)


@pytest.mark.parametrize("model", ["4PL", "one-site", "dissociation", "bell-shaped"])
@pytest.mark.parametrize("name", CURVES)
def test_points_that_cannot_be_fitted_are_refused_by_name(name: str, model: str) -> None:
    code, x, y = CURVES[name]

    assert code_of(lambda: fit_curve(model, x, y)) == code


#: what was asked wrongly of good points
ASKED: dict[str, tuple[str, Callable[[], object]]] = {
    "an unknown model": ("name-unknown", lambda: fit_curve("6PL", X, Y)),
    "an unknown parameter": ("name-unknown", lambda: fit_curve("4PL", X, Y, fixed={"IC50": 1.0})),
    "an unknown bound": ("name-unknown", lambda: fit_curve("4PL", X, Y, bounds={"IC50": (0, 1)})),
    "bounds the wrong way round": ("value-out-of-range", lambda: fit_curve("4PL", X, Y, bounds={"Top": (9, 1)})),
    "a held value that is none": ("not-finite", lambda: fit_curve("4PL", X, Y, fixed={"Top": math.nan})),
    "an incomplete start": ("name-unknown", lambda: fit_curve("4PL", X, Y, start={"Top": 1.0})),
    "labels for other points": ("array-shape", lambda: fit_curve("4PL", X, Y, groups=["a"])),
    "a level above one": ("value-out-of-range", lambda: fit_curve("4PL", X, Y, confidence=95)),
    "an unknown weighting": ("name-unknown", lambda: fit_curve("4PL", X, Y, weighting="Y3")),  # type: ignore[arg-type]
    "a standard deviation of zero": ("weights-impossible", lambda: fit_curve("4PL", X, Y, weighting=Weighting("sd", np.zeros(X.size)))),
    "a negative weight": ("weights-impossible", lambda: fit_curve("4PL", X, Y, weighting=Weighting("given", -np.ones(X.size)))),
    "weights for other points": ("array-shape", lambda: fit_curve("4PL", X, Y, weighting=Weighting("sd", np.ones(3)))),
    "counting times of zero": ("weights-impossible", lambda: fit_curve("4PL", X, Y, weighting=Weighting("poisson", count_min=0.0))),
    "logarithms for doses": ("dose-impossible", lambda: fit_curve("LL.4", X, Y)),
    "no dose above zero": ("dose-impossible", lambda: fit_curve("LL.4", np.array([0.0] * 15 + [-1.0]), Y)),
    "a profile of no parameter": ("name-unknown", lambda: profile_interval(fit_curve("4PL", X, Y), "IC50")),
    "a model without batch": ("name-unknown", lambda: fit_curves("5PL", X, [Y])),
    "curves over other doses": ("array-shape", lambda: fit_curves("4PL", X[:-1], [Y])),
    "one curve for many": ("array-shape", lambda: fit_curves("4PL", X, Y)),
    "curves without points": ("points-few", lambda: fit_curves("4PL", [], np.empty((2, 0)))),
    "an infinite value among many": ("not-finite", lambda: fit_curves("4PL", X, [put(Y, 2, math.inf)])),
    "words among many": ("not-a-number", lambda: fit_curves("4PL", X, [["x"] * X.size])),
    "a damaged block of a stream": ("array-shape", lambda: list(fit_curve_stream("4PL", X, [[Y], [Y[:3]]]))),
    "profiles of other curves": ("array-shape", lambda: profile_curves(fit_curves("4PL", X, [Y]), [Y, Y])),
    "one group for a ratio": ("name-unknown", lambda: compare_potency(X, Y, ["a"] * X.size, reference="a")),
    "text in a ratio": ("not-a-number", lambda: compare_potency(X, put(Y, 0, "x"), GROUPS, reference="a")),
    "models of equal size": ("no-answer", lambda: extra_sum_of_squares(fit_curve("4PL", X, Y), fit_curve("4PL", X, Y))),
    "a potency of a decay": ("name-unknown", lambda: potency(X, Y, model="dissociation")),
    "a potency of words": ("not-a-number", lambda: potency(X, ["x"] * X.size)),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_a_wrong_question_is_refused_by_name(name: str) -> None:
    code, act = ASKED[name]

    assert code_of(act) == code


def test_rows_of_which_nothing_is_known_have_no_estimates_beside_good_ones() -> None:
    step = np.where(X < -7.4, 1000.0, 100.0)
    y = np.stack((Y, np.full(X.size, 500.0), np.full(X.size, np.nan), put(Y, 0, np.nan), step))

    found = fit_curves("4PL", X, y)
    one_dose = fit_curves("dissociation", np.full(4, 2.0), np.ones((1, 4)))
    intervals = profile_curves(found, y, ("LogIC50",))["LogIC50"]

    assert found.status.tolist() == ["converged", "ambiguous", "not converged", "converged", "ambiguous"]  # fmt: skip
    assert np.isnan(found.estimates[1:3]).all()
    assert found.estimate("LogIC50")[[0, 3]] == pytest.approx(-7.5, abs=0.05)
    assert np.isinf(found.standard_errors[4, 2])
    assert not np.isfinite(intervals.upper[[1, 2, 4]]).any()
    assert np.isnan(one_dose.estimates).all()


def test_the_middle_of_an_exact_step_is_not_known() -> None:
    step = fit_curve("4PL", X, np.where(X < -7.4, 1000.0, 100.0))

    interval = profile_interval(step, "LogIC50")

    assert step.status == "ambiguous"
    assert step["LogIC50"].standard_error == math.inf
    assert not interval.bounded


@pytest.mark.parametrize("factor", [1e-60, 1e-9, 1e9, 1e60])
def test_the_scale_of_the_response_does_not_matter(factor: float) -> None:
    found = fit_curve("4PL", X[::-1], Y[::-1] * factor)

    assert found["LogIC50"].value == pytest.approx(fit_curve("4PL", X, Y)["LogIC50"].value)


@cache
def plate() -> tuple[tuple[WellCount, ...], BindingConditions]:
    protocol, _ = load_protocol("sigma1-binding")
    plates, _ = plan_plates(protocol, bundled_layout(), load_samples(None), sheet="", run="clean")
    readings = {w: {"cpm": c, "live_s": 120.0} for w, c in clean_cpm().items()}
    wells = well_counts(plates[0], readings, dict.fromkeys(readings, 120.0), {})
    return tuple(wells), conditions_of(protocol, None, date(2026, 1, 6))


#: one well of a plate of which every other is good
WELLS: dict[str, tuple[str, dict[str, Any]]] = {
    "a negative count": ("count-negative", {"gross_cpm": -1.0}),
    "a count that is not a number": ("not-finite", {"gross_cpm": math.nan}),
    "an infinite count": ("not-finite", {"gross_cpm": math.inf}),
    "a count beyond reckoning": ("not-finite", {"gross_cpm": 1e300}),
    "a count as text": ("not-a-number", {"gross_cpm": "1200"}),
    "no count": ("not-a-number", {"gross_cpm": None}),
    "no counting time": ("count-time", {"count_min": 0.0}),
    "no concentration": ("dose-impossible", {"concentration_molar": None}),
    "a concentration of zero": ("dose-impossible", {"concentration_molar": 0.0}),
    "a negative concentration": ("dose-impossible", {"concentration_molar": -1e-9}),
    "nM without their factor": ("dose-impossible", {"concentration_molar": 1e4}),
    "a concentration as text": ("dose-impossible", {"concentration_molar": "10 nM"}),
    "a well of another name": ("well-twice", {"well": "C3"}),
    "an age of zero": ("conditions-impossible", {"age_min": 0.0}),
    "a test well without compound": ("dose-impossible", {"compound": None}),
}


@pytest.mark.parametrize("name", WELLS)
def test_a_well_that_cannot_be_is_refused_by_name(name: str) -> None:
    code, change = WELLS[name]
    wells, conditions = plate()
    place = next(i for i, w in enumerate(wells) if w.well == "C4")
    broken = [*wells[:place], replace(wells[place], **change), *wells[place + 1 :]]

    assert code_of(lambda: analyse_competition_plate(broken, conditions)) == code


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, 1e300, "5 nM", None])
@pytest.mark.parametrize("name", ["kd_molar", "radioligand_molar", "volume_ul", "efficiency", "incubation_min"])  # fmt: skip
def test_a_condition_that_cannot_be_is_refused_by_name(name: str, value: Any) -> None:
    wells, conditions = plate()
    broken = replace(conditions, **{name: value})

    for act in (analyse_competition_plate, analyse_saturation_plate, analyse_kinetics_plate):
        assert code_of(lambda act=act: act(wells, broken)) == "conditions-impossible"


@pytest.mark.parametrize(
    ("code", "keep"),
    [
        ("points-few", lambda _: False),
        ("controls-few", lambda w: w.role != "total"),
        ("controls-few", lambda w: w.role != "nsb"),
        ("points-few", lambda w: w.role in {"total", "nsb"}),
    ],
)
def test_a_plate_that_lacks_what_it_needs_is_refused_by_name(
    code: str, keep: Callable[[WellCount], bool]
) -> None:
    wells, conditions = plate()

    assert code_of(lambda: analyse_competition_plate([w for w in wells if keep(w)], conditions)) == code  # fmt: skip


def test_every_well_excluded_leaves_no_value() -> None:
    wells, conditions = plate()
    none = [replace(w, excluded="spilled") for w in wells]
    one = [replace(w, excluded="spilled") if w.compound == "SA4503" else w for w in wells]

    found = analyse_competition_plate(one, conditions).compound("SA4503")

    assert code_of(lambda: analyse_competition_plate(none, conditions)) == "controls-few"
    assert (found.value_molar, found.qualifier, found.status) == (None, "~", "no result")


def trace(**change: Any) -> list[Any]:
    """A calcium plate with one well of a compound changed, or all wells if `every`."""
    every = change.pop("every", False)
    wells = agonist_plate(1).wells
    place = next(i for i, w in enumerate(wells) if w.role == "test")
    return [replace(w, **{k: f(w) for k, f in change.items()}) if every or i == place else w for i, w in enumerate(wells)]  # fmt: skip


#: calcium plates that are refused
TRACES: dict[str, tuple[str, Callable[[], list[Any]]]] = {
    "no wells": ("points-few", list),
    "a well twice": ("well-twice", lambda: [*trace(), trace()[0]]),
    "other numbers of times": ("array-shape", lambda: trace(f340=lambda w: w.f340[:-1])),
    "times that run back": ("array-shape", lambda: trace(t380_s=lambda w: w.t380_s[::-1])),
    "times that are not numbers": ("array-shape", lambda: trace(t340_s=lambda w: w.t340_s * math.nan)),
    "an infinite reading": ("not-finite", lambda: trace(f340=lambda w: w.f340 + math.inf)),
    "a reading beyond reckoning": ("not-finite", lambda: trace(f380=lambda w: w.f380 * 1e300)),
    "readings as text": ("not-a-number", lambda: trace(f340=lambda w: w.f340.astype(str))),
    "readings as a list": ("not-a-number", lambda: trace(f340=lambda w: w.f340.tolist())),
    "background subtracted": ("count-negative", lambda: trace(f340=lambda w: w.f340 - 1e5)),
    "an addition at no time": ("not-finite", lambda: trace(addition_s=lambda _: math.nan)),
    "a concentration of zero": ("dose-impossible", lambda: trace(concentration_molar=lambda _: 0.0)),
    "a concentration as text": ("dose-impossible", lambda: trace(concentration_molar=lambda _: "1 uM")),
    "no unloaded cells": ("controls-few", lambda: [w for w in trace() if w.role != "unloaded"]),
    "all excluded": ("controls-few", lambda: trace(every=True, excluded=lambda _: "lost")),
}  # fmt: skip
#: calcium plates of which nothing is known
BLANK: dict[str, dict[str, Any]] = {
    "no light": {"f340": lambda w: w.f340 * 0.0, "f380": lambda w: w.f380 * 0.0},
    "the same light": {"f340": lambda w: w.f340 * 0.0 + 900.0, "f380": lambda w: w.f380 * 0.0 + 900.0},
    "one point": {"f340": lambda w: w.f340[:1], "t340_s": lambda w: w.t340_s[:1]},
    "nothing added": {"addition_s": lambda _: None},
}  # fmt: skip


@pytest.mark.parametrize("name", TRACES)
def test_traces_that_cannot_be_are_refused_by_name(name: str) -> None:
    code, wells = TRACES[name]

    assert code_of(lambda: analyse_calcium_plate(wells(), calcium_conditions())) == code


@pytest.mark.parametrize("name", BLANK)
def test_a_calcium_plate_without_a_signal_has_no_value(name: str) -> None:
    found = analyse_calcium_plate(trace(every=True, **BLANK[name]), calcium_conditions())

    assert found.compounds
    assert {c.value_molar for c in found.compounds} == {None}


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "224 nM"])
def test_a_kd_of_the_dye_that_cannot_be_is_refused(value: Any) -> None:
    broken = replace(calcium_conditions(), kd_molar=value)

    assert code_of(lambda: analyse_calcium_plate(trace(), broken)) == "conditions-impossible"


odd = st.one_of(
    st.floats(), st.integers(-10, 10), st.sampled_from([None, "x", "5", True, 1j, math.nan, 1e308, -1e-308, 0.0])
)  # fmt: skip


def never_a_traceback(x: list[Any], y: list[Any], model: str, weighting: Any) -> None:
    codes: list[Code] = []
    for act in (lambda: fit_curve(model, x, y, weighting=weighting), lambda: fit_curves(model, x, [y], weighting=weighting),
                lambda: potency(x, y, model=model, weighting=weighting)):  # fmt: skip
        try:
            found: Any = act()
        except AnalysisError as error:
            codes.append(error.code)
            continue
        statuses = getattr(found, "status", "")
        if not isinstance(statuses, str):
            statuses = statuses[0]
        if statuses == "converged" and not hasattr(found, "scalar"):
            assert all(math.isfinite(p.value) for p in found.parameters)
    assert all(isinstance(code, Code) for code in codes)


arrays = st.tuples(
    st.lists(st.one_of(st.floats(-12.0, -3.0), odd), max_size=9),
    st.lists(st.one_of(st.floats(0.0, 2000.0), odd), max_size=9),
    st.sampled_from(["4PL", "one-site"]),
    st.sampled_from(["none", "Y", "Y2", "poisson"]),
)
even = st.integers(5, 14).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([float(v) for v in np.linspace(-10.0, -4.0, 7)]), min_size=n, max_size=n),
        st.lists(st.one_of(st.floats(-1e3, 1e6), st.sampled_from([0.0, 500.0, 1e-9, 1e99, -5.0])), min_size=n, max_size=n),
        st.sampled_from(["4PL", "one-site"]),
        st.sampled_from(["none", "Y", "Y2", "poisson"]),
    )
)  # fmt: skip
CHEAP = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(CHEAP, max_examples=1000)


@given(case=st.one_of(arrays, even))
@CHEAP
def test_any_array_gives_a_fit_or_a_named_finding(case: Any) -> None:
    never_a_traceback(*case)


@pytest.mark.long
@pytest.mark.timeout(1800)
@given(case=st.one_of(arrays, even))
@MANY
def test_any_of_many_arrays_gives_a_fit_or_a_named_finding(case: Any) -> None:
    never_a_traceback(*case)
