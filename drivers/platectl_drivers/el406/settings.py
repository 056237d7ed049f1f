"""What the lab file says of a washer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings of one washer. Heights in 0.1 mm; `poll_s` is the pace of status polls."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bottom_z: int = Field(default=26, ge=1, le=200)
    dispense_z: int = Field(default=121, ge=1, le=210)
    poll_s: float = Field(default=0.5, gt=0, le=5)
    step_s: float = Field(default=120.0, gt=0, description="time granted to a step")
    cycle_s: float = Field(default=60.0, gt=0, description="time granted to a wash cycle")
