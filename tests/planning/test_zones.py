"""Activity stays in its zone, and plates with dye stay in the dark."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.labs import lab_of, night_on, problem_on

from platectl.domain.findings import InputRefusedError
from platectl.domain.run import CompiledRun
from platectl.files.protocol import bundled
from platectl.planning.problem import Handling, Problem
from platectl.planning.seating import reseated
from platectl.planning.solve import solve
from platectl.planning.verify import violations

MIXED = "{protocol: sigma1-binding, copies: 2}, {protocol: fura2-calcium, copies: 2}"
CALCIUM = "{protocol: fura2-calcium}"
LAB = lab_of(hotels=8)


def lab_where(*changes: tuple[str, str, str, object]) -> dict[str, Any]:
    """The lab with other values: part, name, field, value; None leaves the field out."""
    lab = copy.deepcopy(LAB)
    for part, name, field, value in changes:
        lab[part][name].pop(field, None)
        if value is not None:
            lab[part][name][field] = value
    return lab


def refusal(folder: Path, lab: dict[str, Any], plates: str) -> str:
    with pytest.raises(InputRefusedError) as caught:
        night_on(folder, lab, plates)
    return "\n".join(str(finding) for finding in caught.value.findings)


def test_everything_that_enters_a_zone_or_waits_in_light_is_refused_at_once(tmp_path: Path) -> None:
    lab = lab_where(
        ("positions", "washer", "radioactive", True), ("positions", "flex.C3", "radioactive", True),
        ("instruments", "reader", "radioactive", True), ("instruments", "arm", "radioactive", True),
        *(("positions", f"hotel.{k}", "dark", None) for k in range(1, 9)),
    )  # fmt: skip

    said = refusal(tmp_path, lab, CALCIUM)

    for part, name in (
        ("positions", "washer"),
        ("positions", "flex.C3"),
        ("instruments", "reader"),
    ):
        assert f"{name!r} is for radioactive plates only, but fura2-calcium uses it" in said
        assert f"{part}.{name}.radioactive" in said
    assert "'arm' is radioactive and stays clean" in said
    assert "'cells' must not see light and waits on 'hotel.1' (P1.F5, De-esterify)" in said


@pytest.fixture(scope="module")
def zoned(tmp_path_factory: pytest.TempPathFactory) -> CompiledRun:
    """A mixed night in a lab with four hotel positions for radioactive plates."""
    changes = [("positions", f"hotel.{k}", "radioactive", True) for k in (1, 2, 3, 4)]
    return night_on(tmp_path_factory.mktemp("zoned"), lab_where(*changes), MIXED).compiled


def test_plates_take_the_hotel_of_their_zone(zoned: CompiledRun) -> None:
    hotels = {
        plate.name: {h.resource for h in zoned.holds if h.first.startswith(plate.name) and "hotel" in h.resource}
        for plate in zoned.plates
    }  # fmt: skip

    assert hotels["P1"] == {"hotel.1", "hotel.2"}
    assert hotels["P2"] == {"hotel.3", "hotel.4"}
    assert all(int(name[-1]) > 4 for plate in ("P3", "P4") for name in hotels[plate])


def test_moves_of_plates_with_dye_are_marked_and_their_time_in_light_is_bounded(
    zoned: CompiledRun,
) -> None:
    dark = [s for s in zoned.steps if s.kind == "move" and s.params["dark"]]
    loaded = {s.plate: s.planned_end_s for s in zoned.steps if s.id.endswith(".F2a")}

    assert {s.plate for s in dark} == {"P3", "P4"}
    assert all("away from light" in s.title for s in dark)
    assert all(s.planned_start_s >= loaded[s.plate] for s in dark)
    assert sum("in light" in w.name for w in zoned.windows) == 8


def zones_kept(problem: Problem, times: Any) -> bool:
    """Judged without the code under test."""
    hot = {z.resource: min(times[y.task][0] for y in problem.zones if y.radioactive and y.resource == z.resource)
           for z in problem.zones if z.radioactive}  # fmt: skip
    return all(
        times[z.task][1] <= hot[z.resource] + 1e-3
        for z in problem.zones
        if not z.radioactive and z.resource in hot
    )


def test_a_night_that_no_zone_allows_is_refused_with_the_instrument(tmp_path: Path) -> None:
    plates = '{protocol: sigma1-binding, not_after: "08:00"}, {protocol: fura2-calcium, not_before: "03:00"}'

    said = refusal(tmp_path, lab_where(("instruments", "arm", "stays_clean", None)), plates)

    assert "arm takes activity along and must be done with P2, which is clean" in said


def test_a_radioactive_assay_has_no_clean_labware(tmp_path: Path) -> None:
    text = yaml.safe_load(bundled("sigma1-binding.yaml").read_text())
    text["labware"] = {**text.get("labware", {}), "stocks": {"clean": True}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(text, sort_keys=False))

    said = refusal(tmp_path, LAB, "{protocol: mine.yaml}")

    assert "'stocks' must stay clean, but sigma1-binding is radioactive" in said


@cache
def mixed(folder: Path) -> Problem:
    """Two plates with activity and two with cells, in a lab where everything takes activity along."""
    lab = lab_where(*(("instruments", name, "stays_clean", None) for name in ("arm", "flex")))
    return problem_on(folder, lab, MIXED)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("night")


def test_the_checker_sees_clean_labware_that_is_handled_after_activity(folder: Path) -> None:
    problem = replace(mixed(folder), zones=())
    plan = solve(problem, solver=False, effort=500)
    first = min(problem.occupations, key=lambda o: plan.times[o.first][0])
    last = max(problem.occupations, key=lambda o: plan.times[o.last][1] * (o.plate != first.plate))
    zones = (
        Handling("arm", first.plate, first.first, radioactive=True),
        Handling("arm", last.plate, last.last, radioactive=False),
    )

    found = violations(replace(problem, zones=zones), plan.times)

    assert any("arm handles" in text and "after" in text for text in found)


@settings(max_examples=10, deadline=None)
@given(
    carries=st.sets(st.sampled_from(["arm", "flex", "shaker1"])),
    begins=st.lists(st.floats(0.0, 3600.0), min_size=4, max_size=4),
    ranks=st.lists(st.integers(1, 3), min_size=4, max_size=4),
)
def test_no_plan_breaks_a_zone_or_a_window(
    folder: Path, carries: set[str], begins: list[float], ranks: list[int]
) -> None:
    whole = mixed(folder)
    terms = [
        replace(plate, priority=rank, not_before_s=begin)
        for plate, rank, begin in zip(whole.plates, ranks, begins, strict=True)
    ]
    zones = tuple(zone for zone in whole.zones if zone.resource in carries)
    problem = replace(whole, plates=tuple(terms), zones=zones)

    plan = solve(problem, solver=False, effort=500)

    seated = reseated(problem, plan.seats)
    assert violations(seated, plan.times) == []
    assert zones_kept(seated, plan.times)
    assert plan.bound_s <= plan.makespan_s + 1e-6
