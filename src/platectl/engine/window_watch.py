"""Watches windows as steps begin and end, and writes whether they were kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import structlog

from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step, Window
from platectl.engine.journal import Journal
from platectl.engine.times import StepTimes

log = structlog.get_logger()


class WindowWatch:
    """Knows which windows close with which step."""

    def __init__(self, run: CompiledRun, journal: Journal, times: StepTimes) -> None:
        self._journal = journal
        self._times = times
        self.take(run)

    def take(self, run: CompiledRun) -> None:
        """Look at the windows of a run; of one that has more plates by now, too."""
        self._closing: dict[str, list[Window]] = defaultdict(list)
        self._ending: dict[str, list[Window]] = defaultdict(list)
        for window in run.windows:
            self._closing[window.end.step].append(window)
            if window.end.edge == "start" and not window.end.offset_s:
                self._ending[window.end.step].append(window)

    def ending_with(self, step: Step) -> Sequence[Window]:
        """Windows that end when a step begins."""
        return self._ending.get(step.id, ())

    def judge(self, step: Step, edge: str) -> None:
        """Write of every window that closes now whether it was kept, once."""
        closing = self._closing.get(step.id, ())
        for window, elapsed_s, verdict in self._times.judge(closing, step.id, edge):
            if (window.plate, window.name) in self._journal.state.windows:
                continue
            data = {
                "window": window.name,
                "plate": window.plate,
                "elapsed_s": round(elapsed_s, 3),
                "hard": window.hard,
            }
            if verdict:
                log.warning("window.watch.failed", window=window.name, verdict=verdict)
                self._journal.record("window.broken", step.id, {**data, "verdict": verdict})
            else:
                self._journal.record("window.kept", step.id, data, sync=False)
