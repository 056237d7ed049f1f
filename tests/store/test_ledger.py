"""The ledger: durable, chained, and honest about tampering."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from platectl.domain.errors import StoreError
from platectl.domain.events import Event
from platectl.store.ledger import Ledger

SWAPPED = """
UPDATE events SET number = 15 - number - 100 WHERE number IN (7, 8);
UPDATE events SET number = number + 100 WHERE number < 0
"""


def filled(path: Path) -> Ledger:
    ledger = Ledger(path)
    for number in range(20):
        ledger.append(
            Event(
                "step.note",
                f"P1.B{number}",
                "2026-01-05T18:00:00+00:00",
                float(number),
                {"n": number},
            ),
            sync=number % 3 == 0,
        )
    return ledger


def test_entries_come_back_in_order_after_a_reopen(tmp_path: Path) -> None:
    filled(tmp_path / "l.db").close()

    again = Ledger(tmp_path / "l.db")

    assert [e.data["n"] for e in again.events()] == list(range(20))
    assert again.verify() is None
    again.append(Event("run.finished"))
    assert again.verify() is None
    again.close()


def test_settling_changes_no_entry(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "l.db")
    seal = ledger.seal()

    ledger.settle()

    assert ledger.seal() == seal
    assert ledger.verify(seal) is None
    ledger.close()


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE events SET data = '{\"n\":99}' WHERE number = 7",
        "UPDATE events SET step = 'P9.X' WHERE number = 7",
        "DELETE FROM events WHERE number = 7",
        "UPDATE events SET monotonic_s = 99.5 WHERE number = 7",
        SWAPPED,
    ],
)
def test_tampering_is_found_at_the_exact_entry(tmp_path: Path, tamper: str) -> None:
    filled(tmp_path / "l.db").close()
    with sqlite3.connect(tmp_path / "l.db") as db:
        db.executescript(tamper)
    db.close()

    ledger = Ledger(tmp_path / "l.db")

    assert ledger.verify() == 7
    ledger.close()


def test_a_seal_shows_what_is_missing_at_the_end_and_a_chain_made_anew(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "l.db")
    seal = ledger.seal()
    ledger.close()
    with sqlite3.connect(tmp_path / "l.db") as db:
        db.execute("DELETE FROM events WHERE number > 17")
    db.close()
    shorter = Ledger(tmp_path / "l.db")
    assert (shorter.verify(), shorter.verify(seal)) == (None, 18)
    for _ in range(3):
        shorter.append(Event("run.finished"))
    assert (shorter.verify(), shorter.verify(seal)) == (None, 20)
    shorter.close()


def test_a_frozen_document_cannot_be_replaced(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db")
    ledger.freeze("run", "{}")
    ledger.freeze("run", "{}")

    with pytest.raises(StoreError, match="frozen and differs"):
        ledger.freeze("run", "{1}")
    ledger.close()
