"""The base of everything that a person writes in an assay file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Doc(BaseModel):
    """A part of a file: frozen, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)
