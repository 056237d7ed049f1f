"""The truth of a simulated lab: affinities, rates, errors of instruments. A file users may edit."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Truth(BaseModel):
    """Placeholder until the physics lands."""

    model_config = ConfigDict(extra="forbid", frozen=True)
