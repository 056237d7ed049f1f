"""A plate is judged while others wait: a bad one holds those that have not begun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Night, Options, prepare
from platectl.domain.policy import Policy, Rule, When
from platectl.engine.questions import Answer, Question

STRICT = """platectl: 1
name: strict
title: Nothing is ever good enough
extends: fura2-calcium
qc: {z_prime_fail: 0.99, z_prime_pass: 0.995}
"""
NIGHT = """platectl: 1
night: gates
starts: "2026-01-05 18:00"
plates: [{protocol: strict.yaml, copies: 3, samples: calcium-samples.csv}]
"""


@pytest.fixture
def night(tmp_path: Path) -> Night:
    (tmp_path / "strict.yaml").write_text(STRICT)
    (tmp_path / "gates.yaml").write_text(NIGHT)
    return prepare(Options(str(tmp_path / "gates.yaml")))


def run(night: Night, folder: Path, *persons: object) -> Finished:
    return execute(
        night,
        folder,
        record_wire=False,
        ledger_path=":memory:",
        persons=persons,  # type: ignore[arg-type]  # coroutine functions
    )


def asked(finished: Finished) -> list[str]:
    return [str(e.data["text"]) for e in finished.events if e.kind == "question.asked"]


def test_plates_that_have_not_begun_are_left_unused_when_nobody_answers(
    night: Night, tmp_path: Path
) -> None:
    finished = run(night, tmp_path / "run")

    titles = {s.id: s for s in night.compiled.steps}
    begun = {
        titles[e.step].plate
        for e in finished.events
        if e.kind == "step.claimed" and titles[e.step].kind == "load"
    }
    held = set(finished.outcome.dropped)
    assert finished.outcome.status == "done"
    assert "P1" in begun
    assert held
    assert begun.isdisjoint(held)
    assert asked(finished)[0].startswith("P1 is no good: Z' of the controls")
    assert all("P1 is no good" in reason for reason in finished.outcome.dropped.values())


def test_a_person_may_begin_them_all_the_same(night: Night, tmp_path: Path) -> None:
    async def go_on(_question: Question) -> Answer | None:
        return Answer("go_on", "Ana", "it is only a trial")

    finished = run(night, tmp_path / "run", go_on)

    assert not finished.outcome.dropped
    assert len([p for p in finished.plates if p.result is not None]) == 3


def test_night_orders_may_say_to_go_on(night: Night, tmp_path: Path) -> None:
    rule = Rule(when=When(error=("quality",)), then="go_on")
    policy = Policy(rules=(rule, *night.policy.rules))

    finished = run(replace(night, policy=policy), tmp_path / "run")

    assert not asked(finished)
    assert not finished.outcome.dropped


def test_a_run_that_is_held_lets_begun_steps_end(night: Night, tmp_path: Path) -> None:
    rule = Rule(when=When(error=("quality",)), then="hold")
    policy = Policy(rules=(rule, *night.policy.rules))

    finished = run(replace(night, policy=policy), tmp_path / "run")

    begun = {e.step for e in finished.events if e.kind == "step.claimed"}
    over = {e.step for e in finished.events if e.kind == "step.done"}
    assert finished.outcome.status == "held"
    assert "P1 is no good" in finished.outcome.error
    assert begun == over
    assert not finished.outcome.in_doubt


def test_a_good_plate_holds_nobody(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text(
        NIGHT.replace(
            "strict.yaml, copies: 3, samples: calcium-samples.csv", "fura2-calcium, copies: 2"
        )
    )

    finished = run(prepare(Options(str(tmp_path / "n.yaml"))), tmp_path / "run")

    assert not asked(finished)
    assert finished.outcome.status == "done"
