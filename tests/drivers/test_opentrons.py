"""The Opentrons driver against the simulated robot, over a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.hal.instrument import DriverSetup
from platectl.hal.liquids import DeckItem, LiquidHandler
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import Tips
from platectl.transport.record import RecordingStream
from platectl_drivers.opentrons import Opentrons, Settings
from platectl_simulators.opentrons import OpentronsSimulator

RACK = DeckItem("tips", "opentrons_flex_96_tiprack_1000ul", "A1")
SOURCE = DeckItem("P1.source", "nest_96_wellplate_200ul_flat", "C1")
TARGET = DeckItem("P1.assay", "corning_96_wellplate_360ul_flat", "C2")
TROUGH = DeckItem("wash", "agilent_1_reservoir_290ml", "D2")
STROKE = {"volume_ul": 50.0, "flow_ul_per_s": 50.0, "height_mm": 1.0}


class Bench:
    """Stands in for the world: notes what happens at which labware."""

    def __init__(self) -> None:
        self.standing = {
            f"flex.{item.slot}": item.labware for item in (RACK, SOURCE, TARGET, TROUGH)
        }
        self.done: list[tuple[str, str, int, float]] = []

    def takes_s(self, instrument: str, nominal_s: float, *, person: bool = False) -> float:
        del instrument, person
        return nominal_s

    def rng(self, instrument: str) -> np.random.Generator:
        return np.random.default_rng(7)

    def plate_at(self, position: str) -> str | None:
        return self.standing.get(position)

    def new_tips(self, instrument: str, *, rack: str, wells: Sequence[str]) -> Tips:
        n = len(wells)
        self.done.append(("pick_up", rack, n, 0.0))
        zero = np.zeros(n)
        return Tips(instrument, rack, tuple(wells), zero, zero > 1, zero.copy(), np.zeros((1, n)))

    def put_back_tips(self, tips: Tips, *, rack: str, wells: Sequence[str]) -> None:
        self.done.append(("put_back", rack, len(wells), 0.0))

    def aspirate(self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        tips.volume_ul += volume_ul
        self.done.append(("aspirate", f"{labware}/{wells[0]}", len(wells), volume_ul))

    def dispense(self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        tips.volume_ul -= volume_ul
        self.done.append(("dispense", f"{labware}/{wells[0]}", len(wells), volume_ul))

    def strokes(self, kind: str) -> list[float]:
        return [volume for what, _, _, volume in self.done if what == kind]


class Lab:
    """A robot, what it does, and every byte that was said to it."""

    def __init__(self, *faults: Fault, simulated: dict[str, Any], **settings: Any) -> None:
        self.clock = VirtualClock()
        self.world = Bench()
        setup = SimulatorSetup(
            "flex", self.world, self.clock, settings=simulated, faults=FaultPlan(faults)
        )
        self.robot = OpentronsSimulator(setup)
        self.serving: list[asyncio.Task[None]] = []
        self.said = b""
        self.subject = self.new_driver(**settings)

    def new_driver(self, **settings: Any) -> Opentrons:
        return Opentrons(
            DriverSetup(
                name="flex",
                clock=self.clock,
                open_stream=self.connect,
                settings=Settings(**settings),
            )
        )

    async def connect(self) -> ByteStream:
        ours, theirs = pipe()
        self.serving.append(asyncio.create_task(self.robot.serve(theirs)))
        return RecordingStream(ours, self._note)

    def _note(self, side: str, data: bytes) -> None:
        self.said += data if side == ">" else b""

    def posted(self, command_type: str) -> int:
        return self.said.count(b'"commandType":"' + command_type.encode() + b'"')


@asynccontextmanager
async def lab(
    *faults: Fault, ready: bool = True, simulated: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Lab]:
    there = Lab(*faults, simulated=simulated or {}, **settings)
    try:
        if ready:
            await there.subject.connect()
            await there.subject.load_deck([RACK, SOURCE, TARGET, TROUGH])
        yield there
    finally:
        await there.subject.aclose()
        await there.subject.aclose()
        await there.robot.settle()
        await asyncio.wait_for(asyncio.gather(*there.serving), 1000)


async def test_it_is_a_liquid_handler() -> None:
    handler: LiquidHandler
    async with lab(ready=False) as there:
        handler = there.subject
        identity = await handler.connect()

    assert (identity.model, identity.firmware) == ("OT-3 Standard", "8.1.0")
    assert handler.limits.max_volume_ul == 1000
    assert handler.limits.min_volume_ul == 5
    assert there.subject.record["instruments"][0]["instrumentName"] == "p1000_96"
    assert there.subject.record["modules"] == []


async def test_a_transfer_moves_the_world() -> None:
    async with lab() as there:
        await there.subject.use_channels("full")
        await there.subject.pick_up_tips("tips", "A1")
        await there.subject.aspirate("P1.source", "A1", **STROKE)
        await there.subject.dispense("P1.assay", "A1", **STROKE)
        await there.subject.return_tips("tips", "A1")

        assert there.world.done == [
            ("pick_up", "tips", 96, 0.0),
            ("aspirate", "P1.source/A1", 96, 50.0),
            ("dispense", "P1.assay/A1", 96, 50.0),
            ("put_back", "tips", 96, 0.0),
        ]
        assert there.posted("configureNozzleLayout") == 0
    # pick up 2+8, strokes 2+1+1.5 each, return 2+6, five entries of bookkeeping
    assert there.clock.monotonic_s() == pytest.approx(10 + 9 + 8 + 5 * 0.05)


@pytest.mark.parametrize(
    ("channels", "well", "wells"), [("column", "A3", 8), ("row", "B1", 12), ("single", "D7", 1)]
)
async def test_fewer_nozzles_meet_fewer_wells(channels: Any, well: str, wells: int) -> None:
    async with lab() as there:
        await there.subject.use_channels(channels)
        await there.subject.use_channels(channels)
        await there.subject.pick_up_tips("tips", well)
        await there.subject.aspirate("P1.source", well, **STROKE)
        await there.subject.dispense("wash", "A1", **STROKE)
        await there.subject.drop_tips()

        assert [n for _, _, n, _ in there.world.done] == [wells] * 3
        assert there.posted("configureNozzleLayout") == 1


async def test_a_layout_chosen_with_tips_fitted_waits_for_the_next_tips() -> None:
    async with lab() as there:
        await there.subject.pick_up_tips("tips", "A1")
        await there.subject.use_channels("column")
        assert there.posted("configureNozzleLayout") == 0
        await there.subject.drop_tips()
        await there.subject.pick_up_tips("tips", "A1")

        assert there.posted("configureNozzleLayout") == 1
        assert [n for what, _, n, _ in there.world.done if what == "pick_up"] == [96, 8]


@pytest.mark.parametrize(
    "stroke", [{"volume_ul": 4.9}, {"volume_ul": 1000.1}, {"volume_ul": float("nan")},
               {"flow_ul_per_s": 0.0}, {"height_mm": -0.1}],
)  # fmt: skip
async def test_what_lies_outside_the_limits_is_never_sent(stroke: dict[str, float]) -> None:
    async with lab() as there:
        said = there.said
        for verb in (there.subject.aspirate, there.subject.dispense):
            with pytest.raises(RefusedError):
                await verb("P1.source", "A1", **{**STROKE, **stroke})
        assert there.said == said


async def test_slots_channels_and_labware_that_do_not_exist_are_refused() -> None:
    async with lab(pipette_name="p300_multi_gen2", ready=False) as there:
        with pytest.raises(RefusedError, match="row"):
            await there.subject.use_channels("row")
        with pytest.raises(RefusedError, match="slot"):
            await there.subject.load_deck([DeckItem("x", "y", "E1")])
        with pytest.raises(RefusedError, match="load_deck"):
            await there.subject.note_move("stranger", "A1")
        await there.subject.note_move("stranger", None)
        assert there.said == b""


async def test_the_map_follows_foreign_hands() -> None:
    async with lab() as there:
        await there.subject.note_move("P1.source", None)
        await there.subject.note_move("P1.source", None)
        await there.subject.note_move("P1.assay", "C1")
        with pytest.raises(InstrumentFaultError, match=r"LocationIsOccupiedError.*'C1'") as caught:
            await there.subject.note_move("P1.source", "C1")
        await there.subject.load_deck([SOURCE.__class__("P1.source", SOURCE.load_name, "C3")])

        assert caught.value.code == "4000"
        assert there.posted("moveLabware") == 4
        assert there.posted("loadPipette") == 1


async def test_the_last_drop_is_blown_out_and_wiped_off() -> None:
    async with lab() as there:
        await _pumping(there)

        await there.subject.blow_out("P1.assay", "A1", flow_ul_per_s=40.0, height_mm=2.0)
        await there.subject.touch_tip("P1.assay", "A1")

        assert (
            b'"flowRate":40.0,"wellLocation":{"origin":"bottom","offset":{"z":2.0}}' in there.said
        )
        assert (there.posted("blowout"), there.posted("touchTip")) == (1, 1)


async def test_a_rack_on_an_adapter_is_loaded_onto_it() -> None:
    adapter = "opentrons_flex_96_tiprack_adapter"
    async with lab(adapters={"A1": adapter}) as there:
        await there.subject.pick_up_tips("tips", "A1")
        await there.subject.return_tips("tips", "A1")
        await there.subject.note_move("tips", None)
        await there.subject.load_deck([DeckItem("tips2", RACK.load_name, "A1")])

        assert there.said.count(b'"loadName":"' + adapter.encode()) == 1
        assert there.said.count(b'"location":{"labwareId":"adapter.A1"}') == 2


async def test_custom_definitions_come_from_their_own_namespace() -> None:
    kinds = {"special_96_wellplate_1ml": {"namespace": "lab", "version": 3}}
    async with lab(definitions=kinds) as there:
        await there.subject.load_deck(
            [DeckItem("f", "platectl_96_filterplate_gfb_2ml", "B1"),
             DeckItem("s", "special_96_wellplate_1ml", "B2")]
        )  # fmt: skip
        assert there.said.count(b'"namespace":"custom_beta","version":1') == 1
        assert there.said.count(b'"namespace":"lab","version":3') == 1


async def test_unknown_labware_is_told_without_a_traceback() -> None:
    async with lab() as there:
        with pytest.raises(InstrumentFaultError, match="PythonException") as caught:
            await there.subject.load_deck([DeckItem("x", "no_such_thing", "B1")])
        assert "Traceback" not in str(caught.value)
        assert "no_such_thing" in str(caught.value)


async def test_a_plate_that_is_not_there_is_not_noticed_by_the_robot() -> None:
    async with lab() as there:
        del there.world.standing["flex.C2"]
        await there.subject.pick_up_tips("tips", "A1")
        await there.subject.aspirate("P1.source", "A1", **STROKE)
        await there.subject.dispense("P1.assay", "A1", **STROKE)

        assert there.world.strokes("dispense") == []
        assert there.robot.hands.tips is not None
        assert there.robot.hands.tips.volume_ul.max() == 0


async def test_missing_tips_are_sensed_on_a_flex() -> None:
    async with lab() as there:
        del there.world.standing["flex.A1"]
        with pytest.raises(InstrumentFaultError, match="tipPhysicallyMissing") as caught:
            await there.subject.pick_up_tips("tips", "A1")
        with pytest.raises(InstrumentFaultError, match="TipNotAttached"):
            await there.subject.aspirate("P1.source", "A1", **STROKE)
        assert caught.value.code == "3003"


async def test_start_up_is_waited_for() -> None:
    faults = (Fault("start_up_503", times=20), Fault("runs_503", times=3))
    async with lab(*faults) as there:
        assert there.clock.monotonic_s() > 23


async def test_a_start_up_without_end_ends() -> None:
    async with lab(Fault("start_up_503", times=None), ready=False) as there:
        with pytest.raises(ReplyTimeoutError, match="still starting"):
            await there.subject.connect()
        assert 120 <= there.clock.monotonic_s() < 122


@pytest.mark.parametrize(
    ("fault", "settings", "code"),
    [
        (Fault("wrong_pipette"), {}, "wrong_pipette"),
        (Fault("none"), {"mount": "right"}, "wrong_pipette"),
        (Fault("none"), {"robot_type": "ot2"}, "wrong_robot"),
    ],
)
async def test_another_robot_than_declared_is_refused(
    fault: Fault, settings: dict[str, Any], code: str
) -> None:
    async with lab(fault, ready=False, **settings) as there:
        with pytest.raises(InstrumentFaultError) as caught:
            await there.subject.connect()
        assert caught.value.code == code
        assert b"POST" not in there.said


async def test_a_run_of_another_client_is_respected() -> None:
    async with lab() as there:
        stranger = there.new_driver()
        pick_up = asyncio.create_task(there.subject.pick_up_tips("tips", "A1"))
        await asyncio.sleep(1)
        with pytest.raises(InstrumentFaultError) as caught:
            await stranger.connect()
        await stranger.aclose()
        await pick_up
        assert caught.value.code == "RunAlreadyActive"


async def _pumping(there: Lab) -> None:
    await there.subject.pick_up_tips("tips", "A1")
    await there.subject.aspirate("P1.source", "A1", **STROKE)


@pytest.mark.parametrize(
    ("fault", "error", "fate", "strokes"),
    [
        (Fault("silent:aspirate"), ReplyTimeoutError, None, 0),
        (Fault("reply_lost:aspirate"), DisconnectedError, "succeeded", 1),
        (Fault("late_reply:aspirate", data={"delay_s": 90}), ReplyTimeoutError, "succeeded", 1),
        (Fault("garbled_reply:aspirate"), MalformedReplyError, "succeeded", 1),
        (
            Fault("garbled_reply:aspirate", data={"level": "wire"}),
            MalformedReplyError,
            "succeeded",
            1,
        ),
    ],
)
async def test_after_a_lost_answer_the_robot_can_be_asked(
    fault: Fault, error: type[LinkError], fate: str | None, strokes: int
) -> None:
    async with lab(fault) as there:
        before_s = there.clock.monotonic_s()
        with pytest.raises(error, match="key flex-") as caught:
            await _pumping(there)
        assert there.clock.monotonic_s() - before_s < 60

        assert there.subject.last_key in str(caught.value)
        assert await there.subject.find_command(there.subject.last_key) == fate
        assert there.posted("aspirate") == 1
        assert len(there.world.strokes("aspirate")) == strokes


async def test_a_command_is_found_by_a_driver_that_did_not_send_it() -> None:
    async with lab(Fault("reply_lost:aspirate")) as there:
        with pytest.raises(LinkError):
            await _pumping(there)
        successor = there.new_driver()
        await successor.connect()
        assert await successor.find_command(there.subject.last_key) == "succeeded"
        assert await successor.find_command("never sent") is None
        await successor.aclose()


async def test_a_command_is_found_on_an_early_page() -> None:
    async with lab() as there:
        key = there.subject.last_key
        for _ in range(130):
            await there.subject.note_move("P1.source", None)
            await there.subject.note_move("P1.source", "C1")
        assert await there.subject.find_command(key) == "succeeded"
        assert await there.subject.find_command("never sent") is None


async def test_a_robot_that_restarted_does_not_pretend_to_know() -> None:
    async with lab(
        Fault("robot_restart", after=6, data={"executes": True, "start_up_s": 30})
    ) as there:
        with pytest.raises(DisconnectedError):
            await _pumping(there)
        key = there.subject.last_key
        await asyncio.sleep(30)
        with pytest.raises(InstrumentFaultError) as caught:
            await there.subject.find_command(key)
        assert caught.value.code == "4008"
        with pytest.raises(InstrumentFaultError) as caught:
            await there.subject.aspirate("P1.source", "A1", **STROKE)
        assert caught.value.code == "RunStopped"
        assert there.world.strokes("aspirate") == [50.0]


@pytest.mark.parametrize("executes", [False, True])
async def test_after_a_server_error_the_driver_looks_whether_the_command_was_taken(
    executes: bool,
) -> None:
    async with lab(Fault("http_500", after=6, data={"executes": executes})) as there:
        await there.subject.pick_up_tips("tips", "A1")
        if executes:
            await there.subject.aspirate("P1.source", "A1", **STROKE)
        else:
            with pytest.raises(InstrumentFaultError, match="HTTP 500") as caught:
                await there.subject.aspirate("P1.source", "A1", **STROKE)
            assert caught.value.code == "UnexpectedError"
        assert there.posted("aspirate") == 1
        assert len(there.world.strokes("aspirate")) == executes


async def test_a_slow_command_is_followed_and_never_posted_again() -> None:
    async with lab() as there:
        await there.subject.pick_up_tips("tips", "A1")
        await there.subject.aspirate("P1.source", "A1", volume_ul=500, flow_ul_per_s=5, height_mm=1)
        assert there.posted("aspirate") == 1
        assert there.world.strokes("aspirate") == [500.0]


async def test_a_command_that_never_ends_is_left_in_doubt() -> None:
    async with lab(command_s=60) as there:
        await there.subject.pick_up_tips("tips", "A1")
        with pytest.raises(ReplyTimeoutError, match="still running after 60 s"):
            await there.subject.aspirate(
                "P1.source", "A1", volume_ul=500, flow_ul_per_s=5, height_mm=1
            )
        assert await there.subject.find_command(there.subject.last_key) == "running"


async def test_an_open_door_is_waited_out() -> None:
    async with lab(Fault("door_open", after=6, data={"for_s": 100})) as there:
        await _pumping(there)
        assert there.posted("aspirate") == 1
        assert there.world.strokes("aspirate") == [50.0]


async def test_a_door_that_stays_open_is_named() -> None:
    async with lab(Fault("door_open", after=6)) as there:
        with pytest.raises(ReplyTimeoutError, match=r"blocked-by-open-door.*close the door"):
            await _pumping(there)
        assert await there.subject.find_command(there.subject.last_key) == "queued"
        assert there.world.strokes("aspirate") == []


async def test_overpressure_is_named_and_the_run_takes_commands_again() -> None:
    async with lab(Fault("overpressure")) as there:
        with pytest.raises(InstrumentFaultError, match=r"overpressure.*awaiting-recovery") as first:
            await _pumping(there)
        assert there.world.strokes("aspirate") == []

        await there.subject.aspirate("P1.source", "A1", **STROKE)

        assert first.value.code == "3006"
        assert there.said.count(b"resume-from-recovery") == 1
        assert there.world.strokes("aspirate") == [50.0]


async def test_who_takes_a_run_over_that_waits_for_recovery_lets_it_go_on() -> None:
    async with lab() as there:
        await _pumping(there)
        next(iter(there.robot._runs.values())).state = "awaiting-recovery"
        heir = there.new_driver()

        await heir.take_over()
        await heir.drop_tips()

        assert there.said.count(b"resume-from-recovery") == 1
        await heir.aclose()


async def test_a_stall_ends_the_run_and_a_new_one_can_be_started() -> None:
    async with lab(Fault("stall", after=1)) as there:
        with pytest.raises(InstrumentFaultError, match=r"stallOrCollision.*failed") as first:
            await _pumping(there)
        with pytest.raises(InstrumentFaultError) as second:
            await there.subject.drop_tips()
        assert (first.value.code, second.value.code) == ("2003", "RunStopped")

        await there.subject.connect()
        await there.subject.load_deck([RACK])
        with pytest.raises(InstrumentFaultError, match="UnexpectedTipAttachError"):
            await there.subject.pick_up_tips("tips", "A1")


async def test_abort_stops_a_stroke_in_the_middle() -> None:
    async with lab() as there:
        await there.subject.pick_up_tips("tips", "A1")
        stroke = asyncio.create_task(
            there.subject.aspirate("P1.source", "A1", volume_ul=500, flow_ul_per_s=50, height_mm=1)
        )
        await asyncio.sleep(2 + 3)
        began_s = there.clock.monotonic_s()
        await there.subject.abort()
        with pytest.raises(InstrumentFaultError, match="RunStoppedError"):
            await stroke

        assert there.clock.monotonic_s() - began_s < 0.1
        assert there.world.strokes("aspirate") == [pytest.approx(150.0)]
        assert len(there.serving) == 2  # the abort had a connection of its own


async def test_abort_before_connect_after_close_and_on_a_dead_robot_returns() -> None:
    async with lab(ready=False) as there:
        await there.subject.abort()
    async with lab(Fault("silent:actions"), Fault("reply_lost:actions", after=0)) as there:
        await there.subject.abort()
        await there.subject.abort()
    await there.subject.abort()


async def test_closing_while_a_verb_waits_ends_both() -> None:
    async with lab() as there:
        pick_up = asyncio.create_task(there.subject.pick_up_tips("tips", "A1"))
        await asyncio.sleep(1)
        await there.subject.aclose()
        with pytest.raises((LinkError, InstrumentFaultError)):
            await pick_up


async def test_a_closed_run_is_given_back() -> None:
    async with lab() as there:
        await there.subject.aclose()
        assert b"PATCH /runs/" in there.said
        successor = there.new_driver()
        await successor.connect()
        await successor.aclose()


async def test_an_eight_channel_pipette_on_an_ot2_uses_a_column() -> None:
    ot2 = {"robot_type": "ot2", "pipette_name": "p300_multi_gen2"}
    async with lab(ready=False, simulated={**ot2, "slots": {"1": "flex.A1"}}, **ot2) as there:
        await there.subject.connect()
        await there.subject.load_deck([DeckItem("t", "opentrons_96_tiprack_300ul", "1")])
        await there.subject.use_channels("column")
        await there.subject.pick_up_tips("t", "A2")
        await there.subject.drop_tips()
        await there.subject.use_channels("single")
        await there.subject.pick_up_tips("t", "A3")
        assert [n for what, _, n, _ in there.world.done if what == "pick_up"] == [8, 1]
        assert b"fixedTrash" in there.said
        assert b'"primaryNozzle":"H1"' in there.said


async def test_a_corner_that_the_head_does_not_have_is_refused() -> None:
    ot2 = {"robot_type": "ot2", "pipette_name": "p300_multi_gen2"}

    with pytest.raises(
        UserInputError, match="p300_multi_gen2 has no corner 'H12' for single; there is A1, H1"
    ):
        async with lab(ready=False, **ot2, primary_nozzles={"single": "H12"}):
            pass
