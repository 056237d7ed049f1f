"""What a plan leaves open is used for ideal gaps and for people, and costs nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.random_problems import problems

from platectl.planning.comfort import presence
from platectl.planning.network import network_of
from platectl.planning.problem import Lag, Moment, Occupation, Plate, Problem, Task
from platectl.planning.solve import solve
from platectl.planning.verify import at, violations


def chain(*lags: Lag, people: tuple[str, ...] = ("person",), long_s: float = 7200.0) -> Problem:
    """A loading and a sealing by a person, some time apart, beside a plate that takes longer."""
    tasks = (
        Task("load", "A", 300.0), Task("seal", "A", 120.0), Task("read", "B", long_s),
        Task("mix", "A", 60.0),
    )  # fmt: skip
    stays = tuple(Occupation("person", "A", name, name) for name in ("load", "seal"))
    order = Lag(Moment("load", 1.0), Moment("mix"))
    return Problem(tasks, (order, *lags), stays, (Plate("A"), Plate("B")), people=people)


def gap_s(problem: Problem, lag: Lag) -> float:
    times = solve(problem).times
    return at(lag.after, times) - at(lag.before, times)


def test_a_gap_is_as_near_its_ideal_as_the_night_allows() -> None:
    lag = Lag(Moment("load", 1.0), Moment("mix"), 60.0, 3600.0, "soak", ideal_s=1800.0)

    found = gap_s(chain(lag), lag)

    assert found == pytest.approx(1800.0, abs=5.0)


def test_an_ideal_costs_the_night_nothing() -> None:
    lag = Lag(Moment("load", 1.0), Moment("mix"), 60.0, 3600.0, "soak", ideal_s=1800.0)
    problem = chain(lag, long_s=600.0)

    plan = solve(problem)

    assert plan.makespan_s == pytest.approx(600.0)
    assert violations(problem, plan.times) == []


def test_a_person_comes_once_where_that_costs_nothing() -> None:
    later = Lag(Moment("load", 1.0), Moment("seal"), 0.0, None)
    other = Lag(Moment("read", 0.5), Moment("seal"), 0.0, None)

    together = solve(chain(later, other)).times
    apart = solve(chain(later, other, people=())).times

    assert together["seal"][0] - together["load"][1] == pytest.approx(0.0, abs=1e-3)
    assert apart["seal"][0] - apart["load"][1] > 3000.0
    assert max(end for _, end in together.values()) == max(end for _, end in apart.values())


@settings(max_examples=15, deadline=None)
@given(problems, st.sampled_from(["arm", "A", "B"]), st.floats(0.0, 400.0))
def test_people_and_ideals_never_cost_a_window_or_a_second(
    problem: Problem, person: str, ideal_s: float
) -> None:
    lags = tuple(
        replace(lag, ideal_s=min(ideal_s, lag.at_most_s or ideal_s)) if lag.window else lag
        for lag in problem.lags
    )
    served = replace(problem, lags=lags, people=(person,))

    plain = solve(problem, solver=False, effort=500)
    plan = solve(served, solver=False, effort=500)

    net = network_of(served)
    stays = [stay for stay in net.stays if stay.resource == person]
    alone = solve(replace(served, people=()), solver=False, effort=500)
    assert violations(served, plan.times) == []
    assert plan.makespan_s == pytest.approx(plain.makespan_s)
    assert presence(stays, net.points(plan.times)) <= presence(stays, net.points(alone.times))
