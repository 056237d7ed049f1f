"""Compounds over many runs: what goes into a mean, what is said of it, and where it is written."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student
from tests.report.paper import Paper, cut_off, overlapping, printed

from platectl.analysis.results import PlateResult
from platectl.report.campaign import Line, Value, effects_by_run, lines_of, ratios
from platectl.report.compare import (
    comparison_pages,
    write_comparison,
    write_comparison_csv,
    write_comparison_pdf,
)
from platectl.report.forest_plot import forests
from platectl.report.model import Basis, PlateReport, Review, RunReport

FACTORS = (0.8, 1.0, 1.4)
BASE = 4.0e-9


def with_ki(plate: PlateReport, **found: object) -> PlateReport:
    """A plate on which every compound was found so."""
    assert isinstance(plate.result, PlateResult)
    compounds = tuple(replace(c, **found) for c in plate.result.compounds)  # type: ignore[arg-type]
    return replace(plate, result=replace(plate.result, state="pass", qc=(), compounds=compounds))


def at(plate: PlateReport, molar: float, qualifier: str = "=", site: str = "sigma1") -> PlateReport:
    return with_ki(plate, value_molar=molar, lower_molar=molar / 1.2, upper_molar=molar * 1.2,
                   qualifier=qualifier, status="ok", flags=(), site=site)  # fmt: skip


@pytest.fixture(scope="module")
def runs(plate: PlateReport, run: RunReport) -> list[RunReport]:
    return campaign_of(plate, run)


def campaign_of(plate: PlateReport, run: RunReport) -> list[RunReport]:
    """Three runs at sigma-1, two at sigma-2, of which the last is a failed plate; one is signed."""
    assert isinstance(plate.result, PlateResult)
    found = [
        replace(run, run=f"s1-{n}", plates=(at(plate, BASE * f),)) for n, f in enumerate(FACTORS)
    ]
    found += [
        replace(run, run=f"s2-{n}", plates=(at(plate, 1e-6 * (1 + n), site="sigma2"),))
        for n in range(2)
    ]
    failed = replace(plate, result=replace(plate.result, state="fail"))
    found.append(
        replace(
            run,
            run="s1-failed",
            plates=(with_ki(failed, value_molar=None, status="no result", site="sigma1"),),
        )
    )
    signed = replace(found[0].plates[0], basis=Basis("signed", 1, "ab"))
    found[0] = replace(
        found[0], plates=(signed,), review=Review("signed", 1, "Signed by Bo."), simulated=False
    )
    return found


def line_of(reports: list[RunReport], site: str = "sigma1") -> Line:
    return next(li for li in lines_of(reports) if li.compound == "haloperidol" and li.site == site)


def test_a_mean_is_geometric_over_runs_with_students_interval(runs: list[RunReport]) -> None:
    mean = line_of(runs).mean

    logs = np.log10(BASE * np.array(FACTORS))
    half = student.ppf(0.975, 2) * logs.std(ddof=1) / math.sqrt(3)
    assert mean is not None
    assert mean.count == 3
    assert (mean.mean, mean.lower, mean.upper) == pytest.approx(
        (logs.mean(), logs.mean() - half, logs.mean() + half)
    )


def test_failed_plates_are_in_no_mean_and_unsigned_values_are_counted(
    runs: list[RunReport],
) -> None:
    line = line_of(runs)

    assert [v.run for v in line.values if v.left_out] == ["s1-failed"]
    assert line.unsigned == 2


def test_a_plate_that_was_not_analysed_is_told_beside_the_others(
    runs: list[RunReport], plate: PlateReport, run: RunReport
) -> None:
    lost = replace(
        run, run="lost", plates=(replace(plate, result=None, problem="The counter broke."),)
    )

    line = line_of([*runs[:3], lost])

    assert [(v.run, v.left_out) for v in line.values if v.left_out] == [
        ("lost", "plate was not analysed")
    ]


def test_plates_of_a_run_are_one_value(plate: PlateReport, run: RunReport) -> None:
    twice = replace(run, plates=(at(plate, 1e-9), replace(at(plate, 4e-9), name="P2")))

    mean = line_of([twice, replace(run, run="other", plates=(at(plate, 8e-9),))]).mean

    assert mean is not None
    assert mean.count == 2
    assert 10.0 ** (mean.mean or 0.0) == pytest.approx(4e-9)


def test_effects_of_the_plates_of_a_run_are_one_value() -> None:
    found = [("a", 80.0), ("a", 100.0), ("b", 60.0), ("b", None), ("c", None)]

    values = [Value(run, {"effect_percent": percent}, "") for run, percent in found]

    assert list(effects_by_run(values)) == [90.0, 60.0]


def test_bounds_go_into_the_mean_as_bounds(plate: PlateReport, run: RunReport) -> None:
    measured = [
        replace(run, run=f"r{n}", plates=(at(plate, v),)) for n, v in enumerate((6e-6, 8e-6))
    ]
    beyond = replace(run, run="beyond", plates=(at(plate, 1e-5, ">"),))

    some, none = line_of([*measured, beyond]).mean, line_of([beyond]).mean

    assert some is not None
    assert none is not None
    assert (some.count, some.censored, some.qualifier) == (3, 1, "=")
    assert 10.0 ** (some.mean or 0.0) > math.sqrt(6e-6 * 8e-6)
    assert (none.qualifier, none.mean) == (">", pytest.approx(-5.0))


def test_selectivity_of_means_has_the_second_site_above(runs: list[RunReport]) -> None:
    found = next(r for r in ratios(lines_of(runs)) if r.compound == "haloperidol")

    expected = math.sqrt(2.0) * 1e-6 / (BASE * math.prod(FACTORS) ** (1 / 3))
    assert found.sites == "sigma2/sigma1"
    assert found.ratio == pytest.approx(expected)
    assert (found.lower or 0.0) < expected < (found.upper or 0.0)


def test_page_paper_and_table_say_the_same(runs: list[RunReport], tmp_path: Path) -> None:
    page, paper, table = (tmp_path / f"campaign.{end}" for end in ("html", "pdf", "csv"))

    write_comparison(page, runs)
    write_comparison_pdf(paper, runs)
    write_comparison_csv(table, runs)

    told = " ".join(text for sheet in Paper(paper).texts() for text in sheet)
    html = page.read_text(encoding="utf-8")
    with table.open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    ratio = next(r for r in ratios(lines_of(runs)) if r.compound == "haloperidol")
    assert ratio.lower is not None
    mean = next(
        r
        for r in rows
        if (r["kind"], r["compound"], r["site"]) == ("mean", "haloperidol", "sigma1")
    )
    shown = f"{1e9 * float(mean['value']):.3g} nM"
    assert mean["runs"] == "3"
    for text in (
        shown,
        "2 of 3 NOT SIGNED",
        "s1-failed",
        "In no mean",
        "SIMULATED",
        "Tobin 1958",
        "1 of 4",
        f"({ratio.lower:.3g} to {ratio.upper:.3g}), sigma2/sigma1",
    ):
        assert text in html
        assert all(word in told for word in text.split())
    assert html.count('aria-label="Forest plot of') == 3


def test_nothing_is_cut_off_on_paper(runs: list[RunReport]) -> None:
    pages = printed(comparison_pages(runs))

    assert [cut_off(page) + overlapping(page) for page in pages] == [[]] * len(pages)


def test_many_runs_of_a_compound_go_on_in_a_second_plot(
    plate: PlateReport, make_run: Callable[..., RunReport]
) -> None:
    reports = [make_run(at(plate, BASE * (1 + n / 40)), run=f"r{n}") for n in range(30)]

    pictures = [p for p in forests(lines_of(reports)) if "haloperidol" in p.label]

    assert len(pictures) == 2
    assert all(p.height_in < 6.8 for p in pictures)
