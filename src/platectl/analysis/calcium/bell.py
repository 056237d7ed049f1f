"""Curves that rise and fall again: a rising and a falling Hill term, both in log10 molar."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from platectl.analysis.dose_response import LN10
from platectl.analysis.model import FloatArray, Model


def bell_shaped(hill_down: float) -> Model:
    """`Y = Bottom + Span/(1+10^(LogEC50-X))/(1+10^((X-LogIC50)*HillDown))`.

    The rising side has slope 1; the slope of the falling side is held, since the few doses beyond
    the maximum determine LogIC50 and no more.
    """

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        bottom, span, log_ec50, log_ic50 = theta
        up = expit(LN10 * (x - log_ec50))
        down = expit(-LN10 * hill_down * (x - log_ic50))
        value: FloatArray = bottom + span * up * down
        return value

    def guess(x: FloatArray, y: FloatArray) -> FloatArray:
        """Grid of both midpoints; Bottom and Span are linear."""
        low, high = float(np.quantile(x, 0.1)), float(np.max(x))
        starts, squares = [], []
        for log_ec50 in np.linspace(max(low, high - 5.0), high - 0.5, 10):
            for log_ic50 in np.linspace(log_ec50 + 0.5, high + 1.0, 8):
                part = expit(LN10 * (x - log_ec50)) * expit(-LN10 * hill_down * (x - log_ic50))
                design = np.stack((np.ones_like(x), part), axis=1)
                (bottom, span), *_ = np.linalg.lstsq(design, y, rcond=None)
                starts.append((bottom, span, log_ec50, log_ic50))
                squares.append(float(np.sum((y - design @ (bottom, span)) ** 2)))
        return np.array(starts)[np.argsort(squares)[:4]]

    return Model(
        name=f"Bell-shaped, falling with slope {hill_down:g}",
        equation="Y = Bottom + Span/(1+10^(LogEC50-X))/(1+10^((X-LogIC50)*HillDown))",
        parameters=("Bottom", "Span", "LogEC50", "LogIC50"),
        curve=curve,
        guess=guess,
    )
