"""Numerics of binding assays: counted wells in, Ki and rate constants with intervals out.

Pure functions on arrays and frozen values. This package imports SciPy, so start-up code
imports it inside commands.
"""

from __future__ import annotations

from platectl.analysis.competition import CompetitionOptions, analyse_competition_plate
from platectl.analysis.equilibrium import EquilibriumCheck, check_equilibrium
from platectl.analysis.errors import AnalysisError
from platectl.analysis.kinetics import (
    DissociationResult,
    KineticsOptions,
    KineticsResult,
    analyse_dissociation,
    analyse_kinetics_plate,
)
from platectl.analysis.limits import QcLimits, QcMetric, ReferenceWindow
from platectl.analysis.plate import BindingConditions, WellCount
from platectl.analysis.results import CompoundResult, PlateResult
from platectl.analysis.saturation import (
    SaturationOptions,
    SaturationResult,
    analyse_saturation_plate,
)
from platectl.analysis.selectivity import Selectivity, selectivity

__all__ = [
    "AnalysisError",
    "BindingConditions",
    "CompetitionOptions",
    "CompoundResult",
    "DissociationResult",
    "EquilibriumCheck",
    "KineticsOptions",
    "KineticsResult",
    "PlateResult",
    "QcLimits",
    "QcMetric",
    "ReferenceWindow",
    "SaturationOptions",
    "SaturationResult",
    "Selectivity",
    "WellCount",
    "analyse_competition_plate",
    "analyse_dissociation",
    "analyse_kinetics_plate",
    "analyse_saturation_plate",
    "check_equilibrium",
    "selectivity",
]
