"""Times that differ by less than a clock can tell are one moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from platectl.domain.steps import Step
from platectl.engine.run import Engine
from platectl.engine.timetable import Timetable


class AlmostThere:
    """A clock that stands just before a planned start, as rounding leaves it."""

    def monotonic_s(self) -> float:
        return 384.02499999999975


@pytest.mark.timeout(20)
async def test_a_start_is_not_waited_for_that_no_timer_can_tell_from_now() -> None:
    async def pass_step(step: Step) -> None:
        del step

    async def never(left_s: float) -> None:
        raise AssertionError(f"waits for {left_s} s, and for ever")

    timetable = Timetable([])
    timetable.move({"P1.B3": (384.025, 400.0)})
    timetable.pause = never  # type: ignore[method-assign]  # a timer would come at once, again and again
    engine: Any = SimpleNamespace(
        gates=SimpleNamespace(pass_step=pass_step),
        _watch=SimpleNamespace(ending_with=lambda step: ()),
        _journal=SimpleNamespace(began_s=0.0, clock=AlmostThere()), _timetable=timetable,
        _times=SimpleNamespace(due_s=lambda step, windows, planned_s: planned_s),
    )  # fmt: skip

    await Engine._wait_for_time(engine, SimpleNamespace(id="P1.B3"))  # type: ignore[arg-type]
