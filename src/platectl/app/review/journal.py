"""What the review book of a run says: the fold of its entries, and how entries are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platectl.domain.analysis_terms import AnalysisTerms, Exclusion
from platectl.domain.errors import UserInputError
from platectl.domain.events import EventKind
from platectl.domain.units import FROZEN
from platectl.store.review import ReviewBook, ReviewEntry
from platectl.transport.wall_clock import WallClock


@dataclass(frozen=True, slots=True)
class Person:
    """Who decides, and why."""

    by: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse a decision of nobody, or without a reason.

        Raises:
            UserInputError: One of the two is missing.
        """
        for name, text in (("--by", self.by), ("--reason", self.reason)):
            if not text.strip():
                raise UserInputError(f"{name} is empty; a decision has a name and a reason")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the analysis, as it was entered.

    Attributes:
        number: From 1.
        results: SHA-256 of its results file.
        values: SHA-256 of its numbers, states and flags, to nine digits.
        ledger: Entries of the ledger when it was made, and the hash of the last.
        software: What made it.
    """

    number: int
    by: str
    reason: str
    at: str
    results: str
    values: str
    ledger: tuple[int, str]
    software: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signature:
    """Who vouches for which version, by the hash of its results file."""

    version: int
    by: str
    reason: str
    at: str
    results: str
    ledger: tuple[int, str]


@dataclass(frozen=True, slots=True)
class Journal:
    """All entries of a review book, and what follows from them."""

    entries: tuple[ReviewEntry, ...] = ()

    @property
    def versions(self) -> tuple[Version, ...]:
        """Versions of the analysis, oldest first."""
        return tuple(
            Version(e.data["version"], e.by, str(e.data["reason"]), e.wall, e.data["results"],
                    e.data["values"], _end(e.data["ledger"]), e.data["software"])
            for e in self._of("analysis.made")
        )  # fmt: skip

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """Signatures, oldest first."""
        return tuple(
            Signature(e.data["version"], e.by, str(e.data["reason"]), e.wall, e.data["results"],
                      _end(e.data["ledger"]))
            for e in self._of("analysis.signed")
        )  # fmt: skip

    @property
    def exclusions(self) -> tuple[Exclusion, ...]:
        """Wells that are left out as things stand."""
        found: dict[tuple[str, str], Exclusion] = {}
        for entry in self._of("wells.excluded", "wells.readmitted"):
            plate = str(entry.data["plate"])
            for well in entry.data["wells"]:
                if entry.kind == "wells.readmitted":
                    found.pop((plate, well), None)
                else:
                    found[plate, well] = Exclusion(
                        plate=plate, well=well, by=entry.by, reason=str(entry.data["reason"]),
                        at=entry.wall, entry=entry.number,
                    )  # fmt: skip
        return tuple(found.values())

    @property
    def looks(self) -> tuple[ReviewEntry, ...]:
        """Looks at results that were not for everybody."""
        return tuple(self._of("data.viewed"))

    @property
    def revealed(self) -> ReviewEntry | None:
        """The entry that opened the key of a blinded run; None while it is closed."""
        return next(self._of("names.revealed"), None)

    def _of(self, *kinds: str) -> Any:
        return (entry for entry in self.entries if entry.kind in kinds)


def journal_of(folder: Path) -> Journal:
    """Read the review book of a run folder.

    Raises:
        StoreError: It cannot be read.
    """
    return Journal(ReviewBook(folder).entries())


def enter(
    folder: Path, kind: EventKind, data: Mapping[str, Any], *, frozen: Mapping[str, str] = {}
) -> int:
    """Add an entry to the review book and return its number.

    Raises:
        StoreError: The disk refused.
    """
    wall = WallClock().now().isoformat(timespec="milliseconds")
    return ReviewBook(folder).enter(kind, data, wall, frozen=frozen)


def terms_of(folder: Path, version: int) -> AnalysisTerms:
    """By what a version was made.

    Raises:
        StoreError: There is no such version.
    """
    text = ReviewBook(folder).document(terms_name(version))
    return AnalysisTerms.model_validate_json(text, context=FROZEN)


def terms_name(version: int) -> str:
    """Name of the document with the terms of a version."""
    return f"terms-{version}"


def _end(data: Sequence[Any]) -> tuple[int, str]:
    return int(data[0]), str(data[1])
