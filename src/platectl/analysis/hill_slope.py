"""What a competition curve says whose Hill slope is not that of one site: shallow or steep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from platectl.analysis.compare import (
    AiccComparison,
    NestedTest,
    compare_aicc,
    extra_sum_of_squares,
)
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, ParameterEstimate, Status
from platectl.analysis.profile import Interval, profile_interval
from platectl.analysis.qualifiers import Flag
from platectl.domain.result_rules import HillRange
from platectl.domain.units import format_molar

SIGNIFICANT = 0.05
_FURTHEST = 30.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class TwoSites:
    """Two sites of slope -1 against one, fitted to the same points with the same weights.

    Attributes:
        log_ic50_high: Log10 molar of the site with the lower IC50; Wald interval, as all here.
        log_ic50_low: Of the other site.
        fraction_high: Share of the displaced binding that is at the first site, 0 to 1.
        test: F test against one site; None where two sites fit no better at all.
        aicc: One site minus two sites; above zero speaks for two.
        status: Status of the fit.
    """

    log_ic50_high: Estimate
    log_ic50_low: Estimate
    fraction_high: Estimate
    test: NestedTest | None
    aicc: AiccComparison
    status: Status

    @property
    def preferred(self) -> bool:
        """Whether F test and AICc both speak for two sites that these points determine."""
        known = self.status == "converged" and 0.0 < self.fraction_high.value < 1.0
        better = self.test is not None and self.test.p < SIGNIFICANT
        return known and better and self.aicc.difference > 0.0


@dataclass(frozen=True, slots=True)
class OtherSlope:
    """A Hill slope whose 95 % interval excludes that of one site.

    Attributes:
        side: "shallow" or "steep".
        log_ic50: Log10 molar with the slope free, profile interval.
        two_sites: For a shallow curve; None for a steep one, or where they cannot be fitted.
    """

    side: Literal["shallow", "steep"]
    log_ic50: Interval
    two_sites: TwoSites | None


def side_of(slope: Interval, rule: HillRange) -> Literal["shallow", "steep"] | None:
    """On which side of one site the whole interval lies; None when it holds it, or without the rule."""
    if not rule.apply:
        return None
    if slope.lower > rule.one_site:
        return "shallow"
    return "steep" if slope.upper < rule.one_site else None


def other_slope(
    side: Literal["shallow", "steep"], four: Fit, one_site: Fit, two_sites: Fit | None
) -> OtherSlope:
    """Put together what the fits say; `one_site` and `two_sites` have the weights of `four`.

    Raises:
        AnalysisError: Fits of different points or weights.
    """
    tried = None if two_sites is None else _two_sites(one_site, two_sites)
    return OtherSlope(side, profile_interval(four, "LogIC50"), tried)


def _two_sites(one: Fit, two: Fit) -> TwoSites:
    first, second, share = (two[n] for n in ("LogIC50Hi", "LogIC50Lo", "FractionHi"))
    fraction = _estimate(share)
    if first.value > second.value:
        first, second = second, first
        fraction = Estimate(1.0 - fraction.value, 1.0 - fraction.upper, 1.0 - fraction.lower)
    try:
        test = extra_sum_of_squares(one, two)
    except AnalysisError:
        test = None
    return TwoSites(
        _estimate(first), _estimate(second), fraction, test, compare_aicc(one, two), two.status
    )


def _estimate(parameter: ParameterEstimate) -> Estimate:
    return Estimate(parameter.value, parameter.wald_lower, parameter.wald_upper)


def slope_flag(found: OtherSlope, slope: Interval, ic50: Interval) -> Flag:
    """The remark: what the slope means for Ki and IC50, with the IC50 of the free slope beside it."""
    hill = f"The Hill slope is {slope.value:.2f} ({slope.lower:.2f} to {slope.upper:.2f})"
    free = _molar(found.log_ic50.value)
    held = _molar(ic50.value)
    if found.side == "steep":
        sentence = (
            f"{hill}, steeper than that of one site: the IC50 of the fit with slope -1 ({held}) is biased; "
            f"with the slope free it is {free}."
        )
        return Flag("steep", sentence)
    sentence = (
        f"{hill}, shallower than that of one site: a single Ki has no clear meaning for this curve. "
        f"IC50 is {free} with the slope free, {held} with slope -1. {_said(found.two_sites)}"
    )
    return Flag("shallow", sentence)


def _said(two: TwoSites | None) -> str:
    if two is None:
        return "Two sites cannot be fitted to these points."
    p = "" if two.test is None else f" (F test p = {two.test.p:.2g})"
    if not two.preferred:
        return f"Two sites do not explain it better than one{p}, or are not determined by these points."
    high, low = (_molar(e.value) for e in (two.log_ic50_high, two.log_ic50_low))
    share = 100.0 * two.fraction_high.value
    return (
        f"Two sites fit better than one{p}: IC50 {high} for {share:.0f} % and {low} for the rest."
    )


def _molar(log10_molar: float) -> str:
    return format_molar(10.0**log10_molar) if abs(log10_molar) < _FURTHEST else "not known"
