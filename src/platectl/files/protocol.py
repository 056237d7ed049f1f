"""Assay protocol files: `extends`, overrides, parameters, validation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from platectl.domain.assay import AssayProtocol
from platectl.domain.codes import Code
from platectl.domain.findings import Finding, InputRefusedError
from platectl.files.parameters import check_parameters, override, substitute
from platectl.files.yaml_lines import Document, Place, findings_of, read_yaml, refuse_other

BUNDLE = "platectl_protocols"


def bundled(name: str) -> Path:
    """Path of a bundled data file."""
    return Path(str(files(BUNDLE).joinpath(name)))


@cache
def protocol_names() -> tuple[str, ...]:
    """Names of the bundled protocols that can be run."""
    names = []
    for path in sorted(Path(str(files(BUNDLE))).glob("*.yaml")):
        data = read_yaml(path).data
        if "steps" in data or "extends" in data:
            names += [] if data.get("abstract") else [path.stem]
    return tuple(names)


def find_protocol(reference: str) -> Path:
    """Return the file of a bundled protocol name, or the path itself.

    Raises:
        InputRefusedError: Neither a bundled name nor a file.
    """
    path = Path(reference)
    if path.suffix in {".yaml", ".yml"}:
        return path
    if reference in protocol_names():
        return bundled(f"{reference}.yaml")
    fix = f"give a .yaml file or one of: {', '.join(protocol_names())}"
    raise InputRefusedError(
        [Finding("no such protocol", "", None, reference, fix, code=Code.NAME_UNKNOWN)]
    )


def load_protocol(
    reference: str, *, overrides: Mapping[str, str] | None = None, layout: str | None = None
) -> tuple[AssayProtocol, Document]:
    """Read, merge, fill in and validate a protocol; returns it with its merged document.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    merged = _merged(find_protocol(reference), seen=())
    document = Document(merged.name, _without_removed(merged.data), merged.lines)
    findings = override(document, overrides or {}) + check_parameters(document)
    data, unknown = substitute(document)
    if layout is not None:
        data["layout"] = layout
    filled = Document(document.name, data, document.lines)
    try:
        protocol = AssayProtocol.model_validate(data)
    except ValidationError as error:
        known = {f.message for f in findings}  # a wrong parameter is wrong wherever it is used
        more = [f for f in findings_of(error, filled) if f.message not in known]
        raise InputRefusedError([*findings, *unknown, *more]) from error
    if protocol.abstract:
        findings.append(
            Finding("is only a base for others", document.name, fix="run one that extends it")
        )
    if findings or unknown:
        raise InputRefusedError([*findings, *unknown])
    return protocol, filled


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _merged(path: Path, *, seen: tuple[Path, ...]) -> Document:
    document = read_yaml(path, name=path.name if path.is_relative_to(bundled("")) else None)
    refuse_other(document, "protocol")
    names = document.data.get("extends")
    if names is None:
        return document
    data: Any = {}
    lines: dict[Place, tuple[str, int]] = {}
    for name in [names] if isinstance(names, str) else names:
        parent_path = _parent(document, name, path)
        if parent_path in (path, *seen):
            raise InputRefusedError(
                [document.finding(("extends",), "a protocol extends itself", "break the circle")]
            )
        parent = _merged(parent_path, seen=(path, *seen))
        data = _laid_over(data, parent.data)
        lines |= parent.lines
    data = _laid_over(data, document.data)
    data["abstract"] = document.data.get("abstract", False)
    return Document(document.name, data, {**lines, **document.lines})


def _parent(document: Document, name: object, path: Path) -> Path:
    """File of a protocol that is extended: in the same folder, or bundled."""
    if not isinstance(name, str):
        raise InputRefusedError(
            [document.finding(("extends",), "is not a name", "name a protocol, or a list of them")]
        )
    for found in (path.parent / f"{name}.yaml", bundled(f"{name}.yaml")):
        if found.exists():
            return found
    fix = "name a bundled protocol, or one in the same folder"
    raise InputRefusedError([document.finding(("extends",), f"{name!r} was not found", fix)])


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one protocol over another; a new step stands right behind the steps it comes after."""
    data: dict[str, Any] = _overlay(below, above)
    known = below.get("steps")
    if isinstance(known, Mapping) and isinstance(data.get("steps"), Mapping):
        order = list(known)
        for name, step in data["steps"].items():
            if name in known:
                continue
            after = step.get("after") if isinstance(step, Mapping) else None
            places = [order.index(a) for a in after or () if a in order]
            order.insert(max(places) + 1 if places else len(order), name)
        data["steps"] = {name: data["steps"][name] for name in order}
    return data


def _overlay(below: Any, above: Any) -> Any:
    """Lay one mapping over another; anything but a mapping replaces.

    None marks a field for removal. A step that does something else replaces the whole step.
    """
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    if "do" in above and above["do"] != below.get("do"):
        return above
    result = dict(below)
    for key, value in above.items():
        result[key] = _overlay(below.get(key), value)
    return result


def _without_removed(value: Any) -> Any:
    """Drop what an overlay marked for removal."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_removed(item) for key, item in value.items() if item is not None}
