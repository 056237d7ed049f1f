"""The daemon's book: schedules, submissions, leases and notices in `nights.db` of the runs folder."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from platectl.domain.errors import StoreError

FILE: Final = "nights.db"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS schedules (
    name TEXT PRIMARY KEY, timing TEXT NOT NULL, subject TEXT NOT NULL, missed TEXT NOT NULL,
    late_s INTEGER NOT NULL, priority INTEGER NOT NULL, not_after TEXT, restart TEXT NOT NULL,
    state TEXT NOT NULL, last_considered TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS starts (
    id TEXT PRIMARY KEY, schedule TEXT NOT NULL, due TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '', by TEXT NOT NULL DEFAULT '', decided TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS starts_open ON starts (schedule) WHERE state IN ('missed', 'asked');
CREATE TABLE IF NOT EXISTS submissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, start TEXT UNIQUE, subject TEXT NOT NULL,
    priority INTEGER NOT NULL, submitted TEXT NOT NULL, files TEXT NOT NULL, not_after TEXT,
    restart TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', reason TEXT NOT NULL DEFAULT '',
    needs TEXT, run TEXT UNIQUE, tries INTEGER NOT NULL DEFAULT 0,
    entries INTEGER NOT NULL DEFAULT 0, began TEXT, ended TEXT, outcome TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS submissions_state ON submissions (state);
CREATE TABLE IF NOT EXISTS leases (
    lab TEXT NOT NULL, instrument TEXT NOT NULL, submission INTEGER NOT NULL,
    PRIMARY KEY (lab, instrument)
) STRICT;
CREATE TABLE IF NOT EXISTS notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT, mark TEXT UNIQUE NOT NULL, kind TEXT NOT NULL,
    run TEXT NOT NULL, text TEXT NOT NULL, made TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, sent TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS told (
    notice INTEGER NOT NULL, channel TEXT NOT NULL, PRIMARY KEY (notice, channel)
) STRICT;
CREATE INDEX IF NOT EXISTS notices_open ON notices (id) WHERE sent IS NULL;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT;
"""


class Book:
    """One SQLite file, WAL and full sync: what was committed survives a power cut.

    Lifetime: a context, or `close`. Concurrency: any number of threads and processes; a change
    holds the file's one write lock.
    """

    def __init__(self, folder: Path) -> None:
        """Open the book of a runs folder, and make it if there is none.

        Raises:
            StoreError: The disk refuses.
        """
        self._path = folder / FILE
        self._turn = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA busy_timeout=10000")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self._path} cannot be opened: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close; harmless when repeated."""
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside is durable together, or not at all; a change inside joins it.

        Raises:
            StoreError: The disk refuses; nothing was changed.
        """
        with self._turn:
            if self._db.in_transaction:
                yield self._db
                return
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self.commit()
            except sqlite3.Error as error:
                raise StoreError(f"{self._path}: {error}") from error
            finally:
                if self._db.in_transaction:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")

    def commit(self) -> None:
        """Make the change durable."""
        self._db.execute("COMMIT")

    def read(self, question: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of a SELECT.

        Raises:
            StoreError: The disk refuses.
        """
        with self._turn:
            try:
                return self._db.execute(question, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"{self._path}: {error}") from error

    def note(self, name: str) -> str | None:
        """Something small that was noted."""
        rows = self.read("SELECT content FROM notes WHERE name = ?", name)
        return rows[0]["content"] if rows else None

    def put_note(self, name: str, content: str) -> None:
        """Note something small."""
        with self.change() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, content))


def stamp(moment: datetime) -> str:
    """An instant as it stands in the book: UTC, whole seconds; sorts as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str) -> datetime:
    """The instant of a stamp."""
    return datetime.fromisoformat(text)
