"""Studies over runs of a store: what is compared, what is refused, what the pages show."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import structlog

from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.runs import announce
from platectl.app.study import Compared, ReplicateOptions, compare_runs, study_uniformity
from platectl.domain.findings import InputRefusedError
from platectl.report.study import (
    replicate_json,
    uniformity_json,
    write_replicate,
    write_uniformity,
)
from platectl.store.index import RunIndex

KI = {"a": 1.0, "b": 10.0, "c": 30.0, "d": 200.0}
INTERLEAVED = """\
controls:
  - {role: total, wells: "A1:H1, A3:H3, A4:H4, A6:H6, A7:H7, A9:H9, A10:H10, A12:H12"}
  - {role: nsb, wells: "A2:H2, A5:H5, A8:H8, A11:H11"}
"""


def row(compound: str, nanomolar: float | None, **other: Any) -> dict[str, Any]:
    """A row of results as the index keeps it."""
    value = None if nanomolar is None else nanomolar * 1e-9
    return {"compound": compound, "role": "test", "quantity": "Ki", "site": "sigma1", "unit": "M",
            "value": value, "qualifier": "=", "status": "pass", "flags": [], "plate": "P1",
            **other}  # fmt: skip


def store_of(folder: Path, **runs: list[dict[str, Any]]) -> Path:
    """A store with runs of these results."""
    for name, rows in runs.items():
        RunIndex(folder).put(name, folder=folder / name, protocol="p", lab="bench",
                             started="2026-01-05", status="done", results=rows)  # fmt: skip
    return folder


def compared(store: Path, **options: Any) -> Compared:
    return compare_runs(ReplicateOptions(store, "one", "two", **options))


def rows_of(factor: float = 1.0) -> list[dict[str, Any]]:
    return [row(name, value * factor) for name, value in KI.items()]


def test_runs_are_compared_compound_by_compound(tmp_path: Path) -> None:
    found = compared(store_of(tmp_path, one=rows_of(1.2), two=rows_of()))

    assert [p.compound for p in found.study.pairs] == list(KI)
    assert found.study.mean == pytest.approx(1.2)
    assert found.study.least_significant == pytest.approx(1.0)


def test_plates_of_a_run_are_averaged_on_the_log_scale(tmp_path: Path) -> None:
    twice = [*rows_of(), row("a", 4.0, plate="P2")]

    found = compared(store_of(tmp_path, one=twice, two=rows_of()))

    assert found.study.pairs[0].first == pytest.approx(2e-9)


def test_compounds_without_a_number_in_both_runs_are_named(tmp_path: Path) -> None:
    first = [*rows_of(), row("only here", 5.0), row("weak", 1e4, qualifier=">")]
    second = [*rows_of(), row("weak", 9e3)]

    found = compared(store_of(tmp_path, one=first, two=second))

    assert found.left_out == (("only here", "no number in two"), ("weak", "no number in one"))


def test_effects_are_compared_by_their_differences(tmp_path: Path) -> None:
    one = [row(n, v, quantity="EC50", effect_percent=50 + v / 10) for n, v in KI.items()]
    two = [row(n, v, quantity="EC50", effect_percent=48 + v / 10) for n, v in KI.items()]

    found = compared(store_of(tmp_path, one=one, two=two), readout="effect")

    assert found.study.scale == "difference"
    assert found.study.mean == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (rows_of()[:2], "2 compounds have a value in both runs; at least 3"),
        ([], "two: has no result of a compound"),
        ([*rows_of(), row("e", 1.0, unit="fmol/mg")], "several units: M, fmol/mg"),
        ([*rows_of(), row("e", 1.0, site="sigma2")], "several sites: sigma1, sigma2; choose one"),
        ([*rows_of(), row("e", 1.0, quantity="Kd")], "several quantities: Ki, Kd; choose one"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_with_the_reason(
    second: list[dict[str, Any]], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputRefusedError, match=told):
        compared(store_of(tmp_path, one=rows_of(), two=second))


def test_a_missing_compound_is_named_when_too_few_are_left(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError, match=r"(?s)at least 3.*d: no number in two"):
        compared(store_of(tmp_path, one=rows_of(), two=rows_of()[:2]))


def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    store = store_of(tmp_path, one=rows_of())

    with pytest.raises(InputRefusedError, match="compared with itself"):
        compare_runs(ReplicateOptions(store, "one", "one"))


def test_the_page_of_two_runs_opens_offline_and_json_is_plain(tmp_path: Path) -> None:
    found = compared(store_of(tmp_path, one=rows_of(1.1), two=rows_of()))
    parts = (found.of, found.study, found.left_out)

    write_replicate(tmp_path / "page.html", *parts)
    told = json.loads(json.dumps(replicate_json(*parts), allow_nan=False))

    page = (tmp_path / "page.html").read_text()
    assert "<svg" in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert told["passes"] is True
    assert told["mean"] == pytest.approx(1.1)


def run_into(store: Path, name: str, protocol: str, layout: Path | None, seed: int) -> None:
    """A whole night into a store."""
    night = prepare(Options(protocol, layout=str(layout) if layout else None, seed=seed))
    announce(store, name, night.compiled, "2026-01-05")
    execute(night, store / name)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two uniformity plates, a calcium plate and a saturation plate, once for all tests."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    folder = tmp_path_factory.mktemp("nights")
    layout = folder / "interleaved.yaml"
    layout.write_text(INTERLEAVED)
    store = folder / "runs"
    for seed, name in enumerate(("mon", "tue", "wed"), start=1):
        run_into(store, name, "sigma1-binding", layout, seed)
    run_into(store, "calcium", "fura2-calcium", None, 1)
    run_into(store, "saturation", "sigma1-saturation", None, 1)
    return store


def test_plates_of_three_nights_are_uniform(nights: Path) -> None:
    study = study_uniformity(nights, ["mon", "tue", "wed"])

    assert [p.day for p in study.plates] == ["mon", "tue", "wed"]
    assert all(p.wells == {"max": 64, "mid": 0, "min": 32} for p in study.plates)
    assert study.state != "fail"
    assert all(p.statistics.z_prime > 0.7 for p in study.plates)
    assert all(abs(t.share) < 0.1 for t in study.trends.values() if t)


def test_the_page_of_plates_opens_offline_and_json_is_plain(nights: Path, tmp_path: Path) -> None:
    study = study_uniformity(nights, ["mon", "tue"])

    write_uniformity(tmp_path / "page.html", study)
    told = json.loads(json.dumps(uniformity_json(study), allow_nan=False))

    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 1
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert len(told["plates"]) == 2


def test_signals_of_several_kinds_are_refused(nights: Path) -> None:
    with pytest.raises(
        InputRefusedError, match=r"several kinds: sigma1 .* cpm .*; calcium agonist"
    ):
        study_uniformity(nights, ["mon", "calcium"])


def test_a_plate_whose_signals_differ_by_intent_is_refused(nights: Path) -> None:
    with pytest.raises(InputRefusedError, match="saturation plate has no two signals"):
        study_uniformity(nights, ["saturation", "mon"])


def test_one_plate_is_no_study(nights: Path) -> None:
    with pytest.raises(InputRefusedError, match="at least 2 plates, not 1"):
        study_uniformity(nights, ["mon", "mon"])


def test_a_calcium_plate_has_its_own_signals(nights: Path) -> None:
    with pytest.raises(InputRefusedError, match="at least 2 plates, not 1"):
        study_uniformity(nights, ["calcium"])
