"""Runs a night in a child process that ends, stops or is starved at a chosen entry of its ledger."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platectl.app.night import execute
from platectl.app.prepare import Night, Options, prepare
from platectl.domain.events import Event
from platectl.store.ledger import Ledger

TWO_PLATES = """compound,stock_concentration,top_concentration,plate,slot,barcode
(+)-igmesine,10 mM,10 uM,1,,
SA4503,10 mM,10 uM,2,,
"""


def two_plates(tmp_path: Path) -> Night:
    """A binding night of two plates."""
    sheet = tmp_path / "two.csv"
    sheet.write_text(TWO_PLATES)
    return prepare(Options("sigma1-binding", samples=sheet))


def child(work: Callable[[], Any]) -> int:
    """Do some work in a child and return its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001  # told by the exit code
        code = 7
    os._exit(code)


def signalled(night: Night, folder: Path, number: int, sign: int = signal.SIGKILL) -> int:
    """A child whose engine gets a signal after its n-th entry; its process id, once it has."""
    seen = 0

    def watch(_: Event) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), sign)

    pid = child(lambda: execute(night, folder, watch=watch))
    os.waitpid(pid, os.WUNTRACED)
    return pid


def starved(night: Night, folder: Path, number: int) -> str:
    """Run a night whose disk is full from the n-th entry on; what was said."""
    append, seen = Ledger.append, 0

    def starving(self: Ledger, event: Event, *, sync: bool = True) -> int:
        nonlocal seen
        seen += 1
        if seen == number:
            pages = self._db.execute("PRAGMA page_count").fetchone()[0]
            self._db.execute(f"PRAGMA max_page_count={pages}")
        return append(self, event, sync=sync)

    Ledger.append = starving  # type: ignore[method-assign]  # undone below
    try:
        finished = execute(night, folder)
    except Exception as error:  # noqa: BLE001  # what was said is the subject
        return f"{type(error).__name__}: {error}"
    finally:
        Ledger.append = append  # type: ignore[method-assign]  # as it was
    return finished.outcome.status


def entries(folder: Path) -> list[tuple[str, str, str]]:
    """Kind, step and action of all entries; the chain must be whole."""
    with Ledger.reading(folder / "ledger.db") as ledger:
        assert ledger.verify() is None
        return [(e.kind, e.step, str(e.data.get("action", ""))) for e in ledger.events()]


def rows(path: Path) -> int:
    """Entries of a ledger as the file has them."""
    with sqlite3.connect(path) as db:
        return int(db.execute("SELECT count(*) FROM events").fetchone()[0])
