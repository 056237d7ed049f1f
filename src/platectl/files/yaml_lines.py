"""Safe YAML that remembers the line of every field."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from platectl.domain.codes import Code
from platectl.domain.findings import Finding, InputRefusedError

Place = tuple[str | int, ...]
Source = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: plain data, and the file and line on which each path starts."""

    name: str
    data: dict[str, Any]
    lines: Mapping[Place, Source] = field(default_factory=dict)

    def source(self, place: Place) -> tuple[str, int | None]:
        """File and line of a path, or of its nearest parent that has one."""
        while place:
            if place in self.lines:
                return self.lines[place]
            place = place[:-1]
        return self.name, None

    def finding(
        self, place: Place, message: str, fix: str = "", code: Code | None = None
    ) -> Finding:
        """Return an error at a path of this document."""
        file, line = self.source(place)
        return Finding(message, file, line, ".".join(map(str, place)), fix, code=code)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml, if there
    """Safe loader that refuses duplicate keys, leaves dates as text, and ignores merge keys."""


# A date or a sexagesimal stays text: "2026-01-05" and "12:30" mean what the operator wrote.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path, *, name: str | None = None) -> Document:
    """Read a YAML mapping from a file.

    Raises:
        InputRefusedError: No such file, not text, not YAML, a key twice, or not a mapping.
    """
    shown = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        code = Code.FILE_UNREADABLE if isinstance(error, OSError) else Code.NOT_TEXT
        raise InputRefusedError([Finding(f"cannot be read: {reason}", shown, code=code)]) from error
    return parse_yaml(text, name=shown)


def parse_yaml(text: str, *, name: str) -> Document:
    """Parse YAML text; see `read_yaml`."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "unreadable"
        line = mark.line + 1 if mark else None
        finding = Finding(f"not YAML: {problem}", name, line, code=Code.NOT_YAML)
        raise InputRefusedError([finding]) from error
    if not isinstance(node, yaml.MappingNode):
        message = "expected fields with values (`name: value`)"
        raise InputRefusedError([Finding(message, name, 1, code=Code.NOT_YAML)])
    findings: list[Finding] = []
    lines: dict[Place, Source] = {}
    data = _build(node, (), lines, findings, name)
    if findings:
        raise InputRefusedError(findings)
    return Document(name, data, lines)


def _build(
    node: yaml.Node, place: Place, lines: dict[Place, Source], findings: list[Finding], name: str
) -> Any:
    lines[place] = (name, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_build(n, (*place, i), lines, findings, name) for i, n in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        constructor = yaml.constructor.SafeConstructor()
        return constructor.construct_object(node)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key: Hashable = key_node.value
        line = key_node.start_mark.line + 1
        if key in result:
            fix = "keep one of them"
            findings.append(
                Finding(
                    f"{key!r} is given twice",
                    name,
                    line,
                    ".".join(map(str, place)),
                    fix,
                    code=Code.FIELD_TWICE,
                )
            )
        result[str(key)] = _build(value_node, (*place, str(key)), lines, findings, name)
        lines[*place, str(key)] = (name, line)
    return result


#: fields that tell what a file is: one of them is in every file of its kind and in no other
_SIGNS: Final = {
    "night": "night file", "instruments": "lab file", "steps": "protocol", "extends": "protocol",
    "consumables": "stock file", "ligands": "truth of a simulated lab",
}  # fmt: skip


def refuse_other(document: Document, wanted: str) -> None:
    """Say of a file of another kind what it is, and not what it lacks.

    Raises:
        InputRefusedError: It is no `wanted`, but another file of platectl.
    """
    kinds = [kind for sign, kind in _SIGNS.items() if sign in document.data]
    if kinds and wanted not in kinds:
        message = f"this is a {kinds[0]}, and a {wanted} is needed"
        raise InputRefusedError([Finding(message, document.name)])


def findings_of(error: ValidationError, document: Document) -> list[Finding]:
    """Turn a validation error into findings with lines and plain words."""
    found = []
    items = error.errors(include_url=False)
    for item in items:
        if item["type"] == "too_short" and any(
            _within(other["loc"], item["loc"]) for other in items
        ):
            continue  # entries that are wrong were not counted
        place = _readable(item["loc"], document)
        message, fix = _words(dict(item))
        found.append(document.finding(place, message, fix, _code(dict(item))))
    return found


def _within(loc: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _readable(loc: tuple[str | int, ...], document: Document) -> Place:
    """Drop the names of union branches that pydantic puts into the path."""
    place: list[str | int] = []
    value: Any = document.data
    for part in loc:
        if isinstance(value, Mapping) and part not in value and part == value.get("do"):
            continue
        place.append(part)
        if isinstance(value, Mapping):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            value = None
    return tuple(place)


def _words(item: dict[str, Any]) -> tuple[str, str]:
    kind, context = item["type"], item.get("ctx", {})
    value = item.get("input")
    if kind == "missing":
        return "is missing", "add it"
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return "is not a known field", "remove it or correct its spelling"
    if kind == "value_error":
        message, _, fix = str(context["error"]).partition("; ")
        return message, fix
    if kind in {"literal_error", "union_tag_invalid"}:
        return (
            f"{_short(value, kind)} is not allowed",
            f"use {context.get('expected') or context.get('expected_tags')}",
        )
    limits = {"greater_than": "more than {gt}", "greater_than_equal": "at least {ge}",
              "less_than": "less than {lt}", "less_than_equal": "at most {le}",
              "string_pattern_mismatch": "text like {pattern}", "too_short": "at least {min_length} entries"}  # fmt: skip
    if kind in limits:
        return f"{value!r} is out of range", "use " + limits[kind].format(**context)
    return f"{value!r}: {str(item['msg'])[:1].lower()}{str(item['msg'])[1:]}", ""


def _code(item: dict[str, Any]) -> Code | None:
    kind = item["type"]
    if kind == "value_error":
        code: Code | None = getattr(item["ctx"]["error"], "code", None)
        return code
    named = {"missing": Code.FIELD_MISSING, "extra_forbidden": Code.FIELD_UNKNOWN,
             "unexpected_keyword_argument": Code.FIELD_UNKNOWN}  # fmt: skip
    return named.get(kind, Code.VALUE_OUT_OF_RANGE)


def _short(value: object, kind: str) -> str:
    if kind == "union_tag_invalid" and isinstance(value, Mapping):
        return f"step kind {value.get('do')!r}"
    return repr(value)
