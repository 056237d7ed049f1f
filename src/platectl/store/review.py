"""What people did with the data of a run: looks, exclusions, versions, signatures; append-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platectl.domain.errors import FencedError, StoreError
from platectl.domain.events import Event, EventKind
from platectl.store.index import RunIndex
from platectl.store.ledger import Ledger, Seal

REVIEW: Final = "review.db"
_TRIES: Final = 50


@dataclass(frozen=True, slots=True)
class ReviewEntry:
    """One decision or look. `wall` is ISO 8601 UTC, `digest` the hash of the chain up to here."""

    number: int
    kind: EventKind
    wall: str
    data: Mapping[str, Any]
    digest: str

    @property
    def by(self) -> str:
        """Who."""
        return str(self.data.get("by", ""))


class ReviewBook:
    """The review book of a run folder: a chain like the ledger's, which any process may add to.

    Lifetime: holds nothing open between calls.
    Concurrency: several processes may add at once; each entry has its own place in the chain.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / REVIEW

    def enter(
        self, kind: EventKind, data: Mapping[str, Any], wall: str, *, frozen: Mapping[str, str] = {}
    ) -> int:
        """Add an entry, with documents that belong to it, and return its number.

        Raises:
            StoreError: The disk refused, or others wrote all the time.
        """
        for _ in range(_TRIES):
            try:
                with self._opened() as book:
                    book.claim(str(data.get("by", "")), wall)
                    for name, content in frozen.items():
                        book.freeze(name, content)
                    number = book.append(Event(kind, "", wall, 0.0, data))
                    RunIndex(self._folder.parent).put_seal(self._sealed_as, book.seal())
            except FencedError:
                continue
            return number
        raise StoreError(f"{self._path} is written by others all the time; try again")

    def entries(self) -> tuple[ReviewEntry, ...]:
        """All entries in order; none where nobody reviewed anything.

        Raises:
            StoreError: The book cannot be read.
        """
        if not self._path.exists():
            return ()
        with self._opened() as book:
            pairs = zip(book.events(), book.chain(), strict=True)
            return tuple(
                ReviewEntry(number, event.kind, event.wall, event.data, digest)
                for event, (number, _, digest) in pairs
            )

    def document(self, name: str) -> str:
        """A document that was entered.

        Raises:
            StoreError: Nothing under that name.
        """
        with self._opened() as book:
            return book.frozen(name)

    def verify(self) -> int | None:
        """Number of the first entry that breaks the chain or is missing at the end, or None."""
        if not self._path.exists():
            return None if self._seal() is None else 1
        with self._opened() as book:
            return book.verify(self._seal())

    @property
    def _sealed_as(self) -> str:
        return f"{self._folder.name}:review"

    def _seal(self) -> Seal | None:
        """The seal of the store; an unpacked run has none."""
        store = self._folder.parent
        return RunIndex(store).seal(self._sealed_as) if (store / "index.db").exists() else None

    @contextmanager
    def _opened(self) -> Iterator[Ledger]:
        book = Ledger(self._path)
        try:
            yield book
        finally:
            book.close()
