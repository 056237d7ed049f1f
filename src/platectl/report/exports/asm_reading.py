"""Reading Allotrope documents of platectl back, and checking what their schema does not."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.wells import PlateFormat
from platectl.report.exports.asm import CUBE, MANIFEST, OF_COUNT, PER_READING, exact_sum
from platectl.report.values import Row

_AGGREGATE = "plate reader aggregate document"
_UNITS = {
    "plate well count": "#", "detector wavelength setting": "nm", "excitation wavelength setting": "nm",
    "number of scans setting": "#", "compartment temperature": "degC", "luminescence": "Counts/s",
}  # fmt: skip
_COMPONENTS = {"elapsed time": "s", "fluorescence": "RFU"}
_CLOSE = 1e-12


def check_asm(document: Mapping[str, Any], *, name: str) -> list[Finding]:
    """What is wrong with a document beyond its schema: units, times, counts of measurements, wells.

    A well that lacks a channel is a warning: a read may have been cut off.

    Args:
        document: The document.
        name: How findings call it.
    """
    findings: list[Finding] = []

    def say(message: str, where: str = "") -> None:
        findings.append(Finding(message, name, None, where, code=Code.EXPORT_DAMAGED))

    if document.get("$asm.manifest") != MANIFEST:
        say(f"manifest is not {MANIFEST}", "$asm.manifest")
        return findings
    seen: set[str] = set()
    expected: dict[str, int] = {}
    for group in _groups(document):
        where = _check_group(group, say)
        measurements = group["measurement document"]
        for measurement in measurements:
            identifier = measurement["measurement identifier"]
            if identifier in seen:
                say("measurement identifier is there twice", identifier)
            seen.add(identifier)
            _check_measurement(measurement, say)
        kind = f"{group.get('experiment type', '')} {_said(measurements[0]).get('step', '')}"
        wanted = expected.setdefault(kind, len(measurements))
        if len(measurements) != wanted:
            message = f"{len(measurements)} measurements, other wells of the read have {wanted}"
            findings.append(
                Finding(message, name, None, where, severity="warning", code=Code.EXPORT_DAMAGED)
            )
    return findings


def read_asm(document: Mapping[str, Any], *, name: str) -> tuple[list[Row], list[Row]]:
    """Counts and readings of a document, as `Exported` has them.

    Raises:
        InputRefusedError: The document is not sound; with all findings.
    """
    try:
        findings = check_asm(document, name=name)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        findings = [
            Finding(
                f"is no document of platectl: {error!r} is missing or odd",
                name,
                code=Code.EXPORT_DAMAGED,
            )
        ]
    refuse_if_any(findings)
    counts: list[Row] = []
    readings: list[Row] = []
    for group in _groups(document):
        for measurement in group["measurement document"]:
            if CUBE in measurement:
                readings += _readings(measurement)
            else:
                counts.append(_count(measurement))
    return counts, readings


def _groups(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for item in document[_AGGREGATE]["plate reader document"]:
        yield item["measurement aggregate document"]


def _check_group(group: Mapping[str, Any], say: Any) -> str:
    where = str(group["measurement document"][0]["measurement identifier"])
    try:
        zone = datetime.fromisoformat(group["measurement time"]).tzinfo
    except ValueError:
        say(f"measurement time {group['measurement time']!r} is no moment", where)
    else:
        if zone is None:
            say("measurement time has no time zone", where)
    _check_unit(group, "plate well count", where, say)
    plate = PlateFormat.of(int(group["plate well count"]["value"]))
    for measurement in group["measurement document"]:
        try:
            plate.index(measurement["sample document"]["location identifier"])
        except UserInputError as error:
            say(str(error), measurement["measurement identifier"])
    return where


def _check_unit(holder: Mapping[str, Any], quantity: str, where: str, say: Any) -> None:
    if quantity in holder and holder[quantity]["unit"] != _UNITS[quantity]:
        say(f"{quantity} is in {holder[quantity]['unit']}, not in {_UNITS[quantity]}", where)
    if quantity in holder and not math.isfinite(holder[quantity]["value"]):
        say(f"{quantity} is not finite", where)


def _check_measurement(measurement: Mapping[str, Any], say: Any) -> None:
    where = measurement["measurement identifier"]
    control = measurement["device control aggregate document"]["device control document"][0]
    for quantity in _UNITS:
        _check_unit(measurement, quantity, where, say)
        _check_unit(control, quantity, where, say)
    if CUBE in measurement:
        _check_cube(measurement[CUBE], control["number of scans setting"]["value"], where, say)
        return
    said = _said(measurement)
    rate = measurement["luminescence"]["value"]
    if said.get("live_s") and not math.isclose(
        rate * said["live_s"], said["counts"], rel_tol=_CLOSE, abs_tol=_CLOSE
    ):
        say(f"luminescence {rate} is not {said['counts']} counts in {said['live_s']} s", where)


def _check_cube(cube: Mapping[str, Any], scans: int, where: str, say: Any) -> None:
    structure, data = cube["cube-structure"], cube["data"]
    for component in (*structure["dimensions"], *structure["measures"]):
        unit = _COMPONENTS[component["concept"]]
        if component["unit"] != unit:
            say(f"{component['concept']} is in {component['unit']}, not in {unit}", where)
    (times,), (values,) = data["dimensions"], data["measures"]
    if not len(times) == len(values) == scans:
        say(f"{len(times)} times, {len(values)} values, {scans} scans", where)
    if any(late < early for early, late in itertools.pairwise(times)) or times[0] < 0:
        say("times run backwards", where)


def _said(measurement: Mapping[str, Any]) -> dict[str, Any]:
    """Custom information by its labels."""
    holder = measurement.get("custom information aggregate document", {})
    return {
        item["datum label"]: next(v for k, v in item.items() if k.startswith("scalar "))
        for item in holder.get("custom information document", ())
    }


def _place(measurement: Mapping[str, Any], said: Mapping[str, Any]) -> Row:
    control = measurement["device control aggregate document"]["device control document"][0]
    return {
        "plate": said["step"].partition(".")[0],
        "labware": said["labware"],
        "step": said["step"],
        "instrument": control["device identifier"],
        "well": measurement["sample document"]["location identifier"],
    }


def _count(measurement: Mapping[str, Any]) -> Row:
    said = _said(measurement)
    texts = {"source": "", "ended_at": "", **said}
    kept = {name: texts.get(name) for name in OF_COUNT}
    kept["flags"] = json.loads(said.get("flags", "[]"))
    return {**_place(measurement, said), **kept}


def _readings(measurement: Mapping[str, Any]) -> list[Row]:
    said = _said(measurement)
    control = measurement["device control aggregate document"]["device control document"][0]
    data = measurement[CUBE]["data"]
    (elapsed,), (values,) = data["dimensions"], data["measures"]
    kept = {name: _spread(said.get(name), len(values)) for name in PER_READING}
    common = {
        **_place(measurement, said),
        "channel": int(said["channel"]),
        "excitation_nm": control["excitation wavelength setting"]["value"],
        "emission_nm": control["detector wavelength setting"]["value"],
    }
    return [
        {
            **common,
            "index": kept["index"][place],
            "at_s": exact_sum(said["at_s"], since),
            "value": value,
            "flag": kept["flag"][place] or "",
            "temperature_c": kept["temperature_c"][place],
            "source": kept["source"][place] or "",
        }
        for place, (since, value) in enumerate(zip(elapsed, values, strict=True))
    ]


def _spread(text: str | None, number: int) -> list[Any]:
    found = None if text is None else json.loads(text)
    return found if isinstance(found, list) else [found] * number
