"""Extras that are there and broken: one line, with the command that mends them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from platectl.bridge import library
from platectl.domain.errors import UserInputError
from platectl.planning.solve import has_solver
from platectl.report.exports.parquet import write_parquet
from platectl.transport.discovery import network_services

USES: dict[str, tuple[str, Callable[[], object]]] = {
    "zeroconf": ("sila2", lambda: network_services(0.1)),
    "pyarrow": ("parquet", lambda: write_parquet(Path(), ())),
    "ortools.sat.python.cp_model": ("plan", has_solver),
}


class Broken(ModuleType):
    """A module of which nothing can be had."""

    def __getattr__(self, name: str) -> object:
        raise OSError(f"libfoo.so.7: cannot open shared object file, for {name}")


@pytest.mark.parametrize("module", USES)
def test_a_broken_extra_is_one_line_with_the_command(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    name, use = USES[module]
    if name == "plan":
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setitem(sys.modules, "ortools.sat.python", Broken("ortools.sat.python"))
    else:
        monkeypatch.setitem(sys.modules, module, Broken(module))

    with pytest.raises(UserInputError) as caught:
        use()

    assert "installed but broken (" in str(caught.value)
    assert str(caught.value).endswith(f"python -m pip install --force-reinstall 'platectl[{name}]'")
    assert "\n" not in str(caught.value)


def test_a_broken_pylabrobot_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylabrobot", Broken("pylabrobot"))
    monkeypatch.delitem(sys.modules, "pylabrobot.arms", raising=False)

    with pytest.raises(library.BridgeRefusalError, match="--force-reinstall 'platectl"):
        library.load("pylabrobot.arms.Nothing")
