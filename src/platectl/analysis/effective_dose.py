"""Doses of a given effect (ED), and the covariance from the observed second derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, t_quantile
from platectl.analysis.model import FloatArray
from platectl.domain.codes import Code

_STEP = 1e-4
_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class EffectiveDose:
    """Dose at a percentage of the way from the response without dose to that at the highest.

    Its interval is that of the delta method.
    """

    percent: float
    dose: float
    standard_error: float
    lower: float
    upper: float


def effective_dose(
    fitted: Fit, percent: float, covariance: FloatArray | None = None
) -> EffectiveDose:
    """Relative ED of a log-logistic fit, `e ((1-p)^(-1/f) - 1)^(1/b)` as drc's `ED`.

    Ritz, Baty, Streibig and Gerhard 2015 (PLoS ONE 10:e0146021). The control is the response
    without dose: d, or c where b < 0, so that there p is 100 minus the percentage (`type =
    "relative", reference = "control"`).

    Args:
        fitted: Fit of `log_logistic`.
        percent: 0 to 100.
        covariance: Of the free parameters; that of the fit (Gauss-Newton) if None.

    Raises:
        AnalysisError: Not a log-logistic fit, or a percentage that is not inside 0 to 100.
    """
    if not {"b", "d", "e"} <= set(fitted.model.parameters):
        message = f"Effective doses need a log-logistic fit, not '{fitted.model.name}'."
        raise AnalysisError(message)
    if not 0.0 < percent < _PERCENT:
        message = f"An effective dose needs a percentage between 0 and 100, not {percent!r}."
        raise AnalysisError(message, Code.VALUE_OUT_OF_RANGE)
    values = {p.name: p.value for p in fitted.parameters}
    b, e, f = values["b"], values["e"], values.get("f", 1.0)
    rest = percent / _PERCENT if b < 0.0 else 1.0 - percent / _PERCENT
    left = rest ** (-1.0 / f)
    ratio = left - 1.0
    dose = e * ratio ** (1.0 / b)
    slope = {
        "b": -dose * np.log(ratio) / b**2,
        "e": dose / e,
        "f": dose / b * left * np.log(rest) / f**2 / ratio,
    }
    names = [fitted.layout.names[i] for i in fitted.layout.free]
    gradient = np.array([slope.get(name, 0.0) for name in names])
    used = fitted.covariance if covariance is None else covariance
    error = float(np.sqrt(gradient @ used @ gradient))
    half = t_quantile(fitted.df, fitted.options.confidence) * error
    return EffectiveDose(percent, dose, error, dose - half, dose + half)


def observed_covariance(fitted: Fit) -> FloatArray:
    """Covariance from the observed Hessian, `s^2 (H/2)^-1` with H the second derivatives of SS.

    This is what drc reports; it differs from the usual Gauss-Newton covariance `s^2 (J'WJ)^-1` by
    the curvature of the model times the residuals. Weights are held.
    """
    hessian = np.empty_like(fitted.covariance)
    scale = np.sqrt(np.diag(fitted.covariance))
    for i, size in enumerate(scale):
        step = np.zeros_like(scale)
        step[i] = _STEP * size
        above, below = (_gradient(fitted, fitted.free_values + s * step) for s in (1.0, -1.0))
        hessian[i] = (above - below) / (2.0 * step[i])
    inverse = np.asarray(np.linalg.inv(0.5 * (hessian + hessian.T)), dtype=np.float64)
    return fitted.residual_variance * inverse


def _gradient(fitted: Fit, free: FloatArray) -> FloatArray:
    """Half the gradient of the weighted sum of squares."""
    theta = fitted.layout.theta(free)
    slopes = fitted.layout.free_jacobian(fitted.model.jacobian(fitted.x, theta))
    residuals = fitted.y - fitted.model.curve(fitted.x, theta)
    gradient: FloatArray = -slopes.T @ (fitted.weights * residuals)
    return gradient
