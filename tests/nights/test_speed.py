"""The benchmark of whole nights tells what it promises; how fast they are is not a test's business."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.night import ASSAYS, measure


@pytest.mark.parametrize("assay", ASSAYS)
def test_a_measured_night_counts_its_plates_exchanges_and_entries(
    assay: str, tmp_path: Path
) -> None:
    found = measure(assay, 1, tmp_path)

    assert found["assay"] == assay
    assert (found["plates"], found["results"]) == (1, 1)
    assert found["hours"] > 1.0
    assert found["exchanges"] > 100
    assert found["transitions"] > 100
    assert min(found[name] for name in ("wall_s", "cpu_s", "prepare_s", "analyse_s")) > 0.0
    assert found["per_exchange_us"] == pytest.approx(
        1e6 * found["wall_s"] / found["exchanges"], rel=0.05
    )
