"""Whether the review in an archive is whole: its chain, its versions, its signatures, its key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from zipfile import ZipFile

from platectl.domain.blinding import Key
from platectl.domain.errors import StoreError
from platectl.domain.events import Event
from platectl.domain.units import FROZEN
from platectl.store.ledger import Ledger, Seal
from platectl.store.review import REVIEW

REVIEW_SEAL: Final = "review-seal.json"
BLINDING: Final = "frozen/blinding.json"


class Say(Protocol):
    """Adds a finding."""

    def __call__(self, message: str, where: str = "") -> None:
        """Add one."""
        ...


def verify_review(archive: ZipFile, digests: Mapping[str, str], place: Path, say: Say) -> None:
    """Say everything that is wrong with the review of an archive.

    Every version has its results file, whose hash is the one that was entered and signed; what
    opened the key of a blinded run is the key that the run was begun with.
    """
    if REVIEW not in digests:
        if any(name.startswith("analyses/") for name in digests):
            say("is missing", REVIEW)
        return
    if not digests[REVIEW] or not digests.get(REVIEW_SEAL):
        say("is missing", REVIEW_SEAL)
        return
    with archive.open(REVIEW) as content, (place / REVIEW).open("wb") as file:
        shutil.copyfileobj(content, file)
    try:
        seal = Seal(**json.loads(archive.read(REVIEW_SEAL)))
        with Ledger.reading(place / REVIEW) as book:
            broken, events = book.verify(seal), list(book.events())
            key = book.frozen("key") if book.has_frozen("key") else None
    except (StoreError, ValueError, TypeError) as error:
        say(f"cannot be read: {error}", REVIEW)
        return
    if broken is not None:
        say(f"the chain breaks at entry {broken}", REVIEW)
    for message, where in (*_versions(events, digests), *_key(archive, digests, events, key)):
        say(message, where)


def _versions(events: list[Event], digests: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    made: dict[Any, str] = {}
    for event in events:
        data = event.data
        if event.kind == "analysis.made":
            made[data["version"]] = data["results"]
            name = f"analyses/{data['version']}/results.json"
            if name not in digests:
                yield "is missing", name
            elif digests[name] != data["results"]:
                yield "is not the file that was made", name
        elif event.kind == "analysis.signed" and made.get(data["version"]) != data["results"]:
            yield f"{data['by']} signed another version {data['version']}", REVIEW


def _key(
    archive: ZipFile, digests: Mapping[str, str], events: list[Event], key: str | None
) -> Iterator[tuple[str, str]]:
    opened = next((e.data for e in events if e.kind == "names.revealed"), None)
    if opened is None:
        return
    promised = json.loads(archive.read(BLINDING)) if digests.get(BLINDING) else {}
    try:
        found = Key.model_validate_json(key or "", context=FROZEN)
    except ValueError:
        yield "the key that was opened is not there", REVIEW
        return
    if found.commitment != promised.get("commitment") or found.names != opened["names"]:
        yield "the key that was opened is not the one that the run was begun with", REVIEW
