"""The scenes of the bridged drivers, on the backends with which PyLabRobot simulates itself."""

from __future__ import annotations

from typing import Any, Final

from platectl.conformance.journal import PLATE
from platectl.conformance.stage import Scene, Stage
from platectl.hal.liquids import DeckItem
from platectl.hal.reading import Channel, KineticRead

RESOURCES: Final = "pylabrobot.resources"
#: a bare deck with small labware, which PyLabRobot makes ten times as fast as plates of 96 wells
BENCH: Final[dict[str, Any]] = {
    "backend": "pylabrobot.liquid_handling.backends.LiquidHandlerChatterboxBackend",
    "deck": f"{RESOURCES}.Deck",
    "deck_arguments": {"size_x": 800.0, "size_y": 400.0, "size_z": 500.0},
    "carriers": {
        "trash": {
            "resource": f"{RESOURCES}.Trash",
            "location": (600.0, 0.0, 0.0),
            "arguments": {"size_x": 100.0, "size_y": 300.0, "size_z": 0.0},
        },
    },
    "sites": {"A1": (0.0, 0.0, 0.0), "C1": (150.0, 0.0, 0.0), "C2": (300.0, 0.0, 0.0)},
    "labware": {
        "tips_24": f"{RESOURCES}.hamilton.hamilton_24_tiprack_5000uL",
        "plate_6": f"{RESOURCES}.cor_cos_6_wellplate_16800uL_Fb",
    },
}
RACK: Final = "pylabrobot.storage.cytomat.racks.cytomat_rack_28mm_17"


def handler(stage: Stage) -> Scene:
    """A tip holds a liquid, which is dispensed."""
    world = stage.world
    world.place("tips", "tips_1000", "it.A1")
    world.place("S1", "assay_plate_96", "it.C1", volume_ul=150)
    world.place("P1", "assay_plate_96", "it.C2")
    stroke = {"volume_ul": 50.0, "flow_ul_per_s": 50.0, "height_mm": 1.0}

    async def take_up(driver: Any) -> None:
        await driver.load_deck([
            DeckItem("tips", "tips_24", "A1"),
            DeckItem("S1", "plate_6", "C1"),
            DeckItem("P1", "plate_6", "C2"),
        ])  # fmt: skip
        await driver.use_channels("single")
        await driver.pick_up_tips("tips", "A1")
        await driver.aspirate("S1", "A1", **{**stroke, "volume_ul": 100.0})

    how = {"labware": "P1", "well": "A1", **stroke}
    sites = {"sites": BENCH["sites"]}
    return stage.play(
        "pylabrobot_handler", "dispense", how, prepare=take_up, simulated=sites, **BENCH
    )


def shaker(stage: Stage) -> Scene:
    """A plate is shaken."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
    how = {"speed_rpm": 600, "duration_s": 30}
    backend = "pylabrobot.heating_shaking.HeaterShakerChatterboxBackend"
    return stage.play("pylabrobot_shaker", "shake", how, position="nest", backend=backend)


def thermostat(stage: Stage) -> Scene:
    """A plate is warmed."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
    backend = "pylabrobot.temperature_controlling.TemperatureControllerChatterboxBackend"
    how = {"temperature_c": 37.0}
    return stage.play(
        "pylabrobot_thermostat", "set_temperature", how, position="nest", backend=backend
    )


def sealer(stage: Stage) -> Scene:
    """A plate is sealed."""
    stage.world.place("P1", "assay_plate_96", "tray")
    how = {"temperature_c": 170, "duration_s": 3}
    backend = "pylabrobot.sealing.a4s_backend.A4SBackend"
    return stage.play("pylabrobot_sealer", "seal", how, position="tray", backend=backend)


def incubator(stage: Stage) -> Scene:
    """A plate is fetched."""
    slots = {str(n): f"it.{n}" for n in range(1, 18)}
    for name in ("station", *slots.values()):
        stage.world.add_position(name)
    stage.world.place("P1", "assay_plate_96", "it.12")
    return stage.play(
        "pylabrobot_incubator", "fetch", {"slot": 12}, position="station",
        simulated={"slots": slots}, again=("store", {"slot": 12}), repeatable=False,
        backend="pylabrobot.storage.IncubatorChatterboxBackend", racks=[RACK], slots=17,
    )  # fmt: skip


def arm(stage: Stage) -> Scene:
    """A plate is moved."""
    stations = {
        "shaker1": {"at": [300.0, 0.0, 100.0, 0.0, 90.0, 180.0]},
        "hotel": {"joints": {"1": 100.0, "2": 10.0, "3": 20.0}, "access": "horizontal"},
    }
    stage.world.add_position("hotel")
    stage.world.place("P1", "assay_plate_96", "shaker1")
    return stage.play(
        "pylabrobot_arm", "move_plate", {"source": "shaker1", "target": "hotel"},
        simulated={"stations": stations}, stations=stations, repeatable=False,
        again=("move_plate", {"source": "hotel", "target": "shaker1"}),
        backend="pylabrobot.arms.precise_flex.pf_400.PreciseFlex400Backend",
    )  # fmt: skip


def reader(stage: Stage) -> Scene:
    """A column is read three times."""
    stage.world.place("P1", "assay_plate_96", "read")
    read = KineticRead(
        title="P1 run 7", plate="P1", wells=PLATE.column(2),
        channels=(Channel(340.0, 510.0), Channel(380.0, 510.0)), interval_s=60.0, baseline_s=0.0,
        record_s=120.0, bottom=False,
    )  # fmt: skip
    return stage.play(
        "pylabrobot_reader", "read_kinetic", {"read": read}, position="read",
        backend="pylabrobot.plate_reading.chatterbox.PlateReaderChatterboxBackend",
    )  # fmt: skip
