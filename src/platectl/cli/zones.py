"""Local times and time zones on the command line."""

from __future__ import annotations

import os
from datetime import datetime, time
from pathlib import Path
from typing import Final

import click

from platectl.domain.local_time import YEARS

_LINK: Final = Path("/etc/localtime")


def computer_zone() -> str:
    """The time zone of this computer, as in `Europe/Berlin`; UTC when it does not say."""
    named = os.environ.get("TZ", "").removeprefix(":")
    if named and not named.startswith("/"):
        return named
    _, found, name = str(_LINK.resolve()).partition("/zoneinfo/")
    return name.removeprefix("posix/").removeprefix("Etc/") if found else "UTC"


zone_option = click.option(
    "--zone",
    default=computer_zone,
    help="Time zone of local times (default: that of this computer).",
)


def local_time(text: str) -> time:
    """Read HH:MM.

    Raises:
        click.UsageError: It is none.
    """
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.second or found.microsecond or found.tzinfo:
        raise click.UsageError(f"{text!r} is no time of the day; write HH:MM, like 21:30")
    return found


def moment(text: str) -> datetime:
    """Read a moment with its zone, ISO 8601.

    Raises:
        click.UsageError: It is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found.year not in YEARS:
        raise click.UsageError(f"{text!r} is no moment with a zone, like 2026-01-05T18:00:00Z")
    return found
