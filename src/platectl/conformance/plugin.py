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


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a name that nobody installed."""
    config.addinivalue_line("markers", "long: takes its time; leave out with -m 'not long'")
    if not (chosen := config.getoption("--driver", [])):
        return
    from platectl import registry  # a run of other tests shall not pay for it

    if unknown := sorted(set(chosen) - set(registry.names())):
        raise pytest.UsageError(
            f"no driver named {', '.join(unknown)} is installed; there are "
            f"{', '.join(registry.names())}"
        )
