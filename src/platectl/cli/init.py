"""`platectl init`: a working set of files to start from."""

from __future__ import annotations

from pathlib import Path

import click

from platectl.app.truth import default_truth_path
from platectl.cli.options import emit_json, json_option
from platectl.cli.render import say
from platectl.domain.errors import UserInputError
from platectl.files.protocol import bundled


def starting_files() -> dict[str, Path]:
    """Name -> bundled file of everything that a person may want to edit."""
    sources = {path.name: path for path in sorted(bundled("").glob("*.yaml"))}
    sources["lab.yaml"] = sources.pop("simulated-lab.yaml")
    return {**sources, "samples.csv": bundled("samples.csv"), "truth.yaml": default_truth_path()}


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@json_option
def init(directory: Path, as_json: bool) -> int:
    """Write protocols, lab file, sample sheet and truth into DIRECTORY; nothing is overwritten."""
    sources = starting_files()
    if taken := [name for name in sources if (directory / name).exists()]:
        raise UserInputError(f"{directory / taken[0]} exists already; choose another directory")
    directory.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        (directory / name).write_bytes(source.read_bytes())
    command = f"platectl run {directory}/sigma1-binding.yaml --lab {directory}/lab.yaml --samples {directory}/samples.csv --truth {directory}/truth.yaml"
    if as_json:
        emit_json({"directory": str(directory), "files": sorted(sources), "command": command})
    else:
        say(f"wrote {', '.join(sorted(sources))} to {directory}; now:\n  {command}")
    return 0
