"""Files with the rules of control charts."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from platectl.domain.control_rules import ControlRules
from platectl.domain.findings import InputRefusedError
from platectl.files.protocol import bundled
from platectl.files.yaml_lines import findings_of, read_yaml

BUNDLED = "control-rules.yaml"


def load_control_rules(path: Path | None) -> ControlRules:
    """Read rules; None is the bundled file.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    document = read_yaml(path) if path else read_yaml(bundled(BUNDLED), name=BUNDLED)
    try:
        return ControlRules.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error
