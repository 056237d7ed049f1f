"""Every page as a browser lays it out: nothing overlaps, nothing is empty, grey is enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.report.browser import (
    WIDTH,
    Page,
    blank_plots,
    browser,
    faults,
    from_outside,
    measured,
    photographed,
)
from tests.report.conftest import plate_report, run_report
from tests.report.nights import run_night
from tests.report.test_campaign import at, campaign_of
from tests.report.test_control_chart import VALUES, charted
from tests.report.test_control_chart import row as chart_row
from tests.report.test_control_chart import store_of as chart_store
from tests.report.test_study import compared, rows_of, store_of

from platectl.app.prepare import Options, prepare
from platectl.app.runs import reanalyse
from platectl.planning.overview import overview
from platectl.report.compare import write_comparison
from platectl.report.control_chart import write_chart
from platectl.report.picture import Picture
from platectl.report.plan import write_plan
from platectl.report.study import write_replicate
from platectl.report.svg import to_svg

pytestmark = pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")
ORDINARY = ("binding", "calcium", "campaign", "chart", "replicate", "plan")
FURTHER = ("sigma1-saturation", "sigma1-kinetics", "fura2-modulator", "fura2-antagonist")


def write_pages(folder: Path) -> dict[str, str]:
    """One page of each kind."""
    store = folder / "runs"
    night = prepare(Options("fura2-calcium"))
    chart = charted(
        chart_store(folder / "chart", [chart_row(v) for v in (*VALUES, *VALUES[:8], 3.0)])
    )
    study = compared(store_of(folder / "study", one=rows_of(1.1), two=rows_of()))
    binding, calcium = (
        run_night(store, "sigma1-binding", "b"),
        run_night(store, "fura2-calcium", "c"),
    )
    plate = plate_report()
    beyond = run_report(at(plate, 1e-5, ">", "sigma2"), run="beyond")
    several = [*campaign_of(plate, run_report(plate)), beyond, reanalyse(calcium)[0]]
    write_comparison(folder / "campaign.html", several)
    write_chart(folder / "chart.html", chart.of, chart.chart, chart.left_out, chart.rules)
    write_replicate(folder / "replicate.html", study.of, study.study, study.left_out)
    write_plan(folder / "plan.html", night.compiled, overview(night.compiled), zone=night.zone)
    pages = {name: folder / f"{name}.html" for name in ORDINARY[2:]}
    pages |= {"binding": binding / "report.html", "calcium": calcium / "report.html"}
    return {name: pages[name].read_text(encoding="utf-8") for name in ORDINARY}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_pages(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def layout(pages: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    return measured(pages, tmp_path_factory.mktemp("layout"))


@pytest.mark.parametrize("name", ORDINARY)
def test_nothing_overlaps_is_cut_off_or_needs_colour(name: str, layout: dict[str, Page]) -> None:
    assert faults(layout[name]) == []


@pytest.mark.parametrize("name", ORDINARY)
def test_nothing_comes_from_outside(name: str, pages: dict[str, str]) -> None:
    assert from_outside(pages[name]) == []


@pytest.mark.parametrize("name", ["binding", "calcium", "campaign"])
def test_plots_show_something_on_the_photograph(
    name: str, pages: dict[str, str], layout: dict[str, Page], tmp_path: Path
) -> None:
    grey = photographed(pages[name], layout[name]["height"], tmp_path)

    assert grey.shape[1] == WIDTH
    assert blank_plots(layout[name], grey) == []


@pytest.mark.long
def test_further_reports_look_right(tmp_path: Path) -> None:
    pages = {
        name: (run_night(tmp_path / "runs", name, name) / "report.html").read_text(encoding="utf-8")
        for name in FURTHER
    }

    layout = measured(pages, tmp_path)

    assert {name: faults(layout[name]) for name in FURTHER} == {name: [] for name in FURTHER}
    assert {name: from_outside(pages[name]) for name in FURTHER} == {name: [] for name in FURTHER}
    for name in FURTHER:
        grey = photographed(pages[name], layout[name]["height"], tmp_path)
        assert blank_plots(layout[name], grey) == []


# The eyes themselves -----------------------------------------------------------------------


def figure(draw: Callable[[Any], None]) -> str:
    def on(canvas: Any) -> None:
        draw(canvas.add_axes((0.2, 0.2, 0.7, 0.7)))

    return to_svg(Picture(4.0, 3.0, "figure", on), salt="x")


def in_colour_only(axes: Any) -> None:
    for offset, colour in enumerate(("#D55E00", "#009E73")):
        axes.plot([0, 1], [offset, 1], "o", color=colour, linestyle="none")


BAD = {
    "<div style='margin-bottom:-10px'>one line</div><div>another line</div>": "overlap",
    "<p style='width:3000px'>wide</p>": "px wide",
    "<p style='color:#bbb'>pale</p>": "has a contrast of 1.9",
    figure(lambda axes: axes.plot([], [])): "plot 1 is empty",
    figure(lambda axes: [axes.plot([0, 1]), axes.set_title(9 * "far too long ")]): "cut off",
    figure(lambda axes: [axes.plot([0, 1]), axes.text(0.5, 0.5, "a label"), axes.text(0.51, 0.52, "another")]): "overlap",
    figure(in_colour_only): "look alike in grey",
    "<svg role='img' aria-label='nothing' width='40' height='40'></svg>": "the figure is empty",
}  # fmt: skip


def test_what_is_wrong_on_a_page_is_seen(tmp_path: Path) -> None:
    told = measured({str(number): page for number, page in enumerate(BAD)}, tmp_path)

    seen = [faults(told[str(number)]) for number in range(len(BAD))]

    assert [any(what in text for text in texts) for texts, what in zip(seen, BAD.values(), strict=True)] == [True] * len(BAD), seen  # fmt: skip


def test_a_plot_whose_marks_are_white_is_seen_on_the_photograph(tmp_path: Path) -> None:
    page = figure(lambda axes: axes.plot([0, 1], color="white"))
    told = measured({"page": page}, tmp_path)["page"]

    assert faults(told) == []
    assert blank_plots(told, photographed(page, 600, tmp_path)) == ["figure: plot 1 shows nothing"]


@pytest.mark.parametrize(
    "page",
    [
        "<img src='https://x/y.png'>", "<link rel=stylesheet href='a.css'>", "<style>@import 'a.css'</style>",
        "<a href='other.html'>", "<div style='background:url(a.png)'>", "<script src='//cdn/x.js'>",
    ],
)  # fmt: skip
def test_what_leaves_the_file_is_seen(page: str) -> None:
    assert from_outside(page)
    assert not from_outside(
        "<a href='#top'><img src='data:image/png;base64,AA'><svg><use href='#m'/></svg>"
    )
