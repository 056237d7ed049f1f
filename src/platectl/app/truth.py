"""Reads the truth of a simulated lab."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.samples import Sample
from platectl.files.yaml_lines import findings_of, read_yaml
from platectl.simkit.world import Truth


def default_truth_path() -> Path:
    """Path of the bundled truth."""
    return Path(str(files("platectl_simulators").joinpath("truth.yaml")))


def load_truth(path: Path | None) -> Truth:
    """Read a truth file; None is the bundled one.

    Raises:
        InputRefusedError: With all findings.
    """
    document = read_yaml(path) if path else read_yaml(default_truth_path(), name="truth.yaml")
    try:
        return Truth.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error


def unknown_to_truth(
    protocol: AssayProtocol, samples: Sequence[Sample], truth: Truth, *, truth_file: str, sheet: str
) -> list[Finding]:
    """Compounds, labels, membranes and cells that the simulated lab knows nothing about."""
    file = f"{protocol.name}.yaml"
    binding = protocol.binding
    parts = "ligands" if binding else "agonists, antagonists or modulators"
    fix = f"add it to {parts} in {truth_file} (platectl init writes a copy)"

    def unknown(name: str) -> bool:
        return truth.ligand(name) is None if binding else not truth.acts_on_cells(name)

    findings = [
        Finding(f"the simulated lab knows no effect of {s.compound!r}", sheet, s.line, "compound", fix)
        for s in samples if unknown(s.compound)
    ]  # fmt: skip
    named = {"reference": protocol.compounds.reference}
    named |= {f"controls.{r}": c.compound for r, c in protocol.compounds.controls.items()}
    if binding:
        named["radioligand"] = binding.radioligand
    findings += [
        Finding(f"the simulated lab knows no {name!r}", file, None, where, fix)
        for where, name in named.items()
        if unknown(name)
    ]
    radioligand = truth.ligand(binding.radioligand) if binding else None
    if radioligand is not None and radioligand.specific_activity is None:
        message = f"{binding.radioligand!r} is not radioactive" if binding else ""
        findings.append(Finding(message, file, None, "radioligand", "name a tritiated ligand"))
    known: dict[str, Collection[str]] = {"membranes:": truth.membranes, "cells:": truth.cells}
    findings += [
        Finding(f"the simulated lab knows no {name!r}", file, None, "liquids",
                f"add it to {truth_file}")
        for liquid in protocol.liquids.values()
        for name in liquid.contents
        for prefix, names in known.items()
        if name.startswith(prefix) and name.removeprefix(prefix) not in names
    ]  # fmt: skip
    return findings
