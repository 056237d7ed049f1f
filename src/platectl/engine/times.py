"""When steps really started and ended, and whether windows were kept."""

from __future__ import annotations

from collections.abc import Iterable

from platectl.domain.steps import Anchor, Window


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
