"""The data dictionary: unit and meaning of every column that an export can have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from platectl.report.exports.model import Column
from platectl.report.values import Row

TEXT, WHOLE, NUMBER, TRUTH, TEXTS = "text", "whole number", "number", "yes or no", "texts"

_UNITS = {
    "_molar": "M", "_nm": "nm", "_percent": "%", "_min": "min", "_c": "°C", "_s": "s",
}  # fmt: skip
_WHOLE = {"series", "counts", "channel", "index", "version", "number"}
_BOUNDS = {"lower": "Lower end of the 95 % interval", "upper": "Upper end of the 95 % interval"}
_MEANINGS: dict[str, str] = {
    "run": "Name of the run.",
    "what": "What is stated.",
    "stated": "What it is.",
    "name": "Name of the time window.",
    "plate": "Assay plate within the run.",
    "barcode": "Barcode of the plate.",
    "labware": "Plate that was read or counted.",
    "step": "Step of the run that read it.",
    "instrument": "Instrument of the lab file.",
    "instruments": "Instruments that the step used.",
    "well": "Row letter and column number.",
    "role": "What the well or the compound is for: test, reference, total, nsb, vehicle and others.",
    "compound": "Compound, or the radioligand where its own constants were measured.",
    "concentration_molar": "Final concentration of the compound in the well.",
    "series": "Dilution series: number of them behind a result, name of the one of a well.",
    "site": "Binding site, or cells.",
    "quantity": "Which constant it is: Ki, EC50, IC50, Kd, Bmax, kon, koff.",
    "value": "The constant, in the unit of the column unit; of readings, the fluorescence.",
    "unit": "Unit of value, lower and upper.",
    "qualifier": "How the value is meant: = equals, > or < beyond that bound, ~ not to be used.",
    "status": "State of the result: pass, flag or fail.",
    "radioligand": "Radioligand.",
    "radioligand_molar": "Its measured concentration in the assay, or the nominal one.",
    "kd_molar": "Kd of the radioligand with which Ki was calculated.",
    "tissue": "Tissue or cells of the membranes.",
    "temperature_c": "Temperature of the assay; of readings, that of the reader at the time.",
    "ic50_molar": "IC50 behind Ki.",
    "hill": "Hill slope.",
    "agonist": "Agonist of the assay.",
    "stimulus_molar": "Concentration of the agonist that every well gets.",
    "model": "Curve that was fitted.",
    "effect_percent": "Greatest effect over that of the reference.",
    "falling_molar": "Concentration at which the falling limb of a bell is half down.",
    "review": "Whether a person vouches for it: signed, unsigned, or invalidated after a signature.",
    "version": "Version of the analysis.",
    "provenance": "SHA-256 of what the result rests on, as the table provenance has it.",
    "at": "When (ISO 8601, UTC).",
    "by": "Who.",
    "reason": "Why.",
    "digest": "Hash of the review book up to here.",
    "number": "Number of the entry in the review book.",
    "flags": "Names of what is to be known about the value.",
    "remarks": "Sentences behind the flags.",
    "cpm": "Gross counts per minute; of calcium plates, the first counts at 380 nm.",
    "counts": "Raw counts.",
    "live_s": "Live counting time.",
    "dpm": "Disintegrations per minute as the counter states them.",
    "tdcr": "Triple-to-double coincidence ratio.",
    "ended_at": "When the counting of the well ended, as the counter states it (ISO 8601).",
    "age_min": "Time from the last addition to the filtration of the well; of calcium plates, from the dye's arrival on "
    "the cells to the addition of the read, or to the first reading where nothing is added.",
    "preincubation_min": "Time from the compound's arrival on the cells to the addition of the agonist; empty where the "
    "compound itself is what is added.",
    "source": "File and line, or exchange, from which the reading came.",
    "elapsed_s": "Time that passed; empty when one of its two moments never came.",
    "verdict": "How the window was broken; empty when it was kept, or, without elapsed_s, not reached.",
    "hard": "Whether results are refused when it is broken.",
    "id": "Step of the run.",
    "title": "What was done.",
    "start_s": "Start, from the start of the run; empty where it never came to that.",
    "end_s": "End, from the start of the run; empty where it never came to that.",
    "planned_start_s": "Planned start, from the start of the run.",
    "channel": "Channel of the read, from 0.",
    "excitation_nm": "Excitation wavelength.",
    "emission_nm": "Emission wavelength.",
    "index": "Number of the reading within its read, from 0.",
    "at_s": "Moment of the reading on the clock of the host.",
    "flag": "What is wrong with the reading.",
}  # fmt: skip


def meaning_of(name: str) -> str:
    """What a column says; empty for one that is not known."""
    if known := _MEANINGS.get(name):
        return known
    base = name.removesuffix("_molar")
    if base == "value":
        return "The constant, where it is a concentration."
    if base in _BOUNDS:
        return f"{_BOUNDS[base]}; empty where it is open."
    for end, text in _BOUNDS.items():
        for place in (f"_{end}", f"{end}_with_kd"):
            if base.endswith(place):
                of = (
                    " with the uncertainty of Kd"
                    if "with_kd" in place
                    else f" of {base[: -len(place)]}"
                )
                return f"{text}{of}."
    return ""


def unit_of(table: str, name: str) -> str:
    """Unit of a column; empty without one."""
    if table == "readings" and name == "value":
        return "RFU"
    if name in {"value", "lower", "upper"}:
        return "see unit"
    if name in {"cpm", "dpm"}:
        return name
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")


def columns_of(table: str, rows: Iterable[Row], names: Iterable[str] = ()) -> tuple[Column, ...]:
    """Columns of some rows in the order of their first appearance, with the kinds of their values.

    Args:
        table: Name of the table.
        rows: The rows.
        names: Columns that are there also without rows.
    """
    values: dict[str, list[Any]] = {name: [] for name in names}
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007  # counted
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return tuple(
        Column(name, _kind(table, name, found), unit_of(table, name), meaning_of(name),
               nullable=None in found or len(found) < count)
        for name, found in values.items()
    )  # fmt: skip


def _kind(table: str, name: str, values: list[Any]) -> str:
    types = {type(value) for value in values if value is not None}
    if types & {list, tuple}:
        return TEXTS
    if bool in types:
        return TRUTH
    if str in types:
        return TEXT
    if float in types:
        return NUMBER
    if int in types or name in _WHOLE:
        return WHOLE
    return NUMBER if unit_of(table, name) else TEXT
