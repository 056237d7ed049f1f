"""Conditions of the lab that hold what consumes, and release it with hysteresis."""

from __future__ import annotations

import asyncio
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.domain.events import Event
from platectl.domain.findings import InputRefusedError
from platectl.domain.suspenders import Suspender, parse_line_state
from platectl.engine.resources import ResourceQueues
from platectl.engine.suspenders import Suspenders
from platectl.files.lab import load_lab
from platectl.files.protocol import bundled

BAND = {"signal": "disk", "hold_below": 10.0, "release_above": 20.0}


class Clock:
    now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now(self) -> Any:
        raise NotImplementedError


def fed(suspender: Suspender, values: list[float], every_s: float = 1.0) -> list[bool]:
    """Whether it held after each value."""
    clock = Clock()
    held = []
    subject = Suspenders({"it": suspender}, clock, 0.0)
    for value in values:
        clock.now_s += every_s
        subject.update("it", value, clock.now_s)
        held.append(bool(subject.holding()))
    return held


@given(st.lists(st.floats(0.0, 30.0), max_size=60))
def test_it_changes_once_for_each_crossing_of_the_band(values: list[float]) -> None:
    held = fed(Suspender.model_validate(BAND), values)
    expected, now = [], False
    for value in values:
        now = True if value < 10.0 else False if value >= 20.0 else now
        expected.append(now)
    assert held == expected


@given(st.lists(st.sampled_from([5.0, 15.0, 25.0]), min_size=1, max_size=60))
def test_it_never_releases_before_it_has_settled(values: list[float]) -> None:
    held = fed(Suspender.model_validate({**BAND, "settle": "3 s"}), values)
    for place, value in enumerate(held):
        if place and held[place - 1] and not value:
            assert all(v >= 20.0 for v in values[place - 3 : place + 1])
            assert place >= 3


def test_what_is_not_seen_any_more_holds_and_says_so() -> None:
    clock = Clock()
    subject = Suspenders({"it": Suspender.model_validate({**BAND, "stale": "60 s"})}, clock, 0.0)
    clock.now_s = 59.0
    assert subject.holding() == ()
    clock.now_s = 61.0
    assert subject.holding() == ("it: disk has not been seen for a while",)
    subject.update("it", 25.0, 61.0)
    assert subject.holding() == ()


def test_what_is_seen_again_has_to_settle() -> None:
    clock = Clock()
    settling = Suspender.model_validate({**BAND, "settle": "20 s", "stale": "60 s"})
    subject = Suspenders({"it": settling}, clock, 0.0)
    held = []
    for clock.now_s in (61.0, 71.0, 80.0, 81.0):
        subject.update("it", 25.0, clock.now_s)
        held.append(subject.holding())
    back = ("it: disk was missing and is only just back",)
    assert held == [back, back, back, ()]


@given(st.lists(st.tuples(st.sampled_from([1.0, 9.0, 30.0, 31.0, 90.0]),
                          st.sampled_from([5.0, 15.0, 25.0])), max_size=60))  # fmt: skip
def test_it_never_releases_over_a_time_in_which_nothing_was_seen(
    seen: list[tuple[float, float]],
) -> None:
    clock, well_since_s, back_since_s, fell = Clock(), 0.0, 0.0, False
    rules = Suspender.model_validate({**BAND, "settle": "20 s", "stale": "30 s"})
    subject = Suspenders({"it": rules}, clock, 0.0)
    for passed_s, value in seen:
        clock.now_s += passed_s
        before = bool(subject.holding())
        subject.update("it", value, clock.now_s)
        if passed_s > 30.0:
            well_since_s = back_since_s = clock.now_s
        well_since_s = math.inf if value < 20.0 else min(well_since_s, clock.now_s)
        fell = fell or value < 10.0
        if before and not subject.holding():
            assert clock.now_s - back_since_s >= 20.0
            assert not fell or clock.now_s - well_since_s >= 20.0
            fell = False
        elif value < 10.0:
            assert subject.holding()


def test_what_cannot_be_asked_does_not_age_and_what_is_missing_is_not_excused() -> None:
    clock = Clock()
    subject = Suspenders({"it": Suspender.model_validate({**BAND, "stale": "60 s"})}, clock, 0.0)
    for clock.now_s in range(10, 3600, 10):
        subject.excuse("it", clock.now_s)
        assert subject.holding() == ()
    clock.now_s += 61.0
    subject.excuse("it", clock.now_s)
    assert subject.holding() == ("it: disk has not been seen for a while",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"release_above": 5.0}, "must not be below"),
        ({"release_above": None}, "needs release_above"),
        ({"signal": "moon"}, "pattern"),
        ({"stale": "20 s"}, "stale must not be below 30 s"),
        ({"hold_above": 5.0, "release_below": 6.0}, "must not be above"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Suspender.model_validate({**BAND, **change})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("OL", 1.0),
        ("OB DISCHRG\n", 0.0),
        ("APC : 001\nSTATUS   : ONBATT\n", 0.0),
        ("closed", 1.0),
        ("STATUS   : BOOST ONLINE\n", 1.0),
        ("ALARM OB DISCHRG", 0.0),
        ("OL\tCHRG\n", 1.0),
    ],
)
def test_files_of_supplies_and_doors_are_read(text: str, value: float) -> None:
    assert parse_line_state(text) == value
    with pytest.raises(ValueError, match="neither"):
        parse_line_state("who knows")


def lab_file(tmp_path: Path, suspenders: dict[str, Any]) -> Path:
    data = yaml.safe_load(bundled("simulated-lab.yaml").read_text())
    path = tmp_path / "lab.yaml"
    path.write_text(yaml.safe_dump({**data, "suspenders": suspenders}, sort_keys=False))
    return path


def test_a_condition_on_an_unknown_instrument_is_refused_with_its_line(tmp_path: Path) -> None:
    odd = {"cold": {"signal": "temperature:oven", "hold_above": 30.0, "release_below": 28.0}}
    with pytest.raises(InputRefusedError, match=r"lab.yaml:\d+.*'oven' is no instrument"):
        load_lab(lab_file(tmp_path, odd))


async def test_nothing_is_lent_while_the_recovery_asks_or_a_step_has_taken_it() -> None:
    step = next(s for s in prepare(Options("fura2-calcium")).compiled.steps if s.resources)
    name = step.resources[0]
    queues = ResourceQueues([step], lending=False)
    lent = []

    async def ask() -> None:
        async with queues.borrow(name) as mine:
            lent.append(mine)

    await ask()
    queues.lending = True
    await ask()
    async with queues.turn(step):
        await ask()
        await queues.take(step)
        await ask()
        queues.give_back(step)
        await ask()
    await ask()
    assert lent == [False, True, True, False, True, True]


async def test_a_step_waits_for_what_is_lent() -> None:
    step = next(s for s in prepare(Options("fura2-calcium")).compiled.steps if s.resources)
    queues = ResourceQueues([step])
    async with queues.turn(step):
        async with queues.borrow(step.resources[0]) as mine:
            taking = asyncio.create_task(queues.take(step))
            await asyncio.sleep(5.0)
            assert mine
            assert not taking.done()
        await taking


@pytest.mark.parametrize("signal", ["temperature:sealer", "temperature:person"])
def test_a_condition_on_an_instrument_without_a_thermometer_is_refused(
    tmp_path: Path, signal: str
) -> None:
    odd = {"cold": {"signal": signal, "hold_above": 30.0, "release_below": 28.0}}
    with pytest.raises(InputRefusedError, match=r"lab.yaml:\d+.*cannot say its temperature"):
        prepare(Options("sigma1-binding", lab=lab_file(tmp_path, odd)))


def suspended(finished: Finished) -> list[Event]:
    """Notes of steps that were held."""
    return [e for e in finished.events if e.kind == "step.note" and e.data.get("suspended")]


@pytest.mark.parametrize("instrument", ["shaker1", "reader"])
def test_an_instrument_that_works_or_that_the_run_does_not_use_holds_nothing(
    tmp_path: Path, instrument: str
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    warm = {"signal": f"temperature:{instrument}", "hold_above": 60.0, "release_below": 55.0}
    lab = lab_file(tmp_path, {"nest": warm})
    finished = execute(prepare(Options("sigma1-binding", lab=lab)), tmp_path / "run")
    assert finished.outcome.status == "done", finished.outcome.error
    assert suspended(finished) == []


def shifted(monkeypatch: pytest.MonkeyPatch, since_s: float, until_s: float, odd: float) -> None:
    """Make every value that is read in a time an odd one."""
    take = Suspenders.update

    def update(self: Suspenders, name: str, value: float | None, at_s: float) -> None:
        take(self, name, odd if value is not None and since_s <= at_s < until_s else value, at_s)

    monkeypatch.setattr(Suspenders, "update", update)


def test_a_step_that_waits_for_its_own_instrument_lets_it_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    plain = execute(prepare(Options("fura2-calcium")), tmp_path / "plain")
    shot = next(s for s in prepare(Options("fura2-calcium")).compiled.steps
                if s.effect == "shot" and "reader" in s.resources)  # fmt: skip
    claimed = next(e for e in plain.events if e.kind == "step.claimed" and e.step == shot.id)
    begin_s = claimed.monotonic_s
    shifted(monkeypatch, begin_s - 60.0, begin_s + 120.0, 70.0)
    hot = {"signal": "temperature:reader", "hold_above": 60.0, "release_below": 55.0}
    lab = lab_file(tmp_path, {"hot": hot})
    finished = execute(prepare(Options("fura2-calcium", lab=lab)), tmp_path / "run")
    assert finished.outcome.status == "done", finished.outcome.error
    assert shot.id in {e.step for e in suspended(finished)}


def test_a_night_holds_what_consumes_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    shifted(monkeypatch, 0.0, 3600.0, 100.0)
    full = {"signal": "disk", "hold_below": 200.0, "release_above": 300.0, "settle": "60 s"}
    lab = lab_file(tmp_path, {"disk": full})
    finished = execute(prepare(Options("sigma1-binding", lab=lab)), tmp_path / "run")
    assert finished.outcome.status == "done", finished.outcome.error
    assert suspended(finished)[0].data["suspended"] == ["disk: disk is 100"]
    sent = [e for e in finished.events
            if e.kind == "action.sent" and e.data["effect"] in {"consume", "shot"}]  # fmt: skip
    assert min(e.monotonic_s for e in sent) >= 3660.0


def test_a_night_holds_what_consumes_while_the_supply_is_on_battery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    looks = 0

    async def supply(*_: object, **__: object) -> str:
        nonlocal looks
        looks += 1
        return "OB" if 20 <= looks < 80 else "OL"

    monkeypatch.setattr("platectl.app.signals.asyncio.to_thread", supply)
    ups = {"signal": f"ups:{tmp_path / 'ups'}", "hold_below": 0.5, "release_above": 0.5,
           "settle": "60 s", "reason": "mains is away"}  # fmt: skip
    warm = {
        "signal": "temperature:shaker1",
        "hold_above": 60.0,
        "release_below": 55.0,
        "stale": "24 h",
    }
    lab = lab_file(tmp_path, {"mains": ups, "nest": warm})

    finished = execute(prepare(Options("sigma1-binding", lab=lab)), tmp_path / "run")

    assert finished.outcome.status == "done", finished.outcome.error
    notes = [e for e in finished.events if e.kind == "step.note" and "suspended" in e.data]
    held = [e for e in notes if e.data["suspended"]]
    released = [e for e in notes if not e.data["suspended"]]
    assert held
    assert "mains is away" in held[0].data["suspended"][0]
    first, last = held[0].monotonic_s, released[-1].monotonic_s
    assert last - first > 300.0
    sent = [
        e for e in finished.events
        if e.kind == "action.sent" and e.data["effect"] in {"consume", "shot"}
        and first < e.monotonic_s < released[0].monotonic_s and e.step == held[0].step
    ]  # fmt: skip
    assert not sent
