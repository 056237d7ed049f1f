"""Whole nights with PyLabRobot between the engine and the instruments, on its simulated backends."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.bridge_nights import ASSAYS, measure


def test_a_binding_night_with_bridges_gives_the_truth_back(tmp_path: Path) -> None:
    night = measure("sigma1-binding", 1, tmp_path, only=("shaker1", "sealer", "arm"))

    assert night["done"]
    assert night["states"] == ["pass"]
    assert night["error"] < 0.1
    assert set(night["actions"]) == {"shaker1", "sealer", "arm"}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("assay", ASSAYS)
def test_a_night_on_a_simulated_star_gives_the_truth_back(tmp_path: Path, assay: str) -> None:
    night = measure(assay, 2, tmp_path)

    assert night["done"]
    assert night["states"] == ["pass", "pass"]
    assert night["error"] < 0.15
    assert night["actions"]["flex"] > 200
