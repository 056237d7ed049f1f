"""Room for plates in a plan that runs: what has begun keeps its times and its windows, whatever joins."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.planning.random_problems import Visit, problem_of_visits, random_problem

from platectl.planning.problem import Interval, Pool, Problem
from platectl.planning.repair import repair
from platectl.planning.room import NEXT_S, Times, fit, part, settled
from platectl.planning.solve import solve
from platectl.planning.verify import broken_windows, violations


def begun(problem: Problem, plan: Times, at_s: float, late_s: float) -> tuple[Problem, Times]:
    """A plan at a moment at which everything that runs will end so much later than planned."""
    fixed = {name: span for name, span in plan.items() if span[1] <= at_s}
    running: dict[str, Interval] = {
        name: (begin, end + late_s) for name, (begin, end) in plan.items() if begin < at_s < end
    }
    return settled(replace(problem, fixed=fixed, running=running, now_s=at_s), plan)


def hard_broken(problem: Problem, times: Times) -> set[tuple[str, str]]:
    return {(plate, window) for plate, window, _, lag in broken_windows(problem, times) if lag.hard}


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6), share=st.floats(0.0, 1.0), late_s=st.sampled_from([0.0, 40.0, 400.0]),
    first=st.booleans(), away=st.booleans(),
)  # fmt: skip
def test_no_plate_that_joins_moves_what_has_begun_or_costs_it_a_window(
    seed: int, share: float, late_s: float, first: bool, away: bool
) -> None:
    whole = random_problem(seed, plates=5, away=away)
    *old, new = (plate.name for plate in whole.plates)
    assume(old)
    mine = {task.id for task in whole.tasks if task.plate == new}
    plan = solve(part(whole, {t.id for t in whole.tasks} - mine), solver=False)
    alone = solve(replace(part(whole, mine), absences={}), solver=False).times
    at_s = share * plan.makespan_s
    before, others = begun(part(whole, set(plan.times)), plan.times, at_s, late_s)
    ranks = {new: 1 if first else 5}
    now = replace(
        whole, fixed=before.fixed, running=before.running, now_s=before.now_s,
        plates=tuple(replace(p, priority=ranks.get(p.name, 3)) for p in whole.plates),
    )  # fmt: skip

    found = fit(now, others, {new: alone}, ())

    past = {**before.fixed, **before.running}
    assert all(abs(found.times[name][0] - others[name][0]) < 1e-6 for name in past)
    assert hard_broken(now, found.times) <= hard_broken(before, others)
    assert min(found.times[name][0] for name in mine) >= at_s + NEXT_S - 1e-6
    if found.method == "nothing else moved":
        assert all(found.times[name] == span for name, span in others.items())
    sound = set(violations(before, others))
    assert found.late or set(violations(now, found.times)) <= sound
    assert set(repair(now, found.times).broken) <= set(repair(before, others).broken)


def two_visits(work_s: float) -> list[Visit]:
    return [Visit("A", work_s, 60.0), Visit("B", 20.0, 60.0)]


def planned(problem: Problem) -> tuple[Problem, Times, dict[str, Interval]]:
    """All plates but the last planned and just begun, and the last one alone."""
    last = problem.plates[-1].name
    mine = {task.id for task in problem.tasks if task.plate == last}
    plan = solve(part(problem, {t.id for t in problem.tasks} - mine), solver=False)
    before, others = begun(part(problem, set(plan.times)), plan.times, 5.0, 0.0)
    now = replace(problem, fixed=before.fixed, running=before.running, now_s=before.now_s)
    alone = solve(replace(part(problem, mine), absences={}), solver=False).times
    return now, others, dict(alone)


def test_a_plate_goes_into_a_gap_that_is_long_enough() -> None:
    problem = problem_of_visits([two_visits(100.0), two_visits(100.0), two_visits(50.0)])

    now, others, alone = planned(problem)
    found = fit(now, others, {"P3": alone}, ())

    assert found.method == "nothing else moved"
    assert violations(now, found.times) == []


def test_of_equal_things_it_takes_the_one_that_is_free() -> None:
    problem = problem_of_visits([two_visits(1000.0), two_visits(50.0)])

    now, others, alone = planned(problem)
    shared = fit(now, others, {"P2": alone}, ())
    spread = fit(now, others, {"P2": alone}, (Pool("A", (("A",), ("A2",))),))

    assert spread.seats == {"P2": {"A": "A2"}}
    assert shared.times["P2.m2"][1] > spread.times["P2.m2"][1] + 500.0


def test_plates_that_come_together_do_not_take_the_same_of_equal_things() -> None:
    problem = problem_of_visits([two_visits(1000.0), two_visits(500.0), two_visits(500.0)])
    pool = Pool("A", (("A",), ("A2",), ("A3",)))

    plan = solve(part(problem, {t.id for t in problem.tasks if t.plate == "P1"}), solver=False)
    before, others = begun(part(problem, set(plan.times)), plan.times, 5.0, 0.0)
    now = replace(problem, fixed=before.fixed, running=before.running, now_s=before.now_s)
    alone = {
        plate: solve(part(problem, {t.id for t in problem.tasks if t.plate == plate}), solver=False)
        for plate in ("P2", "P3")
    }
    found = fit(now, others, {plate: plan.times for plate, plan in alone.items()}, (pool,))

    assert found.seats == {"P2": {"A": "A2"}, "P3": {"A": "A3"}}


def test_a_plate_for_which_it_gets_too_late_is_told_with_the_end() -> None:
    problem = problem_of_visits(
        [two_visits(1000.0), two_visits(50.0)], deadlines=[None, 400.0]
    )  # fmt: skip

    now, others, alone = planned(problem)
    found = fit(now, others, {"P2": alone}, ())

    assert found.late["P2"] == max(found.times[name][1] for name in alone)
    assert all(found.times[name] == span for name, span in others.items())


def test_who_goes_first_may_move_what_has_not_begun() -> None:
    many = problem_of_visits([two_visits(500.0) for _ in range(5)])
    first = replace(
        many, plates=tuple(replace(p, priority=1 if p.name == "P5" else 2) for p in many.plates)
    )

    now, others, alone = planned(first)
    found = fit(now, others, {"P5": alone}, ())

    last = max(end for name, (_, end) in others.items())
    assert max(found.times[name][1] for name in alone) < last
    assert violations(now, found.times) == []


def test_a_plan_that_is_late_already_takes_plates_and_is_no_later() -> None:
    dice = random.Random(3)
    visits = [Visit("A", 200.0, 30.0), Visit("B", 40.0, 30.0, (0.0, 60.0))]
    problem = problem_of_visits([visits, visits, visits])
    mine = {task.id for task in problem.tasks if task.plate == "P3"}
    plan = solve(part(problem, {t.id for t in problem.tasks} - mine), solver=False)
    before, others = begun(part(problem, set(plan.times)), plan.times, 50.0, 300.0 + dice.random())
    now = replace(problem, fixed=before.fixed, running=before.running, now_s=before.now_s)
    alone = solve(replace(part(problem, mine), absences={}), solver=False).times

    found = fit(now, others, {"P3": alone}, ())

    assert hard_broken(now, found.times) == hard_broken(before, others)
