"""`platectl schedule`: what is run when nobody is there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from pydantic import ValidationError

from platectl.cli.control import by_option, reason_option
from platectl.cli.options import PRIORITY, emit_json, json_option, store_option
from platectl.cli.render import print_table, say
from platectl.cli.subject import WORDS, examine, subject_of, wake, words_argument
from platectl.cli.zones import local_time, zone_option
from platectl.domain.errors import UserInputError
from platectl.domain.local_time import YEARS, instant
from platectl.domain.units import format_duration, parse_quantity
from platectl.nights.book import Book, stamp
from platectl.nights.calendar import (
    Calendar,
    Cron,
    Interval,
    Once,
    Timing,
    describe,
    next_after,
)
from platectl.nights.cron import parse_weekdays
from platectl.nights.queue import Queue
from platectl.nights.schedules import Missed, Schedule, Schedules, Start
from platectl.nights.submission import Needs
from platectl.transport.wall_clock import WallClock

_SHOWN = 5
_LATE = re.compile(r"late within (.+)")
#: options of one kind of timing, and that kind
_BELONGS = {
    "anchor": ("--from", "interval"), "at": ("--at", "days"), "holidays": ("--holidays", "days"),
    "instead": ("--instead", "days"),
}  # fmt: skip


@click.group()
def schedule() -> None:
    """Say what is run when; `platectl serve` does it."""


@schedule.command(context_settings=WORDS, short_help="Add a schedule.")
@click.argument("name")
@words_argument
@click.option("--cron", help="Five fields, like '30 21 * * mon-fri'.")
@click.option("--once", help="One local time, like '2026-03-28 21:30'.")
@click.option("--interval", help="Elapsed time, like '8 h'.")
@click.option("--from", "anchor", help="With --interval: the first start (default: now).")
@click.option("--days", help="Weekdays, like mon-fri or mon,wed; with --at.")
@click.option("--at", help="With --days: local time, HH:MM.")
@click.option(
    "--holidays", help="With --days: dates to leave out, with commas; or a file with one a line."
)
@click.option(
    "--instead", is_flag=True, help="With --holidays: start on the next working day instead."
)
@zone_option
@click.option("--missed", default="ask", show_default=True, help="ask, skip, or 'late within 2 h'.")
@click.option("--not-after", metavar="HH:MM", help="Local time by which a run has to be over.")
@click.option(
    "--priority", type=PRIORITY, default=0, show_default=True, help="Higher starts first."
)
@click.option(
    "--restart", type=click.Choice(["resume", "hold"]), default="resume", show_default=True,
    help="What is done about a run whose process died.",
)  # fmt: skip
@store_option
@json_option
def add(
    name: str, words: tuple[str, ...], zone: str, missed: str, not_after: str | None,
    priority: int, restart: Any, store: Path, as_json: bool, **when: Any,
) -> int:  # fmt: skip
    """Add schedule NAME: run PROTOCOL, with the options of `platectl run`, at given times.

    Give one of --cron, --once, --interval and --days. The files are checked now, and again at each
    start.
    """
    now = WallClock().now()
    policy, late_s = _missed(missed)
    limit = None if not_after is None else local_time(not_after)
    subject = subject_of(words)
    made = Schedule(
        name, _timing(when, zone, now), subject, policy, late_s, priority, limit, restart
    )
    needs = examine(subject, made.next(now) or now)
    _check_room(made, needs, now)
    with Book(store) as book:
        Schedules(book, Queue(book)).add(made, now)
    wake(store)
    at = made.next(now)
    if as_json:
        emit_json({"schedule": name, "next": at and stamp(at), "planned_s": needs.planned_s})
    else:
        say(f"{name}: {describe(made.timing)}; next {_shown(at, zone)}; a run takes "
            f"{format_duration(needs.planned_s)} on {', '.join(needs.instruments)}")  # fmt: skip
    return 0


@schedule.command("list", short_help="List schedules and open decisions.")
@store_option
@json_option
def list_(store: Path, as_json: bool) -> int:
    """List schedules, and missed starts that wait for a decision."""
    now = WallClock().now()
    with Book(store) as book:
        table = Schedules(book, Queue(book))
        rows = [(s, s.next(now), table.last_start(s.name)) for s in table.all()]
        open_starts = table.starts("missed", "asked")
    if as_json:
        emit_json({
            "schedules": [_json(s, at, last) for s, at, last in rows],
            "decisions": [
                {"start": s.id, "due": stamp(s.due), "state": s.state, "reason": s.reason}
                for s in open_starts
            ],
        })  # fmt: skip
        return 0
    print_table(
        ("schedule", "when", "what", "next", "last"),
        [
            (s.name, describe(s.timing), str(s.subject),
             "paused" if s.state == "paused" else _shown(at, s.timing.zone),
             "" if last is None else f"{_shown(last.due, s.timing.zone)} {last.state}"
             + (f": {last.reason}" if last.reason else ""))
            for s, at, last in rows
        ],
    )  # fmt: skip
    for start in open_starts:
        say(f"{start.id} was missed: {start.reason or 'not yet judged'}; "
            f"`platectl schedule decide {start.schedule} run` or `skip`")  # fmt: skip
    return 0


@schedule.command("next", short_help="Show the next starts.")
@click.argument("name", required=False)
@click.option(
    "--count", type=click.IntRange(1, 366), default=_SHOWN, show_default=True, help="How many."
)
@store_option
@json_option
def next_(name: str | None, count: int, store: Path, as_json: bool) -> int:
    """Show the next starts of schedule NAME, or of all, in local time and UTC."""
    now = WallClock().now()
    with Book(store) as book:
        table = Schedules(book, Queue(book))
        chosen = table.all() if name is None else [table.get(name)]
    coming = sorted((at, s.name, s.timing.zone) for s in chosen for at in _coming(s, now, count))
    coming = coming[:count]
    if as_json:
        emit_json({"next": [{"schedule": n, "at": stamp(at), "zone": z} for at, n, z in coming]})
        return 0
    print_table(
        ("schedule", "local", "UTC"),
        [(n, _shown(at, z), f"{at:%Y-%m-%d %H:%M}") for at, n, z in coming],
    )
    return 0


@schedule.command(short_help="Have a schedule start nothing.")
@click.argument("name")
@store_option
def pause(name: str, store: Path) -> int:
    """Have schedule NAME start nothing; what falls due meanwhile is left out."""
    with Book(store) as book:
        Schedules(book, Queue(book)).pause(name)
    wake(store)
    say(f"{name} is paused")
    return 0


@schedule.command(short_help="Have a schedule start again from now on.")
@click.argument("name")
@store_option
def resume(name: str, store: Path) -> int:
    """Have schedule NAME start what falls due from now on, also when the clock was set back."""
    now = WallClock().now()
    with Book(store) as book:
        table = Schedules(book, Queue(book))
        table.resume(name, now)
        found = table.get(name)
    wake(store)
    say(f"{name}: next {_shown(found.next(now), found.timing.zone)}")
    return 0


@schedule.command(short_help="Forget a schedule.")
@click.argument("name")
@store_option
def remove(name: str, store: Path) -> int:
    """Forget schedule NAME; what it submitted stays in the queue."""
    with Book(store) as book:
        Schedules(book, Queue(book)).remove(name, WallClock().now())
    wake(store)
    say(f"{name} is removed")
    return 0


@schedule.command(short_help="Decide about a missed start.")
@click.argument("start")
@click.argument("decision", type=click.Choice(["run", "skip"]))
@store_option
@by_option
@reason_option
def decide(start: str, decision: str, store: Path, by: str, reason: str) -> int:
    """Decide about a missed START (the name of a schedule, or what `list` shows): run it now, or skip it."""
    with Book(store) as book:
        table = Schedules(book, Queue(book))
        wanted = start
        if "@" not in start:
            waits = table.starts("missed", "asked", schedule=start)
            if not waits:
                raise UserInputError(f"no start of {start} waits for a decision")
            wanted = waits[-1].id
        found = table.decide(
            wanted, run=decision == "run", by=by, reason=reason, now=WallClock().now()
        )
    wake(store)
    say(f"{found.id}: {'submitted' if decision == 'run' else 'left out'}")
    return 0


def _coming(found: Schedule, now: datetime, count: int) -> Iterable[datetime]:
    at = found.next(now)
    for _ in range(count):
        if at is None:
            return
        yield at
        at = next_after(found.timing, at)


def _timing(when: dict[str, Any], zone: str, now: datetime) -> Timing:
    """The one timing that was given.

    Raises:
        click.UsageError: None, several, or one that says nothing.
    """
    kinds = [kind for kind in ("cron", "once", "interval", "days") if when[kind] is not None]
    if len(kinds) != 1:
        raise click.UsageError("give one of --cron, --once, --interval and --days")
    for name, (option, kind) in _BELONGS.items():
        if when[name] and kind != kinds[0]:
            raise click.UsageError(f"{option} goes with --{kind}, not with --{kinds[0]}")
    try:
        if when["cron"] is not None:
            return Cron(expression=when["cron"], zone=zone)
        if when["once"] is not None:
            return Once(local=_local(when["once"]), zone=zone)
        if when["interval"] is not None:
            every_s = round(parse_quantity(when["interval"], "duration"))
            first = when["anchor"]
            anchor = instant(_local(first), ZoneInfo(zone)) if first else now
            return Interval(every_s=every_s, anchor=anchor, zone=zone)
        if when["at"] is None:
            raise click.UsageError("--days needs --at HH:MM")
        return Calendar(
            weekdays=parse_weekdays(when["days"]), at=local_time(when["at"]), zone=zone,
            holidays=_holidays(when["holidays"]), instead=when["instead"],
        )  # fmt: skip
    except ValidationError as error:
        raise click.UsageError("; ".join(e["msg"] for e in error.errors())) from None


def _check_room(made: Schedule, needs: Needs, now: datetime) -> None:
    """Refuse a schedule that its own runs can never keep.

    Raises:
        UserInputError: They take longer than the time that is given to them, or than an interval.
    """
    takes, due = format_duration(needs.planned_s), made.next(now)
    limit = None if due is None else made.limit(due)
    if due is not None and limit is not None and needs.ends(due) > limit:
        left_s = (limit - max(due, needs.starts or due)).total_seconds()
        room = format_duration(max(left_s, 0.0))
        raise UserInputError(
            f"{made.name} would never fit: a run takes {takes}, and from its start to --not-after "
            f"there are {room}"
        )
    if isinstance(made.timing, Interval) and made.timing.every_s < needs.planned_s:
        every = format_duration(made.timing.every_s)
        raise UserInputError(
            f"{made.name} would never catch up: a run takes {takes}, one begins every {every}"
        )


def _local(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None or found.year not in YEARS:
        raise click.UsageError(f"{text!r} is no local time; write it like '2026-03-28 21:30'")
    return found


def _holidays(text: str | None) -> frozenset[date]:
    """Dates, or the lines of a file; what follows a # is a comment."""
    if not text:
        return frozenset()
    lines = (
        Path(text).read_text(encoding="utf-8").splitlines()
        if Path(text).is_file()
        else text.split(",")
    )
    dates = [line.partition("#")[0].strip() for line in lines]
    try:
        return frozenset(date.fromisoformat(item) for item in dates if item)
    except ValueError as error:
        raise click.UsageError(f"--holidays: {error}; write dates like 2026-12-25") from None


def _missed(text: str) -> tuple[Missed, int]:
    if text == "ask":
        return "ask", 0
    if text == "skip":
        return "skip", 0
    if match := _LATE.fullmatch(text.strip()):
        late_s = round(parse_quantity(match[1], "duration"))
        if late_s <= 0:
            raise click.UsageError(
                f"--missed {text!r}: a start can only be late by more than nothing"
            )
        return "late", late_s
    raise click.UsageError(f"--missed {text!r}: write ask, skip, or 'late within 2 h'")


def _shown(at: datetime | None, zone: str) -> str:
    return "never" if at is None else f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"


def _json(found: Schedule, at: datetime | None, last: Start | None) -> dict[str, Any]:
    return {
        "name": found.name, "when": describe(found.timing), "zone": found.timing.zone,
        "arguments": list(found.subject.arguments), "state": found.state,
        "missed": found.missed, "priority": found.priority, "next": at and stamp(at),
        "last": None if last is None else {"start": last.id, "state": last.state, "reason": last.reason},
    }  # fmt: skip
