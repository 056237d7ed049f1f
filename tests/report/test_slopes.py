"""Curves that are not of one site: what the tables, the JSON and the rows of a report say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.report.conftest import CONDITIONS, NAMES, plate_report, run_report, wells

from platectl.report.export import plain
from platectl.report.html import render
from platectl.report.model import PlateReport
from platectl.report.views import view_of
from platectl.report.views.competition import row_status


@pytest.fixture(scope="module")
def plate() -> PlateReport:
    """The first compound has two sites, the second is steep."""
    rng = np.random.default_rng(5)
    counted = wells(CONDITIONS)
    top = np.mean([w.gross_cpm for w in counted if w.role == "total"])
    bottom = np.mean([w.gross_cpm for w in counted if w.role == "nsb"])
    displaced = {
        NAMES[0]: lambda m: 0.4 / (1.0 + 2e-9 / m) + 0.6 / (1.0 + 4e-7 / m),
        NAMES[1]: lambda m: 1.0 / (1.0 + (3e-9 / m) ** 1.8),
    }
    made = []
    for w in counted:
        if w.compound in displaced:
            mean = top - (top - bottom) * displaced[w.compound](w.concentration_molar)
            made.append(replace(w, gross_cpm=rng.poisson(2.0 * mean) / 2.0))
        else:
            made.append(w)
    return plate_report(counted=made)


def test_the_report_shows_two_sites_and_both_ic50(plate: PlateReport) -> None:
    tables = {section.title: section.table for section in view_of(plate).sections()}

    slopes, sites = tables["Hill slopes that are not of one site"], tables["Two sites against one"]
    assert [row[0] for row in slopes[1:]] == list(NAMES[:2])
    assert [row[0] for row in sites[1:]] == [NAMES[0]]
    assert sites[1][4].startswith("F(2, ")
    assert float(sites[1][5]) > 10.0
    page = render(run_report(plate))
    assert "Two sites against one" in page
    assert "a single Ki has no clear meaning" in page


def test_results_hold_the_fit_of_two_sites_as_numbers(plate: PlateReport) -> None:
    found = plain(view_of(plate).details)["other_slopes"]

    assert set(found) == set(NAMES[:2])
    assert found[NAMES[1]]["side"] == "steep"
    two = found[NAMES[0]]["two_sites"]
    assert 10.0 ** two["log_ic50_high"]["value"] == pytest.approx(2e-9, rel=0.6)
    assert 10.0 ** two["log_ic50_low"]["value"] == pytest.approx(4e-7, rel=0.6)
    assert two["fraction_high"]["value"] == pytest.approx(0.4, abs=0.1)
    assert two["test"]["p"] < 1e-6


def test_a_slope_alone_is_a_remark_and_no_verdict(plate: PlateReport) -> None:
    result = replace(plate.result, state="pass")
    steep = result.compounds[1]
    alone = replace(steep, flags=tuple(f for f in steep.flags if f.name == "steep"))

    assert len(alone.flags) == 1
    assert row_status(result, alone) == "pass"
