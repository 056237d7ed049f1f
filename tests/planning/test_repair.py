"""A plan that reality has left: the same order, later, and windows that cannot hold are named."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.app.prepare import Options, prepare
from platectl.domain.run import CompiledRun
from platectl.planning.problem import Interval, Lag, Moment, Occupation, Plate, Problem, Task
from platectl.planning.repair import repair
from platectl.planning.tasks import problem_of

NIGHT = """platectl: 1
night: n
starts: "2026-01-05 18:00"
plates: [{protocol: sigma1-binding, copies: 2}, {protocol: fura2-calcium, copies: 2}]
"""


@cache
def night(folder: Path) -> CompiledRun:
    path = folder / "n.yaml"
    path.write_text(NIGHT)
    return prepare(Options(str(path))).compiled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("night")


@pytest.fixture
def run(folder: Path) -> CompiledRun:
    return night(folder)


def planned(run: CompiledRun) -> dict[str, Interval]:
    return {s.id: (s.planned_start_s, s.planned_end_s) for s in run.steps}


def problem(run: CompiledRun) -> Problem:
    return problem_of(run.steps, run.windows, run.holds, [Plate(p.name) for p in run.plates])


def violations(problem: Problem, times: dict[str, Interval], broken: set[str]) -> list[str]:
    """Lags that are not kept and stays that overlap, judged without the code under test."""
    tasks = {t.id: t for t in problem.tasks}

    def at(moment: Moment) -> float:
        start, end = times[moment.task]
        return start + moment.share * (end - start) + moment.offset_s

    found = []
    for lag in problem.lags:
        if lag.after.task in problem.fixed or not lag.hard:
            continue
        apart = at(lag.after) - at(lag.before)
        if lag.at_least_s is not None and apart < lag.at_least_s - 1e-3:
            found.append(f"{lag} {apart}")
        kept = (tasks[lag.after.task].plate, lag.window) not in broken
        if kept and lag.at_most_s is not None and apart > lag.at_most_s + 1e-3:
            found.append(f"{lag} {apart}")
    for a in problem.occupations:
        for b in problem.occupations:
            if a.resource == b.resource and a.plate < b.plate:
                begin = max(times[a.first][0], times[b.first][0])
                if begin < min(times[a.last][1], times[b.last][1]) - 1e-3:
                    found.append(f"{a} {b}")
    return found


def test_a_plan_that_holds_is_left_alone(run: CompiledRun) -> None:
    found = repair(problem(run), planned(run))

    assert not found.broken
    assert all(abs(found.times[s][0] - begin) < 1e-6 for s, (begin, _) in planned(run).items())


@settings(max_examples=40, deadline=None)
@given(which=st.integers(0, 10_000), by_s=st.floats(0.0, 3600.0))
def test_after_any_delay_everything_holds_or_is_named(
    folder: Path, which: int, by_s: float
) -> None:
    run = night(folder)
    plan = planned(run)
    busy = [s.id for s in run.steps if s.kind != "wait"]
    late = busy[which % len(busy)]
    now_s = plan[late][1] + by_s
    over = {name: span for name, span in plan.items() if span[1] <= plan[late][0]}
    running = {
        name: (span[0], max(span[1], now_s))
        for name, span in plan.items()
        if name not in over and span[0] <= plan[late][0]
    }
    subject = replace(problem(run), fixed=over, running=running, now_s=now_s)

    found = repair(subject, plan)

    assert not violations(subject, dict(found.times), set(found.broken))
    assert all(found.times[n][0] >= plan[n][0] - 1e-6 for n in plan)
    assert all(found.times[n][0] >= now_s - 1e-6 for n in plan if n not in over | running)


def two(at_most_s: float) -> Problem:
    """Two plates that share an instrument; each reads within a time after its mixing."""
    tasks = tuple(Task(f"{p}.{k}", p, d) for p in "AB" for k, d in (("mix", 60.0), ("read", 300.0)))
    lags = tuple(
        Lag(Moment(f"{p}.mix", 1.0), Moment(f"{p}.read"), 0.0, at_most_s, "soon") for p in "AB"
    )
    stays = tuple(Occupation("reader", p, f"{p}.read", f"{p}.read") for p in "AB")
    return Problem(tasks, lags, stays, (Plate("A"), Plate("B")))


PLAN = {
    "A.mix": (0.0, 60.0),
    "A.read": (60.0, 360.0),
    "B.mix": (300.0, 360.0),
    "B.read": (360.0, 660.0),
}


def test_what_has_not_begun_waits_so_that_its_window_holds() -> None:
    subject = replace(
        two(120.0), fixed={"A.mix": (0.0, 60.0)}, running={"A.read": (60.0, 900.0)}, now_s=200.0
    )

    found = repair(subject, PLAN)

    assert not found.broken
    assert found.times["B.read"][0] == pytest.approx(900.0)
    assert found.times["B.mix"][1] >= 780.0


def test_a_window_that_is_open_and_cannot_hold_is_named_once() -> None:
    begun = {"A.mix": (0.0, 60.0), "B.mix": (300.0, 360.0)}
    subject = replace(two(120.0), fixed=begun, running={"A.read": (60.0, 900.0)}, now_s=400.0)

    found = repair(subject, PLAN)

    assert found.broken == (("B", "soon"),)
    assert found.times["B.read"][0] == pytest.approx(900.0)


def test_a_person_who_is_away_is_waited_for() -> None:
    subject = replace(
        two(1e6), absences={"reader": ((350.0, 1000.0),)},
        fixed={"A.mix": (0.0, 60.0), "A.read": (60.0, 340.0)}, now_s=340.0,
    )  # fmt: skip

    found = repair(subject, PLAN)

    assert found.times["B.read"][0] == pytest.approx(1000.0)
