"""Matter is conserved, mixes linearly, and stands where it was put."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platectl.simkit.world import WorldError
from platectl.simkit.world.matter import GROWTH

STROKES = st.lists(
    st.tuples(
        st.sampled_from(
            ["aspirate", "dispense", "wait", "vacuum on", "vacuum off", "prime", "bulk"]
        ),
        st.sampled_from(["assay", "filter", "trough", "trough12"]),
        st.floats(1.0, 200.0),
    ),
    max_size=25,
)
SUBSTANCES = (
    "[3H](+)-pentazocine",
    "haloperidol",
    "membranes:guinea_pig_brain",
    "dmso",
    "nobody-knows",
)


def addressed(labware: str, wells: tuple[str, ...]) -> list[str]:
    if labware == "trough":
        return ["A1"] * 96
    if labware == "trough12":  # three troughs, in turn
        return [f"A{1 + number % 3}" for number in range(96)]
    return list(wells)


def furnish(bench: Any) -> None:
    bench.put("assay", "plate", "shaker")
    bench.put("filter", "filter", "manifold")
    bench.put("trough", "trough", "deck")
    bench.world.add_position("deck12")
    bench.put("trough12", "trough12", "deck12")
    contents = {
        "[3H](+)-pentazocine": 3e-9,
        "Haloperidol": 1e-8,
        "membranes:guinea_pig_brain": 0.4,
        "dmso": 0.005,
        "nobody-knows": 1e-6,
    }
    for well in bench.wells:
        bench.world.fill("assay", well, volume_ul=150.0, contents=contents)
    bench.world.fill("trough", "A1", volume_ul=50_000.0, contents=contents)
    for number in range(1, 4):
        bench.world.fill("trough12", f"A{number}", volume_ul=5_000.0, contents={"dmso": 1.0})
    bench.world.load_bottle("combi", liquid="hot", volume_ul=30_000.0, contents=contents)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the fixture is a class
)
@given(strokes=STROKES)
def test_nothing_appears_or_vanishes(
    strokes: list[tuple[str, str, float]], make_bench: Any
) -> None:
    bench = make_bench()
    furnish(bench)
    tips = bench.pick_up()

    def everything() -> dict[str, float]:
        totals = {}
        for name in SUBSTANCES:
            row = bench.world.components.known(name)
            totals[name] = bench.world.total(name) + float(tips.amounts[row].sum())
        return totals

    before = everything()
    for what, labware, volume_ul in strokes:
        try:
            if what in {"aspirate", "dispense"}:
                act = getattr(bench.world, what)
                act(tips, labware, addressed(labware, bench.wells), volume_ul)
            elif what.startswith("vacuum"):
                bench.world.vacuum("manifold", on=what.endswith("on"))
            elif what == "prime":
                bench.world.bulk_prime("combi", volume_ul)
            elif what == "bulk":
                bench.world.bulk_dispense("combi", "shaker", {3: volume_ul / 10})
            else:
                bench.wait(volume_ul / 10)
        except WorldError as error:
            assert error.reason in {"overflow", "empty"}  # noqa: PT017  # both are fine here
        assert everything() == pytest.approx(before, rel=1e-9)
        for name in ("assay", "filter", "trough", "trough12"):
            assert (bench.world.volumes_ul(name) >= -1e-9).all()


def test_mixing_is_linear(bench: Any) -> None:
    bench.put("assay", "plate", "deck")
    bench.world.fill("assay", "A1", volume_ul=100.0, contents={"DTG": 1e-8, "dmso": 0.02})
    bench.world.fill("assay", "A1", volume_ul=300.0 - 100.0, contents={"DTG": 4e-9})
    assert bench.world.contents("assay", "DTG")[0] == pytest.approx(1000.0 + 800.0)  # fmol
    assert bench.world.contents("assay", "dmso")[0] == pytest.approx(2.0)  # uL
    assert bench.world.volumes_ul("assay")[0] == pytest.approx(300.0)


def test_names_are_matched_in_any_case_but_hot_is_not_cold(bench: Any) -> None:
    row = bench.world.components.row
    assert row("haloperidol") == row("Haloperidol")
    assert row("[3H](+)-pentazocine") != row("(+)-pentazocine")


def test_hundreds_of_substances_fit_in_one_world(bench: Any) -> None:
    bench.put("assay", "plate", "deck")
    bench.put("trough", "trough", "deck2")
    tips = bench.pick_up()
    bench.world.fill("trough", "A1", volume_ul=50_000, contents={"DTG": 1e-9})
    bench.world.aspirate(tips, "trough", ["A1"] * 96, 10.0)
    for number in range(200):
        bench.world.fill("assay", "B2", volume_ul=1.0, contents={f"compound {number}": 1e-6})
    bench.world.dispense(tips, "assay", bench.wells, 10.0)
    assert bench.world.contents("assay", "compound 199")[13] == pytest.approx(1000.0)
    assert bench.world.contents("assay", "DTG")[13] == pytest.approx(10.0, rel=1e-3)


def test_a_ligand_with_whose_bound_forms_the_rows_run_out_is_poured(bench: Any) -> None:
    bench.put("assay", "plate", "deck")
    for number in range(GROWTH - 1):
        bench.world.components.row(f"compound {number}")

    bench.world.fill("assay", "B2", volume_ul=100.0, contents={"DTG": 1e-9})

    assert bench.world.contents("assay", "DTG")[13] == pytest.approx(100.0)


def test_a_well_that_holds_less_gives_what_it_has_and_air(bench: Any) -> None:
    bench.put("source", "plate", "deck")
    bench.put("target", "plate", "deck2")
    bench.world.fill("source", "A1", volume_ul=30.0, contents={"DTG": 1e-9})
    tips = bench.pick_up(1)
    bench.world.aspirate(tips, "source", ["A1"], 100.0)
    bench.world.dispense(tips, "target", ["A1"], 100.0)
    assert bench.world.volumes_ul("source")[0] == pytest.approx(0.0, abs=1e-9)
    assert bench.world.volumes_ul("target")[0] == pytest.approx(30.0, rel=1e-3)


def test_channels_in_one_trough_share_what_it_has(bench: Any) -> None:
    bench.put("trough", "trough", "deck")
    bench.world.fill("trough", "A1", volume_ul=480.0, contents={"dmso": 1.0})
    tips = bench.pick_up()
    bench.world.aspirate(tips, "trough", ["A1"] * 96, 10.0)
    assert tips.volume_ul == pytest.approx(np.full(96, 5.0))
    assert bench.world.volumes_ul("trough")[0] == pytest.approx(0.0, abs=1e-9)


def test_what_does_not_fit_overflows_and_stays_in_the_tips(bench: Any) -> None:
    bench.put("assay", "plate", "deck")
    bench.put("trough", "trough", "deck2")
    bench.world.fill("trough", "A1", volume_ul=90_000.0, contents={})
    bench.world.fill("assay", "H12", volume_ul=300.0, contents={})
    tips = bench.pick_up()
    bench.world.aspirate(tips, "trough", ["A1"] * 96, 100.0)
    with pytest.raises(WorldError, match="overflows at H12") as caught:
        bench.world.dispense(tips, "assay", bench.wells, 100.0)
    assert caught.value.reason == "overflow"
    assert tips.volume_ul == pytest.approx(np.full(96, 100.0))
    assert bench.world.volumes_ul("assay").sum() == pytest.approx(300.0)


def refused(reason: str) -> Any:
    return pytest.raises(WorldError, check=lambda error: error.reason == reason)


def test_what_is_impossible_is_refused(bench: Any) -> None:
    world = bench.world
    with refused("no_such_position"):
        world.lift("the moon")
    with refused("nothing_there"):
        world.count_rates("deck", ["A1"])
    with refused("nothing_there"):
        world.seal("deck")
    bench.put("assay", "plate", "deck")
    with refused("collision"):
        bench.put("other", "plate", "deck")
    with refused("nothing_there"):  # and the other plate does not exist
        world.volumes_ul("other")
    with refused("no_such_well"):
        world.fill("assay", "J13", volume_ul=1.0, contents={})
    with refused("empty"):
        world.bulk_dispense("combi", "deck", {1: 10.0})
    world.load_bottle("combi", liquid="buffer", volume_ul=100.0, contents={})
    with refused("empty"):
        world.bulk_dispense("combi", "deck", {1: 10.0, 2: 10.0})
    assert world.volumes_ul("assay").sum() == pytest.approx(80.0)  # the first column was done


def test_the_lid_is_lifted_first_and_keeps_pipettes_out(bench: Any) -> None:
    world = bench.world
    bench.put("assay", "plate", "deck")
    bench.put("lid", "lid", "deck2")
    tips = bench.pick_up(8)
    bench.move("deck2", "deck")
    assert (world.plate_at("deck"), world.top_at("deck")) == ("assay", "lid")
    bench.put("second lid", "lid", "deck2")
    with refused("collision"):
        world.set_down(world.lift("deck2"), "deck")
    with refused("sealed"):
        world.dispense(tips, "assay", bench.wells[:8], 10.0)
    assert world.lift("deck") == "lid"
    assert world.lift("deck") == "assay"
    assert world.lift("deck") is None
    assert world.top_at("deck") is None


def test_a_seal_keeps_pipettes_and_dispensers_out(bench: Any) -> None:
    bench.put("assay", "plate", "deck")
    bench.world.load_bottle("combi", liquid="buffer", volume_ul=1e4, contents={})
    bench.world.seal("deck")
    with refused("sealed"):
        bench.world.aspirate(bench.pick_up(1), "assay", ["A1"], 10.0)
    with refused("sealed"):
        bench.world.bulk_dispense("combi", "deck", {1: 10.0})


def test_a_place_can_be_declared_again_under_what_stands_there(bench: Any) -> None:
    bench.put("assay", "plate", "deck")
    bench.world.add_position("deck", temperature_c=30.0, dark=True)
    assert bench.world.plate_at("deck") == "assay"
    assert bench.world.position_of("assay") == "deck"
    assert bench.world.temperature_c("deck") == 30.0
    bench.world.lift("deck")
    assert bench.world.position_of("assay") is None


def test_labware_can_be_taken_out_of_the_lab_with_its_lid_on(bench: Any) -> None:
    bench.put("assay", "plate", "deck")
    bench.put("lid", "lid", "deck")
    bench.world.remove_labware("lid")
    bench.world.remove_labware("assay")
    bench.world.remove_labware("never was")
    assert bench.world.plate_at("deck") is None


@pytest.mark.parametrize(
    ("cover", "left_of_wells"),
    [("open", (92.0, 84.0, 80.0)), ("lid", (98.8, 97.6, 97.0)), ("seal", (99.84, 99.68, 99.6))],
)
def test_water_evaporates_by_cover_and_place(
    bench: Any, cover: str, left_of_wells: tuple[float, float, float]
) -> None:
    bench.put("assay", "plate", "shaker")
    for well in bench.wells:
        bench.world.fill("assay", well, volume_ul=100.0, contents={"DTG": 1e-9})
    if cover == "lid":
        bench.put("lid", "lid", "shaker")
    if cover == "seal":
        bench.world.seal("shaker")
    bench.wait(600)
    volumes = bench.world.volumes_ul("assay")
    assert (volumes[13], volumes[1], volumes[0]) == pytest.approx(left_of_wells)
    assert bench.world.contents("assay", "DTG") == pytest.approx(np.full(96, 100.0))
