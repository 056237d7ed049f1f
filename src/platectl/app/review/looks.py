"""Results that are not for everybody yet, and the record of each look at them.

A run that did not end as planned, or whose compounds are under codes, has a page without results; who
wants them says so with a command, which is recorded with name, time, what was looked at and why.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from platectl.app.blinding import blinding_of
from platectl.app.review.journal import enter, journal_of
from platectl.app.review.signing import standing_of
from platectl.domain.events import Event
from platectl.engine.state import RunState
from platectl.store.ledger import Ledger

READINGS: Final = ("reading.taken", "frame.taken")
NO_REASON: Final = "no reason given"
_GOES_ON: Final = "`platectl status {run}` says what it asks, `platectl resume {run}` goes on"
_OVER: Final = "`platectl analyse {run}` and `platectl sign {run}` make what there is public"
_NEXT: Final = {"failed": _OVER, "aborted": _OVER}


def withheld(folder: Path, events: Sequence[Event]) -> str:
    """Why results of a run are for nobody who is not recorded; empty once they are for everybody.

    A run that failed is over for everybody when the newest version of its analysis is signed.

    Raises:
        StoreError: Ledger or review book cannot be read.
    """
    if not events:
        return ""
    return _unfinished(folder, events) or _under_codes(folder)


def look(
    folder: Path, events: Sequence[Event], what: str, by: str | None = None, reason: str = ""
) -> bool:
    """Record that somebody looks at withheld results; returns whether they are withheld.

    Raises:
        StoreError: The look could not be recorded, and is not to be taken.
    """
    if not withheld(folder, events):
        return False
    taken = sum(e.kind in READINGS for e in events)
    finished = not _unfinished(folder, events)
    enter_look(folder, what, entries=len(events), readings=taken, by=by, reason=reason, finished=finished)  # fmt: skip
    return True


def look_at(folder: Path, what: str, by: str | None = None, reason: str = "") -> bool:
    """Record that somebody looks at a run folder, if its results are withheld; returns whether they are.

    Raises:
        StoreError: No ledger, or the look could not be recorded.
    """
    return look(folder, events_of(folder), what, by, reason)


def enter_look(
    folder: Path, what: str, *, entries: int, readings: int, by: str | None = None,
    reason: str = "", finished: bool = False,
) -> None:  # fmt: skip
    """Record a look at data of a run, after so many entries of its ledger.

    Raises:
        StoreError: The look could not be recorded.
    """
    enter(folder, "data.viewed", {
        "by": by or getpass.getuser(), "what": what, "reason": reason or NO_REASON,
        "entries": entries, "readings": readings, "finished": finished,
    })  # fmt: skip


def page_of(folder: Path, form: str) -> Path:
    """Where the report of a run goes: beside its ledger, or as the page of the last look at it."""
    if not withheld(folder, events_of(folder)):
        return folder / f"report.{form}"
    place = folder / "looks"
    place.mkdir(exist_ok=True)
    return place / f"{journal_of(folder).looks[-1].number}.{form}"


def events_of(folder: Path) -> list[Event]:
    """The ledger of a run folder.

    Raises:
        StoreError: There is none.
    """
    with Ledger.reading(folder / "ledger.db") as ledger:
        return list(ledger.events())


def _unfinished(folder: Path, events: Sequence[Event]) -> str:
    status = RunState.of(events).status
    if status == "done":
        return ""
    journal = journal_of(folder)
    made = journal.versions
    if made and standing_of(folder, journal, made[-1])[0] == "signed":
        return ""
    return f"the run is {status} ({_NEXT.get(status, _GOES_ON).format(run=folder.name)})"


def _under_codes(folder: Path) -> str:
    study, _ = blinding_of(folder)
    if not study or journal_of(folder).revealed is not None:
        return ""
    return f"compounds are under the codes of the study {study}"
