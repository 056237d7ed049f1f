"""What a night needs, compared with what its loadings ask for and with sums done by hand."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from platectl.app.prepare import Options, prepare
from platectl.domain.run import CompiledRun
from platectl.files.lab import load_catalogue
from platectl.files.protocol import bundled, protocol_names
from platectl.planning.demand import Demand, demand, round_up_ul

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
CI_PER_MMOL = 28.0
#: 1 Ci is 37 GBq; uL of a nanomolar liquid, times Ci/mmol, in MBq
MBQ_PER_NM_UL = 1e-9 * 1e-6 * 1e3 * 3.7e4


@cache
def compiled(protocol: str = "sigma1-binding", **options: Any) -> CompiledRun:
    return prepare(Options(protocol, **options)).compiled


def needed(run: CompiledRun, at: datetime = BEGIN) -> Demand:
    return demand(run, at, load_catalogue(run.lab))


def waste(found: Demand, kind: str) -> tuple[float, int, float]:
    return next((w.volume_ul, w.items, w.activity_mbq) for w in found.waste if w.kind == kind)


def night(tmp_path: Path, *plates: dict[str, Any], **fields: Any) -> str:
    path = tmp_path / "night.yaml"
    doc = {"platectl": 1, "night": "n", "starts": "2026-01-05 18:00", "plates": plates, **fields}
    path.write_text(yaml.safe_dump(doc))
    return str(path)


@pytest.mark.parametrize("protocol", protocol_names())
def test_volumes_are_those_that_the_loadings_ask_for(protocol: str) -> None:
    run = compiled(protocol)
    asked: dict[tuple[str, str], float] = defaultdict(float)
    for step in run.steps:
        if step.kind == "load":
            for item in step.params["place"]:
                for fill in item["fills"]:
                    asked[item["labware"], fill["well"]] += fill["volume_ul"]
            for bottle in step.params["bottles"]:
                asked[f"bottle:{bottle['instrument']}", bottle["liquid"]] += bottle["volume_ul"]

    found = needed(run)

    given = {p.source: p.volume_ul for liquid in found.liquids for p in liquid.portions}
    assert given == pytest.approx(asked, abs=0.5)
    listed = [liquid for liquid in found.liquids if not liquid.beside]
    assert sum(li.loaded_ul for li in listed) == pytest.approx(sum(asked.values()), abs=0.5)
    for liquid in listed:
        assert liquid.drawn_ul <= liquid.loaded_ul
        assert liquid.made or liquid.prepare_ul >= liquid.loaded_ul


def test_what_is_drawn_is_wells_times_volume_and_priming() -> None:
    liquids = {liquid.name: liquid for liquid in needed(compiled()).liquids}

    assert liquids["membranes"].drawn_ul == pytest.approx(96 * 200 + 2000)
    assert liquids["radioligand"].drawn_ul == pytest.approx(96 * 25 + 8 * 25 + 1000)
    assert liquids["pei"].drawn_ul == pytest.approx(96 * 50 + 1000)
    assert liquids["radioligand"].loaded_ul == pytest.approx(1.1 * 3600 + 5000)
    assert liquids["radioligand"].prepare_ul == pytest.approx(9900.0)


def test_liquids_of_all_plates_are_summed_and_their_plates_told(tmp_path: Path) -> None:
    one = {liquid.name: liquid for liquid in needed(compiled()).liquids}

    run = compiled(night(tmp_path, {"protocol": "sigma1-binding", "copies": 2}))
    two = {liquid.name: liquid for liquid in needed(run).liquids}

    assert two["wash_buffer"].plates == ("P1", "P2")
    assert two["wash_buffer"].loaded_ul == pytest.approx(2 * one["wash_buffer"].loaded_ul)


def test_liquids_of_one_name_and_other_contents_are_told_apart(tmp_path: Path) -> None:
    run = compiled(night(tmp_path, {"protocol": "sigma1-binding"}, {"protocol": "sigma2-binding"}))

    names = [liquid.name for liquid in needed(run).liquids]

    assert {"membranes (sigma1-binding)", "membranes (sigma2-binding)"} <= set(names)
    assert "wash_buffer" in names
    assert len(names) == len(set(names))


def test_activity_is_molar_times_volume_times_specific_activity() -> None:
    found = needed(compiled())

    by_hand = 30 * 8960 * CI_PER_MMOL * MBQ_PER_NM_UL
    assert by_hand == pytest.approx(0.2785, abs=1e-4)  # 7.5 uCi
    assert found.activity_mbq == {"[3H](+)-pentazocine": pytest.approx(by_hand)}


def test_activity_decays_with_the_half_life_of_tritium() -> None:
    run = compiled()

    later = needed(run, BEGIN + timedelta(days=12.32 * 365.25))

    half = needed(run).activity_mbq["[3H](+)-pentazocine"] / 2
    assert later.activity_mbq["[3H](+)-pentazocine"] == pytest.approx(half, rel=1e-4)


def test_what_passes_the_filters_goes_to_the_aqueous_waste() -> None:
    volume_ul, items, activity = waste(needed(compiled()), "aqueous_radioactive")

    harvest, washes, rinse, soak = 96 * 240, 96 * 4 * 1000, 96 * 500, 96 * 50
    primed, left = 1000, 8960 - 3600
    assert volume_ul == pytest.approx(harvest + washes + rinse + soak + primed + left)
    assert items == 0
    through_filter = 96 * 25 * 240 / 250
    assert activity == pytest.approx(
        30 * (through_filter + primed + left) * CI_PER_MMOL * MBQ_PER_NM_UL
    )


def test_filters_count_in_full_again_because_nobody_knows_what_stays() -> None:
    _, items, activity = waste(needed(compiled()), "organic_radioactive")

    through_filter, aliquots = 96 * 25 * 240 / 250, 8 * 25
    assert items == 2  # filter plate and standards
    assert activity == pytest.approx(30 * (through_filter + aliquots) * CI_PER_MMOL * MBQ_PER_NM_UL)


def test_what_was_in_contact_is_solid_waste_and_the_rest_is_ordinary() -> None:
    found = needed(compiled())

    volume_ul, solid, activity = waste(found, "solid_radioactive")
    _, ordinary, none = waste(found, "ordinary")

    assert volume_ul == 0
    assert activity == pytest.approx(30 * 96 * 25 * 10 / 250 * CI_PER_MMOL * MBQ_PER_NM_UL)
    assert none == 0
    placed = sum(n for name, n in found.consumables.items() if not name.endswith("_seal"))
    assert solid + ordinary + 2 == placed


def test_a_night_without_radioactivity_has_ordinary_waste_only() -> None:
    found = needed(compiled("fura2-calcium"))

    assert [w.kind for w in found.waste] == ["ordinary"]
    assert found.activity_mbq == {}


def test_a_harvester_that_a_person_works_washes_into_the_same_waste(tmp_path: Path) -> None:
    lab = yaml.safe_load(bundled("simulated-lab.yaml").read_text())
    del lab["instruments"]["manifold"]
    lab["instruments"]["harvester"] = {
        "driver": "operator_harvester", "address": "sim:", "position": "flex.D1",
        "uses": {"operator": "person"},
    }  # fmt: skip
    path = tmp_path / "lab.yaml"
    path.write_text(yaml.safe_dump(lab))

    found = needed(compiled(lab=path))

    volume_ul, _, _ = waste(found, "aqueous_radioactive")
    buffer = next(liquid for liquid in found.liquids if liquid.beside)
    assert volume_ul >= 96 * 240 + 96 * 4 * 1000
    assert buffer.liquid == "wash_buffer"
    assert buffer.loaded_ul == pytest.approx(96 * 4 * 1000)


def test_labware_and_seals_are_counted_by_kind() -> None:
    found = needed(compiled()).consumables

    assert found["tips_1000"] == 2
    assert found["filter_plate_96_gfb"] == 1
    assert found["heat_seal"] == 2
    assert found["bottom_seal"] == 1


def test_a_plate_that_a_person_makes_tells_the_stocks_that_go_into_it() -> None:
    liquids = {liquid.name: liquid for liquid in needed(compiled("sigma1-saturation")).liquids}

    made = liquids["hot"]
    nsb = [p for p in made.portions if p.contents.get("haloperidol")]
    assert made.made
    assert len(nsb) == 48
    by_hand = sum(p.volume_ul * 50e-6 / 2e-3 for p in nsb)
    assert liquids["haloperidol 2 mM"].loaded_ul == pytest.approx(by_hand)


def test_the_peak_of_the_hotel_is_within_what_the_lab_has(tmp_path: Path) -> None:
    run = compiled(night(tmp_path, {"protocol": "sigma1-binding", "copies": 2}))

    hotel = next(s for s in needed(run).slots if s.use == "hotel")

    assert hotel.there == 4
    assert 2 <= hotel.peak <= 4


@pytest.mark.parametrize(
    ("volume", "rounded"), [(0, 0), (61.8, 62), (9856, 9900), (560155, 570000), (1000, 1000)]
)
def test_volumes_are_rounded_up_to_two_digits(volume: float, rounded: float) -> None:
    assert round_up_ul(volume) == pytest.approx(rounded)
