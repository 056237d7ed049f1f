"""Every plan keeps what must be kept, is at least as good as its bound says, and is always the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.random_problems import Visit, problem_of_visits, problems

from platectl.domain.errors import NoPlanError
from platectl.planning.problem import Lag, Moment, Occupation, Plate, Problem, Task
from platectl.planning.solve import PRIORITY_SHARE, solve
from platectl.planning.verify import violations

FEW = settings(max_examples=25, deadline=None)


@FEW
@given(problems)
def test_plans_of_random_labs_break_nothing(problem: Problem) -> None:
    plan = solve(problem, limit_s=1.0)

    assert violations(problem, plan.times) == []
    assert plan.bound_s <= plan.makespan_s


@FEW
@given(problems)
def test_the_heuristics_alone_break_nothing_and_are_never_better_than_the_bound(
    problem: Problem,
) -> None:
    alone = solve(problem, solver=False)
    helped = solve(problem, limit_s=1.0)

    assert violations(problem, alone.times) == []
    assert helped.bound_s - 1e-6 <= helped.makespan_s <= alone.makespan_s + 1e-6


@settings(max_examples=5, deadline=None)
@given(problems)
def test_the_same_problem_gives_the_same_plan(problem: Problem) -> None:
    assert solve(problem, limit_s=1.0).times == solve(problem, limit_s=1.0).times


def test_two_plates_on_one_reader_follow_one_another() -> None:
    visit = Visit("reader", 100.0, 0.0)
    plan = solve(problem_of_visits([[visit], [visit]]))

    assert plan.makespan_s == pytest.approx(2 * 120.0)
    assert plan.gap == pytest.approx(0.0)


def test_a_plate_waits_outside_rather_than_break_a_window() -> None:
    first, second = Visit("shaker", 50.0, 0.0), Visit("reader", 300.0, 0.0, (0.0, 10.0))
    problem = problem_of_visits([[first, second]] * 3)

    plan = solve(problem)

    assert violations(problem, plan.times) == []
    assert plan.makespan_s == pytest.approx(60.0 + 3 * 320.0)


def test_nobody_is_asked_while_away() -> None:
    problem = problem_of_visits(
        [[Visit("person", 100.0, None)]], absences={"person": ((5.0, 400.0),)}
    )

    plan = solve(problem)

    assert violations(problem, plan.times) == []
    assert plan.times["P1.m0"][0] >= 400.0


def test_a_soft_window_is_kept_before_the_night_is_made_short() -> None:
    tasks = (Task("a", "P1", 10.0), Task("b", "P1", 10.0), Task("c", "P2", 100.0))
    stays = (Occupation("reader", "P1", "b", "b"), Occupation("reader", "P2", "c", "c"))
    lags = (
        Lag(Moment("a", 1.0), Moment("b")),
        Lag(Moment("a", 1.0), Moment("b"), None, 20.0, "soon", hard=False),
        Lag(Moment("a", 1.0), Moment("c"), 0.0, 0.0, "at once"),
    )
    problem = Problem(tasks, lags, stays, (Plate("P1"), Plate("P2")))

    plan = solve(problem)

    assert violations(problem, plan.times) == []
    assert plan.broken == ("soon of P1",)


def test_a_deadline_that_nothing_can_keep_is_refused() -> None:
    visit = Visit("reader", 100.0, 0.0)
    problem = problem_of_visits([[visit], [visit]], deadlines=[200.0, 200.0])

    with pytest.raises(NoPlanError) as caught:
        solve(problem)

    assert caught.value.proved


def test_an_urgent_plate_goes_first() -> None:
    visit = Visit("reader", 100.0, 0.0)
    problem = problem_of_visits([[visit], [visit]])
    problem = replace(problem, plates=(Plate("P1", priority=5), Plate("P2", priority=1)))

    plan = solve(problem)

    assert plan.times["P2.w0"] < plan.times["P1.w0"]


@settings(max_examples=10, deadline=None)
@given(problems, st.lists(st.integers(1, 3), min_size=4, max_size=4))
def test_priority_costs_no_window_and_no_more_than_its_share(
    problem: Problem, ranks: list[int]
) -> None:
    plates = tuple(replace(p, priority=r) for p, r in zip(problem.plates, ranks, strict=False))

    plain = solve(problem, solver=False, effort=500)
    plan = solve(replace(problem, plates=plates), solver=False, effort=500)

    assert violations(problem, plan.times) == []
    assert plan.makespan_s <= plain.makespan_s * (1 + PRIORITY_SHARE) + 1e-3


@given(st.integers(1, 4))
def test_capacity_lets_so_many_in(places: int) -> None:
    problem = problem_of_visits([[Visit("hotel", 1000.0, 0.0)]] * 4, capacities={"hotel": places})
    if places == 1:
        return

    plan = solve(problem)

    assert violations(problem, plan.times) == []
    assert plan.makespan_s < 1000.0 * -(-4 // places) + 200.0
