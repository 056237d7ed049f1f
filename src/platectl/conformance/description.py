"""What a driver must have to be one, by looking at its class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel

from platectl import registry
from platectl.hal import cells, counting, handling, liquids, reading, weighing
from platectl.hal.instrument import DriverInfo, Instrument, Maturity

#: by name, the interfaces that platectl knows
INTERFACES: Final[Mapping[str, type]] = {
    name: kind
    for module in (cells, counting, handling, liquids, reading, weighing)
    for name, kind in vars(module).items()
    if inspect.isclass(kind) and kind.__module__ == module.__name__ and Instrument in kind.__mro__
}
WIRES: Final = ("serial", "tcp", "http", "files", "console", "child", "grpc", "none")
SHORTEST_SOURCE: Final = 10


def members(interface: type) -> set[str]:
    """Public names that an interface asks for."""
    return {
        name
        for kind in interface.__mro__
        if getattr(kind, "_is_protocol", False)
        for name in (*vars(kind), *getattr(kind, "__annotations__", {}))
        if not name.startswith("_")
    }


def missing(driver: Any) -> list[str]:
    """What a driver class lacks, one line each."""
    info = getattr(driver, "info", None)
    if not isinstance(info, DriverInfo):
        return ["info is no DriverInfo"]
    settings = getattr(driver, "Settings", None)
    known = [INTERFACES[name] for name in info.interfaces if name in INTERFACES]
    names = {*members(Instrument), *(name for kind in known for name in members(kind))}
    found = {
        "interfaces": bool(info.interfaces),
        "makes": bool(info.makes),
        "source of the wire facts": len(info.source) > SHORTEST_SOURCE,
        f"wire that is one of {WIRES}": info.wire in WIRES,
        f"maturity that is one of {get_args(Maturity)}": info.maturity in get_args(Maturity),
        "Settings that are a pydantic model": inspect.isclass(settings)
        and issubclass(settings, BaseModel),
        "Settings that forbid what they do not know": getattr(settings, "model_config", {}).get("extra")
        == "forbid",
        "simulator of its name": info.name in registry.names(registry.SIMULATORS),
    }  # fmt: skip
    found |= {f"interface {name}": name in INTERFACES for name in info.interfaces}
    found |= {f"{name}": hasattr(driver, name) for name in names}
    return [f"no {what}" for what, there in found.items() if not there]
