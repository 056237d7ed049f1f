"""What is left of a window counts what a begun step has done, and no outage as work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from platectl.domain.events import Event
from platectl.domain.steps import Anchor, Window
from platectl.engine.slack import Slack
from platectl.engine.state import RunState
from platectl.engine.times import StepTimes

WINDOW = Window(
    name="soak", plate="P1", start=Anchor(step="A"), end=Anchor(step="C", edge="start"), at_most_s=60.0
)  # fmt: skip


def step(name: str, after: tuple[str, ...], duration_s: float) -> Any:
    return SimpleNamespace(id=name, after=after, duration_s=duration_s, effect="consume")


def event(kind: Any, at_s: float, **data: Any) -> Event:
    return Event(kind, "B", "2026-01-05T18:00:00+00:00", at_s, data)


def sent(action: str, at_s: float) -> Event:
    return event("action.sent", at_s, action=action, instrument="flex", verb="transfer", arguments={}, effect="consume")  # fmt: skip


@pytest.mark.parametrize(("done_s", "left_s"), [(0.0, -70.0), (80.0, 10.0), (100.0, 30.0)])
def test_a_begun_step_is_counted_without_what_it_has_done(done_s: float, left_s: float) -> None:
    events = [event("step.claimed", 5.0), sent("B:1", 5.0), event("action.acked", 5.0 + done_s, action="B:1", result=None),
              sent("B:2", 5.0 + done_s), event("run.resumed", 900.0, epoch=2)]  # fmt: skip
    run = SimpleNamespace(
        steps=[step("A", (), 10.0), step("B", (), 100.0), step("C", ("B",), 5.0)], windows=[WINDOW]
    )  # fmt: skip
    times = StepTimes()
    times.started("A", 0.0)
    times.ended("A", 1000.0)
    clock = SimpleNamespace(monotonic_s=lambda: 1030.0)
    journal: Any = SimpleNamespace(state=RunState.of(events), clock=clock)

    slack = Slack(run, journal, times)  # type: ignore[arg-type]  # what of a run it looks at

    assert slack.left_s(WINDOW) == pytest.approx(left_s)
