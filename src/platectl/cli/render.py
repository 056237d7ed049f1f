"""What the terminal shows: the live view of a run, and tables. The only place that prints."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from platectl.cli.plate_view import PlateView
from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.domain.units import format_duration
from platectl.report.text import tables, unsigned
from platectl.store.kept_run import with_added

FILE_WIDTH = 160


class _Out(Console):
    """A console that goes quiet when nobody reads any more, as after `| head`; what is done goes on."""

    def on_broken_pipe(self) -> None:
        """Send the rest of standard output nowhere."""
        self.quiet = True
        with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123  # a device
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def console(*, quiet: bool = False) -> Console:
    """A console on standard output; a quiet one swallows everything."""
    width = None if sys.stdout.isatty() else FILE_WIDTH
    return _Out(quiet=quiet, file=sys.stdout, highlight=False, width=width)


class LiveView:
    """Shows the steps under way: plate, step, elapsed, and what is left of the tightest window.

    While a plate is read over time, its wells are shown as shades.

    On a terminal the table is refreshed in place; elsewhere one line is printed for each plate
    when a step of its protocol begins.
    """

    def __init__(
        self, run: CompiledRun, out: Console, looked: Callable[[str, int, int], None] | None = None
    ) -> None:
        """Make a view.

        Args:
            run: What runs.
            out: Where it is shown.
            looked: Told once of each plate whose data are shown, with the entries and readings
                that there were.
        """
        self._know(run)
        self._looked = looked
        self._shown: set[str] = set()
        self._entries = self._readings = 0
        self._out = out
        self._running: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._done = 0
        self._now_s = 0.0
        self._plate = PlateView()
        self._live = (
            Live(console=out, refresh_per_second=8, transient=True) if out.is_terminal else None
        )

    def _know(self, run: CompiledRun) -> None:
        self._run = run
        self._titles = {step.id: step for step in run.steps}

    def __enter__(self) -> Self:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        self._now_s = event.monotonic_s
        self._entries += 1
        self._readings += event.kind in {"reading.taken", "frame.taken"}
        if event.kind == "frame.taken":
            self._plate.take(event.data)
        elif event.kind == "plate.added":
            self._know(with_added(self._run, [event]))
        elif event.kind == "step.claimed":
            self._running[event.step] = event.monotonic_s
            step = self._titles[event.step]
            if self._live is None and step.kind != "move":
                self._out.print(
                    f"{format_duration(event.monotonic_s):>12}  {step.plate}  {step.title}"
                )
        elif event.kind in {"step.done", "step.failed", "step.in_doubt"}:
            self._running.pop(event.step, None)
            self._ended[event.step] = event.monotonic_s
            self._done += 1
        if self._live:
            plate = self._plate.render()
            if plate and self._looked and self._plate.labware not in self._shown:
                self._shown.add(self._plate.labware)
                self._looked(self._plate.labware, self._entries, self._readings)
            self._live.update(Group(self._table(), plate) if plate else self._table())

    def _table(self) -> Table:
        title = f"{self._run.heading}: {self._done} of {len(self._run.steps)} steps, {format_duration(self._now_s)}"
        table = Table("plate", "step", "elapsed", "window left", title=title)
        for step_id, since_s in self._running.items():
            step = self._titles[step_id]
            table.add_row(
                step.plate,
                step.title,
                format_duration(self._now_s - since_s),
                self._left(step.plate),
            )
        return table

    def _left(self, plate: str) -> str:
        left = [
            window.at_most_s - (self._now_s - self._ended[window.start.step])
            for window in self._run.windows
            if window.plate == plate and window.at_most_s is not None
            and window.start.step in self._ended and window.end.step not in self._ended and window.end.step not in self._running
        ]  # fmt: skip
        return format_duration(max(min(left), 0.0)) if left else ""


def results_tables(rows: Sequence[dict[str, Any]], *, simulated: bool) -> Iterator[Table]:
    """Constants with intervals; IC50, which the report has too, are left out beside Ki."""
    found = tables(rows)
    marked = unsigned(rows)
    if any(title == "Ki" for title, _ in found):
        found = [(title, lines) for title, lines in found if not title.startswith("IC50")]
    for title, lines in found:
        marks = [text for text, holds in (("SIMULATED", simulated), (marked, marked)) if holds]
        table = Table(*lines[0], title=f"{title} ({', '.join(marks)})" if marks else title)
        for line in lines[1:]:
            table.add_row(*line)
        yield table


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a plain table; brackets in cells are text, not markup."""
    table = Table(*header, title=title or None)
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)


def say(text: str) -> None:
    """Print one line."""
    console().print(text, soft_wrap=True, markup=False)
