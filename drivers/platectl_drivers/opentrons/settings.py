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
#: where fewer nozzles than the head has sit on it; those of the maker's own protocol designer
_PRIMARY: Final[dict[str, dict[Channels, str]]] = {
    "96": {"column": "A12", "row": "H1", "single": "H12"},
    "multi": {"single": "H1"},
    "single": {},
}
#: nozzles at the corners of a head, which alone can be primary
_CORNERS: Final = {"96": ("A1", "H1", "A12", "H12"), "multi": ("A1", "H1"), "single": ("A1",)}


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
    of fewer nozzles sits on the head, where that is another corner than the usual one. `slots` is read by the simulator only.
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
    primary_nozzles: dict[Channels, str] = Field(default_factory=dict)
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


def primary_nozzles(settings: Settings) -> dict[Channels, str]:
    """Where layouts of fewer nozzles sit on the head of this pipette.

    Raises:
        UserInputError: No such pipette, or one that has no such corner.
    """
    head = _pipette(settings)[2]
    for channels, nozzle in settings.primary_nozzles.items():
        if nozzle not in _CORNERS[head]:
            raise UserInputError(
                f"{settings.pipette_name} has no corner {nozzle!r} for {channels}; there is "
                + ", ".join(_CORNERS[head])
            )
    return {**_PRIMARY[head], **settings.primary_nozzles}


def _pipette(settings: Settings) -> re.Match[str]:
    match = _NAME.fullmatch(settings.pipette_name)
    if not match or match[1] not in RANGES:
        raise UserInputError(
            f"{settings.pipette_name!r} is no pipette; write p1000_96 or p300_multi_gen2, say"
        )
    return match


def pipette_limits(settings: Settings) -> PipettingLimits:
    """Derive volume limits and channel sets from the pipette's name.

    Raises:
        UserInputError: Not a pipette name of the form `p1000_96` or `p300_multi_gen2`.
    """
    match = _pipette(settings)
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
