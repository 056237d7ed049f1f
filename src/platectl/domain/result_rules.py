"""Rules of results as data: when a curve gives a number, and what plates and studies must keep."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from platectl.domain.doc import Doc

Share = Annotated[float, Field(ge=0, le=10)]
Positive = Annotated[float, Field(gt=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Verdict = Literal["fail", "flag", "note"]
BindingMetric = Literal[
    "z_prime", "robust_z_prime", "signal_to_background", "specific_binding", "signal_window", "ssmd",
    "cv_total", "cv_nsb", "totals_left_right", "totals_top_bottom", "bound_of_added",
    "added_radioligand", "age_spread", "background_level_wells", "excluded_wells", "reference_ki",
    "reference_hill", "top_vs_control", "bottom_vs_control", "rise_at_top", "equilibrium",
    "range_over_kd", "lowest_over_kd", "kd_interval", "kd_kinetic_over_saturation", "incubation", "fit",
    "net_total", "net_nonspecific", "scatter_of_counting",
]  # fmt: skip
CalciumMetric = Literal[
    "z_prime", "ssmd", "vehicle_response", "positive_cv", "loading", "loading_cv", "leak", "bleaching",
    "autofluorescence", "excluded_wells", "calibration", "temperature", "dead_time", "stimulus",
]  # fmt: skip


class TooFew(Doc):
    """Below so many concentrations there is no result."""

    fewest: int = Field(default=5, ge=4, le=24)


class OutOfRange(Doc):
    """A mean above this at the top (`>`), or below it at the lowest concentration (`<`)."""

    percent: float = Field(default=50.0, gt=0, lt=100)


class Margin(Doc):
    """What counts as a change: more than `points` percent of control, and more than `sds` SD."""

    apply: bool = True
    points: Percent = 20.0
    sds: float = Field(default=3.0, ge=0, le=10)


class Partial(Doc):
    """A bottom above this for certain, with so many concentrations beyond the lower bend."""

    apply: bool = True
    bottom_percent: Percent = 20.0
    on_plateau: int = Field(default=2, ge=1, le=10)


class Incomplete(Doc):
    """A bend of the curve, at the IC50 times or over this, outside of the concentrations."""

    apply: bool = True
    bend_fold: float = Field(default=4.68, gt=1, le=100)


class HillRange(Doc):
    """A slope whose interval excludes `one_site` and whose size lies outside of `low` to `high`."""

    apply: bool = True
    one_site: float = Field(default=-1.0, lt=0)
    low: Positive = 0.5
    high: Positive = 2.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class Width(Doc):
    """An interval wider than this many log units."""

    apply: bool = True
    log_units: Positive = 1.0


class Useless(Doc):
    """An interval wider than this many log units, or open, is not for use."""

    log_units: Positive = 2.0


class Outliers(Doc):
    """ROUT's false discovery rate, and how many points of a compound take a person to look at."""

    q: float = Field(default=0.01, gt=0, le=0.2)
    most: int = Field(default=2, ge=0, le=20)
    most_percent: Percent = 10.0


class QualifierRules(Doc):
    """When a displacement curve gives a number, a bound or nothing; applied in this order.

    Responses are percent of control. Each rule is named after the flag that it raises.
    """

    too_few_concentrations: TooFew = TooFew()
    flat: Margin = Margin(points=10.0)
    out_of_range: OutOfRange = OutOfRange()
    inactive: Margin = Margin()
    hook: Margin = Margin()
    partial: Partial = Partial()
    incomplete: Incomplete = Incomplete()
    hill_out_of_range: HillRange = HillRange()
    imprecise: Width = Width()
    not_for_use: Useless = Useless()
    outlier: Outliers = Outliers()

    @model_validator(mode="after")
    def _imprecise_is_less(self) -> Self:
        if self.imprecise.log_units > self.not_for_use.log_units:
            raise ValueError("imprecise cannot be wider than not_for_use")
        return self


class NoResponse(Doc):
    """No response: doses and controls differ with a greater p, or by less than `sds` SD."""

    p: float = Field(default=0.01, gt=0, lt=1)
    sds: float = Field(default=3.0, ge=0, le=10)


class Bell(Doc):
    """A bell is taken when its AICc is lower by more than this."""

    aicc_margin: float = Field(default=4.0, ge=0, le=100)


class ResponseRules(Doc):
    """When a calcium response gives a number, a bound or nothing."""

    too_few_points: TooFew = TooFew()
    no_response: NoResponse = NoResponse()
    bell: Bell = Bell()
    imprecise: Width = Width()
    undetermined: Useless = Useless()


class ReferenceWindow(Doc):
    """Ki window of a reference compound, in molar."""

    lower_molar: Positive
    upper_molar: Positive

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lower_molar >= self.upper_molar:
            raise ValueError("lower_molar must be below upper_molar")
        return self


class _TwoBounds(Doc):
    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("z_prime", "ssmd"):
            best, worst = getattr(self, f"{name}_pass", 0.0), getattr(self, f"{name}_fail", 0.0)
            if worst > best:
                raise ValueError(f"{name}_fail cannot be above {name}_pass")
        return self


class QcLimits(_TwoBounds):
    """Limits of a binding plate.

    Start values: Z', specific binding, Zone A and signal window after the Assay Guidance Manual;
    the others are recommendations to be replaced by the lab's own history.
    """

    z_prime_pass: float = Field(default=0.5, le=1, description="Z' from here passes")
    z_prime_fail: float = Field(default=0.4, le=1, description="Z' below here fails the plate")
    signal_to_background: float = Field(default=4.0, ge=0, description="least totals over NSB")
    specific_binding: Share = Field(default=0.80, description="least specific share of totals")
    bound_of_added: Share = Field(default=0.10, description="most bound over added")
    cv_total: Share = Field(default=0.08, description="highest CV of totals")
    cv_nsb: Share = Field(default=0.20, description="highest CV of NSB")
    poisson_allowance: float = Field(
        default=1.5, ge=0, description="a CV up to this multiple of the Poisson CV will do"
    )
    signal_window: float = Field(default=2.0, description="least signal window")
    ssmd: float = Field(default=3.0, description="least strictly standardised mean difference")
    reference_windows: dict[str, ReferenceWindow] = Field(
        default={"haloperidol": ReferenceWindow(lower_molar=0.8e-9, upper_molar=5e-9)},
        description="Ki window of each reference compound",
    )
    reference_hill: tuple[float, float] = Field(
        default=(-1.3, -0.7), description="lowest and highest Hill slope of the reference"
    )
    plateau_difference: Share = Field(
        default=0.10, description="most difference of controls and plateaus, share of the window"
    )
    gradient: Share = Field(default=0.10, description="most difference of totals across the plate")
    radioligand_tolerance: Share = Field(
        default=0.15, description="most relative deviation of measured from nominal radioligand"
    )
    age_spread_min: float = Field(default=5.0, ge=0, description="most difference in age, min")
    dead_group: int = Field(default=3, ge=1, description="wells at background that fail a plate")
    dead_margin: Share = Field(
        default=0.35, description="background level ends at this share of NSB above background"
    )
    rise_sds: float = Field(
        default=3.0, gt=0, description="most rise of the last two concentrations, SD"
    )
    verdicts: dict[BindingMetric, Verdict] = Field(
        default={}, description="metric -> what it does when its limit is broken, if not as usual"
    )


class CalciumLimits(_TwoBounds):
    """Limits of a calcium plate; a lab replaces them by its own."""

    z_prime_pass: float = Field(default=0.4, le=1)
    z_prime_fail: float = Field(default=0.2, le=1)
    ssmd_pass: float = 2.0
    ssmd_fail: float = 1.0
    low_of_high: Share = Field(default=0.10, description="most vehicle over positive control")
    high_cv: Share = Field(default=0.20, description="highest CV of the positive control")
    loading_over_background: float = Field(default=10.0, ge=0)
    loading_cv: Share = 0.20
    leak_per_min: Share = 0.005
    bleaching: Share = 0.10
    temperature_low_c: float = 36.0
    temperature_high_c: float = 37.5
    glow: float = Field(
        default=1.3, ge=1, description="jump in both channels that a compound makes"
    )
    stimulus_low: Share = 0.12
    stimulus_high: Share = 0.30
    verdicts: dict[CalciumMetric, Verdict] = Field(
        default={}, description="metric -> what it does when its limit is broken, if not as usual"
    )


class ReplicateLimits(Doc):
    """What two runs must keep; the Assay Guidance Manual asks for 20 to 30 compounds."""

    msr: float = Field(default=3.0, gt=1, description="highest minimum significant ratio")
    agreement: float = Field(
        default=3.0, gt=1, description="limits of agreement within 1/agreement to agreement"
    )
    difference: float = Field(
        default=20.0, gt=0, description="highest minimum significant difference, percent"
    )
    compounds: int = Field(default=20, ge=3, description="with fewer the study is flagged")


class UniformityLimits(Doc):
    """What plates of a uniformity study must keep.

    Z' and signal window are those of the Assay Guidance Manual; the others are customary and to be
    replaced by the lab's own.
    """

    z_prime: float = Field(default=0.4, le=1, description="least Z'")
    signal_window: float = Field(default=2.0, description="least signal window")
    cv: Share = Field(
        default=0.20, description="highest CV of Max; a Min may have it whose SD is below Max's"
    )
    mid_sd_percent: float = Field(default=20.0, gt=0, description="highest SD of Mid, percent")
    trend: Share = Field(
        default=0.20, description="a drift or edge effect beyond this, told from nothing, fails"
    )
    trend_flag: Share = Field(
        default=0.05, description="beyond this one that can be told from nothing is flagged"
    )
    between_plates: Share = Field(
        default=0.25, description="highest CV of Max means over plates, and of Mid percent"
    )
    days: int = Field(default=2, ge=1, description="with fewer the study is flagged")


class Studies(Doc):
    """Limits of studies over runs."""

    replicate: ReplicateLimits = ReplicateLimits()
    uniformity: UniformityLimits = UniformityLimits()


class ResultRules(Doc):
    """All rules by which a lab judges curves, plates and studies.

    `name` and `version` are the lab's own; `digest` tells two sets of rules apart whatever they
    are called.
    """

    platectl: Literal[1]
    name: str = Field(default="platectl", min_length=1, max_length=60)
    version: str = Field(default="1", pattern=r"^[0-9A-Za-z.-]{1,20}$")
    qualifiers: QualifierRules = QualifierRules()
    responses: ResponseRules = ResponseRules()
    binding: QcLimits = QcLimits()
    calcium: CalciumLimits = CalciumLimits()
    studies: Studies = Studies()

    def digest(self) -> str:
        """SHA-256 over all values, hexadecimal; comments and order of the file do not count."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def title(self) -> str:
        """Name, version and the beginning of the digest, as people quote it."""
        return f"{self.name} {self.version} ({self.digest()[:12]})"


def binding_limits(base: QcLimits, values: dict[str, float], reference: str) -> QcLimits:
    """Limits of a binding plate with those that a protocol replaces.

    `reference_ki_low_molar` and `reference_ki_high_molar` are the window of the `reference`.

    Raises:
        ValueError: A name that is no limit, or a value that cannot be one.
    """
    changed: dict[str, Any] = dict(values)
    low, high = (changed.pop(f"reference_ki_{end}_molar", None) for end in ("low", "high"))
    if low is not None and high is not None:
        changed["reference_windows"] = {reference: {"lower_molar": low, "upper_molar": high}}
    return QcLimits.model_validate({**base.model_dump(), **changed})


def calcium_limits(base: CalciumLimits, values: dict[str, float]) -> CalciumLimits:
    """Limits of a calcium plate with those that a protocol replaces.

    Raises:
        ValueError: A name that is no limit, or a value that cannot be one.
    """
    return CalciumLimits.model_validate({**base.model_dump(), **values})
