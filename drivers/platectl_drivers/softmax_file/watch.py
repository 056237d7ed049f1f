"""What is to be known of an export while it grows, and which one is of a title."""

from __future__ import annotations

from platectl.transport.drop_watch import Look
from platectl_drivers.softmax_file.export_text import progress


def look(data: bytes) -> Look:
    """How far an export has grown.

    Sections of a title are the one called so and, for `sections: column`, those called so with a
    column after it: a plate section states both.
    """
    grown = progress(data)
    stated = dict.fromkeys(
        plate for name in grown.plates for plate in (name, _without_column(name))
    )
    return Look(tuple(stated), grown.whole, f"has {grown.ended} of {grown.announced} blocks")


def _without_column(name: str) -> str:
    title, _, column = name.rpartition(" ")
    return title if title and column.isdecimal() else name
