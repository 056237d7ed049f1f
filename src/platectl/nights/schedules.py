"""The table of schedules, and what became of each of their starts."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from platectl.domain.errors import UserInputError
from platectl.domain.local_time import instant
from platectl.domain.names import check_name
from platectl.nights.book import Book, moment_of, stamp
from platectl.nights.calendar import TIMING, Timing, firings, next_after
from platectl.nights.queue import Queue
from platectl.nights.submission import Restart, Subject, start_id

Missed = Literal["ask", "skip", "late"]
StartState = Literal["submitted", "missed", "asked", "skipped"]

#: a start that is considered within this time after it was due is on time
GRACE: Final = timedelta(seconds=60)
#: how old the note of what was considered may become while nothing is due
_NOTED_EVERY: Final = timedelta(hours=1)
_LOOKED_AHEAD: Final = 3


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is submitted when, and what is done about a missed start.

    `late_s` belongs to `missed="late"`; `not_after` is a local time by which a run has to be over.
    """

    name: str
    timing: Timing
    subject: Subject
    missed: Missed = "ask"
    late_s: int = 0
    priority: int = 0
    not_after: time | None = None
    restart: Restart = "resume"
    state: Literal["active", "paused"] = "active"
    last_considered: datetime | None = None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """Read a row of the book."""
        return cls(
            row["name"], TIMING.validate_json(row["timing"]), Subject.of(row["subject"]),
            row["missed"], row["late_s"], row["priority"],
            None if row["not_after"] is None else time.fromisoformat(row["not_after"]),
            row["restart"], row["state"], moment_of(row["last_considered"]),
        )  # fmt: skip

    def next(self, now: datetime) -> datetime | None:
        """When it fires next; None when it is paused or never fires again."""
        if self.state == "paused":
            return None
        return next_after(self.timing, max(now, self.last_considered or now))

    def limit(self, due: datetime) -> datetime | None:
        """When a run that was due at `due` has to be over: at the next `not_after`."""
        if self.not_after is None:
            return None
        zone = ZoneInfo(self.timing.zone)
        day = due.astimezone(zone).date()
        moments = (
            instant(datetime.combine(day + timedelta(days=n), self.not_after), zone)
            for n in range(_LOOKED_AHEAD)
        )
        return next(moment for moment in moments if moment > due)


@dataclass(frozen=True, slots=True)
class Start:
    """One firing of a schedule; its `id` is `<schedule>@<UTC instant>`, and it is there once."""

    id: str
    schedule: str
    due: datetime
    state: StartState
    reason: str = ""
    by: str = ""

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """Read a row of the book."""
        due = moment_of(row["due"])
        return cls(row["id"], row["schedule"], due, row["state"], row["reason"], row["by"])


class Schedules:
    """The table of schedules. Each method is one durable change, or none."""

    def __init__(self, book: Book, queue: Queue) -> None:
        self._book = book
        self._queue = queue

    def add(self, schedule: Schedule, now: datetime) -> None:
        """Add a schedule, which counts from `now` on.

        Raises:
            UserInputError: The name is taken or unfit, or it would never fire.
        """
        if "@" in check_name(schedule.name, "a schedule") or len(schedule.name.split()) > 1:
            raise UserInputError(f"{schedule.name!r} is no name: one word without @")
        if next_after(schedule.timing, now) is None:
            raise UserInputError(f"{schedule.name} would never fire")
        limit = None if schedule.not_after is None else schedule.not_after.isoformat()
        row = (
            schedule.name, TIMING.dump_json(schedule.timing).decode(), schedule.subject.text(),
            schedule.missed, schedule.late_s, schedule.priority, limit, schedule.restart,
            "active", stamp(now),
        )  # fmt: skip
        with self._book.change() as db:
            if self._rows("WHERE name = ?", schedule.name):
                raise UserInputError(f"there is a schedule {schedule.name} already")
            db.execute("INSERT INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def get(self, name: str) -> Schedule:
        """One schedule.

        Raises:
            UserInputError: There is none of that name.
        """
        found = self._rows("WHERE name = ?", name)
        if not found:
            raise UserInputError(
                f"there is no schedule {name}; `platectl schedule list` shows them"
            )
        return found[0]

    def all(self) -> list[Schedule]:
        """All schedules, by name."""
        return self._rows("ORDER BY name")

    def pause(self, name: str) -> None:
        """Have it fire nothing; what falls due meanwhile is not missed, but left out."""
        self._set(name, "paused", None)

    def resume(self, name: str, now: datetime) -> None:
        """Have it fire what falls due after `now`, also when the clock went back."""
        self._set(name, "active", now)

    def remove(self, name: str, now: datetime) -> None:
        """Forget a schedule; its starts stay on record, and open ones are left out."""
        with self._book.change() as db:
            self.get(name)
            self._supersede(name, now, "the schedule was removed")
            db.execute("DELETE FROM schedules WHERE name = ?", (name,))

    def consider(self, name: str, now: datetime) -> list[Start]:
        """Look at everything that fell due since the last time; returns the new starts.

        What is due within the last minute is submitted. Of what is older only the latest start is
        missed and waits for a decision, unless a later one is on time; the rest is left out. All
        of it is one change, and each start is there once, whatever is restarted or set.
        """
        if not self._is_worth_it(name, now):
            return []
        with self._book.change() as db:
            rows = self._rows("WHERE name = ? AND state = 'active'", name)
            if not rows or rows[0].last_considered is None or now <= rows[0].last_considered:
                return []
            schedule, since = rows[0], rows[0].last_considered
            due = list(firings(schedule.timing, since, now))
            fresh = [moment for moment in due if self._is_new(name, moment)]
            if fresh:
                self._supersede(name, now, "a later start came")
            found = [self._enter(schedule, moment, fresh[-1], now) for moment in fresh]
            db.execute(
                "UPDATE schedules SET last_considered = ? WHERE name = ?", (stamp(now), name)
            )
        return found

    def starts(self, *states: StartState, schedule: str | None = None) -> list[Start]:
        """Starts in these states, in the order in which they were due."""
        marks = ", ".join("?" * len(states))
        whose = "" if schedule is None else " AND schedule = ?"
        rows = self._book.read(
            f"SELECT * FROM starts WHERE state IN ({marks}){whose} ORDER BY due, id",  # noqa: S608  # marks only
            *states,
            *(() if schedule is None else (schedule,)),
        )
        return [Start.of(row) for row in rows]

    def last_start(self, schedule: str) -> Start | None:
        """The latest start of a schedule."""
        rows = self._book.read(
            "SELECT * FROM starts WHERE schedule = ? ORDER BY due DESC LIMIT 1", schedule
        )
        return Start.of(rows[0]) if rows else None

    def ask(self, start: str, reason: str) -> None:
        """Leave a missed start to a person."""
        self._judge(start, "asked", reason, "", None)

    def decide(self, start: str, *, run: bool, by: str, reason: str, now: datetime) -> Start:
        """Submit a missed start late, or leave it out.

        Raises:
            UserInputError: It does not wait for a decision, or its schedule is gone.
        """
        with self._book.change():
            rows = self._book.read("SELECT * FROM starts WHERE id = ?", start)
            found = Start.of(rows[0]) if rows else None
            if found is None or found.state not in {"missed", "asked"}:
                what = "there is no such start" if found is None else f"it is {found.state}"
                raise UserInputError(f"{start}: {what}; `platectl schedule list` shows what waits")
            if run:
                schedule = self.get(found.schedule)
                self._submit(schedule, found.due, now, person=by != POLICY)
            self._judge(start, "submitted" if run else "skipped", reason, by, now)
        return found

    def _enter(self, schedule: Schedule, due: datetime, latest: datetime, now: datetime) -> Start:
        """Put one new start on record, and submit it if it is on time."""
        state: StartState = "skipped"
        reason = "" if due == latest else "a later start came"
        if now - due <= GRACE:
            state, reason = "submitted", ""
            self._submit(schedule, due, now)
        elif due == latest:
            state = "missed"
        start = Start(start_id(schedule.name, due), schedule.name, due, state, reason)
        with self._book.change() as db:
            db.execute(
                "INSERT INTO starts (id, schedule, due, state, reason) VALUES (?, ?, ?, ?, ?)",
                (start.id, start.schedule, stamp(due), state, reason),
            )
        return start

    def _submit(
        self, schedule: Schedule, due: datetime, now: datetime, *, person: bool = False
    ) -> None:
        """Submit; what a person decided has no hour by which it has to be over."""
        self._queue.submit(
            schedule.subject, now, priority=schedule.priority, start=start_id(schedule.name, due),
            not_after=None if person else schedule.limit(due), restart=schedule.restart,
        )  # fmt: skip

    def _is_worth_it(self, name: str, now: datetime) -> bool:
        """Whether something is due, or the note of what was considered is old; without a lock."""
        for schedule in self._rows("WHERE name = ? AND state = 'active'", name):
            since = schedule.last_considered or now
            coming = next_after(schedule.timing, since)
            return now - since >= _NOTED_EVERY or (coming is not None and coming <= now)
        return False

    def _is_new(self, name: str, due: datetime) -> bool:
        return not self._book.read("SELECT 1 FROM starts WHERE id = ?", start_id(name, due))

    def _supersede(self, name: str, now: datetime, reason: str) -> None:
        for start in self.starts("missed", "asked", schedule=name):
            self._judge(start.id, "skipped", reason, POLICY, now)

    def _judge(
        self, start: str, state: StartState, reason: str, by: str, now: datetime | None
    ) -> None:
        with self._book.change() as db:
            db.execute(
                "UPDATE starts SET state = ?, reason = ?, by = ?, decided = ? WHERE id = ?",
                (state, reason, by, None if now is None else stamp(now), start),
            )

    def _set(self, name: str, state: str, considered: datetime | None) -> None:
        with self._book.change() as db:
            self.get(name)
            db.execute(
                "UPDATE schedules SET state = ?, last_considered = coalesce(?, last_considered) "
                "WHERE name = ?",
                (state, None if considered is None else stamp(considered), name),
            )

    def _rows(self, where: str, *values: Any) -> list[Schedule]:
        rows = self._book.read(f"SELECT * FROM schedules {where}", *values)  # noqa: S608  # our own words
        return [Schedule.of(row) for row in rows]


#: who decides when no person does
POLICY: Final = "policy"
