"""What a handler's hands meet: tips, liquids and time in the world, whatever the robot believes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import Tips, WorldError


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


class Hands:
    """The gantry and the head; survives runs, and keeps its tips through a restart.

    `slots` maps slots to world positions; a slot without an entry is `<instrument>.<slot>`. `mishaps`
    lists what the robot did not notice (nothing there, overflow), for tests.
    """

    def __init__(self, setup: SimulatorSetup, slots: Mapping[str, str], timing: Timing) -> None:
        self._name = setup.name
        self._world = setup.world
        self._clock = setup.clock
        self._slots = slots
        self.timing = timing
        self.tips: Tips | None = None
        self.mishaps: list[str] = []
        self._at: tuple[str, str] = ("", "")

    def go_s(self, slot: str, well: str) -> float:
        """Time to reach a spot from where the head is; it counts as being there."""
        if (slot, well) == self._at:
            return 0.0
        self._at = (slot, well)
        return self.timing.move_s

    def pick_up(self, slot: str, wells: Sequence[str]) -> bool:
        """Press onto the rack that stands there; False when a tip is missing."""
        rack = self._standing(slot)
        if rack is None:
            return False
        try:
            self.tips = self._world.new_tips(self._name, rack=rack, wells=wells)
        except WorldError as error:
            self.mishaps.append(f"pick up at {slot}: {error}")
            return False
        return True

    def let_go(self, slot: str | None, wells: Sequence[str] = ()) -> None:
        """Push the tips off: into the rack that stands on a slot, or (None) into the waste."""
        tips, self.tips = self.tips, None
        rack = self._standing(slot) if slot else None
        if tips is not None and rack is not None:
            try:
                self._world.put_back_tips(tips, rack=rack, wells=wells)
            except WorldError as error:
                self.mishaps.append(f"return to {slot}: {error}")

    def carry(self, source: str, target: str) -> None:
        """Take what stands on a slot with the gripper, and set it down on another."""
        here, there = (self._slots.get(slot, f"{self._name}.{slot}") for slot in (source, target))
        labware = self._world.lift(here)
        if labware is None:
            self.mishaps.append(f"nothing to grip at {source}")
            return
        try:
            self._world.set_down(labware, there)
        except WorldError as error:
            self.mishaps.append(f"set down at {target}: {error}")

    async def takes(self, nominal_s: float) -> None:
        """Be busy for about so long."""
        await asyncio.sleep(self._world.takes_s(self._name, nominal_s))

    async def stroke(
        self, act: Callable[[float], None], *, volume_ul: float, flow_ul_per_s: float, go_s: float
    ) -> None:
        """Move and pump; when stopped in the middle, the part that was pumped by then counts."""
        began_s = self._clock.monotonic_s()
        try:
            await self.takes(go_s + volume_ul / flow_ul_per_s + self.timing.stroke_s)
        except asyncio.CancelledError:
            pumping_s = self._clock.monotonic_s() - began_s - go_s
            if (part_ul := min(volume_ul, pumping_s * flow_ul_per_s)) > 0:
                act(part_ul)
            raise
        act(volume_ul)

    def aspirate(self, slot: str, wells: Sequence[str], volume_ul: float) -> None:
        """Draw from what stands there: liquid, or air."""
        labware = self._standing(slot)
        if labware is None or self.tips is None:
            return
        try:
            self._world.aspirate(self.tips, labware, wells, volume_ul)
        except WorldError as error:
            self.mishaps.append(f"aspirate at {slot}: {error}")

    def dispense(self, slot: str, wells: Sequence[str], volume_ul: float) -> None:
        """Deliver into what stands there, or onto the deck."""
        labware = self._standing(slot)
        if self.tips is None:
            return
        try:
            if labware is not None:
                self._world.dispense(self.tips, labware, wells, volume_ul)
                return
        except WorldError as error:
            self.mishaps.append(f"dispense at {slot}: {error}")
        spill(self.tips, volume_ul)

    def _standing(self, slot: str) -> str | None:
        labware = self._world.plate_at(self._slots.get(slot, f"{self._name}.{slot}"))
        if labware is None:
            self.mishaps.append(f"nothing stands at {slot}")
        return labware


def spill(tips: Tips, volume_ul: float) -> None:
    """Let a volume out of the tips onto the deck."""
    left = 1.0 - (volume_ul / tips.volume_ul.clip(min=volume_ul or 1.0)).clip(max=1.0)
    tips.volume_ul *= left
    tips.amounts *= left
