"""`platectl status, pause, stop, abort, halt, answer`: words to a run that goes, from another terminal."""

from __future__ import annotations

import contextlib
import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from platectl.app.at_rest import OVER, AtRest, at_rest, tell_run
from platectl.app.channel import tell
from platectl.app.emergency import abort_without_engine
from platectl.cli.options import emit_json, json_option, store_option
from platectl.cli.render import print_table, say
from platectl.domain.errors import DisconnectedError, StoreError, UserInputError
from platectl.domain.units import format_duration
from platectl.store.index import RunIndex

by_option = click.option(
    "--by", default=getpass.getuser, help="Who says so (default: the user of this terminal)."
)
reason_option = click.option("--reason", default="", help="Why; it goes into the ledger.")


@click.command()
@click.argument("run", default="latest")
@store_option
@json_option
def status(run: str, store: Path, as_json: bool) -> int:
    """Say what a RUN does now, and what it asks."""
    folder = RunIndex(store).folder_of(run)
    try:
        found = tell(folder, "status")
    except DisconnectedError:
        if (resting := at_rest(folder)) is None:
            raise
        _at_rest(resting, as_json=as_json)
        return 0
    if as_json:
        emit_json(found)
    else:
        _show(found)
    return 0


@click.command()
@click.argument("run", default="latest")
@click.option("--now", is_flag=True, help="Hold before the next action, not only the next step.")
@store_option
@by_option
def pause(run: str, now: bool, store: Path, by: str) -> int:
    """Begin no further step of a RUN; `platectl resume` goes on."""
    _show(tell_run(RunIndex(store).folder_of(run), "pause_now" if now else "pause", by=by))
    return 0


@click.command()
@click.argument("run", default="latest")
@store_option
@by_option
def stop(run: str, store: Path, by: str) -> int:
    """Let begun steps of a RUN end, then end it; it can be resumed."""
    _show(tell_run(RunIndex(store).folder_of(run), "stop", by=by))
    return 0


@click.command()
@click.argument("run", default="latest")
@click.option("--hard", is_flag=True, help="Kill the engine and stop the instruments without it.")
@store_option
@by_option
@reason_option
def abort(run: str, hard: bool, store: Path, by: str, reason: str) -> int:
    """Stop every instrument of a RUN at once; neither the database nor an idle engine is needed.

    The instruments of a run that is over are left alone, because another run may have them; --hard
    stops them all the same.
    """
    folder = RunIndex(store).folder_of(run)
    if not hard:
        _refuse_over(folder)
        try:
            tell(folder, "abort", by=by, reason=reason)
        except (DisconnectedError, UserInputError) as error:
            say(f"{error}; stopping the instruments without the engine")
        else:
            say("every instrument is being stopped")
            return 0
    for name, outcome in abort_without_engine(folder).items():
        say(f"{name}: {outcome}")
    return 0


@click.command()
@click.argument("run", default="latest")
@store_option
def halt(run: str, store: Path) -> int:
    """End the engine of a RUN where it is, without any clean-up; instruments go on with what they do."""
    folder = RunIndex(store).folder_of(run)
    try:
        tell(folder, "halt")
    except DisconnectedError:
        resting = at_rest(folder)
        say(resting.sentence if resting else "the engine is gone; `platectl resume` goes on")
    return 0


@click.command()
@click.argument("run")
@click.argument("question")
@click.argument("option")
@click.option("--barcode", default="", help="What was scanned, where a prompt asks for it.")
@click.option("--wells", default="", help="Wells that were served, like A1,A2 (with drop_wells).")
@store_option
@by_option
@reason_option
def answer(
    run: str,
    question: str,
    option: str,
    barcode: str,
    wells: str,
    store: Path,
    by: str,
    reason: str,
) -> int:
    """Answer a QUESTION or a prompt of a RUN with one of its options."""
    named = [well for well in wells.split(",") if well]
    tell_run(
        RunIndex(store).folder_of(run), "answer", id=question, option=option, by=by, reason=reason,
        wells=named, barcode=barcode,
    )  # fmt: skip
    say(f"{question}: {option}")
    return 0


def _at_rest(found: AtRest, *, as_json: bool) -> None:
    if as_json:
        emit_json({"running": [], "questions": [], "prompts": [], **asdict(found)})
    else:
        say(found.sentence)


def _refuse_over(folder: Path) -> None:
    """Refuse to stop the instruments of a run that is over.

    A ledger that cannot be read refuses nothing: this is an emergency.
    """
    with contextlib.suppress(StoreError):
        found = at_rest(folder)
        if found is not None and found.status in OVER:
            raise UserInputError(
                f"{found.sentence}; its instruments are left alone, `--hard` stops them all the same"
            )


def _show(found: dict[str, Any]) -> None:
    print_table(
        ("plate", "step", "since", "expected"),
        [
            (
                r["plate"],
                r["title"],
                format_duration(r["since_s"]),
                format_duration(r["expected_s"]),
            )
            for r in found["running"]
        ],
        title=f"{found['status']}, {found['mode']}",
    )
    if found["waiting"]:
        say(f"{', '.join(found['waiting'])} wait for a word about a plate before them")
    for item in (*found["questions"], *found["prompts"]):
        say(f"{item['id']}: {item['text']}")
        say(f"    options: {', '.join(item['options'])}")
        if item.get("due"):
            say(f"    due: {item['due']}")
        if item.get("default") and item["patience_s"] is None:
            say(f"    {item['default']} is the default while nobody answers")
        elif item.get("default"):
            say(f"    {item['default']} is taken after {format_duration(item['patience_s'])}")
