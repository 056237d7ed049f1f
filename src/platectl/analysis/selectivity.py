"""How much more tightly a compound binds one site than another, or than another compound."""

from __future__ import annotations

import math
from dataclasses import dataclass

from platectl.analysis.errors import AnalysisError
from platectl.analysis.qualifiers import Qualifier
from platectl.analysis.results import CompoundResult, LogInterval, Quantity

_SIGN = {"=": 0, ">": 1, "<": -1}


@dataclass(frozen=True, slots=True)
class Selectivity:
    """value(b)/value(a): above one, `a` binds more tightly.

    Attributes:
        ratio: The ratio; with ">" or "<" a bound that holds with 95 % confidence; None with "~".
        lower: Lower end of the 95 % interval (0 when open), `upper` likewise (infinite).
        qualifier: "=", a bound, or "~" when nothing can be said.
        quantity: What was divided, never a mixture.
        explanation: One sentence.
    """

    ratio: float | None
    lower: float | None
    upper: float | None
    qualifier: Qualifier
    quantity: Quantity
    explanation: str


def selectivity(a: CompoundResult, b: CompoundResult) -> Selectivity:
    """Ratio b/a with an interval on the log scale.

    Half-widths add in quadrature, each side its own. Between different sites or radioligands the
    intervals include the uncertainty of each Kd; within one assay Kd is common and cancels.

    Raises:
        AnalysisError: One is a Ki and the other an IC50.
    """
    if a.quantity != b.quantity:
        message = (
            f"A ratio of {b.quantity} ({b.compound}) to {a.quantity} ({a.compound}) has no "
            "meaning: compare Ki with Ki or IC50 with IC50."
        )
        raise AnalysisError(message)
    if a.value_molar is None or b.value_molar is None or "~" in {a.qualifier, b.qualifier}:
        return _nothing(a, "At least one of the two values is not for use, so there is no ratio.")
    direction = {_SIGN[b.qualifier], -_SIGN[a.qualifier]} - {0}
    if len(direction) > 1:
        return _nothing(a, "Both values are bounds in the same direction: the ratio is open.")
    if direction:
        return _bound(a, b, upwards=direction == {1})
    return _ratio(a, b)


def _nothing(a: CompoundResult, why: str) -> Selectivity:
    return Selectivity(None, None, None, "~", a.quantity, why)


def _interval(result: CompoundResult, *, with_kd: bool) -> LogInterval:
    chosen = result.interval_with_kd if with_kd else result.combined_interval
    if chosen is not None:
        return chosen
    assert result.value_molar is not None  # noqa: S101 checked by the caller
    value = math.log10(result.value_molar)
    return LogInterval(
        math.log10(result.lower_molar) if result.lower_molar else -math.inf,
        math.log10(result.upper_molar) if result.upper_molar else value,
    )


def _other_assay(a: CompoundResult, b: CompoundResult) -> bool:
    x, y = a.conditions, b.conditions
    return (x.site, x.radioligand, x.tissue, x.kd_molar) != (
        y.site,
        y.radioligand,
        y.tissue,
        y.kd_molar,
    )


def _basis(a: CompoundResult, b: CompoundResult) -> str:
    return f"{b.quantity} of {b.compound} at {b.site} over {a.quantity} of {a.compound} at {a.site}"


def _ratio(a: CompoundResult, b: CompoundResult) -> Selectivity:
    assert a.value_molar is not None  # noqa: S101
    assert b.value_molar is not None  # noqa: S101
    with_kd = _other_assay(a, b)
    log_a, log_b = math.log10(a.value_molar), math.log10(b.value_molar)
    of_a, of_b = _interval(a, with_kd=with_kd), _interval(b, with_kd=with_kd)
    log = log_b - log_a
    lower = log - math.hypot(log_b - of_b.lower, of_a.upper - log_a)
    upper = log + math.hypot(of_b.upper - log_b, log_a - of_a.lower)
    sentence = _basis(a, b) + (
        "; the interval includes both Kd." if with_kd else "; Kd is common and cancels."
    )
    return Selectivity(10.0**log, 10.0**lower, 10.0**upper, "=", a.quantity, sentence)


def _bound(a: CompoundResult, b: CompoundResult, *, upwards: bool) -> Selectivity:
    """A bound that uses the near end of the interval of a measured value."""
    with_kd = _other_assay(a, b)
    assert a.value_molar is not None  # noqa: S101
    assert b.value_molar is not None  # noqa: S101
    log_a, log_b = math.log10(a.value_molar), math.log10(b.value_molar)
    if a.qualifier == "=":
        of_a = _interval(a, with_kd=with_kd)
        log_a = of_a.upper if upwards else of_a.lower
    if b.qualifier == "=":
        of_b = _interval(b, with_kd=with_kd)
        log_b = of_b.lower if upwards else of_b.upper
    ratio = 10.0 ** (log_b - log_a)
    sentence = _basis(a, b) + "; a bound, since one value is a bound."
    if upwards:
        return Selectivity(ratio, ratio, math.inf, ">", a.quantity, sentence)
    return Selectivity(ratio, 0.0, ratio, "<", a.quantity, sentence)
