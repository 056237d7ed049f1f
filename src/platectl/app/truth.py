"""Reads the truth of a simulated lab."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.run import CompiledRun
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
    run: CompiledRun, truth: Truth, *, truth_file: str, sheet: str
) -> list[Finding]:
    """Compounds, radioligand and membranes that the simulated lab knows nothing about."""
    protocol, file = run.protocol, f"{run.protocol.name}.yaml"
    fix = f"add it to ligands in {truth_file} (platectl init writes a copy)"
    findings = [
        Finding(f"the simulated lab knows no affinity of {s.compound!r}", sheet, s.line, "compound", fix)
        for s in run.samples if truth.ligand(s.compound) is None
    ]  # fmt: skip
    binding = protocol.of_binding
    named = {"radioligand": binding.radioligand, "reference": protocol.compounds.reference}
    named |= {f"controls.{r}": c.compound for r, c in protocol.compounds.controls.items()}
    findings += [
        Finding(f"the simulated lab knows no {name!r}", file, None, where, fix)
        for where, name in named.items()
        if truth.ligand(name) is None
    ]
    radioligand = truth.ligand(binding.radioligand)
    if radioligand is not None and radioligand.specific_activity is None:
        message = f"{binding.radioligand!r} is not radioactive"
        findings.append(Finding(message, file, None, "radioligand", "name a tritiated ligand"))
    prefix = "membranes:"
    findings += [
        Finding(f"the simulated lab knows no membranes {name.removeprefix(prefix)!r}", file, None,
                "liquids", f"add them to {truth_file}")
        for liquid in protocol.liquids.values()
        for name in liquid.contents
        if name.startswith(prefix) and name.removeprefix(prefix) not in truth.membranes
    ]  # fmt: skip
    return findings
