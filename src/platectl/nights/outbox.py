"""Notices that are to be sent: durable before the first try, so that none is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from platectl.domain.notices import NoticeKind
from platectl.nights.book import Book, stamp

#: tries after which a notice that no channel took is given up
MOST_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are told."""

    id: int
    kind: NoticeKind
    run: str
    text: str
    tries: int


class Outbox:
    """Notices, each under a mark of its own: what is said twice under one mark is one notice.

    A notice that was being sent when the daemon died is sent again.
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

    def waiting(self) -> list[Notice]:
        """What is still to be sent, oldest first."""
        rows = self._book.read(
            "SELECT id, kind, run, text, tries FROM notices WHERE sent IS NULL ORDER BY id"
        )
        return [Notice(*row) for row in rows]

    def sent(self, notice: Notice, now: datetime) -> None:
        """It reached somebody, or nobody wants to know."""
        with self._book.change() as db:
            db.execute("UPDATE notices SET sent = ? WHERE id = ?", (stamp(now), notice.id))

    def failed(self, notice: Notice, now: datetime) -> None:
        """No channel took it; the last time it is given up."""
        with self._book.change() as db:
            db.execute(
                "UPDATE notices SET tries = tries + 1, "
                "sent = CASE WHEN tries + 1 >= ? THEN ? END WHERE id = ?",
                (MOST_TRIES, "given up " + stamp(now), notice.id),
            )
