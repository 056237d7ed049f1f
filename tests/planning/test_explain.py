"""A night that cannot be planned is refused with causes that are all necessary, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.random_problems import Visit, problem_of_visits, random_problem

from platectl.domain.errors import NoPlanError
from platectl.planning.contradiction import only
from platectl.planning.explain import Refusal, Words, explain, names
from platectl.planning.nearby import HORIZON_S
from platectl.planning.network import Cause
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
        ("until Mon 18:06", "without P3, with 2 of 3 plates"),
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
        ("reader takes one plate at a time: P2 needs it", "window 'dosing'"),
        ("window 'dosing'", "without P2, with 1 of 2 plates"),
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
        ("until Mon 18:20", "without P3, with 2 of 3 plates"),
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


def each_without(refusal: Refusal) -> Iterator[tuple[Cause, list[Cause]]]:
    """Each cause of each conflict, and the others."""
    for causes in refusal.conflicts:
        for cause in causes:
            yield cause, [other for other in causes if other != cause]


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

    for cause, others in each_without(refusal):
        assert solve(only(problem, others)), cause


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.3, 0.95))
def test_random_nights_that_end_too_early_have_necessary_causes(seed: int, share: float) -> None:
    problem = random_problem(seed, plates=3, away=bool(seed % 2))
    end_s = float(round(share * solve(problem, limit_s=1.0).bound_s))
    short = replace(problem, plates=tuple(replace(p, not_after_s=end_s) for p in problem.plates))

    refusal = explain(short, limit_s=3.0)

    assert refusal is not None
    if refusal.minimal:
        for cause, others in each_without(refusal):
            assert solve(only(short, others), limit_s=2.0), cause


def test_a_night_that_can_be_planned_is_not_refused() -> None:
    assert explain(problem_of_visits([[READ], [READ]])) is None


EVENING = replace(WORDS, ends_s=6 * HOUR)


def test_only_what_is_in_the_way_gives_and_is_named_with_its_field() -> None:
    """One plate has an end of its own that is too early; all others share the night's."""
    problem = problem_of_visits([[READ], [READ]], deadlines=[60.0, 6 * HOUR])

    refusal = explain(problem, words=EVENING)

    assert refusal is not None
    assert refusal.causes == ("P1 must be over by Mon 18:01 (`not_after`)",)
    assert refusal.suggestions == (
        "it can be done if P1 may last until Mon 18:02 (`not_after`)",
        "it can be done without P1, with 1 of 2 plates",
    )


def test_a_night_that_is_too_short_is_offered_a_later_end_of_its_own() -> None:
    problem = problem_of_visits([[READ]] * 3, deadlines=[300.0] * 3)

    refusal = explain(problem, words=replace(WORDS, ends_s=300.0))

    assert refusal is not None
    assert refusal.causes[1] == "P1, P2, P3 must be over by Mon 18:05 (`ends`)"
    assert refusal.suggestions[0] == (
        "it can be done if the night may last until Mon 18:06 (`ends`)"
    )


def test_every_plate_that_is_impossible_by_itself_is_named() -> None:
    problem = problem_of_visits([[READ]] * 4, deadlines=[60.0, None, 90.0, None])

    refusal = explain(problem, words=WORDS)

    assert refusal is not None
    assert refusal.causes == (
        "P1 must be over by Mon 18:01 (`not_after`)",
        "P3 must be over by Mon 18:01 (`not_after`)",
    )
    assert refusal.suggestions[-1] == "it can be done without P1, P3, with 2 of 4 plates"


def test_the_fewest_plates_are_left_out_and_the_least_important_ones() -> None:
    """The reader has time for two and a half reads; what needs the washer is not in the way."""
    wash = Visit("washer", 100.0, 0.0)
    problem = problem_of_visits(
        [[READ], [wash], [READ], [READ], [wash]], deadlines=[300.0, None, 300.0, 300.0, None]
    )
    ranks = [2, 9, 3, 1, 9]
    plates = tuple(replace(p, priority=r) for p, r in zip(problem.plates, ranks, strict=True))

    refusal = explain(replace(problem, plates=plates), words=WORDS)

    assert refusal is not None
    assert refusal.suggestions[-1] == "it can be done without P3, with 4 of 5 plates"


def test_one_long_plate_is_left_out_rather_than_many_short_ones() -> None:
    long = Visit("reader", 2000.0, 0.0)
    problem = problem_of_visits([[READ], [READ], [READ], [long]], deadlines=[700.0] * 3 + [2100.0])
    plates = tuple(replace(p, priority=9) for p in problem.plates[:3])

    refusal = explain(replace(problem, plates=(*plates, problem.plates[3])), words=WORDS)

    assert refusal is not None
    assert refusal.suggestions[-1] == "it can be done without P4, with 3 of 4 plates"


def test_a_plan_that_would_wait_for_the_end_of_the_calendars_is_none() -> None:
    problem = replace(_one(LOAD), absences={"person": ((0.0, HORIZON_S),)})

    refusal = explain(problem, words=WORDS)

    assert refusal is not None
    assert refusal.causes == ("person is never there; P1.load alone takes 5 min",)
    assert refusal.suggestions == ()


def test_many_plates_are_named_by_the_ends_of_their_row() -> None:
    problem = problem_of_visits([[READ]] * 12)

    assert names(problem, ["P1", "P2"]) == "P1, P2"
    assert names(problem, ["P2", "P3", "P4", "P5", "P9"]) == "P2 to P5, P9"
    assert names(problem, [f"P{n}" for n in range(1, 13, 2)]) == "P1, P3, P5, P7, P9, P11"
    assert names(problem, [*(f"P{n}" for n in range(1, 12, 2)), "P12"]) == "7 plates (P1 to P12)"
