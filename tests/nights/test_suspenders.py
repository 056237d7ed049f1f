"""Conditions of the lab that hold what consumes, and release it with hysteresis."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from platectl.app.night import Options, execute, prepare
from platectl.domain.findings import InputRefusedError
from platectl.domain.suspenders import Suspender, parse_line_state
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"release_above": 5.0}, "must not be below"),
        ({"release_above": None}, "needs release_above"),
        ({"signal": "moon"}, "pattern"),
        ({"hold_above": 5.0, "release_below": 6.0}, "must not be above"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Suspender.model_validate({**BAND, **change})


@pytest.mark.parametrize(
    ("text", "value"),
    [("OL", 1.0), ("OB DISCHRG\n", 0.0), ("APC : 001\nSTATUS   : ONBATT\n", 0.0), ("closed", 1.0)],
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
