"""NIST StRD sets (public domain): certified values to six digits from both starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from platectl.analysis.fit import fit
from platectl.analysis.model import Model

CURVES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Misra1a": lambda x, b: b[0] * (1.0 - np.exp(-b[1] * x)),
    "Rat42": lambda x, b: b[0] / (1.0 + np.exp(b[1] - b[2] * x)),
    "DanWood": lambda x, b: b[0] * x ** b[1],
    "Chwirut2": lambda x, b: np.exp(-b[0] * x) / (b[1] + b[2] * x),
}
PARAMETER = re.compile(r"^\s*(b\d)\s*=\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)", re.MULTILINE)


def load(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """x, y, rows of (start 1, start 2, certified, sd), and the certified sum of squares."""
    text = path.read_text()
    rows = np.array([[float(v) for v in found[1:]] for found in PARAMETER.findall(text)])
    ss = float(re.search(r"Residual Sum of Squares:\s+(\S+)", text)[1])
    lines = text.splitlines()
    first = max(i for i, line in enumerate(lines) if line.startswith("Data:")) + 1
    data = np.array([line.split() for line in lines[first:] if line.strip()], dtype=float)
    return data[:, 1], data[:, 0], rows, ss


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", sorted(CURVES))
def test_certified_values_are_met(nist_folder: Path, name: str, start: int) -> None:
    x, y, rows, ss = load(nist_folder / f"{name}.dat")
    names = tuple(f"b{i + 1}" for i in range(len(rows)))

    subject = fit(Model(name, "", names, CURVES[name]), x, y, start=rows[:, start])

    assert subject.status == "converged"
    assert subject.ss == pytest.approx(ss, rel=1e-9)
    for parameter, (_, _, value, error) in zip(subject.parameters, rows, strict=True):
        assert parameter.value == pytest.approx(value, rel=1e-8)
        assert parameter.standard_error == pytest.approx(error, rel=1e-6)
