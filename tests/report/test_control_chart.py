"""Charts from the index of a store: what is charted, what is refused, what the page shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from platectl.app.chart import ChartedHistory, ChartOptions, chart_history
from platectl.domain.findings import InputRefusedError
from platectl.report.control_chart import chart_json, chart_picture, write_chart
from platectl.report.svg import to_svg
from platectl.store.index import RunIndex

VALUES = (1.50, 1.58, 1.41, 1.53, 1.62, 1.45, 1.49, 1.55, 1.38, 1.60, 1.52, 1.47)


def row(value: float | None, **other: Any) -> dict[str, Any]:
    """A row of results as the index keeps it."""
    molar = None if value is None else value * 1e-9
    return {"compound": "haloperidol", "role": "reference", "quantity": "Ki", "site": "sigma1", "unit": "M",
            "value": molar, "value_molar": molar, "qualifier": "=", "status": "pass", "flags": [],
            "radioligand": "[3H](+)-pentazocine", "plate": "P1", **other}  # fmt: skip


def store_of(folder: Path, rows: list[dict[str, Any]], lab: str = "bench") -> Path:
    """A store with one run a day for each row, put in the wrong order."""
    index = RunIndex(folder)
    for day, result in reversed(list(enumerate(rows, start=1))):
        index.put(f"run-{day:02}", folder=folder / "x", protocol="p", lab=lab,
                  started=f"2026-01-{day:02}T18:00:00+00:00", status="done", results=[result])  # fmt: skip
    return folder


def charted(folder: Path, **options: Any) -> ChartedHistory:
    return chart_history(ChartOptions(folder, **options))


def test_results_are_charted_in_order_of_time(tmp_path: Path) -> None:
    store = store_of(tmp_path, [row(v) for v in VALUES])

    found = charted(store, compound="Haloperidol")

    assert [p.point.run for p in found.chart.points] == [f"run-{d:02}" for d in range(1, 13)]
    assert found.chart.limits.at(0) == pytest.approx(1.5e-9, rel=0.03)
    assert found.of["site"] == "sigma1"


def test_results_that_break_a_rule_are_named_on_page_and_in_json(tmp_path: Path) -> None:
    store = store_of(tmp_path, [row(v) for v in (*VALUES, *VALUES[:8], 3.0)])
    found = charted(store)
    parts = (found.of, found.chart, found.left_out, found.rules)

    write_chart(tmp_path / "chart.html", *parts)
    told = json.loads(json.dumps(chart_json(*parts), allow_nan=False))

    assert told["points"][-1]["broken"] == ["1-2s", "1-3s"]
    assert told["points"][-1]["rejected"] is True
    page = (tmp_path / "chart.html").read_text()
    assert "run-21" in page
    assert "1-3s" in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page), "it opens offline"


def test_kinds_of_points_differ_in_shape_and_not_in_colour_alone(tmp_path: Path) -> None:
    store = store_of(tmp_path, [row(v) for v in (*VALUES, *VALUES[:8], 1.72, 3.0)])
    found = charted(store)

    svg = to_svg(chart_picture(found.of, found.chart), salt="chart")

    shapes = re.findall(r'PathCollection_\d+">\s*<defs>\s*<path [^>]*?\bd="([^"]+)"', svg)
    assert len({" ".join(shape.split()) for shape in shapes}) == 3
    assert 'role="img"' in svg


def test_results_without_a_number_are_listed_and_not_charted(tmp_path: Path) -> None:
    failed = row(None, status="fail", qualifier="~", flags=["plate:z_prime"])
    bound = row(1e4, qualifier=">")
    store = store_of(tmp_path, [*(row(v) for v in VALUES), failed, bound])

    found = charted(store)

    assert len(found.chart.points) == len(VALUES)
    assert found.left_out == (
        ("run-13", "P1", "failed (plate:z_prime)"),
        ("run-14", "P1", "qualifier >"),
    )


def test_a_plate_that_was_not_analysed_is_listed_and_its_controls_are_not(tmp_path: Path) -> None:
    lost = row(None, quantity="", site=None, status="fail", flags=["plate:not_analysed"])
    control = {**lost, "role": "nsb"}
    store = store_of(tmp_path, [*(row(v) for v in VALUES), lost, control])

    found = charted(store)

    assert [left[0] for left in found.left_out] == ["run-13"]


def test_too_few_runs_are_refused_with_what_there_is(tmp_path: Path) -> None:
    store = store_of(tmp_path, [*(row(v) for v in VALUES[:5]), row(None, status="fail")])

    with pytest.raises(InputRefusedError, match=r"5 results.*at least 8; 1 more gave no usable"):
        charted(store)


def test_a_missing_compound_is_refused_by_name(tmp_path: Path) -> None:
    store = store_of(tmp_path, [row(v) for v in VALUES])

    with pytest.raises(InputRefusedError, match=r"Ki of siramesine: no run has such a result"):
        charted(store, compound="siramesine")


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"site": "sigma2"}, "several sites: sigma1, sigma2; choose one with --site"),
        ({"unit": "fmol/mg"}, "several units: M, fmol/mg"),
        ({"radioligand": "[3H]DTG"}, "several radioligands"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    tmp_path: Path, other: dict[str, Any], told: str
) -> None:
    store = store_of(tmp_path, [*(row(v) for v in VALUES), row(1.5, **other)])

    with pytest.raises(InputRefusedError, match=told):
        charted(store)


def test_a_choice_of_site_resolves_a_mixture(tmp_path: Path) -> None:
    store = store_of(tmp_path, [*(row(v) for v in VALUES), row(20.0, site="sigma2")])

    assert len(charted(store, site="Sigma1").chart.points) == len(VALUES)


def test_a_lab_keeps_its_own_rules(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", [row(v) for v in VALUES[:4]])
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "platectl: 1\nlearn: {points: 4, least: 3}\n"
        "rules:\n  - {name: strict, count: 1, of: 1, beyond: 0.5}\n"
    )

    found = charted(store, rules=rules)

    assert {r.name for p in found.chart.broken for r in p.broken} == {"strict"}


def test_a_wrong_rule_file_is_refused_with_its_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("platectl: 1\nrules:\n  - {name: a, count: 5, of: 2, beyond: 1}\n")

    with pytest.raises(InputRefusedError, match=r"rules.yaml:3.*5 of 2 points"):
        charted(store_of(tmp_path, [row(1.5)]), rules=rules)
