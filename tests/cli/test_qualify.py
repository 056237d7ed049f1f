"""Hardware tests of instruments: what passes, what fails, and for which unit a record speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from platectl.app.instrument_table import maturity_text, told_rows
from platectl.app.qualify import PROGRAMMES, Terms, qualify
from platectl.app.recorder import WireRecorder
from platectl.app.simulated_lab import SimulatedLab
from platectl.app.truth import load_truth
from platectl.app.wire import connect_lab, stranger
from platectl.cli.qualify import qualify as command
from platectl.conformance.description import INTERFACES
from platectl.domain.errors import UserInputError
from platectl.domain.lab import InstrumentEntry, Lab, PositionEntry
from platectl.domain.qualification import Qualification, StepRecord, Unit
from platectl.files.lab import load_lab
from platectl.hal.instrument import Identity
from platectl.planning.facilities import build_facilities
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import Truth
from platectl.simkit.world.truth import FaultEntry
from platectl.store.qualifications import FOLDER, keep, passed_units, read_all

READ = {"excitation_nm": 340, "emission_nm": 510, "dye": "quinine", "dye_um": 100}


class Person:
    """Answers yes to everything but what `says` knows better, by a part of the question."""

    def __init__(self, says: Mapping[str, str] | None = None) -> None:
        self.says = dict(says or {})
        self.asked: list[str] = []

    def choose(self, text: str, options: tuple[str, ...]) -> str:
        return self._answer(text, options[0])

    def number(self, text: str) -> float:
        return float(self._answer(text, "22.0"))

    def word(self, text: str) -> str:
        return self._answer(text, "")

    def _answer(self, text: str, otherwise: str) -> str:
        self.asked.append(text)
        return next((said for part, said in self.says.items() if part in text), otherwise)


def bench_lab(**instruments: InstrumentEntry) -> Lab:
    """The bundled lab with a balance, a reader for dyes, and what else is wanted."""
    lab, _ = load_lab(None)
    more = {
        "balance": InstrumentEntry(driver="mt_sics", address="sim:", position="pan"),
        "light": InstrumentEntry(driver="clariostar", address="sim:", position="light"),
        **instruments,
    }
    places = {name: PositionEntry() for name in ("pan", "light", *instruments)}
    return lab.model_copy(
        update={"instruments": {**lab.instruments, **more}, "positions": {**lab.positions, **places}}
    )  # fmt: skip


def trial(
    tmp_path: Path, name: str, says: Mapping[str, str] | None = None, *, truth: Truth | None = None,
    lab: Lab | None = None, **terms: object,
) -> Qualification:  # fmt: skip
    _, record = qualify(
        lab or bench_lab(), name, Terms.of({"repeats": 4, **terms}), Person(says), store=tmp_path,
        by="mk", truth=truth or load_truth(None),
    )  # fmt: skip
    return record


def outcomes(record: Qualification) -> dict[str, str]:
    return {step.name: step.state for step in record.steps}


def test_every_interface_of_an_instrument_has_a_test() -> None:
    worked_by_people = {"Operator", "Harvester"}

    assert set(PROGRAMMES) == set(INTERFACES) - worked_by_people


def test_a_dispenser_is_primed_weighed_and_read(tmp_path: Path) -> None:
    record = trial(tmp_path, "combi_hot", reader="light", **READ)

    assert outcomes(record) == dict.fromkeys(
        ("identify", "prime and fill a column", "weigh strokes", "read dye"), "passed"
    ), record.steps
    assert record.verdict == "passed"
    assert record.simulated
    weighed = next(step for step in record.steps if step.kind == "gravimetric")
    assert abs(weighed.measured["systematic_error_percent"]) < 2


def test_a_biased_dispenser_fails_on_the_balance_and_is_still_read(tmp_path: Path) -> None:
    truth = load_truth(None)
    handling = truth.liquid_handling.model_copy(update={"bulk_bias": 0.2})
    record = trial(
        tmp_path, "combi_hot", reader="light", **READ,
        truth=truth.model_copy(update={"liquid_handling": handling}),
    )  # fmt: skip

    assert outcomes(record)["weigh strokes"] == "failed"
    assert outcomes(record)["read dye"] == "passed"
    assert record.verdict == "failed"


@pytest.mark.parametrize(
    ("name", "says", "terms"),
    [
        ("flex", {}, {"reader": "light", **READ, "dye_um": 100}),
        ("shaker1", {}, {}),
        ("sealer", {}, {}),
        ("arm", {}, {"plate_at": "hotel.1", "target_at": "shaker2"}),
        ("incubator", {"Temperature by a thermometer": "37.0"}, {}),
        ("washer", {}, {"height_mm": 0.25}),
        ("manifold", {}, {}),
        ("balance", {"Mass of the check weight": "45.0"}, {}),
        ("light", {}, READ),
    ],
)
def test_an_instrument_in_order_passes(
    tmp_path: Path, name: str, says: dict[str, str], terms: dict[str, object]
) -> None:
    record = trial(tmp_path, name, says, **terms)

    assert record.verdict == "passed", [(s.name, s.state, s.says, s.measured) for s in record.steps]


def test_a_no_leaves_a_step_out_and_nothing_moves(tmp_path: Path) -> None:
    record = trial(tmp_path, "shaker1", {"may it shake": "no"})

    assert outcomes(record)["shake without a plate"] == "declined"
    assert record.verdict == "incomplete"


def test_nothing_is_said_to_an_instrument_before_the_first_yes(tmp_path: Path) -> None:
    folder, record = qualify(
        bench_lab(), "shaker1", Terms(), Person({"May platectl talk": "stop"}), store=tmp_path,
        by="mk", truth=load_truth(None),
    )  # fmt: skip

    assert outcomes(record) == {"identify": "declined"}
    assert not (folder / "wire").exists()


def test_what_a_person_sees_is_part_of_the_verdict(tmp_path: Path) -> None:
    record = trial(tmp_path, "shaker1", {"Did it shake": "no"})

    assert outcomes(record) == {"identify": "passed", "shake without a plate": "failed"}
    assert record.verdict == "failed"


def test_a_fault_ends_the_test_and_is_in_the_record(tmp_path: Path) -> None:
    truth = load_truth(None)
    fault = FaultEntry(instrument="sealer", kind="heater_error")
    record = trial(tmp_path, "sealer", truth=truth.model_copy(update={"faults": (fault,)}))

    assert outcomes(record)["seal water"] == "broken"
    assert "InstrumentFaultError" in record.steps[-1].says
    assert (record.verdict, record.complete) == ("failed", False)


def test_who_stops_at_the_console_leaves_an_incomplete_record(tmp_path: Path) -> None:
    ran = CliRunner().invoke(command, ["sealer", "--store", str(tmp_path)], input="yes\nyes\n")

    (record,) = (found for _, found in read_all(tmp_path))
    assert ran.exit_code == 1
    assert record.steps[-1].says == "stopped at the console"
    assert record.verdict == "incomplete"


def test_a_lab_without_a_balance_has_masses_typed_in(tmp_path: Path) -> None:
    lab = bench_lab()
    lab = lab.model_copy(
        update={"instruments": {n: e for n, e in lab.instruments.items() if n != "balance"}}
    )
    person = Person({"Weigh": "45.0", "Put a dispenser": "yes"})
    _, record = qualify(
        lab, "combi_hot", Terms.of({"repeats": 4}), person, store=tmp_path, by="mk",
        truth=load_truth(None),
    )  # fmt: skip

    weighed = next(step for step in record.steps if step.kind == "gravimetric")
    assert weighed.measured["balance"] == "typed in"
    assert weighed.measured["systematic_error_percent"] == pytest.approx(-100)
    assert sum("Weigh" in text for text in person.asked) == 6


@pytest.mark.parametrize(
    ("name", "terms", "message"),
    [("person", {}, "worked by a person"), ("teapot", {}, "no instrument 'teapot'"),
     ("arm", {}, "needs two stations"), ("combi_hot", {"volume": "400 uL"}, "overflow"),
     ("combi_hot", {"balance": "shaker1"}, "is no Balance"), ("combi_hot", {"colour": 1}, "--set colour")],
)  # fmt: skip
def test_what_cannot_be_tested_is_refused(
    tmp_path: Path, name: str, terms: dict[str, object], message: str
) -> None:
    with pytest.raises(UserInputError, match=message):
        trial(tmp_path, name, **terms)


# Which unit a record speaks for ------------------------------------------------------------------
def kept(store: Path, name: str, **changes: object) -> Qualification:
    """A record of a real instrument, as a test writes it."""
    passed = StepRecord(name="shake", kind="movement", asked="", state="passed", at="")
    given = {
        "version": "1", "instrument": "combi", "driver": "multidrop_combi", "address": "serial:/dev/x",
        "simulated": False, "serial_number": "836-1", "serial_from": "instrument",
        "firmware": "2.1", "by": "mk", "began": f"2026-11-2{name}T10:00:00+00:00",
        "ended": "", "steps": (passed,), **changes,
    }  # fmt: skip
    record = Qualification.model_validate(given)
    keep(store / FOLDER / name, record)
    return record


FAILED = StepRecord(name="weigh", kind="gravimetric", asked="", state="failed", at="")


def test_a_record_lifts_the_flag_for_its_unit_alone(tmp_path: Path) -> None:
    record = kept(tmp_path, "1")
    entry = InstrumentEntry(driver="multidrop_combi", address="serial:/dev/x")
    units = passed_units(tmp_path)["multidrop_combi"]

    assert units == (record.unit,)
    assert not stranger(entry, Identity("Combi", "836-1", "2.1"), units)
    assert "836-2" in stranger(entry, Identity("Combi", "836-2", "2.1"), units)
    assert "firmware 2.2" in stranger(entry, Identity("Combi", "836-1", "2.2"), units)


def test_an_instrument_that_states_no_serial_number_has_that_of_the_lab_file(
    tmp_path: Path,
) -> None:
    kept(tmp_path, "1", serial_from="lab file")
    units = passed_units(tmp_path)["multidrop_combi"]
    entry = InstrumentEntry(
        driver="multidrop_combi", address="serial:/dev/x", serial_number="836-1"
    )

    assert not stranger(entry, Identity("Combi", "", "2.1"), units)
    assert stranger(entry, Identity("Combi", "836-9", "2.1"), units)
    assert stranger(entry.model_copy(update={"serial_number": ""}), Identity("Combi"), units)


@pytest.mark.parametrize(
    ("later", "units"),
    [({"steps": (FAILED,)}, 0), ({"complete": False}, 1), ({"simulated": True, "steps": (FAILED,)}, 1),
     ({"serial_number": "836-2"}, 2)],
)  # fmt: skip
def test_the_last_verdict_about_a_unit_counts(
    tmp_path: Path, later: dict[str, object], units: int
) -> None:
    kept(tmp_path, "1")
    kept(tmp_path, "2", **later)

    assert len(passed_units(tmp_path)["multidrop_combi"]) == units


def test_a_paper_driver_on_a_real_port_needs_a_record_or_the_flag(tmp_path: Path) -> None:
    lab, document = load_lab(None)
    entry = InstrumentEntry(driver="multidrop_combi", address="serial:/dev/x")
    lab = lab.model_copy(update={"instruments": {**lab.instruments, "combi_hot": entry}})

    with pytest.raises(UserInputError, match="never verified"):
        build_facilities(lab, document, {})
    record = kept(tmp_path, "1")
    found = build_facilities(lab, document, passed_units(tmp_path))

    assert found.qualified == {"combi_hot": (record.unit,)}


async def test_another_unit_than_the_tested_one_ends_the_start_of_a_run(tmp_path: Path) -> None:
    lab, clock = bench_lab(), VirtualClock()
    units = {"shaker1": (Unit(serial_number="836-1", firmware="2.1"),)}
    behind = SimulatedLab(lab, load_truth(None), clock, seed=1, folder=tmp_path)

    with pytest.raises(UserInputError, match="hardware tests passed for serial number 836-1"):
        async with connect_lab(
            lab, ("shaker1",), clock=clock, folder=tmp_path, behind=behind, qualified=units,
            recorder=WireRecorder(None, clock),
        ):  # fmt: skip
            pytest.fail("it was let in")
    await behind.aclose()


def test_the_table_names_tested_units_with_firmware_and_day(tmp_path: Path) -> None:
    kept(tmp_path, "1")
    row = next(row for row in told_rows(tmp_path) if row["name"] == "multidrop_combi")

    assert maturity_text(row) == "paper; bench on 2026-11-21: serial number 836-1, firmware 2.1"


def test_the_command_asks_at_the_console_and_keeps_a_page(tmp_path: Path) -> None:
    answers = "yes\n" * 30
    ran = CliRunner().invoke(
        command, ["sealer", "--store", str(tmp_path), "--by", "mk", "--json"], input=answers,
        standalone_mode=False,
    )  # fmt: skip

    told = json.loads(ran.stdout.splitlines()[-1])
    page = Path(told["record"]).with_name("record.html").read_text()
    assert (ran.return_value, told["verdict"], told["by"]) == (0, "passed", "mk")
    assert "speaks for no real instrument" in page
    assert "http" not in page
