"""Files with the rules of results: bundled, of a store, or named by a person."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from platectl.domain.findings import InputRefusedError
from platectl.domain.result_rules import ResultRules
from platectl.files.protocol import bundled
from platectl.files.yaml_lines import findings_of, read_yaml

BUNDLED = "result-rules.yaml"
OF_STORE = "rules.yaml"


def load_result_rules(path: Path | None) -> ResultRules:
    """Read rules; None is the bundled file. What a file leaves out is as bundled.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    document = read_yaml(path) if path else read_yaml(bundled(BUNDLED), name=BUNDLED)
    try:
        return ResultRules.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error


def rules_file(given: Path | None, store: Path) -> Path | None:
    """Where the rules in force stand: as given, else of the store; None is the bundled file."""
    of_store = store / OF_STORE
    return given or (of_store if of_store.exists() else None)
