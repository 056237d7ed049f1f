"""Policy files: the night orders of a lab."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from platectl.domain.findings import InputRefusedError
from platectl.domain.policy import Policy
from platectl.files.protocol import bundled
from platectl.files.yaml_lines import findings_of, read_yaml


def load_policy(path: Path | None) -> Policy:
    """Read a policy file; None is the bundled one.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    document = read_yaml(path) if path else read_yaml(bundled("policy.yaml"), name="policy.yaml")
    try:
        return Policy.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error
