"""The verbs of a liquid handler, as commands of the robot."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from platectl.domain.errors import InstrumentError, InstrumentFaultError, RefusedError
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.liquids import Channels, DeckItem, PipettingLimits
from platectl.hal.recovery import Action, Verdict
from platectl_drivers.opentrons import wire
from platectl_drivers.opentrons.checks import check_pipette, check_robot, check_stroke
from platectl_drivers.opentrons.conversation import RunConversation
from platectl_drivers.opentrons.recall import AFTER, Belief, Keys, believe, judge
from platectl_drivers.opentrons.settings import Settings as _Settings
from platectl_drivers.opentrons.settings import pipette_limits, primary_nozzles

PIPETTE = "pipette"


class Opentrons:
    """Drives one Flex or OT-2; satisfies `platectl.hal.liquids.LiquidHandler`.

    `record` holds `/health`, `/instruments` and `/modules` as they were at `connect`.
    """

    info: ClassVar[DriverInfo] = DriverInfo(
        name="opentrons",
        makes="Opentrons Flex, Opentrons OT-2",
        interfaces=("LiquidHandler", "TipFinisher"),
        wire="http",
        source="robot server 8.1.0 run in simulation; schemas of opentrons 8.8.2 and 10.1.0",
        unattested=(
            "awaiting-recovery and the open door as seen by setup commands",
            "fields of /instruments on a Flex",
            "body of 503 during start-up",
            "tipPhysicallyMissing (3003)",
        ),
        transcripts=("opentrons_flex_transfer", "opentrons_ot2_refusals"),
    )
    Settings = _Settings

    def __init__(self, setup: DriverSetup) -> None:
        self._settings = setup.settings_as(_Settings)
        self._setup = setup
        self._limits = pipette_limits(self._settings)
        self._primary = primary_nozzles(self._settings)
        self._stamp = ""
        self._began: datetime | None = None
        self._keys = Keys(setup.name, lambda: self._stamp)
        self._observing = False
        self._lost_home = False
        self._robot = RunConversation(
            setup.open_stream,
            settings=self._settings,
            clock=setup.clock,
            keys=self._keys,
        )
        self.record: dict[str, Any] = {}
        self._forget()

    def _forget(self) -> None:
        """Start with an empty deck and bare nozzles, as a new run does."""
        self._belief = believe((), self._limits.channels[0])
        self._wanted: Channels = self._limits.channels[0]

    @property
    def limits(self) -> PipettingLimits:
        """Volume limits of the pipette, unless the settings narrow them, and its channel sets."""
        return self._limits

    @property
    def last_key(self) -> str:
        """Key of the command that was posted last; what `find_command` takes."""
        return self._robot.last_key

    async def connect(self) -> Identity:
        """Wait until the robot is up, check its pipette and start a run; nothing moves.

        Raises:
            LinkError: No usable answer; nothing was moved.
            InstrumentFaultError: `wrong_robot`, `wrong_pipette`, or another client's run is active.
        """
        self._observing = False
        identity = await self._look()
        self._forget()
        await self._robot.start()
        self._began = self._setup.clock.now()
        return identity

    async def observe(self) -> Identity:
        """Ask the robot who it is and what hangs on it; only GETs, no run is made."""
        self._observing = True
        return await self._look()

    async def take_over(self) -> Identity:
        """Go on in the run of an earlier owner, with what the robot knows about its deck.

        A run that was stopped is followed by a new one in which the same labware stands at the
        same places; the robot goes home before its first motion.

        Raises:
            LinkError: No usable answer; nothing was moved.
            InstrumentFaultError: 4008 when the robot restarted and forgot the deck, `run_lost`
                when it keeps no run of ours.
        """
        identity = await self._look()
        known = await self._robot.ours()
        if not known.run_id:
            raise InstrumentFaultError(
                "the robot keeps no run of ours; its deck has to be declared anew", code="run_lost"
            )
        self._keys.recall(known)
        before = believe(known.items, self._limits.channels[0])
        self._observing = False
        if known.alive:
            self._robot.run_id = known.run_id
            self._belief = before
            self._wanted = before.configured or self._limits.channels[0]
            await self._robot.leave_recovery()
            return identity
        self._forget()
        self._stamp = f"{AFTER}{known.run_id}"
        self._lost_home = True  # what stopped the run may have been a stall
        await self._robot.start()
        await self._declare(before)
        return identity

    async def reconcile(self, action: Action) -> Verdict:
        """Look the commands of an action up in the robot's list; doing it again sends what is missing.

        Raises:
            LinkError: No usable answer now.
        """
        try:
            known = await self._robot.ours()
        except InstrumentFaultError as fault:
            return Verdict("unknown", {"robot": str(fault), "code": fault.code})
        self._keys.recall(known)
        return judge(action, known, self._keys.of(action.id), began=self._began)

    async def _declare(self, before: Belief) -> None:
        """Describe in a new run what stood on the deck in the run before."""
        standing = [
            DeckItem(name, before.loads[name], slot or "offDeck")
            for name, slot in before.slots.items()
            if slot != "" and name in before.loads
        ]
        if standing:
            await self.load_deck(standing)

    async def _look(self) -> Identity:
        """Wait until the robot is up, and check model and pipette."""
        health = await self._robot.wait_until_up()
        self.record = {"health": health}
        self.record["instruments"] = await self._robot.get("/instruments")
        self.record["modules"] = await self._robot.get("/modules")
        model = check_robot(health, self._settings)
        check_pipette(self.record["instruments"], self._settings)
        self._stamp = self._setup.clock.now().strftime("%Y%m%dT%H%M%S")
        return Identity(
            model, str(health.get("robot_serial", "")), str(health.get("api_version", ""))
        )

    async def load_deck(self, items: Sequence[DeckItem]) -> None:
        """Load the pipette (once in a run) and each labware; nothing moves.

        A labware that this run knows already is moved on the robot's map instead of loaded
        again. The slot `offDeck` declares labware that an arm will bring later.

        Raises:
            RefusedError: A slot that no robot has; nothing was sent.
            InstrumentFaultError: Unknown labware or slot taken; the deck description is unusable.
            LinkError: The description may be incomplete; nothing moved.
        """
        self._keys.begin_verb()
        for item in items:
            if not wire.is_slot(item.slot):
                raise RefusedError(f"{item.labware}: a robot has no slot {item.slot!r}")
        await self._load_pipette()
        for item in items:
            if item.labware in self._belief.slots:
                await self._note_move(item.labware, item.slot)
                continue
            params = self._settings.loading(item.load_name)
            params["location"] = await self._place(item.slot)
            params |= {"labwareId": item.labware, "displayName": item.labware}
            await self._robot.execute("loadLabware", params)
            self._belief.slots[item.labware] = item.slot
            self._belief.loads[item.labware] = item.load_name

    async def use_channels(self, channels: Channels) -> None:
        """Choose the nozzles; sent at once, or before the next pick-up while tips are fitted.

        Raises:
            RefusedError: The pipette has no such set of channels.
        """
        self._keys.begin_verb()
        if channels not in self._limits.channels:
            raise RefusedError(
                f"{self._settings.pipette_name} cannot use {channels!r} channels; "
                f"it has {', '.join(self._limits.channels)}"
            )
        self._wanted = channels
        if not self._belief.tips_fitted:
            await self._configure()

    async def pick_up_tips(self, rack: str, well: str) -> None:
        """Fit tips; tips that an abandoned step has left on the head are discarded first."""
        self._keys.begin_verb()
        await self._find_home()
        if self._belief.tips_fitted and not self._keys.has("pickUpTip"):
            await self._discard()
        await self._configure()
        # also when the answer is lost: no layout change until dropped
        self._belief.tips_fitted = True
        try:
            await self._robot.execute("pickUpTip", self._at(rack, well))
        except InstrumentFaultError:
            self._belief.tips_fitted = False
            raise

    async def _find_home(self) -> None:
        """Home before the first motion of a run that follows a stopped one."""
        if self._lost_home:
            await self._robot.execute("home", {})
            self._lost_home = False

    async def drop_tips(self) -> None:
        """Discard the tips into the waste; see `LiquidHandler`."""
        self._keys.begin_verb()
        await self._discard()

    async def _discard(self) -> None:
        area = {"pipetteId": PIPETTE, "addressableAreaName": self._settings.trash_area}
        await self._robot.execute("moveToAddressableAreaForDropTip", area)
        await self._robot.execute("dropTipInPlace", {"pipetteId": PIPETTE})
        self._belief.tips_fitted = False

    async def return_tips(self, rack: str, well: str) -> None:
        """Put the tips back into their rack; see `LiquidHandler`."""
        self._keys.begin_verb()
        await self._robot.execute("dropTip", self._at(rack, well))
        self._belief.tips_fitted = False

    async def aspirate(
        self, labware: str, well: str, *, volume_ul: float, flow_ul_per_s: float, height_mm: float
    ) -> None:
        """Draw liquid above the well bottom; see `LiquidHandler`."""
        self._keys.begin_verb()
        params = self._pumping(labware, well, volume_ul, flow_ul_per_s, height_mm)
        await self._robot.execute("aspirate", params)

    async def dispense(
        self, labware: str, well: str, *, volume_ul: float, flow_ul_per_s: float, height_mm: float
    ) -> None:
        """Deliver liquid above the well bottom; see `LiquidHandler`."""
        self._keys.begin_verb()
        params = self._pumping(labware, well, volume_ul, flow_ul_per_s, height_mm)
        await self._robot.execute("dispense", params)

    async def blow_out(
        self, labware: str, well: str, *, flow_ul_per_s: float, height_mm: float
    ) -> None:
        """Push out what is left in the tips; see `TipFinisher`."""
        self._keys.begin_verb()
        how = {"flowRate": flow_ul_per_s, "wellLocation": wire.above_bottom(height_mm)}
        await self._robot.execute("blowout", self._at(labware, well) | how)

    async def touch_tip(self, labware: str, well: str) -> None:
        """Wipe the tips at the wall of the well; see `TipFinisher`."""
        self._keys.begin_verb()
        await self._robot.execute("touchTip", self._at(labware, well))

    async def note_move(self, labware: str, slot: str | None) -> None:
        """Tell the robot that a foreign hand moved labware; labware it never knew cannot leave.

        Raises:
            RefusedError: Labware that `load_deck` did not name; nothing was sent.
            InstrumentFaultError: The robot believes the slot is taken; its map is unchanged.
            LinkError: The robot's map is unknown.
        """
        self._keys.begin_verb()
        await self._note_move(labware, slot)

    async def _note_move(self, labware: str, slot: str | None) -> None:
        if labware not in self._belief.slots and slot is None:
            return
        if labware not in self._belief.slots:
            raise RefusedError(f"the robot does not know {labware}; name it in load_deck first")
        slot = None if slot == "offDeck" else slot
        if self._belief.slots[labware] == slot:
            return
        await self._move(labware, slot, "manualMoveWithoutPause")

    async def grip(self, source: str, target: str) -> None:
        """Carry the labware that stands on a slot to another slot with the gripper; see `PlateMover`.

        Raises:
            RefusedError: The robot knows of nothing on `source`; nothing moved.
        """
        self._keys.begin_verb()
        labware = next((name for name, slot in self._belief.slots.items() if slot == source), None)
        if labware is None:
            raise RefusedError(f"the robot knows of nothing on {source}")
        await self._find_home()
        try:
            await self._move(labware, target, "usingGripper")
        except InstrumentFaultError:
            self._belief.slots[labware] = source  # as on the robot's map
            raise

    async def _move(self, labware: str, slot: str | None, strategy: str) -> None:
        params = {
            "labwareId": labware,
            "newLocation": await self._place(slot),
            "strategy": strategy,
        }
        self._belief.slots[labware] = ""  # unknown until the robot has answered
        await self._robot.execute("moveLabware", params)
        self._belief.slots[labware] = slot

    async def find_command(self, key: str) -> str | None:
        """Say what became of a posted command; None when the robot has no record of it.

        For the time after a `LinkError`, whose message names the key: `succeeded` and `failed`
        settle the matter, `queued` and `running` may yet happen, None means it never arrived.

        Raises:
            InstrumentFaultError: 4008: the robot restarted and forgot; the matter stays open.
            LinkError: No usable answer; asking again is harmless.
        """
        return await self._robot.find(key)

    async def abort(self) -> None:
        """Stop the run, over a second connection if a verb is waiting; never raises LinkError."""
        if self._observing:
            with contextlib.suppress(InstrumentError):
                self._robot.run_id = (await self._robot.ours()).run_id
        if self._robot.run_id:
            await self._robot.stop()

    async def aclose(self) -> None:
        """Give back the run and close; harmless when repeated. One that only looked gives nothing."""
        if self._observing:
            await self._robot.hang_up()
            return
        await self._robot.release()
        self._forget()

    async def _load_pipette(self) -> None:
        if not self._belief.pipette_loaded:
            params = {
                "pipetteName": self._settings.pipette_name,
                "mount": self._settings.mount,
                "pipetteId": PIPETTE,
            }
            await self._robot.execute("loadPipette", params)
            self._belief.pipette_loaded = True

    async def _configure(self) -> None:
        """Send the wanted layout if it is not the present one; repeating it is harmless."""
        if self._wanted == self._belief.configured or len(self._limits.channels) == 1:
            return
        await self._load_pipette()
        layout = wire.nozzle_layout(self._wanted, self._primary)
        if self._wanted == self._limits.channels[0]:
            layout = {"style": "ALL"}
        self._belief.configured = None
        params = {"pipetteId": PIPETTE, "configurationParams": layout}
        await self._robot.execute("configureNozzleLayout", params)
        self._belief.configured = self._wanted

    async def _place(self, slot: str | None) -> Any:
        """Encode a slot; where an adapter stands, it is loaded first and the place is on it."""
        adapter = self._settings.adapters.get(slot or "")
        if slot is None or adapter is None:
            return wire.location(slot)
        name = f"adapter.{slot}"
        if name not in self._belief.adapters:
            params = self._settings.loading(adapter)
            params |= {"location": wire.location(slot), "labwareId": name, "displayName": name}
            await self._robot.execute("loadLabware", params)
            self._belief.adapters.add(name)
        return {"labwareId": name}

    def _at(self, labware: str, well: str) -> dict[str, Any]:
        return {"pipetteId": PIPETTE, "labwareId": labware, "wellName": well}

    def _pumping(
        self, labware: str, well: str, volume_ul: float, flow_ul_per_s: float, height_mm: float
    ) -> dict[str, Any]:
        """Check and encode a stroke."""
        check_stroke(self._limits, volume_ul, flow_ul_per_s, height_mm)
        where = {"flowRate": flow_ul_per_s, "wellLocation": wire.above_bottom(height_mm)}
        return self._at(labware, well) | {"volume": volume_ul, **where}
