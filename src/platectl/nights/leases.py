"""Which run has which instrument of which lab."""

from __future__ import annotations

from typing import Final

from platectl.nights.book import Book
from platectl.nights.submission import Needs, Submission

#: the lab of addresses
_HOST: Final = ""


class Leases:
    """Instruments lent to submissions.

    A lease has no time limit: it ends with the run, or by the word of a person who looked.
    """

    def __init__(self, book: Book) -> None:
        self._book = book

    def all(self) -> dict[tuple[str, str], int]:
        """(lab, instrument) -> submission."""
        rows = self._book.read("SELECT lab, instrument, submission FROM leases")
        return {(row["lab"], row["instrument"]): row["submission"] for row in rows}

    def of(self, submission: int) -> tuple[str, ...]:
        """Instruments that a submission has."""
        rows = self._book.read(
            "SELECT instrument FROM leases WHERE submission = ? AND lab != ? ORDER BY instrument",
            submission,
            _HOST,
        )
        return tuple(row["instrument"] for row in rows)

    def take(self, submission: int, needs: Needs) -> bool:
        """Lend all or none; whether they were free."""
        with self._book.change() as db:
            lent = self.all()
            wanted = _keys(needs)
            if any(lent.get(key, submission) != submission for key in wanted):
                return False
            db.executemany(
                "INSERT OR IGNORE INTO leases VALUES (?, ?, ?)",
                [(*key, submission) for key in wanted],
            )
        return True

    def give_back(self, submission: int) -> None:
        """End the leases of a submission; harmless when repeated."""
        with self._book.change() as db:
            db.execute("DELETE FROM leases WHERE submission = ?", (submission,))


def startable(waiting: list[Submission], lent: dict[tuple[str, str], int]) -> list[Submission]:
    """Those that may start now, of submissions in their order.

    One that waits keeps its instruments for itself: a later one overtakes it only with other
    instruments, so that nobody is starved by what came after him. One whose needs are not known
    yet lets nobody pass.
    """
    taken = set(lent)
    found = []
    for submission in waiting:
        if submission.needs is None:
            break
        wanted = _keys(submission.needs)
        if not wanted & taken:
            found.append(submission)
        taken |= wanted
    return found


def _keys(needs: Needs) -> set[tuple[str, str]]:
    """By name in its lab, and by address on this host: two lab files may mean one instrument."""
    by_name = {(needs.lab, name) for name in needs.instruments}
    return by_name | {(_HOST, address) for address in needs.addresses}
