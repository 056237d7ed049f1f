"""The truth file is strict, and a world made from it depends on nothing but the seed."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import BaseModel, ValidationError

from platectl.simkit.world import Truth, truth
from platectl.simkit.world.truth import LiquidHandling
from platectl.simkit.world.truth_cells import CellLine
from platectl_simulators.truth_file import default_truth


@pytest.fixture
def document() -> Any:
    text = files("platectl_simulators").joinpath("truth.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def test_the_bundled_file_states_the_defaults_of_the_model() -> None:
    bundled = default_truth()
    handling = LiquidHandling(pipettes=bundled.liquid_handling.pipettes)
    named = ("cells", "agonists", "antagonists", "modulators", "autofluorescence", "absorbers")
    bare = Truth(
        ligands=bundled.ligands,
        membranes=bundled.membranes,
        liquid_handling=handling,
        **{name: getattr(bundled, name) for name in named},
    )
    assert bundled.fura2.model_dump() == pytest.approx(bare.fura2.model_dump())
    assert bare == bundled.model_copy(update={"fura2": bare.fura2})
    assert bundled.cells["sh_sy5y"] == CellLine()


def test_the_published_affinities_are_there() -> None:
    found = default_truth()
    assert found.ligand("(+)-igmesine").sites["sigma1"] == pytest.approx(19.1e-9)
    assert found.ligand("sa4503").sites == pytest.approx({"sigma1": 4.6e-9, "sigma2": 63.1e-9})
    assert found.ligand("Haloperidol").sites["sigma1"] == pytest.approx(1.5e-9)
    assert found.ligand("unheard of") is None


def test_every_field_says_what_it_is() -> None:
    parts = [m for m in vars(truth).values() if isinstance(m, type) and issubclass(m, BaseModel)]
    silent = [
        f"{part.__name__}.{name}"
        for part in parts
        for name, field in part.model_fields.items()
        if not field.description and not isinstance(field.default, BaseModel)
    ]
    assert sorted(set(silent)) == ["Truth.faults", "Truth.liquid_handling"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("ligands", "DTG", "sites", "sigma2"), 18e-9, "has no unit"),
        (("ligands", "DTG", "sites", "sigma2"), "18 uL", "not a unit of concentration"),
        (("ligands", "DTG", "sites", "sigma3"), "18 nM", "which no membranes have"),
        (("ligands", "haloPERIDOL"), {}, "same name"),
        (("ligands", "DTG", "kd"), "18 nM", "Extra inputs"),
        (("filtration", "recovery"), "103 %", "less than or equal to 1"),
        (("weather",), "rain", "Extra inputs"),
    ],
)
def test_mistakes_are_refused(
    document: Any, path: tuple[str, ...], value: object, message: str
) -> None:
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(ValidationError, match=message):
        Truth.model_validate(document)


def test_faults_are_sorted_by_instrument(document: Any) -> None:
    document["faults"] = [
        {"instrument": "flex", "kind": "blocked_tip", "after": 1, "data": {"channel": "B2"}},
        {"instrument": "arm", "kind": "no_grip"},
        {"instrument": "flex", "kind": "bubble", "times": None},
    ]
    plans = Truth.model_validate(document).fault_plans()
    assert set(plans) == {"flex", "arm"}
    assert plans["flex"].strike("blocked_tip") is None
    assert plans["flex"].strike("blocked_tip").data == {"channel": "B2"}
    assert plans["flex"].strike("bubble") is not None
    assert plans["arm"].standing("bubble") is None


def night(bench: Any, order: str) -> np.ndarray[Any, Any]:
    """Two instruments work in turn, in one order or the other; returns volumes and counts."""
    bench.ready()
    bench.fill_assay()
    for instrument in order:
        rack, target = f"rack{instrument}", f"target{instrument}"
        bench.put(rack, "tips", f"deck{3 + int(instrument == 'b')}")
        if bench.world.plate_at("deck2") is None:
            bench.put("stock", "trough", "deck2")
            bench.world.fill("stock", "A1", volume_ul=50_000, contents={"dmso": 1.0})
        bench.world.add_position(f"at{instrument}")
        bench.put(target, "plate", f"at{instrument}")
        tips = bench.world.new_tips(instrument, rack=rack, wells=bench.wells)
        bench.world.aspirate(tips, "stock", ["A1"] * 96, 100.0)
        bench.world.dispense(tips, target, bench.wells, 100.0)
    bench.wait(120)
    bench.harvest()
    counts = bench.count()
    return np.concatenate(
        (bench.world.volumes_ul("targeta"), bench.world.volumes_ul("targetb"), counts)
    )


def test_same_seed_same_night_whatever_the_order_of_instruments(make_bench: Any) -> None:
    scattered = default_truth()
    one, same, other = (
        night(make_bench(truth=scattered, seed=seed), order)
        for seed, order in ((7, "ab"), (7, "ba"), (8, "ab"))
    )
    assert np.array_equal(one, same)
    assert not np.allclose(one[:192], other[:192], rtol=1e-3)
    assert not np.allclose(one[192:], other[192:], rtol=1e-3)


def test_lots_differ_between_seeds_as_stated(make_bench: Any) -> None:
    lots = [
        make_bench(truth=default_truth(), seed=seed).world.chemistry.nsb_fraction / 0.005
        for seed in range(300)
    ]
    assert np.mean(lots) == pytest.approx(1.0, abs=0.03)
    assert np.std(lots) == pytest.approx(0.15, rel=0.15)
