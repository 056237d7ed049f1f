"""`platectl rehearse`: nights in virtual time, with faults, before anything real is moved."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click
import structlog
from rich.progress import track

from platectl.app.prepare import Options, prepare
from platectl.app.rehearse import Rehearsed
from platectl.app.rehearse import rehearse as nights_of
from platectl.cli.options import (
    emit_json,
    file_options,
    json_option,
    parse_overrides,
    policy_option,
)
from platectl.cli.render import console, print_table, say
from platectl.domain.units import format_duration


@click.command()
@click.argument("protocol")
@file_options
@policy_option
@click.option("--nights", type=click.IntRange(1), default=10, show_default=True)
@click.option("--faults", type=click.IntRange(0), default=0, show_default=True,
              help="Random faults of the lines in each night.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the first night.")
@json_option
def rehearse(
    protocol: str, lab: Path | None, samples: Path | None, truth: Path | None, layout: str | None,
    overrides: tuple[str, ...], policy: Path | None, nights: int, faults: int, seed: int, as_json: bool,
) -> int:  # fmt: skip
    """Rehearse a PROTOCOL on its simulated lab: the real engine and drivers, in virtual time.

    With --faults the lines fail: bytes are dropped, delayed, doubled, garbled, cut off, answers are
    late or lost, cables are pulled. Exit code 3 if a night neither ended nor was held for a person.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    options = Options(
        protocol, lab, samples, truth, layout, parse_overrides(overrides), seed, policy=policy
    )
    work = nights_of(prepare(options), nights=nights, faults=faults, seed=seed)
    out = console(quiet=as_json)
    found = list(track(work, "rehearsing", nights, console=out, disable=as_json))
    if as_json:
        emit_json({"nights": [asdict(night) for night in found], "status": _counts(found)})
    else:
        print_table(
            ("seed", "ended", "after", "windows broken", "wells lost", "plates given up", "faults"),
            [
                (
                    str(n.seed), n.status, format_duration(n.end_s), str(n.broken_windows),
                    str(n.lost_wells), ", ".join(n.dropped), "; ".join(n.struck),
                )
                for n in found
            ],
        )  # fmt: skip
        for night in found:
            for text in (*night.deviations, *([night.error] if night.error else [])):
                say(f"night {night.seed}: {text}")
        say(", ".join(f"{number} {status}" for status, number in _counts(found).items()))
    return 3 if any(n.status not in {"done", "held"} for n in found) else 0


def _counts(found: list[Rehearsed]) -> dict[str, int]:
    return dict(Counter(night.status for night in found))
