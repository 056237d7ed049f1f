"""Bad data give a named finding with its place and what would be right; never a traceback or a wrong number."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from benchmarks import data_findings
from tests.bad_data.bench import SAMPLES, arguments, platectl, write
from tests.bad_data.catalogue import (
    CAUTIONED,
    CPM,
    EVERY,
    MAP,
    PLAIN,
    REFUSED,
    UNANSWERED,
    WITHOUT_VALUE,
    WRONG_UNITS,
    Case,
    book,
    plate_grid,
    rows,
    text_of,
)

from platectl.app.analyse import AnalyseOptions, analyse_file, read_plate
from platectl.domain.codes import Code
from platectl.domain.findings import Finding
from platectl.report.rows import result_rows
from platectl.report.views import view_of


def options_of(folder: Path, case: Case) -> AnalyseOptions:
    chosen = {"counts": "counts.csv", "layout": "map.csv", "samples": "samples.csv", "counted_on": "2026-01-06"} | dict(case.options)  # fmt: skip
    return AnalyseOptions(
        folder / chosen["counts"],
        layout=str(folder / chosen["layout"]),
        samples=folder / chosen["samples"] if chosen["samples"] else None,
        standards=folder / chosen["standards"] if "standards" in chosen else None,
        counted_on=date.fromisoformat(chosen["counted_on"]) if chosen["counted_on"] else None,
    )


def told(finding: dict[str, Any]) -> tuple[Any, ...]:
    return finding["code"], Path(finding["file"]).name, finding["line"], finding["where"]


def the_one(findings: tuple[Finding, ...], case: Case) -> dict[str, Any]:
    """The finding of a case among others."""
    (found,) = [
        f.plain() for f in findings if f.code == case.code and Path(f.file).name == case.file
    ]
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_data_that_cannot_be_used_are_refused_with_a_named_finding(
    name: str, tmp_path: Path
) -> None:
    case = REFUSED[name]
    write(tmp_path, case.files)

    got = platectl(*arguments(tmp_path, **case.options))

    assert got.code == 2, got.err
    assert got.err == ""
    assert got.told["status"] == "refused"
    assert (case.code, case.file, case.line, case.where) in map(told, got.findings), got.findings
    first = next(f for f in got.findings if f["severity"] == "error")
    assert first["code"] == case.code
    assert case.says in f"{first['message']}; {first['fix']}"
    assert got.told["results"] == []
    assert {f["severity"] for f in got.findings} <= {"error", "warning"}


@pytest.mark.parametrize("name", CAUTIONED)
def test_what_can_be_analysed_in_spite_of_it_says_so_beside_the_result(
    name: str, tmp_path: Path
) -> None:
    case = CAUTIONED[name]
    write(tmp_path, case.files)

    counted = read_plate(options_of(tmp_path, case))

    found = the_one(counted.findings, case)
    assert told(found) == (case.code, case.file, case.line, case.where)
    assert found["severity"] == "warning"
    assert case.says in f"{found['message']}; {found['fix']}"


@pytest.mark.parametrize("name", UNANSWERED)
def test_data_without_an_answer_give_a_finding_and_no_value(name: str, tmp_path: Path) -> None:
    case = UNANSWERED[name]
    write(tmp_path, case.files)

    report = analyse_file(options_of(tmp_path, case))

    errors = tuple(f for f in report.findings if f.severity == "error")
    found = the_one(errors, case)
    assert case.says in f"{found['message']}; {found['fix']}"
    rows = result_rows(report.plates)
    assert rows
    assert {(row["value"], row["lower"], row["upper"], row["status"]) for row in rows} == {(None, None, None, "fail")}  # fmt: skip
    assert any(str(case.code) in text for text in report.warnings)


@pytest.mark.parametrize("name", WITHOUT_VALUE)
def test_a_compound_of_which_nothing_is_known_has_no_value_or_a_bound(
    name: str, tmp_path: Path
) -> None:
    files, qualifiers = WITHOUT_VALUE[name]
    write(tmp_path, files)

    report = analyse_file(options_of(tmp_path, Case("", "", "")))

    rows = {row["compound"]: row for row in result_rows(report.plates)}
    assert rows["SA4503"]["qualifier"] in qualifiers
    assert rows["SA4503"]["value"] is None or rows["SA4503"]["qualifier"] in "<>"
    assert rows["SA4503"]["remarks"]


@pytest.mark.parametrize("name", WRONG_UNITS)
def test_numbers_that_no_counter_gives_fail_the_plate_and_name_the_cause(
    name: str, tmp_path: Path
) -> None:
    files, metrics, cause = WRONG_UNITS[name]
    write(tmp_path, files)

    report = analyse_file(options_of(tmp_path, Case("", "", "")))

    view = view_of(report.plates[0])
    assert view is not None
    failed = {m.name: m.explanation for m in view.qc if m.state == "fail"}
    assert metrics <= set(failed)
    assert any(cause in text for text in failed.values())
    assert any(cause in text for text in report.warnings)
    assert {row["value"] for row in result_rows(report.plates)} == {None}


UNITS = "compound,stock_concentration [mM],top_concentration (\u03bcM),slot\n(+)-igmesine,10,10,test1\nSA4503,10 mM,10,test2\n"
LONG, GRIDDED = rows(PLAIN), plate_grid("cpm", CPM.__getitem__)
#: the same plate in other forms: files, options
FORMS: dict[str, tuple[dict[str, str | bytes], dict[str, str]]] = {
    "workbook": ({"c.xlsx": book(LONG)}, {"counts": "c.xlsx"}),
    "grid": ({"counts.csv": text_of(GRIDDED)}, {}),
    "grid of a workbook below a title": ({"c.xlsx": book([["Monday"], [], *GRIDDED])}, {"counts": "c.xlsx"}),
    "semicolons and UTF-16": ({"counts.csv": PLAIN.replace(",", ";").encode("utf-16")}, {}),
    "tabs and zero-padded wells": ({"counts.csv": re.sub(r"^([A-H])(\d),", r"\g<1>0\2,", PLAIN, flags=re.MULTILINE).replace(",", "\t")}, {}),
    "map of a workbook": ({"m.xlsx": book(rows(MAP))}, {"layout": "m.xlsx"}),
    "units in the heads": ({"samples.csv": UNITS}, {}),
    "sheet of a workbook": ({"s.xlsx": book(rows(SAMPLES))}, {"samples": "s.xlsx"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_the_same_data_in_another_form_are_the_same_plate(name: str, tmp_path: Path) -> None:
    files, options = FORMS[name]
    write(tmp_path, files)

    found = read_plate(options_of(tmp_path, Case("", "", "", options=options)))

    write(tmp_path, {"counts.csv": PLAIN})
    clean = read_plate(options_of(tmp_path, Case("", "", "")))
    assert found.findings == clean.findings == ()
    assert {w: r["cpm"] for w, r in found.readings.items()} == pytest.approx(
        {w: r["cpm"] for w, r in clean.readings.items()}
    )
    assert {w.well: w for w in found.plate.wells} == {w.well: w for w in clean.plate.wells}


def test_an_operator_sees_finding_place_and_remedy_and_no_value_that_is_not_known(
    tmp_path: Path,
) -> None:
    write(tmp_path, UNANSWERED["constant plate"].files)

    got = platectl(*(w for w in arguments(tmp_path) if w != "--json"))

    assert got.code == 4
    assert "[no-window]" in got.out
    assert "Traceback" not in got.out + got.err


def test_a_refusal_on_the_terminal_has_place_message_remedy_and_name(tmp_path: Path) -> None:
    write(tmp_path, REFUSED["negative count"].files)

    got = platectl(*(w for w in arguments(tmp_path) if w != "--json"))

    assert got.code == 2
    assert got.err == (
        f"{tmp_path}/counts.csv:2: A1: cpm '-3.5' cannot be; write a number of zero or more [count-negative]\n"
    )


def test_the_page_of_findings_is_what_the_code_says() -> None:
    assert data_findings.PAGE.read_text() == data_findings.page(), (
        "run python -m benchmarks.data_findings --write"
    )


def test_the_catalogue_has_at_least_sixty_cases_of_known_names() -> None:
    assert len(EVERY) + len(WITHOUT_VALUE) >= 60
    assert {case.code for case in EVERY.values()} <= {str(code) for code in Code}
