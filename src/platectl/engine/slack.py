"""What is left of the windows that are open now."""

from __future__ import annotations

from functools import cache

from platectl.domain.run import CompiledRun
from platectl.domain.steps import Window
from platectl.engine.journal import Journal
from platectl.engine.times import StepTimes


class Slack:
    """Measures open hard windows against the shortest way to their ends."""

    def __init__(self, run: CompiledRun, journal: Journal, times: StepTimes) -> None:
        self._journal = journal
        self._times = times
        self.take(run)

    def take(self, run: CompiledRun) -> None:
        """Look at the windows of a run; of one that has more plates by now, too."""
        self._steps = {step.id: step for step in run.steps}
        self._windows = [w for w in run.windows if w.hard and w.at_most_s is not None]

    def open_windows(self, plate: str = "") -> list[Window]:
        """Hard windows with an upper bound that have begun and not ended, of all plates or of one."""
        dropped = self._journal.state.dropped_plates
        return [
            w for w in self._windows
            if (not plate or w.plate == plate) and w.plate not in dropped
            and self._times.known(w.start) and not self._times.known(w.end)
        ]  # fmt: skip

    def left_s(self, window: Window) -> float:
        """What is left of a window after the shortest way to its end; negative: it cannot hold."""
        return self._closes_s(window) - self._journal.clock.monotonic_s() - self._way_s(window)

    def due_s(self, plate: str, step: str) -> float | None:
        """When a step of a plate must be over, on the clock, so that no open window breaks."""
        windows = self.open_windows(plate) if plate else []
        return min((self._closes_s(w) - self._way_s(w, after=step) for w in windows), default=None)

    def _closes_s(self, window: Window) -> float:
        return self._times.moment_s(window.start) + (window.at_most_s or 0.0)

    def _way_s(self, window: Window, *, after: str = "") -> float:
        """Duration of the longest chain of unfinished steps before a step; waits may shrink to nothing.

        A step `after` which the way begins is not counted, nor what a begun step has done of its work.
        """
        steps, states = self._steps, self._journal.state.steps

        def left_of(name: str) -> float:
            done_s = states[name].worked_s if name in states else 0.0
            return (
                0.0 if steps[name].effect == "wait" else max(steps[name].duration_s - done_s, 0.0)
            )

        @cache
        def before(name: str) -> float:
            ahead = [
                n for n in steps[name].after if n != after and not (n in states and states[n].over)
            ]
            return max((before(n) + left_of(n) for n in ahead), default=0.0)

        return before(window.end.step)
