"""Parameters of a protocol: overrides, limits, and `$name` put in place everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding
from platectl.domain.units import DIMENSIONS, parse_quantity
from platectl.files.yaml_lines import Document, Place

LISTS = {"levels": "concentration", "times": "duration"}


def override(document: Document, values: Mapping[str, str]) -> list[Finding]:
    """Replace parameter values by those of the command line (`--set name=value`)."""
    parameters = document.data.get("parameters", {})
    findings = []
    for name, text in values.items():
        if name not in parameters:
            known = ", ".join(sorted(parameters))
            findings.append(
                Finding(
                    "no such parameter",
                    "--set",
                    None,
                    name,
                    f"use one of: {known}",
                    code=Code.PARAMETER_UNKNOWN,
                )
            )
            continue
        parameters[name]["value"] = _plain(text, parameters[name].get("unit"))
    return findings


def _plain(text: str, unit: object) -> Any:
    if unit in LISTS:
        return [part.strip() for part in text.split(",")]
    if unit in {"integer", "number"}:
        try:
            return int(text) if unit == "integer" else float(text)
        except ValueError:
            return text
    return text


def check_parameters(document: Document) -> list[Finding]:
    """Check every parameter against its unit, its limits and its choices."""
    findings = []
    parameters = document.data.get("parameters", {})
    for name, parameter in parameters.items() if isinstance(parameters, Mapping) else ():
        if isinstance(parameter, Mapping) and "value" in parameter and "unit" in parameter:
            problem = _problem(parameter)
            problem = problem or _no_name(parameters, name)
            if problem:
                findings.append(document.finding(("parameters", name, "value"), *problem))
    return findings


def _no_name(parameters: Mapping[str, Any], name: str) -> tuple[str, str, Code] | None:
    """A quantity where the protocol wants a name; the parameter that takes it is likely beside."""
    value = parameters[name]["value"]
    if parameters[name]["unit"] != "text" or not isinstance(value, str):
        return None
    kinds = [kind for kind in DIMENSIONS if _is_quantity(value, kind)]
    if not kinds:
        return None
    meant = [
        other for other, p in parameters.items()
        if other.startswith(f"{name}_") and isinstance(p, Mapping) and p.get("unit") in kinds
    ]  # fmt: skip
    fix = f"write a name; for the quantity use {', '.join(meant)}" if meant else "write a name"
    return f"{value!r} is a quantity and no name", fix, Code.VALUE_OUT_OF_RANGE


def _is_quantity(value: str, kind: str) -> bool:
    try:
        parse_quantity(value, kind)
    except UserInputError:
        return False
    return True


def _problem(parameter: Mapping[str, Any]) -> tuple[str, str, Code | None] | None:  # noqa: PLR0911  # one exit a rule
    value, unit = parameter["value"], str(parameter["unit"])
    if unit in LISTS:
        if not isinstance(value, list) or not value:
            fix = f"write [..., ...] of {LISTS[unit]}s"
            return f"{value!r} is not a list", fix, Code.VALUE_OUT_OF_RANGE
        problems = (_problem({**parameter, "value": v, "unit": LISTS[unit]}) for v in value)
        return next((p for p in problems if p), None)
    try:
        number = _number(value, unit)
    except UserInputError as error:
        message, _, fix = str(error).partition("; ")
        return message, fix, error.code
    choices = parameter.get("choices") or ()
    if choices and value not in choices:
        return (
            f"{value!r} is not offered",
            f"use one of {', '.join(map(str, choices))}",
            Code.VALUE_OUT_OF_RANGE,
        )
    if number is None:
        return None
    low, high = parameter.get("min"), parameter.get("max")
    if low is not None and number < (_number(low, unit) or 0.0):
        return f"{value} is below the limit", f"use at least {low}", Code.VALUE_OUT_OF_RANGE
    if high is not None and number > (_number(high, unit) or 0.0):
        return f"{value} is above the limit", f"use at most {high}", Code.VALUE_OUT_OF_RANGE
    return None


def _number(value: object, unit: str) -> float | None:
    if unit in DIMENSIONS:
        return parse_quantity(value, unit)
    if unit == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            raise UserInputError(
                f"{value!r} is not a whole number; write it without unit or point",
                code=Code.NOT_A_NUMBER,
            )
        return float(value)
    if unit == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UserInputError(
                f"{value!r} is not a number; write it without a unit", code=Code.NOT_A_NUMBER
            )
        return float(value)
    if unit == "date":
        try:
            date.fromisoformat(str(value))
        except ValueError:
            raise UserInputError(
                f"{value!r} is not a date; write year-month-day, like 2026-01-05",
                code=Code.VALUE_OUT_OF_RANGE,
            ) from None
    if not isinstance(value, str) or not value.strip():
        raise UserInputError(f"{value!r} is not a text; write a name", code=Code.FIELD_MISSING)
    return None


def substitute(document: Document) -> tuple[dict[str, Any], list[Finding]]:
    """Return the data with every `$name` replaced by the parameter's value, keys included."""
    parameters = document.data.get("parameters", {})
    values = {n: p.get("value") for n, p in parameters.items() if isinstance(p, Mapping)}
    findings: list[Finding] = []

    def fill(value: Any, place: Place) -> Any:
        if isinstance(value, Mapping):
            return {str(fill(k, place)): fill(v, (*place, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [fill(item, (*place, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        if value[1:] in values:
            return values[value[1:]]
        known = ", ".join(sorted(values))
        findings.append(document.finding(place, f"{value} is no parameter", f"use one of: {known}"))
        return value

    data = {key: value if key == "parameters" else fill(value, (key,))
            for key, value in document.data.items()}  # fmt: skip
    return data, findings
