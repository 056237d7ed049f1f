"""Nights killed two thousand times; the gate of `./test.sh` kills a hundred times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nothing_is_done_twice_and_nothing_is_lost() -> None:
    command = [sys.executable, "-m", "benchmarks.kill", "--kills", "2000", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(ran.stdout.splitlines()[-1]) if ran.stdout else {}
    assert ran.returncode == 0, found or ran.stderr
    assert found["kills"] >= 2000
    assert [found[name] for name in ("repeated", "lost", "unverified", "untrue")] == [0, 0, 0, 0]
    assert not found["unfinished"]
    assert found["finished"] > 1600
