"""The whole reference folder, number by number, as `python -m benchmarks.reference` does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.reference import compare
from benchmarks.reference_rows import Case


def test_every_reference_number_is_met(shared: Path) -> None:
    rows = list(compare(shared))

    assert [row.as_json() for row in rows if not row.passed] == []
    assert len(rows) > 950


def test_every_file_of_the_folder_is_compared(shared: Path) -> None:
    named = {row.file for row in compare(shared)}
    read_for_others = {
        "competition_cpm.csv",
        "saturation_cpm.csv",
        "association_cpm.csv",
        "dissociation_cpm.csv",
        "agonist_delta_ratio.csv",
        "drc_ryegrass.csv",
        "nist-strd/certified.csv",
        "closed-form/traces.csv",
        "fura2-real/cockroach_fura2_meta.csv",
    }

    present = {
        str(path.relative_to(shared))
        for path in shared.rglob("*")
        if path.suffix in {".csv", ".dat"}
    }

    assert present == named | read_for_others


def test_the_command_prints_what_passed_and_what_failed(shared: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.reference", str(shared), "--json"]

    ran = subprocess.run(command, capture_output=True, text=True, check=True)

    report = json.loads(ran.stdout)
    assert report["failed"] == 0
    assert report["passed"] == len(report["rows"])


@pytest.mark.parametrize("found", [1.1, float("nan")])
def test_a_number_that_is_off_or_missing_fails(found: float) -> None:
    row = Case("file.csv", "case").relative("x", 1.0, found, 1e-9)

    assert not row.passed
