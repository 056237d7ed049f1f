"""`platectl replay`: a recorded night, again, byte by byte."""

from __future__ import annotations

from pathlib import Path

import click

from platectl.app.replay import replay_run
from platectl.cli.options import emit_json, json_option, store_option
from platectl.cli.render import print_table
from platectl.store.index import RunIndex


@click.command()
@click.argument("run")
@store_option
@json_option
def replay(run: str, store: Path, as_json: bool) -> int:
    """Say what was said in a simulated RUN to fresh simulators, and compare every answer byte."""
    rows = replay_run(Path(RunIndex(store).find(run)["folder"]))
    same = all(row.first_difference is None for row in rows)
    if as_json:
        emit_json({"identical": same, "instruments": [
            {"name": r.instrument, "said": r.said, "answered": r.answered, "first_difference": r.first_difference} for r in rows]})  # fmt: skip
    else:
        print_table(("instrument", "bytes said", "bytes answered", "first difference"),
                    [(r.instrument, str(r.said), str(r.answered), "none" if r.first_difference is None else str(r.first_difference)) for r in rows])  # fmt: skip
    return 0 if same else 3
