"""The pipettor of a simulated reader: tips and compound stand in it, and go into the plate it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import WorldError


@dataclass(frozen=True, slots=True)
class ReaderPipettor:
    """Where its tips and its compound plate stand; the plate that is read is at the reader's position."""

    setup: SimulatorSetup
    tips: str
    source: str

    def aspirate(self, wells: Sequence[str], volume_ul: float) -> Any:
        """Take tips and liquid; the tips.

        Raises:
            WorldError: `nothing_there`, or what the world says of tips and wells.
        """
        world = self.setup.world
        rack, source = world.plate_at(self.tips), world.plate_at(self.source)
        if rack is None or source is None:
            raise WorldError("nothing_there", "no tips or no compound plate in the reader")
        tips = world.new_tips(self.setup.name, rack=rack, wells=wells)
        world.aspirate(tips, source, wells, volume_ul)
        return tips

    def add(self, tips: Any, wells: Sequence[str], volume_ul: float) -> None:
        """Add to the plate and give the tips back; errors as `aspirate`."""
        world = self.setup.world
        plate = world.plate_at(self.setup.position or self.setup.name)
        if plate is None:
            raise WorldError("nothing_there", "no plate in the reader")
        world.dispense(tips, plate, wells, volume_ul)
        world.put_back_tips(tips, rack=tips.rack, wells=wells)
