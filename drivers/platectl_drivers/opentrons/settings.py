"""What a lab says about its robot, and what follows from the name of the pipette."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import UserInputError
from platectl.hal.liquids import Channels, PipettingLimits

#: volume ranges in microlitres by the size that the pipette's name carries
RANGES: Final = {
    "p10": (1.0, 10.0),
    "p20": (1.0, 20.0),
    "p50": (5.0, 50.0),
    "p200": (1.0, 200.0),
    "p300": (20.0, 300.0),
    "p1000": (5.0, 1000.0),
}
_NAME = re.compile(r"(p\d+)_(single|multi|96)(_gen2|_flex|_em_flex)?")
_PRIMARY: Final[dict[Channels, str]] = {"column": "A12", "row": "H1", "single": "H12"}


class Definition(BaseModel):
    """Where a labware definition comes from: its namespace and version on the robot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: str = "opentrons"
    version: int = Field(default=1, ge=1)


class Settings(BaseModel):
    """Settings of one robot; volume limits follow from the pipette unless they are given.

    `definitions` overrides namespace and version by load name; load names that begin with
    `custom_prefix` are custom definitions in `custom_namespace`. `adapters` names, by slot, the
    tip rack adapter that stands there: the full head picks tips up only from an adapter, fewer
    nozzles only from a rack that stands on the deck itself. `primary_nozzles` is where a layout
    of fewer nozzles sits on the head. `slots` is read by the simulator only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "opentrons:31950"
    robot_type: Literal["flex", "ot2"] = "flex"
    pipette_name: str = "p1000_96"
    mount: Literal["left", "right"] = "left"
    trash: str = Field(default="", description="addressable area; empty: the robot's usual one")
    min_volume_ul: float | None = Field(default=None, gt=0)
    max_volume_ul: float | None = Field(default=None, gt=0)
    definitions: dict[str, Definition] = Field(default_factory=dict)
    custom_prefix: str = "platectl_"
    custom_namespace: str = "custom_beta"
    adapters: dict[str, str] = Field(default_factory=dict)
    primary_nozzles: dict[Channels, str] = Field(default_factory=lambda: dict(_PRIMARY))
    start_up_s: float = Field(default=120.0, description="how long connect waits through 503")
    reply_s: float = Field(default=10.0, description="for answers that nothing has to move for")
    wait_s: float = Field(default=30.0, description="how long the robot holds back an answer")
    command_s: float = Field(default=300.0, description="longest time one command may take")
    poll_s: float = Field(default=1.0, gt=0, description="between looks at a slow command")

    @property
    def trash_area(self) -> str:
        """Name of the addressable area for used tips."""
        return self.trash or ("movableTrashA3" if self.robot_type == "flex" else "fixedTrash")

    def loading(self, load_name: str) -> dict[str, Any]:
        """How a labware is named to the robot."""
        found = self.definition(load_name)
        return {"loadName": load_name, "namespace": found.namespace, "version": found.version}

    def definition(self, load_name: str) -> Definition:
        """Namespace and version of a labware."""
        if load_name in self.definitions:
            return self.definitions[load_name]
        if load_name.startswith(self.custom_prefix):
            return Definition(namespace=self.custom_namespace)
        return Definition()


def pipette_limits(settings: Settings) -> PipettingLimits:
    """Derive volume limits and channel sets from the pipette's name.

    Raises:
        UserInputError: Not a pipette name of the form `p1000_96` or `p300_multi_gen2`.
    """
    match = _NAME.fullmatch(settings.pipette_name)
    if not match or match[1] not in RANGES:
        raise UserInputError(
            f"{settings.pipette_name!r} is no pipette; write p1000_96 or p300_multi_gen2, say"
        )
    low, high = RANGES[match[1]]
    if settings.pipette_name == "p1000_single_gen2":
        low = 100.0
    sets: dict[str, tuple[Channels, ...]] = {
        "96": ("full", "column", "row", "single"),
        "multi": ("column", "single"),
        "single": ("single",),
    }
    return PipettingLimits(
        settings.min_volume_ul or low, settings.max_volume_ul or high, sets[match[2]]
    )
