"""The scenes of the drivers that come with platectl, enrolled by entry point like any other."""

from __future__ import annotations

from typing import Any, Final

from platectl import registry
from platectl.conformance.journal import PLATE
from platectl.conformance.stage import Scene, Stage
from platectl.hal.handling import Prompt
from platectl.hal.instrument import DriverSetup
from platectl.hal.liquids import DeckItem
from platectl.hal.reading import Channel, Injection, KineticRead
from platectl.hal.stream import ByteStream

FURA2: Final = (Channel(340.0, 510.0), Channel(380.0, 510.0))


def _read(title: str = "P1 run 7", *, interval_s: float = 20.0, **changes: Any) -> KineticRead:
    given: dict[str, Any] = {
        "title": title, "plate": "P1", "wells": PLATE.column(2), "channels": FURA2,
        "interval_s": interval_s, "baseline_s": 0.0, "record_s": 2 * interval_s,
    }  # fmt: skip
    return KineticRead(**{**given, **changes})


def a4s(stage: Stage) -> Scene:
    """A plate is sealed."""
    stage.world.place("P1", "assay_plate_96", "tray")
    return stage.play("a4s", "seal", {"temperature_c": 170, "duration_s": 3}, position="tray")


#: patience that ends before a trial does
SOON: Final[dict[str, Any]] = {"margin_s": 600.0}
COUNTED: Final[dict[str, Any]] = {
    "title": "P1-filter",
    "wells": ("A1", "A2", "B1"),
    "count_s": 60.0,
}


def beckman_ls(stage: Stage) -> Scene:
    """Three vials are counted, and heard."""
    stage.world.place("P1", "filter_plate_96_gfb", "counter")
    datums = {"position": 912, "cpm": 920}
    return stage.play(
        "beckman_ls", "count", COUNTED, position="counter", simulated={"datums": datums},
        started=COUNTED,
        again=("observe", {}), datums=datums, **SOON,
    )  # fmt: skip


def bioshake(stage: Stage) -> Scene:
    """A plate is shaken."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
    how = {"speed_rpm": 600, "duration_s": 30}
    return stage.play("bioshake", "shake", how, position="nest")


def biotek(stage: Stage) -> Scene:
    """A column is read three times, from above."""
    stage.world.place("P1", "assay_plate_96", "read")
    how = {"read": _read(bottom=False)}
    return stage.play("biotek", "read_kinetic", how, position="read")


def cavro(stage: Stage) -> Scene:
    """A syringe gives part of what it holds."""
    stage.world.load_bottle("it", liquid="buffer", volume_ul=1e6, contents={})

    async def fill(driver: Any) -> None:
        await driver.initialise()
        await driver.aspirate(volume_ul=500.0, flow_ul_per_s=200.0)

    how = {"volume_ul": 50.0, "flow_ul_per_s": 50.0}
    return stage.play(
        "cavro", "dispense", how, prepare=fill, acts=("draw", "push"), simulated={"syringe_ul": 1000.0},
        syringe_ul=1000.0,
    )  # fmt: skip


def clariostar(stage: Stage) -> Scene:
    """A column is read three times."""
    stage.world.place("P1", "assay_plate_96", "read")
    return stage.play("clariostar", "read_kinetic", {"read": _read()}, position="read")


def cvc3000(stage: Stage) -> Scene:
    """A filter plate is drawn through."""
    stage.world.place("F1", "filter_plate_96_gfb", "manifold", volume_ul=100)
    return stage.play(
        "cvc3000", "apply_vacuum", {"gauge_mbar": -500, "hold_s": 5}, position="manifold",
        simulated={"relay": "serial:/dev/null"}, wires=("relay",),
    )  # fmt: skip


def cytomat(stage: Stage) -> Scene:
    """A plate is fetched."""
    slots = {str(n): f"it.{n}" for n in range(1, 43)}
    for name in ("station", *slots.values()):
        stage.world.add_position(name)
    stage.world.place("P1", "assay_plate_96", "it.12")
    return stage.play(
        "cytomat", "fetch", {"slot": 12}, position="station", simulated={"slots": slots},
        again=("store", {"slot": 12}), repeatable=False,
    )  # fmt: skip


def delimited_counts(stage: Stage) -> Scene:
    """Three wells are counted, and a file of their lines is dropped."""
    stage.world.place("P1", "filter_plate_96_gfb", "counter")
    layout: dict[str, Any] = {
        "separator": ";", "columns": ["plate", "well", "counts", "count_s", "cpm"],
        "header": ["Plate;Well;Counts;Time (s);CPM"], "footer": ["End"], "well_form": "A01",
    }  # fmt: skip
    return stage.play(
        "delimited_counts", "count", COUNTED, position="counter", files=True, simulated=layout,
        started=COUNTED, **SOON, **layout,
    )  # fmt: skip


def el406(stage: Stage) -> Scene:
    """A buffer is dispensed into the whole plate."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=50)
    stage.world.load_bottle("it.A", liquid="hbss", volume_ul=1e6, contents={})
    how = {"buffer": "A", "volume_ul": 90, "flow": 5}
    return stage.play("el406", "dispense", how, position="nest")


def envision_csv(stage: Stage) -> Scene:
    """Three wells are read, and an export is dropped."""
    stage.world.place("P1", "filter_plate_96_gfb", "reader")
    return stage.play(
        "envision_csv", "count", COUNTED, position="reader", files=True,
        started=COUNTED, **SOON,
    )  # fmt: skip


FMP: Final = {
    "path": "C:\\protocols\\fura2.fmp", "channels": [[340, 510], [380, 510]], "interval_s": 2.0,
    "baseline_s": 4.0, "record_s": 10.0, "volume_ul": 25.0, "speed_ul_per_s": 20.0, "height_mm": 3.0,
}  # fmt: skip


def flipr(stage: Stage) -> Scene:
    """Compounds are added and the plate is read."""
    world = stage.world
    world.place("P1", "assay_plate_96", "read", volume_ul=100)
    world.place("C1", "assay_plate_96", "source", volume_ul=100)
    world.place("T1", "tips_1000", "tips")
    read = _read(
        interval_s=2.0, baseline_s=4.0, record_s=10.0, wells=PLATE.by_row(),
        injection=Injection("C1", volume_ul=25.0, speed_ul_per_s=20.0, height_mm=3.0),
    )  # fmt: skip
    protocols = {"fura2": FMP}
    return stage.play(
        "flipr", "read_kinetic", {"read": read}, position="read", files=True, again=("open_drawer", {}),
        simulated={"protocols": protocols, "source": "source", "tips": "tips"}, protocols=protocols,
    )  # fmt: skip


def hidex300(stage: Stage) -> Scene:
    """Three wells are counted, and a growing file is dropped."""
    stage.world.place("P1", "filter_plate_96_gfb", "counter")
    return stage.play(
        "hidex300", "count", COUNTED, position="counter", files=True,
        started=COUNTED, **SOON,
    )  # fmt: skip


def hidex_sense(stage: Stage) -> Scene:
    """Three wells are counted."""
    stage.world.place("P1", "filter_plate_96_gfb", "counter")
    how = {"title": "P1 run 7", "wells": ("A1", "A2", "A3"), "count_s": 120.0}
    columns = {
        "plate": "Plate", "well": "Well", "count_s": "Time", "cpm": "CPM", "counts": "Counts",
        "ended_at": "EndTime",
    }  # fmt: skip
    return stage.play("hidex_sense", "count", how, position="counter", columns=columns)


def liconic(stage: Stage) -> Scene:
    """A plate is fetched."""
    slots = {str(n): f"it.{n}" for n in range(1, 45)}
    for name in ("station", *slots.values()):
        stage.world.add_position(name)
    stage.world.place("P1", "assay_plate_96", "it.25")
    return stage.play(
        "liconic", "fetch", {"slot": 25}, position="station", simulated={"slots": slots},
        again=("store", {"slot": 25}), repeatable=False, transfer_sensor=True,
    )  # fmt: skip


def line_scanner(stage: Stage) -> Scene:
    """A barcode is read."""
    stage.world.add_position("gate")
    stage.world.add_labware("P1", "assay_plate_96", "gate", barcode="P0000042")
    return stage.play("line_scanner", "read", {}, position="gate", acts=("scan",))


def mt_sics(stage: Stage) -> Scene:
    """A plate is tared."""
    stage.world.place("P1", "assay_plate_96", "pan", volume_ul=100)
    return stage.play("mt_sics", "tare", {}, position="pan", acts=("tare",))


def multidrop_combi(stage: Stage) -> Scene:
    """Two columns are filled."""
    stage.world.place("P1", "assay_plate_96", "nest")
    stage.world.load_bottle("it", liquid="buffer", volume_ul=1e6, contents={})

    async def prime(driver: Any) -> None:
        await driver.prime(volume_ul=800)

    return stage.play(
        "multidrop_combi", "dispense_columns",
        {"volumes_ul": {1: 50.0, 3: 25.0}, "height_mm": 14.4}, position="nest", prepare=prime,
    )  # fmt: skip


def operator(stage: Stage) -> Scene:
    """A person brings a plate."""
    stage.world.add_position("shaker1")
    stage.world.place("P1", "assay_plate_96", "bench")
    data = {"source": "bench", "target": "shaker1"}
    prompt = Prompt("m1", "move", "Bring it", ("done", "cannot"), data)
    back = Prompt(
        "m2", "move", "Back", ("done", "cannot"), {"source": "shaker1", "target": "bench"}
    )
    return stage.play(
        "operator", "ask", {"prompt": prompt}, patience_s=600, again=("ask", {"prompt": back}),
        repeatable=False,
    )  # fmt: skip


def operator_harvester(stage: Stage) -> Scene:
    """A person harvests."""
    stage.world.place("P1", "assay_plate_96", "bench", volume_ul=250)
    stage.world.place("F1", "filter_plate_96_gfb", "manifold")
    desk = stage.play("operator", "ask", {}, patience_s=600)
    harvester_class = registry.load(registry.DRIVERS, "operator_harvester")

    async def no_wire() -> ByteStream:
        raise AssertionError("the harvester has no wire of its own")

    def sat_down() -> tuple[Any, ...]:
        (person,) = desk.build()
        setup = DriverSetup(
            "it", stage.clock, no_wire, harvester_class.Settings(), extras={"operator": person}
        )
        return harvester_class(setup), person

    how = {"plate": "P1", "filter_plate": "F1", "washes": 1, "wash_ml": 1.0}
    scene = Scene(stage, sat_down, "harvest", how, repeatable=False)

    async def sit_down(driver: Any) -> None:
        del driver
        await scene.built[1].connect()

    scene.prepare = sit_down
    return scene


def opentrons(stage: Stage) -> Scene:
    """Tips hold a liquid, which is dispensed."""
    world = stage.world
    rack = DeckItem("tips", "opentrons_flex_96_tiprack_1000ul", "A1")
    source = DeckItem("S1", "nest_96_wellplate_200ul_flat", "C1")
    target = DeckItem("P1", "corning_96_wellplate_360ul_flat", "C2")
    world.place("tips", "tips_1000", "it.A1")
    world.place("S1", "assay_plate_96", "it.C1", volume_ul=150)
    world.place("P1", "assay_plate_96", "it.C2")
    stroke = {"volume_ul": 50.0, "flow_ul_per_s": 50.0, "height_mm": 1.0}

    async def take_up(driver: Any) -> None:
        await driver.load_deck([rack, source, target])
        await driver.use_channels("full")
        await driver.pick_up_tips("tips", "A1")
        await driver.aspirate("S1", "A1", **{**stroke, "volume_ul": 100.0})

    how = {"labware": "P1", "well": "A1", **stroke}
    return stage.play("opentrons", "dispense", how, prepare=take_up)


def opentrons_deck_block(stage: Stage) -> Scene:
    """A plate is cooled."""
    stage.world.place("P1", "assay_plate_96", "block", volume_ul=100)
    how = {"temperature_c": 4.0}
    return stage.play("opentrons_deck_block", "set_temperature", how, position="block")


def opentrons_deck_shaker(stage: Stage) -> Scene:
    """A plate is shaken."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
    how = {"speed_rpm": 600, "duration_s": 30}
    return stage.play("opentrons_deck_shaker", "shake", how, position="nest")


def opentrons_gripper(stage: Stage) -> Scene:
    """A plate is carried from slot to slot."""
    world = stage.world
    world.add_position("it.C2")
    world.place("P1", "assay_plate_96", "it.C1")
    robot = stage.play("opentrons", "grip", {})
    gripper_class = registry.load(registry.DRIVERS, "opentrons_gripper")

    async def no_wire() -> ByteStream:
        raise AssertionError("the gripper has no wire of its own")

    def mounted() -> tuple[Any, ...]:
        (handler,) = robot.build()
        settings = gripper_class.Settings(stations={"it.C1": "C1", "it.C2": "C2"})
        extras = {"handler": handler}
        return gripper_class(
            DriverSetup("grip", stage.clock, no_wire, settings, extras=extras)
        ), handler

    there = {"source": "it.C1", "target": "it.C2"}
    back = {"source": "it.C2", "target": "it.C1"}
    scene = Scene(stage, mounted, "move_plate", there, again=("move_plate", back), repeatable=False)

    async def declare(driver: Any) -> None:
        del driver
        handler = scene.built[1]
        await handler.connect()
        await handler.load_deck([DeckItem("P1", "corning_96_wellplate_360ul_flat", "C1")])

    scene.prepare = declare
    return scene


def opentrons_heater_shaker(stage: Stage) -> Scene:
    """A plate is shaken."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
    how = {"speed_rpm": 600, "duration_s": 30}
    return stage.play("opentrons_heater_shaker", "shake", how, position="nest")


def opentrons_temperature(stage: Stage) -> Scene:
    """A plate is cooled."""
    stage.world.place("P1", "assay_plate_96", "block", volume_ul=100)
    return stage.play(
        "opentrons_temperature", "set_temperature", {"temperature_c": 4.0}, position="block"
    )


def opentrons_vacuum(stage: Stage) -> Scene:
    """A filter plate is drawn through."""
    stage.world.place("F1", "filter_plate_96_gfb", "manifold", volume_ul=100)
    how = {"gauge_mbar": -300, "hold_s": 5}
    return stage.play("opentrons_vacuum", "apply_vacuum", how, position="manifold")


def pf400(stage: Stage) -> Scene:
    """A plate is moved."""
    stations = {"shaker1": 15, "combi_hot": 12}
    stage.world.add_position("combi_hot")
    stage.world.place("P1", "assay_plate_96", "shaker1")
    return stage.play(
        "pf400", "move_plate", {"source": "shaker1", "target": "combi_hot"},
        simulated={"stations": stations}, stations=stations, repeatable=False,
        again=("move_plate", {"source": "combi_hot", "target": "shaker1"}),
    )  # fmt: skip


def softmax_file(stage: Stage) -> Scene:
    """Two wells of a column are read three times, and an export is dropped."""
    stage.world.place("P1", "assay_plate_96", "read")
    read = _read(wells=("A2", "B2"), columns=(2,))
    pairs = [[channel.excitation_nm, channel.emission_nm] for channel in FURA2]
    note = {
        "title": read.title, "wells": read.wells, "columns": read.columns, "channels": pairs,
        "interval_s": read.interval_s, "baseline_s": 0.0, "record_s": read.record_s, "pipettor": None,
    }  # fmt: skip
    return stage.play(
        "softmax_file", "read_kinetic", {"read": read}, position="read", files=True,
        again=("observe", {}), started=note, **SOON,
    )  # fmt: skip


def spectramax(stage: Stage) -> Scene:
    """A column is read three times."""
    stage.world.place("P1", "assay_plate_96", "read")
    return stage.play("spectramax", "read_kinetic", {"read": _read()}, position="read")


def xpeel(stage: Stage) -> Scene:
    """A plate is peeled."""
    stage.world.place("P1", "assay_plate_96", "tray")
    stage.world.seal("tray")
    stage.world.acts.clear()
    return stage.play("xpeel", "peel", {"adhere_s": 2.5}, position="tray")
