"""What is left of a night is planned anew: begun steps stay, windows are kept if any plan keeps them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.random_problems import Visit, problem_of_visits, random_problem

from platectl.planning.problem import Interval, Problem
from platectl.planning.repair import repair
from platectl.planning.replan import replan
from platectl.planning.solve import solve
from platectl.planning.verify import broken_windows, violations

FIRST, SECOND = Visit("shaker", 50.0, 0.0), Visit("reader", 300.0, 0.0, (0.0, 20.0))


def halfway(
    problem: Problem, times: Mapping[str, Interval], now_s: float, late: Mapping[str, float]
) -> Problem:
    """The problem at a moment of its plan; some steps that run then are late."""
    elastic = {task.id for task in problem.tasks if task.elastic}
    running = {
        name: (begin, now_s if name in elastic else end + late.get(name, 0.0))
        for name, (begin, end) in times.items()
        if begin < now_s < end
    }
    fixed = {name: span for name, span in times.items() if span[1] <= now_s}
    return replace(problem, fixed=fixed, running=running, now_s=now_s)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_half_a_night_on_time_goes_on_without_breaking_anything(seed: int) -> None:
    problem = random_problem(seed, away=bool(seed % 2))
    old = solve(problem, solver=False)
    half = halfway(problem, old.times, old.makespan_s * random.Random(seed).random(), {})

    new = replan(half, old.times, limit_s=1.0)

    assert violations(half, new.times) == []
    assert new.broken == ()
    assert new.makespan_s <= old.makespan_s + 1e-6


def test_a_late_step_moves_what_follows_it() -> None:
    problem = problem_of_visits([[FIRST, SECOND]] * 4)
    old = solve(problem)
    now_s = old.times["P2.w1"][0] + 100.0
    half = halfway(problem, old.times, now_s, {"P2.w1": 500.0})

    new = replan(half, old.times)

    assert violations(half, new.times) == []
    assert new.makespan_s == pytest.approx(old.makespan_s + 500.0)
    assert not repair(half, old.times).broken


def test_a_window_that_cannot_be_kept_is_named_with_its_plate() -> None:
    problem = problem_of_visits([[FIRST, SECOND]] * 4)
    old = solve(problem)
    now_s = old.times["P2.w0"][0] + 1.0
    half = halfway(problem, old.times, now_s, {"P1.w1": 500.0})

    new = replan(half, old.times)

    assert new.broken
    assert {plate for plate, *_ in broken_windows(half, new.times)} == {"P2"}
    assert any("of P2" in text for text in new.broken)


@pytest.mark.parametrize("given_up", ["P1", "P2"])
def test_the_operators_sacrifice_is_broken_first(given_up: str) -> None:
    problem = problem_of_visits(
        [[Visit("shaker1", 500.0, 0.0), SECOND], [Visit("shaker2", 100.0, 0.0), SECOND]]
    )
    old = solve(problem)
    now_s = max(old.times["P1.w0"][0], old.times["P2.w0"][0]) + 1.0
    both_end_s = now_s + 600.0
    late = {name: both_end_s - old.times[name][1] for name in ("P1.w0", "P2.w0")}
    half = halfway(problem, old.times, now_s, late)

    found = replan(half, old.times, sacrifice=[given_up])

    assert {plate for plate, *_ in broken_windows(half, found.times)} == {given_up}
