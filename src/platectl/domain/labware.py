"""Labware: plates, filter plates, reservoirs and tip racks, with geometry and volume limits."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.units import VolumeUl
from platectl.domain.wells import PlateFormat


class LabwareKind(BaseModel):
    """One catalogue entry. Volumes are per well, in microlitres.

    `load_name` is the name by which a liquid handler knows it (Opentrons catalogue, or a
    custom definition that the lab has installed on the robot).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["plate", "filter_plate", "reservoir", "tip_rack", "lid"]
    description: str = ""
    wells: int = 96
    max_volume: VolumeUl = Field(default=0.0, description="brim volume of a well")
    dead_volume: VolumeUl = Field(
        default=0.0, description="volume that cannot be drawn from a well"
    )
    height_mm: float = Field(default=14.4, gt=0)
    load_name: str = ""
    tip_volume: VolumeUl = 0.0

    @property
    def format(self) -> PlateFormat:
        """Grid of wells."""
        return PlateFormat.of(self.wells)
