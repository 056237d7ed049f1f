"""A night that cannot be planned is refused with causes that are all necessary, in plain words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.random_problems import Visit, problem_of_visits, random_problem

from platectl.domain.errors import NoPlanError
from platectl.planning.contradiction import only
from platectl.planning.explain import Words, explain
from platectl.planning.problem import Lag, Moment, Occupation, Plate, Problem, Task
from platectl.planning.solve import solve

READ = Visit("reader", 100.0, 0.0)
HOUR = 3600.0
DAY = ((0.0, 8 * HOUR),)


def _one(*tasks: Task, lags: tuple[Lag, ...] = (), **terms: float) -> Problem:
    stays = tuple(Occupation("person", "P1", t.id, t.id) for t in tasks)
    return Problem(tasks, lags, stays, (Plate("P1", **terms),))  # type: ignore[arg-type]


def _one_reader() -> Problem:
    """Two plates that leave their shakers at the same time and may both wait for 20 s only."""
    problem = problem_of_visits(
        [[Visit("s1", 100.0, 0.0), Visit("reader", 300.0, 0.0)],
         [Visit("s2", 100.0, 0.0), Visit("reader", 300.0, 0.0)]]
    )  # fmt: skip
    together = Lag(Moment("P1.w0"), Moment("P2.w0"), 0.0, 20.0, "dosing")
    return replace(problem, lags=(*problem.lags, together))


LOAD = Task("P1.load", "P1", 300.0)
DISPENSE, INCUBATE, WASH = (Task(f"P1.{n}", "P1", 600.0) for n in ("dispense", "incubate", "wash"))
CHAIN = tuple(
    Lag(Moment(a.id, 1.0), Moment(b.id))
    for a, b in ((LOAD, DISPENSE), (DISPENSE, INCUBATE), (INCUBATE, WASH))
)

#: kind -> (problem, words that the causes must hold, words that the suggestions must hold)
NIGHTS: dict[str, tuple[Problem, tuple[str, ...], tuple[str, ...]]] = {
    "a deadline too early for all": (
        problem_of_visits([[READ]] * 3, deadlines=[300.0] * 3),
        ("P1, P2, P3 must be over by Mon 18:05", "reader takes one plate at a time"),
        ("until Mon 18:06", "with the first 2 of 3 plates"),
    ),
    "a deadline too early for one": (
        problem_of_visits([[READ]], deadlines=[100.0]),
        ("P1 must be over by Mon 18:01",),
        ("until Mon 18:02",),
    ),
    "a person who is away at loading": (
        replace(_one(LOAD, not_after_s=4 * HOUR), absences={"person": DAY}),
        ("person is away: Mon 18:00 to Tue 02:00", "P1 must be over by Mon 22:00"),
        ("until Tue 02:05",),
    ),
    "a window shorter than the steps in it": (
        _one(LOAD, DISPENSE, INCUBATE, WASH, lags=(*CHAIN, Lag(Moment("P1.dispense"), Moment("P1.wash"), 0, 900, "incubation"))),
        ("P1: window 'incubation' allows at most 15 min between the start of P1.dispense and the start of P1.wash",),
        ("window 'incubation' is 5 min longer",),
    ),
    "two plates that need one reader within their windows": (
        _one_reader(),
        ("reader takes one plate at a time, and P1, P2 need it", "window 'dosing'"),
        ("window 'dosing'", "with the first 1 of 2 plates"),
    ),
    "a reagent that does not live so long": (
        _one(LOAD, DISPENSE, INCUBATE, WASH, lags=(*CHAIN, Lag(Moment("P1.load"), Moment("P1.wash", 1.0), 0, 1800, "life of the dye"))),
        ("window 'life of the dye' allows at most 30 min",),
        ("window 'life of the dye' is 5 min longer",),
    ),
    "too few places": (
        Problem(
            tuple(Task(f"P{n}.rest", f"P{n}", 600.0, {"hotel": 1}) for n in (1, 2, 3)),
            (),
            plates=tuple(Plate(f"P{n}", not_after_s=900.0) for n in (1, 2, 3)),
            capacities={"hotel": 2},
        ),
        ("hotel takes 2 plates at a time", "must be over by Mon 18:15"),
        ("until Mon 18:20", "with the first 2 of 3 plates"),
    ),
    "a start after the end": (
        _one(LOAD, not_before_s=2 * HOUR, not_after_s=HOUR),
        ("P1 may not begin before Mon 20:00", "P1 must be over by Mon 19:00"),
        ("until Mon 20:05",),
    ),
    "a window that spans an absence": (
        replace(
            _one(LOAD, WASH, lags=(Lag(Moment("P1.load", 1.0), Moment("P1.wash"), HOUR, 2 * HOUR, "incubation"),), not_after_s=9 * HOUR),
            absences={"person": ((HOUR, 9 * HOUR),)},
        ),
        ("person is away: Mon 19:00 to Tue 03:00", "window 'incubation'", "P1 must be over by"),
        ("it can be done",),
    ),
    "windows that contradict one another": (
        _one(
            LOAD, WASH,
            lags=(Lag(Moment("P1.load"), Moment("P1.wash"), 1200.0, None, "dark"),
                  Lag(Moment("P1.load"), Moment("P1.wash"), None, 900.0, "fresh")),
        ),
        ("window 'dark' allows at least 20 min", "window 'fresh' allows at most 15 min"),
        ("window 'fresh' is 5 min longer",),
    ),
    "a step that ran too long": (
        replace(
            _one(LOAD, WASH, lags=(Lag(Moment("P1.load", 1.0), Moment("P1.wash")),
                  Lag(Moment("P1.load"), Moment("P1.wash"), 0, 400, "membranes"))),
            running={"P1.load": (0.0, 500.0)}, now_s=350.0,
        ),
        ("window 'membranes' allows at most",),
        ("window 'membranes' is 100 s longer",),
    ),
}  # fmt: skip
WORDS = Words(starts=datetime(2026, 1, 5, 18, tzinfo=UTC))


@pytest.mark.parametrize("kind", NIGHTS)
def test_a_refused_night_says_why_and_what_would_do(kind: str) -> None:
    problem, causes, suggestions = NIGHTS[kind]

    with pytest.raises(NoPlanError):
        solve(problem)
    refusal = explain(problem, words=WORDS)

    assert refusal is not None
    assert refusal.minimal
    for words in causes:
        assert words in " | ".join(refusal.causes)
    for words in suggestions:
        assert words in " | ".join(refusal.suggestions)


@pytest.mark.parametrize("kind", NIGHTS)
def test_without_any_one_of_its_causes_the_night_can_be_planned(kind: str) -> None:
    problem = NIGHTS[kind][0]
    refusal = explain(problem)
    assert refusal is not None

    for cause in refusal.demands:
        others = [c for c in refusal.demands if c != cause]
        assert solve(only(problem, tuple(others)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.3, 0.95))
def test_random_nights_that_end_too_early_have_necessary_causes(seed: int, share: float) -> None:
    problem = random_problem(seed, plates=3, away=bool(seed % 2))
    end_s = float(round(share * solve(problem, limit_s=1.0).bound_s))
    short = replace(problem, plates=tuple(replace(p, not_after_s=end_s) for p in problem.plates))

    refusal = explain(short, limit_s=3.0)

    assert refusal is not None
    if refusal.minimal:
        for cause in refusal.demands:
            rest = tuple(c for c in refusal.demands if c != cause)
            assert solve(only(short, rest), limit_s=2.0)


def test_a_night_that_can_be_planned_is_not_refused() -> None:
    assert explain(problem_of_visits([[READ], [READ]])) is None
