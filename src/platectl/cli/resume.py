"""`platectl resume`: go on with a run after the death of its process."""

from __future__ import annotations

import getpass
import time
from pathlib import Path

import click

from platectl.app.channel import tell
from platectl.app.night import resume as go_on
from platectl.app.run_report import read_run
from platectl.cli.options import emit_json, json_option, store_option
from platectl.cli.render import LiveView, console, say
from platectl.cli.run import conclude, exit_code, log_to, watcher_of
from platectl.domain.errors import DisconnectedError
from platectl.store.index import RunIndex


@click.command()
@click.argument("run")
@store_option
@click.option(
    "--force", is_flag=True, help="Take the run from a process that lives but does not answer."
)
@click.option("--quiet", is_flag=True, help="No live view.")
@json_option
def resume(run: str, store: Path, force: bool, quiet: bool, as_json: bool) -> int:
    """Go on with a RUN (its name, the beginning of it, or `latest`) that was cut off, held or paused.

    One that is only paused goes on in its own process. Of one that was cut off, first every
    instrument is only looked at and asked about what was under way. What nobody can say is asked
    of a person; nothing that uses something up is ever sent twice.
    """
    began = time.perf_counter()
    folder = RunIndex(store).folder_of(run)
    if not force and _goes_on(folder):
        if as_json:
            emit_json({"run": folder.name, "status": "running"})
        else:
            say(f"{folder.name} goes on")
        return 0
    compiled, _ = read_run(folder)
    quiet = quiet or as_json
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log_to(log)
        with LiveView(compiled, console(quiet=quiet), watcher_of(folder)) as view:
            finished = go_on(folder, watch=view, force=force)
    summary = conclude(store, folder.name, compiled, finished, began=began, quiet=quiet)
    if as_json:
        emit_json(summary)
    return exit_code(summary)


def _goes_on(folder: Path) -> bool:
    """Tell a living engine to go on; whether there is one."""
    try:
        tell(folder, "continue", by=getpass.getuser())
    except DisconnectedError:
        return False
    return True
