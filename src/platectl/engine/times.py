"""When steps really started and ended, and whether windows were kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from platectl.domain.steps import Anchor, Step, Window

#: a step begins so long before a window closes: a share of the window, or seconds if that is less
WINDOW_MARGIN: Final = 0.1
WINDOW_MARGIN_S: Final = 30.0


class StepTimes:
    """Start and end of steps on the run's clock, from ledger entries."""

    def __init__(self) -> None:
        self._start: dict[str, float] = {}
        self._end: dict[str, float] = {}

    def started(self, step: str, at_s: float) -> None:
        """Note the first start of a step."""
        self._start.setdefault(step, at_s)

    def ended(self, step: str, at_s: float) -> None:
        """Note the end of a step."""
        self._end[step] = at_s

    def known(self, anchor: Anchor) -> bool:
        """Whether the moment has a time yet."""
        return anchor.step in (self._start if anchor.edge == "start" else self._end)

    def moment_s(self, anchor: Anchor) -> float:
        """Time of an anchor.

        Raises:
            KeyError: The step has not come that far.
        """
        start = self._start[anchor.step]
        if anchor.edge == "start":
            return start + anchor.offset_s
        end = self._end[anchor.step]
        return (end if anchor.edge == "end" else (start + end) / 2) + anchor.offset_s

    def due_s(self, step: Step, windows: Iterable[Window], planned_s: float) -> float:
        """When a step may begin whose predecessors are over, given the windows that it ends.

        It begins as planned: what begins early can break a window of another plate later. It begins
        earlier only where a hard window would close before, because what came before was quicker
        than planned.
        """
        due_s, earliest_s = planned_s, 0.0
        for window in windows:
            if not self.known(window.start):
                continue
            since_s = self.moment_s(window.start)
            earliest_s = max(earliest_s, since_s + window.at_least_s)
            if window.hard and window.at_most_s is not None:
                width_s = window.at_most_s - window.at_least_s
                margin_s = min(WINDOW_MARGIN_S, WINDOW_MARGIN * width_s)
                due_s = min(due_s, since_s + window.at_most_s - margin_s)
        if step.not_before is not None and self.known(step.not_before):
            earliest_s = max(earliest_s, self.moment_s(step.not_before))
        return max(due_s, earliest_s)

    def judge(
        self, windows: Iterable[Window], step: str, edge: str
    ) -> list[tuple[Window, float, str | None]]:
        """Windows that close at this edge of a step: window, elapsed seconds, how it is broken."""
        judged = []
        for window in windows:
            closes = window.end.step == step and (window.end.edge == "start") == (edge == "start")
            if closes and self.known(window.start) and self.known(window.end):
                elapsed_s = self.moment_s(window.end) - self.moment_s(window.start)
                judged.append((window, elapsed_s, window.verdict(elapsed_s)))
        return judged
