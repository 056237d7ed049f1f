"""Lab files: validation, the settings of each driver, and the labware catalogue."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.lab import Lab
from platectl.domain.labware import LabwareKind
from platectl.files.protocol import bundled
from platectl.files.yaml_lines import Document, findings_of, read_yaml, refuse_other
from platectl.transport.address import check_address

_CATALOGUE = TypeAdapter(dict[str, LabwareKind])


def load_lab(path: Path | None) -> tuple[Lab, Document]:
    """Read a lab file; None is the bundled simulated lab.

    Raises:
        InputRefusedError: With all findings.
    """
    document = (
        read_yaml(path)
        if path
        else read_yaml(bundled("simulated-lab.yaml"), name="simulated-lab.yaml")
    )
    refuse_other(document, "lab file")
    try:
        lab = Lab.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error
    findings = _cross_check(lab, document)
    if findings:
        raise InputRefusedError(findings)
    return lab, document


def load_catalogue(lab: Lab) -> dict[str, LabwareKind]:
    """Bundled labware kinds, overlaid by those of the lab."""
    document = read_yaml(bundled("labware.yaml"), name="labware.yaml")
    return {**_CATALOGUE.validate_python(document.data), **lab.labware}


def _cross_check(lab: Lab, document: Document) -> list[Finding]:
    findings = []
    known = ", ".join(sorted(lab.positions))
    for name, entry in lab.instruments.items():
        if entry.position and entry.position not in lab.positions:
            place = ("instruments", name, "position")
            findings.append(
                document.finding(
                    place, f"{entry.position!r} is no position", f"use one of: {known}"
                )
            )
        findings += _addressed(lab, name, document)
        findings += _used(lab, name, document)
        findings += [
            document.finding(
                ("instruments", name, "nests", nest),
                f"{place!r} is no position",
                f"use one of: {known}",
            )
            for nest, place in entry.nests.items()
            if place not in lab.positions
        ]
    for name, position in lab.positions.items():
        if position.handler and position.handler not in lab.instruments:
            place = ("positions", name, "handler")
            findings.append(
                document.finding(
                    place,
                    f"{position.handler!r} is no instrument",
                    "name an instrument of this file",
                )
            )
    for part, places in (("placement", lab.placement), ("workplace", lab.workplace)):
        for labware, where in places.items():
            if where not in lab.positions:
                message = f"{where!r} is no position"
                findings.append(document.finding((part, labware), message, f"use one of: {known}"))
    for name, suspender in lab.suspenders.items():
        kind, where = suspender.parts
        if kind == "temperature" and where not in lab.instruments:
            message = f"{where!r} is no instrument"
            findings.append(
                document.finding(
                    ("suspenders", name, "signal"), message, "name an instrument of this file"
                )
            )
    return findings + _shared_addresses(lab, document)


def _addressed(lab: Lab, name: str, document: Document) -> list[Finding]:
    """Addresses that cannot be meant, and simulators in a lab that is none."""
    findings = []
    for place, address in lab.instruments[name].places.items():
        at = ("instruments", name, *place)
        if address.startswith("sim:") and not lab.simulated:
            message = f"{address!r} is a simulator, and the lab is not simulated"
            fix = "write the address of its port, or simulated: true"
            findings.append(document.finding(at, message, fix))
        try:
            check_address(address)
        except UserInputError as error:
            message, _, fix = str(error).partition("; ")
            findings.append(document.finding(at, message, fix))
    return findings


def _used(lab: Lab, name: str, document: Document) -> list[Finding]:
    """Instruments that one instrument uses: they exist, and none uses itself in the end."""
    findings = []
    for role, other in lab.instruments[name].uses.items():
        place = ("instruments", name, "uses", role)
        if other not in lab.instruments:
            known = ", ".join(sorted(lab.instruments))
            findings.append(
                document.finding(place, f"{other!r} is no instrument", f"use one of: {known}")
            )
        elif lab.instruments[other].uses:
            message = f"{other!r} uses others itself"
            findings.append(document.finding(place, message, "name one that stands alone"))
    return findings


def _shared_addresses(lab: Lab, document: Document) -> list[Finding]:
    """Instruments of one address, unless they are one that all others of it use."""
    at: dict[str, list[tuple[str, str]]] = {}
    for name, entry in lab.instruments.items():
        for field, address in (("address", entry.address), *entry.wires.items()):
            if not address.startswith(("sim:", "console:", "none:")):
                at.setdefault(address, []).append((name, field))
    findings = []
    for address, places in at.items():
        names = [name for name, _ in places]
        uses = [{name, *lab.instruments[name].uses.values()} for name in names]
        shared = any(all(host in used for used in uses) for host in names)
        if shared and len(set(names)) == len(names):
            continue
        message = f"{address!r} is the address of {names[0]} too"
        findings += [
            document.finding(("instruments", *place), message, "give each instrument its own")
            for place in places[1:]
        ]
    return findings
