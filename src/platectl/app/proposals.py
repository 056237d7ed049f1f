"""What may stand in a lab file, for what a computer and its network show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from platectl import registry
from platectl.domain.errors import UserInputError
from platectl.transport.address import open_connector
from platectl.transport.discovery import FoundPort, FoundService


def proposals(
    ports: Iterable[FoundPort], resources: Iterable[str], services: Sequence[FoundService] = ()
) -> list[dict[str, Any]]:
    """One proposal for each port, resource and service, and for each driver that may be meant.

    `drivers` are those whose USB identity is attested; an adapter between USB and RS-232 hides it, and the line is then
    left to the driver that a person names. Resources that platectl cannot use are left out.
    """
    infos = [registry.load(registry.DRIVERS, name).info for name in registry.names()]
    found: list[dict[str, Any]] = []
    ports = list(ports)
    for port in ports:
        address = f"serial:{port.device}"
        lines = {
            info.name: f"?{info.lines[0].options}" if info.lines else ""
            for info in infos
            if port.usb and port.usb in info.usb
        }
        found += [
            {**asdict(port), "drivers": [name] if name else [], "address": address + options}
            for name, options in (lines or {"": ""}).items()
        ]
    known = tuple(port.device for port in ports)
    found += [
        {"device": resource, "drivers": [], "address": f"visa:{resource}"}
        for resource in resources
        if usable(resource) and not any(device in resource for device in known)
    ]
    return found + [_of_service(service) for service in services]


def usable(resource: str) -> bool:
    """Whether an address can name a VISA resource."""
    try:
        open_connector(f"visa:{resource}")
    except UserInputError:
        return False
    return True


def entries(found: Iterable[Mapping[str, Any]]) -> str:
    """The proposals of one driver each, as `instruments` of a lab file; empty when there are none."""
    lines: list[str] = []
    taken: set[str] = set()
    for one in found:
        if len(one["drivers"]) != 1:
            continue
        driver = one["drivers"][0]
        name = stem = re.sub(r"[^a-z0-9]+", "_", driver.lower())
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}{number}"
        taken.add(name)
        lines += [f"  {name}:", f"    driver: {driver}", f'    address: "{one["address"]}"']
    return "\n".join(["instruments:", *lines]) if lines else ""


def _of_service(service: FoundService) -> dict[str, Any]:
    """A robot has its drivers; a SiLA server may stand for any of those that map features."""
    host = f"[{service.host}]" if ":" in service.host else service.host
    address = f"tcp:{host}:{service.port}"
    drivers = ["opentrons"]
    if service.kind == "sila2":
        drivers = [name for name in registry.names() if name.startswith("sila2_")]
        address = f"sila:{host}:{service.port}" + ("?ca=FILE" if service.own_certificate else "")
    return {**asdict(service), "device": service.name, "drivers": drivers, "address": address}
