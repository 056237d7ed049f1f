"""Reports on paper: what is said is what was found, and all of it can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.paper import Paper, cut_off, overlapping, printed

from platectl.analysis.results import PlateResult
from platectl.report.model import Basis, Deed, PlateReport, Review, RunReport
from platectl.report.pages import INSIDE_IN, Pages, column_widths, width_in, wrapped
from platectl.report.pdf import pages_of, write_pdf
from platectl.report.rows import result_rows
from platectl.report.text import tables
from platectl.report.views import view_of


@pytest.fixture(scope="module")
def written(run: RunReport, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    path = tmp_path_factory.mktemp("paper") / "report.pdf"
    write_pdf(path, run)
    return Paper(path).texts()


def words(pages: list[list[str]]) -> str:
    return " ".join(text for page in pages for text in page)


def test_every_value_of_the_results_stands_on_paper_as_text(
    run: RunReport, written: list[list[str]]
) -> None:
    told = words(written)

    cells = {cell for _, table in tables(result_rows(run.plates)) for row in table for cell in row}

    assert {cell for cell in cells if not all(part in told for part in cell.split())} == set()
    for row in result_rows(run.plates):
        assert row["compound"] in told


def test_the_report_says_windows_quality_methods_and_provenance(
    run: RunReport, written: list[list[str]]
) -> None:
    told = words(written)
    view = view_of(run.plates[0])

    assert view is not None
    assert all(metric.name in told for metric in view.qc)
    assert view.methods.split(".")[0] in told
    assert run.run_hash in told
    assert run.files["protocol.yaml"] in told
    assert all(
        text in told
        for text in (*run.warnings, "15.0 min, at least 30.0 min wanted", "lot 7 <guinea pig>")
    )
    assert "competitor, nM (log)" in told
    assert "residual, SD" in told


def test_every_page_has_its_number_and_the_marks_of_its_numbers(
    run: RunReport, written: list[list[str]]
) -> None:
    count = len(written)

    for number, page in enumerate(written, start=1):
        assert page[-2:] == [f"{run.run} · SIMULATED · NOT SIGNED", f"page {number} of {count}"]
    assert written[0][:3] == [run.title, "SIMULATED", "NOT SIGNED"]


def test_nothing_is_cut_off_and_nothing_stands_on_something_else(
    run: RunReport, written: list[list[str]]
) -> None:
    pages = printed(pages_of(run))

    assert len(pages) == len(written)
    assert [cut_off(page) for page in pages] == [[]] * len(pages)
    assert [overlapping(page) for page in pages] == [[]] * len(pages)


def test_blinded_and_failed_work_is_marked(
    run: RunReport, plate: PlateReport, tmp_path: Path
) -> None:
    deed = Deed(1, "2026-03-01", "Ada", "excluded P1:A5", "air bubble", "ef" * 32)
    review = Review(
        "invalidated", 2, "The signature does not hold any more.", (deed,), study="trial"
    )
    lost = PlateReport(
        "P2",
        "BC-P2",
        plate.wells,
        {},
        None,
        "The counter broke.",
        basis=Basis("invalidated", 2, "12" * 32),
    )
    path = tmp_path / "report.pdf"

    write_pdf(path, replace(run, plates=(lost,), review=review, simulated=False))

    told = Paper(path).texts()
    assert told[0][:3] == [run.title, "SIGNATURE INVALID", "BLINDED"]
    assert all("SIGNATURE INVALID · BLINDED" in page[-2] for page in told)
    assert "The counter broke." in words(told)
    assert "air bubble" in words(told)


def test_a_plate_that_failed_says_so_over_its_curves(run: RunReport, plate: PlateReport) -> None:
    assert isinstance(plate.result, PlateResult)
    failed = replace(plate, counts={}, result=replace(plate.result, state="fail", compounds=()))

    pages = printed(pages_of(replace(run, plates=(failed,), steps=())))

    assert "PLATE FAILED: no value of it is to be used" in [p.text for page in pages for p in page]


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    def write(name: str) -> bytes:
        pages = Pages("title", "foot")
        pages.heading("A heading")
        pages.paragraph("words " * 100)
        pages.write(tmp_path / name)
        return (tmp_path / name).read_bytes()

    assert write("a.pdf") == write("b.pdf")


def test_a_long_table_goes_on_under_its_head(tmp_path: Path) -> None:
    pages = Pages("title", "foot")
    pages.table([("number", "what"), *((str(n), "long words " * 30) for n in range(40))])
    pages.write(tmp_path / "t.pdf")

    told = Paper(tmp_path / "t.pdf").texts()

    assert len(told) > 1
    assert all(page[:2] == ["number", "what"] for page in told)
    assert [text for page in told for text in page if text.isdigit()] == [str(n) for n in range(40)]
    assert [cut_off(page) + overlapping(page) for page in printed(pages)] == [[]] * len(told)


def test_columns_share_the_page_and_what_is_too_long_is_broken() -> None:
    widths = column_widths([("short", "x" * 300, "y " * 200)])

    lines = wrapped("ab" * 32, 1.0, 7.0)

    assert sum(widths) <= INSIDE_IN
    assert widths[0] == pytest.approx(width_in("short", 7.0, bold=True), abs=0.03)
    assert "".join(lines) == "ab" * 32
    assert all(width_in(line, 7.0) <= 1.0 for line in lines)
