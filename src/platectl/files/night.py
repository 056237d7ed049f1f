"""Night files: what is planned together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from platectl.domain.findings import InputRefusedError
from platectl.domain.night import NightDoc, NightEntry, PlatesDoc
from platectl.files.protocol import bundled
from platectl.files.yaml_lines import Document, findings_of, read_yaml


def is_night(reference: str) -> bool:
    """Whether a reference is a night file and not a protocol."""
    path = Path(reference)
    if path.suffix not in {".yaml", ".yml"} or not path.exists():
        return False
    return "night" in read_yaml(path).data


def load_night(path: Path) -> tuple[NightDoc, Document]:
    """Read a night file.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    document = read_yaml(path)
    try:
        return NightDoc.model_validate(document.data), document
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error


def is_plates(reference: str) -> bool:
    """Whether a reference is a file with plates that are to join a night, and not a protocol."""
    path = Path(reference)
    if path.suffix not in {".yaml", ".yml"} or not path.exists():
        return False
    return "plates" in read_yaml(path).data


def load_plates(path: Path) -> PlatesDoc:
    """Read a file with plates that are to join a night.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    document = read_yaml(path)
    try:
        return PlatesDoc.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error


def entry_of(values: Mapping[str, Any]) -> NightEntry:
    """An entry whose fields were given one by one, as options.

    Raises:
        InputRefusedError: With all findings, each with the field.
    """
    try:
        return NightEntry.model_validate(values)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, Document("", dict(values)))) from error


def beside(night: Path, name: str | None) -> Path | None:
    """A file that a night names: beside it, or the bundled one of that name."""
    if name is None:
        return None
    path = night.parent / name
    return path if path.exists() or not bundled(name).exists() else bundled(name)
