"""`platectl runs`, `show` and `ledger`: what was done, and whether the record is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from platectl.app.review.looks import look_at
from platectl.app.runs import reanalyse, standing, summary_of
from platectl.cli.options import emit_json, json_option, look_options, store_option
from platectl.cli.render import console, print_table, results_tables, say
from platectl.domain.units import format_duration
from platectl.store.index import RunIndex
from platectl.store.ledger import Ledger
from platectl.store.review import ReviewBook


@click.command()
@store_option
@json_option
def runs(store: Path, as_json: bool) -> int:
    """List the runs of the store, newest first."""
    rows = [
        {**row, "status": standing(row), "review": _review(row)} for row in RunIndex(store).runs()
    ]
    if as_json:
        emit_json({"runs": [{k: v for k, v in row.items() if k != "results"} for row in rows]})
        return 0
    print_table(
        ("run", "protocol", "lab", "started", "status", "review"),
        [(r["run"], r["protocol"], r["lab"], r["started"], r["status"], r["review"]) for r in rows],
    )
    return 0


def _review(row: Mapping[str, Any]) -> str:
    """Whether the results of an indexed run are signed; a run without results has no word."""
    found = {str(result.get("review", "unsigned")) for result in row["results"]}
    return next((word for word in ("invalidated", "unsigned", "signed") if word in found), "")


@click.command()
@click.argument("run")
@store_option
@look_options
@json_option
def show(run: str, store: Path, by: str | None, reason: str, as_json: bool) -> int:
    """Show one RUN (its name, the beginning of it, or `latest`): results, windows, steps."""
    from platectl.report.export import results_json  # heavy
    from platectl.report.rows import result_rows

    entry = RunIndex(store).find(run)
    folder = Path(entry["folder"])
    if as_json and (folder / "results.json").exists():
        look_at(folder, "platectl show", by, reason)
        emit_json({**entry, "details": summary_of(folder)})
        return 0
    report, _ = reanalyse(folder, look_as="platectl show", by=by, reason=reason)
    rows = result_rows(report.plates)
    if as_json:
        emit_json({**entry, "results": rows, "details": json.loads(results_json(report))})
        return 0
    for table in results_tables(rows, simulated=report.simulated):
        console().print(table)
    windows = [
        (
            w.plate,
            w.name,
            "" if w.elapsed_s is None else format_duration(w.elapsed_s),
            w.standing,
        )
        for w in report.windows
    ]
    print_table(("plate", "window", "elapsed", "verdict"), windows, title="Windows")
    for warning in report.warnings:
        say(f"warning: {warning}")
    say(report.review.sentence)
    say(f"{report.status}; folder {folder}")
    return 0


@click.command()
@click.argument("action", type=click.Choice(["verify"]))
@click.argument("run")
@store_option
@json_option
def ledger(action: str, run: str, store: Path, as_json: bool) -> int:
    """Verify the hash chains of a RUN: its ledger, and the book of what people did with the data."""
    del action  # there is one
    index = RunIndex(store)
    entry = index.find(run)
    seal = index.seal(entry["run"])
    book = Ledger(Path(entry["folder"]) / "ledger.db")
    try:
        broken, entries = book.verify(seal), sum(1 for _ in book.events())
    finally:
        book.close()
    review = ReviewBook(Path(entry["folder"])).verify()
    if as_json:
        emit_json({"run": entry["run"], "entries": entries, "first_broken": broken,
                   "sealed": seal is not None, "review_first_broken": review})  # fmt: skip
    elif broken is None:
        end = "sealed at its end" if seal else "not sealed: the run never ended"
        say(f"{entries} entries, chain whole; {end}")
    elif seal and broken > entries:
        say(f"entry {broken} and those after it are missing; the run had {seal.entries}")
    else:
        say(f"the chain breaks at entry {broken}")
    if review is not None and not as_json:
        say(f"the review book is not whole at entry {review}")
    return 0 if broken is None and review is None else 3
