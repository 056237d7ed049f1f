"""How errors of dilution and of measured constants reach log10 Ki."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platectl.analysis.model import FloatArray


@dataclass(frozen=True, slots=True)
class PreparationErrors:
    """Standard deviations in log10: of each serial step, of each series' top, of the stock."""

    step_sd_log10: float = 0.012
    top_sd_log10: float = 0.012
    stock_sd_log10: float = 0.0


def concentration_covariance(
    series: Sequence[str | None], steps: Sequence[int], errors: PreparationErrors
) -> FloatArray:
    """Covariance of log10 concentrations, shape (points, points).

    Points of one series share the errors of the steps they have in common:
    `sd_step^2 min(k_i, k_j) + sd_top^2`. Series are independent but for the stock. A point
    without a series is a series of its own.
    """
    names = [f"\0{i}" if name is None else name for i, name in enumerate(series)]
    label = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)[1]
    depth = np.asarray(steps, dtype=np.float64)
    common = np.minimum(depth[:, None], depth[None, :]) * errors.step_sd_log10**2
    same = label[:, None] == label[None, :]
    return np.where(same, common + errors.top_sd_log10**2, 0.0) + errors.stock_sd_log10**2


def estimate_sensitivity(
    jacobian: FloatArray, weights: FloatArray, place: int, dose_slope: FloatArray
) -> FloatArray:
    """Change of the estimate per decade of the true concentration of each point, shape (points,).

    The linearised least-squares estimate answers a change of y_j with
    `[(J'WJ)^-1 J'W]_{place,j}`; an error of the true log concentration changes y_j by
    `dose_slope_j`. The sign is that of the estimate when the true concentration rises.
    """
    root = np.sqrt(weights)
    answer = np.linalg.pinv(jacobian * root[:, None])[place] * root
    sensitivity: FloatArray = answer * dose_slope
    return sensitivity


def preparation_variance(sensitivity: FloatArray, covariance: FloatArray) -> float:
    """First-order variance of the estimate, log10 squared."""
    return float(sensitivity @ covariance @ sensitivity)


def radioligand_share(radioligand_molar: float, kd_molar: float) -> float:
    """Share r/(1+r), r = L/Kd, of an error of log L (or log Kd) that reaches log Ki."""
    r = radioligand_molar / kd_molar
    return r / (1.0 + r)
