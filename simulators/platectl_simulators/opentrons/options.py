"""Settings of a simulated robot: what is mounted, where its slots are, how long things take."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Timing(BaseModel):
    """Durations in seconds; pumping adds volume divided by flow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    move_s: float = Field(default=2.0, description="to another well, rack or the waste")
    pick_up_s: float = 8.0
    drop_s: float = 4.0
    return_s: float = 6.0
    stroke_s: float = Field(default=1.5, description="down, settle and up again")
    blow_out_s: float = 1.0
    touch_tip_s: float = 2.0
    home_s: float = 12.0
    grip_s: float = Field(default=20.0, description="to take a labware and set it down")
    bookkeeping_s: float = Field(default=0.05, description="loading, map and nozzle layout")


class Options(BaseModel):
    """What the simulator reads of an instrument's settings; the driver's own are passed over.

    `slots` maps slots to world positions; a slot without an entry is `<instrument>.<slot>`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    robot_type: Literal["flex", "ot2"] = "flex"
    pipette_name: str = "p1000_96"
    mount: Literal["left", "right"] = "left"
    gripper: bool = Field(default=True, description="whether a Flex has one")
    slots: dict[str, str] = Field(default_factory=dict)
    modules: list[dict[str, Any]] = Field(default_factory=list)
    timing: Timing = Field(default_factory=Timing)
