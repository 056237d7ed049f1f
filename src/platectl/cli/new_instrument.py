"""`platectl instruments new`: a package to start from."""

from __future__ import annotations

from pathlib import Path

import click

from platectl.app.new_instrument import write_instrument
from platectl.cli.options import emit_json, json_option
from platectl.cli.render import say


@click.command()
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path(),
    help="Directory in which the package is written (default: here).",
)  # fmt: skip
@json_option
def new(name: str, into: Path, as_json: bool) -> int:
    """Write a package for a new instrument: driver, simulator, scene, transcript."""
    written = write_instrument(name, into)
    root = written[0].parent
    commands = [
        f"pip install -e {root}",
        f"python -m pytest --pyargs platectl.conformance --driver {name}",
    ]
    if as_json:
        emit_json({"files": [str(path) for path in written], "commands": commands})
    else:
        say(f"wrote {root}; now:\n  " + "\n  ".join(commands))
    return 0
