"""What the lab file says of a Multidrop Combi."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: smallest and largest volume of a cassette, in microlitres
CASSETTE_UL: Final = {0: (5.0, 2500.0), 1: (0.5, 50.0), 2: (0.5, 2500.0), 3: (0.5, 2500.0)}


class Settings(BaseModel):
    """How one Multidrop Combi is fitted.

    `plate_type` overrides the choice of the lowest factory type that is as high as the plate;
    `clearance_mm` is what the head stays above it; `min_ul` and `max_ul` narrow the cassette.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    wells: Literal[96, 384, 1536] = 96
    cassette: int = Field(default=0, ge=0, le=3)
    plate_type: int | None = Field(default=None, ge=0, le=29)
    speed_percent: int = Field(default=100, ge=1, le=100)
    order: Literal["row", "column"] = "column"
    clearance_mm: float = Field(default=1.5, ge=0, le=20)
    min_ul: float | None = Field(default=None, ge=0.5)
    max_ul: float | None = Field(default=None, le=2500)

    @model_validator(mode="after")
    def _limits_make_sense(self) -> Settings:
        least, most = self.volume_range_ul
        low, high = CASSETTE_UL[self.cassette]
        if not low <= least < most <= high:
            raise ValueError(f"cassette {self.cassette} gives {low:g} to {high:g} µL a well")
        return self

    @property
    def volume_range_ul(self) -> tuple[float, float]:
        """Smallest and largest volume per well."""
        low, high = CASSETTE_UL[self.cassette]
        return self.min_ul or low, self.max_ul or high
