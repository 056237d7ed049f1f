"""`platectl queue`: runs that wait, go, or wait for a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from platectl.cli.control import by_option, reason_option
from platectl.cli.options import PRIORITY, emit_json, json_option, store_option
from platectl.cli.render import print_table, say
from platectl.cli.subject import WORDS, examine, subject_of, wake, words_argument
from platectl.domain.errors import UserInputError
from platectl.domain.units import format_duration
from platectl.nights.book import Book
from platectl.nights.queue import Queue
from platectl.nights.submission import Submission
from platectl.store.lock import owner_of
from platectl.transport.wall_clock import WallClock

_OVER_SHOWN = 10


@click.group(invoke_without_command=True)
@store_option
@json_option
@click.pass_context
def queue(context: click.Context, store: Path, as_json: bool) -> int:
    """Show what waits, what goes, and what ended last; or change it."""
    if context.invoked_subcommand is not None:
        if context.get_parameter_source("store") is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"write --store after {context.invoked_subcommand}")
        return 0
    with Book(store) as book:
        table = Queue(book)
        found = table.all("claimed", "running") + table.all("held") + table.all("queued")
        over = [s for s in table.all(last=_OVER_SHOWN) if s.ended is not None]
        lent = {s.id: table.leases.of(s.id) for s in (*found, *over)}
    if as_json:
        emit_json({"queue": [_json(s, lent[s.id]) for s in found],
                   "over": [_json(s, lent[s.id]) for s in over]})  # fmt: skip
        return 0
    print_table(
        ("id", "run", "what", "priority", "state", "instruments", "why"),
        [
            (str(s.id), s.run or "", str(s.subject), str(s.priority), s.state,
             ", ".join(lent[s.id]), s.reason)
            for s in (*found, *over)
        ],
    )  # fmt: skip
    return 0


@queue.command(context_settings=WORDS, short_help="Submit a protocol or night file.")
@words_argument
@click.option(
    "--priority", type=PRIORITY, default=0, show_default=True, help="Higher starts first."
)
@click.option(
    "--restart", type=click.Choice(["resume", "hold"]), default="resume", show_default=True,
    help="What is done about a run whose process died.",
)  # fmt: skip
@store_option
@json_option
def add(words: tuple[str, ...], priority: int, restart: Any, store: Path, as_json: bool) -> int:
    """Submit PROTOCOL, with the options of `platectl run`; it starts when its instruments are free."""
    subject = subject_of(words)
    needs = examine(subject, WallClock().now())
    with Book(store) as book:
        number = Queue(book).submit(subject, WallClock().now(), priority=priority, restart=restart)
    wake(store)
    if as_json:
        emit_json(
            {"id": number, "planned_s": needs.planned_s, "instruments": list(needs.instruments)}
        )
    else:
        say(
            f"submission {number}: {format_duration(needs.planned_s)} on {', '.join(needs.instruments)}"
        )
    return 0


@queue.command(short_help="Let a held submission go on.")
@click.argument("number", metavar="ID", type=int)
@store_option
@by_option
def release(number: int, store: Path, by: str) -> int:
    """Let held submission ID go on, with its files as they are now; a run that was begun is resumed."""
    with Book(store) as book:
        found = Queue(book).release(number, by)
    wake(store)
    say(f"{found.name} goes on")
    return 0


@queue.command(short_help="Give up a submission that waits or is held.")
@click.argument("number", metavar="ID", type=int)
@store_option
@by_option
@reason_option
def cancel(number: int, store: Path, by: str, reason: str) -> int:
    """Give up submission ID, which waits or is held; its instruments are free."""
    with Book(store) as book:
        _refuse_alive(store, Queue(book).get(number))
        Queue(book).cancel(number, WallClock().now(), by, reason)
    wake(store)
    say(f"submission {number} is cancelled")
    return 0


@queue.command(short_help="Say that instruments of a failed run are clear.")
@click.argument("number", metavar="ID", type=int)
@store_option
@by_option
def clear(number: int, store: Path, by: str) -> int:
    """Say that the instruments of failed submission ID stand clear: others may have them."""
    with Book(store) as book:
        _refuse_alive(store, Queue(book).get(number))
        names = Queue(book).clear(number, by)
    wake(store)
    say(f"{', '.join(names)}: free")
    return 0


@queue.command(short_help="Change the priority of a queued one.")
@click.argument("number", metavar="ID", type=int)
@click.argument("value", type=int)
@store_option
def priority(number: int, value: int, store: Path) -> int:
    """Give queued submission ID the priority VALUE; higher starts first."""
    with Book(store) as book:
        Queue(book).rank(number, value)
    wake(store)
    return 0


def _refuse_alive(store: Path, found: Submission) -> None:
    """Refuse to free the instruments of a run that somebody resumed by hand.

    Raises:
        UserInputError: A process drives it.
    """
    owner = None if found.run is None else owner_of(store / found.run)
    if owner is not None:
        raise UserInputError(
            f"{found.run} is driven by {owner}; `platectl stop {found.run}` ends it"
        )


def _json(found: Submission, lent: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": found.id, "run": found.run, "arguments": list(found.subject.arguments),
        "priority": found.priority, "state": found.state, "reason": found.reason,
        "start": found.start, "instruments": list(lent),
    }  # fmt: skip
