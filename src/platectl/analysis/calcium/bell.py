"""Curves that rise and fall again: a rising and a falling Hill term, both in log10 molar."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from platectl.analysis.dose_response import LN10, ONE_SITE
from platectl.analysis.model import FloatArray, Model

HILL_DOWN = 2.0


def _curve(x: FloatArray, theta: FloatArray) -> FloatArray:
    bottom, span, log_ec50, log_ic50 = theta
    up = expit(LN10 * (x - log_ec50))
    down = expit(-LN10 * HILL_DOWN * (x - log_ic50))
    value: FloatArray = bottom + span * up * down
    return value


def _guess(x: FloatArray, y: FloatArray) -> FloatArray:
    """Grid of both midpoints; Bottom and Span are linear."""
    low, high = float(np.quantile(x, 0.1)), float(np.max(x))
    starts, squares = [], []
    for log_ec50 in np.linspace(max(low, high - 5.0), high - 0.5, 10):
        for log_ic50 in np.linspace(log_ec50 + 0.5, high + 1.0, 8):
            part = _curve(x, np.array((0.0, 1.0, log_ec50, log_ic50)))
            design = np.stack((np.ones_like(x), part), axis=1)
            (bottom, span), *_ = np.linalg.lstsq(design, y, rcond=None)
            starts.append((bottom, span, log_ec50, log_ic50))
            squares.append(float(np.sum((y - design @ (bottom, span)) ** 2)))
    return np.array(starts)[np.argsort(squares)[:4]]


BELL_SHAPED = Model(
    name="Bell-shaped",
    contains=(ONE_SITE.name,),
    equation="Y = Bottom + Span/(1+10^(LogEC50-X))/(1+10^((X-LogIC50)*2))",
    source="two Hill terms with common plateaus; the falling one has slope 2",
    parameters=("Bottom", "Span", "LogEC50", "LogIC50"),
    curve=_curve,
    guess=_guess,
)
"""The rising side has slope 1 and the falling side slope 2, both held.

The few doses beyond the maximum determine LogIC50 and no more: choosing among slopes by the sum of
squares shifts LogEC50 by 0.1 to 0.3 whenever the wrong one happens to fit better (simulated).
"""
