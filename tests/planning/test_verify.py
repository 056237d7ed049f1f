"""The checker of plans sees what a plan breaks, and nothing else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platectl.planning.problem import Lag, Moment, Occupation, Plate, Problem, Task
from platectl.planning.verify import broken_windows, violations

A, B = Task("P1.a", "P1", 60.0), Task("P2.b", "P2", 60.0)
READER = (Occupation("reader", "P1", "P1.a", "P1.a"), Occupation("reader", "P2", "P2.b", "P2.b"))
APART = {"P1.a": (0.0, 60.0), "P2.b": (60.0, 120.0)}
TOGETHER = {"P1.a": (0.0, 60.0), "P2.b": (30.0, 90.0)}


def _with(**more: object) -> Problem:
    return Problem((A, B), (), READER, (Plate("P1"), Plate("P2")), **more)  # type: ignore[arg-type]


def test_plates_one_after_another_break_nothing() -> None:
    assert violations(_with(), APART) == []


@pytest.mark.parametrize(
    ("problem", "times", "said"),
    [
        (_with(), TOGETHER, "reader is claimed at 30.0 s by P1.a to P1.a (P1), P2.b to P2.b (P2)"),
        (_with(), {"P1.a": (0.0, 60.0)}, "P2.b has no time"),
        (_with(), {**APART, "P2.b": (60.0, 110.0)}, "takes 50.0 s, not 60.0 s"),
        (_with(absences={"reader": ((50.0, 55.0),)}), APART, "reader is away from 50.0 to 55.0 s"),
        (_with(now_s=10.0), APART, "before now"),
        (_with(fixed={"P1.a": (5.0, 60.0)}), APART, "P1.a is over and was moved"),
        (_with(running={"P1.a": (0.0, 70.0)}), APART, "P1.a cannot be over by 60.0 s"),
        (_with(running={"P1.a": (1.0, 50.0)}), APART, "P1.a has begun and was moved"),
        (Problem((A, B), (), (), (Plate("P2", not_before_s=90.0),)), APART, "not before 90.0 s"),
        (Problem((A, B), (), (), (Plate("P2", not_after_s=90.0),)), APART, "not after 90.0 s"),
        (
            Problem((A, B), (Lag(Moment("P1.a"), Moment("P2.b"), 0, 30, "reading"),)),
            APART,
            "window 'reading' between P1.a and P2.b is missed by 30.0 s",
        ),
        (
            Problem(
                tuple(Task(n, n, 10.0, {"hotel": 2}) for n in "xyz"), (), capacities={"hotel": 4}
            ),
            {"x": (0.0, 10.0), "y": (5.0, 15.0), "z": (9.0, 19.0)},
            "hotel is claimed at 9.0 s by x (x), y (y), z (z); it has 4",
        ),
    ],
)
def test_what_is_broken_is_said(
    problem: Problem, times: dict[str, tuple[float, float]], said: str
) -> None:
    found = violations(problem, times)

    assert len(found) == 1
    assert said in found[0]


def test_a_soft_window_is_no_violation_but_is_named() -> None:
    lag = Lag(Moment("P1.a"), Moment("P2.b"), 0, 30, "reading", hard=False)
    problem = Problem((A, B), (lag,))

    assert violations(problem, APART) == []
    assert [b[:3] for b in broken_windows(problem, APART)] == [("P2", "reading", 30.0)]


def test_what_is_over_is_not_judged() -> None:
    lag = Lag(Moment("P1.a"), Moment("P2.b"), 0, 30, "reading")
    problem = Problem((A, B), (lag,), fixed=APART, now_s=120.0)

    assert violations(problem, APART) == []


@given(st.integers(0, 10**6))
def test_claims_agree_with_counting_every_second(seed: int) -> None:
    dice = random.Random(seed)
    tasks = tuple(
        Task(f"t{n}", f"P{n}", float(dice.randint(1, 9)), {"hotel": dice.randint(1, 3)})
        for n in range(6)
    )
    problem = Problem(tasks, (), capacities={"hotel": 5})
    times = {t.id: (b := float(dice.randint(0, 15)), b + t.duration_s) for t in tasks}  # fmt: skip

    crowded = any(
        sum(t.uses["hotel"] for t in tasks if times[t.id][0] <= s < times[t.id][1]) > 5
        for s in range(30)
    )

    assert bool(violations(problem, times)) == crowded
