"""A daemon in virtual time, with a clock that can be set and runs that go on without it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from platectl.domain.errors import UserInputError
from platectl.nights.book import Book
from platectl.nights.daemon import Daemon, Manners
from platectl.nights.outbox import Notice, Sent
from platectl.nights.ports import Alarm, Standing
from platectl.nights.submission import Needs, Subject, Submission

NIGHT = Subject(("night",))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class SetClock:
    """Shows virtual time plus whatever it was set by."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self.off_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic_s() + self.off_s)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class LoopClockwork:
    """Timers of the loop; like real ones they do not notice that the clock is set."""

    def __init__(self, clock: SetClock) -> None:
        self._clock = clock
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def set(self, name: str, at: datetime, fire: Callable[[], None]) -> None:
        self.drop(name)
        wait_s = max(0.0, (at - self._clock.now()).total_seconds())
        self._timers[name] = asyncio.get_running_loop().call_later(wait_s, fire)

    def drop(self, name: str) -> None:
        if name in self._timers:
            self._timers.pop(name).cancel()

    def close(self) -> None:
        for name in list(self._timers):
            self.drop(name)


@dataclass
class Runs:
    """Processes of runs, as the world sees them: each says when it began and how it ends."""

    clock: SetClock
    needs: dict[str, Needs] = field(default_factory=dict)
    endings: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    began: Counter[str] = field(default_factory=Counter)
    resumed: Counter[str] = field(default_factory=Counter)
    over_s: dict[str, float] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    asked: dict[str, datetime] = field(default_factory=dict)

    async def examine(self, subject: Subject, due: datetime) -> Needs:
        self.asked[subject.title] = due
        if subject.title in self.refusals:
            raise UserInputError(self.refusals[subject.title])
        return self.needs.get(subject.title, Needs("lab", ("reader",), 3600.0))

    def begin(self, submission: Submission) -> None:
        run = str(submission.run)
        self.began[run] += 1
        self.titles[run] = submission.subject.title
        self.over_s[run] = (
            self.clock.monotonic_s() + (submission.needs or Needs("", (), 0)).planned_s
        )
        self.status[run] = self.endings.get(submission.subject.title, "done")

    def go_on(self, submission: Submission) -> None:
        run = str(submission.run)
        self.resumed[run] += 1
        self.over_s[run] = self.clock.monotonic_s() + 600.0
        self.status[run] = "done"

    def look(self, submission: Submission) -> Standing:
        run = str(submission.run)
        if run not in self.began:
            return Standing(alive=False)
        if self.clock.monotonic_s() < self.over_s[run]:
            return Standing(alive=True)
        if self.status[run] == "refused":
            return Standing(alive=False, code=2, said="preflight: buffer is short")
        entries = 10 * (self.began[run] + self.resumed[run])
        why = "nobody knows whether it moved" if self.status[run] == "held" else ""
        return Standing(alive=False, entries=entries, status=self.status[run], why=why,
                        outcome={"results": 2, "passed": 1, "failed": ["P2"]})  # fmt: skip

    def alive(self) -> list[str]:
        now_s = self.clock.monotonic_s()
        return [self.titles[run] for run, over_s in self.over_s.items() if now_s < over_s]


class NobodyWatches:
    def look(self, submission: Submission) -> list[Alarm]:
        return []


@dataclass
class Letters:
    """What people were told."""

    notices: list[Notice] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    reachable: bool = True

    async def send(self, notice: Notice) -> Sent:
        if self.reachable:
            self.notices.append(notice)
        return Sent(self.reachable)

    def keep(self, name: str, text: str) -> None:
        self.kept[name] = text

    def texts(self, kind: str) -> list[str]:
        return [notice.text for notice in self.notices if notice.kind == kind]


class House:
    """One runs folder, its world, and daemons that come and go; use inside a virtual loop."""

    def __init__(self, folder: Path, start: str, **manners: Any) -> None:
        self.folder = folder
        self.clock = SetClock(utc(start))
        self.runs = Runs(self.clock)
        self.letters = Letters()
        self.manners = Manners(**{"every_s": 600.0, **manners})
        self.daemon = self._new()
        self._task: asyncio.Task[None] | None = None

    def _new(self) -> Daemon:
        self.book = Book(self.folder)
        self.book.read("PRAGMA synchronous=OFF")
        return Daemon(
            self.book, self.clock, LoopClockwork(self.clock), self.runs, NobodyWatches(),
            self.letters, self.manners,
        )  # fmt: skip

    def up(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self.daemon.run())

    async def kill(self) -> None:
        """Nothing of the daemon is left but the book."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.book.close()
        self.daemon = self._new()

    async def until(self, text: str) -> None:
        await asyncio.sleep(max(0.0, (utc(text) - self.clock.now()).total_seconds()))

    async def end(self) -> None:
        await self.kill()
        self.book.close()
