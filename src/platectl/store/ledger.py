"""The ledger of a run: append-only, hash-chained events in SQLite, synced before the wire."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from platectl.domain.errors import FencedError, StoreError
from platectl.domain.events import Event, EventKind

_SCHEMA = """
CREATE TABLE IF NOT EXISTS frozen (name TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS owners (
    epoch INTEGER PRIMARY KEY, owner TEXT NOT NULL, wall TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    step TEXT NOT NULL,
    wall TEXT NOT NULL,
    monotonic_s REAL NOT NULL,
    data TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
"""
_APPEND = """
INSERT INTO events SELECT ?, ?, ?, ?, ?, ?, ?
WHERE coalesce(? = (SELECT max(epoch) FROM owners), TRUE)
"""
GENESIS = "0" * 64

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def chain_hash(previous: str, event: Event, data: str) -> str:
    """SHA-256 of an entry and its predecessor, hexadecimal."""
    text = "\n".join([previous, event.kind, event.step, event.wall, repr(event.monotonic_s), data])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Seal:
    """Number of entries and hash of the last one, kept elsewhere: a chain cannot miss its own end."""

    entries: int
    head: str


class Ledger:
    """Appends events and reads them back; satisfies the engine's `EventSink`.

    Lifetime: opened for one run by one process; `close` may be repeated. A writer claims it first;
    from then on an earlier owner's entries are refused (fenced).
    Concurrency: one thread. `append` makes an entry durable at once unless `sync` is False; an
    entry without sync survives the death of the process, and a power cut only together with the
    next synced one, or after `settle`. When nothing that it tells of outlives a power cut either
    (`for_power_cuts` is False), no entry waits for the disk.
    """

    def __init__(self, path: Path | str, *, for_power_cuts: bool = True) -> None:
        self._path = path
        self._for_power_cuts = for_power_cuts
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'FULL' if for_power_cuts else 'OFF'}")
            self._db.executescript(_SCHEMA)
            row = self._db.execute(
                "SELECT number, hash FROM events ORDER BY number DESC LIMIT 1"
            ).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"ledger {path} cannot be opened: {error}") from error
        self._number: int = row[0] if row else 0
        self._hash: str = row[1] if row else GENESIS
        self._epoch: int | None = None
        self._synced = for_power_cuts

    @classmethod
    @contextmanager
    def reading(cls, path: Path) -> Iterator[Self]:
        """Open a ledger to read it.

        Raises:
            StoreError: There is none, or it is none.
        """
        if not path.exists():
            raise StoreError(f"there is no ledger at {path}")
        ledger = cls(path)
        try:
            yield ledger
        finally:
            ledger.close()

    def claim(self, owner: str, wall: str) -> int:
        """Become the owner and return the epoch, one more than that of the owner before.

        Raises:
            StoreError: The disk refused, or another process is writing.
        """
        with self._mapped():
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute("SELECT coalesce(max(epoch), 0) FROM owners").fetchone()
            self._epoch = int(row[0]) + 1
            self._db.execute("INSERT INTO owners VALUES (?, ?, ?)", (self._epoch, owner, wall))
            self._db.execute("COMMIT")
            self._catch_up()
        return self._epoch

    def _catch_up(self) -> None:
        row = self._db.execute(
            "SELECT number, hash FROM events ORDER BY number DESC LIMIT 1"
        ).fetchone()
        self._number, self._hash = row or (0, GENESIS)

    def freeze(self, name: str, content: str) -> None:
        """Store a frozen document once; a second, different one is refused.

        Raises:
            StoreError: Something else is stored under the name, or the disk failed.
        """
        with self._mapped():
            row = self._db.execute("SELECT content FROM frozen WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] != content:
                raise StoreError(f"{name} of this run is frozen and differs")
            self._db.execute("INSERT OR IGNORE INTO frozen VALUES (?, ?)", (name, content))

    def frozen(self, name: str) -> str:
        """Return a frozen document.

        Raises:
            StoreError: Nothing under that name.
        """
        with self._mapped():
            row = self._db.execute("SELECT content FROM frozen WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise StoreError(f"{self._path} holds no {name}")
        return str(row[0])

    def has_frozen(self, name: str) -> bool:
        """Whether a document is frozen under a name."""
        with self._mapped():
            row = self._db.execute("SELECT 1 FROM frozen WHERE name = ?", (name,)).fetchone()
        return row is not None

    def frozen_names(self) -> tuple[str, ...]:
        """Names of all frozen documents, sorted."""
        with self._mapped():
            rows = self._db.execute("SELECT name FROM frozen ORDER BY name").fetchall()
        return tuple(name for (name,) in rows)

    def copy_to(self, path: Path) -> None:
        """Write a whole copy into one new file, also while another process appends.

        Raises:
            StoreError: It cannot be read, or the copy not be written.
        """
        with self._mapped(), contextlib.closing(sqlite3.connect(path)) as copy:
            self._db.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")

    def append(self, event: Event, *, sync: bool = True) -> int:
        """Add an entry and return its number.

        Raises:
            StoreError: The disk refused; nothing that depends on this entry may be sent.
            FencedError: Another process has claimed the ledger since.
        """
        data = _encode(dict(event.data))
        digest = chain_hash(self._hash, event, data)
        with self._mapped():
            self._set_sync(sync=sync)
            row = (
                self._number + 1, event.kind, event.step, event.wall, event.monotonic_s, data,
                digest, self._epoch,
            )  # fmt: skip
            if not self._db.execute(_APPEND, row).rowcount:
                self._refuse()
        self._number, self._hash = self._number + 1, digest
        return self._number

    def settle(self) -> None:
        """Make durable what was appended without sync.

        Raises:
            StoreError: The disk refused; what depends on those entries may not be sent.
        """
        with self._mapped():
            self._set_sync(sync=True)
            if self._synced:
                self._db.execute("PRAGMA user_version = 0")  # a commit, and with it a sync

    def events(self, *, plate: str | None = None) -> Iterator[Event]:
        """All entries in order, or those of the steps of one plate and of no step."""
        if plate is None:
            return self._chosen("")
        return self._chosen(
            "WHERE step = '' OR step >= ? AND step < ?", f"{plate}.", f"{plate}/"
        )  # a slash follows a point

    def of_kind(self, kind: EventKind) -> Iterator[Event]:
        """All entries of a kind, in order."""
        return self._chosen("WHERE kind = ?", kind)

    def _chosen(self, where: str, *values: str) -> Iterator[Event]:
        with self._mapped():
            rows = self._db.execute(
                f"SELECT kind, step, wall, monotonic_s, data FROM events {where} ORDER BY number",  # noqa: S608  # one of three constants
                values,
            ).fetchall()
        for kind, step, wall, monotonic_s, data in rows:
            yield Event(_kind(kind), step, wall, monotonic_s, json.loads(data))

    def chain(self, kinds: Collection[str] = ()) -> list[tuple[int, str, str]]:
        """Number, step and hash of every entry, or of those of some kinds."""
        chosen = f"WHERE kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        with self._mapped():
            return self._db.execute(
                f"SELECT number, step, hash FROM events {chosen} ORDER BY number",  # noqa: S608  # marks alone
                tuple(kinds),
            ).fetchall()

    def last(self) -> Event | None:
        """The last entry; None when there is none."""
        with self._mapped():
            row = self._db.execute(
                "SELECT kind, step, wall, monotonic_s, data FROM events "
                "ORDER BY number DESC LIMIT 1"
            ).fetchone()
        return row and Event(_kind(row[0]), row[1], row[2], row[3], json.loads(row[4]))

    def seal(self) -> Seal:
        """What to keep elsewhere, so that `verify` sees missing entries at the end."""
        return Seal(self._number, self._hash)

    def verify(self, seal: Seal | None = None) -> int | None:
        """Return the number of the first entry that breaks the chain, or None.

        With a seal also an entry that is missing at the end, and a chain that was made anew; that
        one is said of the sealed entry, because its own links are whole.
        """
        previous, expected = GENESIS, 1
        with self._mapped():
            rows = self._db.execute("SELECT * FROM events ORDER BY number").fetchall()
        for number, kind, step, wall, monotonic_s, data, digest in rows:
            event = Event(_kind(kind), step, wall, monotonic_s, {})
            if number != expected or chain_hash(previous, event, data) != digest:
                return int(expected)
            previous, expected = digest, expected + 1
            if seal is not None and number == seal.entries and digest != seal.head:
                return int(number)
        return int(expected) if seal is not None and expected <= seal.entries else None

    def close(self) -> None:
        """Close; what was appended without sync is in the hands of the operating system."""
        self._db.close()

    def _set_sync(self, *, sync: bool) -> None:
        if self._for_power_cuts and sync is not self._synced:
            self._db.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
            self._synced = sync

    def _refuse(self) -> None:
        (owner,) = self._db.execute(
            "SELECT owner FROM owners ORDER BY epoch DESC LIMIT 1"
        ).fetchone()
        raise FencedError(f"ledger {self._path} belongs to {owner} now; nothing was written")

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._roll_back()
            raise StoreError(f"ledger {self._path}: {error}") from error

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")


def _kind(text: str) -> EventKind:
    return text  # type: ignore[return-value]  # written by `append` only; unknown kinds are kept as they are


def last_of(events: Iterator[Event], kind: str) -> Mapping[str, Any]:
    """Data of the last event of a kind, empty when there is none."""
    found: Mapping[str, Any] = {}
    for event in events:
        if event.kind == kind:
            found = event.data
    return found
