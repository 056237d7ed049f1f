"""Sigmoid dose-response curves on log10 concentration, and drc's log-logistic on dose.

Prism forms: `Y = Bottom + (Top-Bottom)/(1+10^((LogIC50-X)*HillSlope))`, X = log10 molar.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import expit

from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray, Model, stack_columns
from platectl.domain.codes import Code

LN10 = math.log(10.0)
ONE_SITE_HILL = -1.0
GADDUM_SCHILD_NAME = "Gaddum/Schild EC50 shift"
_FOUR_NAME = "log(inhibitor) vs. response, variable slope"
_SLOPE_HELD = "One site - Fit logIC50", "One site - Fit Ki"


def _fraction(x: FloatArray, log_ic50: Any, hill: Any) -> FloatArray:
    """1/(1+10^((LogIC50-X)*Hill)), safe for any exponent."""
    value: FloatArray = expit(-LN10 * hill * (log_ic50 - x))
    return value


def _four_curve(x: FloatArray, theta: FloatArray) -> FloatArray:
    top, bottom, log_ic50, hill = theta
    curve: FloatArray = bottom + (top - bottom) * _fraction(x, log_ic50, hill)
    return curve


def _four_derivatives(x: FloatArray, theta: FloatArray) -> FloatArray:
    top, bottom, log_ic50, hill = theta
    part = _fraction(x, log_ic50, hill)
    slope = -LN10 * (top - bottom) * part * (1.0 - part)
    return stack_columns((part, 1.0 - part, slope * hill, slope * (log_ic50 - x)), x.shape[-1])


def _three_curve(x: FloatArray, theta: FloatArray) -> FloatArray:
    top, bottom, log_ic50 = theta
    curve: FloatArray = bottom + (top - bottom) * _fraction(x, log_ic50, ONE_SITE_HILL)
    return curve


def _three_derivatives(x: FloatArray, theta: FloatArray) -> FloatArray:
    top, bottom, log_ic50 = theta
    part = _fraction(x, log_ic50, ONE_SITE_HILL)
    slope = LN10 * (top - bottom) * part * (1.0 - part)
    return stack_columns((part, 1.0 - part, slope), x.shape[-1])


def sigmoid_grid(
    x: FloatArray, y: FloatArray, hills: tuple[float, ...], middle: FloatArray | None = None
) -> FloatArray:
    """Best (Top, Bottom, LogIC50, Hill) for each Hill slope over a grid of LogIC50.

    Top and Bottom are linear, so they are solved exactly for each grid point (variable
    projection). A grid point that no plateau pair can improve on a flat line is dropped by
    its sum of squares. Shape of the result: (hills, 4), lowest sum of squares first.
    """
    if middle is None:
        middle = np.linspace(float(np.quantile(x, 0.02)), float(np.quantile(x, 0.98)), 31)
    grid_hill = np.repeat(np.asarray(hills), middle.size)[:, None]
    grid_middle = np.tile(middle, len(hills))[:, None]
    part = _fraction(x[None, :], grid_middle, grid_hill)
    centred = part - part.mean(axis=1, keepdims=True)
    spread = np.einsum("ij,ij->i", centred, centred)
    covary = centred @ (y - y.mean())
    usable = spread > 1e-12 * x.size
    span = np.where(usable, covary / np.where(usable, spread, 1.0), 0.0)
    gain = np.where(usable, span * covary, 0.0).reshape(len(hills), -1)
    best = gain.argmax(axis=1) + np.arange(len(hills)) * middle.size
    bottom = y.mean() - span[best] * part[best].mean(axis=1)
    found = np.stack(
        (bottom + span[best], bottom, grid_middle[best, 0], grid_hill[best, 0]), axis=1
    )
    return found[np.argsort(-gain.max(axis=1), kind="stable")]


def _rising(starts: FloatArray) -> FloatArray:
    """Write each start with Top above Bottom; swapping them changes the sign of the Hill slope."""
    swap = starts[:, 0] < starts[:, 1]
    turned = starts[:, [1, 0, 2, 3]] * np.array([1.0, 1.0, 1.0, -1.0])
    return np.where(swap[:, None], turned, starts)


def _four_guess(x: FloatArray, y: FloatArray) -> FloatArray:
    return _rising(sigmoid_grid(x, y, (-1.0, -0.5, -2.0, -5.0)))


def _three_guess(x: FloatArray, y: FloatArray) -> FloatArray:
    return sigmoid_grid(x, y, (ONE_SITE_HILL,))[:, :3]


FOUR_PARAMETER = Model(
    name=_FOUR_NAME,
    contains=(*_SLOPE_HELD, GADDUM_SCHILD_NAME),
    equation="Y = Bottom + (Top-Bottom)/(1+10^((LogIC50-X)*HillSlope))",
    source="GraphPad Prism Curve Fitting Guide, log(inhibitor) vs. response, variable slope",
    parameters=("Top", "Bottom", "LogIC50", "HillSlope"),
    curve=_four_curve,
    derivatives=_four_derivatives,
    guess=_four_guess,
)

ONE_SITE = Model(
    name=_SLOPE_HELD[0],
    contains=_SLOPE_HELD[1:],
    equation="Y = Bottom + (Top-Bottom)/(1+10^(X-LogIC50))",
    source="GraphPad Prism Curve Fitting Guide, one site, fit logIC50",
    parameters=("Top", "Bottom", "LogIC50"),
    curve=_three_curve,
    derivatives=_three_derivatives,
    guess=_three_guess,
)


def one_site_ki(radioligand_molar: float, kd_molar: float) -> Model:
    """Prism "One site - Fit Ki": `LogEC50 = log10(10^LogKi*(1+L/Kd))`, then ONE_SITE."""
    shift = math.log10(1.0 + radioligand_molar / kd_molar)
    offset = np.array([0.0, 0.0, shift])

    def moved(theta: FloatArray) -> FloatArray:
        shifted: FloatArray = theta + (offset if theta.ndim == 1 else offset[:, None])
        return shifted

    return Model(
        name=_SLOPE_HELD[1],
        contains=_SLOPE_HELD[:1],
        equation="LogEC50 = log10(10^LogKi*(1+L/Kd)); Y = Bottom + (Top-Bottom)/(1+10^(X-LogEC50))",
        source="Cheng and Prusoff 1973; GraphPad Prism Curve Fitting Guide, one site, fit Ki",
        parameters=("Top", "Bottom", "LogKi"),
        curve=lambda x, theta: _three_curve(x, moved(theta)),
        derivatives=lambda x, theta: _three_derivatives(x, moved(theta)),
        guess=lambda x, y: _three_guess(x, y) - offset,
    )


def _five_curve(x: FloatArray, theta: FloatArray) -> FloatArray:
    top, bottom, log_ic50, hill, asymmetry = theta
    log_xb = log_ic50 + np.log10(np.exp2(1.0 / asymmetry) - 1.0) / hill
    curve: FloatArray = bottom + (top - bottom) * _fraction(x, log_xb, hill) ** asymmetry
    return curve


def _five_guess(x: FloatArray, y: FloatArray) -> FloatArray:
    four = _four_guess(x, y)
    return np.concatenate([np.column_stack((four, np.full(len(four), s))) for s in (1.0, 0.5, 2.0)])


FIVE_PARAMETER = Model(
    name="Asymmetric sigmoidal, 5PL",
    contains=(_FOUR_NAME, *_SLOPE_HELD),
    equation="LogXb = LogIC50 + (1/HillSlope)*log10(2^(1/S)-1); "
    "Y = Bottom + (Top-Bottom)/(1+10^((LogXb-X)*HillSlope))^S",
    source="GraphPad Prism Curve Fitting Guide, asymmetrical (five parameter), by the logIC50 of the curve",
    parameters=("Top", "Bottom", "LogIC50", "HillSlope", "S"),
    curve=_five_curve,
    guess=_five_guess,
)


def _two_curve(x: FloatArray, theta: FloatArray) -> FloatArray:
    top, bottom, high, low, share = theta
    high_part = _fraction(x, high, ONE_SITE_HILL)
    low_part = _fraction(x, low, ONE_SITE_HILL)
    curve: FloatArray = bottom + (top - bottom) * (share * high_part + (1.0 - share) * low_part)
    return curve


def _two_guess(x: FloatArray, y: FloatArray) -> FloatArray:
    top, bottom, middle = _three_guess(x, y)[0]
    return np.array(
        [
            (top, bottom, middle - gap, middle + gap, share)
            for gap in (0.6, 1.2)
            for share in (0.3, 0.5, 0.7)
        ]
    )


TWO_SITES = Model(
    name="Two sites - Fit logIC50",
    contains=_SLOPE_HELD,
    equation="Y = Bottom + (Top-Bottom)*(FractionHi/(1+10^(X-LogIC50Hi)) "
    "+ (1-FractionHi)/(1+10^(X-LogIC50Lo)))",
    source="GraphPad Prism Curve Fitting Guide, two sites, fit logIC50",
    parameters=("Top", "Bottom", "LogIC50Hi", "LogIC50Lo", "FractionHi"),
    curve=_two_curve,
    guess=_two_guess,
)


def _log_logistic_curve(dose: FloatArray, theta: FloatArray) -> FloatArray:
    b, c, d, e, f = theta
    with np.errstate(divide="ignore", invalid="ignore"):
        curve: FloatArray = c + (d - c) * expit(-b * (np.log(dose) - np.log(e))) ** f
    return curve


def log_logistic(*, lower: bool = True, asymmetric: bool = False) -> Model:
    """Log-logistic curves as drc's LL.3 (no lower limit), LL.4 and LL.5; dose zero is allowed.

    `Y = c + (d-c)/(1+exp(b*(log(dose)-log(e))))^f`, parameters in drc's order.
    """
    names = ("b", *(("c",) if lower else ()), "d", "e", *(("f",) if asymmetric else ()))

    def complete(theta: FloatArray) -> list[Any]:
        given = dict(zip(names, theta, strict=True))
        return [given["b"], given.get("c", 0.0), given["d"], given["e"], given.get("f", 1.0)]

    def curve(dose: FloatArray, theta: FloatArray) -> FloatArray:
        return _log_logistic_curve(dose, np.stack(np.broadcast_arrays(*complete(theta))))

    def guess(dose: FloatArray, y: FloatArray) -> FloatArray:
        if (dose < 0.0).any() or not (dose > 0.0).any():
            message = "Log-logistic curves take doses from zero up, not their logarithms."
            raise AnalysisError(message, Code.DOSE_IMPOSSIBLE)
        smallest = float(dose[dose > 0.0].min())
        x = np.log10(np.where(dose > 0.0, dose, smallest * 1e-3))
        rows = []
        for top, bottom, middle, hill in _four_guess(x, y):
            values = {"b": -hill, "c": bottom, "d": top, "e": 10.0**middle, "f": 1.0}
            rows.append([values[name] for name in names])
        return np.array(rows)

    return Model(
        name=f"LL.{len(names)}",
        contains=tuple(f"LL.{count}" for count in range(3, len(names))),
        equation="Y = c + (d-c)/(1+exp(b*(log(dose)-log(e))))^f",
        source="R package drc, LL.3, LL.4 and LL.5: Ritz, Baty, Streibig and Gerhard 2015, PLoS ONE 10:e0146021",
        parameters=names,
        curve=curve,
        guess=guess,
    )
