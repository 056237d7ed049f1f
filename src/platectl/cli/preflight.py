"""`platectl preflight`: whether everything is there for a night, and what to prepare."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import click

from platectl.app.preflight import Preflight, perform, surroundings_of
from platectl.app.preflight.listing import HEADER, fetch_rows, preflight_json, prepare_rows
from platectl.app.prepare import Options, prepare
from platectl.app.runs import new_run_name
from platectl.cli.options import (
    emit_json,
    file_options,
    json_option,
    keys_option,
    parse_overrides,
    parse_randomise,
    randomise_option,
    stock_option,
    store_option,
    study_option,
)
from platectl.cli.render import print_table, say
from platectl.domain.findings import InputRefusedError
from platectl.store.keys import read_key
from platectl.transport.wall_clock import WallClock

SHORT = 2
SHOWN = {"no": 0, "unknown": 1, "yes": 2}
WORDS = {"no": "SHORT", "unknown": "unknown", "yes": "holds"}


@click.command()
@click.argument("night")
@file_options
@stock_option
@store_option
@study_option
@keys_option
@randomise_option
@click.option("--instruments", is_flag=True, help="Ask every instrument who it is; nothing moves.")
@json_option
def preflight(
    night: str, lab: Path | None, samples: Path | None, truth: Path | None, layout: str | None,
    overrides: tuple[str, ...], stock: Path | None, store: Path, study: str | None,
    keys: Path | None, randomise: tuple[str, ...], instruments: bool, as_json: bool,
) -> int:  # fmt: skip
    """Check whether all is there for NIGHT, a night file or a protocol, and list what to prepare.

    First what is missing, then reagents with the volumes to prepare, labware, and everything that
    holds. Exit code 2 when something is short.
    """
    name = new_run_name(store, Path(night).stem, WallClock().now().astimezone(UTC))
    options = Options(
        night,
        lab,
        samples,
        truth,
        layout,
        parse_overrides(overrides),
        run=name,
        stock=stock,
        key=read_key(keys or store / "keys", study) if study else None,
        randomise=parse_randomise(randomise),
        store=store,
    )
    try:
        prepared = prepare(options, now=WallClock().now())
    except InputRefusedError as error:
        if as_json:
            emit_json({"ok": False, "findings": [str(f) for f in error.findings]})
            return SHORT
        raise
    found = perform(prepared, surroundings_of(store), instruments=instruments)
    if as_json:
        emit_json(preflight_json(found))
    else:
        for warning in (*prepared.warnings, *found.warnings):
            say(f"warning: {warning}")
        _show(found)
    return SHORT if found.missing else 0


def _show(found: Preflight) -> None:
    missing = [(c.name, c.needed, c.there, c.fix) for c in found.missing]
    if missing:
        print_table(("short", "needed", "there", "what to do"), missing, title="Missing")
    print_table(HEADER, prepare_rows(found), title="Prepare")
    print_table(("fetch", "number"), fetch_rows(found), title="Labware")
    checks = sorted(found.checks, key=lambda c: SHOWN[c.ok])
    print_table(
        ("check", "needed", "there", ""),
        [(c.name, c.needed, c.there, WORDS[c.ok]) for c in checks if c.ok != "no"],
        title="What holds",
    )
    number, unknown = len(found.missing), sum(c.ok == "unknown" for c in found.checks)
    open_ones = f", {unknown} cannot be told" if unknown else ""
    verdict = f"{number} of {len(found.checks)} checks fail" if number else "nothing is missing"
    say(f"for {found.demand.at:%Y-%m-%d %H:%M} UTC: {verdict}{open_ones}")
