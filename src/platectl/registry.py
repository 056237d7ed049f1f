"""Finds drivers, simulators, scenes and readers of export files by entry point; the core imports none."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from platectl.domain.errors import UserInputError

DRIVERS = "platectl.drivers"
SIMULATORS = "platectl.simulators"
#: functions that put one driver on stage, for platectl.conformance
SCENES = "platectl.scenes"
#: functions (content, name of the file) -> CountReading of each well, which raise MalformedReplyError
EXPORTS = "platectl.exports"
#: functions (content, name of the file) -> ExportedTrace of each well and channel, likewise
TRACES = "platectl.traces"


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        if entry.name in found and found[entry.name].value != entry.value:
            raise UserInputError(
                f"two installed packages offer {entry.name!r} in {group}: "
                f"{found[entry.name].value} and {entry.value}; uninstall one"
            )
        found[entry.name] = entry
    return found


def names(group: str = DRIVERS) -> tuple[str, ...]:
    """Names that are installed in a group, sorted."""
    return tuple(sorted(_entries(group)))


def module_of(group: str, name: str) -> str:
    """Module behind an installed name; imports nothing."""
    return _entries(group)[name].module


def load(group: str, name: str) -> Any:
    """Import and return the class behind a name.

    Raises:
        UserInputError: No installed package offers the name, or its module cannot be imported.
    """
    entries = _entries(group)
    if name not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise UserInputError(
            f"no {group.rsplit('.', 1)[1][:-1]} named {name!r}; installed: {known}"
        )
    try:
        return entries[name].load()
    except ImportError as error:
        raise UserInputError(f"{name!r} is installed but cannot be imported: {error}") from error
