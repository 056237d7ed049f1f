"""When steps are planned to begin and end, and waking those whose time is changed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from typing import Final

from platectl.domain.steps import Step

Span = tuple[float, float]
#: rank of steps that are parked
LAST: Final[Span] = (math.inf, math.inf)


class Timetable:
    """Planned times of all steps, in seconds since the start of the run.

    Steps that are `parked` wait for a person's word and let all others pass; their times are those
    that they had.

    Concurrency: steps sleep in `pause_until`; `move` wakes them all, to look again.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._times: dict[str, Span] = {s.id: (s.planned_start_s, s.planned_end_s) for s in steps}
        self.parked: frozenset[str] = frozenset()
        self._sleepers: set[asyncio.Future[None]] = set()

    def __getitem__(self, step: str) -> Span:
        return self._times[step]

    def rank(self, step: str) -> Span:
        """What the order of steps goes by."""
        return LAST if step in self.parked else self._times[step]

    @property
    def times(self) -> Mapping[str, Span]:
        """All planned times."""
        return self._times

    @property
    def end_s(self) -> float:
        """When the last step is planned to end."""
        return max((end for _, end in self._times.values()), default=0.0)

    def move(self, times: Mapping[str, Span]) -> None:
        """Take new times for some steps."""
        self._times.update(times)
        for sleeper in self._sleepers:
            _wake(sleeper)

    async def pause(self, left_s: float) -> None:
        """Sleep so long, or until times are moved."""
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(left_s, _wake, sleeper)
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            timer.cancel()
            self._sleepers.discard(sleeper)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
