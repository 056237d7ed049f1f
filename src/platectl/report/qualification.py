"""The page of a hardware test: one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from platectl.domain.qualification import Qualification
from platectl.report.html import template

STATES: Final = {
    "passed": "pass",
    "failed": "fail",
    "broken": "fail",
    "declined": "warn",
    "left_out": "warn",
}


def write_page(path: Path, record: Qualification) -> None:
    """Write the page beside the record."""
    page = template("qualification.html.j2").render(
        record=record, style=STATES, shown=_shown,
        verdict={"passed": "pass", "failed": "fail", "incomplete": "warn"}[record.verdict],
    )  # fmt: skip
    path.write_text(page, encoding="utf-8")


def _shown(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {_number(value)}" for name, value in values.items())


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_number, value))
    return str(value)
