"""The base of everything that a person writes in an assay file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Doc(BaseModel):
    """A part of a file: frozen, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def flattened(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Single values of nested mappings and lists under dotted names; empty ones are left out."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from flattened(item, f"{place}.{name}" if place else str(name))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value, start=1):
            yield from flattened(item, f"{place}.{number}")
    else:
        yield place, value
