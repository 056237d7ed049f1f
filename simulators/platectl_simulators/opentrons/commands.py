"""Command types: what each needs, what it does to belief and world, and what it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from platectl.simkit.faults import FaultPlan
from platectl.simkit.hands import Hands
from platectl_simulators.opentrons.belief import Belief, CommandFailedError, LoadedLabware, Pipette
from platectl_simulators.opentrons.labware import position
from platectl_simulators.opentrons.options import Options

Params = Mapping[str, Any]
_AT: Final = ("pipetteId", "labwareId", "wellName")

#: command type -> parameters that must be there
REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "home": (),
    "loadLabware": ("location", "loadName", "namespace", "version"),
    "loadPipette": ("pipetteName", "mount"),
    "moveLabware": ("labwareId", "newLocation", "strategy"),
    "configureNozzleLayout": ("pipetteId", "configurationParams"),
    "pickUpTip": _AT,
    "dropTip": _AT,
    "moveToAddressableAreaForDropTip": ("pipetteId", "addressableAreaName"),
    "dropTipInPlace": ("pipetteId",),
    "aspirate": (*_AT, "volume", "flowRate"),
    "dispense": (*_AT, "volume", "flowRate"),
    "blowout": (*_AT, "flowRate"),
    "touchTip": _AT,
    "moveToWell": _AT,
    "comment": ("message",),
    "waitForDuration": ("seconds",),
    "waitForResume": (),
    "pause": (),
}
_AREAS: Final = {"flex": ("movableTrashA3", "1ChannelWasteChute"), "ot2": ("fixedTrash",)}
_MOVING: Final = frozenset(REQUIRED) - {
    "loadLabware", "loadPipette", "moveLabware", "configureNozzleLayout", "comment",
    "waitForDuration", "waitForResume", "pause",
}  # fmt: skip


def completed(command_type: str, params: Params) -> Params:
    """Fill in what the server fills in: absent offsets of a well location are zero."""
    where = params.get("wellLocation")
    if command_type not in REQUIRED or (where is None and "wellName" not in params):
        return params
    where = where or {}
    offset = {"x": 0, "y": 0, "z": 0} | where.get("offset", {})
    return {**params, "wellLocation": {"origin": where.get("origin", "top"), "offset": offset}}


class Machine:
    """Carries out commands of one run; `resumed` is set by a `play`."""

    def __init__(
        self, options: Options, hands: Hands, faults: FaultPlan, new_id: Callable[[], str]
    ) -> None:
        self._options = options
        self._hands = hands
        self._faults = faults
        self._new_id = new_id
        self.belief = Belief()
        self.resumed = asyncio.Event()
        self._handlers: dict[str, Callable[[Params], Awaitable[dict[str, Any]]]] = {
            "home": self._home,
            "loadLabware": self._load_labware,
            "loadPipette": self._load_pipette,
            "moveLabware": self._move_labware,
            "configureNozzleLayout": self._configure,
            "pickUpTip": self._pick_up,
            "dropTip": self._return,
            "moveToAddressableAreaForDropTip": self._to_waste,
            "dropTipInPlace": self._drop,
            "aspirate": self._aspirate,
            "dispense": self._dispense,
            "blowout": self._blow_out,
            "touchTip": self._touch,
            "moveToWell": self._move,
            "comment": self._comment,
            "waitForDuration": self._wait,
            "waitForResume": self._wait_for_resume,
            "pause": self._wait_for_resume,
        }

    async def execute(self, command_type: str, params: Params) -> dict[str, Any]:
        """Carry one command out and return its result.

        Raises:
            CommandFailedError: The command fails in the way the real one does.
        """
        if command_type in _MOVING and self._faults.strike("stall"):
            raise CommandFailedError(
                "stallOrCollision", "Stall or Collision Detected", code="2003", run="failed"
            )
        return await self._handlers[command_type](params)

    def attached(self) -> str:
        """Name of the pipette that really hangs on the mount."""
        fault = self._faults.standing("wrong_pipette")
        return (
            str(fault.data.get("name", "p1000_multi_flex")) if fault else self._options.pipette_name
        )

    # Bookkeeping ---------------------------------------------------------------------------
    async def _load_labware(self, params: Params) -> dict[str, Any]:
        await self._hands.takes(self._hands.timing.bookkeeping_s)
        loaded = self.belief.add_labware(params, self._new_id())
        return {
            "labwareId": loaded.id,
            "definition": {"parameters": {"loadName": params["loadName"]}},
        }

    async def _load_pipette(self, params: Params) -> dict[str, Any]:
        await self._hands.takes(self._hands.timing.bookkeeping_s)
        wanted, attached = params["pipetteName"], self.attached()
        if wanted != attached or params["mount"] != self._options.mount:
            raise CommandFailedError(
                "FailedToLoadPipetteError",
                f"Requested pipette {wanted} on {params['mount']}, found {attached} "
                f"on {self._options.mount}.",
                code="3010",
            )
        pipette = Pipette(params.get("pipetteId") or self._new_id(), wanted)
        pipette.rows = 8 if pipette.channels > 1 else 1
        pipette.columns = 12 if pipette.channels == 96 else 1  # noqa: PLR2004  # the full head
        self.belief.pipettes[pipette.id] = pipette
        return {"pipetteId": pipette.id}

    async def _move_labware(self, params: Params) -> dict[str, Any]:
        if params["strategy"] != "usingGripper":
            await self._hands.takes(self._hands.timing.bookkeeping_s)
            self.belief.move_labware(params)
            return {}
        labware = self.belief.find_labware(params["labwareId"])
        source, before = self.belief.slot_of(labware), labware.place
        self._need_gripper()
        self.belief.move_labware(params)
        target = self.belief.slot_of(labware)
        labware.place = before  # until it is there
        if self._faults.strike("grip_failed"):
            raise CommandFailedError("FailedGripperPickupError", "Nothing was gripped.")
        await self._hands.takes(self._hands.timing.grip_s)
        self._hands.carry(source, target)
        self.belief.move_labware(params)
        return {}

    def _need_gripper(self) -> None:
        if self._options.robot_type != "flex":
            raise CommandFailedError(
                "NotSupportedOnRobotType",
                "Labware movement using a gripper is not supported.",
                code="4003",
            )
        if not self._options.gripper:
            raise CommandFailedError(
                "GripperNotAttachedError", "No gripper found for performing labware movement."
            )

    async def _configure(self, params: Params) -> dict[str, Any]:
        await self._hands.takes(self._hands.timing.bookkeeping_s)
        self.belief.configure(params)
        return {}

    async def _comment(self, params: Params) -> dict[str, Any]:
        del params
        return {}

    async def _wait(self, params: Params) -> dict[str, Any]:
        await asyncio.sleep(float(params["seconds"]))
        return {}

    async def _wait_for_resume(self, params: Params) -> dict[str, Any]:
        del params
        self.resumed.clear()
        await self.resumed.wait()
        return {}

    # Tips ----------------------------------------------------------------------------------
    async def _pick_up(self, params: Params) -> dict[str, Any]:
        pipette, rack, slot, wells = self._spot(params)
        if not rack.definition.is_rack:
            name = rack.definition.load_name
            raise CommandFailedError("LabwareIsNotTipRackError", f"{name} is not a tip rack.")
        sensed = self._options.robot_type == "flex" and self._hands.tips is not None
        if pipette.tip_ul is not None or sensed:
            raise CommandFailedError(
                "UnexpectedTipAttachError",
                "Pipette should not have a tip attached, but does.",
                code="3012",
            )
        go_s = self._hands.go_s(slot, params["wellName"])
        await self._hands.takes(go_s + self._hands.timing.pick_up_s)
        if not self._hands.pick_up(slot, wells) and self._options.robot_type == "flex":
            raise CommandFailedError(
                "tipPhysicallyMissing", "No Tip Detected", code="3003", defined=True
            )
        pipette.tip_ul, pipette.volume_ul = rack.definition.volume_ul, 0.0
        tip = {"tipVolume": pipette.tip_ul, "tipLength": 87.9, "tipDiameter": 5.4}
        return tip | {"position": self._position(params, slot)}

    async def _return(self, params: Params) -> dict[str, Any]:
        pipette, rack, slot, wells = self._spot(params)
        self._need_tip(pipette)
        go_s = self._hands.go_s(slot, params["wellName"])
        await self._hands.takes(go_s + self._hands.timing.return_s)
        self._hands.let_go(slot if rack.definition.is_rack else None, wells)
        pipette.tip_ul, pipette.volume_ul = None, 0.0
        return {"position": self._position(params, slot)}

    async def _to_waste(self, params: Params) -> dict[str, Any]:
        self.belief.find_pipette(params["pipetteId"])
        area = params["addressableAreaName"]
        if area not in _AREAS[self._options.robot_type]:
            raise CommandFailedError(
                "AreaNotInDeckConfigurationError",
                f"{area} not provided by current deck configuration.",
            )
        await self._hands.takes(self._hands.go_s(area, ""))
        return {"position": {"x": 0, "y": 0, "z": 0}}

    async def _drop(self, params: Params) -> dict[str, Any]:
        pipette = self.belief.find_pipette(params["pipetteId"])
        self._need_tip(pipette)
        await self._hands.takes(self._hands.timing.drop_s)
        self._hands.let_go(None)
        pipette.tip_ul, pipette.volume_ul = None, 0.0
        return {}

    # Liquid --------------------------------------------------------------------------------
    async def _aspirate(self, params: Params) -> dict[str, Any]:
        pipette, _, slot, wells = self._spot(params)
        tip_ul = self._need_tip(pipette)
        volume = float(params["volume"])
        available = min(float(pipette.size_ul), tip_ul) - pipette.volume_ul
        if volume > available + 1e-9:
            raise CommandFailedError(
                "InvalidAspirateVolumeError",
                f"Cannot aspirate {volume} µL when only {available} is available.",
                info={
                    "attempted_aspirate_volume": volume,
                    "available_volume": available,
                    "max_pipette_volume": pipette.size_ul,
                    "max_tip_volume": tip_ul,
                },
            )
        self._press()
        await self._hands.stroke(
            lambda part_ul: self._hands.aspirate(slot, wells, part_ul),
            volume_ul=volume,
            flow_ul_per_s=float(params["flowRate"]),
            go_s=self._hands.go_s(slot, params["wellName"]),
        )
        pipette.volume_ul += volume
        return {"position": self._position(params, slot), "volume": volume}

    async def _dispense(self, params: Params) -> dict[str, Any]:
        pipette, _, slot, wells = self._spot(params)
        self._need_tip(pipette)
        volume = float(params["volume"])
        if volume > pipette.volume_ul + 1e-9:
            raise CommandFailedError(
                "InvalidDispenseVolumeError",
                f"Cannot dispense {volume} µL when only {pipette.volume_ul} µL has been aspirated.",
            )
        self._press()
        await self._hands.stroke(
            lambda part_ul: self._hands.dispense(slot, wells, part_ul),
            volume_ul=volume,
            flow_ul_per_s=float(params["flowRate"]),
            go_s=self._hands.go_s(slot, params["wellName"]),
        )
        pipette.volume_ul = max(0.0, pipette.volume_ul - volume)
        return {"position": self._position(params, slot), "volume": volume}

    async def _blow_out(self, params: Params) -> dict[str, Any]:
        pipette, _, slot, wells = self._spot(params)
        self._need_tip(pipette)
        go_s = self._hands.go_s(slot, params["wellName"])
        await self._hands.takes(go_s + self._hands.timing.blow_out_s)
        if pipette.volume_ul > 0:
            self._hands.dispense(slot, wells, pipette.volume_ul)
        pipette.volume_ul = 0.0
        return {"position": self._position(params, slot)}

    # Motion --------------------------------------------------------------------------------
    async def _home(self, params: Params) -> dict[str, Any]:
        del params
        await self._hands.takes(self._hands.timing.home_s)
        return {}

    async def _touch(self, params: Params) -> dict[str, Any]:
        pipette, _, slot, _ = self._spot(params)
        self._need_tip(pipette)
        go_s = self._hands.go_s(slot, params["wellName"])
        await self._hands.takes(go_s + self._hands.timing.touch_tip_s)
        return {"position": self._position(params, slot)}

    async def _move(self, params: Params) -> dict[str, Any]:
        _, _, slot, _ = self._spot(params)
        await self._hands.takes(self._hands.go_s(slot, params["wellName"]))
        return {"position": self._position(params, slot)}

    def _spot(self, params: Params) -> tuple[Pipette, LoadedLabware, str, tuple[str, ...]]:
        pipette = self.belief.find_pipette(params["pipetteId"])
        labware = self.belief.find_labware(params["labwareId"])
        slot = self.belief.slot_of(labware)
        return pipette, labware, slot, self.belief.wells(pipette, labware, params["wellName"])

    def _position(self, params: Params, slot: str) -> dict[str, float]:
        where = params["wellLocation"]
        z = float(where["offset"]["z"])
        return position(self._options.robot_type, slot, params["wellName"], where["origin"], z)

    def _press(self) -> None:
        if self._faults.strike("overpressure"):
            raise CommandFailedError(
                "overpressure", "Pipette Overpressure", code="3006", defined=True,
                run="awaiting-recovery",
            )  # fmt: skip

    @staticmethod
    def _need_tip(pipette: Pipette) -> float:
        if pipette.tip_ul is None:
            raise CommandFailedError(
                "TipNotAttachedError",
                "Pipette should have a tip attached, but does not.",
                code="3005",
            )
        return pipette.tip_ul
