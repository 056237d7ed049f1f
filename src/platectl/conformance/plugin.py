"""The option of pytest that chooses drivers; it is there wherever platectl is installed."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--driver`."""
    group = parser.getgroup("platectl", "conformance of instrument drivers")
    group.addoption(
        "--driver",
        action="append",
        default=[],
        metavar="NAME",
        help="put this driver to platectl's conformance suite (repeatable; all enrolled without)",
    )
