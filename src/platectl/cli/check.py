"""`platectl check`: everything that can be known before anything moves."""

from __future__ import annotations

from pathlib import Path

import click

from platectl.app.prepare import Options, prepare
from platectl.cli.options import (
    emit_json,
    file_options,
    json_option,
    parse_overrides,
    parse_randomise,
    randomise_option,
    store_option,
)
from platectl.cli.render import print_table, say
from platectl.domain.findings import InputRefusedError
from platectl.domain.units import format_duration
from platectl.transport.wall_clock import WallClock


@click.command()
@click.argument("protocol")
@file_options
@randomise_option
@store_option
@click.option("--steps", "show_steps", is_flag=True, help="List the planned steps.")
@json_option
def check(
    protocol: str, lab: Path | None, samples: Path | None, truth: Path | None, layout: str | None,
    overrides: tuple[str, ...], randomise: tuple[str, ...], store: Path, show_steps: bool, as_json: bool,
) -> int:  # fmt: skip
    """Check PROTOCOL with lab file and sample sheet: volumes, tips, reagents, windows, capabilities.

    All findings are printed at once, each with file, line, field or well, and what would be right.
    """
    options = Options(
        protocol, lab, samples, truth, layout, parse_overrides(overrides),
        randomise=parse_randomise(randomise), store=store,
    )  # fmt: skip
    try:
        night = prepare(options, now=WallClock().now())
    except InputRefusedError as error:
        if as_json:
            emit_json({"ok": False, "findings": [str(f) for f in error.findings]})
            return 2
        raise
    run = night.compiled
    if show_steps:
        rows = [
            (
                format_duration(s.planned_start_s),
                s.id,
                s.title,
                format_duration(s.duration_s),
                s.effect,
            )
            for s in run.steps
        ]
        print_table(("start", "step", "what", "takes", "effect"), rows, title=run.heading)
    if as_json:
        emit_json({"ok": True, "findings": [str(w) for w in night.warnings], "plates": len(run.plates),
                   "steps": len(run.steps), "planned_s": run.planned_end_s})  # fmt: skip
        return 0
    for warning in night.warnings:
        say(f"warning: {warning}")
    say(
        f"{run.label}: {len(run.plates)} plate(s), {len(run.steps)} steps, {format_duration(run.planned_end_s)}; nothing forbids the run"
    )
    return 0
