"""`platectl plan`: when everything happens, when a person is needed, and how tight it is."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from platectl.app.prepare import Night, Options, prepare
from platectl.cli.options import (
    NEW_FILE,
    emit_json,
    file_options,
    json_option,
    parse_overrides,
    store_option,
)
from platectl.cli.render import console, print_table, say
from platectl.domain.findings import InputRefusedError
from platectl.domain.units import format_duration
from platectl.planning.overview import Overview, clock_of, overview, span_of
from platectl.transport.wall_clock import WallClock

COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red", "white")
NAME_WIDTH = 16
WINDOWS_SHOWN = 8


@click.command()
@click.argument("night")
@file_options
@store_option
@click.option("--html", type=NEW_FILE, help="Write the plan as a page that opens offline.")
@json_option
def plan(
    night: str, lab: Path | None, samples: Path | None, truth: Path | None, layout: str | None,
    overrides: tuple[str, ...], store: Path, html: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Plan NIGHT, a night file or a protocol: times of all plates, people, windows, instruments.

    Nothing is sent to any instrument. A night that cannot be planned is refused with the reason.
    """
    options = Options(night, lab, samples, truth, layout, parse_overrides(overrides), store=store)
    try:
        found = prepare(options, now=WallClock().now())
    except InputRefusedError as error:
        if as_json:
            emit_json({"ok": False, "findings": [str(f) for f in error.findings]})
            return 2
        raise
    summary = overview(found.compiled)
    if html is not None:
        from platectl.report.plan import write_plan

        write_plan(html, found.compiled, summary, zone=found.zone)
    if as_json:
        from platectl.report.plan import plan_json

        emit_json({"ok": True, **plan_json(found.compiled, summary)})
        return 0
    for warning in found.warnings:
        say(f"warning: {warning}")
    _show(found, summary)
    if html is not None:
        say(f"plan: {html}")
    return 0


def _show(night: Night, found: Overview) -> None:
    """Gantt, people, tightest windows and utilisation on the terminal."""
    at = clock_of(night.compiled, zone=night.zone)
    _gantt(night, at(0.0), at(found.end_s))
    print_table(
        ("who", "from", "to", "for"),
        [(v.person, at(v.begin_s), at(v.end_s), "; ".join(v.tasks)) for v in found.visits],
        title="When a person is needed",
    )
    print_table(
        ("window", "plate", "planned", "slack"),
        [
            (w.window, w.plate, format_duration(w.planned_s), format_duration(w.slack_s))
            for w in found.windows[:WINDOWS_SHOWN]
            if w.slack_s != float("inf")
        ],
        title="Tightest windows",
    )
    print_table(
        ("instrument", "works", "share"),
        [(u.instrument, format_duration(u.busy_s), f"{100 * u.share:.0f} %") for u in found.uses],
        title="Instruments",
    )
    proof = f", no plan ends before {at(found.bound_s)} (gap {100 * found.gap:.1f} %)"
    say(
        f"{night.compiled.heading}: {len(found.plates)} plate(s), "
        f"{span_of(night.compiled, zone=night.zone)} ({format_duration(found.end_s)}), by {found.method}"
        f"{proof if found.bound_s else ''}"
    )


def _gantt(night: Night, begins: str, ends: str) -> None:
    from platectl.report.gantt import gantt_text, legend

    out = console()
    run = night.compiled
    width = max(out.width - NAME_WIDTH - 1, 20)
    colours = {p.name: COLOURS[n % len(COLOURS)] for n, p in enumerate(run.plates)}
    out.print(f"{'':{NAME_WIDTH}} {begins}{ends:>{width - len(begins)}}")
    for name, cells in gantt_text(run, width=width):
        line = Text(f"{name[:NAME_WIDTH]:>{NAME_WIDTH}} ")
        for sign, plate in cells:
            line.append(sign, style=colours.get(plate, "dim"))
        out.print(line)
    if named := legend(run):
        out.print(named, style="dim", soft_wrap=True)
