"""Of several equal instruments all are used, and a plate stays with its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.labs import lab_of, night_on
from tests.planning.random_problems import Visit, problem_of_visits

from platectl.domain.run import CompiledRun
from platectl.planning.problem import Plate, Pool, Problem
from platectl.planning.seating import reseated
from platectl.planning.solve import solve
from platectl.planning.tasks import problem_of
from platectl.planning.verify import violations

BINDING = "{protocol: sigma1-binding, copies: 4}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[CompiledRun, CompiledRun]:
    """The same plates with one counter and with two."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    return (
        night_on(one, lab_of(hotels=8), BINDING).compiled,
        night_on(two, lab_of(hotels=8, counter=2), BINDING).compiled,
    )


def test_a_second_counter_makes_a_binding_night_much_shorter(
    runs: tuple[CompiledRun, CompiledRun],
) -> None:
    one, two = runs

    assert two.planned_end_s < 0.75 * one.planned_end_s
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


@pytest.fixture(scope="module")
def calcium(tmp_path_factory: pytest.TempPathFactory) -> CompiledRun:
    """Four plates in a lab with two incubators and three washers, one of which carries water."""
    lab = lab_of(incubator=2, washer=3)
    lab["instruments"]["washer2"]["liquids"] = ["water"]
    plates = "{protocol: fura2-calcium, copies: 4}"
    return night_on(tmp_path_factory.mktemp("calcium"), lab, plates).compiled


def test_a_washer_with_other_liquids_is_no_stand_in(calcium: CompiledRun) -> None:
    washers = [[m[0] for m in pool] for pool in calcium.equals if pool[0][0] == "washer"]

    assert washers == [["washer", "washer3"]]
    assert {s.params["washer"] for s in calcium.steps if s.kind == "wash_plate"} == {"washer", "washer3"}  # fmt: skip


def test_plates_have_slots_of_their_own_and_come_back_to_them(calcium: CompiledRun) -> None:
    slots = {
        plate.name: {r for s in calcium.steps if s.plate == plate.name and s.kind in {"fetch", "wait"}
                     for r in s.resources if calcium.lab.positions.get(r) and calcium.lab.positions[r].use == "incubator"}
        for plate in calcium.plates
    }  # fmt: skip

    assert all(len(mine) == 1 for mine in slots.values())
    assert len(set.union(*slots.values())) == 4


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
