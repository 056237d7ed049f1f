"""Results as flat rows: what goes into tables, CSV, JSON and the index. Never NaN or infinity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from platectl.analysis.limits import State
from platectl.analysis.plate import BindingConditions
from platectl.analysis.results import CompoundResult, LogInterval, PlateResult
from platectl.report.model import PlateReport

Row = dict[str, Any]
Side = Literal["lower", "upper"]

_USABLE = {"ok", "bound", "converged"}
_HARMLESS = {"out_of_range", "inactive"}


def result_rows(plates: Sequence[PlateReport]) -> list[Row]:
    """One row per compound and plate; a plate without analysis gives rows without values.

    Values are molar. An open side of an interval is None. A failed plate has neither a value
    nor an IC50. `flags` are names, those of the plate with `plate:` in front; `remarks` are the
    sentences behind them.
    """
    rows: list[Row] = []
    for plate in plates:
        if plate.result is None:
            rows += [_missing(plate, compound) for compound in plate.compounds()]
        else:
            rows += [_row(plate, plate.result, compound) for compound in plate.result.compounds]
    return rows


def finite(value: float | None) -> float | None:
    """The value, or None where it is not a finite number."""
    return float(value) if value is not None and math.isfinite(value) else None


def positive(value: float | None) -> float | None:
    """The value, or None where it is not finite and above zero: an open side."""
    known = finite(value)
    return known if known is not None and known > 0.0 else None


def row_status(plate: PlateResult, compound: CompoundResult) -> State:
    """`fail` without a value to use, `flag` with a remark on compound or plate, else `pass`.

    That a value is a bound is said by its qualifier and is no remark of its own.
    """
    usable = compound.status in _USABLE and compound.qualifier != "~"
    if plate.state == "fail" or compound.value_molar is None or not usable:
        return "fail"
    remarks = {flag.name for flag in compound.flags} - _HARMLESS
    return "flag" if remarks or plate.state == "flag" else "pass"


def from_log(interval: LogInterval | None, side: Side) -> float | None:
    """One end of a log10 interval as molar; None where it is open or missing."""
    end = None if interval is None else finite(getattr(interval, side))
    return None if end is None else positive(10.0**end)


def _row(plate: PlateReport, result: PlateResult, compound: CompoundResult) -> Row:
    failed = result.state == "fail"
    own = [flag.name for flag in compound.flags]
    plates = [f"plate:{metric.name}" for metric in result.qc if metric.state != "pass"]
    remarks = [flag.sentence for flag in compound.flags]
    remarks += [metric.explanation for metric in result.qc if metric.state != "pass"]
    hill = compound.hill
    return {
        "compound": compound.compound,
        "role": compound.role,
        "site": compound.site,
        "quantity": compound.quantity,
        "value_molar": positive(compound.value_molar),
        "lower_molar": positive(compound.lower_molar),
        "upper_molar": positive(compound.upper_molar),
        "qualifier": compound.qualifier,
        "status": row_status(result, compound),
        **_place(plate, compound.conditions),
        "lower_with_kd_molar": None if failed else from_log(compound.interval_with_kd, "lower"),
        "upper_with_kd_molar": None if failed else from_log(compound.interval_with_kd, "upper"),
        "ic50_molar": None if failed else positive(compound.ic50_molar),
        "ic50_lower_molar": None if failed else positive(compound.ic50_lower_molar),
        "ic50_upper_molar": None if failed else positive(compound.ic50_upper_molar),
        "hill": finite(hill.slope) if hill else None,
        "hill_lower": finite(hill.lower) if hill else None,
        "hill_upper": finite(hill.upper) if hill else None,
        "series": compound.series,
        "flags": own + plates,
        "remarks": remarks,
    }


def _place(plate: PlateReport, conditions: BindingConditions | None) -> Row:
    return {
        "plate": plate.name,
        "barcode": plate.barcode,
        "radioligand": conditions.radioligand if conditions else None,
        "radioligand_molar": conditions.radioligand_molar if conditions else None,
        "kd_molar": conditions.kd_molar if conditions else None,
        "tissue": conditions.tissue if conditions else None,
        "temperature_c": finite(conditions.temperature_c) if conditions else None,
    }


def _missing(plate: PlateReport, compound: str) -> Row:
    """A compound of a plate that has no analysis."""
    role = next((w.role for w in plate.wells if w.compound == compound), "test")
    nothing = (
        "lower_with_kd_molar", "upper_with_kd_molar", "ic50_molar", "ic50_lower_molar",
        "ic50_upper_molar", "hill", "hill_lower", "hill_upper",
    )  # fmt: skip
    return {
        "compound": compound,
        "role": role,
        "site": None,
        "quantity": "Ki",
        "value_molar": None,
        "lower_molar": None,
        "upper_molar": None,
        "qualifier": "~",
        "status": "fail",
        **_place(plate, None),
        **dict.fromkeys(nothing),
        "series": 0,
        "flags": ["plate:not_analysed"],
        "remarks": [plate.problem or f"Plate {plate.name} was not analysed."],
    }
