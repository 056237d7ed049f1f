"""What the lab file says of a pump stand."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How one pump stand is driven; the pressure counts as reached within `tolerance_mbar`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relay_channel: int = Field(default=1, ge=1, le=8)
    atmosphere_mbar: float = Field(default=1013.0, ge=500, le=1060)
    lowest_mbar: float = Field(default=-800.0, ge=-1060, lt=0)
    tolerance_mbar: float = Field(default=20.0, gt=0, le=200)
    reach_s: float = Field(default=30.0, gt=0, le=600)
    vent_s: float = Field(default=15.0, gt=0, le=120)
    poll_s: float = Field(default=0.5, gt=0, le=10)
