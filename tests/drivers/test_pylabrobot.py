"""The bridge to PyLabRobot: what is known about the world when it says no, or says nothing."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.drivers.bridge_bench import SHAKER, STROKE, Bench, acting, describe, handler_bench
from tests.drivers.bridge_stories import SCENES, STORIES

from platectl.bridge import library
from platectl.conformance import bridge_scenes, trials
from platectl.conformance.strikes import on_stage
from platectl.domain import frames
from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    UserInputError,
)
from platectl.domain.transcript import parse_transcript
from platectl.hal.liquids import DeckItem
from platectl.hal.reading import Channel, EndpointRead, Injection, KineticRead
from platectl.simkit.faults import Fault
from platectl_drivers.pylabrobot import PyLabRobotReader
from platectl_drivers.pylabrobot.bridged import number

NO_TIP = "pylabrobot.resources.errors.NoTipError"
CLOT = "pylabrobot.liquid_handling.backends.hamilton.STAR_backend.ClotDetectedError"
CLOTTED = ("clot", 0, "", "P1")


def error(name: str, *given: Any, after: int = 0, **more: Any) -> Fault:
    return Fault("device_error", after=after, data={"error": name, "with": given or ("x",), **more})


def acts(bench: Bench) -> list[str]:
    return [name for name, _ in bench.world.acts]


# The handler -------------------------------------------------------------------------------------
async def test_a_stroke_is_made_where_the_deck_says() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)
        await driver.pick_up_tips("tips", "A1")
        await driver.aspirate("S1", "A1", **STROKE)
        await driver.dispense("P1", "B2", **STROKE)
        await driver.return_tips("tips", "A1")

        assert bench.world.volumes_ul("P1")[13] == pytest.approx(50.0, rel=0.1)
        assert acts(bench) == ["new_tips", "aspirate", "dispense", "put_back_tips"]


async def test_what_pylabrobot_refuses_before_a_call_has_changed_nothing() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)

        with pytest.raises(RefusedError, match="no tips are fitted"):
            await driver.aspirate("S1", "A1", **STROKE)
        with pytest.raises(RefusedError, match="not in the deck description"):
            await driver.note_move("P9", "A1")
        with pytest.raises(RefusedError, match="does not stand on the deck"):
            await driver.pick_up_tips("P9", "A1")
        assert bench.world.acts == []


@pytest.mark.parametrize(
    ("how", "why"),
    [({"volume_ul": 0.1}, "1 to 1000"), ({"volume_ul": 2000.0}, "1 to 1000"),
     ({"volume_ul": math.nan}, "1 to 1000"), ({"flow_ul_per_s": 0.0}, "0 uL/s"),
     ({"height_mm": -1.0}, "-1 mm")],
)  # fmt: skip
async def test_a_stroke_outside_the_limits_is_refused(how: dict[str, float], why: str) -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()

        with pytest.raises(RefusedError, match=why):
            await driver.aspirate("S1", "A1", **{**STROKE, **how})


async def test_a_handler_takes_only_the_channels_that_it_has() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()

        with pytest.raises(RefusedError, match="cannot use 'row'"):
            await driver.use_channels("row")


@pytest.mark.parametrize(
    ("item", "code"),
    [(DeckItem("X", "no_such_plate", "C1"), "labware"), (DeckItem("X", "plate_6", "Z9"), "slot"),
     (DeckItem("X", "plate_6", "C2"), "slot_taken")],
)  # fmt: skip
async def test_a_deck_that_cannot_be_is_a_fault(item: DeckItem, code: str) -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)

        with pytest.raises(InstrumentFaultError) as caught:
            await driver.load_deck([item])

        assert caught.value.code == code


async def test_labware_goes_where_somebody_has_put_it() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)
        await driver.note_move("S1", None)
        await driver.note_move("P1", "C1")
        bench.world.lift("it.C1")
        bench.world.set_down(bench.world.lift("it.C2") or "", "it.C1")
        await driver.pick_up_tips("tips", "A1")

        with pytest.raises(RefusedError, match="does not stand"):
            await driver.aspirate("S1", "A1", **STROKE)
        await driver.note_move("S1", "offDeck")
        await driver.aspirate("P1", "A1", **STROKE)


async def test_a_missing_tip_is_a_fault_and_leaves_no_tips() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)
        await driver.pick_up_tips("tips", "A1")
        await driver.drop_tips()

        with pytest.raises(InstrumentFaultError) as caught:
            await driver.pick_up_tips("tips", "A1")

        assert caught.value.code == "NoTipError"
        await driver.pick_up_tips("tips", "B1")


async def test_tips_of_an_abandoned_step_are_discarded() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)
        await driver.pick_up_tips("tips", "A1")
        await driver.pick_up_tips("tips", "B1")

        assert acts(bench) == ["new_tips", "new_tips"]
        assert bench.simulator.device.hands.tips.wells == ("B1",)


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (error(NO_TIP, channels=[0]), InstrumentFaultError),
        (error(CLOT, *CLOTTED), LinkError),
        (error("pylabrobot.io.errors.ValidationError"), LinkError),
        (error("builtins.TimeoutError"), LinkError),
        (error("builtins.ValueError"), LinkError),
    ],
)
async def test_after_a_call_only_what_touched_nothing_is_a_fault(
    fault: Fault, raised: type[Exception]
) -> None:
    at = Fault("device_error", after=1, data=fault.data)
    async with handler_bench(at) as bench:
        driver = await bench.connected()
        await describe(driver)
        await driver.pick_up_tips("tips", "A1")

        with pytest.raises(raised), acting("a-1"):
            await driver.aspirate("S1", "A1", **STROKE)

        verdict = await driver.reconcile(bench.action("a-1", "aspirate"))
        assert verdict.fate == ("not_done" if raised is InstrumentFaultError else "unknown")


async def test_a_fault_of_some_channels_leaves_the_world_unknown() -> None:
    column = error(NO_TIP, channels=[0, 3])
    async with Bench("pylabrobot_handler", column, **whole_plates()) as bench:
        driver = await bench.connected()
        await driver.load_deck([DeckItem("tips", "tips", "A1")])
        await driver.use_channels("column")

        with pytest.raises(LinkError, match="NoTipError"):
            await driver.pick_up_tips("tips", "A1")


def whole_plates() -> dict[str, Any]:
    """A bare deck for plates and racks of 96."""
    resources = "pylabrobot.resources"
    labware = {
        "tips": f"{resources}.hamilton.hamilton_96_tiprack_300uL_filter",
        "plate": f"{resources}.cor_96_wellplate_360uL_Fb",
        "trough": f"{resources}.nest_1_troughplate_195000uL_Vb",
    }
    sites = {"A1": (0.0, 0.0, 0.0), "B1": (150.0, 0.0, 0.0), "C1": (300.0, 0.0, 0.0)}
    return {**bridge_scenes.BENCH, "labware": labware, "sites": sites}


async def test_all_channels_draw_from_a_trough_and_reach_their_wells() -> None:
    given = whole_plates()
    bench = Bench("pylabrobot_handler", simulated={"sites": given["sites"]}, **given)
    bench.world.place("tips", "tips_200", "it.A1")
    bench.world.place("R1", "reservoir_1_290ml", "it.B1", volume_ul=1e5)
    bench.world.place("P1", "assay_plate_96", "it.C1")
    async with bench:
        driver = await bench.connected()
        await driver.load_deck(
            [DeckItem("tips", "tips", "A1"), DeckItem("R1", "trough", "B1"), DeckItem("P1", "plate", "C1")]
        )  # fmt: skip
        for channels in ("full", "column"):
            await driver.use_channels(channels)
            await driver.pick_up_tips("tips", "A1")
            await driver.aspirate("R1", "A1", **STROKE)
            await driver.dispense("P1", "A1", **STROKE)
            await driver.return_tips("tips", "A1")

        volumes = bench.world.volumes_ul("P1").reshape(8, 12)
        assert volumes[:, 0] == pytest.approx([100.0] * 8, rel=0.1)
        assert volumes[:, 1:] == pytest.approx(50.0, rel=0.15)


async def test_a_tecan_evo_is_described_by_its_own_deck_and_carriers() -> None:
    tecan = "pylabrobot.resources.tecan"
    settings = {
        "backend": "pylabrobot.liquid_handling.backends.tecan.EVO_backend.EVOBackend",
        "arguments": {"diti_count": 4},
        "deck": f"{tecan}.EVO100Deck",
        "carriers": {
            "tips": {"resource": f"{tecan}.DiTi_3Pos", "rails": 9},
            "plates": {"resource": f"{tecan}.MP_3Pos", "rails": 15},
        },
        "sites": {"A1": "tips.0", "C1": "plates.0", "C2": "plates.1"},
        "labware": {
            "tips": f"{tecan}.DiTi_1000ul_LiHa",
            "plate": "pylabrobot.resources.cor_96_wellplate_360uL_Fb",
        },
        "channels": ["column", "single"],
    }
    bench = Bench("pylabrobot_handler", simulated={"sites": settings["sites"]}, **settings)
    bench.world.place("tips", "tips_1000", "it.A1")
    bench.world.place("S1", "assay_plate_96", "it.C1", volume_ul=150)
    bench.world.place("P1", "assay_plate_96", "it.C2")
    async with bench:
        driver = await bench.connected()
        await driver.load_deck(
            [DeckItem("tips", "tips", "A1"), DeckItem("S1", "plate", "C1"), DeckItem("P1", "plate", "C2")]
        )  # fmt: skip
        await driver.use_channels("column")
        await driver.pick_up_tips("tips", "A1")
        await driver.aspirate("S1", "A1", **STROKE)
        await driver.dispense("P1", "A1", **STROKE)
        await driver.return_tips("tips", "A1")

        volumes = bench.world.volumes_ul("P1").reshape(8, 12)
        assert volumes[:, 0] == pytest.approx([50.0] * 8, rel=0.1)
        assert (await driver.observe()).model == "EVOBackend"


# Once, and what is remembered ----------------------------------------------------------------------
async def test_what_was_done_is_not_done_again() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)
        await driver.pick_up_tips("tips", "A1")
        await driver.aspirate("S1", "A1", **STROKE)
        with acting("a-1"):
            await driver.dispense("P1", "A1", **STROKE)
        verdict = await driver.reconcile(bench.action("a-1", "dispense"))

        with acting("a-1"):
            await driver.dispense("P1", "A1", **STROKE)

        assert verdict.fate == "partial"
        assert verdict.remembered
        assert acts(bench).count("dispense") == 1


async def test_what_sets_a_state_is_set_whenever_it_is_said() -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.world.add_position("nest")
        driver = await bench.connected()
        with acting("a-1"):
            await driver.set_temperature(37.0)
        await driver.stop_heating()
        verdict = await driver.reconcile(bench.action("a-1", "set_temperature"))

        with acting("a-1"):
            await driver.set_temperature(37.0)
        await asyncio.sleep(600)

        assert verdict.remembered
        assert await driver.read_temperature_c() == pytest.approx(37.0, abs=0.2)


async def test_a_set_up_that_switches_a_heater_off_is_made_good() -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.world.add_position("nest")
        driver = await bench.connected()
        await driver.set_temperature(37.0)
        await bench.cut()
        bench.simulator.device._heated.heat(None)
        heir = bench.driver()
        await heir.take_over()

        await heir.read_temperature_c()
        await asyncio.sleep(600)

        assert await heir.read_temperature_c() == pytest.approx(37.0, abs=0.2)


async def test_a_new_process_goes_on_with_deck_and_tips() -> None:
    async with handler_bench() as bench:
        first = await bench.connected()
        await describe(first)
        await first.pick_up_tips("tips", "A1")
        await first.aspirate("S1", "A1", **STROKE)
        await bench.cut()

        heir = bench.driver()
        await heir.observe()
        await heir.take_over()
        await heir.dispense("P1", "A1", **STROKE)
        await heir.drop_tips()

        assert acts(bench) == ["new_tips", "aspirate", "dispense"]


async def test_tips_that_a_set_up_has_thrown_away_are_missed() -> None:
    async with handler_bench() as bench:
        first = await bench.connected()
        await describe(first)
        await first.pick_up_tips("tips", "A1")
        await bench.cut()
        bench.simulator.device.hands.let_go(None)
        heir = bench.driver()
        await heir.take_over()

        with pytest.raises(InstrumentFaultError) as caught:
            await heir.aspirate("S1", "A1", **STROKE)

        assert caught.value.code == "tips_lost"
        await heir.use_channels("single")
        await heir.pick_up_tips("tips", "B1")


async def test_after_a_broken_line_the_same_driver_goes_on() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)
        await driver.pick_up_tips("tips", "A1")
        await bench.cut()
        with pytest.raises(DisconnectedError), acting("a-1"):
            await driver.aspirate("S1", "A1", **STROKE)
        await asyncio.sleep(1.0)

        verdict = await driver.reconcile(bench.action("a-1", "aspirate"))
        with acting("a-1"):
            await driver.aspirate("S1", "A1", **STROKE)

        assert verdict.fate == "not_done"
        assert verdict.remembered
        assert acts(bench) == ["new_tips", "aspirate"]


async def test_a_child_that_dies_in_a_stroke_leaves_it_unknown() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)
        await driver.pick_up_tips("tips", "A1")
        action = bench.action("a-1", "aspirate")
        with acting("a-1"):
            doing = asyncio.create_task(driver.aspirate("S1", "A1", **STROKE))
        await asyncio.sleep(0.5)
        await bench.kill()
        with pytest.raises(LinkError):
            await doing

        verdict = await driver.reconcile(action)

        assert verdict.fate == "unknown"
        assert list(verdict.evidence["verbs"].values()) == ["lost"]
        with pytest.raises(LinkError, match="its end is not known"), acting("a-1"):
            await driver.aspirate("S1", "A1", **STROKE)


async def test_a_child_without_its_engine_ends_its_verb_and_the_next_one_waits_for_it() -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
        driver = await bench.connected()
        action = bench.action("a-1", "shake")
        with acting("a-1"):
            doing = asyncio.create_task(driver.shake(speed_rpm=600, duration_s=60))
        await asyncio.sleep(20)
        await bench.cut()
        with pytest.raises(LinkError):
            await doing
        heir = bench.driver()

        fates = [(await heir.reconcile(action)).fate]
        await heir.take_over()
        fates.append((await heir.reconcile(action)).fate)

        assert fates == ["running", "partial"]
        assert acts(bench) == ["shake"]


async def test_a_new_run_forgets_the_one_before() -> None:
    async with handler_bench() as bench:
        first = await bench.connected()
        await describe(first)
        with acting("a-1"):
            await first.pick_up_tips("tips", "A1")
        action = bench.action("a-1", "pick_up_tips")
        await first.aclose()
        await asyncio.sleep(60)
        second = await bench.connected()

        verdict = await second.reconcile(action)

        assert verdict.fate == "unknown"
        with pytest.raises(RefusedError):
            await second.aspirate("S1", "A1", **STROKE)


# Beginning -----------------------------------------------------------------------------------------
async def test_connect_sets_nothing_up_unless_it_is_told_to() -> None:
    broken = "pylabrobot.heating_shaking.InhecoThermoshakeBackend"
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.world.add_position("nest")
        bench.simulator.device.stand_behind = _without_power
        driver = await bench.connected()

        with pytest.raises(InstrumentFaultError) as at_first_verb:
            await driver.shake(speed_rpm=600, duration_s=1)
        await driver.aclose()
        with pytest.raises(InstrumentFaultError) as at_connect:
            await bench.connected(set_up_at_connect=True, backend=broken)

        assert (at_first_verb.value.code, at_connect.value.code) == ("setup", "setup")


def _without_power(backend: Any) -> None:
    async def setup() -> None:
        raise OSError("no such device")

    backend.setup = setup


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"backend": "os.system"}, "not in pylabrobot"),
        ({"backend": "pylabrobot.heating_shaking.Nothing"}, "cannot be imported"),
        ({"backend": "pylabrobot.nowhere.Nothing"}, "cannot be imported"),
        ({"arguments": {"colour": "red"}}, "cannot be made"),
    ],
)
async def test_a_backend_that_cannot_be_is_told_at_connect(changed: Any, why: str) -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        with pytest.raises(InstrumentFaultError, match=why) as caught:
            await bench.connected(**changed)

        assert caught.value.code == "settings"


def test_a_package_that_the_lab_file_trusts_may_bring_a_backend() -> None:
    assert library.load("tests.drivers.bridge_bench.Bench", trusted=("tests",)).__name__ == "Bench"


@pytest.mark.parametrize(
    ("there", "why"),
    [(None, "a bridged instrument needs PyLabRobot 0.2.2"), ("0.3.0", "PyLabRobot 0.3.0 is installed")],
)  # fmt: skip
def test_a_missing_or_wrong_extra_is_one_line_with_the_command(
    monkeypatch: pytest.MonkeyPatch, there: str | None, why: str
) -> None:
    def version(name: str) -> str:
        if there is None:
            raise library.metadata.PackageNotFoundError(name)
        return there

    monkeypatch.setattr(library.metadata, "version", version)

    with pytest.raises(UserInputError) as caught:
        Bench("pylabrobot_shaker", position="nest", **SHAKER).driver()

    assert str(caught.value).startswith(why)
    assert str(caught.value).endswith("install it: python -m pip install 'platectl[pylabrobot]'")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, "37.0", True, [37.0]])
def test_what_is_no_number_is_none(value: Any) -> None:
    with pytest.raises(MalformedReplyError):
        number(value)


async def test_a_temperature_that_is_none_is_not_taken_for_one() -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.world.add_position("nest")
        driver = await bench.connected()
        bench.alter = lambda message: {**message, "ok": "37.0"}

        with pytest.raises(MalformedReplyError):
            await driver.read_temperature_c()


async def test_a_climate_that_is_none_is_not_taken_for_one() -> None:
    backend = "pylabrobot.storage.IncubatorChatterboxBackend"
    async with Bench(
        "pylabrobot_incubator", position="station", backend=backend, racks=[bridge_scenes.RACK]
    ) as bench:
        bench.world.add_position("station")
        driver = await bench.connected()
        bench.alter = lambda message: {**message, "ok": True}

        with pytest.raises(MalformedReplyError):
            await driver.read_climate()


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 3.0], [1.0, "2.0"], None])
async def test_values_that_are_no_values_of_these_wells_are_none(values: Any) -> None:
    async with Bench("pylabrobot_reader", position="read", **READER) as bench:
        bench.world.place("P1", "assay_plate_96", "read")
        driver = await bench.connected()
        bench.alter = lambda message: {**message, "ok": {"values": values, "temperature_c": 37.0}}

        with pytest.raises(MalformedReplyError):
            _ = [frame async for frame in driver.read_kinetic(read_of())]


@pytest.mark.parametrize(
    "answer",
    [{"ok": {"version": "0.2.3"}}, {"ok": None}, {"ok": []}, {"kind": "word", "code": "", "says": ""}, {}],
)  # fmt: skip
async def test_a_stranger_on_the_line_is_not_taken_for_the_bridge(answer: dict[str, Any]) -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.alter = lambda message: {"id": message["id"], **answer}

        with pytest.raises(MalformedReplyError):
            await bench.connected()


async def test_it_says_who_is_there_and_what_it_can() -> None:
    async with handler_bench() as bench:
        driver = bench.driver()
        identity = await driver.observe()

        assert identity.model == "LiquidHandlerChatterboxBackend"
        assert identity.firmware == "PyLabRobot 0.2.2"
        assert (driver.limits.min_volume_ul, driver.limits.max_volume_ul) == (1.0, 1000.0)
        assert bench.simulator.memory.since == ""


# Nests ---------------------------------------------------------------------------------------------
async def test_a_shaker_heats_and_mixes_what_stands_in_it() -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
        driver = await bench.connected()
        await driver.set_temperature(37.0)
        await asyncio.sleep(600)
        warm = await driver.read_temperature_c()
        await driver.shake(speed_rpm=600, duration_s=30)
        await driver.set_temperature(30.0)
        await driver.stop_heating()

        assert warm == pytest.approx(37.0, abs=0.2)
        assert acts(bench) == ["shake"]


@pytest.mark.parametrize(
    ("verb", "how"),
    [("shake", {"speed_rpm": 5000, "duration_s": 1}), ("shake", {"speed_rpm": 600, "duration_s": 0}),
     ("shake", {"speed_rpm": math.nan, "duration_s": 1}), ("set_temperature", {"temperature_c": 200})],
)  # fmt: skip
async def test_a_shaker_refuses_what_it_cannot(verb: str, how: dict[str, float]) -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        driver = await bench.connected()

        with pytest.raises(RefusedError):
            await getattr(driver, verb)(**how)


async def test_an_aborted_shaker_stands_and_nobody_says_that_it_was_done() -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
        driver = await bench.connected()
        with acting("a-1"):
            doing = asyncio.create_task(driver.shake(speed_rpm=600, duration_s=600))
        await asyncio.sleep(20)
        await driver.abort()
        with pytest.raises(InstrumentFaultError) as caught:
            await doing

        verdict = await driver.reconcile(bench.action("a-1", "shake"))

        assert caught.value.code == "aborted"
        assert verdict.fate == "unknown"
        assert bench.clock.monotonic_s() < 60.0


async def test_what_an_engine_left_at_work_is_stopped_by_another_process() -> None:
    async with Bench("pylabrobot_shaker", position="nest", **SHAKER) as bench:
        bench.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
        driver = await bench.connected()
        with acting("a-1"):
            doing = asyncio.create_task(driver.shake(speed_rpm=600, duration_s=6000))
        await asyncio.sleep(20)
        await bench.cut()
        with pytest.raises(LinkError):
            await doing
        action = bench.action("a-1", "shake")

        stranger = bench.driver()
        await stranger.observe()
        await stranger.abort()
        await asyncio.sleep(10)

        assert not bench.simulator.device._shaking
        assert (await stranger.reconcile(action)).fate == "unknown"


async def test_an_aborted_pick_up_does_not_stand_in_the_way_of_the_next() -> None:
    async with handler_bench() as bench:
        driver = await bench.connected()
        await describe(driver)
        doing = asyncio.create_task(driver.pick_up_tips("tips", "A1"))
        await asyncio.sleep(1.0)
        await driver.abort()
        with pytest.raises(InstrumentFaultError):
            await doing

        await driver.pick_up_tips("tips", "B1")

        assert acts(bench) == ["new_tips"]


async def test_an_incubator_without_the_plate_says_so() -> None:
    slots = {str(n): f"it.{n}" for n in range(1, 18)}
    backend = "pylabrobot.storage.IncubatorChatterboxBackend"
    async with Bench(
        "pylabrobot_incubator", position="station", simulated={"slots": slots}, backend=backend,
        racks=[bridge_scenes.RACK], slots=17,
    ) as bench:  # fmt: skip
        for name in ("station", *slots.values()):
            bench.world.add_position(name)
        driver = await bench.connected()

        with pytest.raises(InstrumentFaultError) as caught:
            await driver.fetch(3)
        with pytest.raises(RefusedError):
            await driver.fetch(18)

        assert caught.value.code == "CytomatTransferStationEmptyError"
        await driver.set_temperature(37.0)
        assert (await driver.read_climate()).temperature_c == pytest.approx(37.0)


async def test_an_arm_that_grips_nothing_says_so() -> None:
    stations = {"a": {"at": [1, 2, 3, 0, 90, 180]}, "b": {"joints": {"1": 1, "2": 2}}}
    backend = "pylabrobot.arms.precise_flex.pf_400.PreciseFlex400Backend"
    async with Bench(
        "pylabrobot_arm", simulated={"stations": stations}, stations=stations, backend=backend
    ) as bench:
        for name in stations:
            bench.world.add_position(name)
        driver = await bench.connected()

        with pytest.raises(InstrumentFaultError) as caught:
            await driver.move_plate("a", "b")
        with pytest.raises(RefusedError, match="no station is taught as c"):
            await driver.move_plate("a", "c")

        assert caught.value.code == "no_plate"


async def test_a_sealer_takes_whole_degrees_in_its_range() -> None:
    backend = "pylabrobot.sealing.a4s_backend.A4SBackend"
    async with Bench("pylabrobot_sealer", position="tray", backend=backend) as bench:
        driver = await bench.connected()

        for temperature_c, duration_s in ((170.5, 2.0), (300.0, 2.0), (170.0, 60.0)):
            with pytest.raises(RefusedError):
                await driver.seal(temperature_c=temperature_c, duration_s=duration_s)


# The reader ----------------------------------------------------------------------------------------
READER = {"backend": "pylabrobot.plate_reading.chatterbox.PlateReaderChatterboxBackend"}


def read_of(**changed: Any) -> KineticRead:
    given: dict[str, Any] = {
        "title": "P1", "plate": "P1", "wells": ("A1", "B2"), "channels": (Channel(340.0, 510.0),),
        "interval_s": 60.0, "baseline_s": 0.0, "record_s": 120.0, "bottom": False, **changed,
    }  # fmt: skip
    return KineticRead(**given)


async def test_passes_come_at_their_times() -> None:
    async with Bench("pylabrobot_reader", position="read", **READER) as bench:
        bench.world.place("P1", "assay_plate_96", "read")
        driver = await bench.connected()
        await driver.open_drawer()
        await driver.close_drawer()
        begun_s = bench.clock.monotonic_s()

        found = [frame async for frame in driver.read_kinetic(read_of())]

        assert [round((frame.at_s[0] - begun_s) / 60.0) for frame in found] == [0, 1, 2]
        assert all(frame.values[0] > 1000.0 and not frame.flags for frame in found)


@pytest.mark.parametrize(
    ("mode", "given", "unit"),
    [("absorbance", {"excitation_nm": 405.0}, "AU"), ("luminescence", {}, "RLU"),
     ("fluorescence", {"excitation_nm": 340.0, "emission_nm": 510.0}, "RFU")],
)  # fmt: skip
async def test_each_well_is_read_once(mode: Any, given: dict[str, float], unit: str) -> None:
    async with Bench("pylabrobot_reader", position="read", **READER) as bench:
        bench.world.place("P1", "assay_plate_96", "read", volume_ul=100)
        driver = await bench.connected()

        found = await driver.read_endpoint(EndpointRead("P1", "P1", ("A1", "B2"), mode, **given))

        assert (found.wells, found.unit, found.flags) == (("A1", "B2"), unit, {})
        assert all(math.isfinite(value) for value in found.values)


@pytest.mark.parametrize(
    "given",
    [{"mode": "absorbance", "excitation_nm": 100.0}, {"mode": "absorbance", "excitation_nm": 405.5},
     {"mode": "luminescence", "integration_s": 1.0}, {"mode": "luminescence", "wells": ()},
     {"mode": "fluorescence", "excitation_nm": 340.0}],
)  # fmt: skip
async def test_a_single_read_that_pylabrobot_does_not_offer_is_refused(given: Any) -> None:
    async with Bench("pylabrobot_reader", position="read", **READER) as bench:
        driver = await bench.connected()
        asked = {"title": "P1", "plate": "P1", "wells": ("A1",), **given}

        with pytest.raises(RefusedError):
            await driver.read_endpoint(EndpointRead(**asked))


@pytest.mark.parametrize(
    "changed",
    [{"interval_s": 10.0}, {"bottom": True}, {"wells": ()}, {"channels": (Channel(100.0, 510.0),)},
     {"channels": (Channel(340.5, 510.0),)},
     {"injection": Injection("C1", volume_ul=25.0, speed_ul_per_s=20.0, height_mm=3.0)}],
)  # fmt: skip
async def test_a_reader_refuses_what_pylabrobot_does_not_offer(changed: dict[str, Any]) -> None:
    async with Bench("pylabrobot_reader", position="read", **READER) as bench:
        bench.world.place("P1", "assay_plate_96", "read")
        driver = await bench.connected()

        with pytest.raises(RefusedError):
            _ = [frame async for frame in driver.read_kinetic(read_of(**changed))]
        assert bench.world.acts == []


async def test_a_value_that_is_none_is_flagged() -> None:
    async with Bench("pylabrobot_reader", position="read", **READER) as bench:
        bench.world.place("P1", "assay_plate_96", "read")
        driver = await bench.connected()
        optics = bench.simulator.device
        optics._photometer = type(
            "Dead", (), {"measure": lambda self, signals: signals * math.inf}
        )()

        (frame, *_) = [frame async for frame in driver.read_kinetic(read_of())]

        assert math.isnan(frame.values[0])
        assert frame.flags == {"A1": "missing", "B2": "missing"}


# The lines -----------------------------------------------------------------------------------------
@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8)))
def test_a_line_says_what_was_said(message: dict[str, Any]) -> None:
    assert frames.decode(frames.encode(message).removesuffix(frames.END)) == message


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_line_with_one_wrong_byte_is_no_line(place: int, flip: int) -> None:
    line = bytearray(
        frames.encode({"id": 3, "ok": {"values": [1.5, 2.5], "temperature_c": 37.0}})[:-1]
    )
    line[place % len(line)] ^= flip

    with pytest.raises(MalformedReplyError):
        frames.decode(bytes(line))


# The recordings ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    [
        "pylabrobot_handler_transfer", "pylabrobot_shaker_shake", "pylabrobot_incubator_fetch",
        "pylabrobot_sealer_seal", "pylabrobot_arm_move", "pylabrobot_reader_read", "pylabrobot_thermostat_heat",
    ],
)  # fmt: skip
def test_driver_and_bridge_say_what_was_recorded(name: str, transcripts: Path) -> None:
    turns = parse_transcript((transcripts / f"{name}.txt").read_text("ascii"))

    async def ask(driver: Any) -> None:
        await driver.connect()
        await STORIES[name][1](driver)

    told = on_stage(SCENES[name], lambda scene: trials.replayed(scene, turns, ask))
    answered = on_stage(SCENES[name], lambda scene: trials.simulated(scene, turns))

    assert (told, answered) == ([], [])


@pytest.mark.parametrize(
    "told",
    [
        {"values": [1.0]}, {"values": [1.0, 2.0, 3.0]}, {"values": [1.0, "2"]}, {"values": [1.0, " 2"]},
        {"values": [1.0, "1_0"]}, {"values": "12"}, [1.0, 2.0], None,
        {"values": [1.0, 2.0], "temperature_c": "37"}, {"values": [1.0, 2.0], "temperature_c": "3_7"},
    ],
)  # fmt: skip
async def test_what_a_reader_says_is_a_number_for_each_well_or_nothing(told: Any) -> None:
    async def query(*_: Any, **__: Any) -> Any:
        return told

    reader: Any = object.__new__(PyLabRobotReader)
    reader._handed, reader._query = SimpleNamespace(hand=lambda: None), query

    with pytest.raises(MalformedReplyError):
        await reader._values("absorbance", ["A1", "A2"])
