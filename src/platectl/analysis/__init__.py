"""Numerics of binding assays: counted wells in, Ki and rate constants with intervals out.

Pure functions on arrays and frozen values. Without a lab: `fit_curve` for one curve or a global
fit, `fit_curves` and `fit_curve_stream` for many, `profile_interval` and `profile_curves` for
intervals, `potency` for an IC50 or why there is none, `extra_sum_of_squares`, `compare_aicc` and `compare_potency` to choose between curves;
`fit_schild` and `schild_regression` for pA2 and pKB;
`MODELS` has their names. This package imports SciPy, so start-up code imports it inside commands.
"""

from __future__ import annotations

from platectl.analysis.batch import fit_curve_stream, fit_curves
from platectl.analysis.batch_profile import CurveIntervals, profile_curves
from platectl.analysis.batch_result import CurveFits
from platectl.analysis.compare import compare_aicc, extra_sum_of_squares
from platectl.analysis.competition import CompetitionOptions, analyse_competition_plate
from platectl.analysis.curves import fit_curve
from platectl.analysis.equilibrium import EquilibriumCheck, check_equilibrium
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit
from platectl.analysis.kinetics import (
    DissociationResult,
    KineticsOptions,
    KineticsResult,
    analyse_dissociation,
    analyse_kinetics_plate,
)
from platectl.analysis.limits import QcMetric
from platectl.analysis.models import MODELS
from platectl.analysis.plate import BindingConditions, WellCount
from platectl.analysis.potency import Potency, potency
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.relative_potency import compare_potency
from platectl.analysis.results import CompoundResult, PlateResult
from platectl.analysis.saturation import (
    SaturationOptions,
    SaturationResult,
    analyse_saturation_plate,
)
from platectl.analysis.schild import SchildFit, SchildRegression, fit_schild, schild_regression
from platectl.analysis.selectivity import Selectivity, selectivity
from platectl.analysis.weighting import Weighting
from platectl.domain.result_rules import QcLimits, QualifierRules, ReferenceWindow

__all__ = [
    "MODELS",
    "AnalysisError",
    "BindingConditions",
    "CompetitionOptions",
    "CompoundResult",
    "CurveFits",
    "CurveIntervals",
    "DissociationResult",
    "EquilibriumCheck",
    "Fit",
    "Interval",
    "KineticsOptions",
    "KineticsResult",
    "PlateResult",
    "Potency",
    "QcLimits",
    "QcMetric",
    "QualifierRules",
    "ReferenceWindow",
    "SaturationOptions",
    "SaturationResult",
    "SchildFit",
    "SchildRegression",
    "Selectivity",
    "Weighting",
    "WellCount",
    "analyse_competition_plate",
    "analyse_dissociation",
    "analyse_kinetics_plate",
    "analyse_saturation_plate",
    "check_equilibrium",
    "compare_aicc",
    "compare_potency",
    "extra_sum_of_squares",
    "fit_curve",
    "fit_curve_stream",
    "fit_curves",
    "fit_schild",
    "potency",
    "profile_curves",
    "profile_interval",
    "schild_regression",
    "selectivity",
]
