"""The sample sheet: compounds, stocks, top concentrations and where they go."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Sample(BaseModel):
    """One compound of a run; `line` is its line in the sheet.

    `plate` 0 means automatic placement. `barcode` is the compound tube's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    compound: str = Field(min_length=1, max_length=60)
    stock_molar: float = Field(gt=0, le=1.0)
    top_molar: float = Field(gt=0, le=1e-2)
    plate: int = Field(default=0, ge=0, le=99)
    slot: str = ""
    barcode: str = ""
    line: int = 0
