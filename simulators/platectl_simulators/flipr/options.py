"""What a simulated FLIPR is fitted with, and what its protocol files contain."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class FmpFile(BaseModel):
    """Content of one protocol file; the lab file states it for driver and simulator alike."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str
    channels: tuple[tuple[float, float], ...]
    interval_s: float
    baseline_s: float
    record_s: float
    volume_ul: float | None = None
    preparation_s: float = 0.0

    @property
    def frames(self) -> int:
        """Exposures in each channel."""
        return int((self.baseline_s + self.record_s) / self.interval_s) + 1


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument.

    `source` and `tips` are the positions of the compound plate and the tip rack. Exposures of one
    frame follow each other by `exposure_s`; the addition comes `dispense_lag_s` after the end of
    the baseline. `waves` and `filters` are what `configuration` states.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    protocols: Mapping[str, FmpFile] = Field(default_factory=dict)
    source: str = ""
    tips: str = ""
    waves: tuple[str, ...] = ("335-345", "375-385", "470-495")
    filters: tuple[str, ...] = ("475-535", "515-575")
    exposure_s: float = 0.4
    dispense_lag_s: float = 0.9
    handler_s: float = 5.3
    export_s: float = 3.0
    full_scale: float = 65000.0
