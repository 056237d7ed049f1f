"""When a curve gives a number, a bound, or nothing: the qualifier rules in their order.

Responses are in percent of control (mean of totals 100, mean of nonspecific binding 0). What the
rules compare with is data: `platectl.domain.result_rules.QualifierRules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from platectl.analysis.model import FloatArray
from platectl.domain.result_rules import HillRange, Incomplete, Margin, QualifierRules

Qualifier = Literal["=", ">", "<", "~"]
RULES = QualifierRules()


@dataclass(frozen=True, slots=True)
class Flag:
    """A named remark with one plain sentence."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Levels:
    """Means per concentration, lowest concentration first.

    Attributes:
        molar: Distinct concentrations, shape (levels,).
        percent: Mean response in percent of control, shape (levels,).
        sd_percent: Standard deviation of a well at full response, in percent.
    """

    molar: FloatArray
    percent: FloatArray
    sd_percent: float


@dataclass(frozen=True, slots=True)
class Screening:
    """What the means alone decide (rules 1 to 4).

    Attributes:
        qualifier: ">" or "<" when no half response lies within the range; else None.
        enough: False when there are too few concentrations, or no dependence on them, for any result.
        hook_above_molar: Concentrations above this one are masked; None without a hook.
        flags: Remarks.
    """

    qualifier: Literal[">", "<"] | None = None
    enough: bool = True
    hook_above_molar: float | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class CurveEvidence:
    """What the fits say (rules 5 to 9); logs are log10 molar, plateaus percent of control."""

    log_ic50: float
    log_lower: float
    log_upper: float
    bottom_percent: float
    bottom_lower_percent: float
    hill: float
    hill_lower: float
    hill_upper: float
    usable: bool = True


def screen(levels: Levels, rules: QualifierRules = RULES) -> Screening:
    """Apply rules 1 to 4."""
    fewest, half = rules.too_few_concentrations.fewest, rules.out_of_range.percent
    if levels.molar.size < fewest:
        sentence = f"Only {levels.molar.size} concentrations were measured; a curve needs {fewest}."
        return Screening(enough=False, flags=(Flag("too_few_concentrations", sentence),))
    if flat := _flat(levels, rules):
        return Screening(enough=False, flags=(flat,))
    if levels.percent[-1] > half:
        return Screening(">", flags=_inactive(levels, rules.inactive, half))
    if levels.percent[0] < half:
        return Screening("<")
    hook = _hook(levels, rules.hook) if rules.hook.apply else None
    if hook is None:
        return Screening()
    sentence = f"Binding rises again above {hook:.2e} M; the points above it are not fitted."
    return Screening(hook_above_molar=hook, flags=(Flag("hook", sentence),))


def _flat(levels: Levels, rules: QualifierRules) -> Flag | None:
    """The same response at all concentrations, far from both controls: neither side is a bound."""
    low, high = float(levels.percent.min()), float(levels.percent.max())
    away = rules.inactive.points
    same = rules.flat.apply and high - low <= _margin(levels, rules.flat)
    if not (same and low > away and high < 100.0 - away):
        return None
    sentence = (
        f"The response is {low:.0f} to {high:.0f} % of control at all concentrations and does not depend "
        "on them: there is no potency, nor a bound of one."
    )
    return Flag("flat", sentence)


def _margin(levels: Levels, rule: Margin) -> float:
    return max(rule.points, rule.sds * levels.sd_percent)


def _inactive(levels: Levels, rule: Margin, half: float) -> tuple[Flag, ...]:
    margin = _margin(levels, rule)
    if rule.apply and bool((np.abs(levels.percent - 100.0) <= margin).all()):
        sentence = f"No concentration changed binding by more than {margin:.0f} points."
        return (Flag("inactive", sentence),)
    if levels.percent.min() < half:
        sentence = "Binding falls below one half and rises again: the curve is not monotonic."
        return (Flag("not_monotonic", sentence),)
    return ()


def _hook(levels: Levels, rule: Margin) -> float | None:
    """Concentration of the minimum if the last two means both exceed it by the margin."""
    lowest = int(levels.percent.argmin())
    rise = levels.percent[-2:] - levels.percent[lowest]
    if lowest < levels.molar.size - 2 and rise.min() > _margin(levels, rule):
        return float(levels.molar[lowest])
    return None


def partial_inhibition(
    evidence: CurveEvidence, levels: Levels, rules: QualifierRules = RULES
) -> bool:
    """Rule 5: a bottom of its own for certain, seen by points on the plateau."""
    rule, bend = rules.partial, float(np.log10(rules.incomplete.bend_fold))
    on_plateau = int((np.log10(levels.molar) > evidence.log_ic50 + bend).sum())
    return (
        rule.apply
        and evidence.bottom_percent > rule.bottom_percent
        and evidence.bottom_lower_percent > rule.bottom_percent
        and on_plateau >= rule.on_plateau
    )


def grade(
    evidence: CurveEvidence, levels: Levels, rules: QualifierRules = RULES
) -> tuple[Qualifier, tuple[Flag, ...]]:
    """Apply rules 5 to 9; all that hold are flagged, "~" wins over "="."""
    flags: list[Flag] = []
    if partial_inhibition(evidence, levels, rules):
        sentence = (
            f"The curve levels off at {evidence.bottom_percent:.0f} % of control: the value is "
            "relative to its own plateau."
        )
        flags.append(Flag("partial", sentence))
    flags.extend(_incomplete(evidence, levels, rules.incomplete))
    flags.extend(_hill(evidence, rules.hill_out_of_range))
    width = evidence.log_upper - evidence.log_lower
    widest = rules.not_for_use.log_units
    if not evidence.usable or not width <= widest:
        sentence = (
            f"The interval of log IC50 is wider than {widest:g} log units or open: not for use."
        )
        return "~", (*flags, Flag("not_for_use", sentence))
    if rules.imprecise.apply and width > rules.imprecise.log_units:
        flags.append(Flag("imprecise", f"The interval of log IC50 is {width:.1f} log units wide."))
    return "=", tuple(flags)


def _incomplete(evidence: CurveEvidence, levels: Levels, rule: Incomplete) -> tuple[Flag, ...]:
    """Rule 6; the missing plateau is that of the control wells, which are points of the fit."""
    bend = float(np.log10(rule.bend_fold))
    if not rule.apply:
        return ()
    if evidence.log_ic50 + bend > np.log10(levels.molar[-1]):
        side = "highest concentration lies before the lower"
    elif evidence.log_ic50 - bend < np.log10(levels.molar[0]):
        side = "lowest concentration lies beyond the upper"
    else:
        return ()
    sentence = f"The {side} bend of the curve; that plateau comes from the control wells."
    return (Flag("incomplete", sentence),)


def _hill(evidence: CurveEvidence, rule: HillRange) -> tuple[Flag, ...]:
    excludes = not evidence.hill_lower <= rule.one_site <= evidence.hill_upper
    if not rule.apply or not excludes or rule.low <= abs(evidence.hill) <= rule.high:
        return ()
    sentence = (
        f"The Hill slope is {evidence.hill:.2f} ({evidence.hill_lower:.2f} to "
        f"{evidence.hill_upper:.2f}), not that of one site."
    )
    return (Flag("hill_out_of_range", sentence),)
