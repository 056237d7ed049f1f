"""Signatures: who vouches for which version, and whether that still holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from platectl.app.review.journal import Journal, Signature, Version
from platectl.app.run_report import LOOKED
from platectl.files.protocol import file_hash
from platectl.report.model import Deed, Standing
from platectl.store.ledger import Ledger, Seal
from platectl.store.review import ReviewBook, ReviewEntry

UNDER_CODES: Final = "looked at data under codes"
_WORDS: Final[Mapping[str, str]] = {
    "analysis.made": "made version {version} of the analysis",
    "analysis.signed": "signed version {version} of the analysis",
    "names.revealed": "opened the key {study}: {through}",
}


def standing_of(folder: Path, journal: Journal, made: Version | None) -> tuple[Standing, str]:
    """Whether a version is signed, and the sentence that says so."""
    if made is None:
        return "unsigned", "These results are not signed."
    signatures = [s for s in journal.signatures if s.version == made.number]
    if not signatures:
        return _unsigned(journal, made)
    last = signatures[-1]
    said = " ".join(
        f"{s.by} signed version {made.number} on {s.at[:19]}: {s.reason}." for s in signatures
    )
    broken = what_changed(folder, last, made)
    if broken:
        return "invalidated", f"The signature does not hold any more: {broken}. {said}"
    return "signed", f"{said} SHA-256 {last.results}."


def what_changed(folder: Path, signature: Signature | Version, made: Version) -> str:
    """What is not as it was signed, or made; empty while all of it is."""
    results = folder / "analyses" / str(made.number) / "results.json"
    if not results.exists():
        return f"{results.relative_to(folder)} is missing"
    if not file_hash(results) == signature.results == made.results:
        return f"{results.relative_to(folder)} is not the file that it was"
    with Ledger.reading(folder / "ledger.db") as ledger:
        if (entry := ledger.verify(Seal(*signature.ledger))) is not None:
            return f"the ledger is not whole at entry {entry}"
        if ledger.seal().entries != signature.ledger[0]:
            return "the ledger has entries that came after it"
    if (entry := ReviewBook(folder).verify()) is not None:
        return f"the review book is not whole at entry {entry}"
    return ""


def deeds_of(journal: Journal) -> tuple[Deed, ...]:
    """All entries of the review book in words."""
    return tuple(
        Deed(e.number, e.wall[:19], e.by, _what(e), str(e.data.get("reason", "")), e.digest)
        for e in journal.entries
    )


def _unsigned(journal: Journal, made: Version) -> tuple[Standing, str]:
    now = f"Version {made.number} of the analysis is not signed"
    before = journal.signatures
    if not before:
        return "unsigned", f"{now}."
    last = before[-1]
    return "invalidated", (
        f"{now}; {last.by} signed version {last.version} on {last.at[:19]}, and {made.by} "
        f"made version {made.number} after it: {made.reason}."
    )


def _what(entry: ReviewEntry) -> str:
    data = entry.data
    if entry.kind == "data.viewed":
        taken = f"{data['readings']} readings in {data['entries']} entries"
        looked = UNDER_CODES if data.get("finished") else LOOKED
        return f"{looked} ({data['what']}; {taken})"
    if entry.kind in {"wells.excluded", "wells.readmitted"}:
        verb = "excluded" if entry.kind == "wells.excluded" else "readmitted"
        return f"{verb} {', '.join(data['wells'])} of {data['plate']}"
    return _WORDS.get(entry.kind, entry.kind).format_map(data)
