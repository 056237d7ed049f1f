"""The index of all runs under a folder, and the seals of their ledgers.

All but the seals can be rebuilt from the run folders.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platectl.domain.errors import StoreError
from platectl.store.ledger import Seal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run TEXT PRIMARY KEY, folder TEXT NOT NULL, protocol TEXT NOT NULL, lab TEXT NOT NULL,
    started TEXT NOT NULL, status TEXT NOT NULL, results TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS seals (
    run TEXT PRIMARY KEY, entries INTEGER NOT NULL, head TEXT NOT NULL
) STRICT;
"""


class RunIndex:
    """Runs and their results, in `index.db` beside the run folders."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"folder {root} cannot be made: {error.strerror}") from error

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(self._root / "index.db", isolation_level=None)
            try:
                db.execute("PRAGMA busy_timeout=5000")
                db.executescript(_SCHEMA)
                yield db
            finally:
                db.close()
        except sqlite3.Error as error:
            raise StoreError(f"index of {self._root}: {error}") from error

    def put(
        self, run: str, *, folder: Path, protocol: str, lab: str, started: str, status: str,
        results: list[Mapping[str, Any]],
    ) -> None:  # fmt: skip
        """Add or replace a run."""
        row = (run, str(folder), protocol, lab, started, status, json.dumps(results))
        with self._db() as db:
            db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def put_results(self, run: str, results: Sequence[Mapping[str, Any]]) -> None:
        """Replace the results of a run that is in the index."""
        with self._db() as db:
            db.execute(
                "UPDATE runs SET results = ? WHERE run = ?", (json.dumps(list(results)), run)
            )

    def put_seal(self, run: str, seal: Seal) -> None:
        """Keep the seal of a run's ledger; only a longer one, of a run that went on, replaces it."""
        row = (run, seal.entries, seal.head)
        with self._db() as db:
            db.execute(
                "INSERT INTO seals VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE SET "
                "entries = excluded.entries, head = excluded.head "
                "WHERE excluded.entries > seals.entries",
                row,
            )

    def seal(self, run: str) -> Seal | None:
        """The seal of a run's ledger; None when it never came to its end."""
        with self._db() as db:
            row = db.execute("SELECT entries, head FROM seals WHERE run = ?", (run,)).fetchone()
        return Seal(*row) if row else None

    def runs(self) -> list[dict[str, Any]]:
        """All runs, newest first."""
        with self._db() as db:
            rows = db.execute("SELECT * FROM runs ORDER BY started DESC, run DESC").fetchall()
        names = ("run", "folder", "protocol", "lab", "started", "status", "results")
        return [
            {**dict(zip(names, row, strict=True)), "results": json.loads(row[-1])} for row in rows
        ]

    def folder_of(self, run: str) -> Path:
        """Folder of a run, also of one that was cut off before it came into the index.

        Raises:
            StoreError: None or several runs match.
        """
        folders = sorted(
            (p.parent for p in self._root.glob("*/ledger.db")), key=lambda p: p.stat().st_mtime
        )
        matches = [f for f in folders if f.name == run] or (
            folders[-1:] if run == "latest" else [f for f in folders if f.name.startswith(run)]
        )
        if len(matches) != 1:
            what = "no run" if not matches else f"{len(matches)} runs"
            raise StoreError(f"{what} named {run!r} in {self._root}; `platectl runs` lists them")
        return matches[0]

    def find(self, run: str) -> dict[str, Any]:
        """One run by name, or by a beginning that only one run has; `latest` is the newest.

        Raises:
            StoreError: None or several runs match.
        """
        every = self.runs()
        matches = every[:1] if run == "latest" else [r for r in every if r["run"] == run] or [
            r for r in every if r["run"].startswith(run)]  # fmt: skip
        if len(matches) != 1:
            what = "no run" if not matches else f"{len(matches)} runs"
            raise StoreError(f"{what} named {run!r} in {self._root}; `platectl runs` lists them")
        return matches[0]
