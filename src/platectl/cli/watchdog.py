"""`platectl watchdog`: a process of its own that says when a run is silent, late or in need."""

from __future__ import annotations

import time
from pathlib import Path

import click

from platectl.app.notify import load_notices, notify
from platectl.app.watchdog import Alarm, Limits, Watchdog
from platectl.cli.options import FILE, store_option
from platectl.domain.notices import NoticeKind

KINDS: dict[str, NoticeKind] = {"person_needed": "person_needed"}
ENDS: dict[str, NoticeKind] = {
    "done": "end", "stopped": "end", "failed": "failure", "aborted": "failure", "held": "hold",
}  # fmt: skip


@click.command()
@click.argument("run")
@store_option
@click.option("--notify", "notices", type=FILE, help="Whom to tell, and how (notify.yaml).")
@click.option(
    "--every",
    type=click.FloatRange(0.1),
    default=5.0,
    show_default=True,
    help="Seconds between looks.",
)
@click.option(
    "--silent",
    type=click.FloatRange(1.0),
    default=60.0,
    show_default=True,
    help="Seconds without a beat.",
)
def watchdog(run: str, store: Path, notices: Path | None, every: float, silent: float) -> int:
    """Watch a RUN (the name of its folder, or `latest`) until it is over."""
    folder = _folder(store, run)
    told = load_notices(notices)

    def say(kind: NoticeKind, text: str) -> None:
        for problem in notify(told, kind, folder.name, text):
            click.echo(problem, err=True)

    def tell(alarm: Alarm) -> None:
        click.echo(f"{alarm.kind}: {alarm.text}")
        say(KINDS.get(alarm.kind, "silence"), alarm.text)

    dog = Watchdog(folder, tell, time.monotonic, time.sleep, Limits(silent_s=silent))  # noqa: TID251  # a process of its own, on the wall clock
    last = dog.run(every)
    text = f"{folder.name} is over: {last.state}"
    if last.state == "held":
        text = f"{folder.name} is held for a person; `platectl resume {folder.name}` goes on"
    click.echo(text)
    say(ENDS[last.state], text)
    return 0


def _folder(store: Path, run: str) -> Path:
    """The run folder, found without the index, which may be what is broken."""
    if run != "latest":
        if not (store / run).is_dir():
            raise click.UsageError(f"there is no folder {store / run}")
        return store / run
    folders = sorted((p for p in store.glob("*/") if p.is_dir()), key=lambda p: p.stat().st_mtime)
    if not folders:
        raise click.UsageError(f"there is no run in {store}")
    return folders[-1]
