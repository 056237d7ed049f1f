"""Outliers by ROUT (Motulsky and Brown 2006): robust fit, then a false discovery rate."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtr

from platectl.analysis.fit import Fit, Problem
from platectl.analysis.model import FloatArray

_ROBUST_ROUNDS = 60
_TESTED_SHARE = 0.30
_P68 = 0.6827


def robust_residual_sd(absolute: FloatArray, parameters: int) -> float:
    """RSDR = P68 N/(N-K), P68 the 68.27th percentile (linear rule) of the absolute residuals."""
    n = absolute.size
    return float(np.quantile(absolute, _P68)) * n / max(n - parameters, 1)


def robust_residuals(fitted: Fit) -> FloatArray:
    """Weighted residuals from a Lorentzian fit with the weights of the given fit held.

    Minimises `sum ln(1 + (r/RSDR)^2)` by iterated weights 1/(1 + (r/RSDR)^2), starting at the
    least-squares fit.
    """
    problem = Problem(fitted.model, fitted.x, fitted.y, fitted.layout, fitted.options)
    root = np.sqrt(fitted.weights)
    free = fitted.free_values
    scaled = root * fitted.residuals
    for _ in range(_ROBUST_ROUNDS):
        rsdr = robust_residual_sd(np.abs(scaled), free.size)
        if not rsdr > 0.0:
            break
        weights = fitted.weights / (1.0 + np.square(scaled / rsdr))
        found = problem.solve(free, weights, tolerance=1e-3, damping=0.0)
        if not np.isfinite(found.ss):
            break
        free = found.theta
        before, scaled = scaled, root * (fitted.y - problem.curve(free))
        if np.abs(scaled - before).max() <= 1e-3 * rsdr:
            break
    return scaled


def rout_outliers(fitted: Fit, q: float = 0.01) -> tuple[int, ...]:
    """Positions of points that are outliers at a false discovery rate of `q`.

    Residuals are tested from the 70th percentile upward: the first with
    `p < q (N-(i-1))/N` (i its rank) makes it and all larger ones outliers.
    """
    n, k = fitted.points, fitted.layout.free.size
    if n - k < 1 or fitted.ss <= 0.0:
        return ()
    absolute = np.abs(robust_residuals(fitted))
    rsdr = robust_residual_sd(absolute, k)
    if not rsdr > 0.0:
        return ()
    order = np.argsort(absolute, kind="stable")
    first = int((1.0 - _TESTED_SHARE) * n)
    p = 2.0 * stdtr(n - k, -absolute[order] / rsdr)
    for rank in range(first, n):
        if p[rank] < q * (n - rank) / n:
            return tuple(sorted(int(i) for i in order[rank:]))
    return ()
