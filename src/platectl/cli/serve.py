"""`platectl serve`: the daemon that starts runs when nobody is there."""

from __future__ import annotations

import getpass
import shlex
import sys
from pathlib import Path

import click

from platectl.cli.options import FILE, emit_json, json_option, store_option
from platectl.cli.zones import local_time, zone_option

EVERY_S = 5.0


@click.command()
@store_option
@click.option("--notify", "notices", type=FILE, help="Whom to tell, and how (notify.yaml).")
@click.option("--morning", metavar="HH:MM", help="When the morning report is sent, in local time.")
@zone_option
@click.option("--status", is_flag=True, help="Only say what the daemon of the store does.")
@click.option("--print-unit", is_flag=True, help="Only print a systemd unit with these options.")
@click.option(
    "--every", type=click.FloatRange(0.05), default=EVERY_S, show_default=True, help="Seconds between looks.",
)  # fmt: skip
@click.option("--runner", hidden=True, help="Program that is begun instead of platectl.")
@json_option
def serve(
    store: Path, notices: Path | None, morning: str | None, zone: str, status: bool,
    print_unit: bool, every: float, runner: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Serve the store in the foreground: start runs by schedule and from the queue.

    Runs are processes of their own and go on when the daemon ends; a new daemon finds them again.
    """
    if status:
        return _status(store, as_json=as_json)
    from pydantic import ValidationError

    from platectl.app.notify import load_notices
    from platectl.app.serve import Service
    from platectl.cli.run import log_to
    from platectl.nights.calendar import Cron
    from platectl.nights.daemon import Manners

    report = None
    if morning is not None:
        at = local_time(morning)
        try:
            report = Cron(expression=f"{at.minute} {at.hour} * * *", zone=zone)
        except ValidationError as error:
            raise click.UsageError(error.errors()[0]["msg"]) from None
    told = load_notices(notices)
    if print_unit:
        return _print_unit(store, notices, morning, zone, every)
    log_to(sys.stderr)
    command = (runner,) if runner else (sys.executable, "-m", "platectl")
    Service(store, command, told, Manners(every, report)).run()
    return 0


def _status(store: Path, *, as_json: bool) -> int:
    from platectl.app.channel import tell
    from platectl.domain.errors import DisconnectedError

    try:
        found = tell(store, "status")
    except DisconnectedError:
        found = {"serving": False}
    else:
        found = {"serving": True, **found}
    if as_json:
        emit_json(found)
    elif found["serving"]:
        counts = ", ".join(f"{found[s]} {s}" for s in ("queued", "running", "held"))
        click.echo(f"process {found['pid']} serves {store} since {found['since']}: {counts}; "
                   f"{found['schedules']} schedules, {found['waiting_decisions']} decisions wait")  # fmt: skip
        for notice in found["untold"]:
            click.echo(f"not everybody could be told: {notice}")
    else:
        click.echo(f"nobody serves {store}; `platectl serve` does")
    return 0 if found["serving"] else 3


def _print_unit(
    store: Path, notices: Path | None, morning: str | None, zone: str, every: float
) -> int:
    from platectl.app.serve import unit

    program = Path(sys.executable).with_name("platectl")
    words = [str(program), "serve", "--store", str(store.resolve())]
    if notices is not None:
        words += ["--notify", str(notices.resolve())]
    if morning is not None:
        words += ["--morning", morning, "--zone", zone]
    if every != EVERY_S:
        words += ["--every", f"{every:g}"]
    click.echo(unit(shlex.join(words), getpass.getuser()), nl=False)
    return 0
