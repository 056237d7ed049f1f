"""What the lab file says of an arm."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Grip(BaseModel):
    """How plates are held, instead of what the robot has stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width_mm: float = Field(ge=60, le=145)
    speed_percent: int = Field(default=50, ge=1, le=100)
    force_n: float = Field(default=10.0, gt=0, le=30)


class Settings(BaseModel):
    """Taught stations by position, and how the arm moves and grips."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stations: dict[str, int] = Field(default_factory=dict, description="position -> station number")
    speed_percent: int | None = Field(default=None, ge=1, le=100, description="None: as stored")
    grip: Grip | None = None
    compliance: int = Field(
        default=0, ge=0, le=1, description="1: horizontally soft in the last mm"
    )
    torque_percent: int = Field(default=0, ge=0, le=100, description="of the soft axes")
    power_s: int = Field(default=10, ge=1, le=120)
