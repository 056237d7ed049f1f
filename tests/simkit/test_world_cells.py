"""Living cells in the simulated world: loading, responses, modulation, washing, and light."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from platectl.domain.labware import LabwareKind
from platectl.simkit.photometer import Photometer
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World, WorldError
from platectl.simkit.world.cells import course, peak
from platectl.simkit.world.photophysics import bound_share, calcium_nm
from platectl.simkit.world.truth_cells import CellLine, Fura2
from platectl_simulators.truth_file import default_truth

QUIET = {"well_cv": 0.0, "day_cv": 0.0, "loading_cv": 0.0}
ALL = LabwareKind.model_validate({"role": "plate"}).format.by_row()
DYE = {"fura2_am": 5e-6, "probenecid": 2.5e-3}


class Clock(VirtualClock):
    """A clock that the test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 0.0

    def monotonic_s(self) -> float:
        return self.at_s


class Room:
    """A plate of quiet cells, and what a bench needs to treat it."""

    def __init__(self, **line: Any) -> None:
        truth = default_truth()
        cells = CellLine.model_validate({**QUIET, **line})
        environment = truth.environment.model_copy(
            update={"gradient_sd": 0.0, "evaporation_ul_per_h": (0.0, 0.0, 0.0)}
        )
        self.truth = truth.model_copy(update={"cells": {"c": cells}, "environment": environment})
        plate = LabwareKind.model_validate({"role": "plate", "max_volume": "360 uL"})
        self.clock = Clock()
        counting = self.truth.counting.model_copy(update={"efficiency_cv": 0.0})
        self.truth = self.truth.model_copy(update={"counting": counting})
        self.world = World(self.truth, self.clock, catalogue={"plate": plate})
        self.world.add_position("nest", temperature_c=37.0, dark=True)
        self.world.add_labware("P", "plate", "nest")
        self.fill(ALL, 100.0, {"cells:c": 500.0})

    def fill(self, wells: tuple[str, ...], volume_ul: float, contents: dict[str, float]) -> None:
        for well in wells:
            self.world.fill("P", well, volume_ul=volume_ul, contents=contents)

    def load(self, minutes: float = 45.0, temperature_c: float = 37.0) -> None:
        self.world.set_temperature("nest", temperature_c)
        self.world.aspirate_plate("w", "nest", height_mm=0.3, rate=2)
        self.fill(ALL, 90.0, DYE)
        self.clock.at_s += 60 * minutes
        for _ in range(2):
            self.world.aspirate_plate("w", "nest", height_mm=0.3, rate=2)
            self.fill(ALL, 90.0, {"probenecid": 2.5e-3})
        self.clock.at_s += 900.0

    def read(self, nm: float, wells: tuple[str, ...] = ALL, at_s: Any = None) -> Any:
        return self.world.fluorescence("nest", wells, excitation_nm=nm, emission_nm=510, at_s=at_s)

    def add(self, well: str, contents: dict[str, float]) -> None:
        self.fill((well,), 25.0, {k: v * 5 for k, v in contents.items()})


@pytest.mark.parametrize(
    ("calcium", "ratio"), [(56, 0.65), (100, 0.88), (250, 1.54), (500, 2.39), (1000, 3.53)]
)
def test_ratio_and_calcium_belong_together(calcium: float, ratio: float) -> None:
    dye = Fura2()
    share = calcium / (calcium + 224.0)
    above = dye.rmin * dye.free_380 * (1 - share) + dye.rmax * dye.bound_380 * share
    below = dye.free_380 * (1 - share) + dye.bound_380 * share
    assert above / below == pytest.approx(ratio, abs=0.01)
    assert calcium_nm(dye, np.array([above / below]))[0] == pytest.approx(calcium, rel=1e-9)
    assert bound_share(dye, np.array([above / below]))[0] == pytest.approx(share, rel=1e-9)


def test_a_plate_without_dye_shows_background() -> None:
    room = Room()
    assert room.read(340) == pytest.approx(np.full(96, 210.0))
    assert room.read(380) == pytest.approx(np.full(96, 260.0))
    with pytest.raises(WorldError, match="485"):
        room.read(485)


@pytest.mark.parametrize(("minutes", "least"), [(30, 0.85), (45, 0.93), (60, 0.95)])
def test_loading_is_a_broad_plateau_when_warm(minutes: float, least: float) -> None:
    room = Room()
    room.load(minutes)
    resting = room.read(380)[0] - 260.0
    full = 5600 * (1 - 56 / 280) + 980 * 56 / 280
    assert resting / full == pytest.approx(1.0, abs=0.15)
    assert resting / full > least


def test_cold_cells_take_up_less_dye() -> None:
    warm, cold = Room(), Room()
    warm.load(45.0)
    cold.load(45.0, temperature_c=22.0)
    assert cold.read(380)[0] - 260.0 < 0.75 * (warm.read(380)[0] - 260.0)


def test_the_ratio_of_resting_cells_is_the_resting_ratio() -> None:
    room = Room()
    room.load()
    ratio = (room.read(340) - 210) / (room.read(380) - 260)
    assert ratio == pytest.approx(np.full(96, 0.65), rel=0.03)  # leaked dye adds a little


def test_amplitude_follows_the_concentration_in_the_well() -> None:
    room = Room()
    room.load()
    doses = {"A1": 1.7e-7, "A2": 1.7e-6, "A3": 1.7e-5}
    volume = room.world.volumes_ul("P")[0]
    for well, dose in doses.items():
        room.fill((well,), 25.0, {"carbachol": dose * (volume + 25.0) / 25.0})
    at_s = room.clock.at_s + peak(CellLine())[0]
    rise = room.world.true_ratio("P", at_s)[:3] - 0.65
    assert rise == pytest.approx([2.0 / 11, 1.0, 20.0 / 11], rel=0.01)
    assert room.world.true_ratio("P", at_s)[3] == pytest.approx(0.65)


def test_times_may_lie_a_little_back_and_belong_to_each_well() -> None:
    room = Room()
    room.load()
    start_s = room.clock.at_s
    for well in ("A1", "A2", "A3"):
        room.add(well, {"carbachol": 1e-4})
    room.clock.at_s += 30.0
    times = start_s + np.array([-1.0, 8.0, 30.0])
    ratio = (room.read(340, ("A1", "A2", "A3"), times) - 210) / (
        room.read(380, ("A1", "A2", "A3"), times) - 260
    )
    assert ratio[0] == pytest.approx(0.65, rel=0.05)
    assert ratio[1] > ratio[2] > ratio[0]


def test_a_second_addition_adds_only_the_increase() -> None:
    room = Room()
    room.load()
    room.add("A1", {"carbachol": 1e-4})
    room.clock.at_s += 600.0
    before = room.world.true_ratio("P")[0]
    room.add("A1", {"carbachol": 1e-4})
    assert room.world.true_ratio("P", room.clock.at_s + 9.0)[0] - before < 0.1


def test_modulators_do_nothing_alone_and_are_bell_shaped_before_an_agonist() -> None:
    room = Room()
    room.load()
    doses = (0.0, 1e-9, 3e-9, 3e-8, 1e-7, 1e-5)
    wells = tuple(f"B{i + 1}" for i in range(len(doses)))
    for well, dose in zip(wells, doses, strict=True):
        room.fill((well,), 10.0, {"SA4503": dose * 11})
    room.clock.at_s += 600.0
    assert room.world.true_ratio("P")[12:18] == pytest.approx(np.full(6, 0.65))
    for well in wells:
        room.add(well, {"bradykinin": 10e-9})
    rise = room.world.true_ratio("P", room.clock.at_s + 9.0)[12:18] - 0.65
    gain = rise / rise[0]
    assert gain[1] < gain[2] < gain[3]
    assert gain[3] > 1.45
    assert gain[5] < 1.1


def test_antagonists_shift_the_curve() -> None:
    room = Room()
    room.load()
    room.fill(("C1",), 10.0, {"atropine": 11 * 10e-9})
    room.add("C1", {"carbachol": 1.7e-6})
    room.add("C2", {"carbachol": 1.7e-6})
    rise = room.world.true_ratio("P", room.clock.at_s + 9.0)[24:26] - 0.65
    assert rise[0] < 0.3 * rise[1]


def test_ionomycin_gives_the_ends_of_the_calibration() -> None:
    room = Room()
    room.load()
    room.add("D1", {"ionomycin": 5e-6, "calcium": 10e-3})
    room.add("D2", {"ionomycin": 5e-6, "egta": 10e-3})
    room.clock.at_s += 600.0
    ratio = room.world.true_ratio("P")[36:38]
    assert ratio[0] == pytest.approx(7.6, rel=0.01)
    assert ratio[1] == pytest.approx(0.35, rel=0.01)


def test_probenecid_keeps_dye_inside() -> None:
    with_it, without = Room(), Room()
    for room in (with_it, without):
        room.load()
    without.world.aspirate_plate("w", "nest", height_mm=0.3, rate=2)
    without.fill(ALL, 90.0, {})
    for room in (with_it, without):
        room.clock.at_s += 3600.0
    kept, lost = with_it.world._cells("P"), without.world._cells("P")
    assert lost.dye[0] / kept.dye[0] < 0.75


def test_hard_washing_takes_cells_along() -> None:
    gentle, hard = Room(), Room()
    for _ in range(3):
        gentle.world.aspirate_plate("w", "nest", height_mm=0.3, rate=2)
        hard.world.aspirate_plate("w", "nest", height_mm=0.3, rate=4)
    left = [room.world._cells("P").cells[0] / 50_000 for room in (gentle, hard)]
    assert left[0] > 0.98
    assert left[1] < 0.3


def test_reading_bleaches() -> None:
    room = Room()
    room.load()
    first = room.read(380)[0] - 260
    for _ in range(200):
        room.read(380)
    assert (room.read(380)[0] - 260) / first == pytest.approx(math.exp(-0.0201), rel=0.002)


def test_the_same_seed_gives_the_same_plate() -> None:
    def plate() -> Any:
        room = Room(well_cv=0.08, loading_cv=0.12)
        room.load()
        room.add("A1", {"carbachol": 1e-4})
        return room.read(340)

    assert np.array_equal(plate(), plate())


def test_the_shape_peaks_at_one_and_ends_on_its_plateau() -> None:
    line = CellLine()
    at_s, height = peak(line)
    assert 4 < at_s < 12
    assert course(line, np.array([at_s]))[0] == pytest.approx(1.0, abs=1e-6)
    assert course(line, np.array([-5.0, 0.0])) == pytest.approx([0.0, 0.0])
    assert course(line, np.array([1e4]))[0] == pytest.approx(line.plateau / height)


def test_a_photometer_has_photons_lamp_and_an_end() -> None:
    meter = Photometer(np.random.default_rng(1), full_scale=5000.0)
    seen = meter.measure(np.full(20_000, 1000.0), lamp=1.0)
    assert seen.mean() == pytest.approx(1000.0, rel=0.002)
    assert seen.std() == pytest.approx(math.hypot(math.sqrt(1000.0), 4.0), rel=0.03)
    assert np.isinf(meter.measure(np.array([9000.0]), lamp=1.0)[0])
