"""One comparison with a reference number, and how near is near enough.

Tolerances are those of the reference folder's README: estimates within 0.01 SE, standard errors
1 %, bounds of intervals 0.02 SE, closed forms 1e-9 relative. Statistics that a fit implies (sums of
squares, F, AICc) must hold to 1e-6 relative or to the digits printed.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ESTIMATE_SE = 0.01
ERROR_SHARE = 0.01
BOUND_SE = 0.02
CLOSED_FORM = 1e-9
STATISTIC = 1e-6


@dataclass(frozen=True, slots=True)
class Row:
    """One number; `deviation` and `tolerance` are in `unit`."""

    file: str
    case: str
    quantity: str
    expected: float
    found: float
    deviation: float
    tolerance: float
    unit: str

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance; not for a missing number."""
        return bool(self.deviation <= self.tolerance)

    def as_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return {
            "file": self.file,
            "case": self.case,
            "quantity": self.quantity,
            "expected": self.expected,
            "found": float(self.found),
            "deviation": float(self.deviation),
            "tolerance": self.tolerance,
            "unit": self.unit,
            "passed": self.passed,
        }


@dataclass(frozen=True, slots=True)
class Case:
    """Where rows belong."""

    file: str
    name: str

    def in_errors(
        self, quantity: str, expected: float, found: float, error: float, tolerance: float
    ) -> Row:
        """A difference in standard errors."""
        gap = abs(found - expected) / error
        return Row(self.file, self.name, quantity, expected, found, gap, tolerance, "SE")

    def relative(self, quantity: str, expected: float, found: float, tolerance: float) -> Row:
        """A relative difference."""
        gap = abs(found - expected) / max(abs(expected), np.finfo(np.float64).tiny)
        return Row(self.file, self.name, quantity, expected, found, gap, tolerance, "relative")

    def absolute(self, quantity: str, expected: float, found: float, tolerance: float) -> Row:
        """A difference as it is, such as half a unit of the last digit printed."""
        gap = abs(found - expected)
        return Row(self.file, self.name, quantity, expected, found, gap, tolerance, "absolute")


def table(folder: Path, name: str) -> list[dict[str, str]]:
    """Rows of a CSV file of the folder."""
    with (folder / name).open(newline="") as handle:
        return list(csv.DictReader(handle))


def numbers(rows: list[dict[str, str]], *names: str) -> list[np.ndarray]:
    """Columns as numbers."""
    return [np.array([float(row[name]) for row in rows]) for name in names]
