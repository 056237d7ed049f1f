"""Puts every enrolled driver, or those of `--driver`, to each test."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from platectl import registry
from platectl.bridge.library import require
from platectl.domain.errors import UserInputError


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `driver` once for each name."""
    if "driver" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--driver")
    metafunc.parametrize("driver", chosen or [_enrolled(name) for name in registry.names()])


def _enrolled(name: str) -> ParameterSet:
    """Drivers of one module share a conversation; the first stands for all where time is short."""
    module = registry.module_of(registry.DRIVERS, name)
    kin = [n for n in registry.names() if registry.module_of(registry.DRIVERS, n) == module]
    return pytest.param(name, marks=[] if name == kin[0] else pytest.mark.long)


@pytest.fixture
def scene(driver: str) -> str:
    """Name of a driver that is enrolled with a scene, and has what it is built upon."""
    if registry.load(registry.DRIVERS, driver).info.wire == "child":
        try:
            require()
        except UserInputError as error:
            pytest.skip(str(error))
    if driver in registry.names(registry.SCENES):
        return driver
    pytest.fail(f"{driver} is not enrolled: no entry point {driver!r} in {registry.SCENES!r}")
