"""Nights killed a hundred times; two thousand times with `-m long`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "kills",
    [pytest.param(100), pytest.param(2000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])],
)
def test_nothing_is_done_twice_and_nothing_is_lost(kills: int) -> None:
    command = [sys.executable, "-m", "benchmarks.kill", "--kills", str(kills), "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(ran.stdout.splitlines()[-1]) if ran.stdout else {}
    print(json.dumps(found))
    assert ran.returncode == 0, found or ran.stderr
    assert found["kills"] >= kills
    assert [found[name] for name in ("repeated", "lost", "unverified", "untrue")] == [0, 0, 0, 0]
    assert not found["unfinished"]
    assert found["finished"] > 0.8 * kills
