"""The planner on instances with known optima, and against how most labs plan."""

from __future__ import annotations

import pytest
from benchmarks.abstract_nights import named
from benchmarks.planner import INSTANCES, job_shop, night_of
from benchmarks.replan import halfway
from benchmarks.rivals import dispatch, fixed_cycle

from platectl.planning.repair import repair
from platectl.planning.solve import solve
from platectl.planning.verify import violations

KINDS = ["A", "B", "AB", "Abal", "ABE", "Aop"]


@pytest.mark.parametrize(("waiting", "optimum"), [(True, 55.0), (False, 73.0)])
def test_a_job_shop_with_known_optimum_is_solved(waiting: bool, optimum: float) -> None:
    problem = job_shop((INSTANCES / "ft06.jss").read_text(encoding="utf-8"), waiting=waiting)

    plan = solve(problem)

    assert violations(problem, plan.times) == []
    assert (plan.makespan_s, plan.bound_s) == (optimum, optimum)


@pytest.mark.parametrize("kind", KINDS)
def test_a_night_is_within_one_percent_and_no_worse_than_a_fixed_cycle(kind: str) -> None:
    problem = named(kind, 12)

    plan = solve(problem, limit_s=4.0)

    assert violations(problem, plan.times) == []
    assert plan.gap <= 0.01
    cycle_s = fixed_cycle(problem)["makespan_s"]
    assert cycle_s is None or plan.makespan_s <= cycle_s + 1e-3


def test_starting_whatever_is_ready_breaks_windows_or_locks_up() -> None:
    assert dispatch(named("B", 12))["broken_windows"] > 0
    assert dispatch(named("Aop", 12))["deadlock"]


@pytest.mark.parametrize("kind", ["binding", "calcium", "mixed"])
def test_a_night_of_the_bundled_lab_is_proved_best(kind: str) -> None:
    problem, template = night_of(kind, 8)

    plan = solve(problem, template=template, solver=False)

    assert violations(problem, plan.times) == []
    assert plan.gap <= 1e-6


def test_half_a_night_with_a_late_step_is_repaired_in_its_order() -> None:
    problem = named("A", 12)
    old = solve(problem)
    half = halfway(problem, old.times, old.makespan_s / 2, 600.0)

    found = repair(half, old.times)

    assert not found.broken
    assert violations(half, found.times) == []
    assert found.makespan_s <= old.makespan_s + 600.0 + 1e-6
