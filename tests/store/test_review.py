"""The review book: a chain that several may add to, and that misses nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from platectl.domain.errors import StoreError
from platectl.store.review import ReviewBook

WALL = "2026-01-05T18:00:00+00:00"


@pytest.fixture
def book(tmp_path: Path) -> ReviewBook:
    (tmp_path / "run").mkdir()
    return ReviewBook(tmp_path / "run")


def test_entries_come_back_in_order_whoever_wrote_them(book: ReviewBook, tmp_path: Path) -> None:
    other = ReviewBook(tmp_path / "run")

    numbers = [
        b.enter("data.viewed", {"by": str(n)}, WALL) for n, b in enumerate([book, other] * 3)
    ]

    assert numbers == [1, 2, 3, 4, 5, 6]
    assert [entry.by for entry in book.entries()] == list("012345")
    assert book.verify() is None


def test_nothing_was_reviewed_where_there_is_no_book(book: ReviewBook) -> None:
    assert book.entries() == ()
    assert book.verify() is None


@pytest.mark.parametrize("change", ["DELETE FROM events WHERE number = 2",
                                    "UPDATE events SET data = '{\"by\":\"x\"}' WHERE number = 1"])  # fmt: skip
def test_what_was_removed_or_changed_is_seen(book: ReviewBook, tmp_path: Path, change: str) -> None:
    for by in "ab":
        book.enter("data.viewed", {"by": by}, WALL)
    db = sqlite3.connect(tmp_path / "run" / "review.db")
    db.execute(change)
    db.commit()
    db.close()

    assert book.verify() is not None


def test_a_book_that_was_thrown_away_is_missed(book: ReviewBook, tmp_path: Path) -> None:
    book.enter("data.viewed", {"by": "a"}, WALL)
    for path in (tmp_path / "run").glob("review.db*"):
        path.unlink()

    assert book.verify() == 1


def test_a_document_cannot_be_replaced(book: ReviewBook) -> None:
    book.enter("analysis.made", {"by": "a"}, WALL, frozen={"terms-1": "{}"})

    with pytest.raises(StoreError, match="differs"):
        book.enter("analysis.made", {"by": "b"}, WALL, frozen={"terms-1": "[]"})
    assert book.document("terms-1") == "{}"
    assert len(book.entries()) == 1
