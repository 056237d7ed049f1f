"""A night file: plates of several assays in one run."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from platectl import registry
from platectl.app.needs import needs_of
from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.run_report import build_report
from platectl.cli.main import cli
from platectl.domain.findings import InputRefusedError
from platectl.domain.night import NightDoc
from platectl.files.protocol import bundled
from platectl.nights.queue import ends_too_late
from platectl.nights.submission import Needs
from platectl.planning.overview import overview
from platectl.registry import DRIVERS, SIMULATORS, _entries

MIXED = """platectl: 1
night: mixed
title: Binding and calcium
zone: Europe/Berlin
starts: "2026-01-05 18:00"
plates:
  - {protocol: sigma1-binding, priority: 1, set: {incubation: 100 min}}
  - {protocol: fura2-calcium, priority: 2}
"""


@pytest.fixture
def night_file(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.yaml"
    path.write_text(MIXED, encoding="utf-8")
    return path


def test_plates_of_two_assays_run_in_one_night(night_file: Path, tmp_path: Path) -> None:
    night = prepare(Options(str(night_file)))

    finished = execute(night, tmp_path / "run", record_wire=False, ledger_path=":memory:")

    report = build_report("mixed", night.compiled, finished.events, finished.plates)
    assert finished.outcome.status == "done"
    assert [type(p.result).__name__ for p in finished.plates] == [
        "PlateResult",
        "CalciumPlateResult",
    ]
    assert finished.started.startswith("2026-01-05T17:00")
    assert ("Sigma-1 competition binding, [3H](+)-pentazocine", "P1") in report.conditions
    assert not [e for e in finished.events if e.kind == "window.broken"]


def test_the_parameters_of_an_entry_are_its_own(night_file: Path) -> None:
    run = prepare(Options(str(night_file))).compiled

    assert [run.seen_by(p).protocol.name for p in run.plates] == ["sigma1-binding", "fura2-calcium"]
    assert run.protocol.of_binding.incubation == 6000.0
    assert run.label == "sigma1-binding+fura2-calcium"


def test_nobody_is_asked_to_load_while_away(night_file: Path) -> None:
    people = 'people: {person: [{from: "08:00", until: "18:30"}]}\n'
    night_file.write_text(
        MIXED.replace("  - {protocol: fura2-calcium", "  - {protocol: sigma1-binding, priority: 2}\n"
                      "  - {protocol: fura2-calcium") + people
    )  # fmt: skip

    with_people = prepare(Options(str(night_file)))

    visits = overview(with_people.compiled).visits
    away = with_people.compiled.absences["person"]
    assert len(visits) > 2
    assert not [v for v in visits for a, b in away if v.begin_s < b and a < v.end_s]


def test_several_copies_are_several_plates(night_file: Path) -> None:
    night_file.write_text(MIXED.replace("priority: 1,", "priority: 1, copies: 3,"))

    run = prepare(Options(str(night_file))).compiled

    assert [p.name for p in run.plates] == ["P1", "P2", "P3", "P4"]
    assert [p.assay for p in run.plates] == [0, 0, 0, 1]
    assert len({p.barcode for p in run.plates}) == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"2026-01-05 18:00"', '"25:00"', "is no time"),
        ('"2026-01-05 18:00"', '"2026-13-05 18:00"', "is no time"),
        ("Europe/Berlin", "Berlin", "is no time zone"),
        ("priority: 1", "priority: 0", "use at least 1"),
        ("sigma1-binding", "sigma9", "no such protocol"),
        ("night: mixed", "night: mixed\npeople: {jim: []}", "is no instrument of the lab"),
        ("incubation: 100 min", "incubation: long", "incubation"),
        ("title:", "tittle:", "is not a known field"),
    ],
)
def test_a_wrong_night_is_refused_with_the_place(
    night_file: Path, old: str, new: str, said: str
) -> None:
    night_file.write_text(MIXED.replace(old, new))

    with pytest.raises(InputRefusedError, match=said):
        prepare(Options(str(night_file)))


def test_samples_on_the_command_line_do_not_fit_a_night(night_file: Path) -> None:
    with pytest.raises(InputRefusedError, match="write it into the night file"):
        prepare(Options(str(night_file), samples=Path("samples.csv")))


def test_local_times_are_right_on_the_night_the_clocks_change() -> None:
    doc = NightDoc.model_validate(
        {"platectl": 1, "night": "n", "zone": "Europe/Berlin", "starts": "2026-03-28 20:00",
         "ends": "08:00", "plates": [{"protocol": "sigma1-binding"}]}
    )  # fmt: skip

    start = doc.begins(datetime(2026, 3, 1, tzinfo=UTC))
    assert start.astimezone(UTC) == datetime(2026, 3, 28, 19, tzinfo=UTC)
    assert doc.ends is not None
    assert doc.offset_s(doc.ends, start) == 11 * 3600.0


def test_a_presence_may_go_over_midnight() -> None:
    doc = NightDoc.model_validate(
        {"platectl": 1, "night": "n", "starts": "2026-01-05 20:00",
         "people": {"person": [{"from": "22:00", "until": "02:00"}]},
         "plates": [{"protocol": "sigma1-binding"}]}
    )  # fmt: skip

    away = doc.absences(datetime(2026, 1, 5, 20, tzinfo=UTC))["person"]

    assert away[:2] == ((0.0, 7200.0), (6 * 3600.0, 26 * 3600.0))


def test_a_night_without_a_day_begins_at_the_next_such_hour() -> None:
    doc = NightDoc.model_validate(
        {"platectl": 1, "night": "n", "zone": "Europe/Berlin", "starts": "18:00", "ends": "09:00",
         "plates": [{"protocol": "sigma1-binding"}]}
    )  # fmt: skip

    afternoon, evening = datetime(2026, 6, 1, 12, tzinfo=UTC), datetime(2026, 6, 1, 17, tzinfo=UTC)

    assert doc.begins(afternoon).astimezone(UTC) == datetime(2026, 6, 1, 16, tzinfo=UTC)
    assert doc.begins(evening).astimezone(UTC) == datetime(2026, 6, 2, 16, tzinfo=UTC)
    assert doc.ends is not None
    assert doc.offset_s(doc.ends, doc.begins(evening)) == 15 * 3600.0


@pytest.fixture
def real_night(tmp_path: Path) -> Path:
    """A night of a real lab, whose clock is that of the wall."""
    lab = bundled("simulated-lab.yaml").read_text().replace("simulated: true", "simulated: false")
    lab = lab.replace("    driver:", "    allow_paper: true\n    driver:").replace("sim:", "none:")
    (tmp_path / "lab.yaml").write_text(lab)
    path = tmp_path / "night.yaml"
    plates = "plates: [{protocol: sigma1-binding}]\n"
    path.write_text(f'platectl: 1\nnight: real\nlab: lab.yaml\nstarts: "21:30"\n{plates}')
    return path


DUE = datetime(2026, 6, 1, 21, 30, tzinfo=UTC)


def test_a_clock_time_means_the_evening_for_which_a_schedule_fired(real_night: Path) -> None:
    a_little_later = DUE + timedelta(seconds=2)

    by_hand = prepare(Options(str(real_night)), now=a_little_later).compiled
    fired = prepare(Options(str(real_night)), now=a_little_later, due=DUE).compiled

    assert fired.starts == a_little_later
    assert by_hand.starts == DUE + timedelta(days=1)


def test_what_a_night_needs_says_when_it_starts(real_night: Path) -> None:
    noon = DUE.replace(hour=12, minute=0)

    needs = needs_of(prepare(Options(str(real_night)), now=noon))

    assert needs.starts == DUE
    assert Needs.of(needs.text()) == needs
    assert ends_too_late(needs, noon, DUE + timedelta(hours=11))
    assert not ends_too_late(needs, noon, DUE + timedelta(hours=12))


@pytest.mark.parametrize("command", ["plan", "check", "rehearse"])
def test_a_night_of_a_real_lab_is_looked_at_from_now_on(command: str, real_night: Path) -> None:
    real_night.write_text(real_night.read_text() + 'ends: "2026-01-06 12:00"\n')

    found = CliRunner().invoke(cli, [command, str(real_night)])

    assert isinstance(found.exception, InputRefusedError)
    assert "2026-01-06 12:00 is not after the start, 2" in str(found.exception)
    assert "the start, 2026-01-05" not in str(found.exception)


AWAY = 'people: {person: [{from: "2026-01-05 18:00", until: "2026-01-05 18:05"}]}\n'


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (AWAY, "person is away: from Mon 18:05 on; Load the lab of P1 alone takes"),
        ('people: {person: [{from: "07:00", until: "07:05"}]}\n', "Tue 07:05 to Wed 07:00"),
        ("people: {person: []}\n", "person is never there; Load the lab of P1"),
        ("people: {counter: []}\n", "'counter' is an instrument and no person; use one of: person"),
        (
            AWAY.replace("18:05", "17:00"),
            "until 2026-01-05 17:00 is not after from 2026-01-05 18:00",
        ),
        ('ends: "2026-01-05 12:00"\n', ":8: ends: 2026-01-05 12:00 is not after the start"),
    ],
)
def test_people_and_times_that_leave_no_night_are_refused(
    night_file: Path, more: str, said: str
) -> None:
    night_file.write_text(MIXED[: MIXED.index("  - {protocol: fura2")] + more)

    with pytest.raises(InputRefusedError) as refused:
        prepare(Options(str(night_file)))

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (
            'not_before: "20:00", not_after: "19:30"',
            "not_after: 19:30 is not after `not_before`, 20:00",
        ),
        ('not_after: "2026-01-04 18:00"', "not_after: 2026-01-04 18:00 is not after the start"),
        ('not_before: "2026-03-06 12:00"', "it is not over within 30 days"),
        ("copies: 0", "plates.1.copies: 0 is out of range"),
        ("layout: nope", "plates.1: calcium-common.yaml"),
        ("samples: nope.csv", "plates.1: {folder}/nope.csv: cannot be read"),
        ("set: {nonsense: 3}", "plates.1: --set: nonsense: no such parameter"),
    ],
)
def test_what_is_wrong_with_an_entry_has_its_line(night_file: Path, terms: str, said: str) -> None:
    night_file.write_text(MIXED.replace("priority: 2", terms))

    with pytest.raises(InputRefusedError) as refused:
        prepare(Options(str(night_file)))

    errors = [f for f in refused.value.findings if f.severity == "error"]
    assert said.format(folder=night_file.parent) in str(refused.value)
    assert len(errors) == 1 or "30 days" in said
    assert errors[0].line == 8 or "30 days" in said


def test_a_file_of_another_kind_is_called_what_it_is(night_file: Path) -> None:
    lab = bundled("simulated-lab.yaml")

    with pytest.raises(InputRefusedError) as as_night:
        prepare(Options(str(lab)))
    with pytest.raises(InputRefusedError) as as_lab:
        prepare(Options("sigma1-binding", lab=night_file))

    assert [f.message for f in as_night.value.findings] == [
        "this is a lab file, and a protocol is needed"
    ]
    assert [f.message for f in as_lab.value.findings] == [
        "this is a night file, and a lab file is needed"
    ]


def test_a_real_lab_is_rehearsed_as_its_simulated_twin(real_night: Path) -> None:
    lab, away = real_night.with_name("lab.yaml"), real_night.with_name("export")
    text = lab.read_text().replace('"none:"', '"tcp:flex.lab:31950"', 1)
    text = text.replace('"none:"', '"serial:/dev/ttyS7"', 1).replace("drop:counts", f"drop:{away}")
    lab.write_text(text)

    found = CliRunner().invoke(cli, ["rehearse", str(real_night), "--nights", "1"])

    assert found.exit_code == 0, found.output
    assert "1 nights: 1 done" in found.output
    assert re.search(r"that is \w{3} \d\d:\d\d \(between .*, UTC\)", found.output)
    assert "on a simulated twin of simulated-lab" in " ".join(found.output.split())
    assert not away.exists()


def test_drivers_without_a_simulator_are_named_together(
    real_night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {n: e for n, e in _entries(SIMULATORS).items() if n not in {"pf400", "a4s"}}
    monkeypatch.setattr(registry, "_entries", {SIMULATORS: kept, DRIVERS: _entries(DRIVERS)}.get)

    with pytest.raises(InputRefusedError) as refused:
        prepare(Options(str(real_night), twin=True), now=DUE)

    assert len(refused.value.findings) == 1
    assert "nothing simulates sealer (a4s), arm (pf400)" in str(refused.value)
