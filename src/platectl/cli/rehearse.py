"""`platectl rehearse`: nights in virtual time, with jitter and faults, before anything real is moved."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

import click
import structlog
from rich.progress import track

from platectl.app.outlook import Chance, Outlook, outlook
from platectl.app.prepare import Night, Options, prepare
from platectl.app.rehearse import NOT_BEGUN, Conditions, Rehearsed
from platectl.app.rehearse import rehearse as nights_of
from platectl.cli.options import (
    emit_json,
    file_options,
    json_option,
    parse_overrides,
    policy_option,
)
from platectl.cli.render import console, print_table, say
from platectl.domain.local_time import later
from platectl.domain.units import format_duration, format_molar
from platectl.planning.overview import begins_at, clock_of
from platectl.transport.wall_clock import WallClock

#: more nights than this are summed up, not listed
LISTED = 12
LINKS_SHOWN = 5
#: how a night may end
SOUND = {"done", "held", NOT_BEGUN}


@click.command()
@click.argument("night")
@file_options
@policy_option
@click.option("--nights", type=click.IntRange(1), default=10, show_default=True)
@click.option("--faults", type=click.IntRange(0), default=0, show_default=True,
              help="Random faults of the lines in each night.")  # fmt: skip
@click.option("--jitter", type=click.FloatRange(0, 50), default=3.0, show_default=True,
              help="Spread of what instruments take, in per cent.")  # fmt: skip
@click.option("--people-jitter", type=click.FloatRange(0, 100), default=25.0, show_default=True,
              help="Spread of what people take, in per cent.")  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the first night."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True,
              help="Nights at a time.")  # fmt: skip
@json_option
def rehearse(
    night: str, lab: Path | None, samples: Path | None, truth: Path | None, layout: str | None,
    overrides: tuple[str, ...], policy: Path | None, nights: int, faults: int, jitter: float,
    people_jitter: float, seed: int, jobs: int, as_json: bool,
) -> int:  # fmt: skip
    """Rehearse NIGHT, a night file or a protocol: the real engine and drivers, in virtual time.

    Of a real lab a simulated twin is rehearsed; nothing is sent to any port.
    Durations vary; with --faults the lines fail too: bytes are dropped, delayed, doubled, garbled,
    cut off, answers are late or lost, cables are pulled. Says how likely all windows are kept, when
    the night ends, what is tightest, and how good the answer will be. Exit code 3 if a night neither
    ended nor was held for a person.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    options = Options(
        night, lab, samples, truth, layout, parse_overrides(overrides), seed, policy=policy,
        twin=True,
    )  # fmt: skip
    conditions = Conditions(faults, jitter / 100, people_jitter / 100)
    prepared = prepare(options, now=WallClock().now())
    work = nights_of(prepared, nights=nights, conditions=conditions, seed=seed, jobs=jobs)
    out = console(quiet=as_json)
    found = list(track(work, "rehearsing", nights, console=out, disable=as_json))
    summary = outlook(found)
    if as_json:
        emit_json(
            {
                "simulated_twin": prepared.twin,
                "outlook": asdict(summary),
                "ends_at": _ends_at(summary, prepared),
                "nights": [_brief(n) for n in found],
            }
        )
    else:
        _list(found)
        _show(summary, prepared)
        if prepared.twin:
            say(
                f"rehearsed on a simulated twin of {prepared.compiled.lab.name}: same instruments, settings, "
                "layout and people, simulators at their addresses, and the bundled or the given truth"
            )
    return 3 if any(n.unsound or n.status not in SOUND for n in found) else 0


def _ends_at(summary: Outlook, night: Night) -> list[str]:
    """The percentiles of the end as moments; none for a night without a start."""
    begins = begins_at(night.compiled, zone=night.zone)
    return [] if begins is None else [later(begins, s).isoformat() for s in summary.end_s or ()]


def _brief(night: Rehearsed) -> dict[str, object]:
    content = asdict(night)
    for window in content["windows"]:
        window["left_s"] = None if window["left_s"] == float("-inf") else window["left_s"]
    return content


def _list(found: list[Rehearsed]) -> None:
    shown = [n for n in found if n.status != "done" or n.dropped or n.broken_windows or n.unsound]
    shown = found if len(found) <= LISTED else shown
    if shown:
        print_table(
            ("seed", "ended", "after", "windows broken", "wells lost", "plates given up", "plans", "faults"),
            [
                (
                    str(n.seed), n.status, format_duration(n.end_s), str(n.broken_windows),
                    str(n.lost_wells), ", ".join(n.dropped), str(n.replanned + 1), "; ".join(n.struck),
                )
                for n in shown
            ],
        )  # fmt: skip
    for night in shown:
        for text in (*night.unsound, *night.deviations, *([night.error] if night.error else [])):
            say(f"night {night.seed}: {text}")


def _show(summary: Outlook, night: Night) -> None:
    print_table(
        ("window", "broken", "least left", "median left"),
        [
            (link.window, str(link.broken), _left(link.least_left_s), _left(link.median_left_s))
            for link in summary.links[:LINKS_SHOWN]
        ],
        title="Weakest links",
    )
    print_table(
        ("compound", "constant", "median", "95 % interval", "nights"),
        [
            (
                e.compound, e.quantity, "" if e.value is None else format_molar(e.value),
                "open" if e.fold is None else f"times {e.fold:.2f}", str(e.nights),
            )
            for e in summary.expected
        ],
        title="What to expect of the answer",
    )  # fmt: skip
    say(f"{summary.nights} nights: {', '.join(f'{n} {s}' for s, n in summary.status.items())}")
    never = summary.status.get(NOT_BEGUN, 0)
    of = f", of the {summary.nights - never} that began" if never else ""
    if summary.all_windows_kept is not None:
        say(f"all hard windows kept: {_chance(summary.all_windows_kept)}{of}")
    lost = f"; plates of the {never} that never began count as lost" if never else ""
    say(f"all plates to the end: {_chance(summary.all_plates_kept)}{lost}")
    if summary.end_s is not None:
        early, middle, late = map(format_duration, summary.end_s)
        say(f"ends after {middle} (90 % between {early} and {late})")
        if night.compiled.starts is not None:
            early, middle, late = map(clock_of(night.compiled, zone=night.zone), summary.end_s)
            say(f"that is {middle} (between {early} and {late}, {night.zone or 'UTC'})")
    if summary.z_prime is not None:
        low, typical = summary.z_prime
        say(f"Z' {typical:.2f}, one plate in twenty below {low:.2f}")


def _left(seconds: float) -> str:
    if seconds == float("inf"):
        return "any"
    return format_duration(seconds) if seconds >= 0 else f"-{format_duration(-seconds)}"


def _chance(found: Chance) -> str:
    return f"{100 * found.share:.1f} % ({100 * found.lower:.1f} to {100 * found.upper:.1f} %)"
