"""What the head of a handler does in the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from platectl.bridge import library
from platectl.bridge.handler import CARRIER
from platectl.simkit.hands import Hands, Timing
from platectl.simkit.simulator import SimulatorSetup
from platectl_simulators.pylabrobot.physics import Physics

FULL = 96
CHANNELS = 8


class Head(Physics):
    """Goes where PyLabRobot sends it, and meets what stands there, whatever PyLabRobot believes.

    `sites` of the settings says which slot is where, `slots` which position a slot is.
    """

    calls = (
        "pick_up_tips", "drop_tips", "aspirate", "dispense", "pick_up_tips96", "drop_tips96", "aspirate96",
        "dispense96",
    )  # fmt: skip

    def __init__(self, setup: SimulatorSetup) -> None:
        super().__init__(setup)
        slots = dict(setup.settings.get("slots", {}))
        timing = Timing.model_validate(setup.settings.get("timing", {}))
        self.hands = Hands(setup, slots, timing)
        sites = dict(setup.settings.get("sites", {}))
        self._slots: dict[Any, str] = {
            where if isinstance(where, str) else tuple(map(float, where)): slot
            for slot, where in sites.items()
        }

    def stand_behind(self, backend: Any) -> None:
        """As all, and tips are felt."""
        super().stand_behind(backend)
        backend.request_tip_presence = self._felt

    async def _felt(self) -> list[bool]:
        tips = self.hands.tips
        fitted = 0 if tips is None or len(tips.wells) == FULL else len(tips.wells)
        return [channel < fitted for channel in range(CHANNELS)]

    def _slot(self, labware: Any) -> str:
        """The slot at which PyLabRobot thinks that it stands."""
        holder = labware.parent
        numbers = {id(site): number for number, site in getattr(holder.parent, "sites", {}).items()}
        if id(holder) in numbers:
            carrier = holder.parent.name.removeprefix(CARRIER)
            return self._slots[f"{carrier}.{numbers[id(holder)]}"]
        place = labware.location
        return self._slots[place.x, place.y, place.z]

    async def did_pick_up_tips(
        self, ops: Sequence[Any], use_channels: Sequence[int], **_: Any
    ) -> None:
        """Press onto tips."""
        rack = ops[0].resource.parent
        await self._pick_up(rack, [op.resource.get_identifier() for op in ops], use_channels)

    async def did_pick_up_tips96(self, pickup: Any, **_: Any) -> None:
        """Press onto a rack."""
        rack = pickup.resource
        wells = [spot.get_identifier() for spot in rack.get_all_items()]
        await self._pick_up(rack, wells, range(FULL))

    async def _pick_up(self, rack: Any, wells: Sequence[str], channels: Sequence[int]) -> None:
        slot = self._slot(rack)
        await self.hands.takes(self.hands.go_s(slot, wells[0]) + self.hands.timing.pick_up_s)
        if not self.hands.pick_up(slot, wells):
            lacking = library.load("pylabrobot.resources.errors.NoTipError")
            errors = {channel: lacking("no tip was felt") for channel in channels}
            raise library.load("pylabrobot.liquid_handling.errors.ChannelizedError")(errors)

    async def did_drop_tips(
        self, ops: Sequence[Any], use_channels: Sequence[int], **_: Any
    ) -> None:
        """Push tips off."""
        del use_channels
        first = ops[0].resource
        if first.category == "trash":
            await self._let_go(None, ())
        else:
            await self._let_go(first.parent, [op.resource.get_identifier() for op in ops])

    async def did_drop_tips96(self, drop: Any, **_: Any) -> None:
        """Push all tips off."""
        if drop.resource.category == "trash":
            await self._let_go(None, ())
        else:
            spots = drop.resource.get_all_items()
            await self._let_go(drop.resource, [spot.get_identifier() for spot in spots])

    async def _let_go(self, rack: Any, wells: Sequence[str]) -> None:
        timing = self.hands.timing
        slot = None if rack is None else self._slot(rack)
        go_s = self.hands.go_s(slot or "waste", wells[0] if wells else "")
        await self.hands.takes(go_s + (timing.drop_s if slot is None else timing.return_s))
        self.hands.let_go(slot, wells)

    async def did_aspirate(self, ops: Sequence[Any], use_channels: Sequence[int], **_: Any) -> None:
        """Draw."""
        del use_channels
        await self._stroke(self.hands.aspirate, [op.resource for op in ops], ops[0])

    async def did_dispense(self, ops: Sequence[Any], use_channels: Sequence[int], **_: Any) -> None:
        """Deliver."""
        del use_channels
        await self._stroke(self.hands.dispense, [op.resource for op in ops], ops[0])

    async def did_aspirate96(self, aspiration: Any, **_: Any) -> None:
        """Draw with all channels."""
        await self._stroke(self.hands.aspirate, _containers(aspiration), aspiration)

    async def did_dispense96(self, dispense: Any, **_: Any) -> None:
        """Deliver with all channels."""
        await self._stroke(self.hands.dispense, _containers(dispense), dispense)

    async def _stroke(
        self, act: Callable[[str, Sequence[str], float], None], containers: Sequence[Any], op: Any
    ) -> None:
        first = containers[0]
        alone = not hasattr(first, "get_identifier")
        labware = first if alone else first.parent
        wells = ["A1" if alone else container.get_identifier() for container in containers]
        slot = self._slot(labware)
        await self.hands.stroke(
            lambda part_ul: act(slot, wells, part_ul),
            volume_ul=op.volume, flow_ul_per_s=op.flow_rate, go_s=self.hands.go_s(slot, wells[0]),
        )  # fmt: skip


def _containers(op: Any) -> list[Any]:
    """What each channel of the full head meets."""
    return list(op.wells) if hasattr(op, "wells") else [op.container] * FULL
