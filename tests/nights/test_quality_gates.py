"""A plate is judged while others wait: after a bad one nothing more is spent before somebody says so."""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.cli.command import platectl
from tests.nights.lives import child
from tests.nights.test_channel import Running, until

from platectl.app.audit import audit
from platectl.app.channel import tell
from platectl.app.drive import Finished
from platectl.app.night import execute, resume
from platectl.app.prepare import Night, Options, prepare
from platectl.app.run_report import build_report
from platectl.domain.events import Event
from platectl.domain.policy import Policy, Rule, When
from platectl.domain.steps import Step
from platectl.engine.questions import Answer, Question
from platectl.report.rows import result_rows

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


PATIENT = """platectl: 1
rules:
  - {when: {error: [quality]}, then: ask, options: [go_on, drop_plate, hold, abort]}
"""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


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


def step(night: Night, name: str) -> Step:
    return next(s for s in night.compiled.steps if s.id == name)


def both_bad(status: dict[str, Any]) -> dict[str, Any] | None:
    """A status in which the question has the figures of two plates."""
    return status if any("P2 is no good" in q["text"] for q in status["questions"]) else None


def sound(night: Night, finished: Finished) -> bool:
    broken = [e for e in finished.events if e.kind == "window.broken" and e.data["hard"]]
    return not broken and audit(night.compiled, finished.events) == []


def killed_after(night: Night, folder: Path, kind: str) -> None:
    """Run a night in a child that is killed a hundred entries after the first of a kind."""
    seen: list[str] = []

    def watch(event: Event) -> None:
        if seen or event.kind == kind:
            seen.append(event.kind)
        if len(seen) == 100:
            os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(child(lambda: execute(night, folder, watch=watch)), 0)


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
    decided = next(e for e in finished.events if e.kind == "question.answered")
    assert decided.monotonic_s == pytest.approx(step(night, "P3.F0").planned_start_s, abs=1)
    assert sound(night, finished)


def test_an_answer_from_another_terminal_puts_back_what_waited(
    night: Night, tmp_path: Path
) -> None:
    orders = tmp_path / "orders.yaml"
    orders.write_text(PATIENT)
    lab = Running(
        tmp_path / "run",
        Options(str(tmp_path / "gates.yaml"), policy=orders),
        record_wire=False,
    )
    status = until(lambda: both_bad(tell(lab.folder, "status")))
    question = status["questions"][0]
    shown = platectl("status", "run", "--store", str(tmp_path)).stdout

    said = ("--by", "Ana", "--reason", "a trial", "--store", str(tmp_path))
    assert platectl("answer", "run", question["id"], "go_on", *said).returncode == 0

    finished = lab.end()
    opened = next(e for e in finished.events if e.kind == "gate.opened")
    first = next(e for e in finished.events if e.kind == "step.claimed" and e.step == "P3.F0")
    assert status["waiting"] == ["P3"]
    assert f"due: {question['due']}" in shown
    assert "P3 wait for a word about a plate before them" in shown
    assert "P1 is no good: Z' of the controls is" in question["text"]
    assert "P2 is no good: Z' of the controls is" in question["text"]
    assert datetime.fromisoformat(question["due"]) <= datetime.fromisoformat(opened.wall)
    assert (opened.data["after"], opened.data["plates"]) == (["P1", "P2"], ["P3"])
    assert first.monotonic_s == pytest.approx(opened.monotonic_s, abs=1)
    late_s = first.monotonic_s - step(night, "P3.F0").planned_start_s
    assert opened.data["put_off_s"] == {"P3": pytest.approx(late_s, abs=1)}
    assert late_s > 600
    assert len([p for p in finished.plates if p.result is not None]) == 3
    assert sound(night, finished)
    report = build_report("gates", night.compiled, finished.events, finished.plates)
    assert any("P3 went on all the same after P1, P2: Ana: a trial" in w for w in report.warnings)


def test_night_orders_may_say_to_go_on(night: Night, tmp_path: Path) -> None:
    rule = Rule(when=When(error=("quality",)), then="go_on")
    policy = Policy(rules=(rule, *night.policy.rules))

    finished = run(replace(night, policy=policy), tmp_path / "run")

    assert not asked(finished)
    assert not finished.outcome.dropped


def test_what_is_held_stays_held_over_a_death_until_somebody_answers(
    night: Night, tmp_path: Path
) -> None:
    rule = Rule(when=When(error=("quality",)), then="hold")
    held = replace(night, policy=Policy(rules=(rule, *night.policy.rules)))
    folder = tmp_path / "run"
    killed_after(held, folder, "gate.closed")

    second = resume(folder)

    over = {e.step for e in second.events if e.kind == "step.done"}
    assert second.outcome.status == "held"
    assert second.outcome.error.startswith("P1 is no good: Z' of the controls is")
    assert "P2 goes on: its window 'loading' is open. Waiting costs nothing for" in asked(second)[0]
    assert not second.outcome.dropped
    assert over == {s.id for s in night.compiled.steps if s.plate != "P3"}
    assert sound(night, second)
    flags = {flag for row in result_rows([second.plates[1].report()]) for flag in row["flags"]}
    assert "gate:P1" in flags

    async def drop(_question: Question) -> Answer | None:
        return Answer("drop_plate", "Ana", "not today")

    last = resume(folder, persons=(drop,))

    assert last.outcome.status == "done"
    assert list(last.outcome.dropped) == ["P3"]
    assert not [e for e in last.events if e.kind == "step.claimed" and e.step == "P3.F0"]


def test_a_good_plate_holds_nobody(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text(
        NIGHT.replace(
            "strict.yaml, copies: 3, samples: calcium-samples.csv", "fura2-calcium, copies: 2"
        )
    )

    finished = run(prepare(Options(str(tmp_path / "n.yaml"))), tmp_path / "run")

    assert not asked(finished)
    assert finished.outcome.status == "done"
