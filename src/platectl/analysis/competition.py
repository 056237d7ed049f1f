"""Analyse a competition plate: from counted wells to Ki with honest intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from platectl.analysis.compound import CurveFitter, competition_setting
from platectl.analysis.compound_result import CompoundAnalysis
from platectl.analysis.equilibrium import EquilibriumCheck, check_equilibrium
from platectl.analysis.errors import AnalysisError
from platectl.analysis.limits import QcMetric, judged, worst
from platectl.analysis.plate import BindingConditions, WellCount, check_conditions, check_wells
from platectl.analysis.plate_quality import PlateView, control_metrics, curve_metrics
from platectl.analysis.preparation import PreparationErrors
from platectl.analysis.qualifiers import RULES, Flag
from platectl.analysis.results import CompoundResult, PlateResult
from platectl.analysis.weighting import Kind, Weighting
from platectl.domain.codes import Code
from platectl.domain.result_rules import QcLimits, QualifierRules

FEWEST_CONTROLS = 2
ABOVE_ADDED = 1.5
"""More counts than this times the radioactivity that was added cannot be pipetting."""


@dataclass(frozen=True, slots=True)
class CompetitionOptions:
    """Choices of the analysis.

    Attributes:
        weighting: Kind of weighting; `counting` is Poisson plus a constant CV of net counts.
        cv: That CV.
        dilution_step_sd_log10: Standard deviation of one serial dilution step.
        series_top_sd_log10: Of the top concentration of each series.
        stock_sd_log10: Of the stock, common to all series of a compound.
        rules: When a curve gives a number, and the false discovery rate of ROUT.
    """

    weighting: Kind = "counting"
    cv: float = 0.03
    dilution_step_sd_log10: float = 0.012
    series_top_sd_log10: float = 0.012
    stock_sd_log10: float = 0.0
    rules: QualifierRules = RULES

    @property
    def preparation(self) -> PreparationErrors:
        """The three standard deviations of preparation."""
        return PreparationErrors(
            self.dilution_step_sd_log10, self.series_top_sd_log10, self.stock_sd_log10
        )


def analyse_competition_plate(
    wells: Sequence[WellCount],
    conditions: BindingConditions,
    options: CompetitionOptions = CompetitionOptions(),
    limits: QcLimits = QcLimits(),  # noqa: B008 frozen
) -> PlateResult:
    """Analyse one plate.

    Curves are fitted to gross cpm; the counter background of `conditions` is a constant of the
    exact model and part of Bottom in the others. Totals enter as zero competitor and nonspecific
    wells as complete displacement, so both plateaus are fitted. Ki comes from exact mass action
    with both ligands depleted (LogKi, Bmax, NS). Excluded wells are shown and not fitted.

    Raises:
        AnalysisError: No usable result can come of these wells or conditions; one sentence.
    """
    check_conditions(conditions)
    check_wells(wells)
    view = _view(wells, conditions)
    equilibrium = check_equilibrium(wells, conditions)
    analysis = CompoundAnalysis(
        fitter=_fitter(conditions, options),
        totals=view.totals,
        nonspecific=view.nonspecific,
        conditions=conditions,
        preparation=options.preparation,
        rules=options.rules,
    )
    compounds = tuple(
        analysis.analyse(name, own) for name, own in _by_compound(wells).items() if own
    )
    compounds = tuple(_possible(result, wells, conditions) for result in compounds)
    qc = (*control_metrics(view, limits), *curve_metrics(view, compounds, limits))
    qc = judged((*qc, _equilibrium_metric(equilibrium)), limits)
    state = worst(tuple(metric.state for metric in qc))
    if state == "fail":
        compounds = tuple(_withdrawn(result, qc) for result in compounds)
    return PlateResult(state, qc, compounds, equilibrium, conditions)


def _view(wells: Sequence[WellCount], conditions: BindingConditions) -> PlateView:
    totals = tuple(w for w in wells if w.used and w.role == "total")
    nonspecific = tuple(w for w in wells if w.used and w.role == "nsb")
    for name, group in (("total", totals), ("nonspecific", nonspecific)):
        if len(group) < FEWEST_CONTROLS:
            message = (
                f"The plate has {len(group)} usable {name} binding wells; at least "
                f"{FEWEST_CONTROLS} are needed."
            )
            raise AnalysisError(message, Code.CONTROLS_FEW)
    high, low = (float(np.mean([w.gross_cpm for w in group])) for group in (totals, nonspecific))
    if high <= low:
        message = (
            f"Total binding ({high:.0f} cpm) does not exceed nonspecific binding ({low:.0f} cpm), "
            "so there is no window: check the plate's orientation and reagents."
        )
        raise AnalysisError(message, Code.NO_WINDOW)
    if high - conditions.background_cpm >= conditions.added_cpm:
        message = (
            f"Total binding ({high:.0f} cpm) exceeds the radioactivity added "
            f"({conditions.added_cpm:.0f} cpm): check concentration, specific activity, "
            "efficiency and volume."
        )
        raise AnalysisError(message, Code.COUNT_ABOVE_ADDED)
    if not any(w.used and w.role in {"test", "reference"} for w in wells):
        message = "The plate has no usable compound wells."
        raise AnalysisError(message, Code.POINTS_FEW)
    return PlateView(tuple(wells), totals, nonspecific, conditions)


def _fitter(conditions: BindingConditions, options: CompetitionOptions) -> CurveFitter:
    return CurveFitter(competition_setting(conditions), Weighting(options.weighting, cv=options.cv))


def _by_compound(wells: Sequence[WellCount]) -> dict[str, list[WellCount]]:
    """Wells per compound in plate order, excluded ones included."""
    groups: dict[str, list[WellCount]] = {}
    for well in wells:
        if well.compound is not None and well.role in {"test", "reference", "excluded"}:
            groups.setdefault(well.compound, []).append(well)
    return groups


def _equilibrium_metric(check: EquilibriumCheck) -> QcMetric:
    return QcMetric(
        name="equilibrium",
        value=check.fraction_of_plateau,
        limit=">= 97 % of plateau and >= 5 half-lives",
        state="pass" if check.state == "pass" else "flag",
        explanation=check.message,
    )


def _possible(
    result: CompoundResult, wells: Sequence[WellCount], conditions: BindingConditions
) -> CompoundResult:
    """No result of a compound with a well that shows more counts than were ever added."""
    most = conditions.background_cpm + ABOVE_ADDED * conditions.added_cpm
    above = [
        w.well for w in wells if w.used and w.compound == result.compound and w.gross_cpm > most
    ]
    if not above:
        return result
    sentence = (
        f"{', '.join(above[:6])} shows more counts than the radioactivity that was added: correct it "
        "or exclude it with a reason."
    )
    return _without_value(result, Flag("count_above_added", sentence))


def _withdrawn(result: CompoundResult, qc: tuple[QcMetric, ...]) -> CompoundResult:
    """No result from a failed plate; what was fitted stays visible."""
    failed = ", ".join(metric.name for metric in qc if metric.state == "fail")
    flag = Flag("plate_failed", f"The plate failed ({failed}), so no value is reported.")
    return _without_value(result, flag)


def _without_value(result: CompoundResult, flag: Flag) -> CompoundResult:
    return replace(
        result,
        value_molar=None,
        lower_molar=None,
        upper_molar=None,
        qualifier="~",
        status="no result",
        flags=(*result.flags, flag),
    )
