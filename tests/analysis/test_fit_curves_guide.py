"""The examples of docs/how-to/fit-curves-in-python.md run, and say what the guide leads to expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "fit-curves-in-python.md"


def test_the_examples_run_one_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}

    for example in examples:
        exec(compile(example, str(GUIDE), "exec"), names)  # noqa: S102 our own guide

    said = capsys.readouterr().out.splitlines()
    assert len(examples) == 5
    assert said[0].endswith("converged")
    assert "2000 of 2000 converged" in said
    assert "4 blocks" in said
    assert any(line.startswith("pA2 8.") for line in said)
    assert 93 <= int(next(line for line in said if "hold the truth" in line).split()[0]) <= 97
