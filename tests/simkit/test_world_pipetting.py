"""Volumes scatter as stated, tips keep what is theirs, and faults show where they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from platectl.simkit.faults import Fault
from platectl.simkit.world import WorldError
from platectl_simulators.truth_file import default_truth


def stamp(bench: Any, volume_ul: float, *, plates: int) -> np.ndarray[Any, Any]:
    """Volumes that the same 96 tips deliver into so many plates, shape (plates, wells)."""
    bench.put("trough", "trough", "deck")
    bench.world.fill("trough", "A1", volume_ul=280_000.0, contents={})
    tips, found = bench.pick_up(), []
    for number in range(plates):
        bench.world.add_position(f"p{number}")
        bench.put(f"p{number}", "deep", f"p{number}")
        bench.world.aspirate(tips, "trough", ["A1"] * 96, volume_ul)
        bench.world.dispense(tips, f"p{number}", bench.wells, volume_ul)
        found.append(bench.world.volumes_ul(f"p{number}"))
    return np.array(found)


@pytest.mark.parametrize(
    ("volume_ul", "cv", "bias"), [(5.0, 0.04, 0.02), (25.0, 0.02, 0.01), (250.0, 0.01, 0.005)]
)
def test_strokes_scatter_and_tips_are_biased_as_stated(
    make_bench: Any, volume_ul: float, cv: float, bias: float
) -> None:
    volumes = stamp(make_bench(truth=default_truth()), volume_ul, plates=10) / volume_ul
    stroke = np.hypot(cv, 0.05 / volume_ul)
    assert volumes.std(axis=0).mean() == pytest.approx(stroke, rel=0.12)
    assert volumes.mean(axis=0).std() == pytest.approx(np.hypot(bias, stroke / 10**0.5), rel=0.25)
    assert volumes.mean() == pytest.approx(1.0, abs=3 * bias / 96**0.5 + 0.002)


def test_a_bulk_dispenser_scatters_as_stated(make_bench: Any) -> None:
    bench = make_bench(truth=default_truth())
    bench.put("assay", "plate", "deck")
    bench.world.load_bottle("combi", liquid="hot", volume_ul=1e5, contents={})
    bench.world.bulk_dispense("combi", "deck", dict.fromkeys(range(1, 13), 200.0))
    assert bench.world.volumes_ul("assay").std() / 200.0 == pytest.approx(0.03, rel=0.25)


def test_a_tip_keeps_its_bias_its_block_and_a_film_through_the_rack(make_bench: Any) -> None:
    bench = make_bench(
        truth=default_truth(), faults={"flex": [Fault("blocked_tip", data={"channel": "A3"})]}
    )
    bench.put("source", "plate", "deck")
    for well in bench.wells[:8]:
        bench.world.fill("source", well, volume_ul=300.0, contents={"haloperidol": 1e-5})
    bench.put("target", "plate", "deck2")
    tips = bench.pick_up(8)
    bias = tips.z_bias.copy()
    bench.world.aspirate(tips, "source", bench.wells[:8], 100.0)
    bench.world.dispense(tips, "target", bench.wells[:8], 100.0)
    bench.world.put_back_tips(tips, rack="tips", wells=bench.wells[:8])
    with pytest.raises(WorldError, match="already"):
        bench.world.put_back_tips(tips, rack="tips", wells=bench.wells[:8])

    again = bench.world.new_tips("flex", rack="tips", wells=bench.wells[:8])
    assert np.array_equal(again.z_bias, bias)
    assert again.blocked.tolist() == [False, False, True] + [False] * 5
    row = bench.world.components.row("haloperidol")
    film = 3e-5 * 100.0 * 1e-5 * 1e9  # share x volume x fmol/uL
    assert again.amounts[row][[0, 1, 3]] == pytest.approx(film, rel=0.1)

    bench.world.fill("target", "H1", volume_ul=100.0, contents={})
    bench.world.aspirate(again, "target", ["H1"] * 8, 5.0)
    bench.world.dispense(again, "target", bench.wells[48:56], 5.0)
    carried = bench.world.contents("target", "haloperidol")[48:56]
    assert carried[[0, 1, 3]] == pytest.approx(film, rel=0.1)


def test_a_rack_gives_each_tip_once(bench: Any) -> None:
    bench.pick_up(8)
    with pytest.raises(WorldError, match="no tip at A8"):
        bench.world.new_tips("flex", rack="tips", wells=["A9", "A8"])
    assert bench.world.new_tips("flex", rack="tips", wells=["A9"]).wells == ("A9",)


def test_a_blocked_tip_leaves_one_well_empty_for_its_life(make_bench: Any) -> None:
    bench = make_bench(faults={"flex": [Fault("blocked_tip", data={"channel": "D5"})]})
    volumes = stamp(bench, 50.0, plates=3)
    blocked = bench.wells.index("D5")
    assert volumes[:, blocked] == pytest.approx(0.0)
    assert np.delete(volumes, blocked, axis=1) == pytest.approx(50.0, rel=1e-3)


def test_a_blocked_tip_waits_for_the_pick_up_that_has_it(make_bench: Any) -> None:
    bench = make_bench(faults={"flex": [Fault("blocked_tip", data={"channel": "B1"})]})
    assert not bench.pick_up(12).blocked.any()
    struck = bench.world.new_tips("flex", rack="tips", wells=bench.wells[12:24])
    assert struck.blocked.tolist() == [True] + [False] * 11
    assert not bench.world.new_tips("flex", rack="tips", wells=bench.wells[24:36]).blocked.any()


def test_a_bubble_takes_part_of_one_stroke(make_bench: Any) -> None:
    bench = make_bench(faults={"flex": [Fault("bubble", after=1, data={"channel": 2})]})
    volumes = stamp(bench, 50.0, plates=3)
    assert 0.3 * 50 <= volumes[1, 2] <= 0.9 * 50
    volumes[1, 2] = 50.0
    assert volumes == pytest.approx(50.0, rel=1e-3)


def test_sticky_compounds_are_lost_to_plastic(make_bench: Any, exact_truth: Any) -> None:
    sticky = exact_truth.ligand("SA4503").model_copy(update={"sticky": 0.05})
    truth = exact_truth.model_copy(update={"ligands": {**exact_truth.ligands, "SA4503": sticky}})
    bench = make_bench(truth=truth)
    bench.put("source", "plate", "deck")
    bench.put("target", "plate", "deck2")
    bench.world.fill("source", "A1", volume_ul=100.0, contents={"SA4503": 1e-8, "DTG": 1e-8})
    tips = bench.pick_up(1)
    bench.world.aspirate(tips, "source", ["A1"], 50.0)
    bench.world.dispense(tips, "target", ["A1"], 50.0)
    assert bench.world.contents("target", "SA4503")[0] == pytest.approx(475.0, rel=1e-3)
    assert bench.world.contents("target", "DTG")[0] == pytest.approx(500.0, rel=1e-3)
    assert bench.world.total("SA4503") == pytest.approx(1000.0, rel=1e-4)


def test_membranes_settle_in_a_trough_until_it_is_stirred(bench: Any) -> None:
    bench.put("trough", "trough", "deck")
    name = "membranes:rat_brain"
    bench.world.fill("trough", "A1", volume_ul=10_000.0, contents={name: 0.5, "dmso": 0.1})
    row, dmso = bench.world.components.row(name), bench.world.components.row("dmso")

    def drawn() -> tuple[float, float]:
        tips = bench.world.new_tips("flex", rack="tips", wells=[bench.wells[drawn.calls]])  # type: ignore[attr-defined]
        drawn.calls += 1  # type: ignore[attr-defined]
        bench.world.aspirate(tips, "trough", ["A1"], 100.0)
        return float(tips.amounts[row, 0]), float(tips.amounts[dmso, 0])

    drawn.calls = 0  # type: ignore[attr-defined]
    bench.put("tips", "tips", "park")
    assert drawn() == pytest.approx((50.0, 10.0))
    bench.wait(20)
    assert drawn() == pytest.approx((50.0 * np.exp(-0.3), 10.0), rel=2e-3)
    bench.world.shake("deck")
    assert drawn() == pytest.approx((50.0, 10.0), rel=5e-3)


def test_membranes_settle_in_a_bottle_only_when_the_stirrer_stopped(make_bench: Any) -> None:
    found = []
    for faults in ({}, {"combi": [Fault("stirrer_stopped")]}):
        bench = make_bench(faults=faults)
        bench.put("assay", "plate", "deck")
        contents = {"membranes:rat_brain": 0.5}
        bench.world.load_bottle("combi", liquid="membranes", volume_ul=1e4, contents=contents)
        bench.wait(20)
        bench.world.bulk_dispense("combi", "deck", {1: 200.0})
        found.append(bench.world.contents("assay", "membranes:rat_brain")[0])
    assert found == pytest.approx([100.0, 100.0 * np.exp(-0.3)])


def test_parts_of_a_stroke_add_up(bench: Any) -> None:
    bench.put("trough", "trough", "deck")
    bench.put("assay", "plate", "deck2")
    bench.world.fill("trough", "A1", volume_ul=10_000.0, contents={})
    tips = bench.pick_up(8)
    bench.world.aspirate(tips, "trough", ["A1"] * 8, 100.0)
    for column in range(4):
        wells = bench.wells[12 * column : 12 * column + 8]
        bench.world.dispense(tips, "assay", wells, 25.0)
    volumes = bench.world.volumes_ul("assay").reshape(8, 12)[:4, :8]
    assert volumes == pytest.approx(25.0, rel=1e-3)
    assert tips.nominal_ul == 0.0
