"""What the analysis of a competition plate hands out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from platectl.analysis.compare import NestedTest
from platectl.analysis.equilibrium import EquilibriumCheck
from platectl.analysis.hill_slope import OtherSlope
from platectl.analysis.limits import QcMetric, State
from platectl.analysis.plate import BindingConditions
from platectl.analysis.qualifiers import Flag, Qualifier
from platectl.analysis.report import FitReport

Quantity = Literal["Ki", "IC50"]


@dataclass(frozen=True, slots=True)
class LogInterval:
    """A confidence interval of a log10 molar value; open sides are infinite."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Hill:
    """Free Hill slope with its profile interval, and the F test against one site (-1)."""

    slope: float
    lower: float
    upper: float
    test: NestedTest | None


@dataclass(frozen=True, slots=True)
class KiEstimates:
    """The same curve turned into Ki in four ways, in molar; the exact fit is the result."""

    exact: float
    munson_rodbard: float
    goldstein_barrett: float
    cheng_prusoff: float


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """Standard deviations of log10 Ki by source."""

    fit: float
    preparation: float
    radioligand: float
    kd: float


@dataclass(frozen=True, slots=True)
class FittedPoint:
    """One well on the curve of a compound.

    `concentration_molar` is 0 for totals and infinite for nonspecific wells. `scaled_residual`
    is the residual over its standard deviation. `excluded` says why a point was not fitted.
    """

    well: str
    role: str
    concentration_molar: float
    gross_cpm: float
    fitted_cpm: float | None
    residual_cpm: float | None
    scaled_residual: float | None
    flags: tuple[str, ...] = ()
    excluded: str | None = None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The fitted curve and its confidence band at one concentration, gross cpm."""

    log10_molar: float
    cpm: float
    lower_cpm: float
    upper_cpm: float


@dataclass(frozen=True, slots=True)
class CompoundResult:
    """Result of one compound on one plate, with the conditions it holds for.

    Attributes:
        compound: Name.
        role: "test" or "reference".
        site: Binding site of the assay.
        quantity: What `value_molar` is.
        value_molar: The value, or the bound when the qualifier is ">" or "<"; None without one.
        lower_molar: Lower end of the combined 95 % interval (0 when open).
        upper_molar: Upper end (infinite when open).
        qualifier: "=", ">", "<", or "~" for a value not to be used.
        status: "ok", "bound", "not for use", "no result" or the status of a failed fit.
        flags: Remarks with plain sentences.
        log10_ki: The fitted value, also when it is not reported as a result.
        fit_interval: Profile interval of the fit alone.
        combined_interval: Widened by preparation and by the measured radioligand.
        interval_with_kd: Widened further by the uncertainty of Kd.
        errors: Standard deviations behind those intervals.
        ic50_molar: From the one-site fit, with its profile interval.
        hill: Free slope and test.
        other_slope: When the interval of the slope excludes that of one site: the IC50 with the
            slope free, and two sites where it is shallow.
        ki: Ki by four routes.
        fits: Reports by name: "mass action", "one site", "four parameters", and others tried.
        points: All wells of the curve and the controls.
        curve: The fitted curve for plotting.
        outliers: Wells far off the curve; they are in the fit.
        ki_without_outliers_molar: What the fit gives without them; None if there are none.
        series: Number of independent dilution series.
        conditions: Conditions of the plate.
    """

    compound: str
    role: str
    site: str
    quantity: Quantity
    value_molar: float | None
    lower_molar: float | None
    upper_molar: float | None
    qualifier: Qualifier
    status: str
    flags: tuple[Flag, ...]
    conditions: BindingConditions
    log10_ki: float | None = None
    fit_interval: LogInterval | None = None
    combined_interval: LogInterval | None = None
    interval_with_kd: LogInterval | None = None
    errors: ErrorBudget | None = None
    ic50_molar: float | None = None
    ic50_lower_molar: float | None = None
    ic50_upper_molar: float | None = None
    hill: Hill | None = None
    other_slope: OtherSlope | None = None
    ki: KiEstimates | None = None
    fits: Mapping[str, FitReport] = field(default_factory=dict)
    points: tuple[FittedPoint, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    outliers: tuple[str, ...] = ()
    ki_without_outliers_molar: float | None = None
    series: int = 0
    own_top_cpm: float | None = None
    own_bottom_cpm: float | None = None


@dataclass(frozen=True, slots=True)
class PlateResult:
    """Everything about one competition plate."""

    state: State
    qc: tuple[QcMetric, ...]
    compounds: tuple[CompoundResult, ...]
    equilibrium: EquilibriumCheck
    conditions: BindingConditions

    def compound(self, name: str) -> CompoundResult:
        """Result of one compound by name; KeyError if it is not on the plate."""
        for result in self.compounds:
            if result.compound == name:
                return result
        raise KeyError(name)
