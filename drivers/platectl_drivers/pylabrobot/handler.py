"""A PyLabRobot `LiquidHandler`: Hamilton STAR and Vantage, Tecan EVO, or any other backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import RefusedError
from platectl.hal.checks import check_within
from platectl.hal.instrument import DriverInfo, DriverSetup
from platectl.hal.liquids import Channels, DeckItem, PipettingLimits
from platectl_drivers.pylabrobot.bridged import Bridged, BridgeSettings, bridged_info


class Carrier(BaseModel):
    """Something that labware stands on: what makes it, and where it is (rails, or x, y, z in mm)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resource: str
    rails: int | None = None
    location: tuple[float, float, float] | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)


class HandlerSettings(BridgeSettings):
    """Deck, labware and head of one handler.

    `sites` says where each slot of the lab file is: `carrier.number`, counted from 0 as PyLabRobot
    does, or x, y, z on the deck in millimetres. A carrier named `trash` is where tips are thrown, on
    decks that have no such place of their own. `labware` names, by load name, what makes the resource.
    `keywords` are further arguments of a backend's method (`aspirate`, `dispense96`, …).
    """

    deck: str
    deck_arguments: dict[str, Any] = Field(default_factory=dict)
    carriers: dict[str, Carrier] = Field(default_factory=dict)
    sites: dict[str, str | tuple[float, float, float]]
    labware: dict[str, str]
    keywords: dict[str, dict[str, Any]] = Field(default_factory=dict)
    channels: tuple[Literal["full", "column", "single"], ...] = ("full", "column", "single")
    min_volume_ul: float = Field(default=1.0, gt=0)
    max_volume_ul: float = Field(default=1000.0, gt=0)


class PyLabRobotHandler(Bridged):
    """Drives one handler; satisfies `platectl.hal.liquids.LiquidHandler`.

    The full head is PyLabRobot's 96 head; a column is eight independent channels, `single` the first
    of them. No handler of PyLabRobot 0.2.2 takes a row. `height_mm` goes out as `liquid_height`.
    """

    info: ClassVar[DriverInfo] = bridged_info(
        "handler", "Hamilton STAR and Vantage, Tecan EVO and other handlers", "LiquidHandler", recorded="transfer",
    )  # fmt: skip
    Settings = HandlerSettings
    settings: HandlerSettings
    device = "handler"

    def __init__(self, setup: DriverSetup) -> None:
        super().__init__(setup)
        self._wanted: Channels = self.settings.channels[0]

    @property
    def limits(self) -> PipettingLimits:
        """Volumes and channel sets of the settings."""
        s = self.settings
        return PipettingLimits(s.min_volume_ul, s.max_volume_ul, s.channels)

    async def load_deck(self, items: Sequence[DeckItem]) -> None:
        """Describe the deck; labware that is known already is moved on the map.

        Raises:
            InstrumentFaultError: `labware`, `slot`, `slot_taken`; the deck description is unusable.
            LinkError: The description may be incomplete; nothing moved.
        """
        listed = [
            {"labware": item.labware, "load_name": item.load_name, "slot": item.slot}
            for item in items
        ]
        await self._act("load_deck", items=listed)

    async def use_channels(self, channels: Channels) -> None:
        """Choose the channels for the next pick-up; nothing is sent.

        Raises:
            RefusedError: The handler has no such set of channels.
        """
        if channels not in self.settings.channels:
            have = ", ".join(self.settings.channels)
            raise RefusedError(f"this handler cannot use {channels!r} channels; it has {have}")
        self._wanted = channels

    async def pick_up_tips(self, rack: str, well: str) -> None:
        """Fit tips; tips that an abandoned step has left are discarded first."""
        await self._act("pick_up_tips", channels=self._wanted, rack=rack, well=well)

    async def drop_tips(self) -> None:
        """Discard the tips; see `LiquidHandler`."""
        await self._act("drop_tips")

    async def return_tips(self, rack: str, well: str) -> None:
        """Put the tips back into their rack; see `LiquidHandler`."""
        await self._act("return_tips", rack=rack, well=well)

    async def aspirate(
        self, labware: str, well: str, *, volume_ul: float, flow_ul_per_s: float, height_mm: float
    ) -> None:
        """Draw liquid above the well bottom; see `LiquidHandler`."""
        await self._stroke("aspirate", labware, well, volume_ul, flow_ul_per_s, height_mm)

    async def dispense(
        self, labware: str, well: str, *, volume_ul: float, flow_ul_per_s: float, height_mm: float
    ) -> None:
        """Deliver liquid above the well bottom; see `LiquidHandler`."""
        await self._stroke("dispense", labware, well, volume_ul, flow_ul_per_s, height_mm)

    async def note_move(self, labware: str, slot: str | None) -> None:
        """Tell PyLabRobot that a foreign hand moved labware.

        Raises:
            RefusedError: Labware that `load_deck` did not name; nothing was changed.
            InstrumentFaultError: `slot_taken`; its map is unchanged.
            LinkError: Its map is unknown.
        """
        await self._act("note_move", labware=labware, slot=slot)

    async def _stroke(
        self, do: str, labware: str, well: str, volume_ul: float, flow_ul_per_s: float, height_mm: float
    ) -> None:  # fmt: skip
        limits = self.settings.min_volume_ul, self.settings.max_volume_ul
        check_within(volume_ul, limits, do, "uL")
        if not (flow_ul_per_s > 0 and height_mm >= 0):
            raise RefusedError(f"cannot {do} at {flow_ul_per_s:g} uL/s, {height_mm:g} mm up")
        await self._act(
            do, takes_s=volume_ul / flow_ul_per_s, labware=labware, well=well, volume_ul=volume_ul,
            flow_ul_per_s=flow_ul_per_s, height_mm=height_mm,
        )  # fmt: skip
