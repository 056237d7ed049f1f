"""What of an assay can be set anew when a run is analysed again: constants, not the experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from platectl.domain.assay import AssayProtocol
from platectl.domain.doc import Doc
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.run import CompiledRun

#: part of a protocol -> its fields that only the analysis reads
SETTABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "analysis": (
        "weighting", "counting_cv", "efficiency", "background_cpm", "dilution_step_sd_log10",
        "series_top_sd_log10",
    ),
    "binding": (
        "kd", "kd_sd_log10", "concentration", "specific_activity", "specific_activity_date",
        "protein", "kon", "koff", "masking_ki",
    ),
    "calcium": ("kd", "well_cv"),
}  # fmt: skip


def with_settings(run: CompiledRun, settings: Mapping[str, str]) -> CompiledRun:
    """The run with constants of its assays replaced; quantities carry their unit, as in a protocol.

    A setting applies to every assay of the run that has it.

    Raises:
        InputRefusedError: A name that no assay of the run has, or a value that it cannot take.
    """
    if not settings:
        return run
    findings: list[Finding] = []
    used: set[str] = set()
    changed = [_changed(p, settings, used, findings) for p in run.protocols]
    known = dict.fromkeys(name for p in run.protocols for _, name, _ in _fields(p))
    findings += [
        Finding("cannot be set for an analysis", "--set", None, name,
                f"use one of: {', '.join(known)}")
        for name in settings if name not in used
    ]  # fmt: skip
    if findings:
        raise InputRefusedError(findings)
    return run.model_copy(update={"protocol": changed[0], "others": tuple(changed[1:])})


def settings_of(protocol: AssayProtocol) -> dict[str, Any]:
    """All constants of an assay that the analysis uses, by their names."""
    found = {name: getattr(getattr(protocol, part), name) for part, name, _ in _fields(protocol)}
    return {**found, **({"qc": dict(protocol.qc)} if protocol.qc else {})}


def _fields(protocol: AssayProtocol) -> Iterator[tuple[str, str, FieldInfo]]:
    for part, names in SETTABLE.items():
        doc: Doc | None = getattr(protocol, part)
        if doc is not None:
            for name in names:
                yield part, name, type(doc).model_fields[name]


def _changed(
    protocol: AssayProtocol, settings: Mapping[str, str], used: set[str], findings: list[Finding]
) -> AssayProtocol:
    parts: dict[str, dict[str, Any]] = {}
    for part, name, field in _fields(protocol):
        if name not in settings:
            continue
        used.add(name)
        try:
            parts.setdefault(part, {})[name] = _value(field, settings[name])
        except (ValidationError, yaml.YAMLError) as error:
            message = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else "?"
            said = message.removeprefix("Value error, ")
            findings.append(Finding(f"{settings[name]!r}: {said}", "--set", None, name))
    update = {
        part: getattr(protocol, part).model_copy(update=values) for part, values in parts.items()
    }
    return protocol.model_copy(update=update)


def _value(field: FieldInfo, text: str) -> Any:
    """The value of a text, read as in a YAML file and checked as the field wants it."""
    kind: Any = field.annotation
    for item in field.metadata:
        kind = Annotated[kind, item]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return adapter.validate_python(yaml.safe_load(text))
