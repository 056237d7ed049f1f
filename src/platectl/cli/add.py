"""`platectl add`: plates that join a run while it goes on."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import click

from platectl.app.joining import Joined, Wanted, join
from platectl.app.preflight import Override
from platectl.cli.control import by_option, reason_option
from platectl.cli.options import (
    FILE,
    emit_json,
    json_option,
    parse_overrides,
    stock_option,
    store_option,
)
from platectl.cli.render import print_table, say
from platectl.domain.errors import UserInputError
from platectl.domain.night import NightEntry
from platectl.domain.run import CompiledRun
from platectl.domain.units import format_duration
from platectl.files.night import entry_of, is_plates, load_plates
from platectl.planning.overview import Overview, clock_of, overview
from platectl.store.index import RunIndex

#: windows that lose so much slack, or have less than that left, are shown
TIGHT_S = 600.0
WINDOWS_SHOWN = 8


@click.command()
@click.argument("run")
@click.argument("plates")
@click.option("--samples", type=FILE, help="Sample sheet (default: the protocol's own).")
@click.option("--layout", help="Name of a layout of the protocol, or a plate map.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Set a parameter.")
@click.option("--copies", type=int, help="The same plates so many times.")
@click.option("--priority", type=int, help="1 goes first (default: 1).")
@click.option("--not-before", help='Local time, "02:00" or "2026-01-06 02:00".')
@click.option("--not-after", help="Local time; counts instead of the night's end.")
@click.option("--name", default="", help="Name of one plate (default: the next number).")
@stock_option
@click.option(
    "--override", "waived", multiple=True, metavar='"NAME: REASON"',
    help="Add although a check fails; NAME is the check, or all.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@store_option
@by_option
@reason_option
@json_option
def add(
    run: str, plates: str, samples: Path | None, layout: str | None, overrides: tuple[str, ...],
    copies: int | None, priority: int | None, not_before: str | None, not_after: str | None,
    name: str, stock: Path | None, waived: tuple[str, ...], dry_run: bool, store: Path, by: str,
    reason: str, as_json: bool,
) -> int:  # fmt: skip
    """Add PLATES to a RUN that goes on: a protocol, or a file with entries as a night file has them.

    Everything is checked and planned first; what does not fit is refused, and nothing changes. What
    has begun is not moved, and keeps its windows. What was added before is not added again.
    """
    given = {
        "samples": samples and str(samples), "layout": layout, "set": parse_overrides(overrides),
        "copies": copies, "priority": priority, "not_before": not_before, "not_after": not_after,
    }  # fmt: skip
    who = by or getpass.getuser()
    words = [Override.parse(text, by=who) for text in waived]
    try:
        entries, file = _entries(plates, {k: v for k, v in given.items() if v})
        wanted = Wanted(entries, file, store, who, reason, name, stock, words)
        folder = RunIndex(store).folder_of(run)
        found = join(folder, wanted, dry_run=dry_run)
    except UserInputError as error:
        if as_json:
            emit_json({"ok": False, "findings": str(error).splitlines()})
            return 2
        raise
    if found.method and not dry_run:
        _draw(found, folder / "plan.html")
    if as_json:
        emit_json(_plain(found, dry_run=dry_run))
    else:
        _show(found, dry_run=dry_run)
    return 0


def _entries(plates: str, given: dict[str, Any]) -> tuple[tuple[NightEntry, ...], Path]:
    """What is to be added, and beside which file its files lie."""
    if not is_plates(plates):
        return (entry_of({"protocol": plates, **given}),), Path()
    if given:
        raise click.UsageError(
            f"--{next(iter(given))} belongs to a protocol; write it into {plates}"
        )
    return load_plates(Path(plates)).plates, Path(plates)


def _draw(found: Joined, page: Path) -> None:
    """Draw the plan of the run anew beside its ledger, if it was drawn."""
    if page.exists():
        from platectl.report.plan import write_plan

        write_plan(page, found.run, overview(found.run), zone=_zone(found.run))


def _zone(run: CompiledRun) -> str | None:
    return run.bounds.zone if run.bounds else None


def _plain(found: Joined, *, dry_run: bool) -> dict[str, Any]:
    after, before = overview(found.run), overview(found.before)
    return {
        "ok": True, "plates": list(found.plates), "added": not dry_run and bool(found.method),
        "already": not found.method, "method": found.method,
        "end_s": after.end_s, "end_before_s": before.end_s,
        "begins_s": {p: begin for p, _, begin, _ in after.plates if p in found.plates},
        "ends_s": {p: end for p, _, _, end in after.plates if p in found.plates},
        "people": [[v.person, v.begin_s, v.end_s, list(v.tasks)] for v in _visits(found, after)],
        "windows": [[w.plate, w.window, was, w.slack_s] for w, was in _tight(after, before)],
        "warnings": list(found.warnings),
    }  # fmt: skip


def _show(found: Joined, *, dry_run: bool) -> None:
    """New end, when a person is needed, and windows that are tight."""
    names = ", ".join(found.plates)
    if not found.method:
        say(f"{names} joined the run before; nothing was added again")
        return
    after, before = overview(found.run), overview(found.before)
    at = clock_of(found.run, zone=_zone(found.run))

    for warning in found.warnings:
        say(f"warning: {warning}")
    print_table(
        ("who", "from", "to", "for"),
        [(v.person, at(v.begin_s), at(v.end_s), "; ".join(v.tasks)) for v in _visits(found, after)],
        title=f"When a person is needed for {names}",
    )
    if rows := _tight(after, before):
        print_table(
            ("window", "plate", "slack so far", "slack then"),
            [
                (w.window, w.plate, "" if was is None else format_duration(was), format_duration(w.slack_s))
                for w, was in rows
            ],
            title="Tight windows",
        )  # fmt: skip
    for plate, _, begin_s, end_s in after.plates:
        if plate in found.plates:
            say(f"{plate}: from {at(begin_s)} to {at(end_s)} ({found.method})")
    said = "would end" if dry_run else "ends"
    say(f"the run {said} at {at(after.end_s)}, so far {at(before.end_s)}")
    say("nothing was changed" if dry_run else f"{names} joined the run")


def _visits(found: Joined, after: Overview) -> list[Any]:
    """When people are needed for the plates that join."""
    mine = tuple(f"{plate}: " for plate in found.plates)
    return [v for v in after.visits if any(task.startswith(mine) for task in v.tasks)]


def _tight(after: Overview, before: Overview) -> list[tuple[Any, float | None]]:
    """Hard windows that get tighter, or are of the new plates, and have little slack; with their slack so far."""
    known = {(w.plate, w.window): w.slack_s for w in before.windows}
    rows = [(w, known.get((w.plate, w.window))) for w in after.windows if w.hard]
    tight = [
        (w, was) for w, was in rows
        if w.slack_s < TIGHT_S and (was is None or w.slack_s < was - 1.0)
    ]  # fmt: skip
    return tight[:WINDOWS_SHOWN]
