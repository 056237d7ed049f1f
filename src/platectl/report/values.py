"""Numbers as they go into rows: never NaN, never infinity."""

from __future__ import annotations

import math
from typing import Any, Literal

from platectl.analysis.limits import QcMetric
from platectl.analysis.plate import BindingConditions
from platectl.analysis.results import LogInterval

Row = dict[str, Any]
Side = Literal["lower", "upper"]

MOLAR = "M"


def finite(value: float | None) -> float | None:
    """The value, or None where it is not a finite number."""
    return float(value) if value is not None and math.isfinite(value) else None


def positive(value: float | None) -> float | None:
    """The value, or None where it is not finite and above zero: an open side."""
    known = finite(value)
    return known if known is not None and known > 0.0 else None


def from_log(interval: LogInterval | None, side: Side) -> float | None:
    """One end of a log10 interval as molar; None where it is open or missing."""
    end = None if interval is None else finite(getattr(interval, side))
    return None if end is None else positive(10.0**end)


def constant(
    quantity: str, value: float | None, lower: float | None, upper: float | None, unit: str
) -> Row:
    """The columns of one constant; those in molar exist for molar ones alone."""
    ends = {"value": positive(value), "lower": positive(lower), "upper": positive(upper)}
    molar = {f"{name}_molar": end if unit == MOLAR else None for name, end in ends.items()}
    return {"quantity": quantity, **molar, **ends, "unit": unit}


def of_conditions(conditions: BindingConditions | None) -> Row:
    """The conditions that travel with every constant of binding."""
    return {
        "radioligand": conditions.radioligand if conditions else None,
        "radioligand_molar": conditions.radioligand_molar if conditions else None,
        "kd_molar": conditions.kd_molar if conditions else None,
        "tissue": conditions.tissue if conditions else None,
        "temperature_c": finite(conditions.temperature_c) if conditions else None,
    }


def plate_remarks(qc: tuple[QcMetric, ...]) -> tuple[list[str], list[str]]:
    """Names, with `plate:` in front, and sentences of what is not as it should be on a plate."""
    named = [metric for metric in qc if metric.state != "pass"]
    return [f"plate:{m.name}" for m in named], [m.explanation for m in named]
