"""Notices that are to be sent: durable before the first try, so that none is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from platectl.domain.notices import NoticeKind
from platectl.nights.book import Book, moment_of, stamp

#: how long the second try comes after the first; each further one waits twice as long as the one before
FIRST_WAIT: Final = timedelta(seconds=10)
#: tries after which a notice is given up: the last one is most of a day after the first
MOST_TRIES: Final = 14


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are told; `told` are the channels that took it."""

    id: int
    kind: NoticeKind
    run: str
    text: str
    tries: int = 0
    told: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one try: the channels that took it, and whether nobody is left to tell."""

    whole: bool
    reached: Collection[str] = ()


class Outbox:
    """Notices, each under a mark of its own: what is said twice under one mark is one notice.

    Each channel is told once, but for a notice that was being sent when the daemon died. What a
    channel did not take is tried again, ever more rarely, for most of a day.
    """

    def __init__(self, book: Book) -> None:
        self._book = book

    def put(self, mark: str, kind: NoticeKind, run: str, text: str, now: datetime) -> None:
        """Have people told."""
        with self._book.change() as db:
            db.execute(
                "INSERT OR IGNORE INTO notices (mark, kind, run, text, made) "
                "VALUES (?, ?, ?, ?, ?)",
                (mark, kind, run, text, stamp(now)),
            )

    def waiting(self, now: datetime) -> list[Notice]:
        """What is to be sent now, oldest first."""
        rows = self._book.read(
            "SELECT id, kind, run, text, tries, made FROM notices WHERE sent IS NULL ORDER BY id"
        )
        return [
            self._notice(row)
            for row in rows
            if moment_of(row["made"]) + FIRST_WAIT * (2 ** row["tries"] - 1) <= now
        ]

    def tried(self, notice: Notice, sent: Sent, now: datetime) -> None:
        """Note who was reached; the last time the rest is given up."""
        last = notice.tries + 1 >= MOST_TRIES
        over = stamp(now) if sent.whole else f"given up {stamp(now)}" if last else None
        with self._book.change() as db:
            for channel in sent.reached:
                db.execute("INSERT OR IGNORE INTO told VALUES (?, ?)", (notice.id, channel))
            db.execute(
                "UPDATE notices SET tries = tries + 1, sent = ? WHERE id = ?", (over, notice.id)
            )

    def undelivered(self, since: datetime) -> list[Notice]:
        """What somebody has not got although it was tried, of all that was made later than `since`."""
        rows = self._book.read(
            "SELECT id, kind, run, text, tries FROM notices WHERE tries > 0 AND made > ? "
            "AND (sent IS NULL OR sent LIKE 'given up %') ORDER BY id",
            stamp(since),
        )
        return [self._notice(row) for row in rows]

    def _notice(self, row: sqlite3.Row) -> Notice:
        told = self._book.read("SELECT channel FROM told WHERE notice = ?", row["id"])
        return Notice(
            row["id"], row["kind"], row["run"], row["text"], row["tries"],
            frozenset(channel["channel"] for channel in told),
        )  # fmt: skip
