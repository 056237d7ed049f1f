"""`platectl export`: a run in the formats of other programs, and archives verified."""

from __future__ import annotations

from pathlib import Path

import click

from platectl.cli.options import FILE, emit_json, json_option, look_options, store_option
from platectl.cli.render import say
from platectl.store.index import RunIndex


@click.command()
@click.argument("run", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["excel", "parquet", "json", "asm", "prism", "archive"]),
    help="asm is Allotrope Simple Model, prism a .pzfx file, archive a zip of everything.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write; for parquet and asm a folder (default: exports/ in the run folder, "
    "RUN.zip beside it for an archive).",
)
@click.option(
    "--verify", type=FILE, help="Verify an archive instead; exit code 3 if it is not whole."
)
@store_option
@look_options
@json_option
def export(
    run: str | None,
    form: str | None,
    out: Path | None,
    verify: Path | None,
    store: Path,
    by: str | None,
    reason: str,
    as_json: bool,
) -> int:
    """Write a RUN in another format, or --verify an archive of one."""
    if verify is not None:
        return _verify(verify, as_json=as_json)
    if run is None or form is None:
        raise click.UsageError("name a RUN and a --format, or an archive to --verify")
    from platectl.app.exports import export_run  # heavy

    paths = export_run(RunIndex(store).folder_of(run), form, out, by=by, reason=reason)
    if form == "archive":
        return _verify(paths[0], as_json=as_json)
    if as_json:
        emit_json({"format": form, "files": [str(path) for path in paths]})
    else:
        for path in paths:
            say(f"{form}: {path}")
    return 0


def _verify(path: Path, *, as_json: bool) -> int:
    """Say what an archive holds and whether it is whole."""
    from platectl.report.exports.archive import verify_archive  # heavy

    found = verify_archive(path)
    if as_json:
        emit_json({
            "format": "archive", "files": [str(path)], "run_hash": found.run_hash,
            "members": found.files, "entries": found.entries,
            "findings": [str(finding) for finding in found.findings],
        })  # fmt: skip
    elif found.findings:
        for finding in found.findings:
            say(str(finding))
    else:
        say(f"archive: {path}: {found.files} files and {found.entries} ledger entries, all whole")
    return 3 if found.findings else 0
