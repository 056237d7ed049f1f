"""Of several equal instruments all are used, and a plate stays with its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.labs import lab_of, night_on, problem_on
from tests.planning.random_problems import Visit, problem_of_visits

from platectl.domain.run import CompiledRun
from platectl.planning.problem import Plate, Pool, Problem
from platectl.planning.seating import reseated
from platectl.planning.solve import solve
from platectl.planning.tasks import problem_of
from platectl.planning.verify import violations

BINDING = "{protocol: sigma1-binding, copies: 6}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[CompiledRun, CompiledRun]:
    """The same plates with one counter and with two."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    return (
        night_on(one, lab_of(hotels=8), BINDING).compiled,
        night_on(two, lab_of(hotels=8, counter=2), BINDING).compiled,
    )


def test_a_second_counter_makes_a_binding_night_a_third_shorter(
    runs: tuple[CompiledRun, CompiledRun],
) -> None:
    one, two = runs

    assert two.planned_end_s < 0.67 * one.planned_end_s
    assert two.planned is not None
    assert two.planned.bound_s > 0.99 * two.planned_end_s


def test_filters_and_standards_of_a_plate_are_counted_on_one_counter(
    runs: tuple[CompiledRun, CompiledRun],
) -> None:
    _, run = runs

    counters = {
        plate.name: {s.params["counter"] for s in run.steps if (s.plate, s.kind) == (plate.name, "count")}
        for plate in run.plates
    }  # fmt: skip

    assert all(len(names) == 1 for names in counters.values())
    assert {name for names in counters.values() for name in names} == {"counter", "counter2"}


def test_what_was_chosen_is_compiled_and_breaks_nothing(
    runs: tuple[CompiledRun, CompiledRun],
) -> None:
    for run in runs:
        problem = problem_of(run.steps, run.windows, run.holds, [Plate(p.name) for p in run.plates])

        assert not violations(problem, {s.id: (s.planned_start_s, s.planned_end_s) for s in run.steps})  # fmt: skip


def test_a_washer_with_other_settings_is_no_stand_in(tmp_path: Path) -> None:
    lab = lab_of(washer=3)
    lab["instruments"]["washer2"]["liquids"] = ["water"]

    run = night_on(tmp_path, lab, "{protocol: fura2-calcium, copies: 2}").compiled

    assert [[m[0] for m in pool] for pool in run.equals if pool[0][0] == "washer"] == [
        ["washer", "washer3"]
    ]


def test_two_incubators_hold_plates_in_slots_of_their_own(tmp_path: Path) -> None:
    lab = lab_of(incubator=2)
    plates = "{protocol: fura2-calcium, copies: 6}"

    problem, template = problem_on(tmp_path, lab, plates)
    plan = solve(problem, template=template)

    seated = reseated(problem, plan.seats)
    incubators = {o.plate: o.resource for o in seated.occupations if o.resource.startswith("incubator") and o.resource[-2] == "."}  # fmt: skip
    assert not violations(seated, plan.times)
    assert {slot.split(".")[0] for slot in incubators.values()} == {"incubator", "incubator2"}


def pooled_problem(works: list[float], machines: int) -> Problem:
    """Plates that all begin on the first of some equal readers."""
    names = tuple(f"reader{k}" for k in range(machines))
    problem = problem_of_visits([[Visit("reader0", work, None)] for work in works])
    return Problem(
        problem.tasks, problem.lags, problem.occupations, problem.plates,
        pools=(Pool("reader0", tuple((name,) for name in names)),),
    )  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(50.0, 400.0), min_size=2, max_size=6), st.integers(2, 3))
def test_plates_are_shared_out_without_breaking_anything(works: list[float], machines: int) -> None:
    problem = pooled_problem(works, machines)

    plan = solve(problem, solver=False, effort=4000)

    assert not violations(reseated(problem, plan.seats), plan.times)
    assert plan.bound_s <= plan.makespan_s
    assert plan.makespan_s >= sum(works) / machines


def test_a_long_work_has_a_machine_to_itself() -> None:
    problem = pooled_problem([300.0, 100.0, 100.0, 100.0], 2)

    plan = solve(problem, solver=False, effort=4000)

    assert plan.makespan_s < 420.0
