"""Numerics of Fura-2 assays: counts over time in, calcium and EC50 with intervals out."""

from __future__ import annotations

from platectl.analysis.calcium.calibration import Calibration, calibrate
from platectl.analysis.calcium.features import WellFeatures
from platectl.analysis.calcium.plate import CalciumOptions, analyse_calcium_plate
from platectl.analysis.calcium.results import CalciumPlateResult, ResponseResult
from platectl.analysis.calcium.traces import CalciumConditions, WellTrace
from platectl.domain.result_rules import CalciumLimits

__all__ = [
    "CalciumConditions",
    "CalciumLimits",
    "CalciumOptions",
    "CalciumPlateResult",
    "Calibration",
    "ResponseResult",
    "WellFeatures",
    "WellTrace",
    "analyse_calcium_plate",
    "calibrate",
]
