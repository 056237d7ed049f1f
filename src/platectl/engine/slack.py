"""What is left of the windows that are open now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from platectl.domain.run import CompiledRun
from platectl.domain.steps import Window
from platectl.engine.journal import Journal
from platectl.engine.times import StepTimes


@dataclass(slots=True)
class Slack:
    """Measures open hard windows against the shortest way to their ends."""

    run: CompiledRun
    journal: Journal
    times: StepTimes

    def open_windows(self) -> list[Window]:
        """Hard windows with an upper bound that have begun and not ended."""
        state = self.journal.state
        return [
            w for w in self.run.windows
            if w.hard and w.at_most_s is not None and w.plate not in state.dropped_plates
            and self.times.known(w.start) and not self.times.known(w.end)
        ]  # fmt: skip

    def left_s(self, window: Window) -> float:
        """What is left of a window after the shortest way to its end; negative: it cannot hold."""
        return self._closes_s(window) - self.journal.clock.monotonic_s() - self._way_s(window)

    def due_s(self, plate: str, step: str) -> float | None:
        """When a step of a plate must be over, on the clock, so that no open window breaks."""
        ends = [
            self._closes_s(w) - self._way_s(w, after=step)
            for w in self.open_windows()
            if w.plate == plate
        ]
        return min(ends, default=None)

    def _closes_s(self, window: Window) -> float:
        return self.times.moment_s(window.start) + (window.at_most_s or 0.0)

    def _way_s(self, window: Window, *, after: str = "") -> float:
        """Duration of the longest chain of unfinished steps before a step; waits may shrink to nothing.

        A step `after` which the way begins is not counted.
        """
        steps = {step.id: step for step in self.run.steps}
        done = {name for name, step in self.journal.state.steps.items() if step.over} | {after}

        @cache
        def before(name: str) -> float:
            ahead = [n for n in steps[name].after if n not in done]
            return max((before(n) + (0.0 if steps[n].effect == "wait" else steps[n].duration_s)
                        for n in ahead), default=0.0)  # fmt: skip

        return before(window.end.step)
