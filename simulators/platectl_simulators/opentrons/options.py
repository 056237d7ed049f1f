"""Settings of a simulated robot: what is mounted, where its slots are, how long things take."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.simkit.hands import Timing


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
