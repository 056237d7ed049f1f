"""The morning report: what the night brought, what waits for a person, what the next night would be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from platectl.domain.units import format_duration
from platectl.nights.outbox import Outbox
from platectl.nights.queue import Queue
from platectl.nights.schedules import Schedules
from platectl.nights.submission import Submission, outcome_in_words


def morning_report(
    queue: Queue, schedules: Schedules, outbox: Outbox, now: datetime, *, since: datetime, zone: str
) -> str:
    """The report in plain text, with local times; it says what failed before anything else."""
    there = ZoneInfo(zone)
    ended = queue.ended_since(since)
    parts = [
        _part("Failed", [_ended(s, there) for s in ended if s.state == "failed"]),
        _part("Waits for a person", _waiting(queue, schedules, there)),
        _part("Done", [_ended(s, there) for s in ended if s.state == "done"]),
        _part("Cancelled", [_ended(s, there) for s in ended if s.state == "cancelled"]),
        _part("Under way", [_under_way(s, now) for s in queue.all("claimed", "running")]),
        _part("Missed and left out", _left_out(schedules, since, there)),
        _part("Not told", [f"{n.kind}: {n.text}" for n in outbox.undelivered(since)]),
        _part("Proposed next night", _next_night(queue, schedules, ended, now)),
    ]
    head = f"Morning report of {_local(now, there)} {zone}, since {_local(since, there)}"
    if not ended and not queue.all("claimed", "running", "held"):
        head += "\n\nNothing was run."
    return "\n\n".join([head, *(part for part in parts if part)]) + "\n"


def _part(title: str, lines: Iterable[str]) -> str:
    listed = [f"  - {line}" for line in lines]
    return "\n".join([f"{title}:", *listed]) if listed else ""


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _ended(submission: Submission, zone: ZoneInfo) -> str:
    """One run that is over."""
    outcome = submission.outcome
    said = [f"{submission.name}, {_local(submission.ended, zone)}"]
    if submission.reason:
        said.append(submission.reason)
    said += outcome_in_words(outcome)
    if "results" in outcome:
        said.append(f"review: {outcome.get('review', 'unsigned')}")
    if count := len(outcome.get("warnings", ())):
        said.append(f"{count} deviations")
    if report := outcome.get("report"):
        said.append(str(report))
    return "; ".join(said)


def _under_way(submission: Submission, now: datetime) -> str:
    if submission.began is None or submission.needs is None:
        return submission.name
    left_s = (submission.needs.ends(submission.began) - now).total_seconds()
    return f"{submission.name}, about {format_duration(max(left_s, 0.0))} left"


def _waiting(queue: Queue, schedules: Schedules, zone: ZoneInfo) -> list[str]:
    """Decisions and held runs, with the command that answers each."""
    lines = [
        f"{start.schedule} missed its start of {_local(start.due, zone)}: {start.reason or 'not yet judged'}; "
        f"`platectl schedule decide {start.schedule} run` or `skip`"
        for start in schedules.starts("missed", "asked")
    ]
    lines += [
        f"{s.name} is held: {s.reason.split('; `platectl queue release')[0]}; "
        f"`platectl queue release {s.id}` goes on, `platectl queue cancel {s.id}` gives it up"
        for s in queue.all("held")
    ]
    lent = sorted(set(queue.leases.all().values()))
    lines += [
        f"{s.name} keeps {', '.join(queue.leases.of(s.id))}; `platectl queue clear {s.id}`"
        for s in map(queue.get, lent)
        if s.state in {"failed", "cancelled"}
    ]
    return lines


def _left_out(schedules: Schedules, since: datetime, zone: ZoneInfo) -> list[str]:
    return [
        f"{start.schedule}, {_local(start.due, zone)}: {start.reason}"
        for start in schedules.starts("skipped")
        if start.due > since
    ]


def _next_night(
    queue: Queue, schedules: Schedules, ended: list[Submission], now: datetime
) -> list[str]:
    """What is queued, what the schedules bring, and what is worth repeating."""
    lines = [f"{s.name}: {s.subject} (queued)" for s in queue.all("queued")]
    nexts = ((schedule.next(now), schedule) for schedule in schedules.all())
    coming = sorted(
        ((at, schedule) for at, schedule in nexts if at is not None), key=lambda pair: pair[0]
    )
    lines += [
        f"{_local(at, ZoneInfo(schedule.timing.zone))} {schedule.timing.zone}: "
        f"{schedule.name}, {schedule.subject}"
        for at, schedule in coming
    ]
    for submission in ended:
        again = [*submission.outcome.get("dropped", ()), *submission.outcome.get("failed", ())]
        if again:
            lines.append(f"repeat from {submission.name}: {', '.join(dict.fromkeys(again))}")
        elif submission.state == "failed":
            lines.append(f"repeat {submission.name}: {submission.subject}")
    return lines or ["nothing is queued or scheduled"]
