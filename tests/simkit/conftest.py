"""A world by hand: a clock that is set, a truth without scatter, and a bench to work at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import pytest

from platectl.domain.labware import LabwareKind
from platectl.domain.wells import PlateFormat
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.world import Tips, Truth, World
from platectl_simulators.truth_file import default_truth

WELLS = PlateFormat.of(96).by_row()
HOT = "[3H](+)-pentazocine"
CATALOGUE = {
    name: LabwareKind.model_validate(fields)
    for name, fields in {
        "plate": {"role": "plate", "max_volume": "360 uL"},
        "deep": {"role": "plate", "max_volume": "2 mL"},
        "filter": {"role": "filter_plate", "max_volume": "2 mL"},
        "trough": {"role": "reservoir", "wells": 1, "max_volume": "290 mL"},
        "trough12": {"role": "reservoir", "wells": 12, "max_volume": "20 mL"},
        "tips": {"role": "tip_rack", "tip_volume": "1 mL"},
        "lid": {"role": "lid"},
    }.items()
}


class HandClock:
    """A clock that goes forward when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic_s(self) -> float:
        return self.seconds


def exact(truth: Truth) -> Truth:
    """The same truth without any scatter between lots, tips, wells and strokes."""
    handling = truth.liquid_handling
    still = {
        "pipettes": tuple(p.model_copy(update={"cv": 0.0, "bias": 0.0}) for p in handling.pipettes),
        "bulk_cv": 0.0,
        "bulk_bias": 0.0,
        "additive": 0.0,
    }
    return truth.model_copy(
        update={
            "membranes": {
                n: m.model_copy(update={"lot_cv": 0.0}) for n, m in truth.membranes.items()
            },
            "liquid_handling": handling.model_copy(update=still),
            "filtration": truth.filtration.model_copy(
                update={"nsb_lot_cv": 0.0, "recovery_sd": 0.0}
            ),
            "counting": truth.counting.model_copy(update={"efficiency_cv": 0.0}),
            "environment": truth.environment.model_copy(update={"gradient_sd": 0.0}),
        }
    )


@dataclass
class Bench:
    """A world with a few places, and the strokes of a binding assay."""

    truth: Truth = field(default_factory=lambda: exact(default_truth()))
    seed: int = 1
    faults: dict[str, list[Fault]] = field(default_factory=dict)

    hot: ClassVar[str] = HOT
    wells: ClassVar[tuple[str, ...]] = WELLS

    def __post_init__(self) -> None:
        self.clock = HandClock()
        plans = {name: FaultPlan(faults) for name, faults in self.faults.items()}
        self.world = World(
            self.truth, self.clock, seed=self.seed, catalogue=CATALOGUE, faults=plans
        )
        for name in ("deck", "deck2", "deck3", "deck4", "manifold", "park"):
            self.world.add_position(name)
        self.world.add_position("shaker", temperature_c=37.0)
        self.world.add_position("dryer", temperature_c=40.0)
        self.world.add_position("hotel", dark=True)

    def wait(self, minutes: float) -> None:
        self.clock.seconds += 60.0 * minutes

    def move(self, source: str, target: str) -> None:
        labware = self.world.lift(source)
        assert labware is not None
        self.world.set_down(labware, target)

    def put(self, labware: str, kind: str, position: str) -> None:
        self.world.add_labware(labware, kind, position)

    def pick_up(self, count: int = 96, *, rack: str = "tips", position: str = "park") -> Tips:
        if self.world.plate_at(position) is None:
            self.put(rack, "tips", position)
        return self.world.new_tips("flex", rack=rack, wells=WELLS[:count])

    def fill_assay(
        self,
        labware: str = "assay",
        *,
        ug: float = 100.0,
        hot_nm: float = 3.0,
        tissue: str = "guinea_pig_brain",
        cold: Callable[[int], dict[str, float]] = lambda _: {},
        wells: tuple[str, ...] = WELLS,
    ) -> None:
        """Pour 250 uL of ligands and membranes into wells."""
        for number, well in enumerate(wells):
            contents = {
                HOT: hot_nm * 1e-9,
                f"membranes:{tissue}": ug / 250.0,
                **cold(number),
            }
            self.world.fill(labware, well, volume_ul=250.0, contents=contents)

    def soak(self, filters: str = "filter") -> None:
        for well in WELLS:
            self.world.fill(filters, well, volume_ul=50.0, contents={"pei": 0.005})

    def harvest(self, *, washes: int = 4, source: str = "assay", filters: str = "filter") -> None:
        """Filter a whole plate at the manifold and wash; takes 20 s."""
        tips = self.pick_up()
        self.world.vacuum("manifold", on=True)
        self.world.aspirate(tips, source, WELLS, 250.0)
        self.world.dispense(tips, filters, WELLS, 250.0)
        for _ in range(washes):
            self.wait(20 / 60 / 4)
            self.world.fill("wash", "A1", volume_ul=100_000.0, contents={})
            self.world.aspirate(tips, "wash", ["A1"] * 96, 1000.0)
            self.world.dispense(tips, filters, WELLS, 1000.0)
        self.world.vacuum("manifold", on=False)

    def count(self, filters: str = "filter") -> np.ndarray[Any, Any]:
        """Dry, add cocktail, keep in the dark and count, as cpm above background."""
        self.move("manifold", "dryer")
        self.wait(60)
        self.add_cocktail(filters)
        self.move("dryer", "hotel")
        self.wait(60)
        return self.world.count_rates("hotel", WELLS)

    def add_cocktail(self, labware: str, volume_ul: float = 40.0) -> None:
        for well in WELLS:
            self.world.fill(labware, well, volume_ul=volume_ul, contents={"cocktail": 1.0})

    def ready(self) -> None:
        """Put an assay plate in the shaker, a soaked filter plate on the manifold, and buffer."""
        self.put("assay", "plate", "shaker")
        self.put("filter", "filter", "manifold")
        self.put("wash", "trough", "deck")
        self.soak()


@pytest.fixture
def bench() -> Bench:
    """A bench without scatter."""
    return Bench()


@pytest.fixture
def exact_truth() -> Truth:
    """The bundled truth without scatter."""
    return exact(default_truth())


@pytest.fixture
def make_bench() -> type[Bench]:
    """Benches with faults, seeds or another truth."""
    return Bench
