"""Turn the wells of one compound into its result: rules, fits, intervals, points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from platectl.analysis.binding_models import without_competitor
from platectl.analysis.compare import extra_sum_of_squares
from platectl.analysis.compound import (
    CompoundFits,
    CurveData,
    CurveFitter,
    curve_data,
    dose_levels,
    in_percent,
)
from platectl.analysis.compound_display import curve_points, fitted_points
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit
from platectl.analysis.hill_slope import OtherSlope, other_slope, side_of, slope_flag
from platectl.analysis.ki import cheng_prusoff, goldstein_barrett, munson_rodbard
from platectl.analysis.ki_interval import KiIntervals, ki_intervals
from platectl.analysis.outliers import rout_outliers
from platectl.analysis.plate import BindingConditions, WellCount
from platectl.analysis.preparation import PreparationErrors
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.qualifiers import (
    CurveEvidence,
    Flag,
    Levels,
    Screening,
    grade,
    partial_inhibition,
    screen,
)
from platectl.analysis.report import FitReport, report
from platectl.analysis.results import CompoundResult, Hill, KiEstimates
from platectl.domain.result_rules import QualifierRules

SUSPICION = 2.5


@dataclass(frozen=True, slots=True)
class CompoundAnalysis:
    """Analyses the compounds of one plate against its control wells."""

    fitter: CurveFitter
    totals: tuple[WellCount, ...]
    nonspecific: tuple[WellCount, ...]
    conditions: BindingConditions
    preparation: PreparationErrors
    rules: QualifierRules

    def analyse(self, compound: str, wells: Sequence[WellCount]) -> CompoundResult:
        """Result of one compound from its wells, excluded ones included."""
        used = [w for w in wells if w.used]
        role = used[0].role if used else "excluded"
        empty = self._empty(compound, role, wells)
        if not used:
            flag = Flag("no_wells", f"All wells of {compound} are excluded.")
            return replace(empty, flags=(flag,), points=fitted_points(None, None, wells))
        data = curve_data(used, self.totals, self.nonspecific)
        levels = self._levels(data)
        screening = screen(levels, self.rules)
        if not screening.enough:
            return replace(empty, flags=screening.flags, points=fitted_points(data, None, wells))
        try:
            if screening.qualifier is not None:
                return self._bound(empty, data, screening, wells)
            return self._curve(empty, data, levels, screening, wells)
        except AnalysisError as error:
            flags = (*screening.flags, Flag("fit_failed", str(error)))
            return replace(empty, flags=flags, points=fitted_points(data, None, wells))

    def _empty(self, compound: str, role: str, wells: Sequence[WellCount]) -> CompoundResult:
        return CompoundResult(
            compound=compound,
            role=role,
            site=self.conditions.site,
            quantity="Ki",
            value_molar=None,
            lower_molar=None,
            upper_molar=None,
            qualifier="~",
            status="no result",
            flags=(),
            conditions=self.conditions,
            series=len({w.series for w in wells if w.used}),
        )

    def _levels(self, data: CurveData) -> Levels:
        high, low = self._control_means()
        molar, cpm = dose_levels(data)
        totals = np.array([w.gross_cpm for w in self.totals])
        sd = 100.0 * float(totals.std(ddof=1)) / (high - low)
        return Levels(molar, 100.0 * (cpm - low) / (high - low), sd)

    def _control_means(self) -> tuple[float, float]:
        high, low = (
            float(np.mean([w.gross_cpm for w in group]))
            for group in (self.totals, self.nonspecific)
        )
        return high, low

    def _bound(
        self,
        empty: CompoundResult,
        data: CurveData,
        screening: Screening,
        wells: Sequence[WellCount],
    ) -> CompoundResult:
        """Rules 2 and 3: Ki of a compound whose IC50 would be the last dose of the range."""
        molar, _ = dose_levels(data)
        above = screening.qualifier == ">"
        ic50 = float(molar[-1] if above else molar[0])
        ki = self._ki_of_ic50(ic50, above=above)
        words = ("left at the highest", ">") if above else ("already gone at the lowest", "<")
        sentence = (
            f"Half of the specific binding is {words[0]} concentration: IC50 {words[1]} "
            f"{ic50:.3g} M, so Ki {words[1]} {ki:.3g} M."
        )
        assert screening.qualifier is not None  # noqa: S101 the caller's condition
        return replace(
            empty,
            value_molar=ki,
            lower_molar=ki if above else 0.0,
            upper_molar=math.inf if above else ki,
            qualifier=screening.qualifier,
            status="bound",
            flags=(Flag("out_of_range", sentence), *screening.flags),
            points=fitted_points(data, None, wells),
        )

    def _ki_of_ic50(self, ic50_molar: float, *, above: bool) -> float:
        """Munson-Rodbard with the binding of the control wells.

        Where depletion alone explains so low an IC50, that is not positive; Cheng-Prusoff, never
        smaller, then gives an upper bound that still holds.
        """
        high, low = self._control_means()
        setting = self.fitter.setting
        added = setting.added_cpm
        net_high, net_low = high - setting.background_cpm, low - setting.background_cpm
        y0 = net_high / (added - net_high) - net_low / (added - net_low)
        known = {"radioligand_molar": setting.radioligand_molar, "kd_molar": setting.kd_molar}
        exact = munson_rodbard(ic50_molar, **known, bound_over_free=y0) / setting.masking_factor
        if above and exact <= 0.0:
            message = "Depletion alone explains any IC50 in this range, so Ki has no lower bound."
            raise AnalysisError(message)
        return exact if exact > 0.0 else cheng_prusoff(ic50_molar, **known) / setting.masking_factor

    def _curve(
        self,
        empty: CompoundResult,
        data: CurveData,
        levels: Levels,
        screening: Screening,
        wells: Sequence[WellCount],
    ) -> CompoundResult:
        masked: dict[str, str] = {}
        if screening.hook_above_molar is not None:
            keep = ~data.own | (data.molar <= screening.hook_above_molar * (1.0 + 1e-6))
            kept = zip(data.wells, keep, strict=True)
            masked = {w.well: "hook: binding rises again" for w, ok in kept if not ok}
            data = data.subset(keep)
        data, fits, evidence, dropped = self._fits(data, levels)
        masked |= dropped
        shown = (*wells, *self.nonspecific) if dropped else wells
        qualifier, flags = grade(evidence.curve, levels, self.rules)
        if evidence.other is not None:
            flags = (*flags, slope_flag(evidence.other, evidence.slope, evidence.ic50))
        assert fits.exact is not None  # noqa: S101 _fits gives it or raises
        intervals = ki_intervals(fits.exact, data, self.conditions, self.preparation)
        result = replace(
            empty,
            qualifier=qualifier,
            status="not for use" if qualifier == "~" else _status(fits.exact),
            flags=(*screening.flags, *flags),
            hill=evidence.hill,
            other_slope=evidence.other,
            ic50_molar=10.0**evidence.ic50.value,
            ic50_lower_molar=10.0**evidence.ic50.lower,
            ic50_upper_molar=10.0**evidence.ic50.upper,
            fits=_reports(fits, intervals.profile, evidence),
            ki=self._four_ways(fits),
            curve=curve_points(fits.exact, data),
            own_top_cpm=None if fits.plateaus is None else fits.plateaus["Top"].value,
            own_bottom_cpm=None if fits.plateaus is None else fits.plateaus["Bottom"].value,
        )
        result = self._outliers(_with_intervals(result, intervals), data, fits)
        return replace(
            result, points=fitted_points(data, fits.exact, shown, masked, result.outliers)
        )

    def _fits(
        self, data: CurveData, levels: Levels
    ) -> tuple[CurveData, CompoundFits, _Evidence, dict[str, str]]:
        """Fit with controls; for partial inhibition once more without the nonspecific wells."""
        plateaus = self.fitter.own_plateaus(data)
        one_site = self.fitter.one_site(data)
        dropped: dict[str, str] = {}
        bottom = self._bottom_percent(plateaus)
        own = None if plateaus is None else _plateau_evidence(plateaus, bottom)
        if own is not None and partial_inhibition(own, levels, self.rules):
            keep = ~np.isinf(data.molar)
            reason = "partial inhibition: the curve has a bottom of its own"
            dropped = {w.well: reason for w in self.nonspecific}
            data = data.subset(keep)
            one_site = self.fitter.one_site(data)
        exact = self.fitter.exact(data, one_site)
        four, same = self.fitter.four(data, one_site)
        fits = CompoundFits(one_site, plateaus, exact, four, same)
        evidence = _evidence(fits, bottom)
        side = side_of(evidence.slope, self.rules.hill_out_of_range)
        if side is not None:
            two = self.fitter.two_sites(data, four) if side == "shallow" else None
            fits = replace(fits, two_sites=two)
            evidence = replace(evidence, other=other_slope(side, four, same, two))
        return data, fits, evidence, dropped

    def _bottom_percent(self, plateaus: Fit | None) -> tuple[float, float]:
        """Bottom of the compound's own curve and its lower Wald limit, percent of control."""
        if plateaus is None:
            return 0.0, 0.0
        high, low = self._control_means()
        bottom = plateaus["Bottom"]
        return in_percent(bottom.value, high, low), in_percent(bottom.wald_lower, high, low)

    def _four_ways(self, fits: CompoundFits) -> KiEstimates:
        assert fits.exact is not None  # noqa: S101
        setting = self.fitter.setting
        zero = without_competitor(setting, fits.exact.free_values)
        ic50 = 10.0 ** fits.one_site["LogIC50"].value
        known = {"radioligand_molar": setting.radioligand_molar, "kd_molar": setting.kd_molar}
        goldstein = goldstein_barrett(
            ic50,
            free_zero_molar=zero.free_zero_molar,
            free_half_molar=zero.free_half_molar,
            kd_molar=setting.kd_molar,
        )
        munson = munson_rodbard(ic50, **known, bound_over_free=zero.bound_over_free)
        return KiEstimates(
            exact=10.0 ** fits.exact["LogKi"].value,
            munson_rodbard=munson / setting.masking_factor,
            goldstein_barrett=goldstein / setting.masking_factor,
            cheng_prusoff=cheng_prusoff(ic50, **known) / setting.masking_factor,
        )

    def _outliers(
        self, result: CompoundResult, data: CurveData, fits: CompoundFits
    ) -> CompoundResult:
        """Flag outliers and refit without them, when any residual is suspicious at all."""
        exact = fits.exact
        assert exact is not None  # noqa: S101
        scaled = np.abs(np.sqrt(exact.weights) * exact.residuals)
        if scaled.max() <= SUSPICION * 1.4826 * float(np.median(scaled)):
            return result
        rule = self.rules.outlier
        found = rout_outliers(exact, rule.q)
        if not found:
            return result
        names = tuple(data.wells[i].well for i in found)
        keep = ~np.isin(np.arange(data.cpm.size), found)
        rest = data.subset(keep)
        try:
            again = self.fitter.exact(rest, fits.one_site)
            without = 10.0 ** again["LogKi"].value
        except AnalysisError:
            without = None
        change = "could not be fitted" if without is None else f"Ki would be {without:.3g} M"
        sentence = f"{', '.join(names)} lie far off the curve; without them {change}."
        flags = [Flag("outlier", sentence)]
        if len(names) > rule.most or 100.0 * len(names) > rule.most_percent * data.cpm.size:
            flags.append(Flag("many_outliers", f"{len(names)} outliers take a person to look at."))
        return replace(
            result,
            outliers=names,
            ki_without_outliers_molar=without,
            flags=(*result.flags, *flags),
        )


@dataclass(frozen=True, slots=True)
class _Evidence:
    curve: CurveEvidence
    ic50: Interval
    slope: Interval
    hill: Hill
    other: OtherSlope | None = None


def _plateau_evidence(plateaus: Fit, bottom: tuple[float, float]) -> CurveEvidence:
    log_ic50 = plateaus["LogIC50"].value
    return CurveEvidence(log_ic50, log_ic50, log_ic50, *bottom, -1.0, -1.0, -1.0)


def _evidence(fits: CompoundFits, bottom: tuple[float, float]) -> _Evidence:
    assert fits.exact is not None  # noqa: S101
    assert fits.four is not None  # noqa: S101
    assert fits.one_site_same_weights is not None  # noqa: S101
    ic50 = profile_interval(fits.one_site, "LogIC50")
    slope = profile_interval(fits.four, "HillSlope")
    try:
        test = extra_sum_of_squares(fits.one_site_same_weights, fits.four)
    except AnalysisError:
        test = None
    curve = CurveEvidence(
        ic50.value,
        ic50.lower,
        ic50.upper,
        *bottom,
        slope.value,
        slope.lower,
        slope.upper,
        usable=fits.one_site.status == fits.exact.status == "converged",
    )
    return _Evidence(curve, ic50, slope, Hill(slope.value, slope.lower, slope.upper, test))


def _status(fitted: Fit) -> str:
    return "ok" if fitted.status == "converged" else fitted.status


def _with_intervals(result: CompoundResult, found: KiIntervals) -> CompoundResult:
    return replace(
        result,
        value_molar=10.0**found.log10_ki,
        lower_molar=10.0**found.combined.lower,
        upper_molar=10.0**found.combined.upper,
        log10_ki=found.log10_ki,
        fit_interval=found.fit,
        combined_interval=found.combined,
        interval_with_kd=found.with_kd,
        errors=found.errors,
    )


def _reports(fits: CompoundFits, log_ki: Interval, evidence: _Evidence) -> dict[str, FitReport]:
    profiles = {
        "mass action": (log_ki,),
        "one site": (evidence.ic50,),
        "four parameters": (evidence.slope,),
    }
    named = {
        "mass action": fits.exact,
        "one site": fits.one_site,
        "four parameters": fits.four,
        "two sites": fits.two_sites,
        "own plateaus": fits.plateaus,
    }
    return {
        name: report(fitted, profiles=profiles.get(name, ()))
        for name, fitted in named.items()
        if fitted
    }
