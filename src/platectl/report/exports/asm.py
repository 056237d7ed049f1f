"""Readings as Allotrope Simple Model, technique plate reader, REC/2025/03.

A kinetic read becomes one measurement for each well and channel with a fluorescence emission
profile over time. Allotrope has no technique for liquid scintillation counting: photons that are
counted stand as luminescence in counts per second of live time, with raw counts, live time, cpm
and dpm beside it. What the model has no place for is custom information, so that nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from platectl.domain.errors import UserInputError
from platectl.domain.layout import PLATE, WellPlan
from platectl.report.exports.model import Exported
from platectl.report.rows import result_rows
from platectl.report.values import Row

MANIFEST = "http://purl.allotrope.org/manifests/plate-reader/REC/2025/03/plate-reader.manifest"
CUBE = "fluorescence emission profile data cube"
FLUORESCENCE, SCINTILLATION = "fluorescence", "scintillation"
#: columns of a kinetic read that have a value for each reading
PER_READING = ("index", "flag", "temperature_c", "source")
#: columns of a counted well that have no other place
OF_COUNT = ("labware", "step", "counts", "live_s", "cpm", "dpm", "tdcr", "ended_at", "flags", "source")  # fmt: skip
_UNITS = {"live_s": "s", "cpm": "cpm", "dpm": "dpm", "concentration_molar": "M", "at_s": "s"}
_ROLES = {
    "test": "unknown sample role", "reference": "reference sample role", "blank": "blank role",
    "unloaded": "blank role", "rmax": "calibration sample role", "rmin": "calibration sample role",
}  # fmt: skip


def asm_documents(exported: Exported) -> dict[str, dict[str, Any]]:
    """One document for each instrument that read or counted, by its name in the lab file.

    Raises:
        UserInputError: The run read nothing.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    plates: dict[str, set[str]] = {}
    for row in (*exported.readings, *exported.counts):
        plates.setdefault(row["instrument"], set()).add(row["plate"])
    readings = sorted(exported.readings, key=_group)
    for (instrument, *_), rows in groupby(readings, key=_group):
        groups.setdefault(instrument, []).append(_kinetic(exported, list(rows)))
    for row in exported.counts:
        groups.setdefault(row["instrument"], []).append(_counted(exported, row))
    if not groups:
        raise UserInputError(f"run {exported.report.run} read and counted nothing")
    return {name: _document(exported, name, found, plates[name]) for name, found in groups.items()}


def exact_sum(first: float, second: float) -> float:
    """Sum of two numbers as they are written in decimals."""
    return float(Decimal(repr(first)) + Decimal(repr(second)))


def _group(row: Row) -> tuple[str, str, str, str, int, str]:
    """Instrument, plate, step, labware and well in plate order: what is one group of measurements."""
    place = PLATE.index(row["well"])
    return row["instrument"], row["plate"], row["step"], row["labware"], place, row["well"]


def _document(
    exported: Exported, name: str, documents: list[dict[str, Any]], plates: set[str]
) -> dict[str, Any]:
    report = exported.report
    return {
        "$asm.manifest": MANIFEST,
        "plate reader aggregate document": {
            "device system document": {
                "device identifier": name,
                "model number": exported.drivers.get(name, name),
            },
            "data system document": {
                "ASM file identifier": f"{report.run}.{name}",
                "data system instance identifier": report.lab,
                "database primary key": report.run,
                "software name": "platectl",
                "software version": report.versions.get("platectl", ""),
                "ASM converter name": "platectl",
                "ASM converter version": report.versions.get("platectl", ""),
                **_custom({
                    "protocol": report.protocol, "run hash": report.run_hash,
                    "simulated": report.simulated, "started": report.started,
                    "review": report.review.standing, "review in words": report.review.sentence,
                }),
            },
            "plate reader document": [
                {"@index": number, **document} for number, document in enumerate(documents, start=1)
            ],
            **_constants(exported, plates),
        },
    }  # fmt: skip


def _constants(exported: Exported, plates: set[str]) -> dict[str, Any]:
    """Constants of some plates that are concentrations, as calculated data."""
    found = [
        {
            "calculated data identifier": f"{row['plate']}/{row['quantity']}/{row['compound']}",
            "calculated data name": f"{row['quantity']} of {row['compound']}",
            "calculation description": _described(row),
            "calculated result": _quantity(row["value_molar"], "M"),
        }
        for row in result_rows(exported.report.plates)
        if row["plate"] in plates and row["value_molar"] is not None
    ]
    if not found:
        return {}
    numbered = [{"@index": number, **item} for number, item in enumerate(found, start=1)]
    return {"calculated data aggregate document": {"calculated data document": numbered}}


def _described(row: Row) -> str:
    low, high = row["lower_molar"], row["upper_molar"]
    ends = f"95 % interval {low!r} to {high!r} M" if low and high else "no closed 95 % interval"
    return f"qualifier {row['qualifier']}, {row['status']}, {row['review']}, {ends}"


def _kinetic(exported: Exported, rows: list[Row]) -> dict[str, Any]:
    """All channels of one well in one read; time counts from the first of its readings."""
    first_s = min(row["at_s"] for row in rows)
    rows.sort(key=lambda row: (row["channel"], row["at_s"], row["index"]))
    measurements = [
        _profile(exported, list(mine), first_s)
        for _, mine in groupby(rows, key=lambda row: row["channel"])
    ]
    measured = _moment(exported, first_s)
    return _aggregate(measured, measurements, "kinetic fluorescence")


def _profile(exported: Exported, rows: list[Row], first_s: float) -> dict[str, Any]:
    head = rows[0]
    cube = {
        "label": f"{head['excitation_nm']:g}/{head['emission_nm']:g} nm",
        "cube-structure": {
            "dimensions": [_component("elapsed time", "s")],
            "measures": [_component("fluorescence", "RFU")],
        },
        "data": {
            "dimensions": [[exact_sum(row["at_s"], -first_s) for row in rows]],
            "measures": [[row["value"] for row in rows]],
        },
    }
    control = {
        "detector wavelength setting": _quantity(head["emission_nm"], "nm"),
        "excitation wavelength setting": _quantity(head["excitation_nm"], "nm"),
        "number of scans setting": _quantity(len(rows), "#"),
    }
    kept = {name: _compact([row[name] for row in rows]) for name in PER_READING}
    custom = {"labware": head["labware"], "step": head["step"], "channel": head["channel"]}
    measurement = _measurement(exported, head, str(head["channel"]), FLUORESCENCE, control)
    warm = {row["temperature_c"] for row in rows} - {None}
    if len(warm) == 1:
        measurement["compartment temperature"] = _quantity(warm.pop(), "degC")
    if wrong := [row for row in rows if row["flag"]]:
        measurement["error aggregate document"] = {"error document": [
            {"error": row["flag"], "error feature": f"fluorescence, reading {row['index']}"}
            for row in wrong
        ]}  # fmt: skip
    return {**measurement, CUBE: cube, **_custom({**custom, "at_s": first_s, **kept})}


def _counted(exported: Exported, row: Row) -> dict[str, Any]:
    rate = row["counts"] / row["live_s"] if row["live_s"] else row["cpm"] / 60.0
    measurement = _measurement(exported, row, "", SCINTILLATION, {})
    measurement["luminescence"] = _quantity(rate, "Counts/s")
    if row["flags"]:
        errors = [{"error": flag, "error feature": "luminescence"} for flag in row["flags"]]
        measurement["error aggregate document"] = {"error document": errors}
    kept = {name: row[name] for name in OF_COUNT}
    kept["flags"] = json.dumps(row["flags"]) if row["flags"] else None
    ended = _ended(exported, row)
    return _aggregate(ended, [{**measurement, **_custom(kept)}], "scintillation counting")


def _ended(exported: Exported, row: Row) -> str:
    """When a well was counted; a counter's clock has no zone, that of the run is taken."""
    try:
        moment = datetime.fromisoformat(row["ended_at"])
    except ValueError:
        moment = datetime.fromisoformat(exported.report.finished)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.fromisoformat(exported.report.started).tzinfo)
    return moment.isoformat()


def _moment(exported: Exported, at_s: float) -> str:
    if exported.zero is None:
        return exported.report.started
    return (exported.zero + timedelta(seconds=at_s)).isoformat()


def _aggregate(
    measured: str, measurements: list[dict[str, Any]], experiment: str
) -> dict[str, Any]:
    return {
        "measurement aggregate document": {
            "measurement time": measured,
            "experiment type": experiment,
            "container type": "well plate",
            "plate well count": _quantity(PLATE.size, "#"),
            "measurement document": measurements,
        }
    }


def _measurement(
    exported: Exported, row: Row, part: str, detection: str, control: Mapping[str, Any]
) -> dict[str, Any]:
    """Identifier, sample and settings of one measurement."""
    names = (exported.report.run, row["step"], row["labware"], row["well"], part)
    return {
        "measurement identifier": "/".join(name for name in names if name),
        "sample document": _sample(exported, row),
        "device control aggregate document": {"device control document": [
            {
                "@index": 1,
                "device type": "plate reader",
                "device identifier": row["instrument"],
                "detection type": detection,
                **control,
            }
        ]},
    }  # fmt: skip


def _sample(exported: Exported, row: Row) -> dict[str, Any]:
    plate = next((p for p in exported.report.plates if p.name == row["plate"]), None)
    plan: WellPlan | None = None
    if plate and ("channel" in row or row["labware"] == f"{plate.name}.filter"):
        plan = next((w for w in plate.wells if w.well == row["well"]), None)
    place = {
        "location identifier": row["well"],
        "well location identifier": row["well"],
        "well plate identifier": plate.barcode if plate else row["labware"],
    }
    if plan is None:
        return {"sample identifier": f"{row['labware']}/{row['well']}", **place}
    said = {"role": plan.role, "compound": plan.compound, "series": plan.series,
            "concentration_molar": plan.concentration_molar}  # fmt: skip
    return {
        "sample identifier": plan.compound or f"{row['labware']}/{row['well']}",
        "sample role type": _ROLES.get(plan.role, "control sample role"),
        **place,
        **_custom(said),
    }


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}


def _component(concept: str, unit: str) -> dict[str, str]:
    return {"@componentDatatype": "double", "concept": concept, "unit": unit}


def _compact(values: Sequence[Any]) -> str | None:
    """The values as JSON: one where all are equal, None where there are none."""
    if all(value in {None, ""} for value in values):
        return None
    same = all(value == values[0] for value in values)
    return json.dumps(values[0] if same else list(values))


def _custom(values: Mapping[str, Any]) -> dict[str, Any]:
    """Custom information: each value under its name, those that are missing left out."""
    documents: list[dict[str, Any]] = []
    for name, value in values.items():
        if value in {None, ""}:
            continue
        item: dict[str, Any] = {"@index": len(documents) + 1, "datum label": name}
        if isinstance(value, bool):
            item["scalar boolean datum"] = value
        elif isinstance(value, str):
            item["scalar string datum"] = value
        else:
            item["scalar double datum"] = value
            if unit := _UNITS.get(name):
                item["unit"] = unit
        documents.append(item)
    if not documents:
        return {}
    return {"custom information aggregate document": {"custom information document": documents}}
