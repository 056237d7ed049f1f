"""IC50 or EC50 of one curve of plain points, or why there is none.

`Y = Bottom + (Top-Bottom)/(1+10^((LogIC50-X) HillSlope))` and its relatives, X = log10 molar. A value needs five
concentrations, a response that depends on them (F test against the mean), a fit that settled, and a
profile interval that is closed and no wider than two decades; beyond the concentrations it is a bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from platectl.analysis.curves import fit_curve
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit
from platectl.analysis.model import FloatArray
from platectl.analysis.points import as_points
from platectl.analysis.profile import profile_interval
from platectl.analysis.qualifiers import RULES, Qualifier
from platectl.analysis.weighting import UNWEIGHTED, Kind, Weighting
from platectl.domain.codes import Code
from platectl.domain.result_rules import QualifierRules

MODELS_WITH_POTENCY = ("4PL", "one-site", "5PL")
LEAST_DEPENDENCE = 0.05


@dataclass(frozen=True, slots=True)
class Potency:
    """What is known of one potency; molar.

    Attributes:
        quantity: "IC50" where the response falls with the dose, else "EC50".
        value_molar: The potency, or the bound; None when nothing is known.
        lower_molar: Of the 95 % profile interval; None when open.
        upper_molar: As `lower_molar`.
        qualifier: "=", a bound ">" or "<", or "~" for nothing.
        code: Name of the finding where there is no value or a bound.
        sentence: What it says.
        fitted: The fit, if there was one.
    """

    quantity: str
    value_molar: float | None
    lower_molar: float | None
    upper_molar: float | None
    qualifier: Qualifier
    code: Code | None
    sentence: str
    fitted: Fit | None


def potency(
    log_molar: ArrayLike,
    response: ArrayLike,
    *,
    model: str = "4PL",
    weighting: Weighting | Kind = UNWEIGHTED,
    rules: QualifierRules = RULES,
) -> Potency:
    """Fit one curve and say what is known of its potency.

    Args:
        log_molar: log10 of the concentration in M, shape (points,).
        response: Shape (points,), falling or rising.
        model: "4PL", "one-site" or "5PL".
        weighting: As for `fit_curve`.
        rules: `too_few_concentrations` and `not_for_use` hold here too.

    Raises:
        AnalysisError: Another model, or points that no curve can be asked of.
    """
    if model not in MODELS_WITH_POTENCY:
        message = f"A potency needs one of {', '.join(MODELS_WITH_POTENCY)}, not '{model}'."
        raise AnalysisError(message, Code.NAME_UNKNOWN)
    x, y = as_points(log_molar, "log_molar"), as_points(response, "response")
    fewest = rules.too_few_concentrations.fewest
    if (doses := np.unique(x).size) < fewest:
        sentence = f"Only {doses} concentrations were measured; a curve needs {fewest}."
        return _nothing(Code.POINTS_FEW, sentence)
    try:
        found = fit_curve(model, x, y, weighting=weighting)
    except AnalysisError as error:
        if error.code is not Code.RESPONSE_CONSTANT:
            raise
        return _nothing(error.code, str(error))
    return _graded(found, x, rules.not_for_use.log_units)


def _graded(found: Fit, x: FloatArray, widest: float) -> Potency:
    """What a fit says of its middle."""
    if not _depends(found):
        sentence = "The response does not depend on the concentration beyond chance (F test)."
        return _nothing(Code.RESPONSE_CONSTANT, sentence, found)
    middle = found["LogIC50"].value
    beyond: Qualifier = ">" if middle > x.max() else "<" if middle < x.min() else "="
    if beyond != "=":
        return _bound(float(x.max() if beyond == ">" else x.min()), beyond, found)
    if found.status != "converged":
        return _nothing(Code.CURVE_UNSETTLED, f"The fit is {found.status}.", found)
    interval = profile_interval(found, "LogIC50")
    if not interval.width <= widest:
        sentence = (
            f"The interval of the potency is wider than {widest:g} log units or open: not for use."
        )
        return _nothing(Code.CURVE_UNSETTLED, sentence, found)
    value, lower, upper = (10.0**end for end in (middle, interval.lower, interval.upper))
    return Potency(_quantity(found), value, lower, upper, "=", None, "", found)


def _depends(found: Fit) -> bool:
    """F test of the curve against the weighted mean."""
    mean = float(found.weights @ found.y / found.weights.sum())
    flat = float(found.weights @ np.square(found.y - mean))
    extra = found.layout.free.size - 1
    if found.df < 1 or found.ss <= 0.0:
        return flat > found.ss
    ratio = max(flat - found.ss, 0.0) / extra / found.residual_variance
    return bool(fdtrc(extra, found.df, ratio) < LEAST_DEPENDENCE)


def _quantity(found: Fit | None) -> str:
    if found is None:
        return "EC50"
    low, high = (found.fitted[int(i)] for i in (found.x.argmin(), found.x.argmax()))
    return "IC50" if high < low else "EC50"


def _nothing(code: Code, sentence: str, found: Fit | None = None) -> Potency:
    return Potency(_quantity(found), None, None, None, "~", code, sentence, found)


def _bound(end: float, qualifier: Qualifier, found: Fit) -> Potency:
    sentence = (
        f"The middle of the curve lies beyond the concentrations ({qualifier} {10.0**end:.3g} M)."
    )
    code = Code.CURVE_UNSETTLED
    return Potency(_quantity(found), 10.0**end, None, None, qualifier, code, sentence, found)
