"""The benchmarks of the fits at a small size: what they claim is checked wherever tests run."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from benchmarks.agreement import compare_family
from benchmarks.coverage import family_coverage, markdown, scene_coverage
from benchmarks.coverage_scenes import SCENES
from benchmarks.fit import against_curve_fit, profiles, stream
from benchmarks.random_curves import FAMILIES


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_no_curve_is_lost_and_intervals_agree(name: str) -> None:
    found = compare_family(name, 4, 1, None)

    assert found["scipy"]["higher"] == 0
    assert found["scipy"]["greatest_difference_se"] < 1e-5
    assert found["profiles"]["greatest_difference_se"] < 1e-3
    assert found.get("batch", {"higher": 0})["higher"] == 0


def test_the_batch_has_the_estimates_of_curve_fit_and_is_faster() -> None:
    found = against_curve_fit(count=3000, part=100, repeats=1)

    assert found["greatest_difference_se"] <= 1e-6
    assert found["batch_higher"] == 0
    assert found["compared"] == 100
    assert found["ratio_to_curve_fit"] > 5.0


def test_profiles_of_the_batch_are_faster_than_a_loop() -> None:
    found = profiles(count=600, part=5)

    assert found["profile_greatest_difference_se"] < 1e-3
    assert found["profile_ratio"] > 5.0


def test_a_stream_needs_less_memory_than_its_data() -> None:
    code = (
        "import json; from benchmarks.fit import stream; print(json.dumps(stream(200_000, 4096)))"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    found = json.loads(ran.stdout)
    assert found["curves"] == 200_000
    assert found["converged"] == 200_000
    grown = found["memory_peak_mb"] - found["memory_before_mb"]
    assert grown < found["all_data_would_be_mb"]
    assert stream(100, 40)["curves"] == 100


def test_intervals_hold_the_truth_when_their_assumptions_hold() -> None:
    found = family_coverage(FAMILIES["4PL"], 100, 1)

    for kind in ("wald", "profile"):
        shares = np.array(list(found[kind].values()))
        assert (shares > 0.93).all()
        assert (shares < 0.97).all()


def test_a_broken_assumption_shows() -> None:
    scenes = {scene.assumption.split(":")[0]: scene for scene in SCENES}

    fine, days = (scene_coverage(scenes[name], 400, 1) for name in ("weights", "day"))

    assert days["wald"] < 0.6
    assert fine["wald"] > 0.9
    table = markdown({"4PL": family_coverage(FAMILIES["4PL"], 10, 1)}, [days])
    assert "| day: LogIC50 differs between runs, SD 0.1 log |" in table
