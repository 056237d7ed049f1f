"""Numerics of binding assays: counted wells in, Ki and rate constants with intervals out.

Pure functions on arrays and frozen values. Without a lab: `fit_curve` for one curve or a global
fit, `fit_curves` and `fit_curve_stream` for many, `profile_interval`, `profile_curves` and
`bootstrap` for intervals, `potency` for an IC50 or why there is none, `extra_sum_of_squares`, `compare_aicc` and `compare_potency` to choose between curves, `rout_outliers`,
`runs_test` and `lack_of_fit` to judge one, `fit_schild` and `schild_regression` for pA2 and pKB, `cheng_prusoff` and `munson_rodbard` for a Ki,
`control_statistics` for Z' and SSMD, `replicate_study` for the MSR; `MODELS` has the names of curves, and
functions such as `one_site_ki` and `motulsky_mahan` make those that need constants of an assay. This package imports SciPy, so start-up code imports it inside commands.
"""

from __future__ import annotations

from platectl.analysis.batch import fit_curve_stream, fit_curves
from platectl.analysis.batch_profile import CurveIntervals, profile_curves
from platectl.analysis.batch_result import CurveFits
from platectl.analysis.binding_models import (
    CompetitionSetting,
    competition_mass_action,
    heterologous_with_depletion,
    saturation_naive,
    saturation_with_depletion,
)
from platectl.analysis.bootstrap import Bootstrap, bootstrap
from platectl.analysis.censored import CensoredMean, censored_mean
from platectl.analysis.compare import compare_aicc, extra_sum_of_squares
from platectl.analysis.competition import CompetitionOptions, analyse_competition_plate
from platectl.analysis.control_chart import control_chart
from platectl.analysis.curves import fit_curve
from platectl.analysis.dose_response import one_site_ki
from platectl.analysis.effective_dose import effective_dose
from platectl.analysis.equilibrium import EquilibriumCheck, check_equilibrium
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit
from platectl.analysis.ki import cheng_prusoff, goldstein_barrett, ic50_from_ki, munson_rodbard
from platectl.analysis.kinetic_models import association, competitive_kinetics, motulsky_mahan
from platectl.analysis.kinetics import (
    DissociationResult,
    KineticsOptions,
    KineticsResult,
    analyse_dissociation,
    analyse_kinetics_plate,
)
from platectl.analysis.limits import QcMetric
from platectl.analysis.models import MODELS
from platectl.analysis.outliers import rout_outliers
from platectl.analysis.plate import BindingConditions, WellCount
from platectl.analysis.potency import Potency, potency
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.quality import ControlStatistics, control_statistics
from platectl.analysis.relative_potency import compare_potency
from platectl.analysis.replicate_study import ReplicateStudy, replicate_study
from platectl.analysis.residuals import lack_of_fit, runs_test
from platectl.analysis.results import CompoundResult, PlateResult
from platectl.analysis.saturation import (
    SaturationOptions,
    SaturationResult,
    analyse_saturation_plate,
)
from platectl.analysis.schild import (
    GADDUM_SCHILD,
    SchildFit,
    SchildRegression,
    fit_schild,
    schild_regression,
)
from platectl.analysis.selectivity import Selectivity, selectivity
from platectl.analysis.uniformity import plate_uniformity, uniformity_study
from platectl.analysis.weighting import Weighting
from platectl.domain.result_rules import QcLimits, QualifierRules, ReferenceWindow

__all__ = [
    "GADDUM_SCHILD",
    "MODELS",
    "AnalysisError",
    "BindingConditions",
    "Bootstrap",
    "CensoredMean",
    "CompetitionOptions",
    "CompetitionSetting",
    "CompoundResult",
    "ControlStatistics",
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
    "ReplicateStudy",
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
    "association",
    "bootstrap",
    "censored_mean",
    "check_equilibrium",
    "cheng_prusoff",
    "compare_aicc",
    "compare_potency",
    "competition_mass_action",
    "competitive_kinetics",
    "control_chart",
    "control_statistics",
    "effective_dose",
    "extra_sum_of_squares",
    "fit_curve",
    "fit_curve_stream",
    "fit_curves",
    "fit_schild",
    "goldstein_barrett",
    "heterologous_with_depletion",
    "ic50_from_ki",
    "lack_of_fit",
    "motulsky_mahan",
    "munson_rodbard",
    "one_site_ki",
    "plate_uniformity",
    "potency",
    "profile_curves",
    "profile_interval",
    "replicate_study",
    "rout_outliers",
    "runs_test",
    "saturation_naive",
    "saturation_with_depletion",
    "schild_regression",
    "selectivity",
    "uniformity_study",
]
