"""What liquids contain, as numbers: molar for ligands, mg/mL for membranes, fractions for the rest."""

from __future__ import annotations

from platectl.domain.assay import AssayProtocol, Component
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding
from platectl.domain.units import parse_quantity

FRACTIONS = {"dmso", "pei", "cocktail", "ethanol"}


def component_dimension(name: str) -> str:
    """Dimension in which a component is written."""
    if name.startswith("membranes:"):
        return "protein"
    return "fraction" if name in FRACTIONS else "concentration"


def contents_of(protocol: AssayProtocol, liquid: str, *, added_ul: float) -> dict[str, float]:
    """Concentrations in a liquid of which `added_ul` goes into each final well volume.

    Raises:
        UserInputError: A component is written in the wrong unit.
    """
    fold = protocol.compounds.final_volume / added_ul
    result = {}
    for name, component in protocol.liquids[liquid].contents.items():
        value = _value(name, component)
        result[name] = value * fold if component.final is not None else value
    return result


def _value(name: str, component: Component) -> float:
    written = component.stock if component.stock is not None else component.final
    return parse_quantity(written, component_dimension(name))


def liquid_findings(protocol: AssayProtocol, file: str) -> list[Finding]:
    """Components whose amount cannot be read."""
    findings = []
    for liquid, entry in protocol.liquids.items():
        for name, component in entry.contents.items():
            try:
                _value(name, component)
            except UserInputError as error:
                message, _, fix = str(error).partition("; ")
                findings.append(
                    Finding(message, file, None, f"liquids.{liquid}.contents.{name}", fix)
                )
    return findings
