"""Run folders: names, the index, what is kept at the end of a run, and reading it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from platectl.app.drive import Finished
from platectl.app.review.journal import Person, journal_of
from platectl.app.review.looks import look, withheld
from platectl.app.review.versions import (
    Evaluated,
    analysed,
    first_terms,
    make_version,
    review_of,
)
from platectl.app.run_report import read_run, write_notice
from platectl.domain.errors import StoreError
from platectl.domain.names import check_name
from platectl.domain.run import CompiledRun
from platectl.report.model import RunReport
from platectl.report.rows import result_rows
from platectl.store.index import RunIndex
from platectl.store.ledger import Ledger
from platectl.store.lock import owner_of


def new_run_name(store: Path, protocol: str, now: datetime) -> str:
    """A name that no folder of the store has yet: protocol, date and time, and a number if needed."""
    base = f"{protocol}-{now:%Y%m%d-%H%M%S}"
    name, number = base, 1
    while (store / name).exists():
        number += 1
        name = f"{base}-{number}"
    return name


def refuse_begun(store: Path, name: str) -> None:
    """Refuse a run folder whose run was begun; a run is begun once, and then resumed.

    Raises:
        UserInputError: Its name is none for a folder of the store.
        StoreError: It was begun.
    """
    folder = store / check_name(name, "a run")
    if not (folder / "ledger.db").exists():
        return
    with Ledger.reading(folder / "ledger.db") as ledger:
        if ledger.seal().entries:
            raise StoreError(
                f"{folder.name} was begun before; `platectl resume {folder.name}` goes on"
            )


def announce(store: Path, name: str, run: CompiledRun, started: str) -> None:
    """Index a run before it begins, so that one that is cut off is listed."""
    RunIndex(store).put(
        name, folder=store / name, protocol=run.label, lab=run.lab.name, started=started,
        status="running", results=[],
    )  # fmt: skip


def standing(row: Mapping[str, Any]) -> str:
    """Status of an indexed run; one that nobody drives and that did not end was cut off."""
    status = str(row["status"])
    return "cut off" if status == "running" and owner_of(Path(row["folder"])) is None else status


def keep(store: Path, name: str, run: CompiledRun, finished: Finished) -> dict[str, Any]:
    """Make a version of the analysis, of plates that joined the run too, write its files into the run folder, index the run.

    A run that did not end as planned has none: its page says where it stands. Where results are
    withheld, the summary has none either, and says why.

    Returns:
        The JSON summary.
    """
    folder, status = store / name, finished.outcome.status
    run = finished.run or run
    index = RunIndex(store)
    if finished.seal is not None:
        index.put_seal(name, finished.seal)
    why = withheld(folder, finished.events)
    made = _first_version(folder, run, finished) if status == "done" else None
    rows = result_rows(made.plates) if made else []
    if made and not why:
        report = made
    else:
        why = why or f"the run is {status}"  # nothing was begun
        report = write_notice(folder, run, finished.events, review_of(folder), why)
    index.put(
        name, folder=folder, protocol=report.protocol, lab=report.lab, started=finished.started,
        status=status, results=list(rows),
    )  # fmt: skip
    return {
        "run": name, "folder": str(folder), "status": status, "error": finished.outcome.error,
        "in_doubt": list(finished.outcome.in_doubt), "dropped": finished.outcome.dropped, "report": str(folder / "report.html"),
        "simulated": report.simulated, "results": [] if why else rows, "withheld": why,
        "failed": any(row["status"] == "fail" for row in rows),
        "warnings": list(report.warnings),
    }  # fmt: skip


def _first_version(folder: Path, run: CompiledRun, finished: Finished) -> RunReport:
    terms = first_terms(folder, journal_of(folder))
    ended = Person("platectl", "the run ended: done")
    done = None if terms.exclusions else Evaluated(run, finished.events, finished.plates)
    return make_version(folder, terms, ended, evaluated=done, seen=False).report


def reanalyse(
    folder: Path, *, look_as: str = "", by: str | None = None, reason: str = ""
) -> tuple[RunReport, CompiledRun]:
    """Read a run folder and analyse it as its newest version says; returns the run as compiled.

    Args:
        folder: The run folder.
        look_as: What a person does with it, to be recorded if its results are withheld.
        by: Who does; None is the user of this computer.
        reason: Why.

    Raises:
        StoreError: No ledger, not a run of this format, or a look that could not be recorded.
    """
    run, events = read_run(folder)
    if look_as:
        look(folder, events, look_as, by, reason)
    return analysed(folder).report, run


def summary_of(folder: Path) -> dict[str, Any]:
    """The stored results of a run folder.

    Raises:
        StoreError: No results were written.
    """
    path = folder / "results.json"
    if not path.exists():
        raise StoreError(f"{folder} holds no results yet")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
