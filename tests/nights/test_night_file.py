"""A night file: plates of several assays in one run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.run_report import build_report
from platectl.domain.findings import InputRefusedError
from platectl.domain.night import NightDoc
from platectl.planning.overview import overview

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
