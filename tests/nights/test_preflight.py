"""Nothing starts until everything is there, or a person says why it may."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from click.testing import CliRunner, Result

from platectl.app.night import execute, resume
from platectl.app.preflight import (
    Check,
    Override,
    Preflight,
    Surroundings,
    against_stock,
    perform,
    records,
    refuse_unless_held,
    surroundings_of,
)
from platectl.app.prepare import Night, Options, prepare
from platectl.app.run_report import read_run
from platectl.app.runs import announce, summary_of
from platectl.app.truth import default_truth_path
from platectl.cli.main import cli
from platectl.domain.errors import LinkError, UserInputError
from platectl.domain.events import Event
from platectl.domain.findings import InputRefusedError
from platectl.domain.units import parse_quantity
from platectl.files.protocol import bundled, protocol_names
from platectl.files.stock import load_stock
from platectl.store.ledger import Ledger

NOW = datetime(2026, 1, 5, 18, tzinfo=UTC)
AROUND = Surroundings(NOW, free_bytes=10**12, synchronised=True, zone="Europe/Berlin")
Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def stock_file(tmp_path: Path, *edits: Edit) -> Path:
    """The bundled stock file, edited."""
    data = yaml.safe_load(bundled("stock.yaml").read_text())
    for edit in edits:
        edit(data)
    path = tmp_path / "stock.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@cache
def prepared(protocol: str, **options: Any) -> Night:
    return prepare(Options(protocol, **options))


def ready(tmp_path: Path, *edits: Edit, protocol: str = "sigma1-binding", **options: Any) -> Night:
    stock = load_stock(stock_file(tmp_path, *edits))
    return replace(prepared(protocol, **options), stock=stock)


def real(night: Night) -> Night:
    """The same night in a lab that is not simulated."""
    lab = night.compiled.lab.model_copy(update={"simulated": False})
    return replace(night, compiled=night.compiled.model_copy(update={"lab": lab}))


def flown(night: Night, around: Surroundings = AROUND) -> Preflight:
    return perform(night, around, instruments=False)


def check(found: Preflight, name: str) -> Check:
    return next(c for c in found.checks if c.name == name)


def platectl(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(w) for w in words], standalone_mode=False)


@pytest.mark.parametrize("protocol", protocol_names())
def test_the_bundled_stock_suffices_for_every_bundled_assay(tmp_path: Path, protocol: str) -> None:
    found = flown(ready(tmp_path, protocol=protocol))

    assert found.missing == ()
    assert found.warnings == ()


SHORTAGES: dict[str, tuple[Edit, str, str]] = {
    "too little": (
        lambda d: d["reagents"]["pei"].update(volume="5 mL"), "reagent pei", "5 mL",
    ),
    "nothing of the name": (
        lambda d: d["reagents"].pop("wash_buffer"), "reagent wash_buffer", "not listed",
    ),
    "membranes of another tissue": (
        lambda d: d["reagents"].pop("brain_membranes"), "reagent membranes", "membranes:rat_liver",
    ),
    "expired": (
        lambda d: d["reagents"]["cocktail"].update(expires="2025-12-31"),
        "reagent cocktail", "cocktail expired",
    ),
    "too old since it was loaded": (
        lambda d: d["reagents"]["wash_buffer"].update(life="2 h"), "life wash_buffer", "2 h 00 min",
    ),
    "too old since it was prepared": (
        lambda d: d["reagents"]["pei"].update(prepared="2026-01-04T12:00+00:00"),
        "life pei", "24 h 00 min",
    ),
    "tips": (lambda d: d["consumables"].update(tips_1000=1), "consumable tips_1000", "1"),
    "filters": (
        lambda d: d["consumables"].pop("filter_plate_96_gfb"),
        "consumable filter_plate_96_gfb", "not listed",
    ),
    "seals": (lambda d: d["consumables"].update(bottom_seal=0), "consumable bottom_seal", "0"),
    "no vial": (lambda d: d["radioactive"].clear(), "activity [3H](+)-pentazocine", "0 Bq"),
    "an expired vial": (
        lambda d: d["radioactive"]["pentazocine"].update(expires="2026-01-04"),
        "activity [3H](+)-pentazocine", "0 Bq",
    ),
    "a full carboy": (
        lambda d: d["waste"]["manifold"].update(filled="9.9 L"),
        "waste aqueous_radioactive volume", "100 mL",
    ),
    "the limit of activity": (
        lambda d: d["waste"]["manifold"].update(activity="9.9 MBq"),
        "waste aqueous_radioactive activity", "100 kBq",
    ),
    "no drum": (
        lambda d: d["waste"].pop("drum"), "waste solid_radioactive items", "no container",
    ),
    "a place that is taken": (lambda d: d.update(occupied=["hotel.1"]), "positions", "hotel.1"),
    "a place that does not exist": (lambda d: d.update(occupied=["attic"]), "positions", "attic"),
}  # fmt: skip


@pytest.mark.parametrize("case", SHORTAGES)
def test_what_is_short_is_said_and_nothing_else(tmp_path: Path, case: str) -> None:
    edit, name, there = SHORTAGES[case]

    found = flown(ready(tmp_path, edit))

    assert [c.name for c in found.missing] == [name]
    assert there in found.missing[0].there
    assert found.missing[0].fix


def test_a_vial_expires_by_the_calendar_of_the_lab(tmp_path: Path) -> None:
    """Half past midnight in Berlin is still the day before in UTC."""
    night = ready(tmp_path, lambda d: d["radioactive"]["pentazocine"].update(expires="2026-01-05"))
    starts = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    late = replace(night, compiled=night.compiled.model_copy(update={"starts": starts}))

    here, there = flown(replace(late, zone="UTC")), flown(replace(late, zone="Europe/Berlin"))

    name = "activity [3H](+)-pentazocine"
    assert (check(here, name).ok, check(there, name).ok) == ("yes", "no")


def test_a_vial_decays_until_it_does_not_suffice(tmp_path: Path) -> None:
    def just_enough(stated: str) -> Edit:
        return lambda d: d["radioactive"]["pentazocine"].update(activity="0.28 MBq", date=stated)

    fresh = flown(ready(tmp_path, just_enough("2026-01-05")))
    old = flown(ready(tmp_path, just_enough("2013-09-11")))

    name = "activity [3H](+)-pentazocine"
    assert check(fresh, name) == Check(name, "278 kBq", "280 kBq", "yes")
    assert check(old, name).there == "140 kBq"
    assert check(old, name).ok == "no"


def test_radioligand_that_is_there_as_a_solution_needs_no_vial(tmp_path: Path) -> None:
    found = flown(
        ready(
            tmp_path,
            lambda d: d["radioactive"].clear(),
            lambda d: d["reagents"].update(radioligand={"volume": "9 mL"}),
        )
    )

    assert found.missing == ()
    assert check(found, "reagent radioligand").needed == "8.96 mL"


def test_entries_of_one_liquid_count_together(tmp_path: Path) -> None:
    def split(data: dict[str, Any]) -> None:
        data["reagents"]["pei"] = {"volume": "6 mL"}
        data["reagents"]["old pei"] = {"liquid": "pei", "volume": "6 mL"}

    assert check(flown(ready(tmp_path, split)), "reagent pei").there == "12 mL"


def test_the_disk_must_take_the_run(tmp_path: Path) -> None:
    found = flown(ready(tmp_path), replace(AROUND, free_bytes=10**6))

    assert [c.name for c in found.missing] == ["disk"]


def test_a_clock_that_went_back_or_follows_nobody_is_no_clock(tmp_path: Path) -> None:
    night = real(ready(tmp_path))

    back = flown(night, replace(AROUND, last_entry=NOW + timedelta(minutes=5)))
    alone = flown(night, replace(AROUND, synchronised=False))
    silent = flown(night, replace(AROUND, synchronised=None, zone=None))

    assert [c.name for c in back.missing] == ["clock"]
    assert [c.name for c in alone.missing] == ["clock synchronised"]
    assert silent.missing == ()
    assert {c.name for c in silent.checks if c.ok == "unknown"} == {
        "clock", "clock synchronised", "time zone",
    }  # fmt: skip


def test_barcodes_of_earlier_runs_are_not_used_again(tmp_path: Path) -> None:
    store, name = tmp_path / "runs", "tuesday"
    night = ready(tmp_path, run=name)
    announce(store, name, night.compiled, NOW.isoformat())
    (store / name).mkdir()
    ledger = Ledger(store / name / "ledger.db")
    ledger.freeze("run", night.compiled.model_dump_json())
    ledger.close()
    again = ready(tmp_path, run=name)

    found = flown(again, replace(AROUND, barcodes=surroundings_of(store).barcodes))

    assert [c.name for c in found.missing] == ["barcodes"]
    assert "tuesday-P1-filter was in tuesday" in found.missing[0].there


def test_the_clock_is_compared_with_the_latest_run_of_a_real_lab(tmp_path: Path) -> None:
    for name, night in {"real": real(ready(tmp_path)), "simulated": ready(tmp_path)}.items():
        announce(tmp_path, name, night.compiled, NOW.isoformat())
        (tmp_path / name).mkdir()
        ledger = Ledger(tmp_path / name / "ledger.db")
        ledger.freeze("run", night.compiled.model_dump_json())
        wall = NOW if name == "real" else NOW + timedelta(days=400)
        ledger.append(Event("run.finished", wall=wall.isoformat()))
        ledger.close()

    assert surroundings_of(tmp_path).last_entry == NOW


def test_a_run_that_never_began_is_no_obstacle(tmp_path: Path) -> None:
    announce(tmp_path, "cut-off", ready(tmp_path).compiled, NOW.isoformat())

    assert surroundings_of(tmp_path).barcodes == {}


def test_looking_at_a_store_that_does_not_exist_makes_none(tmp_path: Path) -> None:
    around = surroundings_of(tmp_path / "nowhere")

    assert around.free_bytes
    assert not (tmp_path / "nowhere").exists()


def test_every_instrument_of_the_night_says_who_it_is(tmp_path: Path) -> None:
    found = perform(ready(tmp_path), AROUND, instruments=True)

    said = {c.name: c.there for c in found.checks if c.name.startswith("instrument ")}
    assert "BIOSHAKE" in said["instrument shaker1"]
    assert "instrument reader" not in said
    assert "nothing was asked" in said["instrument combi_hot"]
    assert check(found, "instrument combi_hot").ok == "unknown"
    assert found.missing == ()


def silent_truth(tmp_path: Path) -> Path:
    """A truth in which a shaker does not answer."""
    data = yaml.safe_load(default_truth_path().read_text())
    silent = {"instrument": "shaker1", "kind": "line_drop", "after": 0, "times": 99}
    truth = tmp_path / "truth.yaml"
    truth.write_text(yaml.safe_dump({**data, "faults": [silent]}))
    return truth


def test_an_instrument_that_is_silent_is_named_and_the_others_answer(tmp_path: Path) -> None:
    truth = silent_truth(tmp_path)

    found = perform(ready(tmp_path, truth=truth), AROUND, instruments=True)

    assert [c.name for c in found.missing] == ["instrument shaker1"]
    assert found.missing[0].there


def test_without_a_stock_file_supplies_are_unknown_and_nothing_is_enforced() -> None:
    found = flown(prepare(Options("sigma1-binding")))

    assert found.missing == ()
    assert check(found, "stock").ok == "unknown"


def test_all_reasons_are_given_at_once(tmp_path: Path) -> None:
    found = flown(ready(tmp_path, lambda d: d["consumables"].clear(), lambda d: d["waste"].clear()))

    with pytest.raises(InputRefusedError) as refused:
        refuse_unless_held(found, [])

    assert len(refused.value.findings) == len(found.missing) > 10


def test_an_override_names_a_check_and_a_reason(tmp_path: Path) -> None:
    found = flown(ready(tmp_path, lambda d: d["consumables"].update(tips_50=0)))

    with pytest.raises(UserInputError, match="consumable tips_50"):
        refuse_unless_held(found, [Override("tips", "they are in the drawer", "ada")])
    with pytest.raises(UserInputError, match="gives no reason"):
        Override.parse("consumable tips_50: ", by="ada")
    refuse_unless_held(found, [Override.parse("all: they are in the drawer", by="ada")])


def test_a_run_that_is_short_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    stock = stock_file(tmp_path, lambda d: d["consumables"].update(tips_50=0, heat_seal=1))

    ran = platectl(
        "run", "sigma1-binding", "--stock", stock, "--store", tmp_path / "runs", "--json"
    )

    assert isinstance(ran.exception, InputRefusedError)
    said = json.loads(ran.stdout.splitlines()[-1])
    assert said["status"] == "refused"
    assert len(said["findings"]) == 2
    assert "consumable tips_50: 1 needed, 0 there; fetch 1" in said["findings"]
    assert not list((tmp_path / "runs").glob("*/ledger.db"))


def test_an_override_is_in_the_ledger_before_anything_is_sent_and_in_the_report(
    tmp_path: Path,
) -> None:
    stock = stock_file(tmp_path, lambda d: d["consumables"].update(tips_50=0))

    ran = platectl(
        "run", "sigma1-binding", "--stock", stock, "--store", tmp_path / "runs", "--json",
        "--override", "consumable tips_50: three racks are in the drawer", "--by", "ada",
    )  # fmt: skip

    assert ran.return_value == 0, ran.exception
    summary = json.loads(ran.stdout.splitlines()[-1])
    run, events = read_run(Path(summary["folder"]))
    assert [e.kind for e in events[:3]] == [
        "preflight.held", "preflight.overridden", "run.started",
    ]  # fmt: skip
    held = {c["name"]: c for c in events[0].data["checks"]}
    assert held["reagent pei"]["needed"] == "11.38 mL"
    assert events[1].data["by"] == "ada"
    assert events[1].data["reason"] == "three racks are in the drawer"
    assert events[1].data["check"]["name"] == "consumable tips_50"
    line = next(w for w in summary["warnings"] if "drawer" in w)
    assert "1 needed, 0 there; ada started nevertheless" in line
    assert line in summary_of(Path(summary["folder"]))["warnings"]
    assert str(stock) in run.files


def test_findings_are_written_once_however_often_the_start_fails(tmp_path: Path) -> None:
    truth = silent_truth(tmp_path)
    night = ready(tmp_path, truth=truth)

    with pytest.raises(LinkError):
        execute(night, tmp_path / "run", preflight=records(flown(night), []))
    with pytest.raises(LinkError):
        resume(tmp_path / "run")

    _, events = read_run(tmp_path / "run")
    assert [e.kind for e in events] == ["preflight.held"]


def test_without_a_stock_file_all_but_supplies_is_checked_and_can_be_overridden(
    tmp_path: Path,
) -> None:
    truth = silent_truth(tmp_path)
    words = ("run", "sigma1-binding", "--store", tmp_path / "runs", "--truth", truth)

    refused = platectl(*words)
    waived = platectl(*words, "--override", "instrument shaker1: it is slow to wake", "--by", "ada")

    assert isinstance(refused.exception, InputRefusedError)
    assert "instrument shaker1: ready needed" in str(refused.exception)
    assert "reagents, labware, activity and waste were not checked" in waived.output
    assert "--stock FILE" in waived.output


def test_plates_join_with_a_stock_file_only_if_the_run_was_checked_against_one(
    tmp_path: Path,
) -> None:
    with_stock, without = flown(ready(tmp_path)), flown(prepared("sigma1-binding"))

    assert against_stock(records(with_stock, []))
    assert not against_stock(records(without, []))
    assert not against_stock([])


def test_a_night_file_names_its_stock(tmp_path: Path) -> None:
    stock_file(tmp_path, lambda d: d["consumables"].update(tips_50=1))
    doc = {
        "platectl": 1, "night": "n", "starts": "2026-01-05 18:00", "stock": "stock.yaml",
        "plates": [{"protocol": "sigma1-binding", "copies": 2}],
    }  # fmt: skip
    night = tmp_path / "night.yaml"
    night.write_text(yaml.safe_dump(doc))

    ran = platectl("run", night, "--store", tmp_path / "runs")
    looked = platectl("preflight", night, "--store", tmp_path / "runs", "--json")

    assert isinstance(ran.exception, InputRefusedError)
    assert "consumable tips_50: 2 needed, 1 there" in str(ran.exception)
    assert looked.return_value == 2
    assert json.loads(looked.stdout)["ok"] is False


def test_the_list_for_the_operator_tells_what_is_missing_first(tmp_path: Path) -> None:
    stock = stock_file(tmp_path, lambda d: d["reagents"]["pei"].update(volume="1 mL"))

    short = platectl("preflight", "sigma1-binding", "--stock", stock, "--store", tmp_path / "runs")
    good = platectl("preflight", "sigma1-binding", "--store", tmp_path / "runs", "--json",
                    "--stock", bundled("stock.yaml"), "--instruments")  # fmt: skip

    assert short.return_value == 2
    words = ("Missing", "reagent pei", "Prepare", "570 mL", "Labware", "What holds")
    places = [short.stdout.index(word) for word in words]
    assert places == sorted(places)
    assert good.return_value == 0
    said = json.loads(good.stdout)
    assert said["ok"] is True
    pei = next(row for row in said["prepare"] if row["name"] == "pei")
    assert pei["load"] == [
        {"plate": "P1", "where": "bottle of combi_utility", "well": "pei", "volume_ul": 11380.0}
    ]


def test_a_stock_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path) -> None:
    path = stock_file(
        tmp_path,
        lambda d: d["reagents"]["pei"].update(volume="5 grams"),
        lambda d: d["waste"]["drum"].pop("items"),
    )

    with pytest.raises(InputRefusedError) as refused:
        prepare(Options("sigma1-binding", stock=path))

    text = str(refused.value)
    assert "reagents.pei.volume" in text
    assert "waste.drum: it takes nothing" in text
    assert "stock.yaml:" in text


def test_a_stock_file_that_is_not_there_is_a_finding_like_any_other(tmp_path: Path) -> None:
    night = tmp_path / "night.yaml"
    night.write_text(
        'platectl: 1\nnight: n\nstarts: "18:00"\nstock: gone.yaml\n'
        "plates: [{protocol: sigma1-binding}, {protocol: sigma1-binding}]\n"
    )

    with pytest.raises(InputRefusedError) as of_line:
        prepare(Options("sigma1-binding", stock=tmp_path / "gone.yaml"))
    with pytest.raises(InputRefusedError) as of_night:
        prepare(Options(str(night)))

    (said,), (named,) = of_line.value.findings, of_night.value.findings
    assert str(said).startswith(f"{tmp_path}/gone.yaml: cannot be read: no such file")
    assert str(named).startswith(f"{night}:4: stock: {tmp_path}/gone.yaml cannot be read")


def test_a_reagent_of_a_mistyped_name_is_told_with_the_name_that_is_meant(tmp_path: Path) -> None:
    def mistyped(d: dict[str, Any]) -> None:
        d["reagents"]["Wash_bufer"] = d["reagents"].pop("wash_buffer")

    found = flown(ready(tmp_path, mistyped))
    said = platectl("preflight", "sigma1-binding", "--stock", stock_file(tmp_path, mistyped),
                    "--store", tmp_path / "runs")  # fmt: skip

    (warning,) = found.warnings
    assert "'Wash_bufer' is nothing that is needed" in warning
    assert "'wash_buffer'" in warning
    assert "Wash_bufer" in said.output


def test_counts_and_certificates_of_the_future_are_refused_together(tmp_path: Path) -> None:
    path = stock_file(
        tmp_path,
        lambda d: d.update(counted="2026-01-05T19:00+00:00"),
        lambda d: d["radioactive"]["pentazocine"].update(date="2027-01-05"),
    )

    with pytest.raises(InputRefusedError) as refused:
        prepare(Options("sigma1-binding", stock=path), now=NOW)

    counted, certified = map(str, refused.value.findings)
    assert "counted: 2026-01-05 19:00:00+00:00 is in the future" in counted
    assert "radioactive.pentazocine.date: 2027-01-05 is in the future" in certified
    assert "stock.yaml:" in certified


def test_a_certificate_of_today_is_none_of_the_future_wherever_the_lab_is(tmp_path: Path) -> None:
    late = datetime(2026, 1, 4, 20, tzinfo=UTC)

    assert load_stock(stock_file(tmp_path), now=late).radioactive


def test_a_container_cannot_hold_more_than_it_takes(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError, match="is more than the container takes"):
        ready(tmp_path, lambda d: d["waste"]["manifold"].update(filled="11 L"))


@pytest.fixture(scope="module")
def passed_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one binding night that has ended."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    store = tmp_path_factory.mktemp("store")
    night = prepare(Options("sigma1-binding", run="monday"))
    announce(store, "monday", night.compiled, NOW.isoformat())
    execute(night, store / "monday", record_wire=False)
    return store


def test_what_was_loaded_since_the_count_is_taken_off(tmp_path: Path, passed_night: Path) -> None:
    counted = ready(tmp_path, lambda d: d.update(counted="2026-01-05T17:00+00:00"))
    around = replace(AROUND, runs=surroundings_of(passed_night).runs)
    before, after = flown(counted), flown(counted, around)
    found = after.demand

    assert check(after, "stock").there == "less monday (1 plates)"
    used = next(li for li in found.liquids if li.name == "pei").loaded_ul
    assert volume_ul(before, "reagent pei") - volume_ul(after, "reagent pei") == pytest.approx(
        used, rel=0.01
    )
    tips = "consumable tips_50"
    assert (
        int(check(before, tips).there) - int(check(after, tips).there)
        == found.consumables["tips_50"]
    )
    assert (
        check(after, "activity [3H](+)-pentazocine").there
        != check(before, "activity [3H](+)-pentazocine").there
    )
    assert (
        check(after, "waste solid_radioactive items").there
        != check(before, "waste solid_radioactive items").there
    )


@pytest.mark.parametrize("counted", ["2026-01-06T12:00+00:00", None])
def test_a_count_after_the_night_or_without_a_date_stands(
    tmp_path: Path, passed_night: Path, counted: str | None
) -> None:
    night = ready(tmp_path, lambda d: d.update({"counted": counted} if counted else {}))

    found = flown(night, replace(AROUND, runs=surroundings_of(passed_night).runs))

    assert (
        check(found, "consumable tips_50").there
        == check(flown(ready(tmp_path)), "consumable tips_50").there
    )


def test_another_lab_takes_nothing(tmp_path: Path, passed_night: Path) -> None:
    night = ready(tmp_path, lambda d: d.update(counted="2026-01-05T17:00+00:00"))

    found = flown(real(night), replace(AROUND, runs=surroundings_of(passed_night).runs))

    assert check(found, "stock").there == "less nothing"


def volume_ul(found: Preflight, name: str) -> float:
    return parse_quantity(check(found, name).there, "volume")
