"""The daemon's loop: schedules, queue, notices and the morning report, one turn after another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from platectl.domain.clock import Clock
from platectl.domain.errors import StoreError, UserInputError
from platectl.domain.units import format_duration
from platectl.nights.book import Book, moment_of, stamp
from platectl.nights.calendar import Cron, firings
from platectl.nights.clockwork import Clockwork
from platectl.nights.morning import morning_report
from platectl.nights.outbox import Outbox
from platectl.nights.ports import Children, Post, Watch
from platectl.nights.queue import Queue, ends_too_late
from platectl.nights.schedules import POLICY, Schedule, Schedules, Start
from platectl.nights.steward import Steward

log = structlog.get_logger()
_MORNING: Final = "morning"
#: a clock that is so much behind what was considered was set back
_BEHIND: Final = timedelta(minutes=10)
#: how much too early a clockwork may be
_EARLY: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a daemon behaves: seconds between turns, when the morning report is due."""

    every_s: float = 5.0
    morning: Cron | None = None


class Daemon:
    """One per runs folder. All that it knows is in the book; it can die at any moment.

    Lifetime: `run` until `stop`. Concurrency: the loop's thread; `wake` and what the clockwork
    calls may come from any.
    """

    def __init__(
        self, book: Book, clock: Clock, clockwork: Clockwork, children: Children, watch: Watch,
        post: Post, manners: Manners,
    ) -> None:  # fmt: skip
        self.queue = Queue(book)
        self.schedules = Schedules(book, self.queue)
        self.outbox = Outbox(book)
        self._book = book
        self._clock = clock
        self._clockwork = clockwork
        self._children = children
        self._post = post
        self._manners = manners
        self._steward = Steward(book, self.queue, self.outbox, children, watch, clock)
        self._wake = asyncio.Event()
        self._over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._set: dict[str, datetime] = {}
        self._looked: tuple[datetime, float] | None = None
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Turn until told to stop; runs go on without the daemon."""
        self._loop = asyncio.get_running_loop()
        try:
            while not self._over:
                self._wake.clear()
                try:
                    self.turn()
                except (StoreError, OSError) as error:
                    log.warning("turn.failed", error=str(error))  # it may be well again later
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._manners.every_s):
                        await self._wake.wait()
        finally:
            self._clockwork.close()
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def stop(self) -> None:
        """Submit and begin nothing more."""
        self._over = True
        self.wake()

    def wake(self) -> None:
        """Have it turn at once; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    def submit(self, schedule: str, at: datetime) -> None:
        """What the clockwork calls: submit what is due; a moment too early is no reason to wait."""
        if self._over:
            return
        self._set.pop(schedule, None)
        now = self._clock.now()
        try:
            self.schedules.consider(schedule, at if now < at <= now + _EARLY else now)
        except StoreError as error:
            log.warning("submission.failed", schedule=schedule, error=str(error))
        self._wake.set()

    def turn(self) -> None:
        """Look at everything once."""
        now = self._clock.now()
        for schedule in self.schedules.all():
            self.schedules.consider(schedule.name, now)
        self._steward.look_after()
        self._steward.start()
        self._report(now)
        self._wind(now)
        self._begin("examine", self._examine)
        self._begin("post", self._send)

    def _wind(self, now: datetime) -> None:
        """Set the clockwork to the next firing of each schedule, anew when the clock was set."""
        found = {}
        monotonic_s = self._clock.monotonic_s()
        if self._looked is not None:
            passed_s = (now - self._looked[0]).total_seconds()
            if abs(passed_s - monotonic_s + self._looked[1]) > _EARLY.total_seconds():
                for name in self._set:
                    self._clockwork.drop(name)
                self._set = {}
        self._looked = (now, monotonic_s)
        for schedule in self.schedules.all():
            self._mind_the_clock(schedule, now)
            at = schedule.next(now)
            if at is not None:
                found[schedule.name] = at
        for name in self._set.keys() - found.keys():
            self._clockwork.drop(name)
        for name, at in found.items():
            if self._set.get(name) != at:
                self._clockwork.set(name, at, partial(self._fire, name, at))
        self._set = found

    def _fire(self, schedule: str, at: datetime) -> None:
        if self._loop is not None and not self._over:
            self._loop.call_soon_threadsafe(self.submit, schedule, at)

    def _mind_the_clock(self, schedule: Schedule, now: datetime) -> None:
        considered = schedule.last_considered or now
        if schedule.state == "active" and now < considered - _BEHIND:
            text = (
                f"the clock was set back: {schedule.name} fires nothing before "
                f"{stamp(considered)}; `platectl schedule resume {schedule.name}` has it count from now"
            )
            mark = f"clock:{schedule.name}:{stamp(considered)}"
            self.outbox.put(mark, "person_needed", schedule.name, text, now)

    def _begin(self, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        """Do something slow beside the turns, one of a kind at a time."""
        if name not in self._busy or self._busy[name].done():
            self._busy[name] = asyncio.get_running_loop().create_task(self._do(work))

    async def _do(self, work: Callable[[], Awaitable[bool]]) -> None:
        try:
            if await work():
                self._wake.set()
        except StoreError as error:
            log.warning("work.failed", error=str(error))

    async def _examine(self) -> bool:
        """Judge a missed start, or find out what a submission needs."""
        for start in self.schedules.starts("missed"):
            with suppress(UserInputError):  # somebody decided, or removed the schedule, meanwhile
                await self._judge(start)
            return True
        return await self._steward.examine()

    async def _judge(self, start: Start) -> None:
        """Apply a schedule's policy to a missed start."""
        schedule = self.schedules.get(start.schedule)
        reasons = [] if schedule.missed == "skip" else await self.fits(schedule, start)
        now = self._clock.now()
        late = now - start.due
        in_time = schedule.missed == "late" and late <= timedelta(seconds=schedule.late_s)
        with self._book.change():
            if schedule.missed == "skip" or (in_time and not reasons):
                run = schedule.missed == "late"
                why = f"{'late by' if run else 'missed by'} {format_duration(late.total_seconds())}"
                self.schedules.decide(start.id, run=run, by=POLICY, reason=why, now=now)
            else:
                why = "; ".join(reasons) or "it would still fit"
                self.schedules.ask(start.id, why)
            self._tell_of(start, why, now)

    def _tell_of(self, start: Start, why: str, now: datetime) -> None:
        asked = self.schedules.starts("asked", schedule=start.schedule)
        text = f"{start.id} was missed: {why}"
        if any(s.id == start.id for s in asked):
            text += f"; `platectl schedule decide {start.schedule} run` or `skip`"
        self.outbox.put(f"missed:{start.id}", "missed", start.schedule, text, now)

    async def fits(self, schedule: Schedule, start: Start) -> list[str]:
        """Why a start that is made now does not fit; nothing when it does."""
        try:
            needs = await self._children.examine(schedule.subject, start.due)
        except UserInputError as error:
            return [f"refused: {error}"]
        limit = schedule.limit(start.due)
        return [] if limit is None else ends_too_late(needs, self._clock.now(), limit)

    async def _send(self) -> bool:
        """Tell people what is to be told, in order."""
        for notice in self.outbox.waiting(self._clock.now()):
            sent = await self._post.send(notice)
            self.outbox.tried(notice, sent, self._clock.now())
        return False

    def _report(self, now: datetime) -> None:
        """Send the morning report when it is due, once, also late; whatever the night was like."""
        morning, noted = self._manners.morning, self._book.note(_MORNING)
        if morning is None:
            return
        since = now if noted is None else moment_of(noted)
        due = list(firings(morning, since, now))
        text = ""
        if due:
            text = self.morning_text(now, since=min(since, due[-1] - _DAY))
            self._post.keep(f"{due[-1]:%Y-%m-%d}", text)
        with self._book.change():
            if due:
                self.outbox.put(f"morning@{stamp(due[-1])}", "morning", "night", text, now)
            if due or noted is None or now < since - _BEHIND:
                self._book.put_note(_MORNING, stamp(now))

    def morning_text(self, now: datetime, *, since: datetime) -> str:
        """The morning report as it would be now."""
        zone = self._manners.morning.zone if self._manners.morning else "UTC"
        return morning_report(self.queue, self.schedules, self.outbox, now, since=since, zone=zone)

    def status(self) -> dict[str, Any]:
        """What it would say when asked."""
        untold = self.outbox.undelivered(self._clock.now() - _DAY)
        return {
            "untold": [f"{notice.kind}: {notice.text}" for notice in untold],
            "schedules": len(self.schedules.all()),
            "waiting_decisions": len(self.schedules.starts("missed", "asked")),
            **{
                state: len(self.queue.all(state))
                for state in ("queued", "claimed", "running", "held")
            },
        }
