"""Submissions and their states: queued, claimed, running, held, done, failed, cancelled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from platectl.domain.errors import UserInputError
from platectl.domain.units import format_duration
from platectl.nights.book import Book, stamp
from platectl.nights.leases import Leases, startable
from platectl.nights.submission import Needs, Restart, State, Subject, Submission, hashes

_OPEN: Final = ("queued", "claimed", "running", "held")


class Queue:
    """The table of submissions. Each method is one durable change, or none."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.leases = Leases(book)

    def submit(
        self, subject: Subject, now: datetime, *, priority: int = 0, start: str | None = None,
        not_after: datetime | None = None, restart: Restart = "resume",
    ) -> int:  # fmt: skip
        """Add a submission and return its number; its files are as they are now."""
        row = (
            start, subject.text(), priority, stamp(now), json.dumps(hashes(subject.files)),
            None if not_after is None else stamp(not_after), restart,
        )  # fmt: skip
        with self._book.change() as db:
            number = db.execute(
                "INSERT INTO submissions (start, subject, priority, submitted, files, not_after, "
                "restart) VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            ).lastrowid
        assert number is not None  # noqa: S101  # an insert has one
        return number

    def get(self, number: int) -> Submission:
        """One submission.

        Raises:
            UserInputError: There is none of that number.
        """
        rows = self._book.read("SELECT * FROM submissions WHERE id = ?", number)
        if not rows:
            raise UserInputError(f"there is no submission {number}; `platectl queue` lists them")
        return Submission.of(rows[0])

    def all(self, *states: State, last: int | None = None) -> list[Submission]:
        """Submissions in these states (none: all), first those that start first; or the last ones."""
        marks = ", ".join("?" * len(states))
        where = f"WHERE state IN ({marks})" if states else ""
        order = "id DESC" if last is not None else "priority DESC, id"
        rows = self._book.read(
            f"SELECT * FROM submissions {where} ORDER BY {order} LIMIT ?",  # noqa: S608  # marks only
            *states,
            -1 if last is None else last,
        )
        return [Submission.of(row) for row in rows]

    def ended_since(self, moment: datetime) -> list[Submission]:
        """What ended later than `moment`, in the order of the ends."""
        rows = self._book.read(
            "SELECT * FROM submissions WHERE ended > ? ORDER BY ended, id", stamp(moment)
        )
        return [Submission.of(row) for row in rows]

    def startable(self) -> list[Submission]:
        """Queued submissions whose instruments are free and that overtake nobody."""
        return startable(self.all("queued"), self.leases.all())

    def examined(self, number: int, needs: Needs) -> None:
        """Say what a queued submission needs, and which files were read for it."""
        with self._book.change() as db:
            files = {**needs.files, **self.get(number).files}
            db.execute(
                "UPDATE submissions SET needs = ?, files = ? WHERE id = ? AND state = 'queued'",
                (needs.text(), json.dumps(files), number),
            )

    def claim(self, number: int, now: datetime) -> Submission | None:
        """Lend a queued submission its instruments and give its run a name, before anything is begun.

        None when it is queued no more, or an instrument is lent.
        """
        with self._book.change() as db:
            found = self.get(number)
            if found.state != "queued" or found.needs is None:
                return None
            if not self.leases.take(number, found.needs):
                return None
            run = f"{found.subject.title}-{now.astimezone(UTC):%Y%m%d-%H%M%S}-q{number}"
            db.execute(
                "UPDATE submissions SET state = 'claimed', run = ?, tries = 1, entries = 0, "
                "reason = '' WHERE id = ?",
                (run, number),
            )
        return self.get(number)

    def claim_again(self, number: int, entries: int, *, tries: int) -> Submission:
        """Have a run that was begun, or that never came to it, go on in a new process."""
        with self._book.change() as db:
            db.execute(
                "UPDATE submissions SET state = 'claimed', reason = '', entries = ?, tries = ? "
                "WHERE id = ?",
                (entries, tries, number),
            )
        return self.get(number)

    def started(self, number: int, now: datetime) -> None:
        """Its process was begun."""
        with self._book.change() as db:
            db.execute(
                "UPDATE submissions SET state = 'running', reason = '', "
                "began = coalesce(began, ?) WHERE id = ?",
                (stamp(now), number),
            )

    def held(self, number: int, reason: str) -> bool:
        """It waits for a person; a run that was begun keeps its instruments.

        False when it is over by now, because somebody cancelled it.
        """
        with self._book.change() as db:
            changed = db.execute(
                "UPDATE submissions SET state = 'held', reason = ? "
                "WHERE id = ? AND state IN ('queued', 'claimed', 'running', 'held')",
                (reason, number),
            ).rowcount
        return changed > 0

    def begun_anew(self, number: int) -> None:
        """Nothing came of its run: it gives back its instruments and is begun as if it never was."""
        with self._book.change() as db:
            db.execute(
                "UPDATE submissions SET run = NULL, began = NULL, tries = 0 WHERE id = ?", (number,)
            )
            self.leases.give_back(number)

    def ended(
        self, number: int, state: State, now: datetime, *, reason: str = "",
        outcome: Mapping[str, Any] | None = None, keep: bool = False,
    ) -> None:  # fmt: skip
        """It is over; with `keep` its instruments stay lent until a person clears them."""
        with self._book.change() as db:
            db.execute(
                "UPDATE submissions SET state = ?, reason = ?, ended = ?, outcome = ? WHERE id = ?",
                (state, reason, stamp(now), json.dumps(dict(outcome or {})), number),
            )
            if not keep:
                self.leases.give_back(number)

    def release(self, number: int, by: str) -> Submission:
        """A person lets a held submission go on: with its files as they are now, whatever the hour.

        Raises:
            UserInputError: It is not held.
        """
        with self._book.change() as db:
            found = self.get(number)
            if found.state != "held":
                raise UserInputError(f"submission {number} is {found.state}, not held")
            if found.run is not None:
                # how long its ledger is, is what the daemon sees when it takes it up
                db.execute(
                    "UPDATE submissions SET state = 'claimed', entries = -1, tries = 1, reason = ? "
                    "WHERE id = ?",
                    (f"released by {by}", number),
                )
            else:
                db.execute(
                    "UPDATE submissions SET state = 'queued', files = ?, needs = NULL, "
                    "not_after = NULL, reason = ? WHERE id = ?",
                    (json.dumps(hashes(found.subject.files)), f"released by {by}", number),
                )
        return self.get(number)

    def cancel(self, number: int, now: datetime, by: str, reason: str) -> None:
        """A person gives up a submission that is queued or held.

        The instruments of a run that has begun stay lent until somebody has cleared them.

        Raises:
            UserInputError: It runs, or is over.
        """
        with self._book.change():
            found = self.get(number)
            if found.state not in {"queued", "held"}:
                hint = f"; `platectl stop {found.run}` ends it" if found.state in _OPEN else ""
                raise UserInputError(f"submission {number} is {found.state}{hint}")
            text = f"cancelled by {by}" + (f": {reason}" if reason else "")
            self.ended(number, "cancelled", now, reason=text, keep=found.began is not None)

    def clear(self, number: int, by: str) -> tuple[str, ...]:
        """A person says that the instruments of a failed run stand clear; returns them.

        Raises:
            UserInputError: It has none, or is not over.
        """
        with self._book.change() as db:
            found, lent = self.get(number), self.leases.of(number)
            if found.state in _OPEN or not lent:
                raise UserInputError(
                    f"submission {number} is {found.state} and keeps no instrument"
                )
            self.leases.give_back(number)
            note = f"{found.reason}; cleared by {by}".removeprefix("; ")
            db.execute("UPDATE submissions SET reason = ? WHERE id = ?", (note, number))
        return lent

    def rank(self, number: int, priority: int) -> None:
        """Change the priority of a queued submission.

        Raises:
            UserInputError: It is not queued.
        """
        with self._book.change() as db:
            if (state := self.get(number).state) != "queued":
                raise UserInputError(f"submission {number} is {state}, not queued")
            db.execute("UPDATE submissions SET priority = ? WHERE id = ?", (priority, number))


def too_late(submission: Submission, now: datetime) -> list[str]:
    """Why a submission does not fit any more if it starts now."""
    needs, limit = submission.needs, submission.not_after
    return [] if needs is None or limit is None else ends_too_late(needs, now, limit)


def ends_too_late(needs: Needs, now: datetime, limit: datetime) -> list[str]:
    """Why a run that is begun at `now`, and waits for its start, is not over at `limit`."""
    over_s = (needs.ends(now) - limit).total_seconds()
    if over_s <= 0:
        return []
    takes, over = format_duration(needs.planned_s), format_duration(over_s)
    late = needs.starts is not None and needs.starts > now
    waits = f"begins at {needs.starts:%Y-%m-%d %H:%M} UTC, " if late else ""
    return [f"it {waits}takes {takes} and would end {over} after {limit:%Y-%m-%d %H:%M} UTC"]


def changed(submission: Submission) -> list[str]:
    """Files that are not what they were when it was submitted, in words."""
    now = hashes(submission.files)
    return [
        f"{file} {'changed' if now[file] else 'is gone'} since it was submitted"
        for file, digest in submission.files.items()
        if now[file] != digest
    ]
