"""What a lab says about its Hidex Sense."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Columns(BaseModel):
    """Headings of the workbook's columns, in their order from left to right.

    None of them is public: a lab takes them from a workbook that its own counter exported.
    `ended_at` may be None when the instrument writes no end time; a stale file is then
    recognised by its name only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plate: str
    well: str
    count_s: str
    cpm: str
    counts: str
    ended_at: str | None

    @property
    def headings(self) -> tuple[str, ...]:
        """Headings as they must stand in the first row."""
        fixed = (self.plate, self.well, self.count_s, self.cpm, self.counts)
        return fixed if self.ended_at is None else (*fixed, self.ended_at)


class Settings(BaseModel):
    """Settings of one counter.

    `assays` lists the templates on the instrument with the counting time per well in seconds.
    `overhead_s` is what a group of wells takes beside counting. `utc_offset_h` is the zone of
    the instrument PC, whose clock may be wrong by `clock_slack_s`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "hidex:2005"
    assays: dict[str, float] = Field(default_factory=lambda: {"H3 filter": 120.0}, min_length=1)
    columns: Columns | None = Field(
        default=None, description="headings of the exported workbook; a count is refused without"
    )
    plate_is_title: bool = False
    detectors: Literal[6, 12] = 6
    overhead_s: float = Field(default=7.5, ge=0)
    utc_offset_h: float = Field(default=0.0, ge=-12, le=14)
    clock_slack_s: float = Field(default=300.0, ge=0)
    open_when_done: bool = True
    reply_s: float = Field(default=30.0, gt=0, description="for answers, and for the carrier")
    start_up_s: float = Field(default=120.0, ge=0, description="how long INIT is waited through")
    margin_s: float = Field(default=600.0, ge=0, description="on top of the expected counting time")
    poll_s: float = Field(default=2.0, gt=0)
