"""Puts every enrolled driver, or those of `--driver`, to each test."""

from __future__ import annotations

import pytest

from platectl import registry


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `driver` once for each name."""
    if "driver" not in metafunc.fixturenames:
        return
    metafunc.parametrize("driver", metafunc.config.getoption("--driver") or registry.names())


@pytest.fixture
def scene(driver: str) -> str:
    """Name of a driver that is enrolled with a scene."""
    if driver in registry.names(registry.SCENES):
        return driver
    pytest.fail(f"{driver} is not enrolled: no entry point {driver!r} in {registry.SCENES!r}")
