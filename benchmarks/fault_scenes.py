"""One scene for each driver: a small world, its simulator, and one verb that consumes or moves."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from platectl import registry
from platectl.domain.labware import LabwareKind
from platectl.domain.wells import PlateFormat
from platectl.files.lab import load_catalogue, load_lab
from platectl.hal.handling import Prompt
from platectl.hal.instrument import DriverSetup
from platectl.hal.liquids import DeckItem
from platectl.hal.reading import Channel, Injection, KineticRead
from platectl.hal.stream import ByteStream
from platectl.simkit.line_faults import LineFaults
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World
from platectl.transport.drop_folder import DropDirectory
from platectl.transport.record import RecordingStream
from platectl_simulators.truth_file import default_truth

PLATE: Final = PlateFormat.of(96)
FURA2: Final = (Channel(340.0, 510.0), Channel(380.0, 510.0))
ACTS: Final = (
    "lift", "set_down", "shake", "seal", "vacuum", "new_tips", "put_back_tips", "aspirate",
    "dispense", "bulk_prime", "bulk_dispense", "aspirate_plate", "fluorescence", "count_rates",
)  # fmt: skip
READS: Final = ("fluorescence", "count_rates")

Act = tuple[str, str]


@functools.cache
def _catalogue() -> Mapping[str, LabwareKind]:
    lab, _ = load_lab(None)
    return load_catalogue(lab)


class Journal(World):
    """A world that notes what is done in it; cells and counts are made up and never change."""

    def __init__(self) -> None:
        super().__init__(default_truth(), VirtualClock(), catalogue=_catalogue())
        self.acts: list[Act] = []
        for name in ACTS:
            setattr(self, name, self._noting(name, getattr(self, name)))

    def place(self, labware: str, kind: str, position: str, *, volume_ul: float = 0.0) -> None:
        """Put labware on a new position, its wells filled."""
        self.add_position(position)
        self.add_labware(labware, kind, position)
        if volume_ul:
            for well in self.catalogue[kind].format.by_row():
                self.fill(labware, well, volume_ul=volume_ul, contents={"dmso": 0.01})

    def fluorescence(self, position: str, wells: Sequence[str], **how: Any) -> Any:
        """Counts of each well, the same at any time."""
        del position
        rest = 2200.0 if how["excitation_nm"] < 360.0 else 5200.0
        return np.array([rest * (1.0 + 0.002 * PLATE.index(well)) for well in wells])

    def count_rates(self, position: str, wells: Sequence[str]) -> Any:
        """Counts per minute of each well, the same at any time."""
        del position
        return np.array([1500.0 + 10.0 * PLATE.index(well) for well in wells])

    def _noting(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **how: Any) -> Any:
            before = len(self.acts)
            result = act(*args, **how)
            if result is None and name == "lift":
                return result
            del self.acts[before:]  # what it did by others of these methods is its own
            if name in READS:
                self.acts += [(name, f"{args[0]} {well} {_words(how)}") for well in args[1]]
            else:
                self.acts.append((name, f"{_words(args)} {_words(how)}".strip()))
            return result

        return noted


def _words(values: Any) -> str:
    """Arguments in short; lists of wells by their number, tips and times not at all."""
    if isinstance(values, Mapping):
        return " ".join(f"{k}={_words((v,))}" for k, v in values.items() if k != "at_s")
    short = (f"{len(v)} wells" if isinstance(v, list | tuple) else v for v in values)
    return " ".join(str(v) for v in short if isinstance(v, str | int | float | dict))


async def _nothing(driver: Any) -> None:
    del driver


@dataclass
class Stage:
    """Where a scene is played: its world, the faults of its wire, and who is at work behind it."""

    faults: LineFaults
    folder: Path
    world: Journal = field(default_factory=Journal)
    clock: VirtualClock = field(default_factory=VirtualClock)
    #: what went by between driver and faults: side, number of bytes, acts of the world by then
    said: list[tuple[str, int, int]] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def setup(self, position: str | None, settings: Mapping[str, Any]) -> SimulatorSetup:
        """What the simulator is built with."""
        return SimulatorSetup("it", self.world, self.clock, position, settings, folder=self.folder)

    def connector(self, serve: Callable[[ByteStream], Any], *, main: bool = True) -> Any:
        """Opens conversations with a simulator; those of the main wire have the faults."""

        async def connect() -> ByteStream:
            ours, theirs = pipe()
            self.tasks.append(asyncio.create_task(_serve(serve, theirs)))
            return ours

        async def open_main() -> ByteStream:
            stream = await self.faults.on(connect)()
            return RecordingStream(stream, self._note)

        return open_main if main else connect

    def _note(self, side: str, data: bytes) -> None:
        self.said.append((side, len(data), len(self.world.acts)))

    def play(
        self, name: str, verb: str, arguments: Mapping[str, Any], *,
        position: str | None = None, simulated: Mapping[str, Any] | None = None,
        files: bool = False, wires: Sequence[str] = (),
        prepare: Callable[[Any], Awaitable[None]] = _nothing,
        again: tuple[str, Mapping[str, Any]] | None = None, repeatable: bool = True, **settings: Any,
    ) -> Scene:  # fmt: skip
        """Build simulator and driver of one name."""
        simulator = registry.load(registry.SIMULATORS, name)(self.setup(position, simulated or {}))
        if hasattr(simulator, "run"):
            self.tasks.append(asyncio.create_task(simulator.run()))
        driver_class = registry.load(registry.DRIVERS, name)
        extras = {
            wire: self.connector(getattr(simulator, f"serve_{wire}"), main=False) for wire in wires
        }
        setup = DriverSetup(
            "it", self.clock, self.connector(simulator.serve),
            driver_class.Settings.model_validate(settings),
            DropDirectory(self.folder, in_thread=False) if files else None, extras,
        )  # fmt: skip
        return Scene(
            self, lambda: (driver_class(setup),), verb, arguments, prepare, again, repeatable
        )

    async def aclose(self) -> None:
        """Send everybody behind the wire home."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def _serve(serve: Callable[[ByteStream], Any], theirs: ByteStream) -> None:
    try:
        await serve(theirs)
    finally:
        await theirs.aclose()


@dataclass
class Scene:
    """A driver before its simulator, and the verb that the faults strike; `prepare` comes before.

    `again` is a second verb on the same line, the same one unless told; with `repeatable` its
    effect does not depend on what became of the first. `build` makes drivers as a new process
    would, the one in question first.
    """

    stage: Stage
    build: Callable[[], tuple[Any, ...]]
    verb: str
    arguments: Mapping[str, Any]
    prepare: Callable[[Any], Awaitable[None]] = _nothing
    again: tuple[str, Mapping[str, Any]] | None = None
    repeatable: bool = True
    built: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.built += self.build()
        self.driver = self.built[0]
        self.at_once = len(self.built)

    async def act(self) -> Any:
        """Do the verb; what a read yields is collected."""
        return await self._do(self.verb, self.arguments)

    async def act_again(self) -> Any:
        """Do the second verb."""
        return await self._do(*(self.again or (self.verb, self.arguments)))

    async def _do(self, verb: str, arguments: Mapping[str, Any]) -> Any:
        doing = getattr(self.driver, verb)(**arguments)
        if hasattr(doing, "__aiter__"):
            return [item async for item in doing]
        return await doing

    async def observer(self) -> Any:
        """A driver of a new process, which only looks."""
        fresh = self.build()
        self.built += fresh
        for driver in reversed(fresh):
            await driver.observe()
        return fresh[0]

    async def take_over(self) -> None:
        """Let the newest process have control; it acts from now on."""
        newest = self.built[-self.at_once :]
        for driver in reversed(newest):
            await driver.take_over()
        self.driver = newest[0]

    def as_json(self) -> dict[str, Any]:
        """The arguments as the steps write them into the ledger."""
        told: dict[str, Any] = {}
        for key, value in self.arguments.items():
            if isinstance(value, KineticRead):
                injects = value.injection is not None
                wells = list(value.wells)
                told |= {"labware": value.plate, "title": value.title}
                told |= {"injects": injects, "wells": wells}
            elif isinstance(value, Prompt):
                told |= {"kind": value.kind, "text": value.text}
            else:
                told[key] = value
        return told

    async def aclose(self) -> None:
        """Close the drivers, twice."""
        for driver in self.built * 2:
            await driver.aclose()


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


def bioshake(stage: Stage) -> Scene:
    """A plate is shaken."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
    how = {"speed_rpm": 600, "duration_s": 30}
    return stage.play("bioshake", "shake", how, position="nest")


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


def el406(stage: Stage) -> Scene:
    """A buffer is dispensed into the whole plate."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=50)
    stage.world.load_bottle("it.A", liquid="hbss", volume_ul=1e6, contents={})
    how = {"buffer": "A", "volume_ul": 90, "flow": 5}
    return stage.play("el406", "dispense", how, position="nest")


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


def hidex_sense(stage: Stage) -> Scene:
    """Three wells are counted."""
    stage.world.place("P1", "filter_plate_96_gfb", "counter")
    how = {"title": "P1 run 7", "wells": ("A1", "A2", "A3"), "count_s": 120.0}
    return stage.play("hidex_sense", "count", how, position="counter")


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


def spectramax(stage: Stage) -> Scene:
    """A column is read three times."""
    stage.world.place("P1", "assay_plate_96", "read")
    return stage.play("spectramax", "read_kinetic", {"read": _read()}, position="read")


#: by the name of the driver's entry point
SCENES: Final[dict[str, Callable[[Stage], Scene]]] = {
    scene.__name__: scene
    for scene in (
        a4s, bioshake, clariostar, cvc3000, cytomat, el406, flipr, hidex_sense, multidrop_combi,
        operator, operator_harvester, opentrons, opentrons_vacuum, pf400, spectramax,
    )
}  # fmt: skip
#: drivers that hear nothing over a wire: they wait for files
WITHOUT_WIRE: Final = ("hidex300", "softmax_file")
