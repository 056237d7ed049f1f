"""Puts every enrolled driver, or those of `--driver`, to each test."""

from __future__ import annotations

import pytest

from platectl import registry


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `driver` once for each name."""
    if "driver" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--driver") or registry.names()
    unknown = sorted(set(chosen) - set(registry.names()))
    if unknown:
        raise pytest.UsageError(
            f"no driver named {', '.join(unknown)} is installed; there are "
            f"{', '.join(registry.names())}"
        )
    metafunc.parametrize("driver", chosen)


@pytest.fixture
def scene(driver: str) -> str:
    """Name of a driver that is enrolled with a scene."""
    if driver in registry.names(registry.SCENES):
        return driver
    if registry.load(registry.DRIVERS, driver).info.wire == "files":
        pytest.skip(f"{driver} has no wire; it waits for files")
    pytest.fail(f"{driver} is not enrolled: no entry point {driver!r} in {registry.SCENES!r}")
